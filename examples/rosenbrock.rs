//! Newton's method and L-BFGS on Rosenbrock's function of ten variables, a curved valley that descends slowly to its
//! minimum at (1, …, 1).
//!
//! `cargo run --release --example rosenbrock [-- --short]`. Newton's method takes the exact Hessian, and the number of correct
//! digits doubles in each of its last steps; L-BFGS takes gradients only.

mod common;

use autograd::compile;
use std::error::Error;
use std::process::ExitCode;
use wengert::nn::{Param, Pass, optim::Lbfgs};
use wengert::prelude::*;
use wengert::{autograd, nn};

const USAGE: &str = "usage: rosenbrock [--short]\n  --short  4 variables instead of 10";

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let short = arguments.contains("--short");
        common::finish(arguments)?;
        let start = Tensor::zeros(&[if short { 4 } else { 10 }]);
        newton(start.clone())?;
        lbfgs(start)
    })
}

/// Σ 100 (xᵢ₊₁ - xᵢ²)² + (1 - xᵢ)²
fn valley<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let (x, next) = (x[0].slice(0, ..-1), x[0].slice(0, 1..));
    ((next - x.square()).square() * 100.0 + (1.0 - x).square()).sum()
}

/// x ← x - (H + λ)⁻¹ g. If the function would not decrease, λ grows until it does, which turns the step toward the gradient.
/// Near the minimum λ vanishes.
fn newton(mut x: Tensor<f64>) -> Result<(), Box<dyn Error>> {
    let mut value = compile(valley);
    let mut curvature = compile(|x| hessian(valley, x)[0][0]);
    let mut damping = 0.0;
    println!("Newton:  step      value   |x - 1|  damping");
    for step in 0..100 {
        let (f, gradients) = value.value_and_grad(&[&x])?;
        let gradient = gradients[0].clone();
        let error = (&x - 1.0).abs().max().item();
        if step % 5 == 0 || error < 1e-2 {
            println!("{step:>13}{f:>11.1e}{error:>10.1e}{damping:>9.0e}");
        }
        if error < 1e-12 {
            return Ok(());
        }
        let curvature = curvature.value(&[&x])?;
        x = loop {
            let next = &x - &solve(curvature, damping, &gradient);
            if value.value(&[&next])?.item() <= f {
                damping = if damping < 1e-3 { 0.0 } else { damping / 10.0 };
                break next;
            }
            damping = f64::max(10.0 * damping, 1e-3);
        };
    }
    Err("Newton's method did not converge".into())
}

/// Gradients alone: 10 iterations at a time.
fn lbfgs(start: Tensor<f64>) -> Result<(), Box<dyn Error>> {
    let mut x = Param::new(start);
    let mut evaluations = 0;
    let mut evaluate = |x: &Param<f64>, gradients: &mut nn::optim::ParamGradients<f64>| {
        evaluations += 1;
        let tape = Tape::new();
        let y = valley(&[Pass::eval(&tape).var(x)]);
        gradients.collect(x, &tape, &mut y.backward());
        y.item()
    };
    let mut optimizer = Lbfgs::new(1.0).max_iter(10).max_eval(100).line_search(true);
    optimizer = optimizer.tolerance_grad(1e-12).tolerance_change(0.0);
    println!("L-BFGS:  iteration      value    |x - 1|");
    for iteration in (0..500).step_by(10) {
        let value = optimizer.step(&mut x, &mut evaluate);
        let error = (x.value() - 1.0).abs().max().item();
        println!("{iteration:>18}{value:>11.1e}{error:>11.1e}");
        if error < 1e-9 {
            println!("{evaluations} gradients");
            return Ok(());
        }
    }
    Err("L-BFGS did not converge".into())
}

/// The solution of a small linear system, with λ added to its diagonal, by elimination with pivots. (With its feature `linalg`, autograd has `solve`, which
/// can itself be differentiated.)
fn solve(matrix: &Tensor<f64>, damping: f64, right: &Tensor<f64>) -> Tensor<f64> {
    let n = right.len();
    let mut rows: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| matrix.at(&[i, j])).chain([right.at(&[i])]).collect()).collect();
    (0..n).for_each(|i| rows[i][i] += damping);
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| rows[i][k].abs().total_cmp(&rows[j][k].abs())).expect("k < n");
        rows.swap(k, pivot);
        let above = rows[k].clone();
        for row in &mut rows[k + 1..] {
            let factor = row[k] / above[k];
            row.iter_mut().zip(&above).skip(k).for_each(|(x, y)| *x -= factor * y);
        }
    }
    let mut x = vec![0.0; n];
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| rows[k][j] * x[j]).sum();
        x[k] = (rows[k][n] - known) / rows[k][k];
    }
    Tensor::from(x)
}
