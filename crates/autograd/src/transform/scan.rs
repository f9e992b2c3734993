//! `scan`: a loop that carries a value from step to step, as one node of the tape. The backward pass recomputes the loop
//! piece by piece, so that only one piece and the carries are in memory (Griewank and Walther, *Revolve*, 2000).

use super::point::{Point, call};
use super::rule::{Function, Traced, adjoint, applied, by_rule, check_shape, function};
use super::shapes::{ahead, moved};
use super::vmap::mapped;
use crate::error::{Error, Result, or_panic};
use crate::float::Float;
use crate::tape::{Tape, Var};
use crate::tensor::{Shape, Tensor};
use std::ops::Range;

/// All carries of a loop over the first axis of `xs`: `carry[k] = body(carry[k - 1], xs[k], params…)`, stacked along a new first
/// axis. The body gets the carry first, then the step's slice of `xs`, then the parameters, and returns the next carry.
///
/// The loop is one node, and so is its gradient if that is recorded. In the backward pass it is recomputed in `pieces` pieces,
/// one at a time: this needs memory for the recording of one piece instead of the whole loop, at the cost of one more forward
/// computation. Derivatives of derivatives record all steps.
///
/// ```
/// use autograd::{Tape, tensor, transform::scan};
/// let tape = Tape::<f64>::new();
/// let (start, xs, a) = (tape.var(1.0), tape.var([1.0, 2.0, 3.0]), tape.var(0.5));
/// let y = scan(|x| x[0] * x[2] + x[1], &start, &xs, &[a], 2);
/// assert_eq!(y.value(), tensor![1.5, 2.75, 4.375]);
/// assert_eq!(y.index_axis(0, -1).backward().wrt(start).item(), 0.125);
/// ```
/// # Panics
/// If `xs` has no axis or no step, or the body returns another shape than that of the carry; [`try_scan`] returns the
/// error.
#[track_caller]
pub fn scan<T: Float, P: Point<T> + Clone, F>(body: F, carry: &P, xs: &P, params: &[P], pieces: usize) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    or_panic(try_scan(body, carry, xs, params, pieces))
}

/// Like [`scan`], but returns the error.
#[track_caller]
pub fn try_scan<T: Float, P: Point<T> + Clone, F>(
    body: F,
    carry: &P,
    xs: &P,
    params: &[P],
    pieces: usize,
) -> Result<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    let x: Vec<P> = [carry, xs].into_iter().chain(params).cloned().collect();
    by_rule(Loop { body: function(body), pieces: pieces.max(1), kept: Kept::All }, &x)
}

/// The last carry of a [`scan`], for loops where only the end matters: it stores only the carries between pieces, and records
/// one piece at a time in the backward pass. So 10,000 steps in 100 pieces take the memory of 200.
///
/// ```
/// use autograd::{tensor, transform::{fold, grad}};
/// let end = |x: &[autograd::Tensor<f64>]| fold(|x| x[0] * x[2] + x[1], &x[0], &x[1], &x[2..], 2);
/// let at = [tensor!(1.0).reshape(&[]), tensor![1.0, 2.0, 3.0], tensor!(0.5).reshape(&[])];
/// assert_eq!(end(&at).item(), 4.375);
/// let slopes = grad(|x| fold(|x| x[0] * x[2] + x[1], &x[0], &x[1], &x[2..], 2), &at);
/// assert_eq!(slopes[1], tensor![0.25, 0.5, 1.0]);
/// ```
/// # Panics
/// Same as [`scan`]; [`try_fold`] returns the error.
#[track_caller]
pub fn fold<T: Float, P: Point<T> + Clone, F>(body: F, carry: &P, xs: &P, params: &[P], pieces: usize) -> P::Out
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    or_panic(try_fold(body, carry, xs, params, pieces))
}

/// Like [`fold`], but returns the error.
#[track_caller]
pub fn try_fold<T: Float, P: Point<T> + Clone, F>(
    body: F,
    carry: &P,
    xs: &P,
    params: &[P],
    pieces: usize,
) -> Result<P::Out>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T> + Send + Sync + 'static,
{
    let x: Vec<P> = [carry, xs].into_iter().chain(params).cloned().collect();
    let rule = Loop { body: function(body), pieces: pieces.max(1), kept: Kept::Ends };
    let mut last = P::run("scan", &x, &|x| Ok(vec![applied(rule.clone(), x)?.index_axis(0, -1)]))?;
    Ok(last.swap_remove(0))
}

/// Which carries a loop returns.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kept {
    All,
    /// The carries at the ends of the pieces.
    Ends,
}

/// The rule of a loop: its inputs are the first carry, the slices, and the parameters.
#[derive(Clone)]
pub(super) struct Loop<T: Float> {
    pub(super) body: Function<T>,
    pub(super) pieces: usize,
    pub(super) kept: Kept,
}

/// The number of steps.
fn steps(xs: &Shape) -> Result<usize> {
    match xs.first() {
        Some(&steps) if steps > 0 => Ok(steps),
        _ => Err(Error::Shape {
            op: "scan",
            shape: xs.as_slice().into(),
            hint: "it takes at least one step along the first axis".into(),
        }),
    }
}

/// A piece of the loop, recorded: the variables of its inputs, and the carries that it returns.
struct Piece<'t, T: Float> {
    carry: Var<'t, T>,
    xs: Var<'t, T>,
    params: Vec<Var<'t, T>>,
    carries: Var<'t, T>,
}

impl<T: Float> Loop<T> {
    /// Runs some steps from `carry`, and returns their carries.
    fn steps<'t>(&self, mut carry: Var<'t, T>, xs: &[Var<'t, T>], params: &[Var<'t, T>]) -> Result<Vec<Var<'t, T>>> {
        let start = carry;
        let step = |x: &Var<'t, T>| {
            let args: Vec<Var<T>> = [carry, *x].into_iter().chain(params.iter().copied()).collect();
            carry = call("scan", &*self.body, &args)?;
            check_shape("scan", carry, start, "the shape of the carry")?;
            Ok(carry)
        };
        xs.iter().map(step).collect()
    }

    /// All steps, recorded.
    fn unrolled<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        let slices: Vec<Var<T>> = (0..steps(&x[1].shape())?).map(|k| x[1].index_axis(0, k as isize)).collect();
        Var::try_stack(&self.returned(&self.steps(x[0], &slices, &x[2..])?), 0)
    }

    /// The recorded carries that the loop returns.
    pub(super) fn returned<V: Clone>(&self, carries: &[V]) -> Vec<V> {
        match self.kept {
            Kept::All => carries.to_vec(),
            Kept::Ends => self.ranges(carries.len()).map(|range| carries[range.end - 1].clone()).collect(),
        }
    }

    /// The pieces, in order.
    fn ranges(&self, steps: usize) -> impl DoubleEndedIterator<Item = Range<usize>> + use<T> {
        let len = steps.div_ceil(self.pieces);
        (0..steps.div_ceil(len)).map(move |i| i * len..steps.min((i + 1) * len))
    }

    /// Where the results of piece `k` are among those of the loop.
    fn results(&self, k: usize, range: &Range<usize>) -> Range<usize> {
        match self.kept {
            Kept::All => range.clone(),
            Kept::Ends => k..k + 1,
        }
    }

    /// Records the steps of piece `k`, given the results `y` of the loop.
    fn piece<'t>(
        &self,
        tape: &'t Tape<T>,
        x: &[&Tensor<T>],
        y: &Tensor<T>,
        (k, range): (usize, &Range<usize>),
    ) -> Result<Piece<'t, T>> {
        let start = match self.results(k, range).start {
            0 => x[0].clone(),
            first => y.index_axis(0, first as isize - 1),
        };
        let (carry, xs) = (tape.var(start), tape.var(x[1].slice_axis(0, range.clone())));
        let params: Vec<Var<T>> = x[2..].iter().map(|&p| tape.var(p.clone())).collect();
        let slices: Vec<Var<T>> = (0..range.len()).map(|k| xs.index_axis(0, k as isize)).collect();
        let carries = self.steps(carry, &slices, &params)?;
        let carries = match self.kept {
            Kept::All => Var::try_stack(&carries, 0)?,
            Kept::Ends => carries[carries.len() - 1].try_unsqueeze(0)?,
        };
        Ok(Piece { carry, xs, params, carries })
    }
}

impl<T: Float> Traced<T> for Loop<T> {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn value(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let (mut tape, mut carry) = (Tape::new(), x[0].clone());
        let mut carries = Vec::new();
        for range in self.ranges(steps(&x[1].shape().into())?) {
            for k in range.clone() {
                tape.clear();
                let params: Vec<Var<T>> = x[2..].iter().map(|&p| tape.constant(p.clone())).collect();
                let slice = tape.constant(x[1].index_axis(0, k as isize));
                carry = self.steps(tape.constant(carry), &[slice], &params)?[0].peek();
                if self.kept == Kept::All || k + 1 == range.end {
                    carries.push(carry.clone());
                }
            }
        }
        Tensor::try_stack(&carries, 0)
    }

    fn pull_apart(&self, x: &[&Tensor<T>], y: &Tensor<T>, g: &Tensor<T>) -> Result<Vec<Tensor<T>>> {
        let mut carry_bar = Tensor::zeros(x[0].shape());
        let mut param_bars: Vec<Tensor<T>> = x[2..].iter().map(|p| Tensor::zeros(p.shape())).collect();
        let mut slice_bars = Tensor::zeros(x[1].shape());
        let each: usize = x[1].shape()[1..].iter().product();
        let ranges: Vec<Range<usize>> = self.ranges(x[1].shape()[0]).collect();
        for (k, range) in ranges.iter().enumerate().rev() {
            let (tape, results) = (Tape::new(), self.results(k, range));
            let piece = self.piece(&tape, x, y, (k, range))?;
            // The carry that the piece passes on receives a cotangent from the steps after it.
            let last = carry_bar.reshape(&ahead(1, x[0].shape()));
            let behind = match results.len() {
                1 => last,
                n => Tensor::concat(&[Tensor::zeros(&ahead(n - 1, x[0].shape())), last], 0),
            };
            let gradients = piece.carries.try_vjp(g.slice_axis(0, results) + behind)?;
            carry_bar = gradients.wrt(piece.carry);
            let here = &mut slice_bars.make_mut()[range.start * each..range.end * each];
            here.iter_mut().zip(gradients.wrt(piece.xs).iter()).for_each(|(bar, g)| *bar = g);
            param_bars.iter_mut().zip(&piece.params).for_each(|(bar, p)| *bar = &*bar + gradients.wrt(*p));
        }
        Ok([carry_bar, slice_bars].into_iter().chain(param_bars).collect())
    }

    /// The gradient as one node too.
    fn pull<'t>(&self, x: &[Var<'t, T>], y: Var<'t, T>, g: Var<'t, T>) -> Result<Vec<Var<'t, T>>> {
        adjoint(self.clone(), x, y, g)
    }

    fn push_apart(&self, x: &[&Tensor<T>], y: &Tensor<T>, t: &[Option<&Tensor<T>>]) -> Result<Option<Tensor<T>>> {
        let mut carry_dot = t[0].cloned();
        let mut dots = Vec::new();
        for (k, range) in self.ranges(x[1].shape()[0]).enumerate() {
            let tape = Tape::new();
            let piece = self.piece(&tape, x, y, (k, &range))?;
            let mut along: Vec<(Var<T>, Tensor<T>)> = Vec::new();
            along.extend(carry_dot.map(|dot| (piece.carry, dot)));
            along.extend(t[1].map(|dot| (piece.xs, dot.slice_axis(0, range.clone()))));
            along.extend(piece.params.iter().zip(&t[2..]).filter_map(|(p, dot)| dot.map(|dot| (*p, dot.clone()))));
            let dot = piece.carries.try_jvp(&along)?;
            carry_dot = Some(dot.index_axis(0, -1));
            dots.push(dot);
        }
        Tensor::try_concat(&dots, 0).map(Some)
    }

    fn push<'t>(&self, x: &[Var<'t, T>], _: Var<'t, T>, t: &[Option<Var<'t, T>>]) -> Result<Option<Var<'t, T>>> {
        let along: Vec<_> = x.iter().zip(t).filter_map(|(x, t)| t.map(|t| (*x, t))).collect();
        self.unrolled(x)?.try_jvp_recorded(&along).map(Some)
    }

    fn records(&self) -> bool {
        true
    }

    fn record<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        self.unrolled(x)
    }

    /// One loop whose body does the steps of all samples.
    fn map<'t>(&self, x: &[Var<'t, T>], batched: &[bool], n: usize) -> Option<Result<Var<'t, T>>> {
        let body = self.body.clone();
        let axes: Vec<Option<isize>> = batched.iter().enumerate().map(|(i, b)| (*b || i == 0).then_some(0)).collect();
        let body = function(move |x| {
            let all = mapped("scan", &|x| Ok(vec![call("scan", &*body, x)?]), &axes, x);
            or_panic(all).swap_remove(0)
        });
        let mut all = x.to_vec();
        if !batched[0] {
            all[0] = x[0].broadcast_to(&ahead(n, &x[0].shape()));
        }
        if batched[1] {
            all[1] = x[1].permute(&moved(x[1].rank(), 0, 1, 1));
        }
        let carries = applied(Loop { body, ..*self }, &all);
        Some(carries.map(|y| y.permute(&moved(y.rank(), 1, 1, 0))))
    }
}
