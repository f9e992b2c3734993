//! A physics-informed network: Poisson's equation -Δu = f on the unit square, u = 0 on its edge, solved by a network whose
//! loss has the Laplacian of the network in it (Raissi, Perdikaris and Karniadakis, 2019).
//!
//! `cargo run --release --example pinn [-- --short]`. The solution sin πx sin πy is known, and not shown to the network.

mod common;

use std::error::Error;
use std::f64::consts::PI;
use std::process::ExitCode;
use wengert::nn::layer::Activation;
use wengert::nn::optim::{Lbfgs, ParamGradients};
use wengert::nn::{self, Module, Pass};
use wengert::prelude::*;

const USAGE: &str = "usage: pinn [--short]\n  --short  half of the iterations";

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let short = arguments.contains("--short");
        common::finish(arguments)?;
        poisson(if short { 5 } else { 10 }, 1e-3)
    })
}

/// u at points `[n, 2]`: a network times a function that vanishes on the edge of the square, so that u does.
fn solution<'t>(net: &nn::layer::Sequential<f64>, at: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
    let [x, y] = [0, 1].map(|axis| at.index_axis(1, axis));
    let inside = x * (1.0 - x) * y * (1.0 - y) * 16.0;
    inside * net.forward(at * 2.0 - 1.0, pass).index_axis(1, 0)
}

/// Δu at each point. Each u depends on its own point only, so the gradient of the sum has the gradients of all.
fn laplacian<'t>(u: Var<'t, f64>, at: Var<'t, f64>) -> Var<'t, f64> {
    let slopes = u.sum().grad(&[at])[0];
    let second = |axis| slopes.index_axis(1, axis).sum().grad(&[at])[0].index_axis(1, axis);
    second(0) + second(1)
}

fn poisson(rounds: usize, goal: f64) -> Result<(), Box<dyn Error>> {
    let exact = |x: f64, y: f64| (PI * x).sin() * (PI * y).sin();
    let mut rng = Rng::new(0);
    let at = Tensor::<f64>::rand(&[256, 2], &mut rng);
    let force = Tensor::from_fn(&[256], |i| 2.0 * PI * PI * exact(at.at(&[i[0], 0]), at.at(&[i[0], 1])));
    let mut net = Mlp::new(&[2, 20, 20, 1]).activation(Activation::Tanh).seed(1).build();

    let mut tape = Tape::new();
    let mut residual = |net: &nn::layer::Sequential<f64>, gradients: &mut ParamGradients<f64>| {
        tape.clear();
        let at = tape.var(at.clone());
        let u = solution(net, at, &mut Pass::eval(&tape));
        let loss = (laplacian(u, at) + tape.constant(force.clone())).square().mean();
        gradients.collect(net, &tape, &mut loss.backward());
        loss.item()
    };

    // The largest error on a grid.
    let error = |net: &nn::layer::Sequential<f64>| {
        let grid = Tensor::from_fn(&[21 * 21, 2], |i| (if i[1] == 0 { i[0] / 21 } else { i[0] % 21 }) as f64 / 20.0);
        let tape = Tape::new();
        let u = solution(net, tape.constant(grid.clone()), &mut Pass::eval(&tape)).value();
        let exact = Tensor::from_fn(&[21 * 21], |i| exact(grid.at(&[i[0], 0]), grid.at(&[i[0], 1])));
        (u - exact).abs().max().item()
    };

    let mut lbfgs = Lbfgs::new(1.0).max_iter(25).max_eval(60).line_search(true);
    println!("iterations  mean of (Δu + f)²  largest error of u");
    for round in 0..=rounds {
        if round % (rounds / 5) == 0 {
            let loss = residual(&net, &mut ParamGradients::new());
            println!("{:>10}{loss:>19.2e}{:>20.2e}", 25 * round, error(&net));
        }
        if round < rounds {
            lbfgs.step(&mut net, &mut residual);
        }
    }
    if error(&net) < goal { Ok(()) } else { Err("the equation is not solved".into()) }
}
