//! Linear algebra: solves, factorizations and functions of the matrices in the last two axes. Requires the feature
//! `linalg`.

use crate::error::{Error, Result};
use crate::op::Factor;

/// The triangle of a matrix that [`triangular_solve`](crate::Tensor::triangular_solve) reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Triangle {
    /// The elements on and below the diagonal.
    Lower,
    /// The elements on and above the diagonal.
    Upper,
    /// The elements below the diagonal, and ones on it.
    UnitLower,
    /// The elements above the diagonal, and ones on it.
    UnitUpper,
}

impl Triangle {
    pub(super) fn factor(self) -> Factor {
        let (lower, unit) = match self {
            Triangle::Lower => (true, false),
            Triangle::Upper => (false, false),
            Triangle::UnitLower => (true, true),
            Triangle::UnitUpper => (false, true),
        };
        Factor::TriangularSolve { lower, unit }
    }
}

/// The batch axes and the size of the matrices.
pub(super) fn matrix<'a>(op: &'static str, shape: &'a [usize]) -> Result<(&'a [usize], [usize; 2])> {
    let error = || Error::Shape { op, shape: shape.into(), hint: "a matrix needs two axes".into() };
    shape.split_last_chunk().map(|(batch, &size)| (batch, size)).ok_or_else(error)
}

/// The number of rows of a square matrix.
pub(super) fn square(op: &'static str, shape: &[usize]) -> Result<usize> {
    match matrix(op, shape)?.1 {
        [m, n] if m == n => Ok(n),
        _ => Err(Error::Shape { op, shape: shape.into(), hint: "the matrix must be square".into() }),
    }
}

/// A method with several results and its `try_` twin.
macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident, $try:ident -> $Parts:ty |$this:ident| $body:block)*) => { $(
        $(#[$doc])*
        ///
        /// # Panics
        #[doc = concat!("If the matrix does not fit; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $name(&self) -> $Parts {
            or_panic(self.$try())
        }

        #[doc = concat!("Like [`", stringify!($name), "`](Self::", stringify!($name), "), but returns the error.")]
        #[track_caller]
        pub fn $try(&self) -> Result<$Parts> {
            let $this = self;
            $body
        }
    )* };
}
pub(super) use parts;

macro_rules! linalg_methods {
    () => {
        twins! {
            /// The solution A⁻¹·B of A·X = B, without forming the inverse. If `b` has one axis less than this matrix,
            /// it is a vector, as in PyTorch. The leading axes broadcast.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let a = tensor![[2.0, 0.0], [0.0, 4.0]];
            /// assert_eq!(a.solve(tensor![2.0, 4.0]), tensor![1.0, 1.0]);
            /// assert!(tensor![[1.0, 2.0], [2.0, 4.0]].try_solve(tensor![1.0, 1.0]).is_err()); // singular
            /// ```
            solve, try_solve(b: impl Borrow<Self>) |a| {
                let b = b.borrow();
                let rank = Value::shape(a).len();
                if Value::shape(b).len() + 1 == rank.max(2) {
                    return a.try_solve(b.try_unsqueeze(-1)?)?.try_squeeze(-1);
                }
                let (a, b) = a.batched("solve", b)?;
                Value::try_apply(Op::Linalg(Factor::Solve { strict: true }), &[&a, &b])
            }

            /// The solution T⁻¹·B of T·X = B, where T is a triangle of this matrix. A zero on the diagonal leads to a
            /// division by zero. To solve with the transposed triangle, transpose the matrix and name the other one:
            /// `a.t().triangular_solve(b, Triangle::Upper)` solves Lᵀ·X = B.
            ///
            /// ```
            /// use autograd::{Triangle, tensor};
            /// let a = tensor![[2.0, 9.0], [1.0, 1.0]];
            /// assert_eq!(a.triangular_solve(tensor![[2.0], [4.0]], Triangle::Lower), tensor![[1.0], [3.0]]);
            /// ```
            #[doc(alias = "solve_triangular")]
            triangular_solve, try_triangular_solve(b: impl Borrow<Self>, triangle: Triangle) |a| {
                let (a, b) = a.batched("triangular_solve", b.borrow())?;
                Value::try_apply(Op::Linalg(triangle.factor()), &[&a, &b])
            }

            /// The inverse A⁻¹; an error if the matrix is singular. To multiply by the inverse, use
            /// [`solve`](Self::solve).
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[2.0, 0.0], [0.0, 4.0]].inv(), tensor![[0.5, 0.0], [0.0, 0.25]]);
            /// ```
            #[doc(alias = "inverse")]
            inv, try_inv() |a| { Value::try_apply(Op::Linalg(Factor::Inv), &[a]) }

            /// The determinant: 0 if the matrix is singular. Its derivative is correct for singular matrices, too.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[2.0, 1.0], [0.0, 4.0]].det().item(), 8.0);
            /// ```
            det, try_det() |a| { Value::try_apply(Op::Linalg(Factor::Det), &[a]) }

            /// ln |det A|, without overflow or underflow; -inf if the matrix is singular.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[-2.0, 0.0], [0.0, 0.5]].logabsdet().item(), 0.0);
            /// ```
            logabsdet, try_logabsdet() |a| { Ok(a.try_slogdet()?.1) }

            /// The lower triangular Cholesky factor L with L·Lᵀ = (A + Aᵀ)/2, the symmetric part of A. An error if that
            /// is not positive definite.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[4.0, 2.0], [2.0, 5.0]].cholesky(), tensor![[2.0, 0.0], [1.0, 2.0]]);
            /// ```
            cholesky, try_cholesky() |a| { Value::try_apply(Op::Linalg(Factor::Cholesky), &[a]) }

            /// The eigenvalues of (A + Aᵀ)/2, in ascending order.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let w = tensor![[2.0, 1.0], [1.0, 2.0]].eigvalsh();
            /// assert!((w - tensor![1.0, 3.0]).abs().max().item() < 1e-14);
            /// ```
            eigvalsh, try_eigvalsh() |a| { Ok(a.try_eigh()?.0) }

            /// The singular values, in descending order.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let s = tensor![[0.0, 3.0], [-4.0, 0.0]].svdvals();
            /// assert!((s - tensor![4.0, 3.0]).abs().max().item() < 1e-14);
            /// ```
            svdvals, try_svdvals() |a| { Ok(a.try_svd()?.1) }

            /// The matrix exponential Σ Aᵏ/k!.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[0.0, 1.0], [0.0, 0.0]].matrix_exp(), tensor![[1.0, 1.0], [0.0, 1.0]]);
            /// ```
            #[doc(alias = "expm")]
            matrix_exp, try_matrix_exp() |a| { Value::try_apply(Op::Linalg(Factor::MatrixExp), &[a]) }

            /// Aⁿ by repeated squaring; for n < 0, powers of the inverse.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let a = tensor![[1.0, 1.0], [0.0, 1.0]];
            /// assert_eq!(a.matrix_power(5), tensor![[1.0, 5.0], [0.0, 1.0]]);
            /// assert_eq!(a.matrix_power(-1), tensor![[1.0, -1.0], [0.0, 1.0]]);
            /// ```
            matrix_power, try_matrix_power(n: i64) |a| {
                let shape = Value::shape(a);
                let rows = square("matrix_power", &shape)?;
                let (mut base, mut left) = (if n < 0 { a.try_inv()? } else { a.clone() }, n.unsigned_abs());
                let mut power = None;
                while left > 0 {
                    if left & 1 == 1 {
                        power = Some(match power {
                            None => base.clone(),
                            Some(power) => base.try_matmul(&power)?,
                        });
                    }
                    left >>= 1;
                    if left > 0 {
                        base = base.try_matmul(&base)?;
                    }
                }
                match power {
                    Some(power) => Ok(power),
                    None => a.constant(Tensor::eye(rows)).try_broadcast_to(&shape),
                }
            }
        }

        parts! {
            /// The sign of the determinant (0 if the matrix is singular), which has no derivative, and ln |det A|.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (sign, log) = tensor![[-2.0, 0.0], [0.0, 0.5]].slogdet();
            /// assert_eq!((sign.item(), log.item()), (-1.0, 0.0));
            /// ```
            slogdet, try_slogdet -> (Self, Self) |a| {
                let y: Self = Value::try_apply(Op::Linalg(Factor::Slogdet), &[a])?;
                let sign: Self = Value::try_apply(Op::StopGradient, &[&y.try_slice(-1, 0..1)?.try_squeeze(-1)?])?;
                Ok((sign, y.try_slice(-1, 1..2)?.try_squeeze(-1)?))
            }

            /// The eigenvalues w of (A + Aᵀ)/2, in ascending order, and the eigenvectors, as columns of V: A·V =
            /// V·diag(w). In each eigenvector, the element of largest magnitude is positive. Where eigenvalues
            /// coincide, the derivative of their eigenvectors does not exist; rotations among these are left out of it. A
            /// function of the matrix, such as V·diag(eʷ)·Vᵀ, has a gradient there, and a symmetric function of the
            /// eigenvalues a second derivative, too. For the second derivative, differentiate a recorded gradient, or call
            /// [`hvp`](crate::Var::hvp).
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (w, v) = tensor![[2.0, 0.0], [0.0, 1.0]].eigh();
            /// assert_eq!((w, v), (tensor![1.0, 2.0], tensor![[0.0, 1.0], [1.0, 0.0]]));
            /// ```
            eigh, try_eigh -> (Self, Self) |a| {
                let y: Self = Value::try_apply(Op::Linalg(Factor::Eigh), &[a])?;
                Ok((y.try_slice(-2, 0..1)?.try_squeeze(-2)?, y.try_slice(-2, 1..)?))
            }

            /// The reduced singular value decomposition A = U·diag(s)·Vᵀ: U, s (in descending order) and Vᵀ, as in
            /// NumPy. In each column of U, the element of largest magnitude is positive. Singular values that coincide
            /// are treated as in [`eigh`](Self::eigh).
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (u, s, vt) = tensor![[0.0, 3.0], [2.0, 0.0]].svd();
            /// assert!(((u * s).matmul(vt) - tensor![[0.0, 3.0], [2.0, 0.0]]).abs().max().item() < 1e-14);
            /// ```
            svd, try_svd -> (Self, Self, Self) |a| {
                let shape = Value::shape(a);
                let rows = matrix("svd", &shape)?.1[0];
                let y: Self = Value::try_apply(Op::Linalg(Factor::Svd), &[a])?;
                let values = y.try_slice(-2, 0..1)?.try_squeeze(-2)?;
                Ok((y.try_slice(-2, 1..1 + rows)?, values, y.try_slice(-2, 1 + rows..)?.try_transpose(-1, -2)?))
            }

            /// The reduced QR decomposition A = Q·R, with orthonormal columns in Q and zeros below the diagonal of R.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let a = tensor![[3.0, 1.0], [4.0, 2.0]];
            /// let (q, r) = a.qr();
            /// assert!((q.matmul(&r) - &a).abs().max().item() < 1e-14 && r.at(&[1, 0]) == 0.0);
            /// ```
            qr, try_qr -> (Self, Self) |a| {
                let shape = Value::shape(a);
                let (_, [m, n]) = matrix("qr", &shape)?;
                let tall = if m < n { a.try_slice(-1, ..m)? } else { a.clone() };
                let q: Self = Value::try_apply(Op::Linalg(Factor::Qr), &[&tall])?;
                let above = Tensor::from_fn(&[m.min(n), n], |i| if i[0] <= i[1] { T::one() } else { T::zero() });
                let r = q.try_transpose(-1, -2)?.try_matmul(a)?;
                Ok((q, a.constant(above).try_select(&r, a.number(T::zero()))?))
            }
        }

        /// Broadcasts the leading axes of both operands.
        #[track_caller]
        fn batched(&self, op: &'static str, b: &Self) -> Result<(Self, Self)> {
            let (from, to) = (Value::shape(self), Value::shape(b));
            let ((x, size), (y, right)) = (matrix(op, &from)?, matrix(op, &to)?);
            let batch = broadcast(op, x, y)?;
            let whole = |size: [usize; 2]| -> Shape { batch.iter().copied().chain(size).collect() };
            let wide = |x: &Self, shape: Shape| {
                if *Value::shape(x) == *shape { Ok(x.clone()) } else { x.try_broadcast_to(&shape) }
            };
            Ok((wide(self, whole(size))?, wide(b, whole(right))?))
        }
    };
}
pub(super) use linalg_methods;
