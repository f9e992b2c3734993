//! Forward- and reverse-mode rules of factorizations, over any [`Value`]. All are composed of solves and products, so
//! they can be differentiated again. Where two eigenvalues or singular values coincide, the terms with a factor of
//! `1 / gap` are set to 0, unless their limits are known (see `spectrum`).

use super::spectrum::{self, Turn};
use super::{Cotangents, eig, lu, pinv, t};
use crate::float::{Few, Float};
use crate::op::{Binary, Factor, Fold, Op, Unary};
use crate::tensor::view::Span;
use crate::tensor::{AxisSet, Shape, Tensor};
use crate::value::Value;
use smallvec::{SmallVec, smallvec};

/// The cotangents of the inputs. Those of decompositions may be given more inputs: see `spectrum`.
pub(crate) fn vjp<T: Float, V: Value<T>>(factor: Factor, x: &[&V], y: &V, g: &V) -> Cotangents<V> {
    smallvec![Some(match factor {
        // X = A⁻¹·B gives B̄ = A⁻ᵀ·X̄ and Ā = -B̄·Xᵀ; for a triangular matrix, Ā is restricted to its triangle.
        Factor::Solve { .. } => {
            let b = solve(&t(x[0]), g);
            return smallvec![Some(b.matmul(y, false, true).unary(Unary::Neg)), Some(b)];
        }
        Factor::Inv => y.matmul(g, true, false).matmul(y, false, true).unary(Unary::Neg),
        Factor::TriangularSolve { lower, unit } => {
            let b = triangular(&t(x[0]), !lower, unit, g);
            let a = triangle(&b.matmul(y, false, true).unary(Unary::Neg), lower, unit);
            return smallvec![Some(a), Some(b)];
        }
        // S = L⁻ᵀ·Φ(Lᵀ·L̄)·L⁻¹, where Φ takes the lower triangle and halves the diagonal.
        Factor::Cholesky => {
            let phi = halved(&y.matmul(&triangle(g, true, false), true, false));
            let left = triangular(&t(y), false, false, &phi);
            symmetric(&t(&triangular(&t(y), false, false, &t(&left))))
        }
        Factor::Eigh | Factor::Svd => spectrum::vjp(factor, x, y, g),
        Factor::EighVjp | Factor::SvdVjp => {
            let turn = Turn::new(factor, x, g);
            return smallvec![Some(turn.a), None, Some(turn.g), None];
        }
        Factor::Qr => {
            let r = triangle(&y.matmul(x[0], true, false), false, false);
            let m = y.matmul(g, true, false);
            let turn = triangle(&m.sub(&t(&m)), true, true).sub(&m);
            t(&triangular(&r, false, false, &t(&g.add(&y.matmul(&turn, false, false)))))
        }
        Factor::Lu => lu::vjp(x[0], y, g),
        Factor::Pinv { .. } => pinv::vjp(x[0], y, g),
        Factor::Eig => eig::vjp(y, g),
        Factor::Slogdet => scalars(&span(g, 0, 1, 2), x[0]).mul(&t(&inverse(x[0]))),
        Factor::Det => scalars(g, x[0]).mul(&cofactors(x)),
        Factor::Cofactor => return (0..x.len()).map(|i| Some(cofactors(&moved(x, i, g)))).collect(),
        Factor::MatrixExp => exp_derivative(&t(x[0]), g),
    })]
}

/// The tangent of the output.
pub(crate) fn jvp<T: Float, V: Value<T>>(factor: Factor, x: &[&V], y: &V, tangents: &[Option<&V>]) -> Option<V> {
    if let (Factor::Solve { .. } | Factor::TriangularSolve { .. }, [a, b]) = (factor, tangents) {
        let solve = |r: &V| match factor {
            Factor::TriangularSolve { lower, unit } => triangular(x[0], lower, unit, r),
            _ => solve(x[0], r),
        };
        let masked = |a: &V| match factor {
            Factor::TriangularSolve { lower, unit } => triangle(a, lower, unit),
            _ => a.clone(),
        };
        let right = match (a.map(|a| masked(a).matmul(y, false, false)), b) {
            (Some(ay), Some(b)) => b.sub(&ay),
            (ay, b) => ay.map(|ay| ay.unary(Unary::Neg)).or(b.cloned())?,
        };
        return Some(solve(&right));
    }
    match factor {
        Factor::EighVjp | Factor::SvdVjp => {
            let still = x[0].number(T::zero()).expand(&x[0].shape());
            let turn = Turn::new(factor, x, tangents[0].unwrap_or(&still));
            let spread = tangents[2].map(|row| turn.spread(row));
            return Some(spread.map_or(turn.a.clone(), |spread| turn.a.add(&spread)));
        }
        Factor::Cofactor => {
            let parts = tangents.iter().enumerate().filter_map(|(i, t)| Some(cofactors(&moved(x, i, (*t)?))));
            return parts.reduce(|a, b| a.add(&b));
        }
        _ => (),
    }
    let d = (*tangents.first()?)?;
    let axis = x[0].shape().len() - 2;
    Some(match factor {
        Factor::Solve { .. } | Factor::TriangularSolve { .. } => unreachable!("they have two inputs"),
        Factor::EighVjp | Factor::SvdVjp | Factor::Cofactor => unreachable!("returned above"),
        Factor::Inv => y.matmul(d, false, false).matmul(y, false, false).unary(Unary::Neg),
        Factor::Cholesky => {
            let half = triangular(y, true, false, &symmetric(d));
            y.matmul(&halved(&triangular(y, true, false, &t(&half))), false, false)
        }
        Factor::Eigh => {
            let [w, v] = eigen(y);
            let p = v.matmul(&symmetric(d), true, false).matmul(&v, false, false);
            let turned = v.matmul(&p.mul(&recip(&apart(&w, w.sub(&t(&w))))), false, false);
            concat(axis, &[&diagonal_of(&p), &turned])
        }
        Factor::Svd => {
            let [s, u, v] = singular(y, rows(x[0]));
            let (gaps, inverse) = (gaps(&s), recip(&s));
            let (dv, du) = (d.matmul(&v, false, false), d.matmul(&u, true, false));
            let p = u.matmul(&dv, true, false);
            let turn = |p: &V| p.mul(&s).add(&t(&p.mul(&s))).mul(&gaps);
            let side = |x: &V, d: &V, p: &V| {
                let beside = d.sub(&x.matmul(p, false, false)).mul(&inverse);
                x.matmul(&turn(p), false, false).add(&beside)
            };
            concat(axis, &[&diagonal_of(&p), &side(&u, &dv, &p), &side(&v, &du, &t(&p))])
        }
        Factor::Qr => {
            let r = triangle(&y.matmul(x[0], true, false), false, false);
            let moved = t(&triangular(&t(&r), true, false, &t(d)));
            let p = y.matmul(&moved, true, false);
            let below = triangle(&p, true, true);
            moved.add(&y.matmul(&below.sub(&t(&below)).sub(&p), false, false))
        }
        Factor::Lu => lu::jvp(y, d),
        Factor::Pinv { .. } => pinv::jvp(x[0], y, d),
        Factor::Eig => eig::jvp(y, d),
        Factor::Slogdet => {
            let log = trace(&t(&inverse(x[0])).mul(d));
            let shape: Shape = log.shape().iter().copied().chain([1]).few();
            let log = log.reshape(&shape);
            concat(axis, &[&log.number(T::zero()).expand(&shape), &log])
        }
        Factor::Det => trace(&cofactors(x).mul(d)),
        Factor::MatrixExp => exp_derivative(x[0], d),
    })
}

pub(super) fn rows<T: Float, V: Value<T>>(x: &V) -> usize {
    let shape = x.shape();
    shape[shape.len() - 2]
}

/// Transposes the matrices.
pub(super) fn symmetric<T: Float, V: Value<T>>(x: &V) -> V {
    x.add(&t(x)).scale(0.5)
}

pub(super) fn solve<T: Float, V: Value<T>>(a: &V, b: &V) -> V {
    V::apply(Op::Linalg(Factor::Solve { strict: false }), &[a, b])
}

pub(super) fn triangular<T: Float, V: Value<T>>(a: &V, lower: bool, unit: bool, b: &V) -> V {
    V::apply(Op::Linalg(Factor::TriangularSolve { lower, unit }), &[a, b])
}

/// One identity matrix for each matrix.
fn identity<T: Float, V: Value<T>>(like: &V) -> V {
    like.constant(Tensor::eye(rows(like))).expand(&like.shape())
}

fn inverse<T: Float, V: Value<T>>(a: &V) -> V {
    solve(a, &identity(a))
}

/// Keeps the elements where `keep(row, column)` holds and sets the others to 0. This is a selection, so a NaN in the
/// other elements has no effect.
pub(super) fn only<T: Float, V: Value<T>>(x: &V, keep: impl Fn(usize, usize) -> bool) -> V {
    let shape = x.shape();
    let number = |i: &[usize]| if keep(i[0], i[1]) { T::one() } else { T::zero() };
    let mask = x.constant(Tensor::from_fn(&shape[shape.len() - 2..], number));
    mask.select(x, &x.number(T::zero()))
}

/// The lower or the upper triangle, with or without the diagonal.
pub(super) fn triangle<T: Float, V: Value<T>>(x: &V, lower: bool, strict: bool) -> V {
    only(x, |i, j| if i == j { !strict } else { (i > j) == lower })
}

/// The lower triangle with the diagonal halved.
fn halved<T: Float, V: Value<T>>(x: &V) -> V {
    triangle(x, true, false).sub(&only(x, |i, j| i == j).scale(0.5))
}

/// The diagonal of a matrix, as a row.
pub(super) fn diagonal_of<T: Float, V: Value<T>>(x: &V) -> V {
    only(x, |i, j| i == j).sum_axis(x.shape().len() - 2)
}

/// The sum of all elements of each matrix.
fn trace<T: Float, V: Value<T>>(x: &V) -> V {
    let rank = x.shape().len();
    x.reduce(Fold::Sum, AxisSet::one(rank - 2).with(rank - 1), false)
}

/// Reshapes one scalar per matrix so that it broadcasts over the matrix.
fn scalars<T: Float, V: Value<T>>(x: &V, like: &V) -> V {
    let mut shape = like.shape();
    let rank = shape.len();
    shape[rank - 2..].fill(1);
    x.reshape(&shape)
}

/// The slice `start..stop` of an axis, which is counted from the last one.
pub(super) fn span<T: Float, V: Value<T>>(x: &V, from_last: usize, start: usize, stop: usize) -> V {
    let shape = x.shape();
    let mut spans = Span::whole(&shape);
    spans[shape.len() - 1 - from_last] =
        Span { start: if start == stop { 0 } else { start }, len: stop - start, step: 1 };
    V::apply(Op::Slice { spans }, &[x])
}

pub(super) fn concat<T: Float, V: Value<T>>(axis: usize, parts: &[&V]) -> V {
    V::apply(Op::Concat { axis }, parts)
}

/// Eigenvalues and eigenvectors.
pub(super) fn eigen<T: Float, V: Value<T>>(y: &V) -> [V; 2] {
    [span(y, 1, 0, 1), span(y, 1, 1, rows(y))]
}

/// Singular values, U (with `m` rows) and V.
pub(super) fn singular<T: Float, V: Value<T>>(y: &V, m: usize) -> [V; 3] {
    [span(y, 1, 0, 1), span(y, 1, 1, 1 + m), span(y, 1, 1 + m, rows(y))]
}

/// 1 / x, and 0 where x is 0.
pub(super) fn recip<T: Float, V: Value<T>>(x: &V) -> V {
    let (zero, one) = (x.number(T::zero()), x.number(T::one()));
    let none = x.eq(&zero);
    none.select(&zero, &none.select(&one, x).unary(Unary::Recip))
}

/// The gaps between values, and 0 for those that coincide up to rounding errors: their vectors are arbitrary.
pub(super) fn apart<T: Float, V: Value<T>>(values: &V, gaps: V) -> V {
    let axis = values.shape().len() - 1;
    let largest = values.reduce(Fold::Norm, AxisSet::one(axis), true);
    let none = V::binary(Binary::Ge, &largest.scale(4.0 * T::EPSILON.f64()), &gaps.unary(Unary::Abs));
    none.select(&gaps.number(T::zero()), &gaps)
}

/// 1 / (sⱼ² - sᵢ²)
fn gaps<T: Float, V: Value<T>>(s: &V) -> V {
    recip(&apart(s, s.sub(&t(s)))).mul(&recip(&s.add(&t(s))))
}

/// The derivative of exp(A) in the direction G: the upper right block of exp([A G; 0 A]). It is linear in G, which is
/// scaled to size 1 so that only the size of A determines how often the exponential is squared.
fn exp_derivative<T: Float, V: Value<T>>(a: &V, g: &V) -> V {
    let (n, axis) = (rows(a), a.shape().len() - 2);
    if n == 0 {
        return g.clone();
    }
    let largest = g.unary(Unary::Abs).reduce(Fold::Max, AxisSet::one(axis).with(axis + 1), true);
    let largest = V::apply(Op::StopGradient, &[&largest]);
    let size = largest.eq(&g.number(T::zero())).select(&g.number(T::one()), &largest);
    let g = &g.div(&size);
    let zero = a.number(T::zero()).expand(&a.shape());
    let (above, below) = (concat(axis + 1, &[a, g]), concat(axis + 1, &[&zero, a]));
    let whole = V::apply(Op::Linalg(Factor::MatrixExp), &[&concat(axis, &[&above, &below])]);
    span(&span(&whole, 1, 0, n), 0, n, 2 * n).mul(&size)
}

/// The derivative of the determinant at A, or that in the directions that follow A.
fn cofactors<T: Float, V: Value<T>>(x: &[&V]) -> V {
    V::apply(Op::Linalg(Factor::Cofactor), x)
}

/// The inputs of the derivative of `cofactors` as input `i` moves along `d`. The directions of a higher derivative of the
/// determinant are interchangeable and each is linear, so that d takes the place of a direction; moving A adds one.
fn moved<'v, V>(x: &[&'v V], i: usize, d: &'v V) -> SmallVec<[&'v V; 16]> {
    let mut x: SmallVec<[&V; 16]> = x.into();
    match i {
        0 => x.push(d),
        _ => x[i] = d,
    }
    x
}
