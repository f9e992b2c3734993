//! Factorizations of one matrix, computed by faer behind the feature `linalg`. Without it, the shape rule rejects
//! every op that would get here. Undefined results (the inverse of a singular matrix) are NaN.

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
}

/// The operands of a single factorization, stored row-major.
#[derive(Debug, Clone, Copy)]
#[cfg(feature = "linalg")]
pub struct Operands<'a, T> {
    /// The matrix.
    pub(crate) a: &'a [T],
    /// The number of rows and of columns.
    pub(crate) size: [usize; 2],
    /// The right-hand sides, with as many rows as the matrix; empty if the op has none.
    pub(crate) b: &'a [T],
}

#[cfg(feature = "linalg")]
pub(crate) use dense::factorize;

#[cfg(feature = "linalg")]
mod dense {
    use super::Factor;
    use super::Operands;
    use crate::float::{Float, Real, once};
    use faer::linalg::solvers::{PartialPivLu, Solve};
    use faer::traits::RealField;
    use faer::{Mat, MatRef, Side};

    once! {
            /// Writes the value of `factor` into `out`.
        pub(crate) fn factorize<'a, T: RealField>(factor: Factor, x: Operands<'a, T>, out: &mut [T]) {
            let [m, n] = x.size;
            let is_triangular = matches!(factor, Factor::TriangularSolve { .. }); // the other triangle is not read
            if !is_triangular && x.a.iter().any(|&a| !Float::is_finite(a)) {
                return out.fill(T::NAN);
            }
            let a = MatRef::from_row_major_slice(x.a, m, n);
            let done = match factor {
                Factor::Solve => solve(a, x.b, out),
                Factor::TriangularSolve { lower, unit } => triangular_solve(a, lower, unit, x.b, out),
                Factor::Cholesky => cholesky(a, out),
                Factor::Eigh => eigh(a, out),
                Factor::Svd => svd(a, out),
                Factor::Qr => write(a.qr().compute_thin_Q().as_ref(), out),
                Factor::Slogdet => slogdet(a, out),
                Factor::Det => {
                    out[0] = det(a);
                    Some(())
                }
                Factor::Cofactor => cofactor(a, out),
                Factor::MatrixExp => matrix_exp(a, out),
            };
            if done.is_none() {
                out.fill(T::NAN);
            }
        }
    }

    /// Writes a matrix to memory in row-major order.
    fn write<T: Float>(x: MatRef<T>, out: &mut [T]) -> Option<()> {
        let n = x.ncols();
        out.iter_mut().enumerate().for_each(|(k, out)| *out = x[(k / n, k % n)]);
        Some(())
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
    fn pivots<T: Float + RealField>(lu: &PartialPivLu<T>) -> (T, Vec<T>) {
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

    fn solve<T: Float + RealField>(a: MatRef<T>, b: &[T], out: &mut [T]) -> Option<()> {
        let lu = a.partial_piv_lu();
        let regular = !pivots(&lu).1.contains(&T::zero());
        if regular { write(lu.solve(right(a, b)).as_ref(), out) } else { None }
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

    fn slogdet<T: Float + RealField>(a: MatRef<T>, out: &mut [T]) -> Option<()> {
        let (sign, pivots) = pivots(&a.partial_piv_lu());
        let signs = pivots.iter().map(|&p| if p == T::zero() { p } else { Real::lit(p, p.f64().signum()) });
        out[0] = signs.fold(sign, |a, b| a * b);
        out[1] = pivots.iter().map(|&p| Real::ln(Real::abs(p))).fold(T::zero(), |a, b| a + b);
        Some(())
    }

    fn det<T: Float + RealField>(a: MatRef<T>) -> T {
        let (sign, pivots) = pivots(&a.partial_piv_lu());
        pivots.iter().fold(sign, |a, &b| a * b)
    }

    /// det(A)·A⁻ᵀ, even if A is singular: det(U)·det(V) · U·diag(Π of the remaining singular values)·Vᵀ.
    fn cofactor<T: Float + RealField>(a: MatRef<T>, out: &mut [T]) -> Option<()> {
        let n = a.nrows();
        let svd = a.svd().ok()?;
        let orientation = if det(svd.U()) * det(svd.V()) < T::zero() { -T::one() } else { T::one() };
        let others = |j: usize| (0..n).filter(|&k| k != j).fold(orientation, |p, k| p * svd.S()[k]);
        let scaled = {
            let others: Vec<T> = (0..n).map(others).collect();
            Mat::from_fn(n, n, |i, j| svd.U()[(i, j)] * others[j])
        };
        write((scaled * svd.V().transpose()).as_ref(), out)
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
    /// The largest 1-norm for which the approximant is accurate to double precision.
    const PADE_LIMIT: f64 = 5.371920351148152;

    /// Scaling and squaring (Higham 2005).
    fn matrix_exp<T: Float + RealField>(a: MatRef<T>, out: &mut [T]) -> Option<()> {
        let n = a.nrows();
        let column = |j: usize| (0..n).map(|i| a[(i, j)].f64().abs()).sum::<f64>();
        let norm = (0..n).map(column).fold(0.0, f64::max);
        let squarings = (norm / PADE_LIMIT).log2().ceil().clamp(0.0, 2000.0) as i32;
        let half = 0.5f64.powi(squarings / 2);
        let (first, second) = (T::of(half), T::of(0.5f64.powi(squarings - squarings / 2)));
        let a = Mat::from_fn(n, n, |i, j| a[(i, j)] * first * second);
        let a2 = &a * &a;
        let a4 = &a2 * &a2;
        let a6 = &a4 * &a2;
        // Σ c·Aᵏ over k of one parity: a6·(c₀·a6 + c₁·a4 + c₂·a2) + c₃·a6 + c₄·a4 + c₅·a2 + c₆.
        let sum = |k: [usize; 7]| {
            let c = k.map(|k| T::of(PADE[k] / PADE[0]));
            let high = Mat::from_fn(n, n, |i, j| c[0] * a6[(i, j)] + c[1] * a4[(i, j)] + c[2] * a2[(i, j)]);
            let high = &a6 * high;
            Mat::from_fn(n, n, |i, j| {
                let one = if i == j { c[6] } else { T::zero() };
                high[(i, j)] + c[3] * a6[(i, j)] + c[4] * a4[(i, j)] + c[5] * a2[(i, j)] + one
            })
        };
        let odd = &a * sum([13, 11, 9, 7, 5, 3, 1]);
        let even = sum([12, 10, 8, 6, 4, 2, 0]);
        let mut y = (&even - &odd).partial_piv_lu().solve(&even + &odd);
        (0..squarings).for_each(|_| y = &y * &y);
        write(y.as_ref(), out)
    }
}
