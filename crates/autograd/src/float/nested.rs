//! Nested arrays of numbers: their sizes, and their elements in row-major order.

use super::{Element, Shape};
use std::slice::IterMut;

/// A number of type `T`, or a nested array of such numbers: the argument of [`tensor!`](crate::tensor!) and `Tensor::from`.
/// Literals take the type of the tensor that they become.
///
/// ```
/// use autograd::{Tape, Tensor};
/// let column: Tensor<f32> = [[1.0], [2.0]].into();
/// assert_eq!(column.shape(), [2, 1]);
/// let tape = Tape::<f32>::new();
/// assert_eq!((tape.var(0.5) * tape.var([1.0, 2.0])).shape().as_slice(), [2]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not consist of numbers of type `{T}`",
    label = "not numbers of type `{T}`",
    note = "write `1.0` for `1`; of a tensor, `cast` makes one of another floating-point type, and `to_float` one of integers"
)]
pub trait Nested<T: Element>: Nesting {
    /// Writes the elements in row-major order.
    fn fill(self, places: &mut IterMut<T>);
}

/// The sizes of a number or nested array of any type. Tensors do not implement this trait, which tells the compiler
/// that a tensor converts to a tensor in only one way.
pub trait Nesting {
    /// Appends the sizes to `shape`, outermost first.
    fn shape(shape: &mut Shape);
}

macro_rules! leaves { ($($t:ident)*) => { $(
    impl Nesting for $t {
        fn shape(_: &mut Shape) {}
    }

    impl Nested<$t> for $t {
        fn fill(self, places: &mut IterMut<$t>) { *places.next().expect("a place for each number") = self; }
    }
)* } }
leaves!(f32 f64 i64 bool);

impl<N: Nesting, const K: usize> Nesting for [N; K] {
    fn shape(shape: &mut Shape) {
        shape.push(K);
        N::shape(shape);
    }
}

impl<T: Element, N: Nested<T>, const K: usize> Nested<T> for [N; K] {
    fn fill(self, places: &mut IterMut<T>) {
        self.into_iter().for_each(|inner| inner.fill(places));
    }
}
