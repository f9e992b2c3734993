//! Factorizations and functions of one matrix. Operands and results are stored by rows; where a matrix has complex
//! eigenvalues, the imaginary parts are stored after the real ones.

mod exp;
mod minors;
mod scaled;

use exp::exponential as exponential_of;
use faer::linalg::solvers::{Eigen, PartialPivLu, Solve};
use faer::traits::{RealField, math_utils::from_f64};
use faer::{Mat, MatRef, Side};
use minors::{cofactors as cofactors_of, determinant};
use num_traits::{Float, NumAssign};

compiled! {
    /// A number that matrices consist of. The methods write to `out`, and return whether the result is defined. If it is not,
    /// `out` is unspecified. `a` is a matrix of n rows and columns, or of m rows and n columns; all its elements must be
    /// finite, and it must not be empty.
    ///
    /// ```
    /// use numerics::Matrix;
    /// let mut y = [0.0; 4];
    /// assert!(f64::cholesky(&[4.0, 2.0, 2.0, 5.0], 2, &mut y));
    /// assert_eq!(y, [2.0, 0.0, 1.0, 2.0]);
    /// assert!(!f64::inverse(&[1.0, 1.0, 1.0, 1.0], 2, &mut y)); // singular
    /// ```
    pub trait Matrix: RealField, Float, NumAssign {
        /// A⁻¹·B, where B has n rows.
        fn solve(a: &[Self], n: usize, b: &[Self], out: &mut [Self]) -> bool;
        /// A⁻¹.
        fn inverse(a: &[Self], n: usize, out: &mut [Self]) -> bool;
        /// T⁻¹·B, where T is the lower or the upper triangle of A, with ones on the diagonal if it is `unit`. The other
        /// triangle is not read, and elements need not be finite.
        fn triangular_solve(a: &[Self], n: usize, lower: bool, unit: bool, b: &[Self], out: &mut [Self]) -> bool;
        /// The lower triangular L with L·Lᵀ = (A + Aᵀ)/2.
        fn cholesky(a: &[Self], n: usize, out: &mut [Self]) -> bool;
        /// The eigenvalues of (A + Aᵀ)/2 in ascending order, and then the matrix with the eigenvectors as columns. The
        /// largest element of each is positive.
        fn eigh(a: &[Self], n: usize, out: &mut [Self]) -> bool;
        /// A = U·diag(s)·Vᵀ: the singular values in descending order, and then U and V. The largest element of each column
        /// of U is positive.
        fn svd(a: &[Self], size: [usize; 2], out: &mut [Self]) -> bool;
        /// The factor Q of A = Q·R, with orthonormal columns. A must not have more columns than rows.
        fn qr(a: &[Self], size: [usize; 2], out: &mut [Self]) -> bool;
        /// A = P·L·U: the columns of the permutation P, and beside them L below the diagonal and U on and above it. A must
        /// not have more columns than rows.
        fn lu(a: &[Self], size: [usize; 2], out: &mut [Self]) -> bool;
        /// V·diag(1/s)·Uᵀ, the pseudoinverse of A = U·diag(s)·Vᵀ. Singular values up to `rtol` of the largest one count as 0.
        fn pinv(a: &[Self], size: [usize; 2], rtol: f64, out: &mut [Self]) -> bool;
        /// The real and the imaginary parts of the eigenvalues, and those of the matrix with the eigenvectors as columns.
        fn eig(a: &[Self], n: usize, out: &mut [Self]) -> bool;
        /// The sign of the permutation in A = P·L·U, and the diagonal of U: the determinant is their product. If one pivot
        /// is 0, all are 0.
        fn pivots(a: &[Self], n: usize) -> (Self, Vec<Self>);
        /// The determinant. Products of pivots do not overflow before their end.
        fn det(a: &[Self], n: usize, out: &mut [Self]) -> bool;
        /// The cofactor matrix, which is the derivative of the determinant; with directions, its derivative in each of them.
        fn cofactors(a: &[Self], n: usize, directions: &[&[Self]], out: &mut [Self]) -> bool;
        /// Σ Aᵏ/k!
        fn exponential(a: &[Self], n: usize, out: &mut [Self]) -> bool;
    }
}

fn solve<T: Matrix>(a: &[T], n: usize, b: &[T], out: &mut [T]) -> bool {
    solve_for(square(a, n), right(b, n), out)
}

fn inverse<T: Matrix>(a: &[T], n: usize, out: &mut [T]) -> bool {
    solve_for(square(a, n), Mat::identity(n, n).as_ref(), out)
}

fn solve_for<T: Matrix>(a: MatRef<T>, b: MatRef<T>, out: &mut [T]) -> bool {
    let lu = a.partial_piv_lu();
    !pivots_of(&lu).1.contains(&zero()) && write(lu.solve(b).as_ref(), out)
}

fn triangular_solve<T: Matrix>(a: &[T], n: usize, lower: bool, unit: bool, b: &[T], out: &mut [T]) -> bool {
    let (a, mut x) = (square(a, n), right(b, n).to_owned());
    match (lower, unit) {
        (true, false) => a.solve_lower_triangular_in_place(&mut x),
        (true, true) => a.solve_unit_lower_triangular_in_place(&mut x),
        (false, false) => a.solve_upper_triangular_in_place(&mut x),
        (false, true) => a.solve_unit_upper_triangular_in_place(&mut x),
    }
    write(x.as_ref(), out)
}

fn cholesky<T: Matrix>(a: &[T], n: usize, out: &mut [T]) -> bool {
    let Ok(llt) = symmetric(square(a, n)).llt(Side::Lower) else { return false };
    let l = llt.L();
    out.iter_mut().enumerate().for_each(|(k, out)| {
        let (i, j) = (k / n, k % n);
        *out = if j <= i { l[(i, j)] } else { zero() };
    });
    true
}

fn eigh<T: Matrix>(a: &[T], n: usize, out: &mut [T]) -> bool {
    let Ok(eigen) = symmetric(square(a, n)).self_adjoint_eigen(Side::Lower) else { return false };
    for j in 0..n {
        let s = sign(eigen.U(), j);
        out[j] = eigen.S()[j];
        (0..n).for_each(|i| out[(1 + i) * n + j] = s * eigen.U()[(i, j)]);
    }
    true
}

fn svd<T: Matrix>(a: &[T], size: [usize; 2], out: &mut [T]) -> bool {
    let [m, n] = size;
    let k = m.min(n);
    let Ok(svd) = matrix(a, size).thin_svd() else { return false };
    for j in 0..k {
        let s = sign(svd.U(), j);
        out[j] = svd.S()[j];
        (0..m).for_each(|i| out[(1 + i) * k + j] = s * svd.U()[(i, j)]);
        (0..n).for_each(|i| out[(1 + m + i) * k + j] = s * svd.V()[(i, j)]);
    }
    true
}

fn qr<T: Matrix>(a: &[T], size: [usize; 2], out: &mut [T]) -> bool {
    write(matrix(a, size).qr().compute_thin_Q().as_ref(), out)
}

fn pinv<T: Matrix>(a: &[T], size: [usize; 2], rtol: f64, out: &mut [T]) -> bool {
    let Ok(svd) = matrix(a, size).thin_svd() else { return false };
    let (u, v, s) = (svd.U(), svd.V(), svd.S());
    let least = from_f64::<T>(rtol) * s[0];
    let part = |i: usize, k: usize| if s[k] > least { v[(i, k)] / s[k] } else { zero() };
    write((Mat::from_fn(v.nrows(), v.ncols(), part) * u.transpose()).as_ref(), out)
}

fn eig<T: Matrix>(a: &[T], n: usize, out: &mut [T]) -> bool {
    let Ok(eigen) = Eigen::new_from_real(square(a, n)) else { return false };
    let (values, vectors) = out.split_at_mut(2 * n);
    for j in 0..n {
        (values[j], values[n + j]) = (eigen.S()[j].re, eigen.S()[j].im);
        for i in 0..n {
            let v = eigen.U()[(i, j)];
            (vectors[i * n + j], vectors[(n + i) * n + j]) = (v.re, v.im);
        }
    }
    true
}

/// In blocks, unless a pivot is 0, since later elements are divided by it.
fn lu<T: Matrix>(a: &[T], size: [usize; 2], out: &mut [T]) -> bool {
    let [m, n] = size;
    let lu = matrix(a, size).partial_piv_lu();
    let regular = (0..n).all(|i| lu.U()[(i, i)] != zero());
    let (rows, order) = if regular { (Vec::new(), lu.P().arrays().0.to_vec()) } else { eliminated(a, size) };
    out.fill(zero());
    order.iter().enumerate().for_each(|(i, &from)| out[from * (m + n) + i] = one());
    let (l, u) = (lu.L(), lu.U());
    match regular {
        true => by_rows(size, &mut out[m..], m + n, |i, j| if j < i { l[(i, j)] } else { u[(i, j)] }),
        false => by_rows(size, &mut out[m..], m + n, |i, j| rows[i * n + j]),
    }
    true
}

/// Gaussian elimination with partial pivoting: both factors in one matrix, and the order of the rows. A column without
/// a pivot is not changed, so such a matrix has factors, too.
fn eliminated<T: Matrix>(a: &[T], [m, n]: [usize; 2]) -> (Vec<T>, Vec<usize>) {
    let mut rows = a.to_vec();
    let mut order: Vec<usize> = (0..m).collect();
    for k in 0..n {
        let size = |i: usize| Float::abs(rows[i * n + k]);
        let pivot = (k..m).fold(k, |best, i| if size(i) > size(best) { i } else { best });
        (0..n).for_each(|j| rows.swap(k * n + j, pivot * n + j));
        order.swap(k, pivot);
        let (above, below) = rows.split_at_mut((k + 1) * n);
        let above = &above[k * n..];
        if above[k] == zero() {
            continue;
        }
        for row in below.chunks_mut(n) {
            row[k] /= above[k];
            let factor = row[k];
            row[k + 1..].iter_mut().zip(&above[k + 1..]).for_each(|(x, &a)| *x -= factor * a);
        }
    }
    (rows, order)
}

fn pivots<T: Matrix>(a: &[T], n: usize) -> (T, Vec<T>) {
    pivots_of(&square(a, n).partial_piv_lu())
}

/// Pivots after one that is 0 come from a division by zero, so all are set to 0.
fn pivots_of<T: Matrix>(lu: &PartialPivLu<T>) -> (T, Vec<T>) {
    let (order, n) = (lu.P().arrays().0, lu.U().nrows());
    let mut pivots: Vec<T> = (0..n).map(|i| lu.U()[(i, i)]).collect();
    if pivots.contains(&zero()) {
        pivots.fill(zero());
    }
    let mut seen = vec![false; n];
    let mut sign = one::<T>();
    for start in 0..n {
        let mut i = order[start];
        seen[start] = true;
        while !seen[i] {
            (seen[i], sign, i) = (true, -sign, order[i]);
        }
    }
    (sign, pivots)
}

fn det<T: Matrix>(a: &[T], n: usize, out: &mut [T]) -> bool {
    let (sign, pivots) = pivots(a, n);
    out[0] = from_f64(determinant(double(sign), pivots.into_iter().map(double)));
    true
}

fn cofactors<T: Matrix>(a: &[T], n: usize, directions: &[&[T]], out: &mut [T]) -> bool {
    let directions: Vec<Mat<f64>> = directions.iter().map(|g| in_double(g, n)).collect();
    cofactors_of(in_double(a, n).as_ref(), &directions).is_some_and(|c| round(&c, out))
}

fn exponential<T: Matrix>(a: &[T], n: usize, out: &mut [T]) -> bool {
    round(&exponential_of(in_double(a, n).as_ref()), out)
}

fn zero<T: Matrix>() -> T {
    num_traits::zero()
}

fn one<T: Matrix>() -> T {
    num_traits::one()
}

fn double<T: Matrix>(x: T) -> f64 {
    x.to_f64().expect("any number is one in double precision")
}

fn matrix<T>(a: &[T], [m, n]: [usize; 2]) -> MatRef<'_, T> {
    MatRef::from_row_major_slice(a, m, n)
}

fn square<T>(a: &[T], n: usize) -> MatRef<'_, T> {
    matrix(a, [n, n])
}

/// The right side of a system of n equations.
fn right<T>(b: &[T], n: usize) -> MatRef<'_, T> {
    matrix(b, [n, b.len() / n])
}

/// A square matrix in double precision.
fn in_double<T: Matrix>(a: &[T], n: usize) -> Mat<f64> {
    Mat::from_fn(n, n, |i, j| double(a[i * n + j]))
}

/// Writes a matrix in double precision to memory in row-major order.
fn round<T: Matrix>(x: &Mat<f64>, out: &mut [T]) -> bool {
    let n = x.ncols();
    out.iter_mut().enumerate().for_each(|(k, out)| *out = from_f64(x[(k / n, k % n)]));
    true
}

/// Writes a matrix to memory in row-major order.
fn write<T: Matrix>(x: MatRef<T>, out: &mut [T]) -> bool {
    by_rows([x.nrows(), x.ncols()], out, x.ncols(), |i, j| x[(i, j)]);
    true
}

/// Writes the elements of a matrix, which are stored by columns, to rows at a distance of `stride`. A few columns at a
/// time are read from the cache.
fn by_rows<T: Copy>([m, n]: [usize; 2], out: &mut [T], stride: usize, element: impl Fn(usize, usize) -> T) {
    const SOME: usize = 16;
    for first in (0..n).step_by(SOME) {
        let columns = first..n.min(first + SOME);
        for i in 0..m {
            let row = &mut out[i * stride..][columns.clone()];
            row.iter_mut().zip(columns.clone()).for_each(|(out, j)| *out = element(i, j));
        }
    }
}

/// The symmetric part (A + Aᵀ) / 2, which is all that a function of symmetric matrices depends on.
fn symmetric<T: Matrix>(a: MatRef<T>) -> Mat<T> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| from_f64::<T>(0.5) * (a[(i, j)] + a[(j, i)]))
}

/// The sign that makes the largest element of a column positive.
fn sign<T: Matrix>(x: MatRef<T>, column: usize) -> T {
    let elements = (0..x.nrows()).map(|i| x[(i, column)]);
    let largest = elements.reduce(|a, b| if Float::abs(b) > Float::abs(a) { b } else { a });
    if largest < Some(zero()) { -one::<T>() } else { one() }
}

/// The sign of a determinant.
fn sign_of_det(a: MatRef<f64>) -> f64 {
    let (sign, pivots) = pivots_of(&a.partial_piv_lu());
    pivots.into_iter().fold(sign, |sign, pivot| sign * pivot.signum())
}
