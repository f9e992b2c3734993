//! Factorizations of one matrix, computed by faer behind the feature `linalg`. Without it, the shape rule rejects
//! every op that would get here. Undefined results (the inverse of a singular matrix) are NaN.

#[cfg(feature = "linalg")]
mod exp;
#[cfg(feature = "linalg")]
mod minors;
#[cfg(feature = "linalg")]
mod scaled;

/// A function of the matrices in the last two axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Factor {
    /// A⁻¹·B
    Solve {
        /// Whether a singular matrix is an error. Otherwise, the result is NaN.
        strict: bool,
    },
    /// A⁻¹. A singular matrix is an error.
    Inv,
    /// T⁻¹·B, where T is one triangle of the first operand.
    TriangularSolve {
        /// Whether to use the lower triangle.
        lower: bool,
        /// Whether to treat the diagonal as ones.
        unit: bool,
    },
    /// The lower triangular L with L·Lᵀ = (A + Aᵀ)/2.
    Cholesky,
    /// Eigendecomposition of (A + Aᵀ)/2: a row of eigenvalues in ascending order, and below it the matrix with the
    /// eigenvectors as columns.
    Eigh,
    /// The derivative of a function of the eigenvalues w: V·diag(g)·Vᵀ, where g is the function's derivative with respect
    /// to w. Inputs: A, the eigendecomposition of A, g, and how g changes as eigenvalues that coincide split, on which
    /// only derivatives depend.
    EighVjp,
    /// A = U·diag(s)·Vᵀ: a row of singular values in descending order, and below it U and V.
    Svd,
    /// The derivative of a function of the singular values, U·diag(g)·Vᵀ. Inputs as those of `EighVjp`.
    SvdVjp,
    /// The factor Q of A = Q·R, with orthonormal columns. A must not have more columns than rows.
    Qr,
    /// A = P·L·U with a permutation P, L with ones on the diagonal, and U: the columns of P, and beside them L below the
    /// diagonal and U on and above it. A must not have more columns than rows.
    Lu,
    /// The pseudoinverse A⁺ = V·diag(1/s)·Uᵀ of A = U·diag(s)·Vᵀ.
    Pinv {
        /// Singular values up to this part of the largest one count as 0.
        rtol: f64,
    },
    /// Eigenvalues and eigenvectors of a matrix that need not be symmetric: rows of the real and the imaginary parts of
    /// the eigenvalues, and below them those of the matrix with the eigenvectors as columns. An eigenvector is arbitrary
    /// up to a complex factor, whose derivative the rule chooses.
    Eig,
    /// The sign of the determinant and the logarithm of its magnitude.
    Slogdet,
    /// The determinant.
    Det,
    /// The cofactor matrix, the derivative of the determinant with respect to each element: det(A)·A⁻ᵀ if A is
    /// invertible. With inputs A, G₁, …, Gₖ: its derivative of order k in these directions.
    Cofactor,
    /// Σ Aᵏ/k!
    MatrixExp,
}

impl Factor {
    /// All variants; `TriangularSolve` and `Pinv` with one choice of parameters.
    pub const ALL: &'static [Factor] = &[
        Factor::Solve { strict: true },
        Factor::Inv,
        Factor::TriangularSolve { lower: true, unit: false },
        Factor::Cholesky,
        Factor::Eigh,
        Factor::EighVjp,
        Factor::Svd,
        Factor::SvdVjp,
        Factor::Qr,
        Factor::Lu,
        Factor::Pinv { rtol: 1e-6 },
        Factor::Eig,
        Factor::Slogdet,
        Factor::Det,
        Factor::Cofactor,
        Factor::MatrixExp,
    ];
}

#[cfg(feature = "linalg")]
pub(crate) use dense::factorize;

/// The sign of a determinant.
#[cfg(feature = "linalg")]
fn sign_of_det(a: faer::MatRef<f64>) -> f64 {
    let (sign, pivots) = dense::pivots(&a.partial_piv_lu());
    pivots.into_iter().fold(sign, |sign, pivot| sign * pivot.signum())
}

#[cfg(feature = "linalg")]
mod dense {
    use super::Factor;
    use super::exp::exponential;
    use super::minors::{cofactors, determinant};
    use crate::float::{Float, Real, once};
    use faer::linalg::solvers::{Eigen, PartialPivLu, Solve};
    use faer::traits::RealField;
    use faer::{Mat, MatRef, Side};

    once! {
        /// Writes the value of `factor` into `out`. The operands are stored row-major; the first one is a matrix of the
        /// given size.
        pub(crate) fn factorize<T: RealField>(factor: Factor, x: &[&[T]], size: [usize; 2], out: &mut [T]) {
            let [m, n] = size;
            let is_triangular = matches!(factor, Factor::TriangularSolve { .. }); // the other triangle is not read
            if !is_triangular && x[0].iter().any(|&a| !Float::is_finite(a)) {
                return out.fill(T::NAN);
            }
            let a = MatRef::from_row_major_slice(x[0], m, n);
            let done = match factor {
                Factor::Solve { .. } => solve(a, right(a, x[1]), out),
                Factor::Inv => solve(a, Mat::identity(n, n).as_ref(), out),
                Factor::TriangularSolve { lower, unit } => triangular_solve(a, lower, unit, x[1], out),
                Factor::Cholesky => cholesky(a, out),
                Factor::Eigh => eigh(a, out),
                Factor::EighVjp => spread([n, n], x[1], x[2], out),
                Factor::Svd => svd(a, out),
                Factor::SvdVjp => spread([m, n], x[1], x[2], out),
                Factor::Qr => write(a.qr().compute_thin_Q().as_ref(), out),
                Factor::Lu => lu(a, out),
                Factor::Pinv { rtol } => pinv(a, rtol, out),
                Factor::Eig => eig(a, out),
                Factor::Slogdet => slogdet(a, out),
                Factor::Det => {
                    let (sign, pivots) = pivots(&a.partial_piv_lu());
                    out[0] = T::of(determinant(sign.f64(), pivots.into_iter().map(T::f64)));
                    Some(())
                }
                Factor::Cofactor => {
                    let directions: Vec<Mat<f64>> = x[1..].iter().map(|g| double(g, n)).collect();
                    cofactors(double(x[0], n).as_ref(), &directions).map(|c| round(&c, out))
                }
                Factor::MatrixExp => {
                    round(&exponential(double(x[0], n).as_ref()), out);
                    Some(())
                }
            };
            if done.is_none() {
                out.fill(T::NAN);
            }
        }
    }

    /// A square matrix in double precision.
    fn double<T: Float>(a: &[T], n: usize) -> Mat<f64> {
        Mat::from_fn(n, n, |i, j| a[i * n + j].f64())
    }

    /// Writes a matrix in double precision to memory in row-major order.
    fn round<T: Float>(x: &Mat<f64>, out: &mut [T]) {
        let n = x.ncols();
        out.iter_mut().enumerate().for_each(|(k, out)| *out = T::of(x[(k / n, k % n)]));
    }

    /// Writes a matrix to memory in row-major order.
    fn write<T: Float>(x: MatRef<T>, out: &mut [T]) -> Option<()> {
        by_rows([x.nrows(), x.ncols()], out, x.ncols(), |i, j| x[(i, j)]);
        Some(())
    }

    /// Writes the elements of a matrix, which are stored by columns, to rows at a distance of `stride`. A few columns at a
    /// time are read from the cache.
    fn by_rows<T: Float>([m, n]: [usize; 2], out: &mut [T], stride: usize, element: impl Fn(usize, usize) -> T) {
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
    fn symmetric<T: Float>(a: MatRef<T>) -> Mat<T> {
        Mat::from_fn(a.nrows(), a.ncols(), |i, j| T::of(0.5) * (a[(i, j)] + a[(j, i)]))
    }

    fn right<'a, T>(a: MatRef<T>, b: &'a [T]) -> MatRef<'a, T> {
        MatRef::from_row_major_slice(b, a.nrows(), b.len() / a.nrows())
    }

    /// Returns the sign of the permutation and the pivots. If one pivot is 0, all are set to 0, since those after it
    /// come from a division by zero.
    pub(super) fn pivots<T: Float + RealField>(lu: &PartialPivLu<T>) -> (T, Vec<T>) {
        let (order, n) = (lu.P().arrays().0, lu.U().nrows());
        let mut pivots: Vec<T> = (0..n).map(|i| lu.U()[(i, i)]).collect();
        if pivots.contains(&T::zero()) {
            pivots.fill(T::zero());
        }
        let mut seen = vec![false; n];
        let mut sign = T::one();
        for start in 0..n {
            let mut i = order[start];
            seen[start] = true;
            while !seen[i] {
                (seen[i], sign, i) = (true, -sign, order[i]);
            }
        }
        (sign, pivots)
    }

    fn solve<T: Float + RealField>(a: MatRef<T>, b: MatRef<T>, out: &mut [T]) -> Option<()> {
        let lu = a.partial_piv_lu();
        let regular = !pivots(&lu).1.contains(&T::zero());
        if regular { write(lu.solve(b).as_ref(), out) } else { None }
    }

    fn triangular_solve<T: Float + RealField>(
        a: MatRef<T>,
        lower: bool,
        unit: bool,
        b: &[T],
        out: &mut [T],
    ) -> Option<()> {
        let mut x = right(a, b).to_owned();
        match (lower, unit) {
            (true, false) => a.solve_lower_triangular_in_place(&mut x),
            (true, true) => a.solve_unit_lower_triangular_in_place(&mut x),
            (false, false) => a.solve_upper_triangular_in_place(&mut x),
            (false, true) => a.solve_unit_upper_triangular_in_place(&mut x),
        }
        write(x.as_ref(), out)
    }

    fn cholesky<T: Float + RealField>(a: MatRef<T>, out: &mut [T]) -> Option<()> {
        let llt = symmetric(a).llt(Side::Lower).ok()?;
        let (l, n) = (llt.L(), a.nrows());
        out.iter_mut().enumerate().for_each(|(k, out)| {
            let (i, j) = (k / n, k % n);
            *out = if j <= i { l[(i, j)] } else { T::zero() };
        });
        Some(())
    }

    /// The sign that makes the largest element of a column positive.
    fn sign<T: Float>(x: MatRef<T>, column: usize) -> T {
        let elements = (0..x.nrows()).map(|i| x[(i, column)]);
        let largest = elements.reduce(|a, b| if Real::abs(b) > Real::abs(a) { b } else { a });
        if largest < Some(T::zero()) { -T::one() } else { T::one() }
    }

    fn eigh<T: Float + RealField>(a: MatRef<T>, out: &mut [T]) -> Option<()> {
        let n = a.nrows();
        let eigen = symmetric(a).self_adjoint_eigen(Side::Lower).ok()?;
        for j in 0..n {
            let s = sign(eigen.U(), j);
            out[j] = eigen.S()[j];
            (0..n).for_each(|i| out[(1 + i) * n + j] = s * eigen.U()[(i, j)]);
        }
        Some(())
    }

    fn svd<T: Float + RealField>(a: MatRef<T>, out: &mut [T]) -> Option<()> {
        let (m, n) = (a.nrows(), a.ncols());
        let k = m.min(n);
        let svd = a.thin_svd().ok()?;
        for j in 0..k {
            let s = sign(svd.U(), j);
            out[j] = svd.S()[j];
            (0..m).for_each(|i| out[(1 + i) * k + j] = s * svd.U()[(i, j)]);
            (0..n).for_each(|i| out[(1 + m + i) * k + j] = s * svd.V()[(i, j)]);
        }
        Some(())
    }

    fn pinv<T: Float + RealField>(a: MatRef<T>, rtol: f64, out: &mut [T]) -> Option<()> {
        let svd = a.thin_svd().ok()?;
        let (u, v, s) = (svd.U(), svd.V(), svd.S());
        let least = T::of(rtol) * s[0];
        let part = |i: usize, k: usize| if s[k] > least { v[(i, k)] / s[k] } else { T::zero() };
        write((Mat::from_fn(v.nrows(), v.ncols(), part) * u.transpose()).as_ref(), out)
    }

    fn eig<T: Float + RealField>(a: MatRef<T>, out: &mut [T]) -> Option<()> {
        let n = a.nrows();
        let eigen = Eigen::new_from_real(a).ok()?;
        let (values, vectors) = out.split_at_mut(2 * n);
        for j in 0..n {
            (values[j], values[n + j]) = (eigen.S()[j].re, eigen.S()[j].im);
            for i in 0..n {
                let v = eigen.U()[(i, j)];
                (vectors[i * n + j], vectors[(n + i) * n + j]) = (v.re, v.im);
            }
        }
        Some(())
    }

    /// In blocks, unless a pivot is 0, since later elements are divided by it.
    fn lu<T: Float + RealField>(a: MatRef<T>, out: &mut [T]) -> Option<()> {
        let (m, n, lu) = (a.nrows(), a.ncols(), a.partial_piv_lu());
        let regular = (0..n).all(|i| lu.U()[(i, i)] != T::zero());
        let (rows, order) = if regular { (Vec::new(), lu.P().arrays().0.to_vec()) } else { eliminated(a) };
        out.fill(T::zero());
        order.iter().enumerate().for_each(|(i, &from)| out[from * (m + n) + i] = T::one());
        let (l, u) = (lu.L(), lu.U());
        match regular {
            true => by_rows([m, n], &mut out[m..], m + n, |i, j| if j < i { l[(i, j)] } else { u[(i, j)] }),
            false => by_rows([m, n], &mut out[m..], m + n, |i, j| rows[i * n + j]),
        }
        Some(())
    }

    /// Gaussian elimination with partial pivoting: both factors in one matrix, and the order of the rows. A column without
    /// a pivot is not changed, so such a matrix has factors, too.
    fn eliminated<T: Float>(a: MatRef<T>) -> (Vec<T>, Vec<usize>) {
        let (m, n) = (a.nrows(), a.ncols());
        let mut rows: Vec<T> = (0..m * n).map(|k| a[(k / n, k % n)]).collect();
        let mut order: Vec<usize> = (0..m).collect();
        for k in 0..n {
            let size = |i: usize| Real::abs(rows[i * n + k]);
            let pivot = (k..m).fold(k, |best, i| if size(i) > size(best) { i } else { best });
            (0..n).for_each(|j| rows.swap(k * n + j, pivot * n + j));
            order.swap(k, pivot);
            let (above, below) = rows.split_at_mut((k + 1) * n);
            let above = &above[k * n..];
            if above[k] == T::zero() {
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

    /// U·diag(g)·Vᵀ, where `y` has a row of values, the rows of U and, if the matrix is not symmetric, those of V.
    fn spread<T: Float>([m, n]: [usize; 2], y: &[T], g: &[T], out: &mut [T]) -> Option<()> {
        let k = g.len();
        let (u, v) = (&y[k..], &y[y.len() - n * k..]);
        for (i, out) in out.chunks_mut(n).take(m).enumerate() {
            for (j, out) in out.iter_mut().enumerate() {
                let terms = (0..k).map(|p| g[p] * u[i * k + p] * v[j * k + p]);
                *out = terms.fold(T::zero(), |a, b| a + b);
            }
        }
        Some(())
    }

    fn slogdet<T: Float + RealField>(a: MatRef<T>, out: &mut [T]) -> Option<()> {
        let (sign, pivots) = pivots(&a.partial_piv_lu());
        let signs = pivots.iter().map(|&p| if p == T::zero() { p } else { Real::lit(p, p.f64().signum()) });
        out[0] = signs.fold(sign, |a, b| a * b);
        out[1] = pivots.iter().map(|&p| Real::ln(Real::abs(p))).fold(T::zero(), |a, b| a + b);
        Some(())
    }
}
