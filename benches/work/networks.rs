//! Networks: dense layers, LeNet-5, recurrent networks.

use super::Objective;
use autograd::prelude::*;
use autograd::{Conv, Pool};
use nn::functional::{Weights, gru_seq, lstm_seq};

/// A weight of the given shape whose outputs have variance near 1; the fan-in is the product of all axes except the
/// first.
fn weight<T: Float>(shape: &[usize], rng: &mut Rng) -> Tensor<T> {
    let fan_in: usize = shape[1..].iter().product();
    Tensor::randn(shape, rng) * T::of(1.0 / (fan_in as f64).sqrt())
}

fn labels(batch: usize, classes: usize, rng: &mut Rng) -> Vec<Tensor<i64>> {
    vec![(0..batch).map(|_| rng.below(classes) as i64).collect()]
}

/// M1: dense layers of the given sizes with ReLU between them, mean softmax cross-entropy over a batch.
pub fn mlp<T: Float>(sizes: &[usize], batch: usize) -> Objective<T> {
    let mut rng = Rng::new(0);
    let layer = |pair: &[usize]| [weight(&[pair[1], pair[0]], &mut rng), Tensor::zeros(&[pair[1]])];
    let at = sizes.windows(2).flat_map(layer).collect();
    let x = Tensor::randn(&[batch, sizes[0]], &mut rng);
    let labels = labels(batch, sizes[sizes.len() - 1], &mut rng);
    let objective = Objective::new(at, vec![x], |parameters, data, labels| {
        let layers = parameters.chunks(2).enumerate();
        let scores = layers.fold(data[0], |h, (i, layer)| dense(if i == 0 { h } else { h.relu() }, layer));
        scores.cross_entropy(labels[0]).mean()
    });
    objective.reading(labels)
}

fn dense<'t, T: Float>(x: Var<'t, T>, layer: &[Var<'t, T>]) -> Var<'t, T> {
    x.matmul_t(layer[0]) + layer[1]
}

/// A recurrent network.
#[derive(Clone, Copy, PartialEq)]
pub enum Cell {
    Gru,
    Lstm,
}

/// M5, R: a recurrent network over a sequence, starting from a zero state; the sum of squares of all outputs.
pub fn recurrent<T: Float>(cell: Cell, [inputs, hidden, steps, batch]: [usize; 4]) -> Objective<T> {
    let mut rng = Rng::new(0);
    let bound = T::of(1.0 / (hidden as f64).sqrt());
    let mut uniform = |shape: &[usize]| (Tensor::rand(shape, &mut rng) - T::of(0.5)) * (bound + bound);
    let rows = hidden * if cell == Cell::Gru { 3 } else { 4 };
    let at = vec![uniform(&[rows, inputs]), uniform(&[rows, hidden]), uniform(&[rows]), uniform(&[rows])];
    let data = vec![Tensor::randn(&[steps, batch, inputs], &mut rng), Tensor::zeros(&[batch, hidden])];
    Objective::new(at, data, move |x, data, _| {
        let weights = Weights { w_ih: x[0], w_hh: x[1], b_ih: Some(x[2]), b_hh: Some(x[3]) };
        let outputs = match cell {
            Cell::Gru => gru_seq(data[0], data[1], &weights).map(|(outputs, _)| outputs),
            Cell::Lstm => lstm_seq(data[0], [data[1]; 2], &weights).map(|(outputs, _)| outputs),
        };
        outputs.expect("the shapes fit").square().sum()
    })
}

fn pooled<T: Float>(h: Var<'_, T>) -> Var<'_, T> {
    h.relu().max_pool2d(Pool::of([2, 2]))
}

/// M6: LeNet-5 on images of 28 by 28, mean softmax cross-entropy over a batch. Source: LeCun et al., *Gradient-based
/// learning applied to document recognition* (1998), with ReLU and max pooling as in current practice.
pub fn lenet<T: Float>(batch: usize) -> Objective<T> {
    let mut rng = Rng::new(0);
    let shapes: [&[usize]; 5] = [&[6, 1, 5, 5], &[16, 6, 5, 5], &[120, 400], &[84, 120], &[10, 84]];
    let at = shapes.iter().flat_map(|shape| [weight(shape, &mut rng), Tensor::zeros(&shape[..1])]).collect();
    let x = Tensor::randn(&[batch, 1, 28, 28], &mut rng);
    let labels = labels(batch, 10, &mut rng);
    let objective = Objective::new(at, vec![x], move |p, data, labels| {
        let same = Conv { padding: [2, 2], ..Conv::default() };
        let h = pooled(data[0].conv2d(p[0], Some(&p[1]), same));
        let h = pooled(h.conv2d(p[2], Some(&p[3]), Conv::default()));
        let h = h.reshape(&[batch, 400]);
        let h = dense(dense(h, &p[4..6]).relu(), &p[6..8]).relu();
        dense(h, &p[8..10]).cross_entropy(labels[0]).mean()
    });
    objective.reading(labels)
}
