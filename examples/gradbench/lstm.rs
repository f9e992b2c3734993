//! A network of LSTM layers with diagonal weights, which predicts the bits of the next character.

use super::input::{Input, json};
use super::protocol::{Reply, unknown};
use super::recording::recorded;
use serde_json::json;
use wengert::prelude::*;

/// The network's parameters and first state, and the text, one character in a row.
struct Task {
    /// For each layer, one row of weights and one of biases, each for four gates.
    main: Tensor<f64>,
    /// Weights of the input; weights and biases of the output.
    extra: Tensor<f64>,
    /// For each layer, what it shows and what it remembers.
    state: Tensor<f64>,
    text: Tensor<f64>,
}

impl Task {
    /// Steps that are recorded together.
    const PIECE: usize = 64;

    fn read(input: &Input) -> Result<Self, String> {
        let text: Tensor<f64> = input.get("sequence")?.tensor([None, None])?;
        let bits = text.shape()[1];
        let main: Tensor<f64> = input.get("main_params")?.tensor([None, Some(4 * bits)])?;
        let layers = main.shape()[0] / 2;
        if text.shape()[0] < 2 || bits == 0 || layers == 0 || main.shape()[0] % 2 == 1 {
            return Err(input.expected("two characters, and two rows of parameters for each layer"));
        }
        let extra = input.get("extra_params")?.tensor([Some(3), Some(bits)])?;
        Ok(Task { main, extra, state: input.get("state")?.tensor([Some(2 * layers), Some(bits)])?, text })
    }

    /// The text in pieces, each of which begins with the last character of the one before it.
    fn pieces(&self) -> Vec<Tensor<f64>> {
        let steps = self.text.shape()[0] - 1;
        let piece = |from: usize| self.text.slice_axis(0, from..steps.min(from + Self::PIECE) + 1);
        (0..steps).step_by(Self::PIECE).map(piece).collect()
    }

    /// The mean of the losses, whose sum over a piece and the state behind it are given by `forward`. Also returns the states
    /// before each piece.
    fn value(
        &self,
        forward: &mut impl FnMut(&[&Tensor<f64>]) -> Result<Vec<Tensor<f64>>, String>,
    ) -> Result<(f64, Vec<Tensor<f64>>), String> {
        let (mut total, mut states) = (0.0, vec![self.state.clone()]);
        for piece in self.pieces() {
            let mut results = forward(&[&self.main, &self.extra, &states[states.len() - 1], &piece])?;
            states.extend(results.pop());
            total += results[0].item();
        }
        Ok((total / self.predictions(), states))
    }

    fn predictions(&self) -> f64 {
        ((self.text.shape()[0] - 1) * self.text.shape()[1]) as f64
    }
}

/// A gate of a layer: its weights and biases.
#[derive(Clone, Copy)]
struct Gate<'t>([Var<'t, f64>; 2]);

impl<'t> Gate<'t> {
    fn at(self, x: Var<'t, f64>) -> Var<'t, f64> {
        x * self.0[0] + self.0[1]
    }
}

/// A layer: its gates, in the order of their parameters, and its state.
struct Layer<'t> {
    gates: [Gate<'t>; 4],
    shown: Var<'t, f64>,
    memory: Var<'t, f64>,
}

impl<'t> Layer<'t> {
    /// The layer whose parameters and state are two rows each.
    fn new(parameters: Var<'t, f64>, state: Var<'t, f64>) -> Self {
        let bits = state.shape()[1];
        let gate = |k: usize| Gate([0, 1].map(|row| parameters.index_axis(0, row).slice(0, k * bits..(k + 1) * bits)));
        Layer { gates: [0, 1, 2, 3].map(gate), shown: state.index_axis(0, 0), memory: state.index_axis(0, 1) }
    }

    /// Takes a step, and returns what it shows then.
    fn step(&mut self, x: Var<'t, f64>) -> Var<'t, f64> {
        let [forget, write, show, change] = self.gates;
        self.memory =
            self.memory * forget.at(x).sigmoid() + write.at(self.shown).sigmoid() * change.at(self.shown).tanh();
        self.shown = show.at(x).sigmoid() * self.memory.tanh();
        self.shown
    }
}

/// The sum of the losses of a piece of the text, and the state behind it, from the parameters and the state before it. All
/// of it is short rows, which a program runs as a loop in registers.
fn piece<'t>(x: &[Var<'t, f64>]) -> [Var<'t, f64>; 2] {
    let &[main, extra, state, text] = x else { unreachable!("the inputs are four") };
    let [read, weight, bias] = [0, 1, 2].map(|row| extra.index_axis(0, row));
    let pair = |x: Var<'t, f64>, k: usize| x.slice(0, 2 * k..2 * k + 2);
    let mut layers: Vec<Layer> = (0..state.shape()[0] / 2).map(|k| Layer::new(pair(main, k), pair(state, k))).collect();
    let character = |k: usize| text.index_axis(0, k as isize);
    let step = |k: usize| {
        let shown = layers.iter_mut().fold(character(k) * read, |x, layer| layer.step(x));
        let scores = shown * weight + bias;
        let normal = (scores.exp().sum() + 2.0).ln();
        (character(k + 1) * (normal - scores)).sum()
    };
    let loss = (0..text.shape()[0] - 1).map(step).reduce(|a, b| a + b).expect("a piece has a step");
    let states: Vec<Var<f64>> = layers.iter().flat_map(|layer| [layer.shown, layer.memory]).collect();
    [loss, Var::stack(&states, 0)]
}

/// The derivatives of a piece's loss plus the state behind it times a cotangent, by the parameters and the state before it.
fn pull_back<'t>(x: &[Var<'t, f64>]) -> Vec<Var<'t, f64>> {
    let [loss, state] = piece(&x[..4]);
    (loss + (state * x[4]).sum()).grad(&x[..3])
}

pub fn evaluate(function: &str, input: &Input) -> Result<Reply, String> {
    let task = Task::read(input)?;
    let mut forward = recorded(|x| piece(x).to_vec());
    let mut backward = recorded(pull_back);
    match function {
        "objective" => Reply::timed(input, || Ok(task.value(&mut forward)?.0), |y| json!(y)),
        "jacobian" => {
            let gradient = || {
                let (_, states) = task.value(&mut forward)?;
                let mut behind = Tensor::zeros(task.state.shape());
                let mut total: Option<[Tensor<f64>; 2]> = None;
                for (piece, state) in task.pieces().iter().zip(&states).rev() {
                    let mut slopes = backward(&[&task.main, &task.extra, state, piece, &behind])?;
                    behind = slopes.pop().expect("the slope by the state is last");
                    let [main, extra] = [&slopes[0], &slopes[1]];
                    total = Some(match total {
                        Some([all_main, all_extra]) => [all_main + main, all_extra + extra],
                        None => [main.clone(), extra.clone()],
                    });
                }
                let both = total.expect("there are characters").map(|slope| slope.flatten() / task.predictions());
                Ok(Tensor::concat(&both, 0))
            };
            Reply::timed(input, gradient, |dy| json(&dy))
        }
        _ => unknown(function),
    }
}
