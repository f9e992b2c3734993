//! Factorizations of one matrix, computed by faer behind the feature `linalg`. Without it, the shape rule rejects
//! every op that would get here. Undefined results (the inverse of a singular matrix) are NaN.

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

#[cfg(feature = "linalg")]
mod dense {
    use super::Factor;
    use crate::float::{Float, Real, once};
    use numerics::Matrix;

    once! {
        /// Writes the value of `factor` into `out`. The operands are stored row-major; the first one is a matrix of the
        /// given size.
        pub(crate) fn factorize<T: Matrix>(factor: Factor, x: &[&[T]], size: [usize; 2], out: &mut [T]) {
            let ([m, n], a) = (size, x[0]);
            let is_triangular = matches!(factor, Factor::TriangularSolve { .. }); // the other triangle is not read
            if !is_triangular && a.iter().any(|&a| !Float::is_finite(a)) {
                return out.fill(T::NAN);
            }
            let is_defined = match factor {
                Factor::Solve { .. } => T::solve(a, n, x[1], out),
                Factor::Inv => T::inverse(a, n, out),
                Factor::TriangularSolve { lower, unit } => T::triangular_solve(a, n, lower, unit, x[1], out),
                Factor::Cholesky => T::cholesky(a, n, out),
                Factor::Eigh => T::eigh(a, n, out),
                Factor::EighVjp => spread([n, n], x[1], x[2], out),
                Factor::Svd => T::svd(a, size, out),
                Factor::SvdVjp => spread([m, n], x[1], x[2], out),
                Factor::Qr => T::qr(a, size, out),
                Factor::Lu => T::lu(a, size, out),
                Factor::Pinv { rtol } => T::pinv(a, size, rtol, out),
                Factor::Eig => T::eig(a, n, out),
                Factor::Slogdet => slogdet(T::pivots(a, n), out),
                Factor::Det => T::det(a, n, out),
                Factor::Cofactor => T::cofactors(a, n, &x[1..], out),
                Factor::MatrixExp => T::exponential(a, n, out),
            };
            if !is_defined {
                out.fill(T::NAN);
            }
        }
    }

    /// U·diag(g)·Vᵀ, where `y` has a row of values, the rows of U and, if the matrix is not symmetric, those of V.
    fn spread<T: Float>([m, n]: [usize; 2], y: &[T], g: &[T], out: &mut [T]) -> bool {
        let k = g.len();
        let (u, v) = (&y[k..], &y[y.len() - n * k..]);
        for (i, out) in out.chunks_mut(n).take(m).enumerate() {
            for (j, out) in out.iter_mut().enumerate() {
                let terms = (0..k).map(|p| g[p] * u[i * k + p] * v[j * k + p]);
                *out = terms.fold(T::zero(), |a, b| a + b);
            }
        }
        true
    }

    fn slogdet<T: Float>((sign, pivots): (T, Vec<T>), out: &mut [T]) -> bool {
        let signs = pivots.iter().map(|&p| if p == T::zero() { p } else { Real::lit(p, p.f64().signum()) });
        out[0] = signs.fold(sign, |a, b| a * b);
        out[1] = pivots.iter().map(|&p| Real::ln(Real::abs(p))).fold(T::zero(), |a, b| a + b);
        true
    }
}
