//! Implicit functions: the solution of an equation as a function of its parameters, differentiated by the implicit function
//! theorem. A solver finds the solution; one linear solve gives the derivative, regardless of the solver.

use super::krylov::least_squares;
use super::linearized::solve;
use super::point::{Point, call, scalar};
use super::rule::{Recording, Traced, by_rule, check_shape, recording};
use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::op::Op;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;
use crate::value::Value;
use std::collections::VecDeque;

/// How a solution is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Newton's method: a linear solve per step.
    Newton,
    /// Repeated application of the function, for fixed points of contractions: z ← z + damping · (g(z) - z).
    Iteration {
        /// The part of each step that is taken; 1 is plain iteration.
        damping: f64,
    },
    /// Iteration, accelerated by the combination of the last steps whose residuals nearly cancel (Anderson, 1965): far fewer
    /// steps than plain iteration, and no derivative.
    Anderson {
        /// How many steps are combined; 5 is common.
        memory: usize,
    },
    /// The start is already the solution; it is only checked.
    Given,
}

/// How the linear systems are solved: those of Newton's steps and those of derivatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linear {
    /// By factorizing the Jacobian, which takes n² memory.
    #[cfg(feature = "linalg")]
    Dense,
    /// By GMRES, from products of the Jacobian with vectors: each takes one sweep, and the Jacobian is never formed.
    Gmres,
    /// By conjugate gradients, likewise, for symmetric definite Jacobians such as those of [`argmin`].
    ConjugateGradients,
}

/// Settings of a solver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Solver {
    /// How the solution is found. Defaults to Newton's method.
    pub method: Method,
    /// How linear systems are solved. Defaults to a factorization with the feature `linalg`, and to GMRES without it.
    pub linear: Linear,
    /// The largest residual of a solution, in any element. Defaults to 1e-10 in `f64`; in `f32` it is at least 1e-5.
    pub tolerance: f64,
    /// The largest number of steps. Defaults to 100.
    pub most: usize,
}

impl Default for Solver {
    fn default() -> Self {
        #[cfg(feature = "linalg")]
        let linear = Linear::Dense;
        #[cfg(not(feature = "linalg"))]
        let linear = Linear::Gmres;
        Solver { method: Method::Newton, linear, tolerance: 1e-10, most: 100 }
    }
}

/// The solution z of `f(z, params) = 0` near a start, as a function of the parameters. The function gets z first, then the
/// parameters, and returns a residual of the shape of z.
///
/// Derivatives of any order follow from the residual at the solution: ∂z/∂p = -(∂f/∂z)⁻¹ ∂f/∂p.
///
/// ```
/// use autograd::{Tape, tensor, transform::{Linear, Solver, root}};
/// let tape = Tape::<f64>::new();
/// let a = tape.var([2.0]);
/// let solver = Solver { linear: Linear::Gmres, ..Solver::default() };
/// let z = root(|x| x[0].square() - x[1], &tensor![1.0], &[a], solver); // √a
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
    const OP: &str = "root";
    equation(OP, recording(move |x| call(OP, &f, x)), start, params, solver)
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
/// Same as [`root`]; [`try_fixed_point`] returns the error.
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
    const OP: &str = "fixed_point";
    let residual = recording(move |x| {
        let y = call(OP, &f, x)?;
        check_shape(OP, y, x[0], "the shape of z")?;
        y.try_sub(x[0])
    });
    equation(OP, residual, start, params, solver)
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
/// Same as [`root`], and if the function is not scalar; [`try_argmin`] returns the error.
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
    const OP: &str = "argmin";
    let gradient = recording(move |x| {
        let y = call(OP, &f, x)?;
        scalar(OP, y)?;
        Ok(y.try_grad(&x[..1])?[0])
    });
    equation(OP, gradient, start, params, solver)
}

#[track_caller]
fn equation<T: Float, P: Point<T>>(
    op: &'static str,
    residual: Recording<T>,
    start: &Tensor<T>,
    params: &[P],
    solver: Solver,
) -> Result<P::Out> {
    by_rule(Equation { op, residual, start: start.clone(), solver }, params)
}

/// The rule of a solution: its inputs are the parameters.
struct Equation<T: Float> {
    op: &'static str,
    /// A function of z and the parameters, which vanishes at the solution.
    residual: Recording<T>,
    start: Tensor<T>,
    solver: Solver,
}

impl<T: Float> Equation<T> {
    /// The residual at z.
    fn residual<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        let y = (self.residual)(x)?;
        check_shape(self.op, y, x[0], "the shape of z")?;
        Ok(y)
    }

    /// The result of c·J⁻¹ b, or of c·J⁻ᵀ b, where J is the derivative of the residual by z.
    fn solve<'t>(&self, x: &[Var<'t, T>], transposed: bool, b: Var<'t, T>, c: f64) -> Result<Var<'t, T>> {
        solve(self.op, &self.residual, self.solver.linear, x, transposed, b * T::of(c))
    }

    /// The inputs of the residual, as variables that depend on nothing: each derivative holds the others fixed.
    fn apart<'t>(z: Var<'t, T>, params: &[Var<'t, T>]) -> Result<Vec<Var<'t, T>>> {
        let own = |x: Var<'t, T>| Value::try_apply(Op::Reshape { shape: x.shape() }, &[&x]);
        std::iter::once(z).chain(params.iter().copied()).map(own).collect()
    }
}

/// The last steps of Anderson's iteration: changes of z and of the residual.
#[derive(Default)]
struct Steps {
    last: Option<(Vec<f64>, Vec<f64>)>,
    changes: VecDeque<(Vec<f64>, Vec<f64>)>,
}

impl Steps {
    /// The change of z, given z and its residual: the plain step, less the combination of earlier changes that explains most
    /// of the residual.
    fn next(&mut self, z: Vec<f64>, residual: Vec<f64>, memory: usize) -> Vec<f64> {
        let less = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
        if let Some((before, last)) = self.last.replace((z.clone(), residual.clone())) {
            self.changes.push_back((less(&z, &before), less(&residual, &last)));
            if self.changes.len() > memory {
                self.changes.pop_front();
            }
        }
        let slopes: Vec<Vec<f64>> = self.changes.iter().map(|(_, residual)| residual.clone()).collect();
        let mut step = residual.clone();
        for (c, (dz, dr)) in least_squares(&slopes, &residual).into_iter().zip(&self.changes) {
            step.iter_mut().zip(dz.iter().zip(dr)).for_each(|(step, (dz, dr))| *step -= c * (dz + dr));
        }
        step
    }
}

impl<T: Float> Traced<T> for Equation<T> {
    fn name(&self) -> &'static str {
        self.op
    }

    /// The solution.
    fn value(&self, params: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let Solver { method, tolerance, most, .. } = self.solver;
        let tolerance = tolerance.max(100.0 * T::EPSILON.f64());
        let (mut z, mut step, mut steps) = (self.start.clone(), 0, Steps::default());
        loop {
            let tape = Tape::new();
            let rest = params.iter().map(|&p| tape.constant(p.clone()));
            let x: Vec<Var<T>> = std::iter::once(tape.var(z.clone())).chain(rest).collect();
            let residual = self.residual(&x)?;
            let values: Vec<f64> = residual.peek().iter().map(Float::f64).collect();
            let size = values.iter().fold(0.0f64, |size, r| if r.is_nan() { f64::NAN } else { size.max(r.abs()) });
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
                Method::Newton => self.solve(&x, false, residual, -1.0)?.peek(),
                Method::Iteration { damping } => residual.peek() * T::of(damping),
                Method::Anderson { memory } => {
                    let change = steps.next(z.iter().map(Float::f64).collect(), values, memory);
                    Tensor::new(z.shape(), change.into_iter().map(T::of).collect())
                }
                Method::Given => unreachable!("it has returned"),
            };
            z = z + change;
            step += 1;
        }
    }

    /// -(∂f/∂z)⁻ᵀ g, then times ∂f/∂p.
    fn pull<'t>(&self, params: &[Var<'t, T>], z: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        let x = Self::apart(z, params)?;
        let lambda = self.solve(&x, true, g, -1.0)?;
        Ok(self.residual(&x)?.grad_with(lambda, &x, true).split_off(1))
    }

    /// -(∂f/∂z)⁻¹ ∂f/∂p t.
    fn push<'t>(&self, params: &[Var<'t, T>], z: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        let x = Self::apart(z, params)?;
        let along: Vec<_> = x[1..].iter().zip(t).filter_map(|(p, t)| t.map(|t| (*p, t))).collect();
        if along.is_empty() {
            return Ok(None);
        }
        let slope = self.residual(&x)?.try_jvp_recorded(&along)?;
        self.solve(&x, false, slope, -1.0).map(Some)
    }
}
