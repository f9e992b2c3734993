//! Each recurrent step, and its forward run over a sequence, as a function.

use super::{GruUnit, LstmUnit, RnnNonlinearity, Walk, Weights, cell, sequence};
use autograd::{Float, Result, Var};

/// The walk that these functions use: forward, over the full length.
fn forwards<'t, T: Float>() -> Walk<'t, T> {
    Walk { reverse: false, lengths: None }
}

/// One step of a plain recurrent network, `tanh(w_ih x + b_ih + w_hh h + b_hh)` or the same with ReLU, from input
/// `[batch, inputs]` and state `[batch, hidden]` (or both without the batch axis) to the next state. Source: Elman,
/// *Finding structure in time* (1990).
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
/// Returns an error if the shapes are incompatible.
#[track_caller]
pub fn rnn_cell<'t, T: Float>(
    x: Var<'t, T>,
    h: Var<'t, T>,
    weights: &Weights<'t, T>,
    nonlinearity: RnnNonlinearity,
) -> Result<Var<'t, T>> {
    cell(nonlinearity, x, [h], weights).map(|[h]| h)
}

/// One step of a gated recurrent unit, with gates in the order reset, update, new:
///
/// ```text
/// r, z = sigmoid(w_ih x + b_ih + w_hh h + b_hh)
/// n = tanh(w_ih x + b_ih + r (w_hh h + b_hh))
/// h ← (1 - z) n + z h
/// ```
///
/// Source: Cho et al., *Learning phrase representations using RNN encoder-decoder* (2014), in cuDNN's variant.
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
/// Returns an error if the shapes are incompatible.
#[track_caller]
pub fn gru_cell<'t, T: Float>(x: Var<'t, T>, h: Var<'t, T>, weights: &Weights<'t, T>) -> Result<Var<'t, T>> {
    cell(GruUnit, x, [h], weights).map(|[h]| h)
}

/// One step of a long short-term memory from state `[h, c]` to the next, with gates in the order input, forget, cell,
/// output:
///
/// ```text
/// i, f, o = sigmoid(w_ih x + b_ih + w_hh h + b_hh),  g = tanh(…)
/// c ← f c + i g
/// h ← o tanh c
/// ```
///
/// Source: Hochreiter and Schmidhuber, *Long short-term memory* (1997); forget gate: Gers, Schmidhuber and Cummins
/// (2000).
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
/// Returns an error if the shapes are incompatible.
#[track_caller]
pub fn lstm_cell<'t, T: Float>(
    x: Var<'t, T>,
    state: [Var<'t, T>; 2],
    weights: &Weights<'t, T>,
) -> Result<[Var<'t, T>; 2]> {
    cell(LstmUnit, x, state, weights)
}

/// Runs [`rnn_cell`] over a sequence `[time, batch, inputs]`. Returns the states `[time, batch, hidden]` and the last
/// one.
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
/// Returns an error if the shapes are incompatible, or the sequence has no steps.
#[track_caller]
pub fn rnn_seq<'t, T: Float>(
    x: Var<'t, T>,
    h: Var<'t, T>,
    weights: &Weights<'t, T>,
    nonlinearity: RnnNonlinearity,
) -> Result<(Var<'t, T>, Var<'t, T>)> {
    sequence(nonlinearity, x, [h], weights, forwards()).map(|(y, [h])| (y, h))
}

/// Runs [`gru_cell`] over a sequence `[time, batch, inputs]`. Returns the states `[time, batch, hidden]` and the last
/// one.
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
/// Returns an error if the shapes are incompatible, or the sequence has no steps.
#[track_caller]
pub fn gru_seq<'t, T: Float>(
    x: Var<'t, T>,
    h: Var<'t, T>,
    weights: &Weights<'t, T>,
) -> Result<(Var<'t, T>, Var<'t, T>)> {
    sequence(GruUnit, x, [h], weights, forwards()).map(|(y, [h])| (y, h))
}

/// Runs [`lstm_cell`] over a sequence `[time, batch, inputs]`. Returns the states `[time, batch, hidden]` and the last
/// `[h, c]`.
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
/// Returns an error if the shapes are incompatible, or the sequence has no steps.
#[track_caller]
pub fn lstm_seq<'t, T: Float>(
    x: Var<'t, T>,
    state: [Var<'t, T>; 2],
    weights: &Weights<'t, T>,
) -> Result<(Var<'t, T>, [Var<'t, T>; 2])> {
    sequence(LstmUnit, x, state, weights, forwards())
}
