//! Methods that select by a mask, by bounds or by integer index. All of them are composed of ops, so their derivatives
//! are correct by construction.

use crate::error::{Error, Result};
use crate::float::Float;
use crate::op::{IntOp, Op};
use crate::tensor::Shape;
use crate::tensor::view::Span;
use crate::value::{Index, Value};

/// The leading elements of each axis, of the given sizes.
#[track_caller]
pub(super) fn leading<T: Float, V: Value<T>>(x: &V, part: &[usize]) -> Result<V> {
    if *x.shape() == *part {
        return Ok(x.clone());
    }
    V::try_apply(Op::Slice { spans: Span::whole(part) }, &[x])
}

/// A list of indices; a single index counts as a list.
#[track_caller]
pub(super) fn list<T: Float, V: Value<T>>(op: &'static str, index: Index<V>) -> Result<Index<V>> {
    match index.values.rank() {
        1 => Ok(index),
        0 => index.derive(IntOp::View(Box::new(Op::Reshape { shape: [1].as_slice().into() }))),
        _ => {
            let shape = index.values.shape().into();
            Err(Error::Shape { op, shape, hint: "the index must be a list".into() })
        }
    }
}

/// Indices that count from either end of an axis, for the method `op`.
#[track_caller]
pub(super) fn from_end<T: Float, V: Value<T>>(op: &'static str, index: Index<V>, size: usize) -> Result<Index<V>> {
    index.derive(IntOp::FromEnd { size })?.derive(IntOp::Within { op, size })
}

/// Returns an error unless the index fits into `src`, and into `x` on all axes except `axis`.
pub(super) fn check_scatter(op: &'static str, axis: usize, part: &[usize], x: &[usize], src: &[usize]) -> Result<()> {
    let same_rank = part.len() == x.len() && part.len() == src.len();
    if !same_rank || (0..part.len()).any(|i| part[i] > src[i] || (i != axis && part[i] > x[i])) {
        let hint = format!("the index, of shape {part:?}, must fit into it and (except on axis {axis}) into {x:?}");
        return Err(Error::Shape { op, shape: src.into(), hint });
    }
    Ok(())
}

/// Writes `x` into zeros of the shape `whole`, at the start of each axis.
#[track_caller]
pub(super) fn placed<T: Float, V: Value<T>>(x: &V, whole: &[usize]) -> Result<V> {
    let part = x.shape();
    if *part == *whole {
        return Ok(x.clone());
    }
    V::try_apply(Op::Place { spans: Span::whole(&part), shape: Shape::from(whole) }, &[x])
}

macro_rules! select_methods {
    () => {
        twins! {
            /// Selects `a` where this mask is not 0, else `b`; all three broadcast. Elements that are not selected do
            /// not affect the value, even if they are NaN: this is a selection, not a multiplication by zero. In the
            /// backward pass they get the cotangent 0, which an infinite derivative turns into NaN; to avoid this, also
            /// mask the input of such a function.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let mask = tensor![1.0, 0.0];
            /// assert_eq!(mask.select(tensor![1.0, 2.0], tensor![f64::NAN, 4.0]), tensor![1.0, 4.0]);
            /// ```
            #[doc(alias = "where")]
            select, try_select(a: impl Borrow<Self>, b: impl Borrow<Self>) |mask| {
                Value::try_apply(Op::Select, &[mask, a.borrow(), b.borrow()])
            }

            /// Selects slices along an axis by index, as in NumPy's `take`: the axes of the index replace the indexed
            /// axis, and negative indices count from the end.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let x = tensor![[1.0, 2.0], [3.0, 4.0]];
            /// assert_eq!(x.take(0, &tensor![1_i64, -1, 0]), tensor![[3.0, 4.0], [3.0, 4.0], [1.0, 2.0]]);
            /// ```
            take, try_take(axis: isize, index: impl Into<Index<Self>>) |x| {
                let shape = Value::shape(x);
                let axis = resolve_axis("take", axis, &shape)?;
                let index = index.into().derive(IntOp::FromEnd { size: shape[axis] })?;
                index.apply(x, |index| Op::Take { axis, index })
            }

            /// Selects one element per index along an axis, as in PyTorch's `gather`: `out[i][j] = x[index[i][j]][j]`
            /// for axis 0. On the other axes, the index may be smaller than this tensor; the rest is not read. Negative
            /// indices count from the end.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let x = tensor![[1.0, 2.0], [3.0, 4.0]];
            /// assert_eq!(x.gather(1, &tensor![[1_i64], [0]]), tensor![[2.0], [3.0]]);
            /// ```
            #[doc(alias = "take_along_dim")]
            #[doc(alias = "take_along_axis")]
            gather, try_gather(axis: isize, index: impl Into<Index<Self>>) |x| {
                let mut part = Value::shape(x);
                let axis = resolve_axis("gather", axis, &part)?;
                let index = index.into().derive(IntOp::FromEnd { size: part[axis] })?;
                let shape = index.values.shape();
                if shape.len() == part.len() {
                    (0..part.len()).filter(|&i| i != axis).for_each(|i| part[i] = shape[i]);
                }
                index.apply(&select::leading(x, &part)?, |index| Op::Gather { axis, index })
            }

            /// Keeps the elements where the mask holds, and takes those of `b` elsewhere; all three broadcast. Elements
            /// that are not selected have no effect, even if they are NaN.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let x = tensor![1.0, f64::NAN];
            /// assert_eq!(x.where_(&x.is_gt(0.0), tensor![0.0]), tensor![1.0, 0.0]);
            /// ```
            #[doc(alias = "where")]
            where_, try_where(mask: impl Into<Condition<Self>>, b: impl Borrow<Self>) |x| {
                mask.into().numbers(x).try_select(x, b)
            }

            /// `value` where the mask holds, and the elements of this tensor elsewhere; both broadcast.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let scores = tensor![1.0, 2.0].masked_fill(&tensor![false, true], f64::NEG_INFINITY);
            /// assert_eq!(scores.softmax(0), tensor![1.0, 0.0]);
            /// ```
            masked_fill, try_masked_fill(mask: impl Into<Condition<Self>>, value: f64) |x| {
                mask.into().numbers(x).try_select(x.number(T::of(value)), x)
            }

            /// min(max(x, low), high), with broadcasting. At a bound, x and the bound each get half of the derivative.
            /// Where `low` is above `high`, the result is `high`.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let x = tensor![-2.0, 0.5, 2.0];
            /// assert_eq!(x.clamp_between(tensor![-1.0], tensor![1.0, 0.0, 1.0]), tensor![-1.0, 0.0, 1.0]);
            /// ```
            #[doc(alias = "clip")]
            clamp_between, try_clamp_between(low: impl Borrow<Self>, high: impl Borrow<Self>) |x| {
                x.try_maximum(low)?.try_minimum(high)
            }

            /// Linear interpolation (1 - w)·x + w·end, with broadcasting: exactly x at w = 0 and exactly `end` at
            /// w = 1.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0].lerp(tensor![3.0, 6.0], tensor![0.5, 1.0]), tensor![2.0, 6.0]);
            /// ```
            lerp, try_lerp(end: impl Borrow<Self>, w: impl Borrow<Self>) |x| {
                let w = w.borrow();
                x.number(T::one()).try_sub(w)?.try_mul(x)?.try_add(w.try_mul(end)?)
            }

            /// Selects slices along an axis by a list of indices, as in PyTorch's `index_select`, which rejects negative
            /// indices; [`take`](Self::take) counts them from the end.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let x = tensor![[1.0, 2.0], [3.0, 4.0]];
            /// assert_eq!(x.index_select(1, &tensor![1_i64, 1, 0]), tensor![[2.0, 2.0, 1.0], [4.0, 4.0, 3.0]]);
            /// ```
            index_select, try_index_select(axis: isize, index: impl Into<Index<Self>>) |x| {
                let axis = resolve_axis("index_select", axis, &Value::shape(x))?;
                let index = select::list("index_select", index.into())?;
                let index = index.derive(IntOp::Within { op: "index_select", size: Value::shape(x)[axis] })?;
                index.apply(x, |index| Op::Take { axis, index })
            }

            /// Adds slices of `src` at a list of indices along an axis; slices for repeated indices add up, in order:
            /// `y[index[k]] = x[index[k]] + Σ src[k]` for axis 0. Negative indices count from the end.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let y = tensor![1.0, 1.0, 1.0].index_add(0, &tensor![2_i64, 0, 2], tensor![1.0, 2.0, 3.0]);
            /// assert_eq!(y, tensor![3.0, 1.0, 5.0]);
            /// ```
            index_add, try_index_add(axis: isize, index: impl Into<Index<Self>>, src: impl Borrow<Self>) |x| {
                let (shape, src) = (Value::shape(x), src.borrow());
                let axis = resolve_axis("index_add", axis, &shape)?;
                let index = select::from_end("index_add", select::list("index_add", index.into())?, shape[axis])?;
                let mut expected = shape.clone();
                expected[axis] = index.values.len();
                if Value::shape(src) != expected {
                    let hint = format!("for this index and tensor, it must have shape {expected:?}");
                    return Err(Error::Shape { op: "index_add", shape: Value::shape(src).as_slice().into(), hint });
                }
                x.try_add(index.apply(src, |index| Op::TakeAdd { axis, index, size: shape[axis] })?)
            }

            /// Adds elements of `src` at indices along an axis; elements for repeated indices add up, in order:
            /// `y[index[i][j]][j] += src[i][j]` for axis 0. The index may be smaller than `src`, and smaller than this
            /// tensor on the other axes; the rest is not changed. Negative indices count from the end.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let y = tensor![[1.0, 1.0, 1.0]].scatter_add(1, &tensor![[2_i64, 2]], tensor![[3.0, 4.0]]);
            /// assert_eq!(y, tensor![[1.0, 1.0, 8.0]]);
            /// ```
            scatter_add, try_scatter_add(axis: isize, index: impl Into<Index<Self>>, src: impl Borrow<Self>) |x| {
                let (shape, src) = (Value::shape(x), src.borrow());
                let axis = resolve_axis("scatter_add", axis, &shape)?;
                let index = index.into();
                select::check_scatter("scatter_add", axis, index.values.shape(), &shape, &Value::shape(src))?;
                let index = select::from_end("scatter_add", index, shape[axis])?;
                let src = select::leading(src, index.values.shape())?;
                let added = index.apply(&src, |index| Op::GatherAdd { axis, index, size: shape[axis] })?;
                x.try_add(select::placed(&added, &shape)?)
            }

            /// Writes elements of `src` at indices along an axis: `y[index[i][j]][j] = src[i][j]` for axis 0. If
            /// several are written to one position, the last one wins; overwritten elements have derivative 0. The
            /// index may be smaller than `src`, and smaller than this tensor on the other axes; the rest is not
            /// changed. Negative indices count from the end.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let y = tensor![[1.0, 1.0, 1.0]].scatter(1, &tensor![[2_i64, 2]], tensor![[3.0, 4.0]]);
            /// assert_eq!(y, tensor![[1.0, 1.0, 4.0]]);
            /// ```
            #[doc(alias = "put_along_axis")]
            scatter, try_scatter(axis: isize, index: impl Into<Index<Self>>, src: impl Borrow<Self>) |x| {
                let (shape, src) = (Value::shape(x), src.borrow());
                let (axis, from) = (resolve_axis("scatter", axis, &shape)?, Value::shape(src));
                let index = index.into();
                select::check_scatter("scatter", axis, index.values.shape(), &shape, &from)?;
                let index = index.derive(IntOp::FromEnd { size: shape[axis] })?;
                let pick = index.derive(IntOp::LastWritten { axis, x: shape.clone(), src: from.clone() })?;
                let all = [x.try_reshape(&[count("scatter", &shape)?])?, src.try_reshape(&[count("scatter", &from)?])?];
                pick.apply(&Self::try_concat(&all, 0)?, |index| Op::Take { axis: 0, index })?.try_reshape(&shape)
            }
        }

        /// min(max(x, low), high); an infinite bound has no effect. At a bound, the derivative is ½. Where `low` is
        /// above `high`, the result is `high`.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![-2.0, 0.5, 2.0].clamp(-1.0, 1.0), tensor![-1.0, 0.5, 1.0]);
        /// assert_eq!(tensor![-2.0, 0.5, 2.0].clamp(0.0, f64::INFINITY), tensor![0.0, 0.5, 2.0]);
        /// ```
        #[doc(alias = "clip")]
        #[track_caller]
        pub fn clamp(&self, low: f64, high: f64) -> Self {
            let raised = if low == f64::NEG_INFINITY { self.clone() } else { self.maximum(self.number(T::of(low))) };
            if high == f64::INFINITY { raised } else { raised.minimum(self.number(T::of(high))) }
        }

        /// A constant with the shape of this tensor, filled with `value`.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![1.0, 2.0].full_like(3.0), tensor![3.0, 3.0]);
        /// ```
        #[track_caller]
        pub fn full_like(&self, value: f64) -> Self {
            self.number(T::of(value)).broadcast_to(&Value::shape(self))
        }
    };
}

pub(super) use select_methods;
