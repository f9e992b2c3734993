//! Bayesian logistic regression by Hamiltonian Monte Carlo: the sampler owns its buffers, and each of its steps asks a
//! compiled function for the log density and its gradient, from slice to slice and without allocation.
//!
//! `cargo run --release --example hmc [-- --short]`. Integrating by parts, the posterior mean of wᵢ ∂ ln p / ∂wᵢ is -1 for each
//! weight; this checks the samples without another sampler.

mod common;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;
use wengert::autograd::compile;
use wengert::prelude::*;

const USAGE: &str = "usage: hmc [--short]\n  --short  2,000 samples instead of 20,000";

/// Number of weights; the first belongs to a constant.
const WEIGHTS: usize = 5;
const TRUTH: [f64; WEIGHTS] = [-0.5, 1.0, -1.5, 0.5, 0.0];

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let short = arguments.contains("--short");
        common::finish(arguments)?;
        regression(if short { 2000 } else { 20_000 })
    })
}

fn regression(samples: usize) -> Result<(), Box<dyn Error>> {
    let mut rng = Rng::new(1);
    let rows = Tensor::from_fn(&[200, WEIGHTS], |i| if i[1] == 0 { 1.0 } else { rng.normal() });
    let chance = rows.matmul(Tensor::from(TRUTH)).sigmoid();
    let classes = chance.map(|p| if rng.uniform() < p { 1.0 } else { 0.0 });

    // The log density, up to a constant: a normal prior of variance 1, and Bernoulli's likelihood,
    // ln p(y | z) = y z - ln(1 + eᶻ).
    let mut density = compile::<f64, _>(|w| {
        let given = |x: &Tensor<f64>| w[0].tape().constant(x.clone());
        let z = given(&rows).matmul(w[0]);
        (given(&classes) * z - z.softplus()).sum() - 0.5 * w[0].square().sum()
    });
    let mut density = |w: &[f64; WEIGHTS], gradient: &mut [f64; WEIGHTS]| {
        density.value_and_grad_into(&[w], &mut [gradient]).expect("the shapes are those of the recording")
    };

    let mut chain = Vec::with_capacity(samples);
    let mut by_parts = [0.0; WEIGHTS];
    let (mut w, mut g, mut accepted) = ([0.0; WEIGHTS], [0.0; WEIGHTS], 0);
    let mut value = density(&w, &mut g);
    let start = Instant::now();
    for k in 0..samples + samples / 10 {
        let momentum: [f64; WEIGHTS] = std::array::from_fn(|_| rng.normal());
        let (mut to, mut slope, mut p) = (w, g, momentum);
        // Leapfrog: the momentum is half a step ahead of the position. The step varies, so that no orbit closes.
        let step = 0.15 * (0.8 + 0.4 * rng.uniform());
        let mut reached = value;
        for _ in 0..10 {
            push(&mut p, 0.5 * step, &slope);
            push(&mut to, step, &p);
            reached = density(&to, &mut slope);
            push(&mut p, 0.5 * step, &slope);
        }
        let energy = |value: f64, p: &[f64; WEIGHTS]| 0.5 * p.iter().map(|p| p * p).sum::<f64>() - value;
        if rng.uniform().ln() < energy(value, &momentum) - energy(reached, &p) {
            (w, g, value) = (to, slope, reached);
            accepted += usize::from(k >= samples / 10);
        }
        // The first part, the burn-in, does not count.
        if k >= samples / 10 {
            chain.push(w);
            (0..WEIGHTS).for_each(|i| by_parts[i] += w[i] * g[i] / samples as f64);
        }
    }
    let seconds = start.elapsed().as_secs_f64();

    println!("weight   true    mean  deviation  effective samples   mean of w dlnp/dw");
    let mut fewest = f64::INFINITY;
    for i in 0..WEIGHTS {
        let column: Vec<f64> = chain.iter().map(|w| w[i]).collect();
        let (mean, variance, effective) = moments(&column);
        fewest = fewest.min(effective);
        println!("{i:>6}{:>7.2}{mean:>8.3}{:>11.3}{effective:>19.0}{:>20.3}", TRUTH[i], variance.sqrt(), by_parts[i]);
    }
    println!("accepted: {:.1}%", 100.0 * accepted as f64 / samples as f64);
    println!("{samples} samples in {seconds:.2} s: at least {:.0} effective samples per second", fewest / seconds);
    let error = by_parts.iter().map(|mean| (mean + 1.0).abs()).fold(0.0, f64::max);
    if error < 10.0 / (samples as f64).sqrt() { Ok(()) } else { Err("the samples are not of the posterior".into()) }
}

/// x += step · v
fn push(x: &mut [f64; WEIGHTS], step: f64, v: &[f64; WEIGHTS]) {
    x.iter_mut().zip(v).for_each(|(x, v)| *x += step * v);
}

/// The mean, the variance, and the effective sample size: n / (1 + 2 Σ ρₖ), where the autocorrelations ρₖ are summed in pairs
/// while those are positive (Geyer, 1992).
fn moments(x: &[f64]) -> (f64, f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let covariance = |lag: usize| x.iter().zip(&x[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / n;
    let variance = covariance(0);
    let mut sum = -1.0;
    for lag in (0..x.len() - 1).step_by(2) {
        let pair = (covariance(lag) + covariance(lag + 1)) / variance;
        if pair <= 0.0 {
            break;
        }
        sum += 2.0 * pair;
    }
    (mean, variance, n / sum)
}
