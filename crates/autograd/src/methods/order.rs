//! Index tensors found from the order of numbers.

use crate::error::{Error, Result};
use crate::float::Float;
use crate::kernel::{order, scan};
use crate::op::eval::{around, flat};
use crate::op::{Fold, Op};
use crate::tensor::layout::reduced_shape;
use crate::tensor::{AxisSet, Shape, Tensor};
use crate::value::Value;

/// Where the largest or smallest element first stands, counted through the axes in row-major order.
pub(super) fn place_of<T: Float>(fold: Fold, x: &Tensor<T>, axes: AxisSet, keep: bool) -> Result<Tensor<i64>> {
    let best = Tensor::try_apply(Op::Reduce { fold, axes, keep: true }, &[x])?;
    let shape = reduced_shape(x.shape(), axes, keep);
    let start = axes.iter().next().unwrap_or(x.rank());
    let end = start + axes.iter().count();
    // Axes that are no neighbours go last and become one.
    let (x, dims) = if axes.iter().eq(start..end) {
        (x.contiguous(), [&x.shape()[..start], &x.shape()[start..end], &x.shape()[end..]].map(|s| s.iter().product()))
    } else {
        let order: Shape = (0..x.rank()).filter(|&i| !axes.contains(i)).chain(axes.iter()).collect();
        let n: usize = axes.iter().map(|i| x.shape()[i]).product();
        (x.permuted(&order).contiguous(), [x.len() / n.max(1), n, 1])
    };
    Ok(Tensor::build(&shape, |out| {
        if !out.is_empty() {
            order::first_place(flat(&x), dims, flat(&best.contiguous()), out);
        }
    }))
}

/// Where the `k` first elements along an axis stand, in order.
pub(super) fn places<T: Float>(x: &Tensor<T>, axis: usize, k: usize, descending: bool) -> Tensor<i64> {
    rows(x, axis, k, |x, n, out| order::sort_rows(x, n, k, descending, out))
}

/// Where the lower of the elements in the middle stands, or a NaN if there is one.
pub(super) fn middle<T: Float>(x: &Tensor<T>, axes: AxisSet) -> Result<Tensor<i64>> {
    if axes.iter().any(|i| x.shape()[i] == 0) {
        return Err(Error::Empty { op: "median", shape: x.shape().into() });
    }
    Ok(axes.iter().fold(Tensor::scalar(0), |_, axis| rows(x, axis, 1, order::median_rows)))
}

/// Where the best element up to each place stands, the last of equals; a NaN is best.
pub(super) fn running<T: Float>(x: &Tensor<T>, axis: usize, better: fn(T, T) -> bool) -> Tensor<i64> {
    let source = x.contiguous();
    let beats = |best: T, x: T| !x.is_nan() && (best.is_nan() || better(best, x));
    Tensor::build(x.shape(), |out| {
        if !out.is_empty() {
            scan::running_best(flat(&source), around(x.shape(), axis), beats, out);
        }
    })
}

/// Runs a kernel of rows along any axis, `k` indices for each row.
fn rows<T: Float>(x: &Tensor<T>, axis: usize, k: usize, kernel: impl Fn(&[T], usize, &mut [i64])) -> Tensor<i64> {
    // The axis changes places with the last one, and back: swapping twice is the identity.
    let mut order: Shape = (0..x.rank()).collect();
    order.swap(axis, x.rank() - 1);
    let rows = x.permuted(&order).contiguous();
    let n = x.shape()[axis];
    let mut shape: Shape = rows.shape().into();
    shape[x.rank() - 1] = k;
    Tensor::build(&shape, |out| {
        if !out.is_empty() {
            kernel(flat(&rows), n, out);
        }
    })
    .permuted(&order)
}
