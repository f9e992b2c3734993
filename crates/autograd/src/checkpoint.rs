//! Trades time for memory: the tape keeps only the inputs and the result of part of a computation. Intermediate values
//! are recomputed when a derivative needs them (Griewank and Walther, *Revolve*, 2000).

use crate::error::{Error, Result, or_panic};
use crate::float::{Few, Float, Precision};
use crate::op::Op;
use crate::rules::Cotangents;
use crate::tape::DynRule;
use crate::tape::Var;
use crate::tape::{Tape, same_tape};
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::panic::Location;
use std::sync::Arc;

/// Computes `f(x)` and records it as one node, to save memory.
///
/// The intermediate values of `f` are dropped; when a derivative is taken, `f` is called again to recompute them. A
/// chain of n steps in √n pieces therefore needs the memory of 2√n steps instead of n, at the cost of one more forward
/// computation. Derivatives are those of `f`, of any order, in forward and reverse mode. Contributions to an input that
/// several pieces share are added up piece by piece, and may therefore round differently.
///
/// `f` must compute the same value every time: its random numbers must come from a seed that it captures. Every value
/// to be differentiated must be passed through `x`, or through [`Tape::keyed`] as in layers; variables that it creates
/// are local to it.
///
/// ```
/// use autograd::{checkpoint, Tape, Tensor};
/// let tape = Tape::<f32>::new();
/// let (w, start) = (tape.var(Tensor::eye(8)), tape.constant(Tensor::ones(&[4, 8])));
/// let piece = |h, w| checkpoint(|x| (0..10).fold(x[0], |h, _| h.matmul(x[1]).tanh()), &[h, w]);
/// let loss = (0..10).fold(start, |h, _| piece(h, w)).sum(); // a hundred steps
/// assert_eq!(tape.len(), 2 + 10 + 1);
/// assert_eq!(loss.backward().wrt(w).shape(), [8, 8]);
/// ```
/// # Panics
/// Panics if there is no input or the inputs are on different tapes ([`try_checkpoint`] returns the error instead), or
/// if `f` panics.
#[track_caller]
pub fn checkpoint<'t, T: Float, F>(f: F, x: &[Var<'t, T>]) -> Var<'t, T>
where
    F: for<'a> Fn(&[Var<'a, T>]) -> Var<'a, T> + Send + Sync + 'static,
{
    or_panic(try_checkpoint(f, x))
}

/// Same as [`checkpoint`], or an error if the inputs are invalid.
#[track_caller]
pub fn try_checkpoint<'t, T: Float, F>(f: F, x: &[Var<'t, T>]) -> Result<Var<'t, T>>
where
    F: for<'a> Fn(&[Var<'a, T>]) -> Var<'a, T> + Send + Sync + 'static,
{
    let Some(&Var { tape, .. }) = x.first() else {
        return Err(Error::Argument { op: "checkpoint", hint: "give at least one input to determine the tape".into() });
    };
    same_tape("checkpoint", &x.iter().collect::<Vec<_>>())?;
    let mut piece = Piece {
        f,
        active: x.iter().map(|x| tape.is_active(x.id)).collect(),
        keys: Vec::new(),
        precision: tape.precision(),
    };
    let mut inputs: SmallVec<[u32; 4]> = x.iter().map(|x| x.id).few();
    let values: Vec<Tensor<T>> = x.iter().map(|x| x.peek()).collect();
    let values: Vec<&Tensor<T>> = values.iter().collect();
    let (value, keyed) = piece.run(&values, |_, y| {
        let keyed = |(key, var): (u64, Var<T>)| ((key, y.tape.is_active(var.id)), var.peek());
        (y.peek(), y.tape.keys().into_iter().map(keyed).collect::<Vec<_>>())
    });
    for (key, value) in keyed {
        inputs.push(by_key(tape, key, &value).id);
        piece.keys.push(key);
    }
    let id = tape.add_rule(Arc::new(piece));
    Ok(Var { tape, id: tape.structured(Op::Custom { id }, inputs, value, Location::caller()) })
}

/// Number of recent elements that the tape of a piece keeps: see [`Tape::lean`].
const RECENT: usize = 1 << 16;

/// The rule of a checkpoint's node.
struct Piece<F> {
    f: F,
    /// Which inputs derivatives can reach.
    active: Vec<bool>,
    /// The keys that `f` took from the tape, and whether derivatives can reach them. They are additional inputs, after
    /// those passed to `f`.
    keys: Vec<(u64, bool)>,
    /// The precision of the tape when the piece was recorded.
    precision: Precision,
}

fn by_key<'t, T: Float>(tape: &'t Tape<T>, (key, active): (u64, bool), value: &Tensor<T>) -> Var<'t, T> {
    if active { tape.keyed(key, value) } else { tape.keyed_constant(key, value) }
}

impl<F> Piece<F> {
    /// Calls `f` on a temporary tape, and passes the inputs and the result to `then`.
    fn run<T: Float, R>(&self, x: &[&Tensor<T>], then: impl for<'a> FnOnce(&[Var<'a, T>], Var<'a, T>) -> R) -> R
    where
        F: for<'a> Fn(&[Var<'a, T>]) -> Var<'a, T>,
    {
        // A lean tape, so that the piece uses no more memory than derivatives need.
        let tape = Tape::lean(RECENT);
        tape.set_precision(self.precision);
        let given = x.iter().zip(&self.active).map(|(&x, active)| match active {
            true => tape.var(x.clone()),
            false => tape.constant(x.clone()),
        });
        let mut vars: Vec<Var<T>> = given.collect();
        vars.extend(self.keys.iter().zip(&x[vars.len()..]).map(|(&key, x)| by_key(&tape, key, x)));
        then(&vars, self.call(&vars))
    }

    /// Calls `f` with the inputs passed to it, without those found by key.
    fn call<'a, T: Float>(&self, x: &[Var<'a, T>]) -> Var<'a, T>
    where
        F: Fn(&[Var<'a, T>]) -> Var<'a, T>,
    {
        x[0].tape.with_precision(self.precision, || (self.f)(&x[..self.active.len()]))
    }
}

impl<T: Float, F> DynRule<T> for Piece<F>
where
    F: for<'a> Fn(&[Var<'a, T>]) -> Var<'a, T> + Send + Sync + 'static,
{
    fn rule_name(&self) -> &'static str {
        "checkpoint"
    }

    fn compute(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        Ok(self.run(x, |_, y| y.peek()))
    }

    fn vjp_computed(&self, x: &[&Tensor<T>], _: &Tensor<T>, g: &Tensor<T>) -> Cotangents<Tensor<T>> {
        self.run(x, |x, y| {
            let mut gradients = y.vjp(g.clone());
            x.iter().map(|x| gradients.take(*x)).collect()
        })
    }

    fn vjp_recorded<'t>(&self, x: &[&Var<'t, T>], _: &Var<'t, T>, g: &Var<'t, T>) -> Cotangents<Var<'t, T>> {
        let x: Vec<Var<T>> = x.iter().map(|x| **x).collect();
        self.call(&x).grad_with(*g, &x, true).into_iter().map(Some).collect()
    }

    fn jvp_computed(&self, x: &[&Tensor<T>], _: &Tensor<T>, t: &[Option<&Tensor<T>>]) -> Result<Option<Tensor<T>>> {
        self.run(x, |x, y| {
            let along = x.iter().zip(t).filter_map(|(x, t)| t.map(|t| (*x, t.clone())));
            y.try_jvp(&along.collect::<Vec<_>>()).map(Some)
        })
    }

    fn jvp_recorded<'t>(
        &self,
        x: &[&Var<'t, T>],
        _: &Var<'t, T>,
        t: &[Option<&Var<'t, T>>],
    ) -> Result<Option<Var<'t, T>>> {
        let vars: Vec<Var<T>> = x.iter().map(|x| **x).collect();
        let along: Vec<_> = vars.iter().zip(t).filter_map(|(x, t)| t.map(|t| (*x, *t))).collect();
        Ok(Some(self.call(&vars).jvp_recorded(&along)))
    }

    /// Values that the function finds by key belong to the caller's tape, and are not mapped.
    fn records(&self) -> bool {
        self.keys.is_empty()
    }

    fn record<'t>(&self, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        Ok(self.call(x))
    }
}
