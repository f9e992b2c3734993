//! The values of Fourier transforms.

use super::flat;
use crate::float::Float;
use crate::kernel::fourier;
use crate::op::Transform;
use crate::tensor::Tensor;

/// Writes the value to `out`.
pub(super) fn eval<T: Float>(transform: Transform, x: &Tensor<T>, out: &mut [T]) {
    let (n, half) = (transform.size(x.shape()), |n: usize| 2 * (n / 2 + 1));
    let row = match transform {
        Transform::Forward | Transform::Backward => [2 * n, 2 * n],
        Transform::Real => [n, half(n)],
        Transform::Half { n } => [half(n), n],
    };
    fourier::transform(transform, flat(&x.contiguous()), row, out);
}
