//! The rules of ops on the differences between rows. A product of differences is linear in each factor, and its transpose is
//! a weighted sum of the other factor, so this family of ops is closed under differentiation of any order.

use super::{Cotangents, t};
use crate::float::Float;
use crate::op::{Op, Pairwise};
use crate::value::Value;
use smallvec::smallvec;

/// The cotangents of the inputs.
pub(crate) fn vjp<T: Float, V: Value<T>>(
    f: Pairwise,
    x: &[&V],
    y: &V,
    g: &V,
    wants: &dyn Fn(usize) -> bool,
) -> Cotangents<V> {
    // For the cotangents c of the squares of differences, over 2.
    let of_rows = |c: &V, x: &[&V]| V::apply(Op::Pairwise(Pairwise::Sum), &[c, x[0], x[1]]);
    let of_columns = |c: &V, x: &[&V]| V::apply(Op::Pairwise(Pairwise::Sum), &[&t(c), x[1], x[0]]);
    match f {
        Pairwise::Distance => {
            let share = over(g, y);
            smallvec![wants(0).then(|| of_rows(&share, x)), wants(1).then(|| of_columns(&share, x))]
        }
        Pairwise::Product => smallvec![
            wants(0).then(|| of_rows(g, &x[2..])),
            wants(1).then(|| of_columns(g, &x[2..])),
            wants(2).then(|| of_rows(g, x)),
            wants(3).then(|| of_columns(g, x))
        ],
        Pairwise::Sum => smallvec![
            wants(0).then(|| product([Some(g), None], &x[1..])),
            wants(1).then(|| g.mul(&x[0].sum_axis(x[0].shape().len() - 1))),
            wants(2).then(|| x[0].scale(-1.0).matmul(g, true, false))
        ],
    }
}

/// The tangent of the result.
pub(crate) fn jvp<T: Float, V: Value<T>>(f: Pairwise, x: &[&V], y: &V, t: &[Option<&V>]) -> Option<V> {
    let moved = |t: &[Option<&V>], x: &[&V]| (t[0].is_some() || t[1].is_some()).then(|| product([t[0], t[1]], x));
    let (a, b) = match f {
        Pairwise::Distance => return moved(t, x).map(|change| over(&change, y)),
        Pairwise::Product => (moved(t, &x[2..]), moved(&t[2..], x)),
        Pairwise::Sum => {
            let sum = |w: &V, x: &V, y: &V| V::apply(Op::Pairwise(f), &[w, x, y]);
            let still = |i: usize| x[i].number(T::zero()).expand(&x[i].shape());
            let points = || sum(x[0], t[1].unwrap_or(&still(1)), t[2].unwrap_or(&still(2)));
            (t[0].map(|t| sum(t, x[1], x[2])), (t[1].is_some() || t[2].is_some()).then(points))
        }
    };
    match (a, b) {
        (Some(a), Some(b)) => Some(a.add(&b)),
        (a, b) => a.or(b),
    }
}

/// The products of the differences between `t`, zeros where there are none, with those between `x`.
fn product<T: Float, V: Value<T>>(t: [Option<&V>; 2], x: &[&V]) -> V {
    let still = |i: usize| x[i].number(T::zero()).expand(&x[i].shape());
    let (u, v) = (t[0].cloned().unwrap_or_else(|| still(0)), t[1].cloned().unwrap_or_else(|| still(1)));
    V::apply(Op::Pairwise(Pairwise::Product), &[&u, &v, x[0], x[1]])
}

/// `a` over distances, and 0 where these are 0.
fn over<T: Float, V: Value<T>>(a: &V, distance: &V) -> V {
    let (zero, one) = (a.number(T::zero()), a.number(T::one()));
    let nothing = distance.eq(&zero);
    nothing.select(&zero, &a.div(&nothing.select(&one, distance)))
}
