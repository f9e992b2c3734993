//! `while_loop`: a loop whose number of trips follows from the values. In the backward pass it is the [scan](super::scan()) of
//! the trips that were made.

use super::point::{Point, call};
use super::rule::{Function, Traced, adjoint, by_rule, check_shape, function};
use super::scan::{Kept, Loop};
use super::shapes::ahead;
use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::tape::{Mask, Tape, Var};
use crate::tensor::Tensor;

/// The carry after a loop: as long as `condition(carry, params…)` holds, `carry = body(carry, params…)`. At most `most` trips:
/// a loop that goes on after them is an error.
///
/// The loop is one node, and a program replays it with as many trips as the new values take. Derivatives are those of the
/// trips that were made: the condition has none. The backward pass makes the trips again and records √n of them at a time.
/// Forward mode and derivatives of derivatives record every trip, which a program would freeze:
/// [`compile`](crate::compile()) refuses those. [`vmap`](super::vmap()) runs the loop sample by sample.
///
/// ```
/// use autograd::{Tape, Var, transform::while_loop};
/// /// Newton's iteration for √a, until it is accurate.
/// fn root<'t>(a: Var<'t, f64>) -> Var<'t, f64> {
///     while_loop(|x| (x[0].square() - x[1]).abs().is_gt(1e-12), |x| (x[0] + x[1] / x[0]) * 0.5, &a, &[a], 50)
/// }
/// let tape = Tape::<f64>::new();
/// let a = tape.var(2.0);
/// let y = root(a);
/// assert!((y.item() - 2f64.sqrt()).abs() < 1e-12);
/// assert!((y.backward().wrt(a).item() - 0.5 / 2f64.sqrt()).abs() < 1e-12);
/// ```
/// # Panics
/// If the loop goes on after `most` trips, the condition does not have exactly one element, or the body returns another
/// shape than that of the carry; [`try_while_loop`] returns the error.
#[track_caller]
pub fn while_loop<T: Float, P: Point<T> + Clone, C, F>(
    condition: C,
    body: F,
    start: &P,
    params: &[P],
    most: usize,
) -> P::Out
where
    C: for<'t> Fn(&[Var<'t, T>]) -> Mask<'t, T> + Send + Sync + 'static,
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    or_panic(try_while_loop(condition, body, start, params, most))
}

/// Like [`while_loop`], but returns the error.
#[track_caller]
pub fn try_while_loop<T: Float, P: Point<T> + Clone, C, F>(
    condition: C,
    body: F,
    start: &P,
    params: &[P],
    most: usize,
) -> Result<P::Out>
where
    C: for<'t> Fn(&[Var<'t, T>]) -> Mask<'t, T> + Send + Sync + 'static,
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    let x: Vec<P> = std::iter::once(start).chain(params).cloned().collect();
    by_rule(While { condition: function(move |x| condition(x).indicator()), body: function(body), most }, &x)
}

const OP: &str = "while_loop";

/// The rule of a loop: its inputs are the first carry and the parameters.
#[derive(Clone)]
struct While<T: Float> {
    /// 1 where the loop goes on.
    condition: Function<T>,
    body: Function<T>,
    most: usize,
}

/// The trips of a loop as a scan: its inputs, and the carries that it returns.
struct Trips<T: Float> {
    scan: Loop<T>,
    inputs: Vec<Tensor<T>>,
    carries: Tensor<T>,
}

impl<T: Float> While<T> {
    /// Whether the loop makes another trip after `trips`. Notes that it read the condition.
    fn goes_on<'t>(&self, x: &[Var<'t, T>], trips: usize) -> Result<bool> {
        let condition = call(OP, &*self.condition, x)?;
        x[0].tape.note_read(condition.id, condition.line());
        let goes_on = condition.peek().try_item()? != T::zero();
        if goes_on && trips == self.most {
            let hint = format!("the condition still holds after {trips} trips: allow more, or start nearer to the end");
            return Err(Error::Argument { op: OP, hint });
        }
        Ok(goes_on)
    }

    /// The carry after one more trip.
    fn trip<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        let carry = call(OP, &*self.body, x)?;
        check_shape(OP, carry, x[0], "the shape of the carry")?;
        Ok(carry)
    }

    /// The carries after each trip.
    fn carries(&self, x: &[&Tensor<T>]) -> Result<Vec<Tensor<T>>> {
        let (mut tape, mut carries) = (Tape::new(), Vec::new());
        loop {
            tape.clear();
            let carry = carries.last().unwrap_or(x[0]).clone();
            let args: Vec<Var<T>> =
                std::iter::once(carry).chain(x[1..].iter().map(|&p| p.clone())).map(|x| tape.constant(x)).collect();
            if !self.goes_on(&args, carries.len())? {
                return Ok(carries);
            }
            carries.push(self.trip(&args)?.peek());
        }
    }

    /// The loop as a scan over its trips, at inputs `x`. `None` if there is no trip.
    fn as_scan(&self, x: &[&Tensor<T>]) -> Result<Option<Trips<T>>> {
        let carries = self.carries(x)?;
        if carries.is_empty() {
            return Ok(None);
        }
        let body = self.body.clone();
        let body = function(move |x| {
            let args: Vec<Var<T>> = std::iter::once(x[0]).chain(x[2..].iter().copied()).collect();
            body(&args)
        });
        let slices = Tensor::zeros(&[carries.len()]);
        let inputs = [x[0].clone(), slices].into_iter().chain(x[1..].iter().map(|&p| p.clone())).collect();
        let pieces = carries.len().isqrt();
        Ok(Some(Trips {
            scan: Loop { body, pieces, kept: Kept::All },
            inputs,
            carries: Tensor::try_stack(&carries, 0)?,
        }))
    }
}

impl<T: Float> Traced<T> for While<T> {
    fn name(&self) -> &'static str {
        OP
    }

    fn value(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        Ok(self.carries(x)?.pop().unwrap_or_else(|| x[0].clone()))
    }

    fn pull_apart(&self, x: &[&Tensor<T>], y: &Tensor<T>, g: &Tensor<T>) -> Result<Vec<Tensor<T>>> {
        let Some(Trips { scan, inputs, carries }) = self.as_scan(x)? else {
            let zeros = x[1..].iter().map(|p| Tensor::zeros(p.shape()));
            return Ok(std::iter::once(g.clone()).chain(zeros).collect());
        };
        // Only the last carry has a cotangent.
        let last = g.reshape(&ahead(1, y.shape()));
        let before = Tensor::zeros(&ahead(carries.shape()[0] - 1, y.shape()));
        let g = Tensor::concat(&[before, last], 0);
        let mut bars = scan.pull_apart(&inputs.iter().collect::<Vec<_>>(), &carries, &g)?;
        bars.remove(1);
        Ok(bars)
    }

    fn pull<'t>(&self, x: &[Var<'t, T>], y: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        adjoint(self.clone(), x, y, g)
    }

    fn push_apart(&self, x: &[&Tensor<T>], _: &Tensor<T>, t: &[Option<&Tensor<T>>]) -> Result<Option<Tensor<T>>> {
        let Some(Trips { scan, inputs, carries }) = self.as_scan(x)? else { return Ok(t[0].cloned()) };
        let t: Vec<_> = [t[0], None].into_iter().chain(t[1..].iter().copied()).collect();
        let dots = scan.push_apart(&inputs.iter().collect::<Vec<_>>(), &carries, &t)?;
        Ok(dots.map(|dots| dots.index_axis(0, -1)))
    }

    fn push<'t>(&self, x: &[Var<'t, T>], _: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        let along: Vec<_> = x.iter().zip(t).filter_map(|(x, t)| t.map(|t| (*x, t))).collect();
        let y = self.record(x)?;
        // A loop without a trip is its start.
        if y.id == x[0].id { Ok(t[0]) } else { y.try_jvp_recorded(&along).map(Some) }
    }

    fn record<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        let (mut args, mut trips) = (x.to_vec(), 0);
        while self.goes_on(&args, trips)? {
            args[0] = self.trip(&args)?;
            trips += 1;
        }
        Ok(args[0])
    }
}
