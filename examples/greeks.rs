//! The price of European options and its derivatives, the Greeks, at many points: one scalar program, recorded once with
//! its first and second derivatives, runs in the lanes of vector registers by `run_many`.
//!
//! `cargo run --release --example greeks [-- --short]`. The Greeks are checked against their closed forms.

mod common;

use autograd::Program;
use autograd::float::Real;
use std::error::Error;
use std::f64::consts::{PI, SQRT_2};
use std::process::ExitCode;
use std::time::Instant;
use wengert::autograd;
use wengert::prelude::*;

const USAGE: &str = "usage: greeks [--short]\n  --short  1,000 options instead of 10,000";

fn main() -> ExitCode {
    common::run(USAGE, |mut arguments| {
        let short = arguments.contains("--short");
        common::finish(arguments)?;
        greeks(if short { 1000 } else { 10_000 })
    })
}

/// The price of a call, the right to buy for `k` after the time `t` what costs `s` now: Black and Scholes, 1973.
fn call<'t>([s, k, t, rate, volatility]: [Var<'t, f64>; 5]) -> Var<'t, f64> {
    let deviation = volatility * t.sqrt();
    let d = ((s / k).ln() + rate * t) / deviation + 0.5 * deviation;
    s * normal(d) - k * (-rate * t).exp() * normal(d - deviation)
}

/// The normal distribution function.
fn normal(x: Var<'_, f64>) -> Var<'_, f64> {
    0.5 * (-x / SQRT_2).erfc()
}

/// The program of one option: its price, delta, dual delta, theta, rho and vega; then gamma and vanna.
fn program() -> Program<f64> {
    let tape = Tape::sketch();
    let x = [100.0, 100.0, 1.0, 0.03, 0.2].map(|x| tape.var(x));
    let price = call(x);
    let first = price.grad(&x);
    let second = first[0].grad(&[x[0], x[4]]);
    Program::new(&tape, &x, &[vec![price], first, second].concat())
}

fn greeks(n: usize) -> Result<(), Box<dyn Error>> {
    let mut rng = Rng::new(0);
    let mut between = |low: f64, high: f64| Tensor::rand(&[n], &mut rng) * (high - low) + low;
    let (s, k, t) = (between(80.0, 120.0), between(80.0, 120.0), between(0.1, 2.0));
    let (rate, volatility) = (Tensor::scalar(0.03), between(0.1, 0.4)); // the rate is the same for all
    let inputs = [&s, &k, &t, &rate, &volatility];
    let mut program = program();

    let many = program.run_many(&inputs)?.to_vec();
    let names = ["price", "delta", "dual delta", "theta", "rho", "vega", "gamma", "vanna"];
    println!("{:>8}{:>8}{:>8}{:>12}", "s", "k", "t", "volatility");
    println!("{:>8.2}{:>8.2}{:>8.2}{:>12.2}", s.at(&[0]), k.at(&[0]), t.at(&[0]), volatility.at(&[0]));
    names.iter().zip(&many).for_each(|(name, y)| println!("{name:>12} {:>10.5}", y.at(&[0])));

    let mut largest: f64 = 0.0;
    for i in 0..n {
        let [s, k, t, volatility] = [&s, &k, &t, &volatility].map(|x| x.at(&[i]));
        for (y, closed) in [1, 6, 5].into_iter().zip(closed_forms(s, k, t, 0.03, volatility)) {
            largest = largest.max((many[y].at(&[i]) - closed).abs() / closed.abs().max(1e-3));
        }
    }
    println!("{n} options; delta, gamma and vega differ from their closed forms by at most {largest:.0e}");

    // The same one by one, on one thread.
    autograd::set_threads(1);
    let mut times = [f64::INFINITY; 2];
    let mut same = true;
    for _ in 0..5 {
        let start = Instant::now();
        let mut one = [[0.0]; 8];
        for i in 0..n {
            let x = [&s, &k, &t, &volatility].map(|x| [x.as_slice().expect("contiguous")[i]]);
            let outputs = &mut one.each_mut().map(|y| y.as_mut_slice());
            program.run_into(&[&x[0], &x[1], &x[2], &[0.03], &x[3]], outputs)?;
            same &= one.iter().zip(&many).all(|(one, many)| one[0] == many.as_slice().expect("contiguous")[i]);
        }
        times[0] = times[0].min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        program.run_many(&inputs)?;
        times[1] = times[1].min(start.elapsed().as_secs_f64());
    }
    let [each, all] = times.map(|time| time * 1e9 / n as f64);
    println!("one thread: {each:.0} ns an option one by one, {all:.0} ns by run_many, {:.0} times as fast", each / all);
    println!("the same bits: {}", if same { "yes" } else { "no" });
    if largest < 1e-9 && same { Ok(()) } else { Err("the Greeks are wrong".into()) }
}

/// Delta, gamma and vega by hand.
fn closed_forms(s: f64, k: f64, t: f64, rate: f64, volatility: f64) -> [f64; 3] {
    let deviation = volatility * t.sqrt();
    let d = ((s / k).ln() + rate * t) / deviation + 0.5 * deviation;
    let density = (-0.5 * d * d).exp() / (2.0 * PI).sqrt();
    [0.5 * Real::erfc(-d / SQRT_2), density / (s * deviation), s * density * t.sqrt()]
}
