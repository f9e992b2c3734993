//! Derivatives of functions of eigenvalues, singular values, and their vectors.
//!
//! If w are the eigenvalues of A = V·diag(w)·Vᵀ and g the derivative of a function with respect to them, its derivative
//! with respect to A is V·diag(g)·Vᵀ. That changes with A in two ways: g changes along the diagonal of VᵀȦV, and the
//! eigenvectors rotate, which multiplies the off-diagonal elements by (gⱼ - gᵢ) / (wⱼ - wᵢ). Where two eigenvalues
//! coincide, a symmetric function is smooth, and this quotient has a limit: how gⱼ - gᵢ changes when the two are split.
//! The same holds for the quotients in the derivatives of vectors, if the function is one of the matrix. The sweep that
//! records a derivative records these changes too, along the direction [`split`].

use super::linalg::{apart, diagonal_of, eigen, recip, rows, singular, symmetric};
use super::t;
use crate::float::Float;
use crate::op::{Binary, Factor, Fold, Op, Unary};
use crate::tensor::{AxisSet, Tensor};
use crate::value::Value;
use smallvec::{SmallVec, smallvec};

/// A direction that splits all values of a decomposition `y`, and leaves the vectors as they are.
pub(crate) fn split<T: Float>(shape: &[usize]) -> Tensor<T> {
    let rank = shape.len();
    let values = Tensor::from_fn(&shape[rank - 2..], |i| T::of(if i[0] == 0 { 1.0 + i[1] as f64 } else { 0.0 }));
    values.broadcast_view(shape)
}

/// The cotangent of the matrix of a decomposition. The inputs are the matrix and, if they are known, the changes along the
/// split: that of the cotangent of the values, and that of all cotangents, unless the vectors have none.
pub(super) fn vjp<T: Float, V: Value<T>>(factor: Factor, x: &[&V], y: &V, g: &V) -> V {
    let bases = Bases::of(factor, x[0], y);
    let [gs, gu, gv] = bases.parts(g);
    let values = match x {
        [a, change, ..] => {
            let op = if factor == Factor::Eigh { Factor::EighVjp } else { Factor::SvdVjp };
            V::apply(Op::Linalg(op), &[a, y, &gs, &bases.parts(change)[0]])
        }
        _ => bases.spread(&gs),
    };
    let change = match x {
        [_] => None,
        [_, _] => return values,
        _ => Some(bases.turned(&bases.parts(x[2]))),
    };
    let (turned, sizes) = (bases.turned(&[gs, gu.clone(), gv.clone()]), [columns(&gu), columns(&gv)]);
    let part = |k: usize, size: &V, over: Over| {
        Quotient { top: &turned[k], size, change: change.as_ref().map(|change| &change[k]), turns: true }
            .at(&bases.s, over)
    };
    let both = sizes[0].add(&sizes[1]);
    let inner = part(0, &both, Over::Differences);
    if factor == Factor::Eigh {
        return values.add(&bases.product(&inner));
    }
    // The components outside the column spaces of U and V.
    let (left, right) = (part(2, &sizes[0], Over::Values), part(3, &sizes[1], Over::Values));
    let inner = inner.add(&part(1, &both, Over::Sums));
    let turned = bases.product(&inner).add(&left.matmul(&bases.v, false, true));
    values.add(&turned.add(&bases.u.matmul(&right, false, true)))
}

/// The parts of A = U·diag(s)·Vᵀ; U is V if A is symmetric.
struct Bases<V> {
    factor: Factor,
    rows: usize,
    s: V,
    u: V,
    v: V,
}

impl<V> Bases<V> {
    fn of<T: Float>(factor: Factor, a: &V, y: &V) -> Self
    where
        V: Value<T>,
    {
        let rows = rows(a);
        let [s, u, v] = parts(factor, rows, y);
        Bases { factor, rows, s, u, v }
    }

    /// The parts of a cotangent.
    fn parts<T: Float>(&self, g: &V) -> [V; 3]
    where
        V: Value<T>,
    {
        parts(self.factor, self.rows, g)
    }

    /// U·X·Vᵀ
    fn product<T: Float>(&self, x: &V) -> V
    where
        V: Value<T>,
    {
        self.u.matmul(x, false, false).matmul(&self.v, false, true)
    }

    /// U·diag(row)·Vᵀ
    fn spread<T: Float>(&self, row: &V) -> V
    where
        V: Value<T>,
    {
        self.u.mul(row).matmul(&self.v, false, true)
    }

    /// The cotangents of rotations of the vectors; if A is not symmetric, of U and V by the same angles, of U and V by
    /// opposite angles, and of U and of V out of their spaces.
    fn turned<T: Float>(&self, [_, gu, gv]: &[V; 3]) -> SmallVec<[V; 16]>
    where
        V: Value<T>,
    {
        let pu = self.u.matmul(gu, true, false);
        if self.factor == Factor::Eigh {
            return smallvec![skew(&pu)];
        }
        let pv = self.v.matmul(gv, true, false);
        let outside = |g: &V, x: &V, p: &V| g.sub(&x.matmul(p, false, false));
        let (a, b) = (skew(&pu), skew(&pv));
        smallvec![a.add(&b), a.sub(&b), outside(gu, &self.u, &pu), outside(gv, &self.v, &pv)]
    }
}

/// The values of a decomposition and its vectors, or what belongs to these.
fn parts<T: Float, V: Value<T>>(factor: Factor, rows: usize, decomposition: &V) -> [V; 3] {
    match factor {
        Factor::Eigh => {
            let [w, v] = eigen(decomposition);
            [w, v.clone(), v]
        }
        _ => singular(decomposition, rows),
    }
}

/// (X - Xᵀ) / 2
fn skew<T: Float, V: Value<T>>(x: &V) -> V {
    x.sub(&t(x)).scale(0.5)
}

/// The norms of the columns, as a row.
fn columns<T: Float, V: Value<T>>(x: &V) -> V {
    x.reduce(Fold::Norm, AxisSet::one(x.shape().len() - 2), true)
}

/// How U·diag(g)·Vᵀ changes, for inputs A, the decomposition, g and the change of g along the split.
pub(super) struct Turn<V> {
    bases: Bases<V>,
    /// The change as A moves along `d`, and the cotangent of A for the cotangent `d`.
    pub(super) a: V,
    /// The cotangent of g for the cotangent `d`.
    pub(super) g: V,
}

impl<V> Turn<V> {
    pub(super) fn new<T: Float>(factor: Factor, x: &[&V], d: &V) -> Turn<V>
    where
        V: Value<T>,
    {
        let &[a, y, g, change] = x else { unreachable!("it has four inputs") };
        let symmetric_only = factor == Factor::EighVjp;
        let bases = Bases::of(if symmetric_only { Factor::Eigh } else { Factor::Svd }, a, y);
        let size = g.unary(Unary::Abs);
        let over = |over: Over| {
            let (top, change) = (over.combine(g), over.combine(change));
            Quotient { top: &top, size: &size, change: Some(&change), turns: false }.at(&bases.s, over)
        };
        let (Bases { u, v, .. }, d) = (&bases, if symmetric_only { &symmetric(d) } else { d });
        let dv = d.matmul(v, false, false);
        let p = u.matmul(&dv, true, false);
        let differences = over(Over::Differences).mul(&symmetric(&p));
        let turned = if symmetric_only {
            bases.product(&differences)
        } else {
            let inner = differences.add(&over(Over::Sums).mul(&skew(&p)));
            // The components outside the column spaces of U and V.
            let (du, ratios) = (d.matmul(u, true, false), over(Over::Values));
            let outside = |d: &V, x: &V, p: &V| d.sub(&x.matmul(p, false, false)).mul(&ratios);
            let left = outside(&dv, u, &p).matmul(v, false, true);
            bases.product(&inner).add(&left).add(&u.matmul(&outside(&du, v, &t(&p)), false, true))
        };
        Turn { g: diagonal_of(&p), a: turned, bases }
    }

    /// The change as g moves along a row.
    pub(super) fn spread<T: Float>(&self, row: &V) -> V
    where
        V: Value<T>,
    {
        self.bases.spread(row)
    }
}

/// The divisor of a quotient, given the values of a decomposition.
#[derive(Clone, Copy, PartialEq)]
enum Over {
    /// sⱼ - sᵢ
    Differences,
    /// sⱼ + sᵢ
    Sums,
    /// sⱼ
    Values,
}

impl Over {
    fn combine<T: Float, V: Value<T>>(self, row: &V) -> V {
        match self {
            Over::Differences => row.sub(&t(row)),
            Over::Sums => row.add(&t(row)),
            Over::Values => row.clone(),
        }
    }

    /// The sizes of the combined matrices.
    fn sizes<T: Float, V: Value<T>>(self, row: &V) -> V {
        match self {
            Over::Differences | Over::Sums => row.add(&t(row)),
            Over::Values => row.clone(),
        }
    }
}

/// A quotient whose divisor may be 0.
struct Quotient<'a, V> {
    top: &'a V,
    /// The sizes of the numbers whose difference `top` is, by column.
    size: &'a V,
    /// The change of `top` along the split.
    change: Option<&'a V>,
    /// Whether it turns vectors, which are arbitrary where values coincide up to rounding errors.
    turns: bool,
}

impl<V> Quotient<'_, V> {
    /// The quotient, or its limit where the quotient has lost more digits: where values coincide up to half of their digits
    /// and `top` has lost as many, or values coincide up to rounding errors and `top` is small beside all others.
    fn at<T: Float>(&self, values: &V, over: Over) -> V
    where
        V: Value<T>,
    {
        let x = over.combine(values);
        let known = if self.turns { apart(values, x.clone()) } else { x.clone() };
        let Some(change) = self.change else { return self.top.mul(&recip(&known)) };
        let axis = AxisSet::one(values.shape().len() - 1);
        let split = values.constant(split(&[1, values.shape()[values.shape().len() - 1]]));
        let limit = change.mul(&recip(&over.combine(&split)));
        let (half, whole) = (T::EPSILON.f64().sqrt(), 4.0 * T::EPSILON.f64());
        let within =
            |bound: &V, digits: f64, part: &V| V::binary(Binary::Ge, &bound.scale(digits), &part.unary(Unary::Abs));
        let (largest, all) = (values.reduce(Fold::Norm, axis, true), self.size.reduce(Fold::Norm, axis, true));
        let near = within(&largest, half, &x).mul(&within(&over.sizes(self.size), half, self.top));
        let same = within(&largest, whole, &x).mul(&within(&all, half, self.top));
        let close = V::binary(Binary::Maximum, &near, &same);
        close.select(&limit, &self.top.mul(&recip(&close.select(&x.number(T::zero()), &known))))
    }
}
