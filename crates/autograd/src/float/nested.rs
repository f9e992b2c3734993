//! Nested arrays of numbers: their sizes, and their elements in row-major order.

use super::{Element, Shape};
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
