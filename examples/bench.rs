//! Times the engine on fixed pieces of work and prints one JSON line each:
//! `cargo run --release --example bench -- [--threads N] [--only M1a,M2]`.
//!
//! The same work for PyTorch and JAX is in `benches/peers/`; `benches/peers/compare.sh` runs all three in one go.
//! M1a/b/c: a training step of an MLP (forward, mean softmax cross-entropy, backward, SGD with momentum 0.9).
//! M2: x <- sin(x)·a + b on f64 scalars, recorded and swept, per operation. M3: value and gradient of
//! sum(tanh(x)·exp(-x²) + sigmoid(x)).

use autograd::prelude::*;
use autograd::{set_threads, threads, update};
use std::time::Instant;

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

/// Dense layers with ReLU between them, written on the bare tape.
struct Mlp {
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
    fn new(sizes: &[usize], batch: usize) -> Mlp {
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

    fn step(&mut self) {
        let mut h = self.tape.constant(self.x.clone());
        let mut variables: [Option<[Var<f32>; 2]>; 4] = [None; 4];
        for (i, layer) in self.layers.iter().enumerate() {
            let (w, b) = (self.tape.var(layer.weight.clone()), self.tape.var(layer.bias.clone()));
            variables[i] = Some([w, b]);
            h = if i == 0 { h } else { h.relu() }.matmul_t(w) + b;
        }
        let mut gradients = h.cross_entropy(&self.labels).mean().backward();
        let taken = variables.map(|pair| pair.map(|pair| pair.map(|v| gradients.take(v).expect("every layer is used"))));
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
const LENGTH: usize = 100_000;

fn scalar_chain(tape: &mut Tape<f64>) {
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

fn elementwise(tape: &mut Tape<f32>, x: &Tensor<f32>) {
    tape.clear();
    let x = tape.var(x.clone());
    let y = (x.tanh() * (-x * x).exp() + x.sigmoid()).sum();
    let gradient = y.backward().wrt(x);
    assert_eq!(gradient.len(), x.value().len());
}
