//! The derivative of a function of the eigenvalues or the singular values of a matrix, and its own derivative.
//!
//! If w are the eigenvalues of A = V·diag(w)·Vᵀ and g the derivative of the function with respect to them, its derivative
//! with respect to A is V·diag(g)·Vᵀ. That changes with A in two ways: g changes along the diagonal of VᵀȦV, and the
//! eigenvectors turn, which multiplies the elements beside the diagonal by (gⱼ - gᵢ) / (wⱼ - wᵢ). Where two eigenvalues
//! coincide, a symmetric function is smooth, and this quotient has a limit: how gⱼ - gᵢ changes when the two are split.
//! The sweep that records the derivative records this change too, along the direction [`split`].

use super::linalg::{diagonal_of, eigen, recip, rows, singular, span, symmetric, t};
use crate::float::Float;
use crate::op::{Binary, Factor, Fold, Op, Unary};
use crate::tensor::{AxisSet, Tensor};
use crate::value::Value;

/// A direction that splits all values of a decomposition `y`, and leaves the vectors as they are.
pub(crate) fn split<T: Float>(shape: &[usize]) -> Tensor<T> {
    let rank = shape.len();
    let values = Tensor::from_fn(&shape[rank - 2..], |i| T::of(if i[0] == 0 { 1.0 + i[1] as f64 } else { 0.0 }));
    values.broadcast_view(shape)
}

/// How the derivative `g` changes, for inputs A, the decomposition, g and the change of g along the split: the cotangents
/// of A and g if `d` is that of the result; the change of the result is the first with `d` for the change of A, and the
/// spread of the change of g.
pub(super) struct Turn<V> {
    u: V,
    v: V,
    pub(super) a: V,
    pub(super) g: V,
}

impl<V> Turn<V> {
    pub(super) fn new<T: Float>(factor: Factor, x: &[&V], d: &V) -> Turn<V>
    where
        V: Value<T>,
    {
        let &[a, y, g, change] = x else { unreachable!("it has four inputs") };
        if factor == Factor::EighVjp {
            let [w, v] = eigen(y);
            let quotients = Quotients { x: &w, g, change };
            let p = v.matmul(&symmetric(d), true, false).matmul(&v, false, false);
            let turned = v.matmul(&quotients.of_differences().mul(&p), false, false).matmul(&v, false, true);
            return Turn { a: turned, g: diagonal_of(&p), u: v.clone(), v };
        }
        let [s, u, v] = singular(y, rows(a));
        let quotients = Quotients { x: &s, g, change };
        let (du, dv) = (d.matmul(&u, true, false), d.matmul(&v, false, false));
        let p = u.matmul(&dv, true, false);
        let odd = p.sub(&t(&p)).scale(0.5);
        let inner = quotients.of_differences().mul(&symmetric(&p)).add(&quotients.of_sums().mul(&odd));
        // The components outside the column spaces of U and V.
        let ratios = quotients.of_values();
        let beside = |d: &V, x: &V, p: &V| d.sub(&x.matmul(p, false, false)).mul(&ratios);
        let left = u.matmul(&inner, false, false).add(&beside(&dv, &u, &p));
        let turned = left.matmul(&v, false, true).add(&u.matmul(&beside(&du, &v, &t(&p)), false, true));
        Turn { a: turned, g: diagonal_of(&p), u, v }
    }

    /// U·diag(row)·Vᵀ
    pub(super) fn spread<T: Float>(&self, row: &V) -> V
    where
        V: Value<T>,
    {
        spread(&self.u, row, &self.v)
    }
}

/// U·diag(row)·Vᵀ
pub(super) fn spread<T: Float, V: Value<T>>(u: &V, row: &V, v: &V) -> V {
    u.mul(row).matmul(v, false, true)
}

/// Quotients of the derivatives g at values x, which are those of `change` and the split where both are 0.
struct Quotients<'a, V> {
    x: &'a V,
    g: &'a V,
    change: &'a V,
}

impl<V> Quotients<'_, V> {
    /// (gⱼ - gᵢ) / (xⱼ - xᵢ), and 0 on the diagonal.
    fn of_differences<T: Float>(&self) -> V
    where
        V: Value<T>,
    {
        self.of(&|x| x.sub(&t(x)), &|size| size.add(&t(size)))
    }

    /// (gⱼ + gᵢ) / (xⱼ + xᵢ)
    fn of_sums<T: Float>(&self) -> V
    where
        V: Value<T>,
    {
        self.of(&|x| x.add(&t(x)), &|size| size.add(&t(size)))
    }

    /// gⱼ / xⱼ
    fn of_values<T: Float>(&self) -> V
    where
        V: Value<T>,
    {
        self.of(&V::clone, &V::clone)
    }

    /// The quotient of combined derivatives and values; `sizes` combines magnitudes.
    fn of<T: Float>(&self, combine: &dyn Fn(&V) -> V, sizes: &dyn Fn(&V) -> V) -> V
    where
        V: Value<T>,
    {
        let (x, g) = (combine(self.x), combine(self.g));
        let shape = self.x.shape();
        let n = shape[shape.len() - 1];
        let limit = combine(self.change).mul(&recip(&combine(&x.constant(split(&[1, n])))));
        // Where values coincide up to half of their digits, and so do their derivatives, the quotient has lost more digits
        // than the limit.
        let half = T::EPSILON.f64().sqrt();
        let within = |bound: &V, part: &V| V::binary(Binary::Ge, &bound.scale(half), &part.unary(Unary::Abs));
        let largest = self.x.reduce(Fold::Norm, AxisSet::one(shape.len() - 1), true);
        let close = within(&largest, &x).mul(&within(&sizes(&self.g.unary(Unary::Abs)), &g));
        let quotient = g.mul(&recip(&close.select(&x.number(T::zero()), &x)));
        close.select(&limit, &quotient)
    }
}

/// The spread of the cotangent g of the eigenvalues or singular values. Its own derivative needs the change of g along
/// the split: with it, the spread is one op.
pub(super) fn cotangent<T: Float, V: Value<T>>(factor: Factor, x: &[&V], y: &V, g: &V, [u, v]: [&V; 2]) -> V {
    match x {
        [a, change] => V::apply(Op::Linalg(factor), &[a, y, g, &span(change, 1, 0, 1)]),
        _ => spread(u, g, v),
    }
}
