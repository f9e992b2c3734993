//! Extrema, sorting and cumulative extrema. Indices are computed from the numbers and are [integers on the tape](Ints) if
//! the numbers are on a tape; no derivative flows through them. The elements are gathered at these indices, so derivatives
//! flow to exactly those elements.

use super::reduce::Dims;
use crate::error::{Error, Result};
use crate::eval::integers::from_numbers;
use crate::float::Float;
use crate::op::{Fold, IntOp, Op};
use crate::tape::{Ints, Var};
use crate::tensor::layout::{reduced_shape, resolve_axis};
use crate::tensor::{AxisSet, Tensor};
use crate::value::{Index, Value};

/// A method that finds one element per row along an axis: the axis removed, the axis kept, and fallible.
macro_rules! located {
    ($Ints:ty; $($(#[$doc:meta])* $name:ident, $keep:ident, $try:ident |$axis:ident| $at:expr;)*) => { $(
        $(#[$doc])*
        ///
        /// # Panics
        #[doc = concat!("If the axis is out of range or empty; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $name(&self, axis: isize) -> (Self, $Ints) {
            or_panic(self.$try(axis, Dims::Drop))
        }

        #[doc = concat!("Like [`", stringify!($name), "`](Self::", stringify!($name), "), but keeps the axis with size 1.")]
        ///
        /// ```
        #[doc = concat!("let (y, at) = autograd::tensor![[1.0, 5.0], [7.0, 0.0]].", stringify!($keep), "(1);")]
        /// assert_eq!((y.shape(), at.shape()), ([2, 1].as_slice(), [2, 1].as_slice()));
        /// ```
        /// # Panics
        #[doc = concat!("If the axis is out of range or empty; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $keep(&self, axis: isize) -> (Self, $Ints) {
            or_panic(self.$try(axis, Dims::Keep))
        }

        #[doc = concat!("Like [`", stringify!($name), "`](Self::", stringify!($name), "), with the axis kept or dropped. Returns an error if it is out of range or empty.")]
        #[track_caller]
        pub fn $try(&self, axis: isize, dims: Dims) -> Result<(Self, $Ints)> {
            order::along(stringify!($name), self, axis, dims, |$axis| $at)
        }
    )* };
}

/// The index of an extreme element: the axes removed, the axes kept, and fallible.
macro_rules! place {
    ($Ints:ty; $($(#[$doc:meta])* $name:ident, $keep:ident, $try:ident, $Fold:ident;)*) => { $(
        $(#[$doc])*
        ///
        /// # Panics
        #[doc = concat!("If an axis is out of range or empty; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $name(&self, axes: impl Into<Axes>) -> $Ints {
            or_panic(self.$try(axes, Dims::Drop))
        }

        #[doc = concat!("Like [`", stringify!($name), "`](Self::", stringify!($name), "), but keeps the axes with size 1.")]
        ///
        /// ```
        #[doc = concat!("assert_eq!(autograd::tensor![[1.0, 5.0], [7.0, 0.0]].", stringify!($keep), "(1).shape(), [2, 1]);")]
        /// ```
        /// # Panics
        #[doc = concat!("If an axis is out of range or empty; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $keep(&self, axes: impl Into<Axes>) -> $Ints {
            or_panic(self.$try(axes, Dims::Keep))
        }

        #[doc = concat!("Like [`", stringify!($name), "`](Self::", stringify!($name), "), with the axes kept or dropped. Returns an error if one is out of range or empty.")]
        #[track_caller]
        pub fn $try(&self, axes: impl Into<Axes>, dims: Dims) -> Result<$Ints> {
            let axes = axes.into().resolve(stringify!($name), &Value::shape(self))?;
            order::place_of(Fold::$Fold, self, axes, dims)
        }
    )* };
}

macro_rules! order_methods {
    ($Ints:ty) => {
        place! {
            $Ints;
            /// The index of the largest element (the first of equal ones); NaN counts as largest. Along one axis, or
            /// flattened over several or all (`..`) axes.
            ///
            /// ```
            /// use autograd::tensor;
            /// let x = tensor![[1.0, 5.0, 2.0], [7.0, 0.0, 7.0]];
            /// assert_eq!(x.argmax(1), tensor![1_i64, 0]);
            /// assert_eq!(x.argmax(..).item(), 3);
            /// ```
            argmax, argmax_keep, try_argmax, Max;

            /// The index of the smallest element (the first of equal ones); NaN counts as smallest. See
            /// [`argmax`](Self::argmax).
            ///
            /// ```
            /// use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 5.0, 1.0], [7.0, 0.0, 7.0]].argmin(1), tensor![0_i64, 1]);
            /// ```
            argmin, argmin_keep, try_argmin, Min;
        }

        located! {
            $Ints;
            /// The largest element along an axis and its index. The first of equal elements gets the whole derivative;
            /// with [`max_axes`](Self::max_axes) they share it.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (y, at) = tensor![[1.0, 5.0], [7.0, 0.0]].max_dim(1);
            /// assert_eq!((y, at), (tensor![5.0, 7.0], tensor![1_i64, 0]));
            /// ```
            #[doc(alias = "max")]
            max_dim, max_dim_keep, try_max_dim |axis| IntOp::Place { fold: Fold::Max, axes: AxisSet::one(axis) };

            /// The smallest element along an axis and its index. The first of equal elements gets the whole derivative.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (y, at) = tensor![[1.0, 5.0], [7.0, 0.0]].min_dim(1);
            /// assert_eq!((y, at), (tensor![1.0, 0.0], tensor![0_i64, 1]));
            /// ```
            #[doc(alias = "min")]
            min_dim, min_dim_keep, try_min_dim |axis| IntOp::Place { fold: Fold::Min, axes: AxisSet::one(axis) };

            /// The median along an axis and its index: for an even number of elements, the lower of the two in the
            /// middle, as in PyTorch; [`quantile`](Self::quantile) gives their mean, as in NumPy. NaN if any element is
            /// NaN.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (y, at) = tensor![[4.0, 5.0, 1.0, 2.0]].median(1);
            /// assert_eq!((y, at), (tensor![2.0], tensor![3_i64]));
            /// ```
            median, median_keep, try_median |axis| IntOp::Median { axis };

            /// The most frequent element along an axis (the smallest of several) and its last index, as in PyTorch. NaN
            /// if any element is NaN.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (y, at) = tensor![[3.0, 2.0, 3.0, 2.0, 5.0]].mode(1);
            /// assert_eq!((y, at), (tensor![2.0], tensor![3_i64]));
            /// ```
            mode, mode_keep, try_mode |axis| IntOp::Mode { axis };
        }

        twins! {
            /// The elements sorted along an axis, and their original indices. The sort is stable; NaN counts as larger
            /// than any number.
            ///
            /// ```
            /// use autograd::{Order, tensor};
            /// let (y, at) = tensor![2.0, 3.0, 1.0].sort(0, Order::Ascending);
            /// assert_eq!((y, at), (tensor![1.0, 2.0, 3.0], tensor![2_i64, 0, 1]));
            /// ```
            sort, try_sort(axis: isize, order: Order) -> (Self, $Ints) |x| {
                let at = x.try_argsort(axis, order)?;
                Ok((x.try_gather(axis, &at)?, at))
            }

            /// The indices that sort the elements along an axis, as in [`sort`](Self::sort).
            ///
            /// ```
            /// use autograd::{Order, tensor};
            /// assert_eq!(tensor![2.0, 3.0, 1.0].argsort(0, Order::Descending), tensor![1_i64, 0, 2]);
            /// ```
            argsort, try_argsort(axis: isize, order: Order) -> $Ints |x| {
                let shape = Value::shape(x);
                let axis = resolve_axis("sort", axis, &shape)?;
                Ok(order::Numbers::integers(order::find(x, IntOp::Sort { axis, k: shape[axis], order })?))
            }

            /// The first `k` elements along an axis in sorted order, and their indices: the `k` largest if descending,
            /// the `k` smallest if ascending. Equal elements keep their order.
            ///
            /// ```
            /// use autograd::{Order, tensor};
            /// let (y, at) = tensor![2.0, 4.0, 1.0, 3.0].topk(2, 0, Order::Descending);
            /// assert_eq!((y, at), (tensor![4.0, 3.0], tensor![1_i64, 3]));
            /// ```
            topk, try_topk(k: usize, axis: isize, order: Order) -> (Self, $Ints) |x| {
                let shape = Value::shape(x);
                let i = resolve_axis("topk", axis, &shape)?;
                if k > shape[i] {
                    let hint = format!("k = {k} is larger than the axis of size {}", shape[i]);
                    return Err(Error::Argument { op: "topk", hint });
                }
                order::picked(x, i, IntOp::Sort { axis: i, k, order })
            }

            /// The cumulative maximum along an axis, and its index (the last of equal ones); NaN counts as largest.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (y, at) = tensor![2.0, 1.0, 3.0].cummax(0);
            /// assert_eq!((y, at), (tensor![2.0, 2.0, 3.0], tensor![0_i64, 0, 2]));
            /// ```
            cummax, try_cummax(axis: isize) -> (Self, $Ints) |x| {
                let i = resolve_axis("cummax", axis, &Value::shape(x))?;
                order::picked(x, i, IntOp::Running { axis: i, fold: Fold::Max })
            }

            /// The cumulative minimum along an axis, and its index (the last of equal ones); NaN counts as smallest.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (y, at) = tensor![2.0, 3.0, 1.0].cummin(0);
            /// assert_eq!((y, at), (tensor![2.0, 2.0, 1.0], tensor![0_i64, 0, 2]));
            /// ```
            cummin, try_cummin(axis: isize) -> (Self, $Ints) |x| {
                let i = resolve_axis("cummin", axis, &Value::shape(x))?;
                order::picked(x, i, IntOp::Running { axis: i, fold: Fold::Min })
            }
        }

        /// Converts integral numbers to integers, such as indices stored as floats. Any other number gives `i64::MIN`,
        /// which is not a valid index, and so do numbers from 2²⁴ on in `f32` (2⁵³ in `f64`), where neighboring integers
        /// are indistinguishable.
        ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![3.0, -0.0, 0.5].to_integers(), tensor![3_i64, 0, i64::MIN]);
        /// ```
        #[track_caller]
        pub fn to_integers(&self) -> $Ints {
            order::Numbers::integers(or_panic(order::find(self, IntOp::Whole)))
        }
    };
}
pub(super) use {located, order_methods, place};

/// Values from whose numbers indices are found.
pub(super) trait Numbers<T: Float>: Value<T> {
    /// The indices, as the caller gets them.
    type Ints;
    /// The numbers.
    fn numbers(&self) -> Tensor<T>;
    /// The node of integers that were found from the numbers, if they are on a tape.
    #[track_caller]
    fn node(&self, from: IntOp, values: &Tensor<i64>) -> Result<Option<Self>>;
    /// Indices computed from the numbers.
    fn integers(found: Index<Self>) -> Self::Ints;
}

impl<T: Float> Numbers<T> for Tensor<T> {
    type Ints = Tensor<i64>;

    fn numbers(&self) -> Tensor<T> {
        self.clone()
    }

    fn node(&self, _: IntOp, _: &Tensor<i64>) -> Result<Option<Self>> {
        Ok(None)
    }

    fn integers(found: Index<Self>) -> Tensor<i64> {
        found.values
    }
}

impl<'t, T: Float> Numbers<T> for Var<'t, T> {
    type Ints = Ints<'t, T>;

    fn numbers(&self) -> Tensor<T> {
        self.peek()
    }

    fn node(&self, from: IntOp, values: &Tensor<i64>) -> Result<Option<Self>> {
        Value::try_apply(Op::Integers { from, values: values.clone() }, &[self]).map(Some)
    }

    fn integers(found: Index<Self>) -> Ints<'t, T> {
        Ints { var: found.node.expect("a variable is on a tape") }
    }
}

/// Finds indices from the numbers of `x`.
#[track_caller]
pub(super) fn find<T: Float, V: Numbers<T>>(x: &V, from: IntOp) -> Result<Index<V>> {
    let values = from_numbers(&from, &x.numbers())?;
    Ok(Index { node: x.node(from, &values)?, values })
}

/// The elements at the indices along an axis that an op finds, and the indices.
#[track_caller]
pub(super) fn picked<T: Float, V: Numbers<T>>(x: &V, axis: usize, from: IntOp) -> Result<(V, V::Ints)> {
    let at = find(x, from)?;
    Ok((at.clone().apply(x, |index| Op::Gather { axis, index })?, V::integers(at)))
}

/// One element per row along an axis, at the index that an op finds, and that index.
#[track_caller]
pub(super) fn along<T: Float, V: Numbers<T>>(
    op: &'static str,
    x: &V,
    axis: isize,
    dims: Dims,
    from: impl Fn(usize) -> IntOp,
) -> Result<(V, V::Ints)> {
    let whole = x.shape();
    let axis = resolve_axis(op, axis, &whole)?;
    if whole[axis] == 0 {
        return Err(Error::Empty { op, shape: whole.as_slice().into() });
    }
    let at = find(x, from(axis))?;
    let y = at.clone().apply(x, |index| Op::Gather { axis, index })?;
    let shape = reduced_shape(&whole, AxisSet::one(axis), dims.kept());
    Ok((y.reshape(&shape), V::integers(shaped(at, &shape)?)))
}

/// The index of the first largest or smallest element, counted through the axes in row-major order.
#[track_caller]
pub(super) fn place_of<T: Float, V: Numbers<T>>(fold: Fold, x: &V, axes: AxisSet, dims: Dims) -> Result<V::Ints> {
    let at = find(x, IntOp::Place { fold, axes })?;
    Ok(V::integers(shaped(at, &reduced_shape(&x.shape(), axes, dims.kept()))?))
}

/// Indices with another shape.
#[track_caller]
pub(super) fn shaped<T: Float, V: Value<T>>(at: Index<V>, shape: &[usize]) -> Result<Index<V>> {
    if at.values.shape() == shape {
        return Ok(at);
    }
    at.derive(IntOp::View(Box::new(Op::Reshape { shape: shape.into() })))
}
