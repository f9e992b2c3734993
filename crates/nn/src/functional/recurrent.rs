//! Recurrent steps, and runs of them over a sequence.

use autograd::{Error, Float, Result, Var};

/// The parameters of a recurrent step, shaped as PyTorch shapes them; `gates` is 1 (plain), 3 (GRU) or 4 (LSTM).
#[derive(Debug, Clone, Copy)]
pub struct Weights<'t, T: Float> {
    /// `[gates · hidden, inputs]`
    pub w_ih: Var<'t, T>,
    /// `[gates · hidden, hidden]`
    pub w_hh: Var<'t, T>,
    /// `[gates · hidden]`, or none
    pub b_ih: Option<Var<'t, T>>,
    /// `[gates · hidden]`, or none
    pub b_hh: Option<Var<'t, T>>,
}

/// What a plain recurrent step ends with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum RnnNonlinearity {
    /// Hyperbolic tangent.
    #[default]
    Tanh,
    /// max(x, 0)
    Relu,
}

impl<'t, T: Float> Weights<'t, T> {
    /// An error unless a step with this many gates can be taken from `x` and `h`.
    fn check(&self, op: &'static str, gates: usize, x: Var<'t, T>, h: Var<'t, T>) -> Result<()> {
        let expect = |what: &str, v: Var<'t, T>, shape: &[usize]| {
            if v.shape().as_slice() == shape {
                return Ok(());
            }
            let hint = format!("{what} must have shape {shape:?}");
            Err(Error::Shape { op, shape: v.shape().as_slice().into(), hint })
        };
        let size = |v: Var<'t, T>| v.shape().last().copied().unwrap_or(0);
        let (inputs, hidden) = (size(x), size(h));
        expect("w_ih", self.w_ih, &[gates * hidden, inputs])?;
        expect("w_hh", self.w_hh, &[gates * hidden, hidden])?;
        for (name, bias) in [("b_ih", self.b_ih), ("b_hh", self.b_hh)] {
            bias.map_or(Ok(()), |bias| expect(name, bias, &[gates * hidden]))?;
        }
        let batch = &x.shape()[..x.rank().saturating_sub(1)];
        let state = [batch, &[hidden]].concat();
        expect("the state", h, &state)
    }

    /// What the inputs contribute: `x w_ihᵀ + b_ih`.
    #[track_caller]
    fn of_input(&self, x: Var<'t, T>) -> Var<'t, T> {
        let y = x.matmul(self.w_ih.t());
        self.b_ih.map_or(y, |bias| y + bias)
    }

    /// What the state contributes: `h w_hhᵀ + b_hh`.
    #[track_caller]
    fn of_state(&self, h: Var<'t, T>) -> Var<'t, T> {
        let y = h.matmul(self.w_hh.t());
        self.b_hh.map_or(y, |bias| y + bias)
    }
}

/// The `i`-th of gates that lie side by side in the last axis.
#[track_caller]
fn gate<'t, T: Float>(all: Var<'t, T>, i: usize, hidden: usize) -> Var<'t, T> {
    all.slice(-1, (i * hidden) as isize..((i + 1) * hidden) as isize)
}

#[track_caller]
fn plain_step<'t, T: Float>(
    input: Var<'t, T>,
    h: Var<'t, T>,
    weights: &Weights<'t, T>,
    nonlinearity: RnnNonlinearity,
) -> Var<'t, T> {
    let sum = input + weights.of_state(h);
    match nonlinearity {
        RnnNonlinearity::Tanh => sum.tanh(),
        RnnNonlinearity::Relu => sum.relu(),
    }
}

#[track_caller]
fn gru_step<'t, T: Float>(input: Var<'t, T>, h: Var<'t, T>, weights: &Weights<'t, T>) -> Var<'t, T> {
    let hidden = h.shape()[h.rank() - 1];
    let state = weights.of_state(h);
    let both = |i: usize| (gate(input, i, hidden) + gate(state, i, hidden)).sigmoid();
    let (reset, update) = (both(0), both(1));
    let new = (gate(input, 2, hidden) + reset * gate(state, 2, hidden)).tanh();
    new + update * (h - new)
}

#[track_caller]
fn lstm_step<'t, T: Float>(input: Var<'t, T>, [h, c]: [Var<'t, T>; 2], weights: &Weights<'t, T>) -> [Var<'t, T>; 2] {
    let hidden = h.shape()[h.rank() - 1];
    let gates = input + weights.of_state(h);
    let gate = |i: usize| gate(gates, i, hidden);
    let (input, forget, cell, output) = (gate(0).sigmoid(), gate(1).sigmoid(), gate(2).tanh(), gate(3).sigmoid());
    let c = forget * c + input * cell;
    [output * c.tanh(), c]
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
    weights.check("rnn_cell", 1, x, h)?;
    Ok(plain_step(weights.of_input(x), h, weights, nonlinearity))
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
/// # Errors
/// If the shapes do not fit.
#[track_caller]
pub fn gru_cell<'t, T: Float>(x: Var<'t, T>, h: Var<'t, T>, weights: &Weights<'t, T>) -> Result<Var<'t, T>> {
    weights.check("gru_cell", 3, x, h)?;
    Ok(gru_step(weights.of_input(x), h, weights))
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
/// # Errors
/// If the shapes do not fit.
#[track_caller]
pub fn lstm_cell<'t, T: Float>(
    x: Var<'t, T>,
    state: [Var<'t, T>; 2],
    weights: &Weights<'t, T>,
) -> Result<[Var<'t, T>; 2]> {
    weights.check("lstm_cell", 4, x, state[0])?;
    same_state("lstm_cell", state)?;
    Ok(lstm_step(weights.of_input(x), state, weights))
}

fn same_state<T: Float>(op: &'static str, [h, c]: [Var<'_, T>; 2]) -> Result<()> {
    if h.shape() == c.shape() {
        return Ok(());
    }
    let hint = format!("the cell must have the shape of the state, {:?}", h.shape());
    Err(Error::Shape { op, shape: c.shape().as_slice().into(), hint })
}

/// Steps over the first axis of `x`, time: the inputs' part is computed for all steps at once. Returns the first state of
/// each step in one tensor `[time, …]`, and the last states.
#[track_caller]
fn unrolled<'t, T: Float, const N: usize>(
    op: &'static str,
    gates: usize,
    x: Var<'t, T>,
    mut states: [Var<'t, T>; N],
    weights: &Weights<'t, T>,
    step: impl Fn(Var<'t, T>, [Var<'t, T>; N]) -> [Var<'t, T>; N],
) -> Result<(Var<'t, T>, [Var<'t, T>; N])> {
    let steps = match (x.rank(), x.shape().first()) {
        (2.., Some(&steps)) if steps > 0 => steps as isize,
        _ => {
            let hint = "a sequence must be [time, …, inputs] and have a step".into();
            return Err(Error::Shape { op, shape: x.shape().as_slice().into(), hint });
        }
    };
    let at = |x: Var<'t, T>, t: isize| x.slice(0, t..t + 1).squeeze(0);
    weights.check(op, gates, at(x, 0), states[0])?;
    let input = weights.of_input(x);
    let mut outputs = Vec::with_capacity(steps as usize);
    for t in 0..steps {
        states = step(at(input, t), states);
        outputs.push(states[0]);
    }
    Ok((Var::try_stack(&outputs, 0)?, states))
}

/// [`rnn_cell`] over a sequence `[time, batch, inputs]`: the states `[time, batch, hidden]`, and the last one.
///
/// # Errors
/// If the shapes do not fit, or there is no step.
#[track_caller]
pub fn rnn_seq<'t, T: Float>(
    x: Var<'t, T>,
    h: Var<'t, T>,
    weights: &Weights<'t, T>,
    nonlinearity: RnnNonlinearity,
) -> Result<(Var<'t, T>, Var<'t, T>)> {
    let step = |input, [h]: [Var<'t, T>; 1]| [plain_step(input, h, weights, nonlinearity)];
    unrolled("rnn_seq", 1, x, [h], weights, step).map(|(y, [h])| (y, h))
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
    let step = |input, [h]: [Var<'t, T>; 1]| [gru_step(input, h, weights)];
    unrolled("gru_seq", 3, x, [h], weights, step).map(|(y, [h])| (y, h))
}

/// [`lstm_cell`] over a sequence `[time, batch, inputs]`: the states `[time, batch, hidden]`, and the last `[h, c]`.
///
/// # Errors
/// If the shapes do not fit, or there is no step.
#[track_caller]
pub fn lstm_seq<'t, T: Float>(
    x: Var<'t, T>,
    state: [Var<'t, T>; 2],
    weights: &Weights<'t, T>,
) -> Result<(Var<'t, T>, [Var<'t, T>; 2])> {
    same_state("lstm_seq", state)?;
    unrolled("lstm_seq", 4, x, state, weights, |input, state| lstm_step(input, state, weights))
}
