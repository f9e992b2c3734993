//! The distinct elements of a tensor, and the positions of its nonzero elements. The shapes of these results depend on the
//! elements, but shapes in a recording must not, so only [`Tensor`] has these methods. For a variable, call them on its
//! value. A compiled function rejects that; use a mask or [`Var::where_`](crate::Var::where_), which select without a new
//! shape.

use crate::float::Element;
use crate::kernel::order::{Distinct, distinct};
use crate::tensor::Tensor;

/// The distinct elements of a tensor, where they are, and how often: see [`Tensor::unique`].
///
/// ```
/// use autograd::{Unique, tensor};
/// let Unique { values, inverse, counts } = tensor![5.0, 2.0, 5.0].unique();
/// assert_eq!((values, counts), (tensor![2.0, 5.0], tensor![1_i64, 2]));
/// assert_eq!(inverse, tensor![1_i64, 0, 1]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Unique<T: Element> {
    /// The distinct elements, in ascending order.
    pub values: Tensor<T>,
    /// For each element of the tensor, the place of its value in `values`.
    #[doc(alias = "return_inverse")]
    pub inverse: Tensor<i64>,
    /// How often each value occurs.
    #[doc(alias = "return_counts")]
    pub counts: Tensor<i64>,
}

impl<T: Element> Tensor<T> {
    /// The distinct elements in ascending order, with the place of each element among them and the number of times that each
    /// occurs. All NaN count as equal, and come last.
    ///
    /// ```
    /// use autograd::tensor;
    /// let x = tensor![[3_i64, 1], [3, 7]];
    /// let found = x.unique();
    /// assert_eq!(found.values, tensor![1_i64, 3, 7]);
    /// assert_eq!(found.inverse, tensor![[1_i64, 0], [1, 2]]);
    /// assert_eq!(found.counts, tensor![1_i64, 2, 1]);
    /// ```
    pub fn unique(&self) -> Unique<T> {
        let list = self.contiguous();
        let x = list.as_slice().expect("contiguous");
        let Distinct { first, counts, inverse } = distinct(&x.iter().map(|x| x.rank()).collect::<Vec<_>>());
        let shape = [first.len()];
        Unique {
            values: first.iter().map(|&i| x[i]).collect(),
            inverse: Tensor::new(self.shape(), inverse),
            counts: Tensor::new(&shape, counts),
        }
    }

    /// The indices of the elements that are not 0 or not `false`, in row-major order: a row of `[count, rank]` for each.
    ///
    /// ```
    /// use autograd::tensor;
    /// let x = tensor![[0.0, 5.0], [7.0, 0.0]];
    /// assert_eq!(x.nonzero(), tensor![[0_i64, 1], [1, 0]]);
    /// assert_eq!(x.is_gt(6.0).nonzero(), tensor![[1_i64, 0]]);
    /// ```
    #[doc(alias = "argwhere")]
    pub fn nonzero(&self) -> Tensor<i64> {
        let (mut indices, mut count) = (Vec::new(), 0);
        for (mut place, _) in self.iter().enumerate().filter(|&(_, x)| x != T::default()) {
            let start = indices.len();
            for &size in self.shape().iter().rev() {
                indices.push((place % size) as i64);
                place /= size;
            }
            indices[start..].reverse();
            count += 1;
        }
        Tensor::new(&[count, self.rank()], indices)
    }
}
