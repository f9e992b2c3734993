//! Linear solves, factorizations and functions of matrices: their names, shape rules and batched evaluation. Their
//! derivatives are in `linalg/rules`.
//!
//! An op has one result, so a factorization with several parts stacks them, and the methods slice them apart.

use crate::error::{Error, Result};
use crate::tensor::Shape;

/// What is computed from the matrices in the last two axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Factor {
    /// A⁻¹·B
    Solve,
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
    /// A = U·diag(s)·Vᵀ: a row of singular values in descending order, and below it U and V.
    Svd,
    /// The factor Q of A = Q·R, with orthonormal columns. A must not have more columns than rows.
    Qr,
    /// The sign of the determinant and the logarithm of its magnitude.
    Slogdet,
    /// The determinant.
    Det,
    /// The cofactor matrix, the derivative of the determinant with respect to each element: det(A)·A⁻ᵀ if A is
    /// invertible.
    Cofactor,
    /// Σ Aᵏ/k!
    MatrixExp,
}

impl Factor {
    /// All variants; `TriangularSolve` with one choice of parameters.
    pub const ALL: &'static [Factor] = &[
        Factor::Solve,
        Factor::TriangularSolve { lower: true, unit: false },
        Factor::Cholesky,
        Factor::Eigh,
        Factor::Svd,
        Factor::Qr,
        Factor::Slogdet,
        Factor::Det,
        Factor::Cofactor,
        Factor::MatrixExp,
    ];

    /// The name, as in methods and errors.
    pub fn name(self) -> &'static str {
        match self {
            Factor::Solve => "solve",
            Factor::TriangularSolve { .. } => "triangular_solve",
            Factor::Cholesky => "cholesky",
            Factor::Eigh => "eigh",
            Factor::Svd => "svd",
            Factor::Qr => "qr",
            Factor::Slogdet => "slogdet",
            Factor::Det => "det",
            Factor::Cofactor => "cofactor",
            Factor::MatrixExp => "matrix_exp",
        }
    }

    pub(crate) fn arity(self) -> usize {
        match self {
            Factor::Solve | Factor::TriangularSolve { .. } => 2,
            _ => 1,
        }
    }

    /// The shape of the result.
    pub(crate) fn shape(self, x: &[&[usize]]) -> Result<Shape> {
        let op = self.name();
        if !cfg!(feature = "linalg") {
            return Err(Error::Argument { op, hint: "enable the feature `linalg` of wengert-autograd".into() });
        }
        let error = |hint: &str| Err(Error::Shape { op, shape: x[0].into(), hint: hint.into() });
        let &[ref batch @ .., m, n] = x[0] else { return error("a matrix needs two axes") };
        let tail: &[usize] = match (self, x) {
            (Factor::Svd, _) => &[1 + m + n, m.min(n)],
            (Factor::Qr, _) if m < n => return error("it must not have more columns than rows"),
            (Factor::Qr, _) => &[m, n],
            _ if m != n => return error("the matrix must be square"),
            (_, [_, b]) => match b.strip_prefix(batch) {
                Some(&[rows, columns]) if rows == n => &[n, columns],
                _ => return error(&format!("the right-hand sides must have {n} rows, not shape {b:?}")),
            },
            (Factor::Eigh, _) => &[1 + n, n],
            (Factor::Slogdet, _) => &[2],
            (Factor::Det, _) => &[],
            _ => &[n, n],
        };
        Ok(batch.iter().chain(tail).copied().collect())
    }
}
