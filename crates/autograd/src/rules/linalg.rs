//! Forward- and reverse-mode rules of factorizations, over any [`Value`]. All are composed of solves and products, so
//! they can be differentiated again. Where two eigenvalues or singular values coincide, the terms with a factor of
//! `1 / gap` are set to 0.

use super::Cotangents;
use crate::float::Float;
use crate::op::{Factor, Fold, Op, Unary};
use crate::tensor::view::Span;
use crate::tensor::{AxisSet, Shape, Tensor};
use crate::value::Value;
use smallvec::smallvec;

/// The cotangents of the inputs.
pub(crate) fn vjp<T: Float, V: Value<T>>(factor: Factor, x: &[&V], y: &V, g: &V) -> Cotangents<V> {
    smallvec![Some(match factor {
        // X = A⁻¹·B gives B̄ = A⁻ᵀ·X̄ and Ā = -B̄·Xᵀ; for a triangular matrix, Ā is restricted to its triangle.
        Factor::Solve => {
            let b = solve(&t(x[0]), g);
            return smallvec![Some(b.matmul(y, false, true).unary(Unary::Neg)), Some(b)];
        }
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
        Factor::Eigh => {
            let ([w, v], [gw, gv]) = (eigen(y), eigen(g));
            let inner = v.matmul(&gv, true, false).mul(&recip(&w.sub(&t(&w)))).add(&diagonal(&gw));
            symmetric(&v.matmul(&inner, false, false).matmul(&v, false, true))
        }
        Factor::Svd => {
            let rows = rows(x[0]);
            let ([s, u, v], [gs, gu, gv]) = (singular(y, rows), singular(g, rows));
            let (gaps, inverse) = (gaps(&s), recip(&s));
            let (pu, pv) = (u.matmul(&gu, true, false), v.matmul(&gv, true, false));
            let twice = |p: &V| p.mul(&gaps).add(&t(&p.mul(&gaps)));
            let inner = twice(&pu).mul(&s).add(&twice(&pv).mul(&t(&s))).add(&diagonal(&gs));
            // The components outside the column spaces of U and V.
            let beside = |g: &V, x: &V, p: &V| g.sub(&x.matmul(p, false, false)).mul(&inverse);
            let left = u.matmul(&inner, false, false).add(&beside(&gu, &u, &pu));
            left.matmul(&v, false, true).add(&u.matmul(&beside(&gv, &v, &pv), false, true))
        }
        Factor::Qr => {
            let r = triangle(&y.matmul(x[0], true, false), false, false);
            let m = y.matmul(g, true, false);
            let turn = triangle(&m.sub(&t(&m)), true, true).sub(&m);
            t(&triangular(&r, false, false, &t(&g.add(&y.matmul(&turn, false, false)))))
        }
        Factor::Slogdet => scalars(&span(g, 0, 1, 2), x[0]).mul(&t(&inverse(x[0]))),
        Factor::Det => scalars(g, x[0]).mul(&V::apply(Op::Linalg(Factor::Cofactor), &[x[0]])),
        Factor::Cofactor => second(x[0], g),
        Factor::MatrixExp => exp_derivative(&t(x[0]), g),
    })]
}

/// The tangent of the output.
pub(crate) fn jvp<T: Float, V: Value<T>>(factor: Factor, x: &[&V], y: &V, tangents: &[Option<&V>]) -> Option<V> {
    if let [a, b] = tangents {
        let solve = |r: &V| V::apply(Op::Linalg(factor), &[x[0], r]);
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
    let d = (*tangents.first()?)?;
    let axis = x[0].shape().len() - 2;
    Some(match factor {
        Factor::Solve | Factor::TriangularSolve { .. } => unreachable!("they have two inputs"),
        Factor::Cholesky => {
            let half = triangular(y, true, false, &symmetric(d));
            y.matmul(&halved(&triangular(y, true, false, &t(&half))), false, false)
        }
        Factor::Eigh => {
            let [w, v] = eigen(y);
            let p = v.matmul(&symmetric(d), true, false).matmul(&v, false, false);
            let turned = v.matmul(&p.mul(&recip(&w.sub(&t(&w)))), false, false);
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
        Factor::Slogdet => {
            let log = trace(&t(&inverse(x[0])).mul(d));
            let shape: Shape = log.shape().iter().copied().chain([1]).collect();
            let log = log.reshape(&shape);
            concat(axis, &[&log.number(T::zero()).expand(&shape), &log])
        }
        Factor::Det => trace(&V::apply(Op::Linalg(Factor::Cofactor), &[x[0]]).mul(d)),
        Factor::Cofactor => second(x[0], d),
        Factor::MatrixExp => exp_derivative(x[0], d),
    })
}

fn rows<T: Float, V: Value<T>>(x: &V) -> usize {
    let shape = x.shape();
    shape[shape.len() - 2]
}

/// Transposes the matrices.
fn t<T: Float, V: Value<T>>(x: &V) -> V {
    let rank = x.shape().len();
    let mut order: Shape = (0..rank).collect();
    order.swap(rank - 2, rank - 1);
    x.permute(&order)
}

fn symmetric<T: Float, V: Value<T>>(x: &V) -> V {
    x.add(&t(x)).scale(0.5)
}

fn solve<T: Float, V: Value<T>>(a: &V, b: &V) -> V {
    V::apply(Op::Linalg(Factor::Solve), &[a, b])
}

fn triangular<T: Float, V: Value<T>>(a: &V, lower: bool, unit: bool, b: &V) -> V {
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
fn only<T: Float, V: Value<T>>(x: &V, keep: impl Fn(usize, usize) -> bool) -> V {
    let shape = x.shape();
    let number = |i: &[usize]| if keep(i[0], i[1]) { T::one() } else { T::zero() };
    let mask = x.constant(Tensor::from_fn(&shape[shape.len() - 2..], number));
    mask.select(x, &x.number(T::zero()))
}

/// The lower or the upper triangle, with or without the diagonal.
fn triangle<T: Float, V: Value<T>>(x: &V, lower: bool, strict: bool) -> V {
    only(x, |i, j| if i == j { !strict } else { (i > j) == lower })
}

/// The lower triangle with the diagonal halved.
fn halved<T: Float, V: Value<T>>(x: &V) -> V {
    triangle(x, true, false).sub(&only(x, |i, j| i == j).scale(0.5))
}

/// The diagonal matrix of a row.
fn diagonal<T: Float, V: Value<T>>(row: &V) -> V {
    let n = *row.shape().last().expect("a row has an axis");
    row.constant(Tensor::eye(n)).mul(row)
}

/// The diagonal of a matrix, as a row.
fn diagonal_of<T: Float, V: Value<T>>(x: &V) -> V {
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
fn span<T: Float, V: Value<T>>(x: &V, from_last: usize, start: usize, stop: usize) -> V {
    let shape = x.shape();
    let mut spans: smallvec::SmallVec<[Span; 4]> = shape.iter().map(|&len| Span { start: 0, len, step: 1 }).collect();
    spans[shape.len() - 1 - from_last] =
        Span { start: if start == stop { 0 } else { start }, len: stop - start, step: 1 };
    V::apply(Op::Slice { spans }, &[x])
}

fn concat<T: Float, V: Value<T>>(axis: usize, parts: &[&V]) -> V {
    V::apply(Op::Concat { axis }, parts)
}

/// Eigenvalues and eigenvectors.
fn eigen<T: Float, V: Value<T>>(y: &V) -> [V; 2] {
    [span(y, 1, 0, 1), span(y, 1, 1, rows(y))]
}

/// Singular values, U (with `m` rows) and V.
fn singular<T: Float, V: Value<T>>(y: &V, m: usize) -> [V; 3] {
    [span(y, 1, 0, 1), span(y, 1, 1, 1 + m), span(y, 1, 1 + m, rows(y))]
}

/// 1 / x, and 0 where x is 0.
fn recip<T: Float, V: Value<T>>(x: &V) -> V {
    let (zero, one) = (x.number(T::zero()), x.number(T::one()));
    let none = x.eq(&zero);
    none.select(&zero, &none.select(&one, x).unary(Unary::Recip))
}

/// 1 / (sⱼ² - sᵢ²)
fn gaps<T: Float, V: Value<T>>(s: &V) -> V {
    recip(&s.sub(&t(s)).mul(&s.add(&t(s))))
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

/// The derivative of the cofactors of A in the direction G. It is the same in forward and reverse mode, since it is the
/// second derivative of det(A).
///
/// A may be singular. With u and v its last singular vectors, B = A + s·u·vᵀ is invertible (unless two singular values
/// are 0), and det(A) = det(B)·(1 - s·vᵀ·B⁻¹·u) for any constants s, u and v. This expression is differentiated here.
fn second<T: Float, V: Value<T>>(a: &V, g: &V) -> V {
    let (n, fixed) = (rows(a), V::apply(Op::StopGradient, &[a]));
    if n < 2 {
        return g.scale(0.0);
    }
    let [s, u, v] = singular(&V::apply(Op::Linalg(Factor::Svd), &[&fixed]), n);
    let (u, v) = (span(&u, 0, n - 1, n).mul(&span(&s, 0, 0, 1)), span(&v, 0, n - 1, n));
    let b = a.add(&u.matmul(&v, false, true));
    let det = scalars(&V::apply(Op::Linalg(Factor::Det), &[&b]), a);
    let p = inverse(&b);
    let (x, y) = (p.matmul(&u, false, false), p.matmul(&v, true, false));
    let m = p.matmul(g, false, false).matmul(&p, false, false);
    let (mu, mv) = (m.matmul(&u, false, false), m.matmul(&v, true, false));
    let rest = v.matmul(&x, true, false).unary(Unary::Neg).add(&a.number(T::one()));
    let along = scalars(&trace(&t(&p).mul(g)), a);
    let outer = |a: &V, b: &V| a.matmul(b, false, true);
    let regular = t(&p).mul(&rest.mul(&along).add(&v.matmul(&mu, true, false))).sub(&rest.mul(&t(&m)));
    let border = along.mul(&outer(&y, &x)).sub(&outer(&y, &mu)).sub(&outer(&mv, &x));
    det.mul(&regular.add(&border))
}
