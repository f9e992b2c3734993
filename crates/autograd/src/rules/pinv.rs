//! The rule of the pseudoinverse Y = A⁺ among matrices of one rank. A·Y and Y·A project onto the columns and the rows of A;
//! the components of Ȧ outside them rotate the two spaces:
//!
//! Ẏ = -Y·Ȧ·Y + Y·Yᵀ·Ȧᵀ·(I - A·Y) + (I - Y·A)·Ȧᵀ·Yᵀ·Y
//!
//! Source: Golub and Pereyra, *The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
//! separate* (1973).

use super::t;
use crate::float::Float;
use crate::value::Value;

/// A·B·C, in the order that takes fewer operations: no projection on a long axis is formed.
fn product<T: Float, V: Value<T>>(a: &V, b: &V, c: &V) -> V {
    let size = |x: &V| x.shape().last_chunk().copied().unwrap_or([0; 2]);
    let ([m, k], [l, n]) = (size(a), size(c));
    if m * l * (k + n) <= k * n * (l + m) {
        a.matmul(b, false, false).matmul(c, false, false)
    } else {
        a.matmul(&b.matmul(c, false, false), false, false)
    }
}

/// Ā = -Yᵀ·Ȳ·Yᵀ + (I - A·Y)·Ȳᵀ·Y·Yᵀ + Yᵀ·Y·Ȳᵀ·(I - Y·A)
pub(super) fn vjp<T: Float, V: Value<T>>(a: &V, y: &V, g: &V) -> V {
    let (yt, gt) = (&t(y), &t(g));
    let (columns, rows) = (product(gt, y, yt), product(yt, y, gt));
    let columns = columns.sub(&product(a, y, &columns));
    let rows = rows.sub(&product(&rows, y, a));
    columns.add(&rows).sub(&product(yt, g, yt))
}

pub(super) fn jvp<T: Float, V: Value<T>>(a: &V, y: &V, d: &V) -> V {
    let (yt, dt) = (&t(y), &t(d));
    let (columns, rows) = (product(y, yt, dt), product(dt, yt, y));
    let columns = columns.sub(&product(&columns, a, y));
    let rows = rows.sub(&product(y, a, &rows));
    columns.add(&rows).sub(&product(y, d, y))
}
