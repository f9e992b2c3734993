//! The parameters of a differential equation from noisy data: Lotka and Volterra's predators and prey, integrated by
//! `odeint`, whose solution is differentiated as a whole, and fitted by L-BFGS.
//!
//! `cargo run --release --example ode_fit [-- --short]`.

mod common;

use autograd::transform::{Steps, odeint};
use std::error::Error;
use std::process::ExitCode;
use wengert::nn::{Param, Pass, optim::Lbfgs};
use wengert::prelude::*;
use wengert::{autograd, nn};

const USAGE: &str = "usage: ode_fit [--short]\n  --short  20 observations instead of 60";

/// Birth and death of the prey, birth and death of the predators.
const TRUTH: [f64; 4] = [1.1, 0.4, 0.1, 0.4];

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let short = arguments.contains("--short");
        common::finish(arguments)?;
        fit(if short { 20 } else { 60 })
    })
}

/// The slope of the populations: time, populations and parameters are given.
fn slope<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let [prey, predators] = [0, 1].map(|i| x[1].index_axis(0, i));
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| x[2].index_axis(0, i));
    Var::stack(&[prey * (a - b * predators), predators * (c * prey - d)], 0)
}

fn fit(observations: usize) -> Result<(), Box<dyn Error>> {
    let times: Vec<f64> = (0..observations).map(|i| 20.0 * i as f64 / (observations - 1) as f64).collect();
    let steps = Steps::Rk4(200 / observations);
    let start = tensor![10.0, 5.0];
    let mut rng = Rng::new(3);
    let exact = odeint(slope, &start, &times, &[Tensor::from(TRUTH)], steps);
    let data: Tensor<f64> = &exact * (1.0 + 0.02 * Tensor::randn(exact.shape(), &mut rng)); // an error of 2 %

    // The parameters are positive, so their logarithms are fitted.
    let mut logs = Param::new(tensor![0.9f64, 0.6, 0.15, 0.3].ln());
    let (mut tape, mut evaluations) = (Tape::new(), 0);
    let mut lbfgs = Lbfgs::new(1.0).max_iter(100).max_eval(400).line_search(true);
    let mut loss = |logs: &Param<f64>, gradients: &mut nn::optim::ParamGradients<f64>| {
        evaluations += 1;
        tape.clear();
        let parameters = Pass::eval(&tape).var(logs).exp();
        let y = odeint(slope, &tape.constant(start.clone()), &times, &[parameters], steps);
        let loss = (y.ln() - tape.constant(data.ln())).square().mean();
        gradients.collect(logs, &tape, &mut loss.backward());
        loss.item()
    };
    let first = lbfgs.step(&mut logs, &mut loss);
    let last = loss(&logs, &mut nn::optim::ParamGradients::new());

    println!(
        "mean square of the errors of ln(population): {first:.4} before, {last:.6} after {evaluations} evaluations"
    );
    println!("{:>24}{:>8}{:>10}{:>9}", "", "true", "fitted", "error");
    let fitted = logs.value().exp();
    let mut worst: f64 = 0.0;
    for (k, name) in
        ["birth of the prey", "death by a predator", "birth by prey eaten", "death of predators"].iter().enumerate()
    {
        let (truth, fitted) = (TRUTH[k], fitted.at(&[k]));
        worst = worst.max((fitted / truth - 1.0).abs());
        println!("{name:>24}{truth:>8.3}{fitted:>10.4}{:>8.1}%", 100.0 * (fitted / truth - 1.0));
    }
    if worst < 0.03 { Ok(()) } else { Err("the fit misses the parameters".into()) }
}
