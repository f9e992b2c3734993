//! Times the engine on fixed pieces of work and prints one JSON line each:
//! `cargo run --release --example bench -- [--threads N] [--only M1a,M2]`.
//!
//! The same work for PyTorch and JAX is in `benches/peers/`; `benches/peers/compare.sh` runs all three in one go.
//! M1a/b/c: a training step of an MLP (forward, mean softmax cross-entropy, backward, SGD with momentum 0.9).
//! M2: x <- sin(x)·a + b on f64 scalars, recorded and swept, per operation. M3: value and gradient of
//! sum(tanh(x)·exp(-x²) + sigmoid(x)).

#[path = "../benches/work/mod.rs"]
mod work;

use autograd::prelude::*;
use autograd::{set_threads, threads};
use std::time::Instant;
use work::{LENGTH, Mlp, elementwise, scalar_chain};

fn main() {
    let (mut only, mut args) = (Vec::new(), std::env::args().skip(1));
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--threads" => set_threads(value().parse().expect("--threads takes a number")),
            "--only" => only = value().split(',').map(str::to_owned).collect(),
            other => panic!("unknown argument {other}: use --threads N, --only M1a,M2"),
        }
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|o| o == name);
    for (name, sizes, batch, runs) in [
        ("M1a", &[64, 32, 10][..], 32, 2000),
        ("M1b", &[784, 256, 128, 10], 128, 200),
        ("M1c", &[1024, 2048, 2048, 1000], 256, 10),
    ] {
        if wanted(name) {
            let mut mlp = Mlp::new(sizes, batch);
            let (scale, unit) = if name == "M1a" { (1e6, "us") } else { (1e3, "ms") };
            report(name, runs, scale, unit, || mlp.step());
        }
    }
    if wanted("M2") {
        let mut tape = Tape::new();
        report("M2", 20, 1e9 / (3.0 * LENGTH as f64), "ns/op", || scalar_chain(&mut tape));
    }
    for (name, n, runs) in [("M3_1000", 1000, 2000), ("M3_100000", 100_000, 200), ("M3_10000000", 10_000_000, 5)] {
        if wanted(name) {
            let x = Tensor::<f32>::randn(&[n], &mut Rng::new(0));
            let mut tape = Tape::new();
            report(name, runs, 1e6, "us", || elementwise(&mut tape, &x));
        }
    }
}

/// The median and the least of some runs after a warm-up, as a line of JSON.
fn report(name: &str, runs: usize, scale: f64, unit: &str, mut work: impl FnMut()) {
    (0..runs / 10 + 2).for_each(|_| work());
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * scale
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let (median, min, threads) = (times[runs / 2], times[0], threads());
    println!(
        r#"{{"bench":"{name}","variant":"record","threads":{threads},"median":{median:.4},"min":{min:.4},"unit":"{unit}"}}"#
    );
}
