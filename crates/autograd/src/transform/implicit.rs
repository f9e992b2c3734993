//! Implicit functions: the solution of an equation as a function of its parameters, differentiated by the implicit function
//! theorem. A solver finds the solution; one linear solve gives the derivative, whatever the solver did.

use super::jacobian::by_rows;
use super::point::{Point, by_rule, call};
use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::op::{Factor, Op};
use crate::rules::Cotangents;
use crate::tape::{DynRule, Tape, Var};
use crate::tensor::{Shape, Tensor};
use crate::value::Value;
use std::sync::Arc;

/// How a solution is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Newton's method: a Jacobian and a linear solve per step.
    Newton,
    /// Repeated application of the function, for fixed points of contractions: z ← z + damping · (g(z) - z).
    Iteration {
        /// The part of each step that is taken; 1 is plain iteration.
        damping: f64,
    },
    /// The start is the solution, found elsewhere; it is only checked.
    Given,
}

/// Settings of a solver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Solver {
    /// How the solution is found. Defaults to Newton's method.
    pub method: Method,
    /// The largest residual of a solution, in any element. Defaults to 1e-10 in `f64`; in `f32` it is at least 1e-5.
    pub tolerance: f64,
    /// The largest number of steps. Defaults to 100.
    pub most: usize,
}

impl Default for Solver {
    fn default() -> Self {
        Solver { method: Method::Newton, tolerance: 1e-10, most: 100 }
    }
}

/// The solution z of `f(z, params) = 0` near a start, as a function of the parameters. The function gets z first, then the
/// parameters, and returns a residual of the shape of z.
///
/// Derivatives of any order follow from the residual at the solution: ∂z/∂p = -(∂f/∂z)⁻¹ ∂f/∂p.
///
/// ```
/// use autograd::{Tape, tensor, transform::{Solver, root}};
/// let tape = Tape::<f64>::new();
/// let a = tape.var([2.0]);
/// let z = root(|x| x[0].square() - x[1], &tensor![1.0], &[a], Solver::default()); // √a
/// assert!((z.value().item() - 2f64.sqrt()).abs() < 1e-10);
/// assert!((z.sum().backward().wrt(a).item() - 0.5 / 2f64.sqrt()).abs() < 1e-10);
/// ```
/// # Panics
/// If there is no parameter, the solver does not converge (the text gives residual and steps), the Jacobian is singular, or
/// the residual does not have the shape of z; [`try_root`] returns the error.
#[track_caller]
pub fn root<T: Float, P: Point<T>, F>(f: F, start: &Tensor<T>, params: &[P], solver: Solver) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    or_panic(try_root(f, start, params, solver))
}

/// Like [`root`], but returns the error.
#[track_caller]
pub fn try_root<T: Float, P: Point<T>, F>(f: F, start: &Tensor<T>, params: &[P], solver: Solver) -> Result<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    by_rule("root", Arc::new(Equation { op: "root", f, fixed: false, start: start.clone(), solver }), params)
}

/// The solution z of `z = f(z, params)` near a start, as a function of the parameters; see [`root`].
///
/// ```
/// use autograd::{tensor, transform::{Method, Solver, fixed_point}};
/// let solver = Solver { method: Method::Iteration { damping: 1.0 }, ..Solver::default() };
/// let z: autograd::Tensor<f64> = fixed_point(|x| (x[0] * x[1]).cos(), &tensor![0.0], &[tensor![1.0]], solver);
/// assert!((z.item() - 0.7390851332151607).abs() < 1e-9); // cos z = z
/// ```
/// # Panics
/// As [`root`]; [`try_fixed_point`] returns the error.
#[track_caller]
pub fn fixed_point<T: Float, P: Point<T>, F>(f: F, start: &Tensor<T>, params: &[P], solver: Solver) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    or_panic(try_fixed_point(f, start, params, solver))
}

/// Like [`fixed_point`], but returns the error.
#[track_caller]
pub fn try_fixed_point<T: Float, P: Point<T>, F>(
    f: F,
    start: &Tensor<T>,
    params: &[P],
    solver: Solver,
) -> Result<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    by_rule(
        "fixed_point",
        Arc::new(Equation { op: "fixed_point", f, fixed: true, start: start.clone(), solver }),
        params,
    )
}

/// The point z near a start where the gradient of a scalar function `f(z, params)` vanishes, as a function of the
/// parameters: a minimum, if the start is near one.
///
/// ```
/// use autograd::{tensor, transform::{Solver, argmin}};
/// let z = argmin(|x| (x[0] - x[1]).square().sum(), &tensor![0.0], &[tensor![3.0]], Solver::default());
/// assert_eq!(z, tensor![3.0]);
/// ```
/// # Panics
/// As [`root`], and if the function is not scalar; [`try_argmin`] returns the error.
#[track_caller]
pub fn argmin<T: Float, P: Point<T>, F>(f: F, start: &Tensor<T>, params: &[P], solver: Solver) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    or_panic(try_argmin(f, start, params, solver))
}

/// Like [`argmin`], but returns the error.
#[track_caller]
pub fn try_argmin<T: Float, P: Point<T>, F>(f: F, start: &Tensor<T>, params: &[P], solver: Solver) -> Result<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    try_root(move |x| f(x).grad(&[x[0]])[0], start, params, solver)
}

/// The rule of a solution: its inputs are the parameters.
struct Equation<T: Float, F> {
    op: &'static str,
    f: F,
    /// Whether a fixed point of the function is wanted, not a root.
    fixed: bool,
    start: Tensor<T>,
    solver: Solver,
}

impl<T: Float, F> Equation<T, F>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
{
    /// The residual at z.
    fn residual<'t>(&self, z: Var<'t, T>, params: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        let x: Vec<Var<T>> = std::iter::once(z).chain(params.iter().copied()).collect();
        let y = call(self.op, &self.f, &x)?;
        if y.shape() != z.shape() {
            let hint = format!("the function must return the shape of z, {:?}", z.shape());
            return Err(Error::Shape { op: self.op, shape: y.shape().as_slice().into(), hint });
        }
        if self.fixed { y.try_sub(z) } else { Ok(y) }
    }

    fn solve(&self, params: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let Solver { method, tolerance, most } = self.solver;
        let tolerance = tolerance.max(100.0 * T::EPSILON.f64());
        let mut z = self.start.clone();
        let mut step = 0;
        loop {
            let tape = Tape::new();
            let at = tape.var(z.clone());
            let params: Vec<Var<T>> = params.iter().map(|&p| tape.constant(p.clone())).collect();
            let residual = self.residual(at, &params)?;
            let size = residual
                .peek()
                .iter()
                .fold(0.0f64, |size, r| if r.is_nan() { f64::NAN } else { size.max(r.f64().abs()) });
            if size <= tolerance {
                return Ok(z);
            }
            if step == most || size.is_nan() || method == Method::Given {
                let hint = format!(
                    "no solution: the residual is {size:.3e} after {step} steps, above {tolerance:.1e}: start nearer, allow more \
                     steps, or choose another method"
                );
                return Err(Error::Argument { op: self.op, hint });
            }
            let change = match method {
                Method::Newton => linear(&jacobian(residual, at)?, false, residual, T::of(-1.0))?.peek(),
                Method::Iteration { damping } => residual.peek() * T::of(damping),
                Method::Given => unreachable!("it has returned"),
            };
            z = z + change;
            step += 1;
        }
    }

    /// -(∂f/∂z)⁻ᵀ g, then times ∂f/∂p.
    fn pull<'t>(&self, params: &[Var<'t, T>], z: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        // The residual sees z as a variable of its own.
        let z: Var<T> = Value::try_apply(Op::Reshape { shape: z.shape() }, &[&z])?;
        let residual = self.residual(z, params)?;
        let lambda = linear(&jacobian(residual, z)?, true, g, T::of(-1.0))?;
        let x: Vec<Var<T>> = std::iter::once(z).chain(params.iter().copied()).collect();
        Ok(residual.grad_with(lambda, &x, true).split_off(1))
    }

    /// -(∂f/∂z)⁻¹ ∂f/∂p t.
    fn push<'t>(&self, params: &[Var<'t, T>], z: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        let z: Var<T> = Value::try_apply(Op::Reshape { shape: z.shape() }, &[&z])?;
        let own = |p: &Var<'t, T>| Value::try_apply(Op::Reshape { shape: p.shape() }, &[p]);
        let params = params.iter().map(own).collect::<Result<Vec<Var<T>>>>()?;
        let residual = self.residual(z, &params)?;
        let along: Vec<_> = params.iter().zip(t).filter_map(|(p, t)| t.map(|t| (*p, t))).collect();
        if along.is_empty() {
            return Ok(None);
        }
        linear(&jacobian(residual, z)?, false, residual.jvp_recorded(&along), T::of(-1.0)).map(Some)
    }

    /// Does some work on a tape of its own.
    fn apart<R>(&self, params: &[&Tensor<T>], work: impl for<'t> FnOnce(&'t Tape<T>, &[Var<'t, T>]) -> R) -> R {
        let tape = Tape::new();
        let params: Vec<Var<T>> = params.iter().map(|&p| tape.var(p.clone())).collect();
        work(&tape, &params)
    }
}

/// The Jacobian of the residual as a matrix.
fn jacobian<'t, T: Float>(residual: Var<'t, T>, z: Var<'t, T>) -> Result<Var<'t, T>> {
    let n: usize = z.shape().iter().product();
    by_rows(residual, &[z])?[0].try_reshape(&[n, n])
}

/// The solution of J x = c b, or of Jᵀ x = c b, in the shape of b.
fn linear<'t, T: Float>(j: &Var<'t, T>, transposed: bool, b: Var<'t, T>, c: T) -> Result<Var<'t, T>> {
    let (n, shape): (usize, Shape) = (j.shape()[0], b.shape());
    let j = if transposed { j.permute(&[1, 0]) } else { *j };
    let column = (b * c).try_reshape(&[n, 1])?;
    Var::try_apply(Op::Linalg(Factor::Solve { strict: true }), &[&j, &column])?.try_reshape(&shape)
}

impl<T: Float, F> DynRule<T> for Equation<T, F>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    fn rule_name(&self) -> &'static str {
        self.op
    }

    fn compute(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        self.solve(x)
    }

    fn vjp_computed(&self, x: &[&Tensor<T>], y: &Tensor<T>, g: &Tensor<T>) -> Cotangents<Tensor<T>> {
        self.apart(x, |tape, x| {
            let all = or_panic(self.pull(x, tape.constant(y.clone()), tape.constant(g.clone())));
            all.into_iter().map(|g| Some(g.peek())).collect()
        })
    }

    fn vjp_recorded<'t>(&self, x: &[&Var<'t, T>], y: &Var<'t, T>, g: &Var<'t, T>) -> Cotangents<Var<'t, T>> {
        let x: Vec<Var<T>> = x.iter().map(|x| **x).collect();
        or_panic(self.pull(&x, *y, *g)).into_iter().map(Some).collect()
    }

    fn jvp_computed(&self, x: &[&Tensor<T>], y: &Tensor<T>, t: &[Option<&Tensor<T>>]) -> Result<Option<Tensor<T>>> {
        self.apart(x, |tape, x| {
            let t: Vec<_> = t.iter().map(|t| t.map(|t| tape.constant(t.clone()))).collect();
            Ok(self.push(x, tape.constant(y.clone()), &t)?.map(Var::peek))
        })
    }

    fn jvp_recorded<'t>(
        &self,
        x: &[&Var<'t, T>],
        y: &Var<'t, T>,
        t: &[Option<&Var<'t, T>>],
    ) -> Result<Option<Var<'t, T>>> {
        let x: Vec<Var<T>> = x.iter().map(|x| **x).collect();
        self.push(&x, *y, &t.iter().map(|t| t.copied()).collect::<Vec<_>>())
    }
}
