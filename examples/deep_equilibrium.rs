//! An implicit layer: its output is not computed by a formula but defined by an equation, z = tanh(z W + x U + b), the limit
//! of infinitely many equal layers (Bai, Kolter and Koltun, *Deep equilibrium models*, 2019). The derivative follows from
//! the equation, so memory does not grow with the steps of the solver.
//!
//! `cargo run --release --example deep_equilibrium [-- --short]`. The gradient is compared with the gradient through 200
//! layers; then the layer learns to multiply.

mod common;

use autograd::transform::{Linear, Method, Solver, fixed_point};
use std::error::Error;
use std::process::ExitCode;
use wengert::autograd;
use wengert::prelude::*;

const USAGE: &str = "usage: deep_equilibrium [--short]\n  --short  100 updates instead of 600";

/// Number of units.
const UNITS: usize = 12;

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let short = arguments.contains("--short");
        common::finish(arguments)?;
        if short { learn(100, 0.1) } else { learn(600, 0.01) }
    })
}

/// One step towards the equilibrium z of a batch: z, x, W, U and b are given.
fn step<'t>(p: &[Var<'t, f64>]) -> Var<'t, f64> {
    let &[z, x, w, u, b] = p else { unreachable!("five inputs") };
    (z.matmul(w) + x.matmul(u) + b).tanh()
}

/// The equilibrium, found by Anderson's method; the linear system of its derivative is solved by GMRES.
fn equilibrium<'t>(p: &[Var<'t, f64>]) -> Var<'t, f64> {
    let solver =
        Solver { method: Method::Anderson { memory: 5 }, linear: Linear::Gmres, tolerance: 1e-9, ..Solver::default() };
    fixed_point(step, &Tensor::zeros(&[p[0].shape()[0], UNITS]), p, solver)
}

/// 200 equal layers.
fn unrolled<'t>(p: &[Var<'t, f64>]) -> Var<'t, f64> {
    let &[x, w, u, b] = p else { unreachable!("four inputs") };
    let start = x.tape().constant(Tensor::zeros(&[x.shape()[0], UNITS]));
    (0..200).fold(start, |z, _| step(&[z, x, w, u, b]))
}

/// The mean square of the errors of a linear readout of the layer. The inputs are x, the targets, and the weights.
fn loss<'t>(layer: fn(&[Var<'t, f64>]) -> Var<'t, f64>, p: &[Var<'t, f64>]) -> Var<'t, f64> {
    let &[x, t, w, u, b, v] = p else { unreachable!("six inputs") };
    (layer(&[x, w, u, b]).matmul(v) - t).square().mean()
}

fn learn(updates: usize, goal: f64) -> Result<(), Box<dyn Error>> {
    let mut rng = Rng::new(0);
    let x = Tensor::rand(&[64, 2], &mut rng) * 2.0 - 1.0;
    let t = x.index_axis(1, 0) * x.index_axis(1, 1) * 2.0; // the product, which no linear layer computes
    // With small weights each step is a contraction, so there is one equilibrium.
    let weights = [(&[UNITS, UNITS][..], 0.15), (&[2, UNITS], 1.0), (&[UNITS], 0.5), (&[UNITS], 0.3)];
    let mut p = vec![x, t];
    p.extend(weights.map(|(shape, scale)| Tensor::randn(shape, &mut rng) * scale));

    let (_, implicit) = value_and_grad(|p| loss(equilibrium, p), &p);
    let (_, through) = value_and_grad(|p| loss(unrolled, p), &p);
    let difference = implicit.iter().zip(&through).map(|(a, b)| (a - b).abs().max().item()).fold(0.0, f64::max);
    println!("gradients by the equation and through 200 layers differ by at most {difference:.0e}");

    // Adam, by hand.
    let mut moments: Vec<[Tensor<f64>; 2]> = p.iter().map(|p| [0; 2].map(|_| Tensor::zeros(p.shape()))).collect();
    let mut last = f64::INFINITY;
    for update in 1..=updates {
        let (value, gradients) = value_and_grad(|p| loss(equilibrium, p), &p);
        last = value.item();
        if update == 1 || update % (updates / 5) == 0 {
            println!("update {update:>4}: mean square error {last:.5}");
        }
        for k in 2..p.len() {
            let [m, v] = &mut moments[k];
            *m = &*m * 0.9 + &gradients[k] * 0.1;
            *v = &*v * 0.99 + gradients[k].square() * 0.01;
            let corrected = [0.9f64, 0.99].map(|beta| 1.0 - beta.powi(update as i32));
            p[k] = &p[k] - (&*m / corrected[0]) / ((&*v / corrected[1]).sqrt() + 1e-8) * 0.01;
        }
    }
    if difference < 1e-7 && last < goal { Ok(()) } else { Err("the layer did not learn".into()) }
}
