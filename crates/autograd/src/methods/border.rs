//! The longer bodies of the shape methods: padding, triangles, diagonals; written once for tensors and variables.

use super::plan::{Pad, pad_index};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::op::Op;
use crate::tensor::layout::room;
use crate::tensor::view::Span;
use crate::tensor::{Shape, Tensor};
use crate::value::Value;
use smallvec::smallvec;

/// Crops where widths are negative, then pads with `c`.
#[track_caller]
pub(super) fn constant<T: Float, V: Value<T>>(x: &V, pads: &[[isize; 2]], c: f64, whole: &[usize]) -> Result<V> {
    let mut kept = Span::whole(&x.shape());
    for (span, [before, after]) in kept.iter_mut().zip(pads) {
        span.len -= before.min(&0).unsigned_abs() + after.min(&0).unsigned_abs();
        span.start = if span.len == 0 { 0 } else { before.min(&0).unsigned_abs() };
    }
    let x = &V::try_apply(Op::Slice { spans: kept.clone() }, &[x])?;
    if c == 0.0 {
        for (span, [before, _]) in kept.iter_mut().zip(pads) {
            span.start = if span.len == 0 { 0 } else { before.max(&0).unsigned_abs() };
        }
        return V::try_apply(Op::Place { spans: kept, shape: whole.into() }, &[x]);
    }
    let (c, mut y) = (x.number(T::of(c)), x.clone());
    for (axis, [before, after]) in pads.iter().enumerate().filter(|(_, pair)| pair.iter().any(|&n| n > 0)) {
        let mut beside = y.shape();
        beside[axis] = before.max(&0).unsigned_abs();
        let before = V::try_apply(Op::Expand { shape: beside.clone() }, &[&c])?;
        beside[axis] = after.max(&0).unsigned_abs();
        let after = V::try_apply(Op::Expand { shape: beside }, &[&c])?;
        y = V::try_apply(Op::Concat { axis }, &[&before, &y, &after])?;
    }
    Ok(y)
}

/// Pads axis by axis: takes the source element of each position of the padded axis.
#[track_caller]
pub(super) fn indexed<T: Float, V: Value<T>>(x: &V, pads: &[[isize; 2]], mode: Pad) -> Result<V> {
    let mut y = x.clone();
    for (axis, &pair) in pads.iter().enumerate().filter(|(_, pair)| **pair != [0, 0]) {
        let index = pad_index("pad", x.shape()[axis], pair, mode)?;
        y = V::try_apply(Op::Take { axis, index }, &[&y])?;
    }
    Ok(y)
}

/// Keeps the elements of the last two axes where `keeps(row, column)` holds, and sets the others to zero.
#[track_caller]
pub(super) fn triangle<T: Float, V: Value<T>>(
    op: &'static str,
    x: &V,
    keeps: impl Fn(isize, isize) -> bool,
) -> Result<V> {
    let shape = x.shape();
    let &[.., rows, cols] = shape.as_slice() else {
        return Err(Error::Shape { op, shape: shape.as_slice().into(), hint: "it must have at least two axes".into() });
    };
    if shape.contains(&0) {
        return Ok(x.clone());
    }
    room(op, &[rows, cols])?;
    let mask =
        Tensor::from_fn(&[rows, cols], |i| if keeps(i[0] as isize, i[1] as isize) { T::one() } else { T::zero() });
    V::try_apply(Op::Select, &[&x.constant(mask), x, &x.number(T::zero())])
}

/// The smallest square matrix with the `n` elements of `x` on the diagonal `k`, and zeros elsewhere.
#[track_caller]
pub(super) fn on_diagonal<T: Float, V: Value<T>>(x: &V, n: usize, k: isize) -> Result<V> {
    let too_large = Error::TooLarge { op: "diag", shape: x.shape().as_slice().into() };
    let side = n.checked_add(k.unsigned_abs()).ok_or(too_large)?;
    let square = room("diag", &[side, side])?;
    let (start, len) = super::plan::diagonal(side, side, k);
    let spans = smallvec![Span { start, len, step: side as isize + 1 }];
    let flat = V::try_apply(Op::Place { spans, shape: [square].as_slice().into() }, &[x])?;
    V::try_apply(Op::Reshape { shape: Shape::from_slice(&[side, side]) }, &[&flat])
}
