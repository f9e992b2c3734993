//! Literals: nested arrays that become tensors, `tensor![[1.0, 2.0], [3.0, 4.0]]`.

use super::{Shape, Tensor};
use crate::float::Element;
use std::slice::IterMut;

/// A number, or a nested array of numbers: the argument of [`tensor!`](crate::tensor!) and `Tensor::from`.
pub trait Nested {
    /// The element type.
    type Item: Element;
    /// Appends the sizes to `shape`, outermost first.
    fn shape(shape: &mut Shape);
    /// Writes the elements in row-major order.
    fn fill(self, places: &mut IterMut<Self::Item>);
}

macro_rules! leaves { ($($t:ident)*) => { $(
    impl Nested for $t {
        type Item = $t;
        fn shape(_: &mut Shape) {}
        fn fill(self, places: &mut IterMut<$t>) { *places.next().expect("a place for each number") = self; }
    }
)* } }
leaves!(f32 f64 i64 bool);

impl<N: Nested, const K: usize> Nested for [N; K] {
    type Item = N::Item;
    fn shape(shape: &mut Shape) {
        shape.push(K);
        N::shape(shape);
    }
    fn fill(self, places: &mut IterMut<N::Item>) {
        self.into_iter().for_each(|inner| inner.fill(places));
    }
}

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
