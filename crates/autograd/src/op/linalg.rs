//! Linear solves, factorizations and functions of matrices: their names, shape rules and batched evaluation. Their
//! derivatives are in `rules/linalg`.
//!
//! An op has one result, so a factorization with several parts stacks them, and the methods slice them apart.

use crate::error::{Error, Result};
pub use crate::kernel::linalg::Factor;
use crate::tensor::Shape;

impl Factor {
    /// The name, as in methods and errors.
    ///
    /// ```
    /// assert_eq!(autograd::op::Factor::Cholesky.name(), "cholesky");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Factor::Solve { .. } => "solve",
            Factor::Inv => "inv",
            Factor::TriangularSolve { .. } => "triangular_solve",
            Factor::Cholesky => "cholesky",
            Factor::Eigh => "eigh",
            Factor::EighVjp => "eigh_vjp",
            Factor::Svd => "svd",
            Factor::SvdVjp => "svd_vjp",
            Factor::Qr => "qr",
            Factor::Lu => "lu",
            Factor::Pinv { .. } => "pinv",
            Factor::Eig => "eig",
            Factor::Slogdet => "slogdet",
            Factor::Det => "det",
            Factor::Cofactor => "cofactor",
            Factor::MatrixExp => "matrix_exp",
        }
    }

    /// The number of inputs; `None` for any number.
    pub(crate) fn arity(self) -> Option<usize> {
        match self {
            Factor::Solve { .. } | Factor::TriangularSolve { .. } => Some(2),
            Factor::Inv | Factor::Cholesky | Factor::Eigh | Factor::Svd | Factor::Qr => Some(1),
            Factor::EighVjp | Factor::SvdVjp => Some(4),
            Factor::Lu | Factor::Pinv { .. } | Factor::Eig => Some(1),
            Factor::Slogdet | Factor::Det | Factor::MatrixExp => Some(1),
            Factor::Cofactor => None,
        }
    }

    /// What a finite matrix lacks if the result is not finite; `None` if that is not an error.
    pub(crate) fn lacks(self) -> Option<&'static str> {
        match self {
            Factor::Solve { strict: true } | Factor::Inv => {
                Some("the matrix is singular, or so close to singular that the result is not finite")
            }
            Factor::Cholesky => Some("the matrix is not positive definite"),
            Factor::Eigh | Factor::Eig => Some("the iteration for the eigenvalues did not converge"),
            Factor::Svd | Factor::Pinv { .. } => Some("the iteration for the singular values did not converge"),
            Factor::Solve { strict: false } | Factor::TriangularSolve { .. } => None,
            Factor::EighVjp | Factor::SvdVjp | Factor::Qr | Factor::Lu | Factor::Slogdet => None,
            Factor::Det | Factor::Cofactor | Factor::MatrixExp => None,
        }
    }

    /// How many of the inputs the value depends on; derivatives may depend on the others.
    pub(crate) fn computed_from(self) -> Option<usize> {
        matches!(self, Factor::EighVjp | Factor::SvdVjp).then_some(3)
    }

    /// The shape of the result.
    pub(crate) fn shape(self, x: &[&[usize]]) -> Result<Shape> {
        let op = self.name();
        if !cfg!(feature = "linalg") {
            return Err(Error::Argument { op, hint: "enable the feature `linalg` of wengert-autograd".into() });
        }
        let Some(first) = x.first() else {
            return Err(Error::Argument { op, hint: "pass the matrix".into() });
        };
        let error = |hint: &str| Err(Error::Shape { op, shape: (*first).into(), hint: hint.into() });
        let &[ref batch @ .., m, n] = *first else { return error("a matrix needs two axes") };
        let (square, decomposed) = (m == n, [1 + m + n, m.min(n)]);
        let (turned, factored) = ([n, m], [m, m + n]);
        let tail: &[usize] = match (self, x) {
            (Factor::Svd, _) => &decomposed,
            (Factor::EighVjp | Factor::SvdVjp, [_, y, g, change @ ..]) => {
                let rows = if self == Factor::EighVjp { 1 + n } else { decomposed[0] };
                let fits = |x: &[usize], tail: [usize; 2]| x.strip_prefix(batch) == Some(&tail);
                let row = [1, decomposed[1]];
                if !(fits(y, [rows, row[1]]) && fits(g, row) && change.iter().all(|change| fits(change, row))) {
                    return error("the decomposition and the derivatives do not fit the matrix");
                }
                &[m, n]
            }
            (Factor::Qr | Factor::Lu, _) if m < n => return error("it must not have more columns than rows"),
            (Factor::Qr, _) => &[m, n],
            (Factor::Lu, _) => &factored,
            (Factor::Pinv { .. }, _) => &turned,
            _ if !square => return error("the matrix must be square"),
            (Factor::Cofactor, [_, directions @ ..]) if directions.iter().any(|g| *g != x[0]) => {
                return error("the directions must have the shape of the matrix");
            }
            (Factor::Solve { .. } | Factor::TriangularSolve { .. }, [_, b]) => match b.strip_prefix(batch) {
                Some(&[rows, columns]) if rows == n => &[n, columns],
                _ => return error(&format!("the right-hand sides must have {n} rows, not shape {b:?}")),
            },
            (Factor::Eigh, _) => &[1 + n, n],
            (Factor::Eig, _) => &[2 + 2 * n, n],
            (Factor::Slogdet, _) => &[2],
            (Factor::Det, _) => &[],
            _ => &[n, n],
        };
        Ok(batch.iter().chain(tail).copied().collect())
    }
}
