//! The rule of A·V = V·diag(w) for a real matrix with complex eigenvalues w and eigenvectors V, in real arithmetic.
//!
//! With M = V⁻¹·Ȧ·V, ẇ is the diagonal of M, and V̇ = V·(F∘M), Fᵢⱼ = 1/(wⱼ - wᵢ) beside the diagonal. An eigenvector is
//! arbitrary up to a complex factor; with 0 on the diagonal of F, that factor moves so that V⁻¹·V̇ has no diagonal. The
//! methods normalize the vectors afterward, and results that do not depend on the factor have correct derivatives.

use super::linalg::{apart, concat, diagonal_of, only, recip, rows, solve, span};
use super::t;
use crate::float::Float;
use crate::op::{Binary, Unary};
use crate::value::Value;

/// A matrix of complex numbers.
struct Complex<V> {
    re: V,
    im: V,
}

impl<V> Complex<V> {
    fn product<T: Float>(&self, b: &Self) -> Self
    where
        V: Value<T>,
    {
        let p = |a: &V, b: &V| a.matmul(b, false, false);
        Complex { re: p(&self.re, &b.re).sub(&p(&self.im, &b.im)), im: p(&self.re, &b.im).add(&p(&self.im, &b.re)) }
    }

    /// The product, element by element.
    fn times<T: Float>(&self, b: &Self) -> Self
    where
        V: Value<T>,
    {
        Complex { re: self.re.mul(&b.re).sub(&self.im.mul(&b.im)), im: self.re.mul(&b.im).add(&self.im.mul(&b.re)) }
    }

    /// The complex conjugate.
    fn conjugate<T: Float>(self) -> Self
    where
        V: Value<T>,
    {
        Complex { im: self.im.unary(Unary::Neg), ..self }
    }

    /// The transposed conjugate.
    fn adjoint<T: Float>(&self) -> Self
    where
        V: Value<T>,
    {
        Complex { re: t(&self.re), im: t(&self.im) }.conjugate()
    }

    /// A⁻¹·B, as the solution of twice as many real equations.
    fn solve<T: Float>(&self, b: &Self) -> Self
    where
        V: Value<T>,
    {
        let (axis, n) = (self.re.shape().len() - 2, rows(&self.re));
        let upper = concat(axis + 1, &[&self.re, &self.im.unary(Unary::Neg)]);
        let lower = concat(axis + 1, &[&self.im, &self.re]);
        let x = solve(&concat(axis, &[&upper, &lower]), &concat(axis, &[&b.re, &b.im]));
        Complex { re: span(&x, 1, 0, n), im: span(&x, 1, n, 2 * n) }
    }
}

/// The eigenvalues, as a row, and the eigenvectors; or what belongs to these.
fn parts<T: Float, V: Value<T>>(y: &V) -> [Complex<V>; 2] {
    let n = rows(y) / 2 - 1;
    let part = |start, len| span(y, 1, start, start + len);
    [Complex { re: part(0, 1), im: part(1, 1) }, Complex { re: part(2, n), im: part(2 + n, n) }]
}

/// F: 1/(wⱼ - wᵢ), and 0 where eigenvalues coincide up to rounding errors, so that their vectors are arbitrary.
fn inverse_gaps<T: Float, V: Value<T>>(w: &Complex<V>) -> Complex<V> {
    let (re, im) = (w.re.sub(&t(&w.re)), w.im.sub(&t(&w.im)));
    let size = |re: &V, im: &V| V::binary(Binary::Hypot, re, im);
    let inverse = recip(&apart(&size(&w.re, &w.im), size(&re, &im)));
    Complex { re: re.mul(&inverse).mul(&inverse), im: im.mul(&inverse).mul(&inverse) }.conjugate()
}

/// The real part of V⁻ᴴ·(diag(w̄) + F̄∘VᴴV̄)·Vᴴ.
pub(super) fn vjp<T: Float, V: Value<T>>(y: &V, g: &V) -> V {
    let ([w, v], [gw, gv]) = (parts(y), parts(g));
    let adjoint = v.adjoint();
    let turned = inverse_gaps(&w).conjugate().times(&adjoint.product(&gv));
    let diagonal = |row: &V| only(&row.expand(&v.re.shape()), |i, j| i == j);
    let inner = Complex { re: turned.re.add(&diagonal(&gw.re)), im: turned.im.add(&diagonal(&gw.im)) };
    adjoint.solve(&inner).product(&adjoint).re
}

pub(super) fn jvp<T: Float, V: Value<T>>(y: &V, d: &V) -> V {
    let [w, v] = parts(y);
    let image = Complex { re: d.matmul(&v.re, false, false), im: d.matmul(&v.im, false, false) };
    let m = v.solve(&image);
    let turned = v.product(&inverse_gaps(&w).times(&m));
    let axis = d.shape().len() - 2;
    concat(axis, &[&diagonal_of(&m.re), &diagonal_of(&m.im), &turned.re, &turned.im])
}
