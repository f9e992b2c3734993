//! Each recurrent step, and the run of it over a sequence from front to back, as a function of its own.

use super::{GruUnit, LstmUnit, RnnNonlinearity, Walk, Weights, cell, sequence};
use autograd::{Float, Result, Var};

/// The walk of the plain functions.
fn forwards<'t, T: Float>() -> Walk<'t, T> {
    Walk { reverse: false, lengths: None }
}

/// A step of a plain recurrent network, `tanh(w_ih x + b_ih + w_hh h + b_hh)` or its ReLU, from input `[batch, inputs]` and
/// state `[batch, hidden]`, or both without the batch, to the next state. Source: Elman, *Finding structure in time* (1990).
///
/// ```
/// use autograd::Tape;
/// use nn::functional::{RnnNonlinearity, Weights, rnn_cell};
/// let tape = Tape::<f64>::new();
/// let weights = Weights { w_ih: tape.var([[2.0]]), w_hh: tape.var([[3.0]]), b_ih: None, b_hh: None };
/// let h = rnn_cell(tape.var([[1.0]]), tape.var([[10.0]]), &weights, RnnNonlinearity::Relu)?;
/// assert_eq!(h.value(), autograd::tensor![[32.0]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// If the shapes do not fit.
#[track_caller]
pub fn rnn_cell<'t, T: Float>(
    x: Var<'t, T>,
    h: Var<'t, T>,
    weights: &Weights<'t, T>,
    nonlinearity: RnnNonlinearity,
) -> Result<Var<'t, T>> {
    cell(nonlinearity, x, [h], weights).map(|[h]| h)
}

/// A step of a gated recurrent unit, gates in the order reset, update, new:
///
/// ```text
/// r, z = sigmoid(w_ih x + b_ih + w_hh h + b_hh)
/// n = tanh(w_ih x + b_ih + r (w_hh h + b_hh))
/// h ← (1 - z) n + z h
/// ```
///
/// Source: Cho et al., *Learning phrase representations using RNN encoder-decoder* (2014), as cuDNN has it.
///
/// ```
/// use autograd::{Tape, Tensor, tensor};
/// use nn::functional::{Weights, gru_cell};
/// let tape = Tape::<f64>::new();
/// let zeros = |shape: &[usize]| tape.var(Tensor::zeros(shape));
/// let weights = Weights { w_ih: zeros(&[3, 3]), w_hh: zeros(&[3, 1]), b_ih: None, b_hh: None };
/// let h = gru_cell(zeros(&[2, 3]), tape.var([[4.0], [8.0]]), &weights)?; // all gates half open, nothing new
/// assert_eq!(h.value(), tensor![[2.0], [4.0]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// If the shapes do not fit.
#[track_caller]
pub fn gru_cell<'t, T: Float>(x: Var<'t, T>, h: Var<'t, T>, weights: &Weights<'t, T>) -> Result<Var<'t, T>> {
    cell(GruUnit, x, [h], weights).map(|[h]| h)
}

/// A step of a long short-term memory from state `[h, c]` to the next, gates in the order input, forget, cell, output:
///
/// ```text
/// i, f, o = sigmoid(w_ih x + b_ih + w_hh h + b_hh),  g = tanh(…)
/// c ← f c + i g
/// h ← o tanh c
/// ```
///
/// Source: Hochreiter and Schmidhuber, *Long short-term memory* (1997); the forget gate: Gers, Schmidhuber and Cummins (2000).
///
/// ```
/// use autograd::{Tape, Tensor, tensor};
/// use nn::functional::{Weights, lstm_cell};
/// let tape = Tape::<f64>::new();
/// let zeros = |shape: &[usize]| tape.var(Tensor::zeros(shape));
/// let weights = Weights { w_ih: zeros(&[4, 3]), w_hh: zeros(&[4, 1]), b_ih: None, b_hh: None };
/// let [h, c] = lstm_cell(zeros(&[1, 3]), [zeros(&[1, 1]), tape.var([[4.0]])], &weights)?; // all gates half open
/// assert_eq!((h.value(), c.value()), (tensor![[0.5 * 2f64.tanh()]], tensor![[2.0]]));
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// If the shapes do not fit.
#[track_caller]
pub fn lstm_cell<'t, T: Float>(
    x: Var<'t, T>,
    state: [Var<'t, T>; 2],
    weights: &Weights<'t, T>,
) -> Result<[Var<'t, T>; 2]> {
    cell(LstmUnit, x, state, weights)
}

/// [`rnn_cell`] over a sequence `[time, batch, inputs]`: the states `[time, batch, hidden]`, and the last one.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::functional::{RnnNonlinearity, Weights, rnn_seq};
/// let tape = Tape::<f64>::new();
/// let weights = Weights { w_ih: tape.var([[1.0]]), w_hh: tape.var([[10.0]]), b_ih: None, b_hh: None };
/// let x = tape.var([[[1.0]], [[2.0]], [[3.0]]]);
/// let (y, h) = rnn_seq(x, tape.var([[0.0]]), &weights, RnnNonlinearity::Relu)?;
/// assert_eq!((y.value(), h.value()), (tensor![[[1.0]], [[12.0]], [[123.0]]], tensor![[123.0]]));
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// If the shapes do not fit, or there is no step.
#[track_caller]
pub fn rnn_seq<'t, T: Float>(
    x: Var<'t, T>,
    h: Var<'t, T>,
    weights: &Weights<'t, T>,
    nonlinearity: RnnNonlinearity,
) -> Result<(Var<'t, T>, Var<'t, T>)> {
    sequence(nonlinearity, x, [h], weights, forwards()).map(|(y, [h])| (y, h))
}

/// [`gru_cell`] over a sequence `[time, batch, inputs]`: the states `[time, batch, hidden]`, and the last one.
///
/// ```
/// use autograd::{Tape, Tensor};
/// use nn::functional::{Weights, gru_seq};
/// let tape = Tape::<f64>::new();
/// let zeros = |shape: &[usize]| tape.var(Tensor::zeros(shape));
/// let weights = Weights { w_ih: zeros(&[6, 3]), w_hh: zeros(&[6, 2]), b_ih: None, b_hh: None };
/// let (y, h) = gru_seq(zeros(&[5, 4, 3]), tape.var(Tensor::ones(&[4, 2])), &weights)?;
/// assert_eq!((y.shape().as_slice(), h.value()), (&[5, 4, 2][..], Tensor::full(&[4, 2], 1.0 / 32.0)));
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// If the shapes do not fit, or there is no step.
#[track_caller]
pub fn gru_seq<'t, T: Float>(
    x: Var<'t, T>,
    h: Var<'t, T>,
    weights: &Weights<'t, T>,
) -> Result<(Var<'t, T>, Var<'t, T>)> {
    sequence(GruUnit, x, [h], weights, forwards()).map(|(y, [h])| (y, h))
}

/// [`lstm_cell`] over a sequence `[time, batch, inputs]`: the states `[time, batch, hidden]`, and the last `[h, c]`.
///
/// ```
/// use autograd::{Tape, Tensor, tensor};
/// use nn::functional::{Weights, lstm_seq};
/// let tape = Tape::<f64>::new();
/// let zeros = |shape: &[usize]| tape.var(Tensor::zeros(shape));
/// let weights = Weights { w_ih: zeros(&[4, 3]), w_hh: zeros(&[4, 1]), b_ih: None, b_hh: None };
/// let (y, [_, c]) = lstm_seq(zeros(&[5, 2, 3]), [zeros(&[2, 1]), tape.var([[32.0], [64.0]])], &weights)?;
/// assert_eq!((y.shape().as_slice(), c.value()), (&[5, 2, 1][..], tensor![[1.0], [2.0]]));
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// If the shapes do not fit, or there is no step.
#[track_caller]
pub fn lstm_seq<'t, T: Float>(
    x: Var<'t, T>,
    state: [Var<'t, T>; 2],
    weights: &Weights<'t, T>,
) -> Result<(Var<'t, T>, [Var<'t, T>; 2])> {
    sequence(LstmUnit, x, state, weights, forwards())
}
