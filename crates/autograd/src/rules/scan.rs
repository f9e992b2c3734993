//! Cumulative sums and products along an axis.
//!
//! They are based on the recurrence `y[k] = a[k]·y[k-1] + b[k]`, the product of a vector `b` with a triangular matrix
//! `L(a)` whose entries are products of consecutive elements of `a`. Nothing is divided by an element, so the
//! derivatives of products are exact where elements are 0, to any order, and they cost one more pass.

use super::Cotangents;
use super::vjp::inverse;
use crate::float::{Few, Float};
use crate::op::Op;
use crate::tensor::view::{Span, Spans};
use crate::tensor::{AxisSet, Shape};
use crate::value::Value;
use smallvec::smallvec;

/// The cotangents of a scan's inputs.
pub(crate) fn vjp<T: Float, V: Value<T>>(
    op: &Op,
    x: &[&V],
    y: &V,
    g: &V,
    wants: &dyn Fn(usize) -> bool,
) -> Cotangents<V> {
    match *op {
        Op::CumSum { axis, reverse } => smallvec![Some(V::apply(Op::CumSum { axis, reverse: !reverse }, &[g]))],
        Op::LogCumSumExp { axis } => {
            let (share, decay) = shares(x[0], y, axis);
            smallvec![Some(share.mul(&recurrence(&decay, g, axis, true)))]
        }
        // The transposed matrix gives b̄. The product a[k]·y[k-1] (transposed: a[k]·y[k]) is a term of y[k]
        // (transposed: y[k-1]).
        Op::Recurrence { axis, transposed } => {
            let b_bar = recurrence(x[0], g, axis, !transposed);
            let (before, at) = if transposed { (&b_bar, y) } else { (y, &b_bar) };
            let a_bar = wants(0).then(|| at.mul(&delayed(before, axis)));
            smallvec![a_bar, wants(1).then_some(b_bar)]
        }
        _ => unreachable!("not a scan"),
    }
}

/// The tangent of a scan's output.
pub(crate) fn jvp<T: Float, V: Value<T>>(op: &Op, x: &[&V], y: &V, t: &[Option<&V>]) -> Option<V> {
    match *op {
        Op::CumSum { .. } => t[0].map(|t| V::apply(op.clone(), &[t])),
        Op::LogCumSumExp { axis } => t[0].map(|t| {
            let (share, decay) = shares(x[0], y, axis);
            recurrence(&decay, &share.mul(t), axis, false)
        }),
        Op::Recurrence { axis, transposed } => {
            let through_a = t[0].map(|t| if transposed { advanced(&t.mul(y), axis) } else { t.mul(&delayed(y, axis)) });
            let added = match (through_a, t[1]) {
                (Some(a), Some(b)) => Some(a.add(b)),
                (a, b) => a.or(b.cloned()),
            };
            added.map(|b| recurrence(x[0], &b, axis, transposed))
        }
        _ => unreachable!("not a scan"),
    }
}

/// The factors of `exp(x[i] - y[k])`, the share of element `i` in the cumulative sum `k`: `exp(x[i] - y[i])` and the
/// decays `exp(y[j-1] - y[j])` for `i < j <= k`, none of them above 1. They are 0 where the sum is still empty (-inf), and 1
/// from an infinite element on.
fn shares<T: Float, V: Value<T>>(x: &V, y: &V, axis: usize) -> (V, V) {
    let below = |x: &V, y: &V| {
        let (zero, most) = (y.number(T::zero()), y.number(T::INFINITY));
        let (nothing, same) = (y.eq(&y.number(-T::INFINITY)), x.eq(&most).mul(&y.eq(&most)));
        same.select(&zero, x).sub(&nothing.add(&same).select(&zero, y)).exp()
    };
    let shape = y.shape();
    let after = part(y, axis, 1, shape[axis].saturating_sub(1));
    let decay = below(&part(y, axis, 0, after.shape()[axis]), &after);
    (below(x, y), placed(&decay, axis, 1, &shape))
}

/// For each element, the product of all other elements along the axes: the derivative of their product.
pub(crate) fn products_of_others<T: Float, V: Value<T>>(x: &V, axes: AxisSet) -> V {
    let shape = x.shape();
    if shape.contains(&0) {
        return x.clone();
    }
    // Move the axes last and merge them into one.
    let order: Shape = (0..shape.len()).filter(|&i| !axes.contains(i)).chain(axes.iter()).few();
    let n: usize = axes.iter().map(|i| shape[i]).product();
    let moved = x.permute(&order);
    let rows = moved.reshape(&[shape.iter().product::<usize>() / n, n]);
    let unit = |at: usize| {
        let one = x.number(T::one()).expand(&[rows.shape()[0], 1]);
        placed(&one, 1, at, &rows.shape())
    };
    let before = recurrence(&delayed(&rows, 1), &unit(0), 1, false);
    let after = recurrence(&rows, &unit(n - 1), 1, true);
    before.mul(&after).reshape(&moved.shape()).permute(&inverse(&order))
}

/// Cumulative products along an axis: the recurrence where b is the first element followed by zeros.
pub(crate) fn products<T: Float, V: Value<T>>(x: &V, axis: usize) -> V {
    let shape = x.shape();
    let first = part(x, axis, 0, shape[axis].min(1));
    recurrence(x, &placed(&first, axis, 0, &shape), axis, false)
}

fn recurrence<T: Float, V: Value<T>>(a: &V, b: &V, axis: usize, transposed: bool) -> V {
    V::apply(Op::Recurrence { axis, transposed }, &[a, b])
}

/// `x[k - 1]` at `k`, and 0 at the first position.
fn delayed<T: Float, V: Value<T>>(x: &V, axis: usize) -> V {
    let shape = x.shape();
    placed(&part(x, axis, 0, shape[axis].saturating_sub(1)), axis, 1, &shape)
}

/// `x[k + 1]` at `k`, and 0 at the last position.
fn advanced<T: Float, V: Value<T>>(x: &V, axis: usize) -> V {
    let shape = x.shape();
    placed(&part(x, axis, 1, shape[axis].saturating_sub(1)), axis, 0, &shape)
}

/// `len` elements of an axis, from `start` on.
pub(super) fn part<T: Float, V: Value<T>>(x: &V, axis: usize, start: usize, len: usize) -> V {
    V::apply(Op::Slice { spans: spans(&x.shape(), axis, start, len) }, &[x])
}

/// Zeros with `x` written along an axis, from `start` on.
fn placed<T: Float, V: Value<T>>(x: &V, axis: usize, start: usize, shape: &[usize]) -> V {
    let spans = spans(shape, axis, start, x.shape()[axis]);
    V::apply(Op::Place { spans, shape: shape.into() }, &[x])
}

fn spans(shape: &[usize], axis: usize, start: usize, len: usize) -> Spans {
    let mut spans = Span::whole(shape);
    spans[axis] = Span { start: if len == 0 { 0 } else { start }, len, step: 1 };
    spans
}
