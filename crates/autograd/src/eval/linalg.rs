//! The value of a factorization, matrix by matrix.

use crate::float::Float;
use crate::kernel::linalg::factorize;
use crate::kernel::threads;
use crate::op::Factor;
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// The value, computed matrix by matrix.
pub(super) fn eval<T: Float>(factor: Factor, x: &[&Tensor<T>], shape: &[usize]) -> Tensor<T> {
    let x: Vec<Tensor<T>> = x.iter().map(|x| x.contiguous()).collect();
    let parts: Vec<&[T]> = x.iter().map(|x| x.as_slice().expect("contiguous")).collect();
    let axes = x[0].rank() - 2;
    let size = [x[0].shape()[axes], x[0].shape()[axes + 1]];
    let count: usize = x[0].shape()[..axes].iter().product();
    let nth = |k: usize| -> SmallVec<[&[T]; 16]> {
        let part = |x: &&'_ [T]| (k * (x.len() / count), (k + 1) * (x.len() / count));
        parts.iter().map(|x| &x[part(x).0..part(x).1]).collect()
    };
    Tensor::build(shape, |out| {
        let each = out.len() / count;
        if size[0] == 0 {
            // The determinant of an empty matrix is 1: its sign is 1 and its logarithm 0.
            return out.iter_mut().enumerate().for_each(|(k, out)| *out = T::of(if k % each == 0 { 1.0 } else { 0.0 }));
        }
        // One task computes several small matrices.
        let several = (50_000 / (size[0] * size[1] * size[1].max(8)).max(1)).max(1);
        threads::for_each_chunk(out, each * several, &|task, out| {
            let matrices = out.chunks_mut(each).enumerate();
            matrices.for_each(|(k, out)| factorize(factor, &nth(task * several + k), size, out));
        });
    })
}
