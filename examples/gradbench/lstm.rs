//! A network of LSTM layers with diagonal weights, which predicts the bits of the next character.

use crate::input::{Input, json};
use crate::protocol::{Reply, unknown};
use crate::recording::recorded;
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
    fn value(&self, forward: &mut impl FnMut(&[&Tensor<f64>]) -> Result<Vec<Tensor<f64>>, String>) -> Result<(f64, Vec<Tensor<f64>>), String> {
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

/// The gates of a layer, in the order of their parameters.
#[derive(Clone, Copy)]
enum Gate {
    Forget,
    In,
    Out,
    Change,
}

/// A layer's parameters: weights and biases.
#[derive(Clone, Copy)]
struct Layer<'t>([Var<'t, f64>; 2]);

impl<'t> Layer<'t> {
    fn gate(self, gate: Gate, x: Var<'t, f64>) -> Var<'t, f64> {
        let bits = x.shape()[x.rank() - 1];
        let [weight, bias] = self.0.map(|all| all.slice(0, gate as usize * bits..(gate as usize + 1) * bits));
        x * weight + bias
    }

    /// What the layer shows after each step for the inputs `x`, one in a row, and its state behind the last. Two of the
    /// gates look at the input alone and so are computed for all steps together.
    fn run(self, x: Var<'t, f64>, mut shown: Var<'t, f64>, mut memory: Var<'t, f64>) -> [Var<'t, f64>; 3] {
        let (forget, out) = (self.gate(Gate::Forget, x).sigmoid(), self.gate(Gate::Out, x).sigmoid());
        let step = |k: isize| {
            let (write, change) = (self.gate(Gate::In, shown).sigmoid(), self.gate(Gate::Change, shown).tanh());
            memory = memory * forget.index_axis(0, k) + write * change;
            shown = out.index_axis(0, k) * memory.tanh();
            shown
        };
        let all: Vec<Var<f64>> = (0..x.shape()[0] as isize).map(step).collect();
        [Var::stack(&all, 0), shown, memory]
    }
}

/// The sum of the losses of a piece of the text, and the state behind it, from the parameters and the state before it.
fn piece<'t>(x: &[Var<'t, f64>]) -> [Var<'t, f64>; 2] {
    let &[main, extra, state, text] = x else { unreachable!("the inputs are four") };
    let row = |x: Var<'t, f64>, k: usize| x.index_axis(0, k as isize);
    let mut states = Vec::new();
    let mut x = text.slice(0, ..-1) * row(extra, 0);
    for k in (0..main.shape()[0]).step_by(2) {
        let layer = Layer([row(main, k), row(main, k + 1)]);
        let [all, shown, memory] = layer.run(x, row(state, k), row(state, k + 1));
        states.extend([shown, memory]);
        x = all;
    }
    let scores = x * row(extra, 1) + row(extra, 2);
    let normal = (2.0 + scores.exp().sum_keep(1)).ln();
    let loss = ((normal - scores) * text.slice(0, 1..)).sum();
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
