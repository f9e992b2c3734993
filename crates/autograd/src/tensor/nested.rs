//! Literals: nested arrays that become tensors, `tensor![[1.0, 2.0], [3.0, 4.0]]`.

use super::{Shape, Tensor};
use crate::float::Nested;

impl<N: Nested> From<N> for Tensor<N::Item> {
    fn from(nested: N) -> Self {
        let mut shape = Shape::new();
        N::shape(&mut shape);
        Tensor::build(&shape, |out| nested.fill(&mut out.iter_mut()))
    }
}

/// Builds a tensor from literals; its rank is the nesting depth of the brackets.
///
/// ```
/// use autograd::tensor;
/// assert_eq!(tensor![1.0, 2.0].shape(), [2]);
/// assert_eq!(tensor![[1_i64, 2], [3, 4], [5, 6]].shape(), [3, 2]);
/// assert_eq!(tensor![1.0; 3], tensor![1.0, 1.0, 1.0]);
/// ```
#[macro_export]
macro_rules! tensor {
    ($($items:tt)*) => { $crate::Tensor::from([$($items)*]) };
}
