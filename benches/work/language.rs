//! GradBench's LSTM: a network of elementwise gates that predicts the next character, as in ADBench.
//! Source: Šrajer, Kukelova and Fitzgibbon, *A benchmark of selected algorithmic differentiation tools* (2018).

use super::Objective;
use autograd::prelude::*;

/// The number of bits of a character.
const BITS: usize = 14;

/// The mean loss per bit of predicting each of `characters` from the preceding ones, through `layers` of state. Every
/// gate is a weight times one vector plus a bias, all elementwise.
pub fn lstm(layers: usize, characters: usize) -> Objective<f64> {
    let mut rng = Rng::new(0);
    let at = vec![
        // Per layer: weights and biases of the forget, input, output and change gates.
        Tensor::randn(&[layers, 2, 4, BITS], &mut rng) * 0.5,
        // The scale of the input, and the scale and bias of the output.
        Tensor::randn(&[3, BITS], &mut rng) * 0.5,
    ];
    let text = Tensor::rand(&[characters, BITS], &mut rng).map(f64::round);
    let state = Tensor::randn(&[layers, 2, BITS], &mut rng) * 0.5;
    Objective::new(at, vec![text, state], move |parameters, data, _| {
        let gates = rows(parameters[0].reshape(&[layers * 8, BITS]));
        let [scale, out_scale, out_bias] = rows(parameters[1])[..] else { unreachable!("three vectors") };
        let characters = rows(data[0]);
        let mut state = rows(data[1].reshape(&[layers * 2, BITS]));
        let mut loss = Vec::with_capacity(characters.len());
        for pair in characters.windows(2) {
            let mut x = pair[0] * scale;
            for (gates, state) in gates.chunks(8).zip(state.chunks_mut(2)) {
                x = layer(x, state, gates);
            }
            let score = x * out_scale + out_bias;
            loss.push(((score - (score.exp().sum() + 2.0).ln()) * pair[1]).sum());
        }
        Var::stack(&loss, 0).mean() * (-1.0 / BITS as f64)
    })
}

fn rows<T: Float>(x: Var<'_, T>) -> Vec<Var<'_, T>> {
    (0..x.shape()[0] as isize).map(|i| x.index_axis(0, i)).collect()
}

/// One layer: returns the next hidden vector and updates the state (hidden and cell).
fn layer<'t>(x: Var<'t, f64>, state: &mut [Var<'t, f64>], gates: &[Var<'t, f64>]) -> Var<'t, f64> {
    let (hidden, cell) = (state[0], state[1]);
    let gate = |x: Var<'t, f64>, i: usize| x * gates[i] + gates[4 + i];
    let (forget, ingate) = (gate(x, 0).sigmoid(), gate(hidden, 1).sigmoid());
    let (outgate, change) = (gate(x, 2).sigmoid(), gate(hidden, 3).tanh());
    state[1] = cell * forget + ingate * change;
    state[0] = outgate * state[1].tanh();
    state[0]
}
