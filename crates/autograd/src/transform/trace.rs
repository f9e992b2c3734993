//! Traces of second derivatives and of Jacobians: exact, or estimated from random directions.

use super::jacobian::{for_each, for_units, unknown};
use super::point::{Point, call, scalar};
use super::shapes::ahead;
use crate::error::{Error, Result, or_panic};
use crate::float::{Float, once};
use crate::kernel::random::Rng;
use crate::tape::Var;
use crate::tensor::Tensor;

/// The Laplacian of a scalar function, Σ ∂²f/∂xᵢ² over all elements of all inputs. Computes the second derivatives along
/// all axes together, which takes the memory of the Hessian; [`try_laplacian`] can estimate it from a few directions.
///
/// ```
/// use autograd::{tensor, transform::laplacian};
/// assert_eq!(laplacian(|x| (x[0] * x[0] * x[0]).sum(), &[tensor![1.0, 2.0]]).item(), 18.0);
/// ```
/// # Panics
/// If the function is not scalar; [`try_laplacian`] returns the error.
#[track_caller]
pub fn laplacian<T: Float, P: Point<T>, F>(f: F, x: &[P]) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_laplacian(f, x, Directions::All))
}

/// Like [`laplacian`], but returns the error, and can estimate the trace from random directions.
#[track_caller]
pub fn try_laplacian<T: Float, P: Point<T>, F>(f: F, x: &[P], directions: Directions) -> Result<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    let mut y = P::run("laplacian", x, &|x| {
        let y = call("laplacian", &f, x)?;
        scalar("laplacian", y)?;
        let gradient = y.try_grad(x)?;
        trace(&gradient, x, directions)
    })?;
    Ok(y.swap_remove(0))
}

/// The divergence of a vector field, Σ ∂fᵢ/∂xᵢ, for a function with one input and an output of its shape.
///
/// ```
/// use autograd::{tensor, transform::divergence};
/// assert_eq!(divergence(|x| x[0] * x[0], &tensor![1.0, 2.0]).item(), 6.0);
/// ```
/// # Panics
/// If the output does not have the shape of the input; [`try_divergence`] returns the error.
#[track_caller]
pub fn divergence<T: Float, P: Point<T> + Clone, F>(f: F, x: &P) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    or_panic(try_divergence(f, x, Directions::All))
}

/// Like [`divergence`], but returns the error, and can estimate the trace from random directions.
#[track_caller]
pub fn try_divergence<T: Float, P: Point<T> + Clone, F>(f: F, x: &P, directions: Directions) -> Result<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    let mut y = P::run("divergence", std::slice::from_ref(x), &|x| {
        let y = call("divergence", &f, x)?;
        if y.shape() != x[0].shape() {
            let hint = format!("the output must have the shape of the input, {:?}", x[0].shape());
            return Err(Error::Shape { op: "divergence", shape: y.shape().as_slice().into(), hint });
        }
        trace(&[y], x, directions)
    })?;
    Ok(y.swap_remove(0))
}

/// The directions along which a trace is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directions {
    /// Every axis: the exact trace.
    All,
    /// Random directions of ±1: an unbiased estimate, whose error shrinks with the square root of their number
    /// (Hutchinson, 1990).
    ///
    /// ```
    /// use autograd::{Tensor, transform::{Directions, try_laplacian}};
    /// let x = Tensor::<f64>::ones(&[1000]);
    /// let estimate = try_laplacian(|x| x[0].square().sum(), &[x], Directions::Random { count: 4, seed: 0 })?;
    /// assert_eq!(estimate.item(), 2000.0); // exact for a diagonal Hessian
    /// # Ok::<(), autograd::Error>(())
    /// ```
    Random {
        /// The number of directions.
        count: usize,
        /// The seed of the random numbers.
        seed: u64,
    },
}

once! {
    /// Σ ∂yᵢ/∂xᵢ, where each y has the shape of its x.
    fn trace<'t, T>(y: &[Var<'t, T>], x: &[Var<'t, T>], directions: Directions) -> Result<Vec<Var<'t, T>>> {
        let part = |(&y, &x): (&Var<'t, T>, &Var<'t, T>)| -> Result<Var<'t, T>> {
            let t = unknown(x);
            let slope = (t * y.try_jvp_recorded(&[(x, t)])?).sum();
            match directions {
                Directions::All => Ok(for_units(&[slope], t, true)?[0].sum()),
                Directions::Random { count: 0, .. } => {
                    Err(Error::Argument { op: "trace", hint: "give at least one random direction".into() })
                }
                Directions::Random { count, seed } => {
                    let shape = ahead(count, &x.shape());
                    let signs = Tensor::rand(&shape, &mut Rng::new(seed)).map(|u: T| if u < T::of(0.5) { -T::one() } else { T::one() });
                    Ok(for_each(&[slope], t, signs)?[0].mean())
                }
            }
        };
        let parts = y.iter().zip(x).map(part).collect::<Result<Vec<_>>>()?;
        Ok(parts.into_iter().reduce(|a, b| a + b).into_iter().collect())
    }
}
