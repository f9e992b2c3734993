//! The rules of [`GatherFold`](Op::GatherFold), which combines the elements that indices send to each position: a group.

use super::Cotangents;
use super::scan::products_in_groups;
use super::vjp::indexed;
use crate::error::or_panic;
use crate::float::Float;
use crate::op::{Binary, Fold, IntOp, Op, Unary};
use crate::tensor::Tensor;
use crate::tensor::view::Span;
use crate::value::{Index, Value};
use smallvec::smallvec;

/// The cotangents of the array `x[0]` and of the elements `x[1]` that are combined with it.
pub(super) fn vjp<T: Float, V: Value<T>>(
    (axis, index, fold): (usize, &Tensor<i64>, Fold),
    x: &[&V],
    y: &V,
    g: &V,
    wants: &dyn Fn(usize) -> bool,
) -> Cotangents<V> {
    let sent = |v: &V| indexed(Op::Gather { axis, index: index.clone() }, v, &x[1..]);
    match fold {
        Fold::Prod => smallvec![
            wants(0).then(|| g.mul(&product(axis, index, x, x[1]))),
            wants(1).then(|| sent(&g.mul(x[0])).mul(&others(axis, index, x)))
        ],
        Fold::Max | Fold::Min => {
            let Ties { own, these, count } = Ties::new(axis, index, x, y);
            let (share, zero) = (shared(g, &count, y), g.number(T::zero()));
            smallvec![wants(0).then(|| own.select(&share, &zero)), wants(1).then(|| these.select(&sent(&share), &zero))]
        }
        Fold::Sum | Fold::Mean | Fold::Norm | Fold::LogSumExp => unreachable!("the shape rule refuses {fold:?}"),
    }
}

/// The tangent of the result.
pub(super) fn jvp<T: Float, V: Value<T>>(
    (axis, index, fold): (usize, &Tensor<i64>, Fold),
    x: &[&V],
    y: &V,
    t: &[Option<&V>],
) -> Option<V> {
    let size = x[0].shape()[axis];
    let added = |v: &V| indexed(Op::GatherAdd { axis, index: index.clone(), size }, v, &x[1..]);
    let sum = |a: Option<V>, b: Option<V>| match (a, b) {
        (Some(a), Some(b)) => Some(a.add(&b)),
        (a, b) => a.or(b),
    };
    match fold {
        Fold::Prod => sum(
            t[0].map(|t| t.mul(&product(axis, index, x, x[1]))),
            t[1].map(|t| x[0].mul(&added(&t.mul(&others(axis, index, x))))),
        ),
        Fold::Max | Fold::Min => {
            let (Ties { own, these, count }, zero) = (Ties::new(axis, index, x, y), y.number(T::zero()));
            let moved = sum(t[0].map(|t| own.select(t, &zero)), t[1].map(|t| added(&these.select(t, &zero))));
            moved.map(|moved| shared(&moved, &count, y))
        }
        Fold::Sum | Fold::Mean | Fold::Norm | Fold::LogSumExp => unreachable!("the shape rule refuses {fold:?}"),
    }
}

/// Where the array and the elements are the extremum, and how many of a group are.
struct Ties<V> {
    own: V,
    these: V,
    count: V,
}

impl<V> Ties<V> {
    fn new<T: Float>(axis: usize, index: &Tensor<i64>, x: &[&V], y: &V) -> Self
    where
        V: Value<T>,
    {
        let (own, size) = (x[0].eq(y), x[0].shape()[axis]);
        let these = x[1].eq(&indexed(Op::Gather { axis, index: index.clone() }, y, &x[1..]));
        let count = indexed(Op::GatherAdd { axis, index: index.clone(), size }, &these, &x[1..]).add(&own);
        Ties { own, these, count }
    }
}

/// An equal part for each of the ties, and 0 where the extremum is infinite or NaN.
fn shared<T: Float, V: Value<T>>(v: &V, count: &V, y: &V) -> V {
    let nothing = y.sub(y);
    nothing.eq(&nothing).select(&v.div(count), &v.number(T::zero()))
}

/// The product of elements of each group, without the array.
fn product<T: Float, V: Value<T>>(axis: usize, index: &Tensor<i64>, x: &[&V], elements: &V) -> V {
    let ones = x[0].number(T::one()).expand(&x[0].shape());
    let inputs: Vec<&V> = [&ones, elements].into_iter().chain(x[2..].iter().copied()).collect();
    V::apply(Op::GatherFold { axis, index: index.clone(), fold: Fold::Prod }, &inputs)
}

/// For each element, the product of the other ones of its group. Where no product of some of them overflows, it is that of
/// those before it and of those behind it, which is exact where elements are 0; else it is the whole by the element. So
/// nothing that is infinite or NaN reaches another group.
fn others<T: Float, V: Value<T>>(axis: usize, index: &Tensor<i64>, x: &[&V]) -> V {
    let (n, src, one) = (index.len(), x[1], x[1].number(T::one()));
    let sent = |v: &V| indexed(Op::Gather { axis, index: index.clone() }, v, &x[1..]);
    let still = V::apply(Op::StopGradient, &[src]);
    let most = sent(&product(axis, index, x, &V::binary(Binary::Maximum, &still.unary(Unary::Abs), &one)));
    let within = most.sub(&most).eq(&src.number(T::zero()));

    let own = Index { values: index.clone(), node: x.get(2).map(|&node| node.clone()) };
    let lists = or_panic(own.derive(IntOp::Grouped { axis, x: x[0].shape() }));
    let list = |start: usize| {
        let spans = smallvec![Span { start: if n == 0 { 0 } else { start }, len: n, step: 1 }];
        or_panic(lists.clone().derive(IntOp::View(Box::new(Op::Slice { spans }))))
    };
    let (order, ranks) = (list(0), list(n));
    let ranks = match &ranks.node {
        Some(node) => V::apply(Op::Cast { values: ranks.values.clone() }, &[node]),
        None => src.constant(ranks.values.map(|rank| T::of(rank as f64))),
    };
    let finite = within.select(src, &one).reshape(&[n]);
    let grouped = or_panic(order.clone().apply(&finite, |index| Op::Take { axis: 0, index }));
    let found = products_in_groups(&grouped, &V::binary(Binary::Ge, &ranks, &one));
    let found = or_panic(order.apply(&found, |index| Op::TakeAdd { axis: 0, index, size: n })).reshape(&src.shape());
    // The quotient is defined, too, where it is not selected, so that its derivative adds nothing there.
    within.select(&found, &sent(&product(axis, index, x, src)).div(&within.select(&one, src)))
}
