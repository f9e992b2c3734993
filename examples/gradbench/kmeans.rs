//! The cost of a clustering, and the direction of Newton's method for its centroids.

use super::input::{Input, json};
use super::protocol::{Reply, unknown};
use super::recording::{pieces, recorded};
use wengert::prelude::*;

/// The squared distances of points from their nearest centroids, added up: over the centroids `x[0]` and points `x[1]`.
///
/// A matrix product finds the nearest centroid: |c - p|² is |c|² - 2 c·p plus a term that all centroids share. The choice is
/// locally constant, so derivatives only pass through the distance from the chosen one. The points are taken in pieces,
/// whose distances stay in the cache.
fn cost<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let &[centroids, points] = x else { unreachable!("the inputs are two") };
    let (k, n) = (centroids.shape()[0], points.shape()[0]);
    let squares = centroids.square().sum_keep(1);
    let piece = |range| {
        let points = points.slice(0, range);
        let nearest = (squares - 2.0 * centroids.matmul_t(points)).argmin(0);
        (points - centroids.take(0, nearest)).square().sum()
    };
    pieces(n, ((1 << 16) / k).max(64)).map(piece).reduce(|a, b| a + b).expect("there are points")
}

/// The gradient divided by the Hessian, which is diagonal, so that its product with ones has all of it.
fn direction<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let slope = cost(x).grad(&x[..1])[0];
    let curvature = slope.sum().grad(&x[..1])[0];
    slope / curvature
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    let centroids: Tensor<f64> = input.get("centroids")?.tensor([None, None])?;
    let empty = || input.expected("at least one point and one centroid, of at least one dimension");
    if centroids.is_empty() {
        return Err(empty());
    }
    let points = input.get("points")?.tensor([None, Some(centroids.shape()[1])])?;
    if points.is_empty() {
        return Err(empty());
    }
    let (mut value, mut newton) = (recorded(|x| vec![cost(x)]), recorded(|x| vec![direction(x)]));
    let at = [&centroids, &points];
    match function {
        "cost" => Reply::timed(input, || value(&at), |y| json(&y[0])),
        "dir" => Reply::timed(input, || newton(&at), |step| json(&step[0])),
        _ => unknown(function),
    }
}
