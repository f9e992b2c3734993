//! Recurrent steps, and functions that run them over a sequence.

mod plain;

pub use plain::{gru_cell, gru_seq, lstm_cell, lstm_seq, rnn_cell, rnn_seq};

use crate::domain::Domain;
use autograd::op::Cell;
use autograd::{Error, Float, Result, Tensor, Var};

/// The parameters of a recurrent step, in PyTorch's shapes; `gates` is 1 (plain), 3 (GRU) or 4 (LSTM).
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

/// The nonlinearity of a plain recurrent step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum RnnNonlinearity {
    /// Hyperbolic tangent.
    #[default]
    Tanh,
    /// max(x, 0)
    Relu,
}

impl<'t, T: Float> Weights<'t, T> {
    /// Returns an error unless the shapes fit a step with this many gates from `x` and `h`.
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

    /// The contribution of the inputs: `x w_ihᵀ + b_ih`.
    #[track_caller]
    fn of_input(&self, x: Var<'t, T>) -> Var<'t, T> {
        let y = x.matmul(self.w_ih.t());
        self.b_ih.map_or(y, |bias| y + bias)
    }

    /// The contribution of the state: `h w_hhᵀ + b_hh`.
    #[track_caller]
    fn of_state(&self, h: Var<'t, T>) -> Var<'t, T> {
        let y = if h.rank() == 2 { h.matmul_t(self.w_hh) } else { h.matmul(self.w_hh.t()) };
        self.b_hh.map_or(y, |bias| y + bias)
    }
}

/// The `i`-th of the gates stored side by side along the last axis.
#[track_caller]
fn gate<'t, T: Float>(all: Var<'t, T>, i: usize, hidden: usize) -> Var<'t, T> {
    all.slice(-1, i * hidden..(i + 1) * hidden)
}

/// A kind of recurrent network, defined by its step from one state to the next. A state is `N` tensors
/// `[batch, hidden]`, the first of which is also the output.
///
/// ```
/// use nn::functional::{GruUnit, LstmUnit, Unit};
/// assert_eq!((<GruUnit as Unit<1>>::GATES, <LstmUnit as Unit<2>>::GATES), (3, 4)); // `step` computes the next state
/// assert_eq!(GruUnit.cell(), Some(autograd::op::Cell::Gru)); // the op that takes all steps
/// ```
pub trait Unit<const N: usize>: std::fmt::Debug + Copy + Send + Sync + 'static {
    /// The number of blocks of `hidden` rows in the weights.
    const GATES: usize;
    /// Its names in errors of a single step, in errors of a sequence, and in summaries.
    const NAMES: [&'static str; 3];
    /// The next state; `input` is the contribution of the inputs, including the bias.
    #[track_caller]
    fn step<'t, T: Float>(self, input: Var<'t, T>, state: [Var<'t, T>; N], weights: &Weights<'t, T>)
    -> [Var<'t, T>; N];
    /// The op that computes all steps of a sequence at once, if there is one. Defaults to none: each step is recorded.
    fn cell(self) -> Option<Cell> {
        None
    }
}

/// The step of [`gru_cell`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct GruUnit;

/// The step of [`lstm_cell`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct LstmUnit;

impl Unit<1> for RnnNonlinearity {
    const GATES: usize = 1;
    const NAMES: [&'static str; 3] = ["rnn_cell", "rnn_seq", "Rnn"];

    #[track_caller]
    fn step<'t, T: Float>(self, input: Var<'t, T>, [h]: [Var<'t, T>; 1], weights: &Weights<'t, T>) -> [Var<'t, T>; 1] {
        let sum = input + weights.of_state(h);
        [match self {
            RnnNonlinearity::Tanh => sum.tanh(),
            RnnNonlinearity::Relu => sum.relu(),
        }]
    }

    fn cell(self) -> Option<Cell> {
        Some(match self {
            RnnNonlinearity::Tanh => Cell::Tanh,
            RnnNonlinearity::Relu => Cell::Relu,
        })
    }
}

impl Unit<1> for GruUnit {
    const GATES: usize = 3;
    const NAMES: [&'static str; 3] = ["gru_cell", "gru_seq", "Gru"];

    #[track_caller]
    fn step<'t, T: Float>(self, input: Var<'t, T>, [h]: [Var<'t, T>; 1], weights: &Weights<'t, T>) -> [Var<'t, T>; 1] {
        let hidden = h.shape()[h.rank() - 1];
        let state = weights.of_state(h);
        let both = |i: usize| (gate(input, i, hidden) + gate(state, i, hidden)).sigmoid();
        let (reset, update) = (both(0), both(1));
        let new = (gate(input, 2, hidden) + reset * gate(state, 2, hidden)).tanh();
        [new + update * (h - new)]
    }

    fn cell(self) -> Option<Cell> {
        Some(Cell::Gru)
    }
}

impl Unit<2> for LstmUnit {
    const GATES: usize = 4;
    const NAMES: [&'static str; 3] = ["lstm_cell", "lstm_seq", "Lstm"];

    #[track_caller]
    fn step<'t, T: Float>(
        self,
        input: Var<'t, T>,
        [h, c]: [Var<'t, T>; 2],
        weights: &Weights<'t, T>,
    ) -> [Var<'t, T>; 2] {
        let hidden = h.shape()[h.rank() - 1];
        let gates = input + weights.of_state(h);
        let gate = |i: usize| gate(gates, i, hidden);
        let (input, forget, cell, output) = (gate(0).sigmoid(), gate(1).sigmoid(), gate(2).tanh(), gate(3).sigmoid());
        let c = forget * c + input * cell;
        [output * c.tanh(), c]
    }

    fn cell(self) -> Option<Cell> {
        Some(Cell::Lstm)
    }
}

/// One step of a unit.
#[track_caller]
pub(crate) fn cell<'t, T: Float, U: Unit<N>, const N: usize>(
    unit: U,
    x: Var<'t, T>,
    state: [Var<'t, T>; N],
    weights: &Weights<'t, T>,
) -> Result<[Var<'t, T>; N]> {
    weights.check(U::NAMES[0], U::GATES, x, state[0])?;
    same_state(U::NAMES[0], &state)?;
    Ok(unit.step(weights.of_input(x), state, weights))
}

/// Returns an error unless all parts of a state have the same shape.
fn same_state<T: Float>(op: &'static str, state: &[Var<'_, T>]) -> Result<()> {
    match state.iter().find(|part| part.shape() != state[0].shape()) {
        None => Ok(()),
        Some(c) => {
            let hint = format!("the cell state must have the shape of the hidden state, {:?}", state[0].shape());
            Err(Error::Shape { op, shape: c.shape().as_slice().into(), hint })
        }
    }
}

/// How a unit traverses a sequence.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'t, T: Float> {
    /// Whether to go from the last element to the first.
    pub(crate) reverse: bool,
    /// The number of elements in each sequence of the batch, `[batch]`, from 0 to the size of the time axis. Later steps
    /// do not change the state, and their outputs are 0.
    pub(crate) lengths: Option<Var<'t, T>>,
}

/// Steps over the first axis of `x`, time. The contribution of the inputs is computed for all steps at once. Returns
/// the first part of the state after each step in one tensor `[time, …]`, and the last state.
#[track_caller]
pub(crate) fn sequence<'t, T: Float, U: Unit<N>, const N: usize>(
    unit: U,
    x: Var<'t, T>,
    state: [Var<'t, T>; N],
    weights: &Weights<'t, T>,
    walk: Walk<'t, T>,
) -> Result<(Var<'t, T>, [Var<'t, T>; N])> {
    let op = U::NAMES[1];
    let steps = match (x.rank(), x.shape().first()) {
        (2.., Some(&steps)) if steps > 0 => steps,
        _ => {
            let hint = "a sequence must be [time, …, inputs] with at least one step".into();
            return Err(Error::Shape { op, shape: x.shape().as_slice().into(), hint });
        }
    };
    weights.check(op, U::GATES, x.index_axis(0, 0), state[0])?;
    same_state(op, &state)?;
    let lengths = walk.lengths.map(|lengths| column_of(op, lengths, steps, state[0])).transpose()?;
    let walk = Walk { lengths, ..walk };
    match unit.cell() {
        Some(cell) => Ok(at_once(cell, x, state, weights, walk)),
        None => Ok(step_by_step(unit, weights.of_input(x), state, weights, walk)),
    }
}

/// All steps as one op.
#[track_caller]
fn at_once<'t, T: Float, const N: usize>(
    cell: Cell,
    x: Var<'t, T>,
    state: [Var<'t, T>; N],
    weights: &Weights<'t, T>,
    Walk { reverse, lengths }: Walk<'t, T>,
) -> (Var<'t, T>, [Var<'t, T>; N]) {
    let (tape, shape) = (x.tape(), state[0].shape());
    let (steps, hidden) = (x.shape()[0], shape[shape.len() - 1]);
    let batch: usize = shape[..shape.len() - 1].iter().product();
    let gates = cell.gates() * hidden;
    let start = state.map(|part| part.reshape(&[batch, hidden]));
    // Both biases are added together, except in a GRU, whose reset gate multiplies only the contribution of the state.
    let (input, bias) = match (cell, weights.b_ih, weights.b_hh) {
        (Cell::Gru, _, bias) => (weights.of_input(x), bias),
        (_, Some(a), Some(b)) => (x.matmul(weights.w_ih.t()), Some(a + b)),
        (_, a, b) => (x.matmul(weights.w_ih.t()), a.or(b)),
    };
    let bias = bias.unwrap_or_else(|| tape.constant(Tensor::zeros(&[gates])));
    let ends = match lengths {
        Some(lengths) => lengths.reshape(&[batch]),
        None => tape.constant(Tensor::full(&[batch], T::of(steps as f64))),
    };
    let z = input.reshape(&[steps, batch, gates]);
    let states = z.recurrent(cell, reverse, &weights.w_hh, &bias, &ends, &start.each_ref());
    // The initial state is at the end where the sequence starts.
    let (from, last) = if reverse { (0, 0) } else { (1, steps) };
    let part = |k: usize| states.index_axis(0, k as isize);
    let mut outputs = part(0).slice(0, from..from + steps).reshape(&[&[steps], &shape[..]].concat());
    if let Some(lengths) = lengths {
        let elements: Vec<T> = (0..steps).map(|t| T::of(t as f64)).collect();
        let elements = tape.constant(Tensor::from(elements).reshape(&[steps, 1, 1]));
        outputs = lengths.gt(elements).select(outputs, tape.constant(T::zero()));
    }
    (outputs, std::array::from_fn(|k| part(k).index_axis(0, last as isize).reshape(&shape)))
}

/// Records each step separately.
#[track_caller]
fn step_by_step<'t, T: Float, U: Unit<N>, const N: usize>(
    unit: U,
    input: Var<'t, T>,
    mut state: [Var<'t, T>; N],
    weights: &Weights<'t, T>,
    Walk { reverse, lengths }: Walk<'t, T>,
) -> (Var<'t, T>, [Var<'t, T>; N]) {
    let steps = input.shape()[0];
    let number = |c: usize| input.tape().constant(Tensor::scalar(T::of(c as f64)));
    let mut outputs = Vec::with_capacity(steps);
    for i in 0..steps {
        let t = if reverse { steps - 1 - i } else { i };
        let next = unit.step(input.index_axis(0, t as isize), state, weights);
        let Some(lengths) = lengths else {
            state = next;
            outputs.push(next[0]);
            continue;
        };
        let running = lengths.gt(number(t));
        state = std::array::from_fn(|k| running.select(next[k], state[k]));
        outputs.push(running.select(next[0], number(0)));
    }
    if reverse {
        outputs.reverse();
    }
    (Var::stack(&outputs, 0), state)
}

/// Lengths `[batch]`, integers, as a column that broadcasts against the state.
#[track_caller]
fn column_of<'t, T: Float>(
    op: &'static str,
    lengths: Var<'t, T>,
    steps: usize,
    state: Var<'t, T>,
) -> Result<Var<'t, T>> {
    let (given, state) = (lengths.shape(), state.shape());
    if state.len() == 2 && given.as_slice() == [state[0]] {
        return Domain::Whole(steps).check(op, "lengths", lengths)?.try_unsqueeze(1);
    }
    let hint = format!("lengths must be [batch], one per sequence, for a state of shape {state:?}");
    Err(Error::Shape { op, shape: given.as_slice().into(), hint })
}
