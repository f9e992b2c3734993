//! Views: the same buffer with another shape. No function here copies elements, except `as_shape` where strides do not
//! allow a view. Arguments have already been checked by the shape rules of the ops.

use super::layout::{broadcast_strides, reshape_strides, resolve_axis, row_major};
use super::{Repr, Shape, Strides, Tensor};
use crate::error::or_panic;
use crate::float::{Element, Few};
use smallvec::SmallVec;
use std::ops::Range;

/// One axis of a slice: `len` elements from `start`, `step` apart. A negative step walks backward.
///
/// ```
/// use autograd::{Span, Tape, op::Op};
/// let tape = Tape::<f64>::new();
/// let Op::Slice { spans } = tape.var([1.0, 2.0, 3.0]).slice(0, 1..).op() else { unreachable!("a slice") };
/// assert_eq!(spans[0], Span { start: 1, len: 2, step: 1 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first index.
    pub start: usize,
    /// The number of elements.
    pub len: usize,
    /// The distance between consecutive elements.
    pub step: isize,
}

/// A slice of each axis.
pub(crate) type Spans = SmallVec<[Span; 4]>;

impl Span {
    /// All of each axis.
    pub(crate) fn whole(shape: &[usize]) -> Spans {
        shape.iter().map(|&len| Span { start: 0, len, step: 1 }).few()
    }

    /// The stride of this slice of an axis with stride `whole`. A single element keeps `whole`, regardless of the step.
    pub(crate) fn stride(&self, whole: isize) -> isize {
        if self.len > 1 { self.step * whole } else { whole }
    }
}

impl<T: Element> Tensor<T> {
    /// A tensor with another head for the same buffer.
    fn view(&self, shape: Shape, strides: Strides, offset: isize) -> Tensor<T> {
        match &self.0 {
            Repr::Scalar(x) => {
                // A scalar has no buffer to share, so make one with a single element.
                let one = Tensor::build(&[1], |out| out[0] = *x);
                if shape.is_empty() { self.clone() } else { one.view(shape, strides, 0) }
            }
            Repr::Array(a) => {
                let start = a.get().start as isize + offset;
                Tensor::assemble(shape, strides, start as usize, a.buffer().clone())
            }
        }
    }

    /// Reshapes to a shape with the same number of elements: a view where strides allow, else a copy.
    pub(crate) fn as_shape(&self, shape: &[usize]) -> Tensor<T> {
        if shape == self.shape() {
            return self.clone();
        }
        match reshape_strides(self.shape(), self.strides(), shape) {
            Some(strides) => self.view(Shape::from_slice(shape), strides, 0),
            None => self.deep_copy().view(Shape::from_slice(shape), row_major(shape), 0),
        }
    }

    /// Broadcasts to a compatible shape without copying.
    pub(crate) fn broadcast_view(&self, shape: &[usize]) -> Tensor<T> {
        if shape == self.shape() {
            return self.clone();
        }
        self.view(Shape::from_slice(shape), broadcast_strides(self.shape(), self.strides(), shape), 0)
    }

    /// Permutes the axes: axis `i` of the result is axis `order[i]` of this tensor.
    pub(crate) fn permuted(&self, order: &[usize]) -> Tensor<T> {
        let shape = order.iter().map(|&i| self.shape()[i]).few();
        let strides = order.iter().map(|&i| self.strides()[i]).few();
        self.view(shape, strides, 0)
    }

    /// A slice of each axis.
    pub(crate) fn spans(&self, spans: &[Span]) -> Tensor<T> {
        let shape: Shape = spans.iter().map(|s| s.len).few();
        let strides = spans.iter().zip(self.strides()).map(|(s, &stride)| s.stride(stride)).few();
        let offset = || spans.iter().zip(self.strides()).map(|(s, &stride)| s.start as isize * stride).sum();
        // The start of an empty result may lie past the end of the buffer. Nothing is read, so use 0.
        let offset = if shape.contains(&0) { 0 } else { offset() };
        self.view(shape, strides, offset)
    }

    /// The part of one axis given by a range, as a view. Negative axes count from the back.
    ///
    /// ```
    /// let a = autograd::tensor![[1, 2, 3], [4, 5, 6_i64]];
    /// assert_eq!(a.slice_axis(1, 1..3), autograd::tensor![[2, 3], [5, 6_i64]]);
    /// ```
    /// # Panics
    /// If the axis or the range is out of bounds.
    #[doc(alias = "narrow")]
    #[track_caller]
    pub fn slice_axis(&self, axis: isize, range: Range<usize>) -> Tensor<T> {
        let axis = or_panic(resolve_axis("slice_axis", axis, self.shape()));
        let size = self.shape()[axis];
        assert!(
            range.start <= range.end && range.end <= size,
            "slice_axis: {range:?} is out of range for axis {axis} of shape {:?}: use a part of 0..{size}",
            self.shape()
        );
        let mut spans = Span::whole(self.shape());
        spans[axis] = Span { start: range.start, len: range.len(), step: 1 };
        self.spans(&spans)
    }
}
