//! Linear systems whose matrix is the derivative J of a function: solved by a factorization, or from products with vectors
//! alone. The solution is differentiable, with respect to everything that the matrix and the right-hand side depend on.

use super::implicit::Linear;
#[cfg(feature = "linalg")]
use super::jacobian::by_rows;
use super::krylov::{Outcome, conjugate_gradients, gmres};
use super::rule::{Recording, Traced, applied};
use crate::error::{Error, Result};
use crate::float::Float;
#[cfg(feature = "linalg")]
use crate::op::Factor;
use crate::op::Op;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;
use crate::value::Value;

/// J⁻¹ b, or J⁻ᵀ b, where J is the derivative of `f` by the first of its inputs `x`, whose shape `f` returns.
pub(super) fn solve<'t, T: Float>(
    op: &'static str,
    f: &Recording<T>,
    by: Linear,
    x: &[Var<'t, T>],
    transposed: bool,
    b: Var<'t, T>,
) -> Result<Var<'t, T>> {
    match by {
        #[cfg(feature = "linalg")]
        Linear::Dense => dense(f(x)?, x[0], transposed, b),
        Linear::Gmres | Linear::ConjugateGradients => {
            let all: Vec<Var<T>> = std::iter::once(b).chain(x.iter().copied()).collect();
            applied(Linearized { op, f: f.clone(), by, transposed }, &all)
        }
    }
}

#[cfg(feature = "linalg")]
fn dense<'t, T: Float>(y: Var<'t, T>, z: Var<'t, T>, transposed: bool, b: Var<'t, T>) -> Result<Var<'t, T>> {
    let n: usize = z.shape().iter().product();
    let j = by_rows(y, &[z], true)?[0].try_reshape(&[n, n])?;
    let j = if transposed { j.permute(&[1, 0]) } else { j };
    let column = b.try_reshape(&[n, 1])?;
    Var::try_apply(Op::Linalg(Factor::Solve { strict: true }), &[&j, &column])?.try_reshape(&b.shape())
}

/// The rule of a solution from products: its inputs are the right-hand side, the point, and the parameters.
#[derive(Clone)]
struct Linearized<T: Float> {
    op: &'static str,
    f: Recording<T>,
    by: Linear,
    transposed: bool,
}

impl<T: Float> Linearized<T> {
    /// J v, or Jᵀ v, recorded at `x`.
    fn product<'t>(&self, x: &[Var<'t, T>], v: Var<'t, T>) -> Result<Var<'t, T>> {
        let y = (self.f)(x)?;
        Ok(match self.transposed {
            true => y.grad_with(v, &x[..1], true)[0],
            false => y.try_jvp_recorded(&[(x[0], v)])?,
        })
    }

    /// The inputs of the function, as variables that depend on nothing.
    fn apart<'t>(x: &[Var<'t, T>]) -> Result<Vec<Var<'t, T>>> {
        x.iter().map(|x| Value::try_apply(Op::Reshape { shape: x.shape() }, &[x])).collect()
    }
}

impl<T: Float> Traced<T> for Linearized<T> {
    fn name(&self) -> &'static str {
        "solve_linearized"
    }

    fn value(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let tape = Tape::new();
        let rest = x[2..].iter().map(|&p| tape.constant(p.clone()));
        let at: Vec<Var<T>> = std::iter::once(tape.var(x[1].clone())).chain(rest).collect();
        let (y, b) = ((self.f)(&at)?, x[0]);
        let product = |v: &[f64]| -> Result<Vec<f64>> {
            let v = Tensor::new(b.shape(), v.iter().map(|&v| T::of(v)).collect());
            let image = if self.transposed { y.try_vjp(v)?.wrt(at[0]) } else { y.try_jvp(&[(at[0], v)])? };
            Ok(image.iter().map(Float::f64).collect())
        };
        let right: Vec<f64> = b.iter().map(Float::f64).collect();
        let (tolerance, most) = (10.0 * T::EPSILON.f64(), 10 * right.len().max(10));
        let solver = if self.by == Linear::ConjugateGradients { conjugate_gradients } else { gmres };
        let Outcome { x, residual, products } = solver(&product, &right, tolerance, most)?;
        // A solution that misses the tolerance because of rounding is as good as the matrix allows.
        if residual.is_nan() || residual > tolerance.sqrt() {
            let hint = format!(
                "the linear system of the derivative is singular or badly conditioned: its relative residual is \
                 {residual:.1e} after {products} products"
            );
            return Err(Error::Argument { op: self.op, hint });
        }
        Ok(Tensor::new(b.shape(), x.into_iter().map(T::of).collect()))
    }

    /// The cotangent of b solves the transposed system; that of the matrix is -λ yᵀ, by way of the product λᵀ J y.
    fn pull<'t>(&self, x: &[Var<'t, T>], y: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        let mut all = x.to_vec();
        all[0] = g;
        let lambda = applied(Linearized { transposed: !self.transposed, ..self.clone() }, &all)?;
        let at = Self::apart(&x[1..])?;
        let bars = self.product(&at, y)?.grad_with(-lambda, &at, true);
        Ok(std::iter::once(lambda).chain(bars).collect())
    }

    /// J ẏ = ḃ - J̇ y.
    fn push<'t>(&self, x: &[Var<'t, T>], y: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        let at = Self::apart(&x[1..])?;
        let along: Vec<_> = at.iter().zip(&t[1..]).filter_map(|(x, t)| t.map(|t| (*x, t))).collect();
        let moved = if along.is_empty() { None } else { Some(-self.product(&at, y)?.try_jvp_recorded(&along)?) };
        let right = match (t[0], moved) {
            (Some(b), Some(moved)) => b.try_add(moved)?,
            (b, moved) => match b.or(moved) {
                Some(right) => right,
                None => return Ok(None),
            },
        };
        let mut all = x.to_vec();
        all[0] = right;
        applied(self.clone(), &all).map(Some)
    }
}
