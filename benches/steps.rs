//! Whole steps: `cargo bench --bench steps`. The goals and the other engines' figures are in docs/performance.md.

mod work;

use autograd::prelude::*;
use criterion::{Criterion, criterion_group, criterion_main};
use work::{Mlp, elementwise, scalar_chain};

fn steps(c: &mut Criterion) {
    let mut small = Mlp::new(&[64, 32, 10], 32);
    c.bench_function("M1a: train step, MLP 64-32-10, batch 32", |b| b.iter(|| small.step()));
    let mut large = Mlp::new(&[784, 256, 128, 10], 128);
    c.bench_function("M1b: train step, MLP 784-256-128-10, batch 128", |b| b.iter(|| large.step()));
    let mut tape = Tape::new();
    c.bench_function("M2: 300,000 scalar operations recorded and swept", |b| b.iter(|| scalar_chain(&mut tape)));
    for n in [1_000, 100_000] {
        let (x, mut tape) = (Tensor::randn(&[n], &mut Rng::new(0)), Tape::new());
        c.bench_function(&format!("M3: elementwise value and gradient, n = {n}"), |b| {
            b.iter(|| elementwise(&mut tape, &x))
        });
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
