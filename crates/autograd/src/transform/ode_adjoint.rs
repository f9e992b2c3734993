//! Differential equations with the continuous adjoint: the cotangent of a solution solves another equation, backward in time.

use super::ode::{OP, Steps, check_times, try_odeint};
use super::point::{Point, call};
use super::rule::{Function, Traced, by_rule, function, joined, split};
use crate::error::{Result, or_panic};
use crate::float::Float;
use crate::tape::Var;
use crate::tensor::{Shape, Tensor};

/// The solution that [`odeint`](super::odeint()) gives, differentiated by the continuous adjoint: the cotangent of the solution
/// follows another differential equation, which is solved backward in time by the same kind of steps (Pontryagin, 1962; Chen et
/// al., *Neural ordinary differential equations*, 2018).
///
/// The backward pass stores no intermediate steps, only the values at `times`; its result is that of the equation, and differs
/// from the derivative of the steps by the error of the steps. [`odeint`](super::odeint()) gives the derivative of the steps
/// exactly, at the cost of one carry for each. Forward mode is that of the steps. A program chooses adaptive steps again for
/// new values, both of the solution and of its adjoint.
///
/// ```
/// use autograd::{tensor, transform::{Steps, grad, odeint_adjoint}};
/// let fine = Steps::Adaptive { rtol: 1e-9, atol: 1e-12 };
/// let slope = grad(
///     |p| odeint_adjoint(|x| x[1] * x[2], &p[0], &[0.0, 1.0], &p[1..], fine).index_axis(0, -1).sum(),
///     &[tensor![1.0f64], tensor![-1.0]],
/// );
/// assert!((slope[1].item() - (-1f64).exp()).abs() < 1e-7); // by the rate: t·exp(rate·t)
/// ```
/// # Panics
/// Same as [`odeint`](super::odeint()); [`try_odeint_adjoint`] returns the error.
#[track_caller]
pub fn odeint_adjoint<T: Float, P: Point<T> + Clone, F>(
    f: F,
    start: &P,
    times: &[f64],
    params: &[P],
    steps: Steps,
) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    or_panic(try_odeint_adjoint(f, start, times, params, steps))
}

/// Like [`odeint_adjoint`], but returns the error.
#[track_caller]
pub fn try_odeint_adjoint<T: Float, P: Point<T> + Clone, F>(
    f: F,
    start: &P,
    times: &[f64],
    params: &[P],
    steps: Steps,
) -> Result<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    check_times(times)?;
    let x: Vec<P> = std::iter::once(start).chain(params).cloned().collect();
    by_rule(Continuous { f: function(f), times: times.to_vec(), steps }, &x)
}

/// The rule of a solution with the continuous adjoint: its inputs are the start and the parameters.
struct Continuous<T: Float> {
    f: Function<T>,
    times: Vec<f64>,
    steps: Steps,
}

impl<T: Float> Continuous<T> {
    /// The solution, recorded step by step.
    fn solution<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        let f = self.f.clone();
        try_odeint(move |x| f(x), &x[0], &self.times, &x[1..], self.steps)
    }

    /// The slope of y, its cotangent a and those of the parameters, all in one vector, by the reversed time s = -t:
    /// y′ = -f, a′ = aᵀ ∂f/∂y, p̄′ = aᵀ ∂f/∂p.
    fn reversed(&self, shapes: Vec<Shape>) -> Function<T> {
        let f = self.f.clone();
        function(move |x| {
            let (state, params) = (or_panic(split(x[1], &shapes)), &x[2..]);
            let at: Vec<Var<T>> = [-x[0], state[0]].into_iter().chain(params.iter().copied()).collect();
            let slope = or_panic(call(OP, &*f, &at));
            let bars = slope.grad_with(state[1], &at[1..], true);
            or_panic(joined(&std::iter::once(-slope).chain(bars).collect::<Vec<_>>()))
        })
    }
}

impl<T: Float> Traced<T> for Continuous<T> {
    fn name(&self) -> &'static str {
        OP
    }

    fn pull<'t>(&self, x: &[Var<'t, T>], y: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        let params = &x[1..];
        let shapes: Vec<Shape> = [x[0], x[0]].iter().chain(params).map(|x| x.shape()).collect();
        let zeros = params.iter().map(|p| p.tape.constant(Tensor::zeros(&p.shape())));
        let last = self.times.len() - 1;
        let mut bars: Vec<Var<T>> = std::iter::once(g.index_axis(0, last as isize)).chain(zeros).collect();
        for k in (0..last).rev() {
            let at = y.index_axis(0, k as isize + 1);
            let start = joined(&std::iter::once(at).chain(bars).collect::<Vec<_>>())?;
            let (slope, span) = (self.reversed(shapes.clone()), [-self.times[k + 1], -self.times[k]]);
            let way = try_odeint(move |x| slope(x), &start, &span, params, self.steps)?;
            bars = split(way.index_axis(0, -1), &shapes)?.split_off(1);
            bars[0] = bars[0].try_add(g.index_axis(0, k as isize))?;
        }
        Ok(bars)
    }

    fn push<'t>(&self, x: &[Var<'t, T>], _: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        let along: Vec<_> = x.iter().zip(t).filter_map(|(x, t)| t.map(|t| (*x, t))).collect();
        self.solution(x)?.try_jvp_recorded(&along).map(Some)
    }

    fn records(&self) -> bool {
        true
    }

    fn record<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        self.solution(x)
    }
}
