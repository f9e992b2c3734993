//! The pieces of work that are timed, here and in other engines (`benches/peers/`): the same shapes and formulas.

use autograd::prelude::*;
use autograd::update;

/// A training step of dense layers with ReLU between them, written on the bare tape: forward, mean softmax cross-entropy,
/// backward, SGD with momentum 0.9.
pub struct Mlp {
    tape: Tape<f32>,
    layers: Vec<Layer>,
    x: Tensor<f32>,
    labels: Tensor<i64>,
}

struct Layer {
    weight: Tensor<f32>,
    bias: Tensor<f32>,
    velocity: [Tensor<f32>; 2],
}

impl Mlp {
    /// Layers of these sizes, and a random batch.
    pub fn new(sizes: &[usize], batch: usize) -> Mlp {
        let mut rng = Rng::new(0);
        let layer = |pair: &[usize], rng: &mut Rng| Layer {
            weight: Tensor::randn(&[pair[1], pair[0]], rng) * (1.0 / (pair[0] as f32).sqrt()),
            bias: Tensor::zeros(&[pair[1]]),
            velocity: [Tensor::zeros(&[pair[1], pair[0]]), Tensor::zeros(&[pair[1]])],
        };
        Mlp {
            tape: Tape::new(),
            layers: sizes.windows(2).map(|pair| layer(pair, &mut rng)).collect(),
            x: Tensor::randn(&[batch, sizes[0]], &mut rng),
            labels: (0..batch).map(|_| rng.below(sizes[sizes.len() - 1]) as i64).collect(),
        }
    }

    /// One training step.
    pub fn step(&mut self) {
        let mut h = self.tape.constant(self.x.clone());
        let mut variables: [Option<[Var<f32>; 2]>; 4] = [None; 4];
        for (i, layer) in self.layers.iter().enumerate() {
            let (w, b) = (self.tape.var(layer.weight.clone()), self.tape.var(layer.bias.clone()));
            variables[i] = Some([w, b]);
            h = if i == 0 { h } else { h.relu() }.matmul_t(w) + b;
        }
        let mut gradients = h.cross_entropy(&self.labels).mean().backward();
        let taken =
            variables.map(|pair| pair.map(|pair| pair.map(|v| gradients.take(v).expect("every layer is used"))));
        // The tape shares the parameters' memory: it lets go before they are changed in place.
        self.tape.clear();
        for (layer, [w, b]) in self.layers.iter_mut().zip(taken.into_iter().flatten()) {
            let Layer { weight, bias, velocity: [vw, vb] } = layer;
            for (p, v, g) in [(weight, vw, w), (bias, vb, b)] {
                update(p, [v], &g, |p, [v], g| {
                    *v = 0.9 * *v + g;
                    *p -= 1e-3 * *v;
                });
            }
        }
    }
}

/// Iterations of the scalar chain; three operations each. The constants keep the gradient from underflowing.
pub const LENGTH: usize = 100_000;

/// `x <- sin(x)·a + b`, recorded and swept back to x0, a and b.
pub fn scalar_chain(tape: &mut Tape<f64>) {
    tape.clear();
    let (a, b) = (tape.var(1.8508157176809255), tape.var(-0.5577074246549021));
    let x0 = tape.var(1.5);
    let mut x = x0;
    for _ in 0..LENGTH {
        x = x.sin() * a + b;
    }
    let gradients = x.backward();
    assert!(gradients.wrt(x0).item() != 0.0 && gradients.wrt(a).item().is_finite());
}

/// Value and gradient of `sum(tanh(x)·exp(-x²) + sigmoid(x))`.
pub fn elementwise(tape: &mut Tape<f32>, x: &Tensor<f32>) {
    tape.clear();
    let x = tape.var(x.clone());
    let y = (x.tanh() * (-x * x).exp() + x.sigmoid()).sum();
    let gradient = y.backward().wrt(x);
    assert_eq!(gradient.len(), x.value().len());
}
