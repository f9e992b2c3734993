//! Bundle adjustment: how far the projections of points are from where cameras saw them.

use super::input::Input;
use super::protocol::{Reply, unknown};
use super::recording::{pieces, recorded};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::ops::Range;
use wengert::prelude::*;

/// Parameters of a camera: rotation, center, focal length, principal point, and radial distortion.
const CAMERA: usize = 11;
/// Observations whose derivatives are computed together, so that they stay in the cache.
const AT_ONCE: usize = 1024;
/// Derivatives of one residual: by the camera, the point, and the weight.
const ROW: usize = CAMERA + 3 + 1;

/// Cameras, points and features lie along the last axis.
struct Scene {
    cameras: Tensor<f64>,
    points: Tensor<f64>,
    weights: Tensor<f64>,
    features: Tensor<f64>,
    /// Which camera saw which point.
    seen: [Vec<usize>; 2],
}

impl Scene {
    /// The suite gives one camera, one point, one weight and one feature, which are repeated.
    fn read(input: &Input) -> Result<Self, String> {
        let repeated =
            |name, size, n| Ok::<_, String>(input.get(name)?.tensor([Some(size)])?.reshape(&[size, 1]).tile(&[1, n]));
        let count = |name| input.get(name)?.count();
        let (n, m, p) = (count("n")?, count("m")?, count("p")?);
        if [n, m, p].contains(&0) {
            return Err(input.expected("n, m and p of at least 1"));
        }
        Ok(Scene {
            cameras: repeated("cam", CAMERA, n)?,
            points: repeated("x", 3, m)?,
            weights: Tensor::full(&[p], input.get("w")?.number()?),
            features: repeated("feat", 2, p)?,
            seen: [n, m].map(|size| (0..p).map(|i| i % size).collect()),
        })
    }

    /// The observations of a range, with their cameras and points.
    fn observed(&self, range: Range<usize>) -> [Tensor<f64>; 4] {
        let [cameras, points] = [(&self.cameras, &self.seen[0]), (&self.points, &self.seen[1])].map(|(all, seen)| {
            let index = seen[range.clone()].iter().map(|&i| i as i64).collect();
            all.take(1, Tensor::new(&[range.len()], index))
        });
        [cameras, points, self.weights.slice_axis(0, range.clone()), self.features.slice_axis(1, range)]
    }

    /// Appends the results of `f` for the observations, piece by piece.
    fn map<F>(&self, mut f: F, all: &mut Vec<f64>) -> Result<(), String>
    where
        F: FnMut(&[&Tensor<f64>]) -> Result<Vec<Tensor<f64>>, String>,
    {
        for range in pieces(self.weights.len(), AT_ONCE) {
            let [cameras, points, weights, features] = self.observed(range);
            let result = &f(&[&cameras, &points, &weights, &features])?[0];
            all.extend_from_slice(result.as_slice().expect("results are contiguous"));
        }
        Ok(())
    }
}

type Vector<'t> = [Var<'t, f64>; 3];

fn dot<'t>(a: Vector<'t>, b: Vector<'t>) -> Var<'t, f64> {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross<'t>(a: Vector<'t>, b: Vector<'t>) -> Vector<'t> {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Rodrigues's formula: `x` turned about the axis `turn` by the angle |turn|. Near 0 it is x + turn × x.
fn rotated<'t>(turn: Vector<'t>, x: Vector<'t>) -> Vector<'t> {
    let square = dot(turn, turn);
    let none = square.is_eq(0.0);
    let angle = none.choose(square.full_like(1.0), square).sqrt();
    let (sine, cosine) = (angle.sin(), angle.cos());
    let axis = turn.map(|w| w / angle);
    let (aside, along) = (cross(axis, x), dot(axis, x) * (1.0 - cosine));
    let near = cross(turn, x);
    [0, 1, 2].map(|i| none.choose(x[i] + near[i], x[i] * cosine + aside[i] * sine + axis[i] * along))
}

/// The rows of a matrix.
fn rows<'t, const N: usize>(x: Var<'t, f64>) -> [Var<'t, f64>; N] {
    std::array::from_fn(|i| x.index_axis(0, i as isize))
}

/// The inputs of residuals, each for all observations: the parameters of the camera, the point, and the weight.
fn unknowns<'t>(x: &[Var<'t, f64>]) -> [Var<'t, f64>; ROW] {
    let (camera, point) = (rows::<CAMERA>(x[0]), rows::<3>(x[1]));
    std::array::from_fn(|i| camera.iter().chain(&point).copied().nth(i).unwrap_or(x[2]))
}

/// The two weighted distances of each observation between the projection and the feature.
fn residuals<'t>(unknowns: &[Var<'t, f64>; ROW], feature: Var<'t, f64>) -> [Var<'t, f64>; 2] {
    let &[r0, r1, r2, c0, c1, c2, focal, u, v, k1, k2, p0, p1, p2, weight] = unknowns;
    let [x, y, z] = rotated([r0, r1, r2], [p0 - c0, p1 - c1, p2 - c2]);
    let (x, y) = (x / z, y / z);
    let square = x.square() + y.square();
    let distortion = 1.0 + k1 * square + k2 * square.square();
    let [seen_x, seen_y] = rows(feature);
    [weight * (x * distortion * focal + u - seen_x), weight * (y * distortion * focal + v - seen_y)]
}

/// The residuals of each observation, side by side.
fn errors<'t>(x: &[Var<'t, f64>]) -> Vec<Var<'t, f64>> {
    vec![Var::stack(&residuals(&unknowns(x), x[3]), 1)]
}

/// The derivatives of each observation's residuals, side by side. The residuals of an observation depend on its own camera,
/// point and weight alone, so the gradient of the sum over all observations has the derivatives of each.
fn derivatives<'t>(x: &[Var<'t, f64>]) -> Vec<Var<'t, f64>> {
    let unknowns = unknowns(x);
    let slopes = residuals(&unknowns, x[3]).into_iter().flat_map(|residual| residual.sum().grad(&unknowns));
    vec![Var::stack(&slopes.collect::<Vec<_>>(), 1)]
}

/// How far the square of each weight is from 1.
fn weight_errors<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    1.0 - x[0].square()
}

/// A sparse matrix by rows: where each row starts, and the column and value of each element.
#[derive(Default)]
struct Sparse {
    starts: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Sparse {
    fn clear(&mut self) {
        self.starts.clear();
        self.columns.clear();
        self.values.clear();
    }

    /// The pattern of the Jacobian: two rows for each observation, then one for each weight.
    fn place(&mut self, scene: &Scene) {
        let [cameras, points] = [&scene.cameras, &scene.points].map(|x| x.shape()[1]);
        let p = scene.weights.len();
        let points_from = (CAMERA * cameras) as u32;
        let weights_from = points_from + (3 * points) as u32;
        for (i, (&camera, &point)) in scene.seen[0].iter().zip(&scene.seen[1]).enumerate() {
            let mut row = [weights_from + i as u32; ROW];
            (0..CAMERA).for_each(|j| row[j] = (CAMERA * camera + j) as u32);
            (0..3).for_each(|j| row[CAMERA + j] = points_from + (3 * point + j) as u32);
            self.columns.extend_from_slice(&row);
            self.columns.extend_from_slice(&row);
        }
        self.columns.extend((0..p as u32).map(|i| weights_from + i));
        self.starts.extend((0..=2 * p).map(|i| (ROW * i) as u32));
        self.starts.extend((1..=p).map(|i| (2 * ROW * p + i) as u32));
    }

    /// The first two rows and the last element: the suite compares only these, since all observations are equal.
    fn json(&self) -> Value {
        fn ends<Y: Copy>(all: &[Y]) -> Vec<Y> {
            let (first, last) = (&all[..all.len().min(2 * ROW)], &all[all.len() - 1..]);
            [first, last].concat()
        }
        json!({ "rows": ends(&self.starts), "cols": ends(&self.columns), "vals": ends(&self.values) })
    }
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    let scene = Scene::read(input)?;
    let weights = [&scene.weights];
    match function {
        "objective" => {
            let (mut distances, mut regular) = (recorded(errors), recorded(|x| vec![weight_errors(x)]));
            // Written anew in the same memory each time.
            let all = RefCell::new(Vec::new());
            let both = || {
                let mut all = all.borrow_mut();
                all.clear();
                scene.map(&mut distances, &mut all)?;
                regular(&weights)
            };
            Reply::timed(input, both, |regular| {
                let (all, regular) = (all.borrow(), &regular[0]);
                json!({
                    "reproj_error": { "elements": &all[..2], "repeated": all.len() / 2 },
                    "w_err": { "element": regular.at(&[0]), "repeated": regular.len() },
                })
            })
        }
        "jacobian" => {
            let (mut slopes, mut regular) = (recorded(derivatives), recorded(|x| weight_errors(x).sum().grad(x)));
            // Written anew in the same memory each time.
            let matrix = RefCell::new(Sparse::default());
            let jacobian = || {
                let mut matrix = matrix.borrow_mut();
                matrix.clear();
                scene.map(&mut slopes, &mut matrix.values)?;
                matrix.values.extend(regular(&weights)?[0].iter());
                matrix.place(&scene);
                Ok(())
            };
            Reply::timed(input, jacobian, |()| matrix.borrow().json())
        }
        _ => unknown(function),
    }
}
