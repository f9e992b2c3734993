//! Ordinary differential equations: y′ = f(t, y) from a start, at given times. The steps are a [`scan`](super::scan()), so the
//! derivatives are those of the steps that were taken (the discrete adjoint). Adaptive steps are [chosen again](super::anew)
//! for new values.

use super::anew::Anew;
use super::point::{Point, call};
use super::rule::{Function, applied, by_rule, function, known, recording};
use super::scan::{Kept, Loop};
use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;

/// How the steps are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Steps {
    /// The classical method of Runge and Kutta, of order 4, with this many equal steps between two times.
    Rk4(usize),
    /// Dormand and Prince's method of order 5, with steps whose estimated error is at most `atol + rtol · |y|`.
    Adaptive {
        /// Relative to the solution.
        rtol: f64,
        /// Absolute.
        atol: f64,
    },
}

/// The solution of `y′ = f(t, y, params…)` with y = `start` at the first of the increasing `times`: its values at all times,
/// along a new first axis. The function gets t (a scalar), y, and the parameters, and returns the slope, of the shape of y.
///
/// With adaptive steps, step sizes are computed from the values and count as constants in derivatives. A program chooses them
/// again for new values, and [`vmap`](super::vmap()) for each sample.
///
/// ```
/// use autograd::{tensor, transform::{Steps, grad, odeint}};
/// let adaptive = Steps::Adaptive { rtol: 1e-9, atol: 1e-12 };
/// let y = odeint(|x| x[1] * x[2], &tensor![1.0f64], &[0.0, 0.5, 1.0], &[tensor![-1.0]], adaptive);
/// assert!((y.at(&[2, 0]) - (-1f64).exp()).abs() < 1e-8);
/// // The end by the rate: t·exp(rate·t).
/// let slope = grad(|p| odeint(|x| x[1] * x[2], &p[0], &[0.0, 1.0], &p[1..], Steps::Rk4(50)).index_axis(0, -1).sum(), &[tensor![1.0f64], tensor![-1.0]]);
/// assert!((slope[1].item() - (-1f64).exp()).abs() < 1e-7);
/// ```
/// # Panics
/// If the times do not increase, the slope does not have the shape of y, or a step becomes too small, as at a singularity;
/// [`try_odeint`] returns the error.
#[track_caller]
pub fn odeint<T: Float, P: Point<T> + Clone, F>(f: F, start: &P, times: &[f64], params: &[P], steps: Steps) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    or_panic(try_odeint(f, start, times, params, steps))
}

/// Like [`odeint`], but returns the error.
#[track_caller]
pub fn try_odeint<T: Float, P: Point<T> + Clone, F>(
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
    let (f, times) = (function(f), times.to_vec());
    let x: Vec<P> = std::iter::once(start).chain(params).cloned().collect();
    match steps {
        Steps::Rk4(n) => {
            let mut y = P::run(OP, &x, &|x| Ok(vec![solution(&RK4, &f, x, equal(&times, n.max(1)), None)?]))?;
            Ok(y.swap_remove(0))
        }
        Steps::Adaptive { rtol, atol } => {
            let way = recording(move |x| {
                let (grid, carries) = adaptive(&f, x, &times, rtol, atol)?;
                solution(&DORMAND_PRINCE, &f, x, grid, Some(&carries))
            });
            by_rule(Anew { name: OP, f: way, deciding: x.len() }, &x)
        }
    }
}

/// The solution at the times, by the steps of a grid, whose carries may be known.
fn solution<'t, T: Float>(
    by: &'static Tableau,
    f: &Function<T>,
    x: &[Var<'t, T>],
    (grid, ends): Grid,
    carries: Option<&[Tensor<T>]>,
) -> Result<Var<'t, T>> {
    let (tape, steps, f) = (x[0].tape, grid.len() / 2, f.clone());
    let xs = tape.constant(Tensor::new(&[steps, 2], grid.iter().map(|&x| T::of(x)).collect()));
    let all: Vec<Var<T>> = [x[0], xs].into_iter().chain(x[1..].iter().copied()).collect();
    let body = function(move |x| or_panic(step(by, &f, x)).0);
    let scan = Loop { body, pieces: 1 + steps / 100, kept: Kept::All };
    let carries = match carries {
        Some(carries) => known(scan, &all, Tensor::try_stack(carries, 0)?),
        None => applied(scan, &all)?,
    };
    let at_times = carries.try_take(0, Tensor::new(&[ends.len()], ends))?;
    Var::try_concat(&[x[0].try_unsqueeze(0)?, at_times], 0)
}

pub(super) fn check_times(times: &[f64]) -> Result<()> {
    if times.len() < 2 || !times.windows(2).all(|pair| pair[0] < pair[1]) || !times.iter().all(|t| t.is_finite()) {
        let hint = format!("it takes at least two finite times that increase, not {times:?}");
        return Err(Error::Argument { op: OP, hint });
    }
    Ok(())
}

pub(super) const OP: &str = "odeint";

/// A method of Runge and Kutta: stage i is at c\[i\], after Σ a\[i\]\[j\]·k\[j\]; the step is Σ b\[j\]·k\[j\], and the difference to a
/// method of lower order estimates its error.
struct Tableau {
    c: &'static [f64],
    a: &'static [&'static [f64]],
    b: &'static [f64],
    error: &'static [f64],
}

const RK4: Tableau = Tableau {
    c: &[0.0, 0.5, 0.5, 1.0],
    a: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
    b: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
    error: &[],
};

/// Dormand and Prince, *A family of embedded Runge-Kutta formulae*, 1980.
const DORMAND_PRINCE: Tableau = Tableau {
    c: &[0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0],
    a: &[
        &[],
        &[0.2],
        &[3.0 / 40.0, 9.0 / 40.0],
        &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
        &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
        &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
        &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
    ],
    b: &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0, 0.0],
    error: &[71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0],
};

/// The next y and the estimated error of one step, from y, (t, h), and the parameters.
fn step<'t, T: Float>(by: &Tableau, f: &Function<T>, x: &[Var<'t, T>]) -> Result<(Var<'t, T>, Option<Var<'t, T>>)> {
    let (y, t, h) = (x[0], x[1].index_axis(0, 0), x[1].index_axis(0, 1));
    let mut slopes: Vec<Var<T>> = Vec::with_capacity(by.c.len());
    for (c, a) in by.c.iter().zip(by.a) {
        let at = weighted(a, &slopes).map_or(y, |sum| y + sum * h);
        let args: Vec<Var<T>> = [t + h * T::of(*c), at].into_iter().chain(x[2..].iter().copied()).collect();
        let slope = call(OP, &**f, &args)?;
        if slope.shape() != y.shape() {
            let hint = format!("the function must return the shape of y, {:?}", y.shape());
            return Err(Error::Shape { op: OP, shape: slope.shape().as_slice().into(), hint });
        }
        slopes.push(slope);
    }
    let next = weighted(by.b, &slopes).map_or(y, |sum| y + sum * h);
    Ok((next, weighted(by.error, &slopes).map(|sum| sum * h)))
}

/// Σ w·k over the weights that are not 0; `None` if there is none.
fn weighted<'t, T: Float>(w: &[f64], k: &[Var<'t, T>]) -> Option<Var<'t, T>> {
    let terms = w.iter().zip(k).filter(|(w, _)| **w != 0.0);
    terms.map(|(&w, &k)| k * T::of(w)).reduce(|a, b| a + b)
}

/// Steps as pairs of time and size, and the step that ends at each time but the first.
type Grid = (Vec<f64>, Vec<i64>);

fn equal(times: &[f64], n: usize) -> Grid {
    let (mut grid, mut ends) = (Vec::new(), Vec::new());
    for pair in times.windows(2) {
        let h = (pair[1] - pair[0]) / n as f64;
        (0..n).for_each(|k| grid.extend([pair[0] + k as f64 * h, h]));
        ends.push((grid.len() / 2 - 1) as i64);
    }
    (grid, ends)
}

/// Steps whose estimated errors are within the tolerances, and the carry after each.
fn adaptive<T: Float>(
    f: &Function<T>,
    x: &[Var<'_, T>],
    times: &[f64],
    rtol: f64,
    atol: f64,
) -> Result<(Grid, Vec<Tensor<T>>)> {
    if !(rtol >= 0.0 && atol > 0.0) {
        let hint = format!("the tolerances must be positive, not rtol {rtol} and atol {atol}");
        return Err(Error::Argument { op: OP, hint });
    }
    let (mut grid, mut ends, mut carries) = (Vec::new(), Vec::new(), Vec::new());
    let (mut y, mut size, mut tape) = (x[0].peek(), (times[1] - times[0]) / 10.0, Tape::new());
    for pair in times.windows(2) {
        let mut t = pair[0];
        while t < pair[1] {
            // If the rest is hardly longer than the step, take it in one step.
            let h = if t + 1.01 * size >= pair[1] { pair[1] - t } else { size };
            if h <= 16.0 * f64::EPSILON * t.abs().max(pair[1] - pair[0]) {
                let hint =
                    format!("the step became too small at t = {t}: the solution may be singular there, or not finite");
                return Err(Error::Argument { op: OP, hint });
            }
            tape.clear();
            let rest = x[1..].iter().map(|p| tape.constant(p.peek()));
            let at = Tensor::new(&[2], vec![T::of(t), T::of(h)]);
            let args: Vec<Var<T>> = [tape.constant(y.clone()), tape.constant(at)].into_iter().chain(rest).collect();
            let (next, error) = step(&DORMAND_PRINCE, f, &args)?;
            let (next, error) = (next.peek(), error.expect("the method estimates its error").peek());
            let size_of = |(e, (a, b)): (T, (T, T))| e.f64() / (atol + rtol * a.f64().abs().max(b.f64().abs()));
            let ratios = error.iter().zip(y.iter().zip(next.iter())).map(size_of);
            let mean = ratios.map(|r| r * r).sum::<f64>() / error.len().max(1) as f64;
            let ratio = mean.sqrt();
            if ratio <= 1.0 {
                grid.extend([t, h]);
                t = if h == pair[1] - t { pair[1] } else { t + h };
                y = next;
                carries.push(y.clone());
            }
            // NaN: the step was far too large.
            let factor = if ratio.is_finite() { (0.9 * ratio.powf(-0.2)).clamp(0.2, 5.0) } else { 0.1 };
            size = h * factor;
        }
        ends.push((grid.len() / 2 - 1) as i64);
    }
    Ok(((grid, ends), carries))
}
