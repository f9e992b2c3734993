//! The rule of A = P·L·U for a matrix with at least as many rows as columns. The permutation P is piecewise constant.
//!
//! Let X = Pᵀ·Ȧ·U⁻¹, and L₁ the upper square of L with L₂ below it. Then S = L₁⁻¹·X₁ = L₁⁻¹·L̇₁ + U̇·U⁻¹ has L̇₁ in its
//! strictly lower triangle and U̇ in its upper one: L̇₁ = L₁·tril(S), U̇ = triu(S)·U and L̇₂ = X₂ - L₂·triu(S).

use super::linalg::{concat, only, rows, span, triangle, triangular};
use super::t;
use crate::float::Float;
use crate::value::Value;

struct Factors<V> {
    p: V,
    /// The upper square of L, without the ones on its diagonal: rules solve with it as a unit triangle.
    upper: V,
    /// The rows of L below it.
    lower: V,
    u: V,
}

impl<V> Factors<V> {
    fn of<T: Float>(y: &V) -> Self
    where
        V: Value<T>,
    {
        let (m, columns) = (rows(y), y.shape()[y.shape().len() - 1]);
        let [square, lower] = split(&span(y, 0, m, columns), columns - m);
        Factors { p: span(y, 0, 0, m), upper: triangle(&square, true, true), lower, u: triangle(&square, false, false) }
    }

    /// X·U⁻ᵀ
    fn by_u<T: Float>(&self, x: &V) -> V
    where
        V: Value<T>,
    {
        t(&triangular(&self.u, false, false, &t(x)))
    }
}

/// The first `n` rows and the others.
fn split<T: Float, V: Value<T>>(x: &V, n: usize) -> [V; 2] {
    [span(x, 1, 0, n), span(x, 1, n, rows(x))]
}

/// Ā = P·X̄·U⁻ᵀ with X̄₁ = L₁⁻ᵀ·(tril(L₁ᵀ·L̄₁) + triu(Ū·Uᵀ - L₂ᵀ·L̄₂)) and X̄₂ = L̄₂.
pub(super) fn vjp<T: Float, V: Value<T>>(a: &V, y: &V, g: &V) -> V {
    let (f, axis, n) = (Factors::of(y), a.shape().len() - 2, a.shape()[a.shape().len() - 1]);
    let [square, lower] = split(&span(g, 0, rows(a), rows(a) + n), n);
    let (l, u) = (triangle(&square, true, true), triangle(&square, false, false));
    let below = triangle(&l.add(&f.upper.matmul(&l, true, false)), true, true);
    let above = triangle(&u.matmul(&f.u, false, true).sub(&f.lower.matmul(&lower, true, false)), false, false);
    let upper = triangular(&t(&f.upper), false, true, &below.add(&above));
    f.p.matmul(&f.by_u(&concat(axis, &[&upper, &lower])), false, false)
}

pub(super) fn jvp<T: Float, V: Value<T>>(y: &V, d: &V) -> V {
    let (f, axis, n) = (Factors::of(y), d.shape().len() - 2, d.shape()[d.shape().len() - 1]);
    let moved = f.p.matmul(d, true, false);
    let x = t(&triangular(&t(&f.u), true, false, &t(&moved)));
    let [upper, lower] = split(&x, n);
    let s = triangular(&f.upper, true, true, &upper);
    let (below, above) = (triangle(&s, true, true), triangle(&s, false, false));
    let square = below.add(&f.upper.matmul(&below, false, false)).add(&above.matmul(&f.u, false, false));
    let rest = lower.sub(&f.lower.matmul(&above, false, false));
    let still = only(&f.p, |_, _| false);
    concat(axis + 1, &[&still, &concat(axis, &[&square, &rest])])
}
