//! Linear algebra: solves, factorizations and functions of the matrices in the last two axes. Requires the feature
//! `linalg`.

use crate::error::{Error, Result};
use crate::float::Float;
use crate::op::{Factor, Fold, Op, Unary};
use crate::tensor::view::Span;
use crate::tensor::{AxisSet, Tensor};
use crate::value::Value;
use std::ops::Range;

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

/// Whether vectors were made columns.
pub(super) struct Columns(bool);

impl Columns {
    /// Makes the columns of the solution vectors again.
    #[track_caller]
    pub(super) fn undo<T: Float, V: Value<T>>(self, x: V) -> Result<V> {
        let shape = x.shape();
        match (self, shape.split_last()) {
            (Columns(true), Some((_, rows))) => V::try_apply(Op::Reshape { shape: rows.into() }, &[&x]),
            _ => Ok(x),
        }
    }
}

/// The right-hand side of a system with this matrix as columns: a vector, or one for each matrix of a batch, becomes one
/// column. Shapes that only broadcast do not count as a batch of vectors; otherwise, a square matrix would be mistaken
/// for one.
#[track_caller]
pub(super) fn columns<T: Float, V: Value<T>>(matrix: &V, b: &V) -> Result<(V, Columns)> {
    let (matrix, mut shape) = (matrix.shape(), b.shape());
    let each = matrix.split_last().is_some_and(|(_, rows)| !rows.is_empty() && *rows == *shape);
    if shape.len() != 1 && !each {
        return Ok((b.clone(), Columns(false)));
    }
    shape.push(1);
    Ok((V::try_apply(Op::Reshape { shape }, &[b])?, Columns(true)))
}

macro_rules! linalg_methods {
    ($Ints:ty) => {
        twins! {
            /// The solution A⁻¹·B of A·X = B, without forming the inverse. If `b` has one axis, or the shape of this matrix
            /// without its last axis, it is a vector or a batch of them, as in PyTorch. The leading axes broadcast.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let a = tensor![[2.0, 0.0], [0.0, 4.0]];
            /// assert_eq!(a.solve(tensor![2.0, 4.0]), tensor![1.0, 1.0]);
            /// assert!(tensor![[1.0, 2.0], [2.0, 4.0]].try_solve(tensor![1.0, 1.0]).is_err()); // singular
            /// ```
            solve, try_solve(b: impl Borrow<Self>) |a| {
                let (b, columns) = linalg::columns(a, b.borrow())?;
                let (a, b) = a.batched("solve", &b)?;
                columns.undo(Value::try_apply(Op::Linalg(Factor::Solve { strict: true }), &[&a, &b])?)
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

            /// The Moore-Penrose pseudoinverse A⁺: A⁻¹ for an invertible matrix, (AᵀA)⁻¹Aᵀ for independent columns, and
            /// always the solution of minimum norm. Singular values up to `rtol` times the largest one count as 0; `None`
            /// means the larger size times the machine epsilon, as in PyTorch and NumPy. Its derivative is that among
            /// matrices of the same rank. Source: Golub and Pereyra, *The differentiation of pseudo-inverses and nonlinear
            /// least squares problems whose variables separate* (1973).
            ///
            /// ```
            /// # use autograd::tensor;
            /// let a = tensor![[2.0, 0.0], [0.0, 4.0], [0.0, 0.0]];
            /// assert!((a.pinv(None) - tensor![[0.5, 0.0, 0.0], [0.0, 0.25, 0.0]]).abs().max().item() < 1e-15);
            /// ```
            pinv, try_pinv(rtol: Option<f64>) |a| {
                let (_, size) = matrix("pinv", &Value::shape(a))?;
                Value::try_apply(Op::Linalg(Factor::Pinv { rtol: linalg::cutoff::<T>("pinv", rtol, size)? }), &[a])
            }

            /// The least-squares solution X of A·X = B; if there are several, the one of minimum norm: [A⁺·B](Self::pinv).
            /// `b` may be a vector as in [`solve`](Self::solve), and `rtol` is that of `pinv`. The residual is
            /// `a.matmul(x) - b`.
            ///
            /// ```
            /// # use autograd::tensor;
            /// // The line through three points, as well as possible.
            /// let a = tensor![[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]];
            /// assert!((a.lstsq(tensor![1.0, 3.0, 5.0], None) - tensor![1.0, 2.0]).abs().max().item() < 1e-14);
            /// ```
            lstsq, try_lstsq(b: impl Borrow<Self>, rtol: Option<f64>) |a| {
                let (b, columns) = linalg::columns(a, b.borrow())?;
                columns.undo(a.try_pinv(rtol)?.try_matmul(b)?)
            }

            /// The number of singular values that do not count as 0, with the `rtol` of [`pinv`](Self::pinv). For a matrix
            /// with an infinite or NaN element, the result is `i64::MIN`.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 2.0], [2.0, 4.0]].matrix_rank(None).item(), 1);
            /// ```
            matrix_rank, try_matrix_rank(rtol: Option<f64>) -> $Ints |a| {
                let (_, size) = matrix("matrix_rank", &Value::shape(a))?;
                let rtol = linalg::cutoff::<T>("matrix_rank", rtol, size)?;
                let s = a.try_svdvals()?;
                if size.contains(&0) {
                    return Ok(s.try_sum(-1, Dims::Drop)?.to_integers());
                }
                let largest = s.try_max(-1, Dims::Keep)?;
                let counted = s.try_gt(Value::scale(&largest, rtol))?.try_add(&largest.try_sub(&largest)?)?; // or NaN
                Ok(counted.try_sum(-1, Dims::Drop)?.to_integers())
            }

            /// The condition number of a square matrix, ‖A‖·‖A⁻¹‖; infinite if it is singular. The norm is the largest singular
            /// value for p = 2 (for which the matrix need not be square), the largest sum of magnitudes in a column for 1,
            /// and in a row for infinity.
            ///
            /// ```
            /// # use autograd::{Tensor, tensor};
            /// let a: Tensor<f64> = tensor![[4.0, 0.0], [0.0, 0.5]];
            /// assert_eq!([1.0, f64::INFINITY].map(|p| a.cond(p).item()), [8.0, 8.0]);
            /// assert!((a.cond(2.0).item() - 8.0).abs() < 1e-14);
            /// ```
            cond, try_cond(p: f64) |a| {
                linalg::condition(a, p)
            }

            /// The solution X of P·L·U·X = B for this B, with the factors of [`lu`](Self::lu), which can be reused for any
            /// number of right-hand sides. B may be a vector as in [`solve`](Self::solve).
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (p, l, u) = tensor![[0.0, 2.0], [4.0, 0.0]].lu();
            /// assert_eq!(tensor![2.0, 4.0].lu_solve(&p, &l, &u), tensor![1.0, 1.0]);
            /// ```
            lu_solve, try_lu_solve(p: impl Borrow<Self>, l: impl Borrow<Self>, u: impl Borrow<Self>) |b| {
                let (p, l, u) = (p.borrow(), l.borrow(), u.borrow());
                let (b, columns) = linalg::columns(p, b)?;
                let sorted = p.try_transpose(-1, -2)?.try_matmul(b)?;
                let x = u.try_triangular_solve(l.try_triangular_solve(sorted, Triangle::UnitLower)?, Triangle::Upper)?;
                columns.undo(x)
            }

            /// The determinant: 0 if the matrix is singular. Its derivative is also correct for singular matrices.
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

            /// The lower triangular Cholesky factor L with L·Lᵀ = (A + Aᵀ)/2, the symmetric part of A. An error if this
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

/// The part of the largest singular value up to which others count as 0.
pub(super) fn cutoff<T: Float>(op: &'static str, rtol: Option<f64>, [m, n]: [usize; 2]) -> Result<f64> {
    match rtol {
        Some(rtol) if !(0.0..1.0).contains(&rtol) => {
            Err(Error::Argument { op, hint: format!("rtol must be at least 0 and below 1, but it is {rtol}") })
        }
        _ => Ok(rtol.unwrap_or(m.max(n) as f64 * T::EPSILON.f64())),
    }
}

/// A part of an axis, which is counted from the last one.
#[track_caller]
pub(super) fn part<T: Float, V: Value<T>>(x: &V, from_last: usize, range: Range<usize>) -> V {
    let mut spans = Span::whole(&x.shape());
    let axis = spans.len() - 1 - from_last;
    spans[axis] = Span { start: if range.is_empty() { 0 } else { range.start }, len: range.len(), step: 1 };
    V::apply(Op::Slice { spans }, &[x])
}

/// ‖A‖·‖A⁻¹‖
#[track_caller]
pub(super) fn condition<T: Float, V: Value<T>>(a: &V, p: f64) -> Result<V> {
    const OP: &str = "cond";
    let shape = a.shape();
    let (_, [m, n]) = matrix(OP, &shape)?;
    let last = shape.len() - 1;
    if m.min(n) == 0 {
        return Err(Error::Empty { op: OP, shape: shape.as_slice().into() });
    }
    let fold = |x: &V, fold, axis| x.reduce(fold, AxisSet::one(axis), false);
    let axes = match p {
        2.0 => {
            let y = V::try_apply(Op::Linalg(Factor::Svd), &[a])?;
            let s = part(&y, 1, 0..1).reshape(&[&shape[..last - 1], &[m.min(n)]].concat());
            let (most, least) = (fold(&s, Fold::Max, last - 1), fold(&s, Fold::Min, last - 1));
            let zero = most.eq(&most.number(T::zero())); // 0/0 is NaN
            return Ok(zero.select(&a.number(T::INFINITY), &most.div(&least)));
        }
        1.0 => last - 1,
        f64::INFINITY => last,
        _ => return Err(Error::Argument { op: OP, hint: format!("p must be 1, 2 or infinity, but it is {p}") }),
    };
    let norm = |x: &V| fold(&fold(&x.unary(Unary::Abs), Fold::Sum, axes), Fold::Max, last - 1);
    square(OP, &shape)?;
    let identity = a.constant(Tensor::eye(n)).expand(&shape);
    let inverse = norm(&V::try_apply(Op::Linalg(Factor::Solve { strict: false }), &[a, &identity])?);
    let size = norm(a);
    // The inverse of a singular matrix is NaN.
    let singular = size.eq(&size).mul(&a.number(T::one()).sub(&inverse.eq(&inverse)));
    Ok(singular.select(&a.number(T::INFINITY), &size.mul(&inverse)))
}
