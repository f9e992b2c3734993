//! The rules of [`GatherFold`](Op::GatherFold), which combines the elements that indices assign to each position (a group),
//! and of the products of the other elements of a group.

use super::Cotangents;
use super::vjp::indexed;
use crate::float::Float;
use crate::op::{Fold, Op};
use crate::tensor::Tensor;
use crate::value::Value;
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

/// The positions at which the array and the elements equal the extremum, and the number of such elements in each group.
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

/// For each element, the product of the other ones of its group.
fn others<T: Float, V: Value<T>>(axis: usize, index: &Tensor<i64>, x: &[&V]) -> V {
    let (size, index) = (x[0].shape()[axis], index.clone());
    V::apply(Op::GatherOthers { axis, index, size, along: 0 }, &x[1..])
}

/// The cotangents of the inputs of [`GatherOthers`](Op::GatherOthers). The product of others is the derivative of a group's
/// product with respect to one of its elements. Its own derivatives are derivatives of that product with respect to several
/// elements, in any order: the cotangent of the result is one more direction, in addition to the others or in place of one.
pub(crate) fn others_vjp<T: Float, V: Value<T>>(
    op: &Op,
    x: &[&V],
    g: &V,
    wants: &dyn Fn(usize) -> bool,
) -> Cotangents<V> {
    let along = op.arity().map_or(0, |arity| arity - 1);
    (0..=along).map(|i| wants(i).then(|| moved(op, x, i, g))).collect()
}

/// The tangent of its result.
pub(crate) fn others_jvp<T: Float, V: Value<T>>(op: &Op, x: &[&V], t: &[Option<&V>]) -> Option<V> {
    let (t, _) = op.operands(t);
    let parts = t.iter().enumerate().filter_map(|(i, t)| t.map(|t| moved(op, x, i, t)));
    parts.reduce(|a, b| a.add(&b))
}

/// The products of others along `t`, which is one more direction for the elements, and else in place of direction `i`.
fn moved<T: Float, V: Value<T>>(op: &Op, x: &[&V], i: usize, t: &V) -> V {
    let mut op = op.clone();
    let Op::GatherOthers { along, .. } = &mut op else { unreachable!("{} is no product of others", op.name()) };
    let mut inputs: Vec<&V> = x.to_vec();
    if i == 0 {
        inputs.insert(1 + *along, t);
        *along += 1;
    } else {
        inputs[i] = t;
    }
    V::apply(op, &inputs)
}
