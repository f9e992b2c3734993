//! Factorizations: several matrices whose product is a given one. Requires the feature `linalg`.

use super::linalg::{matrix, part};
use crate::error::Result;
use crate::float::Float;
use crate::op::{Factor, Op};
use crate::tensor::Tensor;
use crate::value::Value;

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
macro_rules! factor_methods {
    () => {
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
            /// coincide, the derivative of their eigenvectors does not exist; rotations among these are ignored. A
            /// function of the matrix, such as V·diag(eʷ)·Vᵀ, has a correct gradient there, and a symmetric function of
            /// the eigenvalues also has a correct second derivative. For the second derivative, differentiate a recorded
            /// gradient, or call [`hvp`](crate::Var::hvp).
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

            /// The factors P, L and U of A = P·L·U: a permutation, which has no derivative, a lower trapezoid with ones on the
            /// diagonal, and an upper one. A singular matrix also has factors, but they have no derivative.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (p, l, u) = tensor![[1.0, 3.0], [2.0, 4.0]].lu();
            /// assert_eq!(p, tensor![[0.0, 1.0], [1.0, 0.0]]);
            /// assert_eq!((l, u), (tensor![[1.0, 0.0], [0.5, 1.0]], tensor![[2.0, 4.0], [0.0, 1.0]]));
            /// ```
            lu, try_lu -> (Self, Self, Self) |a| {
                factors::lu(a)
            }

            /// The eigenvalues of a matrix that need not be symmetric: their real parts and their imaginary parts. Complex
            /// ones come in pairs, a + bi before a - bi. The order is otherwise unspecified, and may change when the
            /// matrix changes slightly. Where eigenvalues coincide, they may not be differentiable; the derivative is
            /// NaN if their eigenvectors also coincide.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (re, im) = tensor![[0.0, -2.0], [2.0, 0.0]].eigvals(); // a quarter turn, times 2
            /// assert!(re.abs().max().item() < 1e-15 && (im - tensor![2.0, -2.0]).abs().max().item() < 1e-15);
            /// ```
            eigvals, try_eigvals -> (Self, Self) |a| {
                let y: Self = Value::try_apply(Op::Linalg(Factor::Eig), &[a])?;
                Ok((y.try_slice(-2, 0..1)?.try_squeeze(-2)?, y.try_slice(-2, 1..2)?.try_squeeze(-2)?))
            }

            /// The [eigenvalues](Self::eigvals) w and the eigenvectors, as columns of V: A·V = V·diag(w), each as its real part and
            /// its imaginary part. Each eigenvector has norm 1, and its element of largest magnitude is real and positive.
            /// Where eigenvalues coincide, the derivative of their eigenvectors does not exist.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let a = tensor![[2.0, 1.0], [0.0, 3.0]];
            /// let ((w, _), (v, _)) = a.eig();
            /// assert!((a.matmul(&v) - v * w).abs().max().item() < 1e-14);
            /// ```
            eig, try_eig -> ((Self, Self), (Self, Self)) |a| {
                let shape = Value::shape(a);
                let n = square("eig", &shape)? as isize;
                let y: Self = Value::try_apply(Op::Linalg(Factor::Eig), &[a])?;
                let values = (y.try_slice(-2, 0..1)?.try_squeeze(-2)?, y.try_slice(-2, 1..2)?.try_squeeze(-2)?);
                let (re, im) = (y.try_slice(-2, 2..2 + n)?, y.try_slice(-2, 2 + n..)?);
                if n == 0 {
                    return Ok((values, (re, im)));
                }
                // (a + bi) divided by the norm of its column and turned by the argument of the largest element c + di.
                let largest = re.try_hypot(&im)?.try_argmax(-2, Dims::Keep)?;
                let (c, d) = (re.try_gather(-2, &largest)?, im.try_gather(-2, &largest)?);
                // The norm of all parts is smooth where an element is 0; that of the magnitudes is not.
                let norm = y.try_slice(-2, 2..)?.try_norm(2.0, -2, Dims::Keep)?;
                let scale = c.try_hypot(&d)?.try_mul(norm)?;
                let (c, d) = (c.try_div(&scale)?, d.try_div(&scale)?);
                let turned = (re.try_mul(&c)?.try_add(im.try_mul(&d)?)?, im.try_mul(&c)?.try_sub(re.try_mul(&d)?)?);
                Ok((values, turned))
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
    };
}
pub(super) use {factor_methods, parts};

/// A = P·L·U. The columns of a wide matrix beyond its first square U₁ follow from L and P alone: U₂ = L⁻¹·Pᵀ·A₂.
#[track_caller]
pub(super) fn lu<T: Float, V: Value<T>>(a: &V) -> Result<(V, V, V)> {
    let shape = a.shape();
    let (_, [m, n]) = matrix("lu", &shape)?;
    let k = m.min(n);
    let y = V::try_apply(Op::Linalg(Factor::Lu), &[&part(a, 0, 0..k)])?;
    let (p, both) = (V::try_apply(Op::StopGradient, &[&part(&y, 0, 0..m)])?, part(&y, 0, m..m + k));
    let mask = |size: [usize; 2], keep: fn(usize, usize) -> bool| {
        a.constant(Tensor::from_fn(&size, |i| if keep(i[0], i[1]) { T::one() } else { T::zero() }))
    };
    let ones = mask([m, k], |i, j| i == j);
    let l = mask([m, k], |i, j| i > j).select(&both, &ones);
    let u = mask([k, k], |i, j| i <= j).select(&part(&both, 1, 0..k), &a.number(T::zero()));
    if m >= n {
        return Ok((p, l, u));
    }
    let beyond = p.matmul(&part(a, 0, m..n), true, false);
    let beyond = V::try_apply(Op::Linalg(Factor::TriangularSolve { lower: true, unit: true }), &[&l, &beyond])?;
    let u = V::try_apply(Op::Concat { axis: shape.len() - 1 }, &[&u, &beyond])?;
    Ok((p, l, u))
}
