//! Programs that recompute tanh in the backward pass have the bits of the tapes they were compiled from: random networks
//! of large arrays, with values and derivatives to second order, and values of tanh among the outputs.

use super::{bits, randn};
use autograd::Program;
use autograd::op::{Op, Unary};
use autograd::prelude::*;

/// A random network of `layers`, from x (48 by 32) and a weight, and some of its inner values.
fn network<'t>(x: Var<'t, f64>, w: Var<'t, f64>, layers: usize, seed: u64) -> (Var<'t, f64>, Vec<Var<'t, f64>>) {
    let mut rng = Rng::new(seed);
    let (mut h, mut before, mut shown) = (x, x, Vec::new());
    for _ in 0..layers {
        let z = h.matmul(w) * (0.5 + 4.0 * rng.uniform());
        let next = match rng.below(6) {
            0 => z.tanh() + before,
            1 => z.tanh() * h.sigmoid(),
            2 => z.tanh().tanh() - h.tanh() * 0.5,
            3 => (z + h.tanh()).tanh().transpose(0, 1).reshape(&[48, 32]),
            4 => z.tanh() * z.tanh() + z * 0.1,
            _ => z.tanh(),
        };
        if rng.below(5) == 0 {
            shown.push(next);
        }
        (before, h) = (h, next);
    }
    (h.square().sum(), shown)
}

/// The outputs of a run: the value, inner values, the gradient, and a Hessian-vector product.
fn outputs<'t>(x: Var<'t, f64>, w: Var<'t, f64>, layers: usize, seed: u64) -> Vec<Var<'t, f64>> {
    let (y, mut all) = network(x, w, layers, seed);
    let gradient = y.grad(&[x, w]);
    let along = (gradient[0] * 0.01).sum() + (gradient[1] * 0.01).tanh().sum();
    all.extend([y, gradient[0], gradient[1]]);
    if seed.is_multiple_of(2) {
        all.extend(along.grad(&[w]));
    }
    all
}

#[test]
fn random_networks_of_large_arrays() {
    let mut again = 0;
    for seed in 0..24 {
        let layers = 3 + (seed as usize * 7) % 20;
        let inputs = [randn(&[48, 32], seed), randn(&[32, 32], seed + 100) * 0.2];
        let record = |inputs: &[Tensor<f64>; 2]| -> Vec<Tensor<f64>> {
            let tape = Tape::new();
            let [x, w] = inputs.each_ref().map(|x| tape.var(x.clone()));
            outputs(x, w, layers, seed).iter().map(|y| y.value()).collect()
        };
        let tape = Tape::new();
        let [x, w] = inputs.each_ref().map(|x| tape.var(x.clone()));
        let recorded = outputs(x, w, layers, seed);
        let is_tanh = |id: &usize| tape.get(*id).expect("a node").op() == Op::Unary(Unary::Tanh);
        let tanhs = (0..tape.len()).filter(is_tanh).count();
        let mut program = Program::new(&tape, &[x, w], &recorded);
        let text = program.to_string();
        again += (text.matches("tanh").count() - text.matches("tanh_slope").count()).saturating_sub(tanhs);
        for given in [inputs.clone(), inputs.each_ref().map(|x| x.map(|x| 1.5 * x - 0.01)), inputs.clone()] {
            let expected = record(&given);
            let found = program.run(&given.each_ref()).unwrap();
            for (k, (e, f)) in expected.iter().zip(found).enumerate() {
                assert_eq!(bits(e), bits(f), "seed {seed}, output {k}\n{program}");
            }
        }
    }
    assert!(again > 50, "{again} are computed again");
}
