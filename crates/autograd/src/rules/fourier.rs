//! The transposes of Fourier transforms. That of n complex numbers is symmetric, so its transpose as a map of real and
//! imaginary parts is its conjugate: the transform in the other direction. Of real numbers, half of the spectrum is kept;
//! in the backward pass, each of its numbers counts twice, except those that are their own conjugates.

use crate::float::Float;
use crate::op::{Op, Transform};
use crate::tensor::Tensor;
use crate::value::Value;

/// The cotangent of the input `x`, of which only the shape matters.
pub(super) fn vjp<T: Float, V: Value<T>>(transform: Transform, x: &V, g: &V) -> V {
    let apply = |transform, g: &V| V::apply(Op::Fourier(transform), &[g]);
    let n = transform.size(&x.shape());
    match transform {
        Transform::Forward => apply(Transform::Backward, g),
        Transform::Backward => apply(Transform::Forward, g),
        Transform::Real => apply(Transform::Half { n }, &g.mul(&counted(g, n, 0.5))),
        Transform::Half { .. } => apply(Transform::Real, g).mul(&counted(g, n, 2.0)),
    }
}

/// 1 for the numbers of half of a spectrum that are their own conjugates, and `twice` for the others.
fn counted<T: Float, V: Value<T>>(like: &V, n: usize, twice: f64) -> V {
    let own = |k: usize| k == 0 || 2 * k == n;
    like.constant(Tensor::from_fn(&[n / 2 + 1, 1], |k| T::of(if own(k[0]) { 1.0 } else { twice })))
}
