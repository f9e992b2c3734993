//! Elements of one array, combined at positions of another that indices name.

use super::select::{check_scatter, from_end, leading, placed};
use crate::error::Result;
use crate::float::Float;
use crate::op::{Binary, IntOp, Op};
use crate::tensor::Shape;
use crate::tensor::layout::resolve_axis;
use crate::tensor::view::Span;
use crate::value::{Index, Value};
use smallvec::smallvec;

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
    /// What changes nothing when it is combined with others.
    fn neutral(self) -> f64 {
        match self {
            Scatter::Sum | Scatter::Mean => 0.0,
            Scatter::Prod => 1.0,
            Scatter::Max => f64::NEG_INFINITY,
            Scatter::Min => f64::INFINITY,
        }
    }

    /// How two elements are combined; a mean is a sum until it is divided.
    fn op(self) -> Binary {
        match self {
            Scatter::Sum | Scatter::Mean => Binary::Add,
            Scatter::Prod => Binary::Mul,
            Scatter::Max => Binary::Maximum,
            Scatter::Min => Binary::Minimum,
        }
    }
}

/// What becomes of an element that [`scatter_reduce`](crate::Tensor::scatter_reduce) combines others at.
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
    /// They replace it. An element that no index names stays.
    Replaced,
}

macro_rules! scatter_methods {
    () => {
        twins! {
            /// Combines elements of `src` at indices along an axis, as [`scatter_add`](Self::scatter_add) adds them:
            /// `y[index[i][j]][j]` of all `src[i][j]` for axis 0, and of the element that stands there, unless they replace
            /// it. Of several largest or smallest elements, each has an equal share of the derivative; the derivative of
            /// a product is exact where elements are 0. An infinite extremum has derivative 0.
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
    let added = |src: &V| {
        let sums = index.clone().apply(src, |index| Op::GatherAdd { axis, index, size: shape[axis] })?;
        placed(&sums, &shape)
    };
    let number = |c: f64| x.number(T::of(c));
    let count = added(&number(1.0).expand(&src.shape()))?;
    let start = match target {
        Target::Included => x.clone(),
        Target::Replaced => count.select(&number(how.neutral()), x),
    };
    match how {
        Scatter::Sum => Ok(start.add(&added(&src)?)),
        Scatter::Mean => {
            let n = match target {
                Target::Included => count.add(&number(1.0)),
                Target::Replaced => V::binary(Binary::Maximum, &count, &number(1.0)),
            };
            Ok(start.add(&added(&src)?).div(&n))
        }
        Scatter::Prod => Ok(start.mul(&Groups::new(index, axis, &shape)?.combined(&src, how)?)),
        Scatter::Max | Scatter::Min => {
            let found = Groups::new(index.clone(), axis, &shape)?.combined(&still(&src), how)?;
            let y = V::binary(how.op(), &still(&start), &found);
            // Each element that is the extremum moves it by an equal part of its own movement.
            let mut part = shape.clone();
            part.copy_from_slice(index.values.shape());
            part[axis] = shape[axis];
            let at = index.clone().apply(&leading(&y, &part)?, |index| Op::Gather { axis, index })?;
            let (these, own) = (src.eq(&at), start.eq(&y));
            let ties = added(&these)?.add(&own);
            Ok(y.add(&added(&movement(&src, &these))?.add(&movement(&start, &own)).div(&ties)))
        }
    }
}

/// The value, as a constant in all derivatives.
fn still<T: Float, V: Value<T>>(x: &V) -> V {
    V::apply(Op::StopGradient, &[x])
}

/// 0, with the derivative of x where the mask holds and x is finite.
fn movement<T: Float, V: Value<T>>(x: &V, mask: &V) -> V {
    let change = x.sub(&still(x));
    mask.mul(&change.eq(&change)).select(&change, &x.number(T::zero()))
}

/// The elements that indices send to each position, next to each other.
struct Groups<V> {
    shape: Shape,
    /// How many elements there are.
    len: usize,
    /// Their order, the rank of each in its group, and the end of the group of each position: see `IntOp::Grouped`.
    lists: Index<V>,
}

impl<V> Groups<V> {
    #[track_caller]
    fn new<T: Float>(index: Index<V>, axis: usize, shape: &Shape) -> Result<Self>
    where
        V: Value<T>,
    {
        let len = index.values.len();
        let lists = index.derive(IntOp::Grouped { axis, x: shape.clone() })?;
        Ok(Groups { shape: shape.clone(), len, lists })
    }

    #[track_caller]
    fn list<T: Float>(&self, start: usize, len: usize) -> Result<Index<V>>
    where
        V: Value<T>,
    {
        let start = if len == 0 { 0 } else { start };
        self.lists.clone().derive(IntOp::View(Box::new(Op::Slice { spans: smallvec![Span { start, len, step: 1 }] })))
    }

    /// The combined elements of each group: running results in each, of which the last is picked.
    #[track_caller]
    fn combined<T: Float>(&self, src: &V, how: Scatter) -> Result<V>
    where
        V: Value<T>,
    {
        let src = self.list(0, self.len)?.apply(&src.reshape(&[self.len]), |index| Op::Take { axis: 0, index })?;
        let ranks = self.list(self.len, self.len)?;
        let ranks = match &ranks.node {
            Some(node) => V::try_apply(Op::Cast { values: ranks.values.clone() }, &[node])?,
            None => src.constant(ranks.values.map(|rank| T::of(rank as f64))),
        };
        let neutral = src.number(T::of(how.neutral()));
        let running = running(&src, &ranks, &neutral, how.op())?;
        let before = V::try_apply(Op::Concat { axis: 0 }, &[&neutral.reshape(&[1]), &running])?;
        let count = self.lists.values.len() - 2 * self.len;
        let y = self.list(2 * self.len, count)?.apply(&before, |index| Op::Take { axis: 0, index })?;
        Ok(y.reshape(&self.shape))
    }
}

/// Running results in each group, by doubling: after k rounds each element is the result of up to 2ᵏ elements of its group, and
/// nothing of another group, not even a NaN, has reached it. Source: Hillis and Steele, *Data parallel algorithms* (1986).
#[track_caller]
fn running<T: Float, V: Value<T>>(x: &V, ranks: &V, neutral: &V, op: Binary) -> Result<V> {
    let n = x.shape()[0];
    let (mut y, mut reach) = (x.clone(), 1);
    while reach < n {
        let spans = smallvec![Span { start: 0, len: n - reach, step: 1 }];
        let earlier = V::try_apply(Op::Slice { spans }, &[&y])?;
        let earlier = V::try_apply(Op::Concat { axis: 0 }, &[&neutral.expand(&[reach]), &earlier])?;
        let inside = V::binary(Binary::Ge, ranks, &x.number(T::of(reach as f64)));
        y = V::try_binary(op, &y, &inside.select(&earlier, neutral))?;
        reach *= 2;
    }
    Ok(y)
}
