//! The matrix exponential, in double precision regardless of the type of the matrix: scaling and squaring with a Padé
//! approximant. Source: Al-Mohy and Higham, *A new scaling and squaring algorithm for the matrix exponential* (2009).

use super::scaled::Scaled;
use faer::linalg::solvers::Solve;
use faer::{Mat, MatRef};

/// exp(A). An element that overflows is infinite; the others are finite.
pub(super) fn exponential(a: MatRef<f64>) -> Mat<f64> {
    let n = a.nrows();
    let paths = paths(a);
    let mut y = Mat::zeros(n, n);
    for part in parts(&paths, n) {
        let block = Mat::from_fn(part.len(), part.len(), |i, j| a[(part[i], part[j])]);
        let exp = exponential_of_part(&block);
        for (i, &row) in part.iter().enumerate() {
            for (j, &column) in part.iter().enumerate() {
                if paths[row * n + column] {
                    y[(row, column)] = exp[(i, j)];
                }
            }
        }
    }
    y
}

/// Whether there is a path from i to j in the graph whose edges are the elements that are not 0. All other elements of
/// the exponential are 0.
fn paths(a: MatRef<f64>) -> Vec<bool> {
    let n = a.nrows();
    let mut paths: Vec<bool> = (0..n * n).map(|k| k / n == k % n || a[(k / n, k % n)] != 0.0).collect();
    for via in 0..n {
        let onward = paths[via * n..][..n].to_vec();
        for from in (0..n).filter(|from| paths[from * n + via] && *from != via).collect::<Vec<_>>() {
            let row = &mut paths[from * n..][..n];
            row.iter_mut().zip(&onward).for_each(|(path, onward)| *path |= onward);
        }
    }
    paths
}

/// The connected parts of the graph, which do not affect one another, whatever the magnitudes of their elements. The
/// indices of a part are ordered so that the matrix is block triangular: those that reach more others come first.
fn parts(paths: &[bool], n: usize) -> Vec<Vec<usize>> {
    let mut left: Vec<usize> = (0..n).collect();
    left.sort_by_key(|i| std::cmp::Reverse(paths[i * n..][..n].iter().filter(|&&path| path).count()));
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for i in left {
        let (joined, others): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| part.iter().any(|j| paths[i * n + j] || paths[j * n + i]));
        parts = others;
        parts.push(joined.concat().into_iter().chain([i]).collect());
    }
    let order = |part: &mut Vec<usize>| {
        part.sort_by_key(|i| std::cmp::Reverse(paths[i * n..][..n].iter().filter(|&&path| path).count()));
    };
    parts.iter_mut().for_each(order);
    parts
}

fn is_triangular(a: &Mat<f64>) -> bool {
    (0..a.nrows()).all(|i| (0..i).all(|j| a[(i, j)] == 0.0))
}

fn exponential_of_part(a: &Mat<f64>) -> Mat<f64> {
    let n = a.nrows();
    let powers = balance(a);
    let shifted = |x: f64, by: i64| Scaled::from(x).shift(by).value();
    let balanced = Mat::from_fn(n, n, |i, j| shifted(a[(i, j)], powers[j] - powers[i]));
    let (y, shift) = squared(&balanced, is_triangular(a));
    Mat::from_fn(n, n, |i, j| {
        let exact = i == j && is_triangular(a);
        if exact { a[(i, i)].exp() } else { shifted(y[(i, j)], shift + powers[i] - powers[j]) }
    })
}

/// Powers of two, as exponents d, such that the elements a·2^(dⱼ - dᵢ) of a similar matrix are not large where the
/// exponential does not depend on their size. Rows and columns are balanced as in Parlett and Reinsch (1969), by their
/// largest elements; those below 1 count as 1, since they do not matter to the exponential.
fn balance(a: &Mat<f64>) -> Vec<i64> {
    let n = a.nrows();
    let mut powers = vec![0i64; n];
    for _ in 0..100 {
        let before = powers.clone();
        for i in 0..n {
            let largest = |element: &dyn Fn(usize) -> f64| -> f64 {
                (0..n).filter(|&j| j != i).map(|j| element(j).abs()).fold(1.0, f64::max)
            };
            let size = |x: f64, by: i64| Scaled::from(x).shift(by).value();
            let column = largest(&|j| size(a[(j, i)], powers[i] - powers[j]));
            let row = largest(&|j| size(a[(i, j)], powers[j] - powers[i]));
            let shift = ((row.log2() - column.log2()) / 2.0).round();
            if row.min(f64::MAX) / shift.exp2() + column.min(f64::MAX) * shift.exp2() < 0.95 * (row + column) {
                powers[i] += shift as i64;
            }
        }
        if powers == before {
            break;
        }
    }
    powers
}

/// Numerator coefficients of the [13/13] Padé approximant of eˣ, scaled to integers. The denominator is its value
/// at -x.
const PADE: [f64; 14] = [
    64764752532480000.0,
    32382376266240000.0,
    7771770303897600.0,
    1187353796428800.0,
    129060195264000.0,
    10559470521600.0,
    670442572800.0,
    33522128640.0,
    1323241920.0,
    40840800.0,
    960960.0,
    16380.0,
    182.0,
    1.0,
];
/// θ₁₃: up to this size, the approximant is accurate to double precision.
const LIMIT: f64 = 4.25;
/// log₂ of the reciprocal of the first coefficient of the approximant's backward error, 27! · 26! / (13!)².
const REMAINDER: f64 = 116.447_004_251_763;

/// The largest sum of magnitudes in a column.
fn norm(a: &Mat<f64>) -> f64 {
    let column = |j: usize| (0..a.nrows()).map(|i| a[(i, j)].abs()).sum::<f64>();
    (0..a.ncols()).map(column).fold(0.0, f64::max)
}

/// exp(A) as a matrix and an exponent of 2. The number of squarings depends on the sizes of the powers of A, which may
/// be far below the power of its size.
fn squared(a: &Mat<f64>, triangular: bool) -> (Mat<f64>, i64) {
    let n = a.nrows();
    // Powers of A / 2ᵖ, which is at most 1, do not overflow.
    let p = norm(a).log2().ceil().clamp(0.0, 1030.0);
    let unit = Mat::from_fn(n, n, |i, j| Scaled::from(a[(i, j)]).shift(-(p as i64)).value());
    let a2 = &unit * &unit;
    let a4 = &a2 * &a2;
    let a6 = &a4 * &a2;
    let size = |power: &Mat<f64>, k: f64| norm(power).log2() / k;
    let (d6, d8, d10) = (size(&a6, 6.0), size(&(&a4 * &a4), 8.0), size(&(&a6 * &a4), 10.0));
    let log = d6.max(d8).min(d8.max(d10)) + p;
    let mut squarings = (log - LIMIT.log2()).ceil().max(0.0);
    // Where the rounding errors of the approximant would exceed its own error, as for some triangular matrices.
    let mut powers = vec![1.0; n];
    (0..27).for_each(|_| powers = (0..n).map(|j| (0..n).map(|i| unit[(i, j)].abs() * powers[i]).sum()).collect());
    let largest = powers.iter().copied().fold(0.0, f64::max);
    let excess = largest.log2() - norm(&unit).log2() + 26.0 * (p - squarings) - REMAINDER + 53.0;
    squarings += (excess / 26.0).ceil().max(0.0);
    let scale = |x: f64| Scaled::from(x).shift((p - squarings) as i64).value();
    let mut y = pade(&Mat::from_fn(n, n, |i, j| scale(unit[(i, j)])));
    let mut shift = 0i64;
    for k in 0..=squarings as i64 {
        if k > 0 {
            (y, shift) = (&y * &y, shift.saturating_mul(2));
        }
        if triangular && shift == 0 {
            let part = |i, j| Scaled::from(a[(i, j)]).shift(k - squarings as i64).value();
            renew(&mut y, &part);
        }
        let largest = norm(&y);
        if largest.is_finite() && largest > 0.0 && largest.log2().abs() > 300.0 {
            let by = largest.log2() as i64;
            y = Mat::from_fn(n, n, |i, j| Scaled::from(y[(i, j)]).shift(-by).value());
            shift = shift.saturating_add(by).clamp(-1 << 40, 1 << 40);
        }
    }
    (y, shift)
}

/// Sets the two diagonals of the exponential of a triangular matrix that have a closed form: squaring would lose digits.
fn renew(y: &mut Mat<f64>, a: &dyn Fn(usize, usize) -> f64) {
    for i in 0..y.nrows() {
        y[(i, i)] = a(i, i).exp();
        if i > 0 {
            let (p, q) = (a(i - 1, i - 1), a(i, i));
            let half = (p - q) / 2.0;
            let slope = match half.abs() {
                0.0 => p.exp(),
                small if small < 0.5 => ((p + q) / 2.0).exp() * half.sinh() / half,
                _ => (p.exp() - q.exp()) / (p - q),
            };
            y[(i - 1, i)] = a(i - 1, i) * slope;
        }
    }
}

/// The [13/13] Padé approximant.
fn pade(a: &Mat<f64>) -> Mat<f64> {
    let n = a.nrows();
    let a2 = a * a;
    let a4 = &a2 * &a2;
    let a6 = &a4 * &a2;
    // Σ c·Aᵏ over k of one parity: a6·(c₀·a6 + c₁·a4 + c₂·a2) + c₃·a6 + c₄·a4 + c₅·a2 + c₆.
    let sum = |k: [usize; 7]| {
        let c = k.map(|k| PADE[k] / PADE[0]);
        let high = Mat::from_fn(n, n, |i, j| c[0] * a6[(i, j)] + c[1] * a4[(i, j)] + c[2] * a2[(i, j)]);
        let high = &a6 * high;
        Mat::from_fn(n, n, |i, j| {
            let one = if i == j { c[6] } else { 0.0 };
            high[(i, j)] + c[3] * a6[(i, j)] + c[4] * a4[(i, j)] + c[5] * a2[(i, j)] + one
        })
    };
    let odd = a * sum([13, 11, 9, 7, 5, 3, 1]);
    let even = sum([12, 10, 8, 6, 4, 2, 0]);
    (&even - &odd).partial_piv_lu().solve(&even + &odd)
}
