//! Statistics of samples: quantiles, covariances, distances, and positions in a sorted list. All are composed of ops, so
//! their derivatives are correct to any order.

use super::order::{Numbers, find, picked, shaped};
use super::reduce::norm;
use super::spatial::mapped;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::op::{Binary, Fold, Insert, IntOp, Op, Pairwise, Sparse};
use crate::rules::t;
use crate::tensor::layout::{broadcast, resolve_axis};
use crate::tensor::view::Span;
use crate::tensor::{AxisSet, Shape, Tensor};
use crate::value::Value;

/// The value of a [`quantile`](crate::Tensor::quantile) that lies between two elements.
///
/// ```
/// use autograd::{Between, Tensor, tensor};
/// let x: Tensor<f64> = tensor![1.0, 2.0, 10.0, 20.0];
/// let at = |between| x.quantile(0.4, 0, between).item(); // at place 1.2 of 0 to 3
/// assert!((at(Between::Linear) - 3.6).abs() < 1e-14);
/// assert_eq!([Between::Lower, Between::Higher, Between::Midpoint, Between::Nearest].map(at), [2.0, 10.0, 6.0, 2.0]);
/// ```
#[doc(alias = "interpolation")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Between {
    /// Interpolated by the distances from the two.
    Linear,
    /// The lower element.
    Lower,
    /// The higher element.
    Higher,
    /// Their mean.
    Midpoint,
    /// The nearer element; at equal distances, the one at an even position.
    Nearest,
}

impl Between {
    /// The two elements around a place in a sorted list, and the weight of the second.
    fn elements(self, place: f64) -> (usize, usize, f64) {
        let (low, rest) = (place.floor(), place.fract());
        let whole = |at: f64| (at as usize, at as usize, 0.0);
        match self {
            _ if rest == 0.0 => whole(low),
            Between::Linear => (low as usize, low as usize + 1, rest),
            Between::Lower => whole(low),
            Between::Higher => whole(low + 1.0),
            Between::Midpoint => (low as usize, low as usize + 1, 0.5),
            Between::Nearest => whole(place.round_ties_even()),
        }
    }
}

macro_rules! statistics_methods {
    ($Ints:ty) => {
        twins! {
            /// The quantile of the elements along an axis: the element at position q·(n - 1) of the n sorted ones, or a
            /// value [between](Between) two. NaN if any element is NaN; interpolating with an infinite element may also
            /// give NaN, as in NumPy. The derivative flows to these elements. The usual median is
            /// `x.quantile(0.5, axis, Between::Linear)`; percentile p is quantile p/100.
            ///
            /// ```
            /// use autograd::{Between, tensor};
            /// let x = tensor![[4.0, 1.0, 2.0, 3.0], [0.0, 0.0, 10.0, 20.0]];
            /// assert_eq!(x.quantile(0.5, 1, Between::Linear), tensor![2.5, 5.0]);
            /// ```
            #[doc(alias = "percentile")]
            quantile, try_quantile(q: f64, axis: isize, between: Between) |x| {
                statistics::quantiles(x, &[q], axis, between)?.try_squeeze(0)
            }

            /// Several [quantiles](Self::quantile), along a new first axis. The elements are sorted once.
            ///
            /// ```
            /// use autograd::{Between, tensor};
            /// let x = tensor![4.0, 1.0, 2.0, 3.0, 5.0];
            /// assert_eq!(x.quantiles(&[0.0, 0.5, 0.875], 0, Between::Linear), tensor![1.0, 3.0, 4.5]);
            /// ```
            quantiles, try_quantiles(q: &[f64], axis: isize, between: Between) |x| {
                statistics::quantiles(x, q, axis, between)
            }

            /// Where to insert each number into this sorted list so that it stays sorted: before or after elements that are
            /// equal. If this list has leading axes, `values` must have the same ones, and each row of `values` is
            /// searched for in its own row. NaN counts as larger than any number. No derivative flows. If the list is not
            /// sorted, the positions are arbitrary.
            ///
            /// ```
            /// use autograd::{Insert, tensor};
            /// let edges = tensor![0.0, 1.0, 2.0];
            /// let x = tensor![[0.5, 1.0], [-3.0, 9.0]];
            /// assert_eq!(edges.searchsorted(&x, Insert::Before), tensor![[1_i64, 1], [0, 3]]);
            /// ```
            searchsorted, try_searchsorted(values: impl Borrow<Self>, insert: Insert) -> $Ints |x| {
                statistics::search("searchsorted", x, values.borrow(), insert)
            }

            /// The bin of each element, where bin 0 ends at the first of the sorted `boundaries`: for `Insert::Before`, bin i
            /// holds the numbers with `boundaries[i - 1] < x ≤ boundaries[i]`, for `Insert::After`, those with
            /// `boundaries[i - 1] ≤ x < boundaries[i]`.
            ///
            /// ```
            /// use autograd::{Insert, tensor};
            /// let age = tensor![17.0, 18.0, 70.0];
            /// assert_eq!(age.bucketize(tensor![18.0, 65.0], Insert::After), tensor![0_i64, 1, 2]);
            /// ```
            #[doc(alias = "digitize")]
            bucketize, try_bucketize(boundaries: impl Borrow<Self>, insert: Insert) -> $Ints |x| {
                statistics::search("bucketize", boundaries.borrow(), x, insert)
            }

            /// The covariances Σ (xᵢ - mean)·(xⱼ - mean) / (n - correction) of the rows, which are variables with n samples
            /// each: a square matrix, or the variance if there is one axis. A correction of 1 gives the unbiased estimate, as
            /// in [`var`](Self::var).
            ///
            /// ```
            /// # use autograd::tensor;
            /// let x = tensor![[1.0, 2.0, 3.0], [0.0, 4.0, 2.0]];
            /// assert_eq!(x.cov(1.0), tensor![[1.0, 1.0], [1.0, 4.0]]);
            /// ```
            cov, try_cov(correction: f64) |whole| {
                let (x, n) = statistics::deviations("cov", whole)?;
                let y = Value::matmul(&x, &x, false, true);
                let y = Value::div(&y, &y.number(T::of((n as f64 - correction).max(0.0))));
                statistics::of_rows(whole, y)
            }

            /// The correlation coefficients of the rows: [covariances](Self::cov) divided by the standard deviations of both.
            /// For a row of equal elements, they are NaN.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let x = tensor![[1.0, 2.0, 3.0], [0.0, 4.0, 2.0]];
            /// assert!((x.corrcoef() - tensor![[1.0, 0.5], [0.5, 1.0]]).abs().max().item() < 1e-15);
            /// ```
            corrcoef, try_corrcoef() |x| {
                let (rows, _) = statistics::deviations("corrcoef", x)?;
                let rows = rows.try_div(rows.try_norm(2.0, -1, Dims::Keep)?)?;
                let y = Value::matmul(&rows, &rows, false, true);
                // Values beyond 1 are rounding errors and have no derivative.
                let inside = y.clamp(-1.0, 1.0).try_sub(&y)?;
                statistics::of_rows(x, y.try_add(Self::try_apply(Op::StopGradient, &[&inside])?)?)
            }

            /// The distances ‖xᵢ - yⱼ‖ between all rows of this matrix `[…, rows, width]` and all of another: for each pair the
            /// p-[norm](Self::norm) of the difference, computed from the differences and therefore accurate for close points.
            /// Derivatives need memory for all differences. The derivative at distance 0 is 0. The leading axes broadcast.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (x, y) = (tensor![[0.0, 0.0], [3.0, 4.0]], tensor![[3.0, 4.0]]);
            /// assert_eq!(x.cdist(&y, 2.0), tensor![[5.0], [0.0]]);
            /// assert_eq!(x.cdist(&y, f64::INFINITY), tensor![[4.0], [0.0]]);
            /// ```
            cdist, try_cdist(y: impl Borrow<Self>, p: f64) |x| {
                statistics::distances(x, y.borrow(), p)
            }
        }
    };
}
pub(super) use statistics_methods;

/// The quantiles along an axis, in a new first axis.
#[track_caller]
pub(super) fn quantiles<T: Float, V: Numbers<T>>(x: &V, q: &[f64], axis: isize, between: Between) -> Result<V> {
    const OP: &str = "quantile";
    let shape = x.shape();
    let i = resolve_axis(OP, axis, &shape)?;
    let n = shape[i];
    if n == 0 {
        return Err(Error::Empty { op: OP, shape: shape.as_slice().into() });
    }
    if let Some(q) = q.iter().find(|q| !(0.0..=1.0).contains(*q)) {
        return Err(Error::Argument { op: OP, hint: format!("a quantile is between 0 and 1, not {q}") });
    }
    let elements: Vec<(usize, usize, f64)> = q.iter().map(|q| between.elements(q * (n - 1) as f64)).collect();
    // Only these positions of the sorted order are computed, and the last one, which is NaN if any element is.
    let mut ranks: Vec<usize> = elements.iter().flat_map(|&(low, high, _)| [low, high]).chain([n - 1]).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let place = |rank: usize| ranks.partition_point(|&other| other < rank);
    // The nearer of two elements, plus a part of the difference: exact where the two are equal.
    let (mut near, mut rows) = (Vec::new(), Vec::new());
    for (low, high, weight) in elements {
        let (start, part) = if weight < 0.5 { (low, weight) } else { (high, weight - 1.0) };
        near.push(place(start) as i64);
        rows.push([(place(low), -part), (place(high), part)]);
    }
    let count = ranks.len();
    let sorted = picked(x, i, IntOp::Ranked { axis: i, ranks })?.0;
    let near = V::try_apply(Op::Take { axis: i, index: Tensor::new(&[q.len()], near) }, &[&sorted])?;
    let y = near.add(&mapped(&sorted, i, Sparse::new(count, rows))?);
    let last = V::try_apply(Op::Take { axis: i, index: Tensor::new(&[1], vec![count as i64 - 1]) }, &[&sorted])?;
    let y = last.eq(&last).select(&y, &last);
    let order: Shape = std::iter::once(i).chain((0..shape.len()).filter(|&k| k != i)).collect();
    Ok(y.permute(&order))
}

/// The positions of `values` in sorted rows.
#[track_caller]
pub(super) fn search<T: Float, V: Numbers<T>>(
    op: &'static str,
    sorted: &V,
    values: &V,
    insert: Insert,
) -> Result<V::Ints> {
    let (rows, shape) = (sorted.shape(), values.shape());
    let Some((&n, batch)) = rows.split_last() else {
        return Err(Error::Shape { op, shape: (&[][..]).into(), hint: "the sorted list needs an axis".into() });
    };
    let values = match shape.split_last() {
        _ if batch.is_empty() => values.reshape(&[shape.iter().product()]),
        Some((_, outer)) if outer == batch => values.clone(),
        _ => {
            let hint = format!("the leading axes must be those of the sorted rows, {rows:?}");
            return Err(Error::Shape { op, shape: shape.as_slice().into(), hint });
        }
    };
    let both = V::try_apply(Op::Concat { axis: batch.len() }, &[sorted, &values])?;
    let places = find(&both, IntOp::Search { sorted: n, insert })?;
    Ok(V::integers(shaped(places, &shape)?))
}

/// The rows minus their means, and their length. A list is one row.
#[track_caller]
pub(super) fn deviations<T: Float, V: Value<T>>(op: &'static str, x: &V) -> Result<(V, usize)> {
    let shape = x.shape();
    let rows = match *shape {
        [] => {
            return Err(Error::Shape { op, shape: (&[][..]).into(), hint: "there must be an axis of samples".into() });
        }
        [n] => x.reshape(&[1, n]),
        _ => x.clone(),
    };
    let axis = rows.shape().len() - 1;
    Ok((rows.sub(&rows.reduce(Fold::Mean, AxisSet::one(axis), true)), rows.shape()[axis]))
}

/// A matrix with a number for each pair of rows of `x`; the only number if `x` is a list.
#[track_caller]
pub(super) fn of_rows<T: Float, V: Value<T>>(x: &V, y: V) -> Result<V> {
    Ok(if x.shape().len() == 1 { y.reshape(&[]) } else { y })
}

/// The distances between the rows of two matrices.
#[track_caller]
pub(super) fn distances<T: Float, V: Value<T>>(x: &V, y: &V, p: f64) -> Result<V> {
    const OP: &str = "cdist";
    let (from, to) = (x.shape(), y.shape());
    let (&[ref a @ .., rows, width], &[ref b @ .., columns, other]) = (&*from, &*to) else {
        let shape = if from.len() < 2 { from } else { to };
        return Err(Error::Shape {
            op: OP,
            shape: shape.as_slice().into(),
            hint: "points are the rows of a matrix".into(),
        });
    };
    if width != other {
        let hint = format!("its rows must have {width} elements, as those of shape {from:?}");
        return Err(Error::Shape { op: OP, shape: to.as_slice().into(), hint });
    }
    if p.is_nan() || p < 0.0 {
        return Err(Error::Argument { op: OP, hint: format!("the order p must not be negative, but it is {p}") });
    }
    if p == 2.0 {
        let batch = broadcast(OP, a, b)?;
        let all = |v: &V, last: [usize; 2]| v.expand(&batch.iter().copied().chain(last).collect::<Shape>());
        let (x, y) = (all(x, [rows, width]), all(y, [columns, width]));
        return V::try_apply(Op::Pairwise(Pairwise::Distance), &[&x, &y]);
    }
    if width == 0 {
        // No differences: broadcasts the batches.
        let (x, y) = (
            x.reduce(Fold::Sum, AxisSet::one(a.len() + 1), true),
            y.reduce(Fold::Sum, AxisSet::one(b.len() + 1), true),
        );
        return Ok(x.add(&t(&y)));
    }
    // Coordinate by coordinate, so that loops run along all points of `y`.
    let planes = |batch: &[usize], last: [usize; 3]| -> Shape { batch.iter().copied().chain(last).collect() };
    let x = t(x).reshape(&planes(a, [width, rows, 1]));
    // A copy, since a transposed view is slower to read again and again.
    let y = V::try_apply(Op::Concat { axis: 0 }, &[&t(y)])?.reshape(&planes(b, [width, 1, columns]));
    let of_a_row = (a.iter().product::<usize>().max(b.iter().product()) * columns * width).max(1);
    let some = (BLOCK / of_a_row).max(1);
    if rows <= some {
        return lengths(&x, &y, p);
    }
    let mut blocks = Vec::with_capacity(rows.div_ceil(some));
    for first in (0..rows).step_by(some) {
        let mut spans = Span::whole(&x.shape());
        spans[a.len() + 1] = Span { start: first, len: some.min(rows - first), step: 1 };
        blocks.push(lengths(&V::try_apply(Op::Slice { spans }, &[&x])?, &y, p)?);
    }
    V::try_apply(Op::Concat { axis: a.len().max(b.len()) }, &blocks.iter().collect::<Vec<_>>())
}

/// The p-norms of x - y along the first of the last three axes.
#[track_caller]
fn lengths<T: Float, V: Value<T>>(x: &V, y: &V, p: f64) -> Result<V> {
    let difference = V::try_binary(Binary::Sub, x, y)?;
    norm(&difference, p, AxisSet::one(difference.shape().len() - 3), false)
}

/// Differences between points that are made at a time: as many as stay in the cache until their norms are taken.
const BLOCK: usize = 1 << 16;
