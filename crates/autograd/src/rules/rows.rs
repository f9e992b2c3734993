//! Functions of rows: softmax, log-softmax, cross-entropy and standardization. The cotangent of each is computed by a
//! dedicated op, in one pass over memory, which is also differentiable.

use super::Cotangents;
use crate::float::Float;
use crate::op::{Fold, IGNORED, Op, Unary};
use crate::tensor::{AxisSet, Tensor};
use crate::value::Value;
use smallvec::smallvec;

/// The cotangents of the inputs of a function of rows.
pub(crate) fn vjp<T: Float, V: Value<T>>(
    op: &Op,
    x: &[&V],
    y: &V,
    g: &V,
    wants: &dyn Fn(usize) -> bool,
) -> Cotangents<V> {
    match op {
        Op::Softmax { axis } => smallvec![Some(V::apply(Op::SoftmaxVjp { axis: *axis }, &[y, g]))],
        // y (t - Σ t y), which is linear in t with a symmetric matrix.
        Op::SoftmaxVjp { axis } => {
            let (p, t) = (x[0], x[1]);
            let p_bar = || g.mul(&t.sub(&t.mul(p).sum_axis(*axis))).sub(&t.mul(&g.mul(p).sum_axis(*axis)));
            smallvec![wants(0).then(p_bar), wants(1).then(|| V::apply(op.clone(), &[p, g]))]
        }
        Op::LogSoftmax { axis } => smallvec![Some(V::apply(Op::LogSoftmaxVjp { axis: *axis }, &[y, g]))],
        // t - eʸ Σ t
        Op::LogSoftmaxVjp { axis } => {
            let (share, t) = (x[0].exp().mul(g), x[1]);
            let y_bar = || V::unary(&share.mul(&t.sum_axis(*axis)), Unary::Neg);
            smallvec![wants(0).then(y_bar), wants(1).then(|| g.sub(&share.sum_axis(*axis)))]
        }
        Op::CrossEntropy { labels } => {
            smallvec![Some(Surplus { labels, node: x.get(1).copied() }.times(x[0], g))]
        }
        // t (softmax(x) - onehot(label))
        Op::CrossEntropyVjp { labels } => {
            let surplus = Surplus { labels, node: x.get(2).copied() };
            smallvec![
                wants(0).then(|| surplus.bend(x[0], &g.mul(&column(x[1])))),
                wants(1).then(|| surplus.of(x[0]).mul(g).sum_axis(1).reshape(&x[1].shape()))
            ]
        }
        Op::Standardize { axis, eps } => {
            smallvec![Some(Slope { axis: *axis, eps: *eps }.of(x[0], g))]
        }
        // The Jacobian of a standardization is symmetric, and so is its derivative, a third-order tensor.
        Op::StandardizeVjp { axis, eps } => {
            let slope = Slope { axis: *axis, eps: *eps };
            smallvec![wants(0).then(|| slope.bend(x[0], x[1], y, g)), wants(1).then(|| slope.of(x[0], g))]
        }
        _ => unreachable!("not a function of rows"),
    }
}

/// The tangent of the output of a function of rows.
pub(crate) fn jvp<T: Float, V: Value<T>>(op: &Op, x: &[&V], y: &V, t: &[Option<&V>]) -> Option<V> {
    match op {
        Op::Softmax { axis } => t[0].map(|t| V::apply(Op::SoftmaxVjp { axis: *axis }, &[y, t])),
        Op::SoftmaxVjp { axis } => {
            let (p, u) = (x[0], x[1]);
            let of_p = t[0].map(|t| t.mul(&u.sub(&u.mul(p).sum_axis(*axis))).sub(&p.mul(&u.mul(t).sum_axis(*axis))));
            add(of_p, t[1].map(|t| V::apply(op.clone(), &[p, t])))
        }
        Op::LogSoftmax { axis } => t[0].map(|t| t.sub(&y.exp().mul(t).sum_axis(*axis))),
        Op::LogSoftmaxVjp { axis } => {
            let of_y = t[0].map(|t| V::unary(&x[0].exp().mul(t).mul(&x[1].sum_axis(*axis)), Unary::Neg));
            add(of_y, t[1].map(|t| V::apply(op.clone(), &[x[0], t])))
        }
        Op::CrossEntropy { labels } => {
            let surplus = Surplus { labels, node: x.get(1).copied() };
            t[0].map(|t| surplus.of(x[0]).mul(t).sum_axis(1).reshape(&y.shape()))
        }
        Op::CrossEntropyVjp { labels } => {
            let surplus = Surplus { labels, node: x.get(2).copied() };
            let of_x = |t: &V| surplus.bend(x[0], t).mul(&column(x[1]));
            add(t[0].map(of_x), t[1].map(|t| surplus.times(x[0], t)))
        }
        Op::Standardize { axis, eps } => t[0].map(|t| Slope { axis: *axis, eps: *eps }.of(x[0], t)),
        Op::StandardizeVjp { axis, eps } => {
            let slope = Slope { axis: *axis, eps: *eps };
            add(t[0].map(|t| slope.bend(x[0], x[1], y, t)), t[1].map(|t| slope.of(x[0], t)))
        }
        _ => unreachable!("not a function of rows"),
    }
}

/// Reshapes one scalar per row into a column, which broadcasts over the rows.
fn column<T: Float, V: Value<T>>(x: &V) -> V {
    x.reshape(&[x.shape()[0], 1])
}

/// The derivative of cross-entropy with respect to the scores, softmax(x) - onehot(label); 0 for ignored rows.
struct Surplus<'a, V> {
    labels: &'a Tensor<i64>,
    /// The node that the labels come from, if they are a value on the tape.
    node: Option<&'a V>,
}

impl<V> Surplus<'_, V> {
    /// Each row times a number.
    fn times<T: Float>(&self, x: &V, g: &V) -> V
    where
        V: Value<T>,
    {
        let op = Op::CrossEntropyVjp { labels: self.labels.clone() };
        match self.node {
            Some(node) => V::apply(op, &[x, g, node]),
            None => V::apply(op, &[x, g]),
        }
    }

    fn of<T: Float>(&self, x: &V) -> V
    where
        V: Value<T>,
    {
        self.times(x, &x.number(T::one()).expand(&x.shape()[..1]))
    }

    /// Its derivative times a matrix, diag(p) u - p pᵀ u for each row u, where p = softmax(x).
    fn bend<T: Float>(&self, x: &V, u: &V) -> V
    where
        V: Value<T>,
    {
        let bent = V::apply(Op::SoftmaxVjp { axis: 1 }, &[&x.softmax(1), u]);
        let numbers = match self.node {
            Some(node) => V::apply(Op::Cast { values: self.labels.clone() }, &[node]),
            None if self.labels.iter().any(|label| label == IGNORED) => {
                x.constant(self.labels.map(|l| T::of(l as f64)))
            }
            None => return bent,
        };
        let ignored = column(&numbers.eq(&x.number(T::of(IGNORED as f64))));
        ignored.select(&x.number(T::zero()), &bent)
    }
}

/// The sum of the values that are present.
pub(super) fn add<T: Float, V: Value<T>>(a: Option<V>, b: Option<V>) -> Option<V> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.add(&b)),
        (a, b) => a.or(b),
    }
}

/// The Jacobian `S(x)` of the standardization over the axes from `axis` on, a symmetric matrix.
#[derive(Clone, Copy)]
pub(super) struct Slope {
    pub(super) axis: usize,
    pub(super) eps: f64,
}

impl Slope {
    /// `S(x) u`
    pub(super) fn of<T: Float, V: Value<T>>(self, x: &V, u: &V) -> V {
        V::apply(Op::StandardizeVjp { axis: self.axis, eps: self.eps }, &[x, u])
    }

    /// The derivative of `S(x) u` with respect to `x` in the direction `t`. With `z` the standardization of `x`,
    /// `S u = r (u - mean u - z mean(u z))` and `r = 1 / √(variance + ε)`, it is
    /// `-r (z mean(t S u) + S t mean(u z) + S u mean(t z))`.
    pub(super) fn bend<T: Float, V: Value<T>>(self, x: &V, u: &V, s_u: &V, t: &V) -> V {
        let Slope { axis, eps } = self;
        let axes = (axis..x.shape().len()).fold(AxisSet::default(), AxisSet::with);
        let mean = |v: &V| v.reduce(Fold::Mean, axes, true);
        let (z, s_t) = (V::apply(Op::Standardize { axis, eps }, &[x]), self.of(x, t));
        let variance = mean(&x.sub(&mean(x)).unary(Unary::Square));
        let r = variance.add(&x.number(T::of(eps))).unary(Unary::Rsqrt);
        let turned = z.mul(&mean(&t.mul(s_u))).add(&s_t.mul(&mean(&u.mul(&z)))).add(&s_u.mul(&mean(&t.mul(&z))));
        turned.mul(&r).unary(Unary::Neg)
    }
}
