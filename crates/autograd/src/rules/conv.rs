//! The derivatives of convolutions.
//!
//! Convolution, its derivative with respect to the image (transposed convolution) and its derivative with respect to
//! the weights are the partial derivatives of one form `φ(x, w, g) = Σ g · conv(x, w)`, which is linear in each of
//! image, weights and cotangent. The three ops are therefore closed under differentiation of any order.

use super::Cotangents;
use crate::float::Float;
use crate::op::{Geometry, Op};
use crate::tensor::Shape;
use crate::value::Value;
use smallvec::smallvec;

fn spatial(shape: &[usize]) -> Shape {
    shape[2..].into()
}

/// The cotangents of both operands of one of the three convolution ops.
pub(super) fn vjp<T: Float, V: Value<T>>(op: &Op, x: &[&V], h: &V, wants: &dyn Fn(usize) -> bool) -> Cotangents<V> {
    let output = |geometry: &Geometry, x: &V, w: &V| V::apply(Op::Conv { geometry: geometry.clone() }, &[x, w]);
    let input = |geometry: &Geometry, g: &V, w: &V, like: &V| {
        V::apply(Op::ConvTranspose { geometry: geometry.clone(), size: spatial(&like.shape()) }, &[g, w])
    };
    let weight = |geometry: &Geometry, x: &V, g: &V| V::apply(Op::ConvWeight { geometry: geometry.clone() }, &[x, g]);
    match op {
        Op::Conv { geometry } => {
            smallvec![wants(0).then(|| input(geometry, h, x[1], x[0])), wants(1).then(|| weight(geometry, x[0], h)),]
        }
        Op::ConvTranspose { geometry, .. } => {
            smallvec![wants(0).then(|| output(geometry, h, x[1])), wants(1).then(|| weight(geometry, h, x[0])),]
        }
        Op::ConvWeight { geometry } => {
            smallvec![wants(0).then(|| input(geometry, x[1], h, x[0])), wants(1).then(|| output(geometry, x[0], h)),]
        }
        _ => unreachable!("not a convolution"),
    }
}
