//! Extrema, sorting and cumulative extrema. Indices are found from the numbers and are constants in differentiation;
//! the elements are gathered at these indices, so derivatives flow to exactly those elements.

use super::reduce::Dims;
use crate::error::{Error, Result};
use crate::eval::{around, flat};
use crate::float::Float;
use crate::kernel::{order, scan};
use crate::op::{Fold, Op};
use crate::tape::Var;
use crate::tensor::layout::{reduced_shape, resolve_axis};
use crate::tensor::{AxisSet, Shape, Tensor};
use crate::value::Value;

/// The order of a sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// The smallest element first.
    Ascending,
    /// The largest element first.
    Descending,
}

/// A method that finds one element per row along an axis: the axis removed, the axis kept, and fallible.
macro_rules! located {
    ($($(#[$doc:meta])* $name:ident, $keep:ident, $try:ident |$x:ident, $axes:ident| $at:expr;)*) => { $(
        $(#[$doc])*
        ///
        /// # Panics
        #[doc = concat!("If the axis is out of range or empty; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $name(&self, axis: isize) -> (Self, Tensor<i64>) {
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
        pub fn $keep(&self, axis: isize) -> (Self, Tensor<i64>) {
            or_panic(self.$try(axis, Dims::Keep))
        }

        #[doc = concat!("Like [`", stringify!($name), "`](Self::", stringify!($name), "), with the axis kept or dropped. Returns an error if it is out of range or empty.")]
        #[track_caller]
        pub fn $try(&self, axis: isize, dims: Dims) -> Result<(Self, Tensor<i64>)> {
            order::along(stringify!($name), self, axis, dims, |$x, $axes| $at)
        }
    )* };
}

/// The index of an extreme element: the axes removed, the axes kept, and fallible.
macro_rules! place {
    ($($(#[$doc:meta])* $name:ident, $keep:ident, $try:ident, $Fold:ident;)*) => { $(
        $(#[$doc])*
        ///
        /// # Panics
        #[doc = concat!("If an axis is out of range or empty; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $name(&self, axes: impl Into<Axes>) -> Tensor<i64> {
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
        pub fn $keep(&self, axes: impl Into<Axes>) -> Tensor<i64> {
            or_panic(self.$try(axes, Dims::Keep))
        }

        #[doc = concat!("Like [`", stringify!($name), "`](Self::", stringify!($name), "), with the axes kept or dropped. Returns an error if one is out of range or empty.")]
        pub fn $try(&self, axes: impl Into<Axes>, dims: Dims) -> Result<Tensor<i64>> {
            let axes = axes.into().resolve(stringify!($name), &Value::shape(self))?;
            order::place_of(Fold::$Fold, &order::Numbers::numbers(self), axes, dims)
        }
    )* };
}

macro_rules! order_methods {
    () => {
        place! {
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
            /// The largest element along an axis and its index. The first of equal elements gets the whole derivative;
            /// with [`max_axes`](Self::max_axes) they share it.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (y, at) = tensor![[1.0, 5.0], [7.0, 0.0]].max_dim(1);
            /// assert_eq!((y, at), (tensor![5.0, 7.0], tensor![1_i64, 0]));
            /// ```
            #[doc(alias = "max")]
            max_dim, max_dim_keep, try_max_dim |x, axes| order::place_of(Fold::Max, x, axes, Dims::Keep);

            /// The smallest element along an axis and its index. The first of equal elements gets the whole derivative.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (y, at) = tensor![[1.0, 5.0], [7.0, 0.0]].min_dim(1);
            /// assert_eq!((y, at), (tensor![1.0, 0.0], tensor![0_i64, 1]));
            /// ```
            #[doc(alias = "min")]
            min_dim, min_dim_keep, try_min_dim |x, axes| order::place_of(Fold::Min, x, axes, Dims::Keep);

            /// The median along an axis and its index: for an even number of elements, the lower of the two in the
            /// middle, as in PyTorch. NaN if there is one.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (y, at) = tensor![[4.0, 5.0, 1.0, 2.0]].median(1);
            /// assert_eq!((y, at), (tensor![2.0], tensor![3_i64]));
            /// ```
            median, median_keep, try_median |x, axes| order::middle(x, axes);

            /// The most frequent element along an axis (the smallest of several) and its last index, as in PyTorch. NaN
            /// if there is one.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (y, at) = tensor![[3.0, 2.0, 3.0, 2.0, 5.0]].mode(1);
            /// assert_eq!((y, at), (tensor![2.0], tensor![3_i64]));
            /// ```
            mode, mode_keep, try_mode |x, axes| order::commonest(x, axes);
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
            sort, try_sort(axis: isize, order: Order) -> (Self, Tensor<i64>) |x| {
                let at = x.try_argsort(axis, order)?;
                Ok((x.try_gather(axis, &at)?, at))
            }

            /// The indices that sort the elements along an axis, as in [`sort`](Self::sort).
            ///
            /// ```
            /// use autograd::{Order, tensor};
            /// assert_eq!(tensor![2.0, 3.0, 1.0].argsort(0, Order::Descending), tensor![1_i64, 0, 2]);
            /// ```
            argsort, try_argsort(axis: isize, order: Order) -> Tensor<i64> |x| {
                let shape = Value::shape(x);
                let axis = resolve_axis("sort", axis, &shape)?;
                Ok(order::places(&order::Numbers::numbers(x), axis, shape[axis], order))
            }

            /// The first `k` elements along an axis in sorted order, and their indices: the `k` largest if descending,
            /// the `k` smallest if ascending. Equal elements keep their order.
            ///
            /// ```
            /// use autograd::{Order, tensor};
            /// let (y, at) = tensor![2.0, 4.0, 1.0, 3.0].topk(2, 0, Order::Descending);
            /// assert_eq!((y, at), (tensor![4.0, 3.0], tensor![1_i64, 3]));
            /// ```
            topk, try_topk(k: usize, axis: isize, order: Order) -> (Self, Tensor<i64>) |x| {
                let shape = Value::shape(x);
                let i = resolve_axis("topk", axis, &shape)?;
                if k > shape[i] {
                    let hint = format!("k = {k} is larger than the axis of size {}", shape[i]);
                    return Err(Error::Argument { op: "topk", hint });
                }
                let at = order::places(&order::Numbers::numbers(x), i, k, order);
                Ok((x.try_gather(axis, &at)?, at))
            }

            /// The cumulative maximum along an axis, and its index (the last of equal ones); NaN counts as largest.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (y, at) = tensor![2.0, 1.0, 3.0].cummax(0);
            /// assert_eq!((y, at), (tensor![2.0, 2.0, 3.0], tensor![0_i64, 0, 2]));
            /// ```
            cummax, try_cummax(axis: isize) -> (Self, Tensor<i64>) |x| {
                let i = resolve_axis("cummax", axis, &Value::shape(x))?;
                let at = order::running(&order::Numbers::numbers(x), i, |a, b| a > b);
                Ok((x.try_gather(axis, &at)?, at))
            }

            /// The cumulative minimum along an axis, and its index (the last of equal ones); NaN counts as smallest.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (y, at) = tensor![2.0, 3.0, 1.0].cummin(0);
            /// assert_eq!((y, at), (tensor![2.0, 2.0, 1.0], tensor![0_i64, 0, 2]));
            /// ```
            cummin, try_cummin(axis: isize) -> (Self, Tensor<i64>) |x| {
                let i = resolve_axis("cummin", axis, &Value::shape(x))?;
                let at = order::running(&order::Numbers::numbers(x), i, |a, b| a < b);
                Ok((x.try_gather(axis, &at)?, at))
            }
        }
    };
}
pub(super) use {located, order_methods, place};

/// Gives access to the numbers of a value, to find indices and scales.
pub(super) trait Numbers<T: Float>: Value<T> {
    /// The numbers, without derivatives.
    fn numbers(&self) -> Tensor<T>;
}

impl<T: Float> Numbers<T> for Tensor<T> {
    fn numbers(&self) -> Tensor<T> {
        self.clone()
    }
}

impl<T: Float> Numbers<T> for Var<'_, T> {
    fn numbers(&self) -> Tensor<T> {
        self.value()
    }
}

/// One element per row along an axis, at the index that `find` returns, and that index.
#[track_caller]
pub(super) fn along<T: Float, V: Numbers<T>>(
    op: &'static str,
    x: &V,
    axis: isize,
    dims: Dims,
    find: impl Fn(&Tensor<T>, AxisSet) -> Result<Tensor<i64>>,
) -> Result<(V, Tensor<i64>)> {
    let shape = x.shape();
    let axes = AxisSet::one(resolve_axis(op, axis, &shape)?);
    let at = find(&x.numbers(), axes)?;
    let y = x.gather(axes.iter().next().unwrap_or(0), &at);
    let shape = reduced_shape(&shape, axes, dims.kept());
    Ok((y.reshape(&shape), at.as_shape(&shape)))
}

/// The index of the first largest or smallest element, counted through the axes in row-major order.
pub(super) fn place_of<T: Float>(fold: Fold, x: &Tensor<T>, axes: AxisSet, dims: Dims) -> Result<Tensor<i64>> {
    let best = Tensor::try_apply(Op::Reduce { fold, axes, keep: true }, &[x])?;
    let shape = reduced_shape(x.shape(), axes, dims.kept());
    let start = axes.iter().next().unwrap_or(x.rank());
    let end = start + axes.iter().count();
    // Axes that are not adjacent are moved last and merged into one.
    let (x, dims) = if axes.iter().eq(start..end) {
        (x.contiguous(), [&x.shape()[..start], &x.shape()[start..end], &x.shape()[end..]].map(|s| s.iter().product()))
    } else {
        let order: Shape = (0..x.rank()).filter(|&i| !axes.contains(i)).chain(axes.iter()).collect();
        let n: usize = axes.iter().map(|i| x.shape()[i]).product();
        (x.permuted(&order).contiguous(), [x.len() / n.max(1), n, 1])
    };
    Ok(Tensor::build(&shape, |out| {
        if !out.is_empty() {
            order::first_place(flat(&x), dims, flat(&best.contiguous()), out);
        }
    }))
}

/// The indices of the first `k` elements in sorted order along an axis.
pub(super) fn places<T: Float>(x: &Tensor<T>, axis: usize, k: usize, order: Order) -> Tensor<i64> {
    rows(x, axis, k, |x, n, out| order::sort_rows(x, n, k, order == Order::Descending, out))
}

/// The index of the lower of the two elements in the middle, or of a NaN if there is one.
pub(super) fn middle<T: Float>(x: &Tensor<T>, axes: AxisSet) -> Result<Tensor<i64>> {
    one("median", x, axes, order::median_rows)
}

/// The last index of the most frequent element, or the index of a NaN if there is one.
pub(super) fn commonest<T: Float>(x: &Tensor<T>, axes: AxisSet) -> Result<Tensor<i64>> {
    one("mode", x, axes, order::mode_rows)
}

/// One index per row along an axis.
fn one<T: Float>(
    op: &'static str,
    x: &Tensor<T>,
    axes: AxisSet,
    kernel: fn(&[T], usize, &mut [i64]),
) -> Result<Tensor<i64>> {
    if axes.iter().any(|i| x.shape()[i] == 0) {
        return Err(Error::Empty { op, shape: x.shape().into() });
    }
    Ok(axes.iter().fold(Tensor::scalar(0), |_, axis| rows(x, axis, 1, kernel)))
}

/// The index of the best element up to each position (the last of equal ones); a NaN is best.
pub(super) fn running<T: Float>(x: &Tensor<T>, axis: usize, better: fn(T, T) -> bool) -> Tensor<i64> {
    let source = x.contiguous();
    let beats = |best: T, x: T| !x.is_nan() && (best.is_nan() || better(best, x));
    Tensor::build(x.shape(), |out| {
        if !out.is_empty() {
            scan::running_best(flat(&source), around(x.shape(), axis), beats, out);
        }
    })
}

/// Runs a row kernel along any axis, with `k` indices per row.
fn rows<T: Float>(x: &Tensor<T>, axis: usize, k: usize, kernel: impl Fn(&[T], usize, &mut [i64])) -> Tensor<i64> {
    // Swap the axis with the last one and back: swapping twice is the identity.
    let mut order: Shape = (0..x.rank()).collect();
    order.swap(axis, x.rank() - 1);
    let rows = x.permuted(&order).contiguous();
    let n = x.shape()[axis];
    let mut shape: Shape = rows.shape().into();
    shape[x.rank() - 1] = k;
    Tensor::build(&shape, |out| {
        if !out.is_empty() {
            kernel(flat(&rows), n, out);
        }
    })
    .permuted(&order)
}
