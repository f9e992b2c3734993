//! Convolutions of samples: with weights that all samples share, the samples are further images; with weights of each
//! sample, they are further groups of channels.

use super::super::shapes::{joined, moved};
use super::Inputs;
use crate::error::Result;
use crate::float::Float;
use crate::op::{Geometry, Op};
use crate::tape::Var;
use crate::value::Value;

/// A convolution, or one of its two derivatives.
pub(super) fn conv<'t, T: Float>(op: &Op, x: Inputs<'_, 't, T>, n: usize) -> Result<Var<'t, T>> {
    let by_images = !x[1].batched && !matches!(op, Op::ConvWeight { .. });
    if by_images {
        let y = Value::try_apply(op.clone(), &[&merged(x[0].var, 0), &x[1].var])?;
        return Ok(split(y, 0, n));
    }
    let grouped = |geometry: &Geometry| Geometry { groups: n * geometry.groups, ..geometry.clone() };
    // Channels of all samples, one sample after another: `[images, n · channels, …]`.
    let channels = |x: Var<'t, T>| merged(x.permute(&moved(x.rank(), 1, 1, 0)), 1);
    let apart = |y: Var<'t, T>| {
        let y = split(y, 1, n);
        y.permute(&moved(y.rank(), 1, 1, 0))
    };
    let (a, b) = (channels(x[0].full(n)), x[1].full(n));
    match op {
        Op::Conv { geometry } => {
            Ok(apart(Value::try_apply(Op::Conv { geometry: grouped(geometry) }, &[&a, &merged(b, 0)])?))
        }
        Op::ConvTranspose { geometry, size } => {
            let op = Op::ConvTranspose { geometry: grouped(geometry), size: size.clone() };
            Ok(apart(Value::try_apply(op, &[&a, &merged(b, 0)])?))
        }
        Op::ConvWeight { geometry } => {
            let op = Op::ConvWeight { geometry: grouped(geometry) };
            Ok(split(Value::try_apply(op, &[&a, &channels(b)])?, 0, n))
        }
        other => unreachable!("{} is no convolution", other.name()),
    }
}

/// Two adjacent axes as one.
pub(super) fn merged<T: Float>(x: Var<'_, T>, axis: usize) -> Var<'_, T> {
    let shape = x.shape();
    x.reshape(&joined(&[&shape[..axis], &[shape[axis] * shape[axis + 1]], &shape[axis + 2..]]))
}

/// One axis as two, the first of size `n`.
pub(super) fn split<T: Float>(x: Var<'_, T>, axis: usize, n: usize) -> Var<'_, T> {
    let shape = x.shape();
    x.reshape(&joined(&[&shape[..axis], &[n, shape[axis] / n.max(1)], &shape[axis + 1..]]))
}
