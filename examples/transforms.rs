//! The cost of each transform, as a multiple of the plain computation that it is compared with.
//!
//! `cargo run --release --features linalg --example transforms` prints the table; medians of repeated runs on one thread.

use autograd::transform::{
    SparseHessian, clipped_grad, fold, hessian, jacobian, per_sample_grad, per_sample_norm, taylor, vmap,
};
use autograd::{Rng, Tape, Tensor, Var, compile};
use std::hint::black_box;
use std::time::Instant;
use wengert::autograd;

/// The median time of a call, in milliseconds.
fn time(mut f: impl FnMut()) -> f64 {
    f();
    let mut all: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn row(what: &str, transform: f64, by: &str, plain: f64) {
    println!("| {what} | {transform:.3} ms | {by} | {plain:.3} ms | {:.2} |", transform / plain);
}

/// A net with two hidden layers; the weights come after the input.
fn net<'t>(x: &[Var<'t, f32>]) -> Var<'t, f32> {
    x[1..].iter().fold(x[0], |h, w| h.matmul(*w).tanh())
}

/// The loss of one sample.
fn loss<'t>(x: &[Var<'t, f32>]) -> Var<'t, f32> {
    net(x).square().sum()
}

/// Rosenbrock's valley in n dimensions.
fn valley<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let (a, b) = (x[0].slice(0, ..-1), x[0].slice(0, 1..));
    ((b - a.square()).square() * 100.0 + (1.0_f64 - a).square()).sum()
}

/// One step of a recurrent net.
fn cell<'t>(x: &[Var<'t, f32>]) -> Var<'t, f32> {
    (x[0].matmul(x[2]) + x[1]).tanh()
}

fn main() {
    autograd::set_threads(1);
    let rng = &mut Rng::new(0);
    println!("| transform | time | compared with | time | ratio |\n|---|---|---|---|---|");
    nets(rng);
    formulas(rng);
    loops(rng);
}

fn nets(rng: &mut Rng) {
    let mut random = |shape: &[usize]| Tensor::<f32>::randn(shape, rng) * 0.05;
    let all = [random(&[128, 784]), random(&[784, 256]), random(&[256, 128]), random(&[128, 10])];
    let (axes, weights) = ([Some(0), None, None, None], [1, 2, 3]);
    let mut batch = compile(|x| joined(&loss(x).grad(&x[1..])));
    let gradient = time(|| drop(black_box(batch.value(&all).map(Tensor::len))));
    let by = "the gradient of the batch";
    let mut samples = compile(move |x| {
        let flat = per_sample_grad(loss, &axes, &weights, x)
            .into_iter()
            .map(|g| g.reshape(&[128, g.shape().iter().product::<usize>() / 128]));
        Var::concat(&flat.collect::<Vec<_>>(), 1)
    });
    let each = time(|| drop(black_box(samples.value(&all).map(Tensor::len))));
    row("`per_sample_grad`, 784-256-128-10, batch 128, replayed", each, by, gradient);
    let mut samples = compile(move |x| per_sample_norm(loss, &axes, &weights, x));
    let each = time(|| drop(black_box(samples.value(&all).map(Tensor::len))));
    row("`per_sample_norm`, the same", each, by, gradient);
    let mut samples = compile(move |x| joined(&clipped_grad(loss, 1.0, &axes, &weights, x)));
    let each = time(|| drop(black_box(samples.value(&all).map(Tensor::len))));
    row("`clipped_grad`, the same", each, by, gradient);

    let mut random = |shape: &[usize]| Tensor::<f32>::randn(shape, rng) * 0.1;
    let (x, w, v, u) = (random(&[1, 100]), random(&[100, 256]), random(&[256, 256]), random(&[256, 100]));
    let all = [x, w, v, u];
    let mut value = compile(net);
    let plain = time(|| drop(black_box(value.value(&all).cloned())));
    let mut full = compile(|x| {
        let [x, w, v, u] = [0, 1, 2, 3].map(|i| x[i]);
        by_input(x, [w, v, u])
    });
    let rows = time(|| drop(black_box(full.value(&all).cloned())));
    row("`jacobian`, 100 to 100 through 256-256, replayed", rows, "the value", plain);

    let (a, b) = (random(&[256, 64, 64]) + Tensor::eye(64), random(&[256, 64]));
    let batched = time(|| drop(black_box(a.matmul(b.reshape(&[256, 64, 1])))));
    let mapped = time(|| drop(black_box(vmap(|x| x[0].matmul(x[1]), &[Some(0), Some(0)], &[&a, &b]))));
    row("`vmap` of a 64 by 64 product with a vector, 256 times", mapped, "the batched op", batched);
    #[cfg(feature = "linalg")]
    {
        let batched = time(|| drop(black_box(a.solve(&b))));
        let mapped = time(|| drop(black_box(vmap(|x| x[0].solve(x[1]), &[Some(0), Some(0)], &[&a, &b]))));
        row("`vmap` of a 64 by 64 `solve`, 256 times", mapped, "the batched op", batched);
    }
}

/// All elements of some arrays in one.
fn joined<'t>(x: &[Var<'t, f32>]) -> Var<'t, f32> {
    Var::concat(&x.iter().map(|x| x.reshape(&[x.shape().iter().product::<usize>()])).collect::<Vec<_>>(), 0)
}

/// The Jacobian of the net with respect to its input.
fn by_input<'t>(x: Var<'t, f32>, weights: [Var<'t, f32>; 3]) -> Var<'t, f32> {
    let all = [x, weights[0], weights[1], weights[2]];
    jacobian(net, &all)[0]
}

fn formulas(rng: &mut Rng) {
    let x = Tensor::<f64>::randn(&[200], rng);
    let mut gradient = compile(valley);
    let plain = time(|| drop(black_box(gradient.value_and_grad(&[&x]).map(|out| out.0))));
    let mut full = compile(|x| hessian(valley, x)[0][0]);
    let all = time(|| drop(black_box(full.value(&[&x]).cloned())));
    row("`hessian` of 200 variables, replayed", all, "the gradient, replayed", plain);

    let x = Tensor::<f64>::randn(&[100_000], rng);
    let plain = time(|| drop(black_box(gradient.value_and_grad(&[&x]).map(|out| out.0))));
    let mut sparse = SparseHessian::new(valley, &x).expect("a scalar function");
    let all = time(|| drop(black_box(sparse.at(&x).map(<[f64]>::len))));
    row("`SparseHessian` of 100,000 variables", all, "the gradient, replayed", plain);

    let (t, along) = (Tensor::<f64>::ones(&[100_000]), Tensor::<f64>::ones(&[100_000]));
    let f = |x: &Tensor<f64>| {
        let tape = Tape::new();
        black_box((tape.var(x.clone()).sin().exp() * tape.constant(x.clone())).tanh().value())
    };
    let plain = time(|| drop(f(&x)));
    let eight = time(|| drop(black_box(taylor(|x| (x[0].sin().exp() * x[0]).tanh(), &[&x], &[&t], 8))));
    row("`taylor` of order 8, 100,000 elements", eight, "the function, recorded", plain);
    let mut series = compile(move |x| taylor(|x| (x[0].sin().exp() * x[0]).tanh(), &x[..1], &[&t], 8)[8]);
    let mut function = compile(|x| (x[0].sin().exp() * x[0]).tanh());
    let plain = time(|| drop(black_box(function.value(&[&x]).map(Tensor::len))));
    let eight = time(|| drop(black_box(series.value(&[&x]).map(Tensor::len))));
    row("the same, replayed", eight, "the function, replayed", plain);

    let mut product = compile(|x| {
        let slope = valley(&x[..1]).grad(&x[..1])[0].jvp_recorded(&[(x[0], x[1])]);
        slope.sum()
    });
    let hvp = time(|| drop(black_box(product.value(&[&x, &along]).map(Tensor::item))));
    row("Hessian-vector product, 100,000 variables, replayed", hvp, "the gradient, replayed", plain_gradient(&x));
}

fn plain_gradient(x: &Tensor<f64>) -> f64 {
    let mut gradient = compile(valley);
    time(|| drop(black_box(gradient.value_and_grad(&[x]).map(|out| out.0))))
}

fn loops(rng: &mut Rng) {
    let mut random = |shape: &[usize]| Tensor::<f32>::randn(shape, rng) * 0.1;
    const STEPS: usize = 10_000;
    let (h, xs, w) = (random(&[16, 64]), random(&[STEPS, 16, 64]), random(&[64, 64]));
    let gradient = |f: &dyn for<'t> Fn(&[Var<'t, f32>]) -> Var<'t, f32>| {
        let tape = Tape::new();
        let x: Vec<Var<f32>> = [&h, &xs, &w].map(|x| tape.var(x.clone())).to_vec();
        black_box(f(&x).backward().wrt(x[2]))
    };
    let plain = time(|| {
        drop(gradient(&|x| {
            (0..STEPS as isize).fold(x[0], |carry, k| cell(&[carry, x[1].index_axis(0, k), x[2]])).sum()
        }))
    });
    let looped = time(|| drop(gradient(&|x| fold(cell, &x[0], &x[1], &x[2..], 100).sum())));
    row("gradient of a `fold` of 10,000 steps in 100 pieces", looped, "of the loop, recorded", plain);
}
