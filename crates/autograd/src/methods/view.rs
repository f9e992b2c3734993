//! Reshaping, reordering and slicing, as views where the memory layout allows. Only concatenation always copies.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// The part of an axis that a slice takes, as the caller specifies it: `..`, `2..5`, `-3..`, `..=n`.
///
/// ```
/// let x = autograd::tensor![1.0, 2.0, 3.0, 4.0];
/// assert_eq!(x.slice(0, 1..3).to_vec(), [2.0, 3.0]);
/// assert_eq!(x.slice(0, -2..).to_vec(), [3.0, 4.0]); // from the end
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub(super) start: Option<isize>,
    pub(super) stop: Option<isize>,
}

/// A bound as a signed number. A size too large for one is past the end of every axis.
fn bound(i: impl TryInto<isize>) -> Option<isize> {
    Some(i.try_into().unwrap_or(isize::MAX))
}

/// The exclusive bound of an inclusive range. For -1, the last element of the axis, there is none.
fn after(last: impl TryInto<isize>) -> Option<isize> {
    bound(last).filter(|&i| i != -1).map(|i| i.saturating_add(1))
}

macro_rules! bounds_from { ($($Range:ident<$($Int:ty),*>: $range:ident => $start:expr, $stop:expr;)*) => { $($(
    impl From<$Range<$Int>> for Bounds {
        fn from($range: $Range<$Int>) -> Bounds {
            Bounds { start: $start, stop: $stop }
        }
    }
)*)* } }

bounds_from! {
    Range<usize, isize, i32>: range => bound(range.start), bound(range.end);
    RangeFrom<usize, isize, i32>: range => bound(range.start), None;
    RangeTo<usize, isize, i32>: range => None, bound(range.end);
    RangeInclusive<usize, isize, i32>: range => bound(*range.start()), after(*range.end());
    RangeToInclusive<usize, isize, i32>: range => None, after(range.end);
}

impl From<RangeFull> for Bounds {
    fn from(_: RangeFull) -> Bounds {
        Bounds { start: None, stop: None }
    }
}

macro_rules! view_methods {
    () => {
        twins! {
            /// The same elements with another shape: a view where the memory layout allows.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0, 3.0, 4.0].reshape(&[2, 2]), tensor![[1.0, 2.0], [3.0, 4.0]]);
            /// ```
            #[doc(alias = "view")]
            reshape, try_reshape(shape: &[usize]) |x| {
                if *Value::shape(x) == *shape { return Ok(x.clone()) }
                Value::try_apply(Op::Reshape { shape: shape.into() }, &[x])
            }

            /// Broadcasts to a larger shape, without copying.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0].broadcast_to(&[2, 2]), tensor![[1.0, 2.0], [1.0, 2.0]]);
            /// ```
            #[doc(alias = "expand")]
            #[doc(alias = "expand_as")]
            broadcast_to, try_broadcast_to(shape: &[usize]) |x| {
                Value::try_apply(Op::Expand { shape: shape.into() }, &[x])
            }

            /// Reorders the axes, as a view: axis `i` of the result is axis `order[i]` of this tensor.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 2.0, 3.0]].permute(&[1, 0]), tensor![[1.0], [2.0], [3.0]]);
            /// ```
            permute, try_permute(order: &[usize]) |x| {
                Value::try_apply(Op::Permute { order: order.into() }, &[x])
            }

            /// Swaps two axes, as a view; negative axes count from the end.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 2.0, 3.0]].transpose(0, -1), tensor![[1.0], [2.0], [3.0]]);
            /// ```
            #[doc(alias = "swapaxes")]
            #[doc(alias = "swapdims")]
            transpose, try_transpose(i: isize, j: isize) |x| {
                let shape = Value::shape(x);
                let (i, j) = (resolve_axis("transpose", i, &shape)?, resolve_axis("transpose", j, &shape)?);
                let mut order: Shape = (0..shape.len()).few();
                order.swap(i, j);
                x.try_permute(&order)
            }

            /// Inserts an axis of size 1 before the given one; `-1` appends it.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0].unsqueeze(-1), tensor![[1.0], [2.0]]);
            /// ```
            #[doc(alias = "expand_dims")]
            #[doc(alias = "newaxis")]
            unsqueeze, try_unsqueeze(axis: isize) |x| {
                let mut shape = Value::shape(x);
                let mut wider = shape.clone();
                wider.push(1);
                let axis = resolve_axis("unsqueeze", axis, &wider)?;
                shape.insert(axis, 1);
                x.try_reshape(&shape)
            }

            /// Removes the given axis, whose size must be 1.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0], [2.0]].squeeze(1), tensor![1.0, 2.0]);
            /// ```
            squeeze, try_squeeze(axis: isize) |x| {
                let mut shape = Value::shape(x);
                let axis = resolve_axis("squeeze", axis, &shape)?;
                if shape[axis] != 1 {
                    return Err(Error::Shape { op: "squeeze", shape: shape.as_slice().into(), hint: format!("axis {axis} must have size 1") });
                }
                shape.remove(axis);
                x.try_reshape(&shape)
            }

            /// Slices one axis, as a view, by Python's rules: negative bounds count from the end, and out-of-range
            /// bounds are clipped. The range may have the type `usize`, `isize` or `i32`, so literals need no suffix
            /// and sizes no cast: `x.slice(1, ..)`, `x.slice(0, 2..5)`, `x.slice(-1, -3..)`, `x.slice(0, n..)`.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let x = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
            /// assert_eq!(x.slice(1, -2..), tensor![[2.0, 3.0], [5.0, 6.0]]);
            /// assert_eq!(x.slice(1, ..x.shape()[0]), tensor![[1.0, 2.0], [4.0, 5.0]]);
            /// ```
            #[doc(alias = "narrow")]
            slice, try_slice(axis: isize, range: impl Into<Bounds>) |x| {
                let Bounds { start, stop } = range.into();
                x.try_slice_step(axis, start, stop, 1)
            }

            /// Every `step`-th element of one axis, as a view, like Python's `start:stop:step`; a negative step walks
            /// backward.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0, 3.0].slice_step(0, None, None, -2), tensor![3.0, 1.0]);
            /// ```
            slice_step, try_slice_step(axis: isize, start: Option<isize>, stop: Option<isize>, step: isize) |x| {
                let shape = Value::shape(x);
                let axis = resolve_axis("slice", axis, &shape)?;
                let mut spans = Span::whole(&shape);
                spans[axis] = python_span(shape[axis], start, stop, step)
                    .ok_or_else(|| Error::Argument { op: "slice", hint: "the step must not be 0".into() })?;
                Value::try_apply(Op::Slice { spans }, &[x])
            }
        }

        /// Swaps the last two axes: the transposed matrix, as a view. A vector is not changed.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![[1.0, 2.0]].t(), tensor![[1.0], [2.0]]);
        /// ```
        #[doc(alias = "mT")]
        #[track_caller]
        pub fn t(&self) -> Self {
            if Value::shape(self).len() < 2 { self.clone() } else { self.transpose(-1, -2) }
        }

        /// Flattens all axes into one.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![[1.0, 2.0], [3.0, 4.0]].flatten(), tensor![1.0, 2.0, 3.0, 4.0]);
        /// ```
        #[doc(alias = "ravel")]
        #[track_caller]
        pub fn flatten(&self) -> Self {
            self.reshape(&[or_panic(count("flatten", &Value::shape(self)))])
        }

        /// Concatenates tensors along an existing axis.
        ///
        /// # Panics
        /// If there are no tensors, or the other axes differ; [`try_concat`](Self::try_concat) returns the error.
        ///
        /// ```
        /// # use autograd::tensor;
        /// let (a, b) = (tensor![[1.0], [2.0]], tensor![[3.0], [4.0]]);
        /// assert_eq!(autograd::Tensor::concat(&[a, b], 1), tensor![[1.0, 3.0], [2.0, 4.0]]);
        /// ```
        #[doc(alias = "cat")]
        #[doc(alias = "concatenate")]
        #[doc(alias = "hstack")]
        #[doc(alias = "vstack")]
        #[track_caller]
        pub fn concat(parts: &[Self], axis: isize) -> Self {
            or_panic(Self::try_concat(parts, axis))
        }

        /// Like [`concat`](Self::concat), but returns the error.
        #[track_caller]
        pub fn try_concat(parts: &[Self], axis: isize) -> Result<Self> {
            let first = parts.first().map(|p| Value::shape(p)).unwrap_or_default();
            let axis = if parts.is_empty() { 0 } else { resolve_axis("concat", axis, &first)? };
            Value::try_apply(Op::Concat { axis }, &parts.iter().few::<[_; 16]>())
        }

        /// Stacks tensors along a new axis.
        ///
        /// # Panics
        /// If there are no tensors, or the shapes differ.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(autograd::Tensor::stack(&[tensor![1.0, 2.0], tensor![3.0, 4.0]], 0), tensor![[1.0, 2.0], [3.0, 4.0]]);
        /// ```
        #[track_caller]
        pub fn stack(parts: &[Self], axis: isize) -> Self {
            or_panic(Self::try_stack(parts, axis))
        }

        /// Like [`stack`](Self::stack), but returns the error.
        #[track_caller]
        pub fn try_stack(parts: &[Self], axis: isize) -> Result<Self> {
            let mut wide = Vec::with_capacity(parts.len());
            for part in parts {
                wide.push(part.try_unsqueeze(axis)?); // not in a closure, which has a line of its own
            }
            Self::try_concat(&wide, axis)
        }
    };
}
pub(super) use view_methods;
