//! Convolutions of samples: with weights that all samples share, the samples are further images; with weights of each
//! sample, they are further groups of channels.

use super::Inputs;
use crate::error::Result;
use crate::float::Float;
use crate::op::{Geometry, Op};
use crate::tape::Var;
use crate::tensor::Shape;
use crate::value::Value;
use smallvec::smallvec;

/// A convolution, or one of its two derivatives.
pub(super) fn conv<'t, T: Float>(op: &Op, x: Inputs<'_, 't, T>, n: usize) -> Result<Var<'t, T>> {
    let by_images = !x[1].batched && !matches!(op, Op::ConvWeight { .. });
    if by_images {
        let y = Value::try_apply(op.clone(), &[&merged(x[0].var, 0), &x[1].var])?;
        return Ok(split(y, 0, n));
    }
    let grouped = |geometry: &Geometry| Geometry { groups: n * geometry.groups, ..geometry.clone() };
    // Channels of all samples, one sample after another: `[images, n · channels, …]`.
    let channels = |x: Var<'t, T>| {
        let order: Shape = [1, 0].into_iter().chain(2..x.rank()).collect();
        merged(x.permute(&order), 1)
    };
    let apart = |y: Var<'t, T>| {
        let y = split(y, 1, n);
        let order: Shape = [1, 0].into_iter().chain(2..y.rank()).collect();
        y.permute(&order)
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
fn merged<T: Float>(x: Var<'_, T>, axis: usize) -> Var<'_, T> {
    let shape = x.shape();
    let mut joined: Shape = shape[..axis].into();
    joined.push(shape[axis] * shape[axis + 1]);
    joined.extend_from_slice(&shape[axis + 2..]);
    x.reshape(&joined)
}

/// One axis as two, the first of size `n`.
fn split<T: Float>(x: Var<'_, T>, axis: usize, n: usize) -> Var<'_, T> {
    let shape = x.shape();
    let parts: Shape = smallvec![n, shape[axis] / n.max(1)];
    x.reshape(&shape[..axis].iter().chain(&parts).chain(&shape[axis + 1..]).copied().collect::<Shape>())
}
