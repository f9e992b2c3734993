//! Combines elements of one array at indexed positions of another.

use super::select::{check_scatter, from_end, leading, placed};
use crate::error::Result;
use crate::float::Float;
use crate::op::{Binary, Fold, Op};
use crate::tensor::layout::resolve_axis;
use crate::value::{Index, Value};

/// How [`scatter_reduce`](crate::Tensor::scatter_reduce) combines elements.
///
/// ```
/// use autograd::{Scatter, Target, tensor};
/// let (index, src) = (tensor![0_i64, 0], tensor![2.0, 3.0]);
/// let all = [Scatter::Sum, Scatter::Mean, Scatter::Prod, Scatter::Max, Scatter::Min];
/// let y = all.map(|how| tensor![10.0].scatter_reduce(0, &index, &src, how, Target::Included).item());
/// assert_eq!(y, [15.0, 5.0, 60.0, 10.0, 2.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scatter {
    /// Σ x
    Sum,
    /// Σ x / n
    Mean,
    /// Π x
    Prod,
    /// The largest element.
    Max,
    /// The smallest element.
    Min,
}

impl Scatter {
    /// The identity element of the reduction.
    fn neutral(self) -> f64 {
        match self {
            Scatter::Sum | Scatter::Mean => 0.0,
            Scatter::Prod => 1.0,
            Scatter::Max => f64::NEG_INFINITY,
            Scatter::Min => f64::INFINITY,
        }
    }
}

/// What happens to the original element at a position where [`scatter_reduce`](crate::Tensor::scatter_reduce) combines
/// others.
///
/// ```
/// use autograd::{Scatter, Target, tensor};
/// let sum = |target| tensor![10.0, 7.0].scatter_reduce(0, &tensor![0_i64], tensor![2.0], Scatter::Sum, target);
/// assert_eq!([Target::Included, Target::Replaced].map(sum), [tensor![12.0, 7.0], tensor![2.0, 7.0]]);
/// ```
#[doc(alias = "include_self")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// It is combined with them.
    Included,
    /// They replace it. An element that no index refers to does not change.
    Replaced,
}

macro_rules! scatter_methods {
    () => {
        twins! {
            /// Combines elements of `src` at indices along an axis, in the way that [`scatter_add`](Self::scatter_add) adds
            /// them: for axis 0, `y[index[i][j]][j]` combines all such `src[i][j]`, and the original element unless they
            /// replace it. Tied extrema share the derivative equally; the derivative of a product is exact where elements
            /// are 0. An infinite extremum has derivative 0.
            ///
            /// ```
            /// use autograd::{Scatter, Target, tensor};
            /// let (index, src) = (tensor![0_i64, 2, 0], tensor![4.0, 5.0, 6.0]);
            /// let y = tensor![1.0, 2.0, 9.0].scatter_reduce(0, &index, src, Scatter::Max, Target::Included);
            /// assert_eq!(y, tensor![6.0, 2.0, 9.0]);
            /// ```
            scatter_reduce, try_scatter_reduce(axis: isize, index: impl Into<Index<Self>>, src: impl Borrow<Self>, how: Scatter, target: Target) |x| {
                scatter::reduced(x, axis, index.into(), src.borrow(), how, target)
            }
        }
    };
}
pub(super) use scatter_methods;

#[track_caller]
pub(super) fn reduced<T: Float, V: Value<T>>(
    x: &V,
    axis: isize,
    index: Index<V>,
    src: &V,
    how: Scatter,
    target: Target,
) -> Result<V> {
    const OP: &str = "scatter_reduce";
    let shape = x.shape();
    let axis = resolve_axis(OP, axis, &shape)?;
    check_scatter(OP, axis, index.values.shape(), &shape, &src.shape())?;
    let index = from_end(OP, index, shape[axis])?;
    let src = leading(src, index.values.shape())?;
    let number = |c: f64| x.number(T::of(c));
    let added = |src: &V| -> Result<V> {
        let sums = index.clone().apply(src, |index| Op::GatherAdd { axis, index, size: shape[axis] })?;
        placed(&sums, &shape)
    };
    let counted = || added(&number(1.0).expand(&src.shape()));
    // The array, and the number of elements in each mean.
    let (start, n) = match (target, how) {
        (Target::Included, Scatter::Mean) => (x.clone(), Some(counted()?.add(&number(1.0)))),
        (Target::Included, _) => (x.clone(), None),
        (Target::Replaced, _) => {
            let count = counted()?;
            let n = V::binary(Binary::Maximum, &count, &number(1.0));
            (count.select(&number(how.neutral()), x), Some(n))
        }
    };
    let fold = match how {
        Scatter::Sum => return Ok(start.add(&added(&src)?)),
        Scatter::Mean => return Ok(start.add(&added(&src)?).div(&n.expect("a mean counts"))),
        Scatter::Prod => Fold::Prod,
        Scatter::Max => Fold::Max,
        Scatter::Min => Fold::Min,
    };
    // The index may be smaller than the array on the other axes; elements that it does not reach do not change.
    let mut reached = shape.clone();
    reached.copy_from_slice(index.values.shape());
    reached[axis] = shape[axis];
    let Index { values: index, node } = index;
    let part = leading(&start, &reached)?;
    let inputs: Vec<&V> = [&part, &src].into_iter().chain(&node).collect();
    let y = V::try_apply(Op::GatherFold { axis, index, fold }, &inputs)?;
    if reached == shape {
        return Ok(y);
    }
    let inside = placed(&number(1.0).expand(&reached), &shape)?;
    Ok(inside.select(&placed(&y, &shape)?, &start))
}
