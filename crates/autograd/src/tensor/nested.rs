//! Literals: nested arrays that become tensors, `tensor![[1.0, 2.0], [3.0, 4.0]]`.

use super::{Shape, Tensor};
use crate::float::{Element, Nested, Nesting};

impl<T: Element, N: Nested<T> + Nesting> From<N> for Tensor<T> {
    fn from(nested: N) -> Self {
        let mut shape = Shape::new();
        N::shape(&mut shape);
        Tensor::build(&shape, |out| nested.fill(&mut out.iter_mut()))
    }
}

/// A value that converts to a tensor of `T`: a tensor, a number, nested arrays of numbers, or a vector of numbers or of
/// rows.
///
/// ```
/// use autograd::{Tape, tensor};
/// let tape = Tape::<f32>::new();
/// let all = [tape.var(tensor![1.0f32, 2.0]), tape.var([1.0, 2.0]), tape.var(vec![1.0, 2.0])];
/// assert!(all.iter().all(|x| x.value().to_vec() == [1.0, 2.0]) && tape.var(1.0).rank() == 0);
/// assert_eq!(autograd::IntoTensor::<f64>::into_tensor([1.0, 2.0]), tensor![1.0, 2.0]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a tensor of `{T}` nor numbers of that type",
    label = "a tensor of `{T}` is wanted here",
    note = "write `1.0` for `1`; `cast` changes the floating-point type of a tensor, and `to_float` turns integers into numbers",
    note = "labels and indices stay integers: `Tape::integers`, `Target::Labels`"
)]
#[doc(alias = "asarray")]
pub trait IntoTensor<T: Element> {
    /// The tensor.
    fn into_tensor(self) -> Tensor<T>;
}

impl<T: Element> IntoTensor<T> for Tensor<T> {
    fn into_tensor(self) -> Tensor<T> {
        self
    }
}

impl<T: Element> IntoTensor<T> for Vec<T> {
    fn into_tensor(self) -> Tensor<T> {
        self.into()
    }
}

/// One row per element.
impl<T: Element, const N: usize> IntoTensor<T> for Vec<[T; N]> {
    fn into_tensor(self) -> Tensor<T> {
        self.into()
    }
}

#[diagnostic::do_not_recommend]
impl<T: Element, N: Nested<T> + Nesting> IntoTensor<T> for N {
    fn into_tensor(self) -> Tensor<T> {
        self.into()
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
#[doc(alias = "array")]
#[macro_export]
macro_rules! tensor {
    ($($items:tt)*) => { $crate::Tensor::from([$($items)*]) };
}
