//! `while_loop`: a loop whose number of iterations depends on values. Its derivatives are those of a [scan](super::scan())
//! over the iterations that were made.

use super::anew::Anew;
use super::point::{Point, call};
use super::rule::{Function, by_rule, check_shape, function, known, recording};
use super::scan::{Kept, Loop};
use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::tape::{Mask, Tape, Var};
use crate::tensor::Tensor;

/// The carry after a loop: as long as `condition(carry, params…)` holds, `carry = body(carry, params…)`. The loop runs at most
/// `most` iterations; a loop that would continue after that is an error.
///
/// The loop is one node, and so is each of its derivatives: a program replays them with as many iterations as the new values
/// require. Derivatives are those of the iterations that were made: the condition has none. The backward pass repeats the
/// iterations and records √n of them at a time; higher derivatives record every iteration. [`vmap`](super::vmap()) runs the
/// loop sample by sample.
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
/// If the loop would continue after `most` iterations, the condition does not have exactly one element, or the body
/// returns another shape than that of the carry; [`try_while_loop`] returns the error.
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
    let this = While { condition: function(move |x| condition(x).indicator()), body: function(body), most };
    by_rule(Anew { name: OP, f: recording(move |x| this.recorded(x)), deciding: x.len() }, &x)
}

const OP: &str = "while_loop";

/// A loop, whose inputs are the first carry and the parameters.
struct While<T: Float> {
    /// 1 where the loop continues.
    condition: Function<T>,
    body: Function<T>,
    most: usize,
}

impl<T: Float> While<T> {
    /// Whether the loop makes another iteration after `trips`.
    fn goes_on(&self, x: &[Var<'_, T>], trips: usize) -> Result<bool> {
        let condition = call(OP, &*self.condition, x)?.peek();
        if condition.len() != 1 {
            let hint = "the condition must be one value: compare a sum or a maximum of the elements".into();
            return Err(Error::Shape { op: OP, shape: condition.shape().into(), hint });
        }
        let goes_on = condition.try_item()? != T::zero();
        if goes_on && trips == self.most {
            let hint = format!("the condition still holds after {trips} trips: allow more, or start nearer to the end");
            return Err(Error::Argument { op: OP, hint });
        }
        Ok(goes_on)
    }

    /// The carries after each iteration.
    fn carries(&self, x: &[Var<'_, T>]) -> Result<Vec<Tensor<T>>> {
        let (mut tape, mut carries) = (Tape::new(), Vec::new());
        loop {
            tape.clear();
            let carry = carries.last().cloned().unwrap_or_else(|| x[0].peek());
            let values = std::iter::once(carry).chain(x[1..].iter().map(|p| p.peek()));
            let args: Vec<Var<T>> = values.map(|x| tape.constant(x)).collect();
            if !self.goes_on(&args, carries.len())? {
                return Ok(carries);
            }
            let carry = call(OP, &*self.body, &args)?;
            check_shape(OP, carry, args[0], "the shape of the carry")?;
            carries.push(carry.peek());
        }
    }

    /// The last carry: that of a scan over as many iterations as the values require.
    fn recorded<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        let carries = self.carries(x)?;
        let trips = carries.len();
        if trips == 0 {
            return Ok(x[0]);
        }
        let body = self.body.clone();
        let body = function(move |x| {
            let args: Vec<Var<T>> = std::iter::once(x[0]).chain(x[2..].iter().copied()).collect();
            body(&args)
        });
        let scan = Loop { body, pieces: trips.isqrt(), kept: Kept::Ends };
        let ends = Tensor::try_stack(&scan.returned(&carries), 0)?;
        let slices = x[0].tape.constant(Tensor::zeros(&[trips]));
        let inputs: Vec<Var<T>> = [x[0], slices].into_iter().chain(x[1..].iter().copied()).collect();
        Ok(known(scan, &inputs, ends).index_axis(0, -1))
    }
}
