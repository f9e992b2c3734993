//! Structured ops on arrays of 10⁶ elements and on LeNet's shapes: `cargo bench --bench ops`. `benches/peers/ops.sh`
//! compares them with `benches/peers/torch_ops.py`, which runs the same ops under the same names.

use autograd::prelude::*;
use autograd::{Attention, Between, Conv, Insert, Order, Pad, Pool, Scatter, Target};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use nn::functional::layer_norm;
use std::hint::black_box;
use std::time::Duration;

type Group<'c> = BenchmarkGroup<'c, WallTime>;

fn time<R>(group: &mut Group, name: &str, f: impl Fn() -> R) {
    group.bench_function(name, |bench| bench.iter(|| black_box(f())));
}

/// Times `f` at `x`, alone and with its derivatives for all of `x`, using a random cotangent.
fn both_ways(group: &mut Group, name: &str, x: &[&Tensor<f32>], f: impl for<'t> Fn(&[Var<'t, f32>]) -> Var<'t, f32>) {
    let mut tape = Tape::new();
    let constants: Vec<_> = x.iter().map(|&x| tape.constant(x.clone())).collect();
    let cotangent = Tensor::<f32>::randn(&f(&constants).shape(), &mut Rng::new(1));
    group.bench_function(name, |bench| {
        bench.iter(|| {
            tape.clear();
            let x: Vec<_> = x.iter().map(|&x| tape.constant(x.clone())).collect();
            black_box(f(&x).value())
        })
    });
    group.bench_function(format!("{name} and gradients"), |bench| {
        bench.iter(|| {
            tape.clear();
            let x: Vec<_> = x.iter().map(|&x| tape.var(x.clone())).collect();
            black_box(f(&x).vjp(cotangent.clone()))
        })
    });
}

fn functions(group: &mut Group, x: &Tensor<f32>) {
    let above_zero = Tensor::<f32>::rand(&[1000, 1000], &mut Rng::new(1));
    let above_one = &above_zero + 1.0f32;
    both_ways(group, "f: gelu", &[x], |x| x[0].gelu());
    both_ways(group, "f: silu", &[x], |x| x[0].silu());
    time(group, "f: exp2", || x.exp2());
    time(group, "f: erfc", || x.erfc());
    time(group, "f: erfinv", || above_zero.erfinv());
    time(group, "f: asin", || above_zero.asin());
    time(group, "f: sinh", || x.sinh());
    time(group, "f: atan2", || x.atan2(&above_zero));
    time(group, "f: hypot", || x.hypot(&above_zero));
    time(group, "f: pow", || above_zero.pow(x));
    time(group, "f: fmod", || x.fmod(&above_zero));
    time(group, "f: lgamma", || above_one.lgamma());
    time(group, "f: polygamma", || above_one.polygamma(1));
    time(group, "f: i0e", || x.i0e());
    time(group, "f: rand", || Tensor::<f32>::rand(&[1000, 1000], &mut Rng::new(2)));
}

fn reductions(group: &mut Group, x: &Tensor<f32>) {
    time(group, "sum", || x.sum());
    time(group, "sum columns", || x.sum_axes(0));
    time(group, "sum rows", || x.sum_axes(1));
    time(group, "max rows", || x.max_axes(1));
    time(group, "min columns", || x.min_axes(0));
    time(group, "prod rows", || x.prod_axes(1));
    time(group, "var rows", || x.var_axes(1.0, 1));
    time(group, "norm", || x.norm(2.0));
    time(group, "argmax rows", || x.argmax(1));
    time(group, "argmin columns", || x.argmin(0));
    time(group, "cumsum rows", || x.cumsum(1));
    time(group, "cumsum columns", || x.cumsum(0));
    both_ways(group, "logsumexp rows", &[x], |x| x[0].logsumexp_axes(1));
    both_ways(group, "softmax rows", &[x], |x| x[0].softmax(1));
    both_ways(group, "log_softmax rows", &[x], |x| x[0].log_softmax(1));
    let labels: Tensor<i64> = (0..1000).map(|i| i * 7919 % 1000).collect();
    both_ways(group, "cross_entropy", &[x], |x| x[0].cross_entropy(&labels).mean());
    let (weight, bias) = (Tensor::ones(&[1000]), Tensor::zeros(&[1000]));
    both_ways(group, "layer_norm", &[x, &weight, &bias], |x| {
        layer_norm(x[0], &[1000], Some(x[1]), Some(x[2]), 1e-5).expect("the shapes fit")
    });
}

/// Sixteen times four heads of 128 positions.
fn attention(group: &mut Group) {
    let rng = &mut Rng::new(4);
    let [q, k, v] = [0; 3].map(|_| Tensor::<f32>::randn(&[16, 4, 128, 64], rng));
    for (name, causal) in [("attention", false), ("causal attention", true)] {
        both_ways(group, name, &[&q, &k, &v], |x| x[0].attention(x[1], x[2], None, Attention { causal, scale: None }));
    }
}

fn moves(group: &mut Group, x: &Tensor<f32>) {
    let rng = &mut Rng::new(2);
    let (cube, other) = (Tensor::<f32>::randn(&[100, 100, 100], rng), Tensor::<f32>::randn(&[1000, 1000], rng));
    let mask = other.gt(Tensor::scalar(0.0));
    let rows: Tensor<i64> = (0..1000).map(|i| i * 7919 % 1000).collect();
    let places = Tensor::from_fn(&[1000, 1000], |i| ((i[0] + i[1] * 7919) % 1000) as i64);
    time(group, "transpose", || x.t().contiguous());
    time(group, "permute 2 0 1", || cube.permute(&[2, 0, 1]).contiguous());
    time(group, "flip", || x.flip([0, 1]).contiguous());
    time(group, "cat rows", || Tensor::concat(&[x.clone(), other.clone()], 0));
    time(group, "cat columns", || Tensor::concat(&[x.clone(), other.clone()], 1));
    time(group, "pad", || x.pad(&[[1, 1], [1, 1]], Pad::Constant(0.0)));
    time(group, "where", || mask.select(x, &other));
    time(group, "take rows", || x.take(0, &rows));
    time(group, "gather rows", || x.gather(0, &places));
    time(group, "gather columns", || x.gather(1, &places));
    time(group, "scatter_add rows", || x.scatter_add(0, &places, &other));
    time(group, "scatter_add columns", || x.scatter_add(1, &places, &other));
    time(group, "sort rows", || x.sort(1, Order::Ascending));
}

/// A million elements in ten thousand groups, order statistics, and places in sorted lists.
fn lists(group: &mut Group, x: &Tensor<f32>) {
    let (rng, n) = (&mut Rng::new(5), 1_000_000);
    let (list, base) = (x.reshape(&[n]), Tensor::zeros(&[10_000]));
    let index: Tensor<i64> = (0..n).map(|_| rng.below(10_000) as i64).collect();
    for (name, how) in [("sum", Scatter::Sum), ("mean", Scatter::Mean), ("max", Scatter::Max), ("prod", Scatter::Prod)]
    {
        both_ways(group, &format!("scatter_reduce {name}"), &[&base, &list], |x| {
            x[0].scatter_reduce(0, &index, x[1], how, Target::Included)
        });
    }
    let edges = Tensor::<f32>::randn(&[1000], rng).sort(0, Order::Ascending).0;
    time(group, "bucketize", || list.bucketize(&edges, Insert::Before));
    time(group, "quantile", || list.quantile(0.3, 0, Between::Linear));
    time(group, "quantile of rows", || x.quantile(0.3, 1, Between::Linear));
    time(group, "median of rows", || x.median(1));
    time(group, "unique integers", || index.unique());
    time(group, "unique numbers", || list.unique());
    time(group, "sort a list", || list.sort(0, Order::Ascending));
    let (a, b) = (Tensor::<f32>::randn(&[500, 64], rng), Tensor::<f32>::randn(&[500, 64], rng));
    both_ways(group, "cdist", &[&a, &b], |x| x[0].cdist(x[1], 2.0));
    both_ways(group, "cdist, p = 1", &[&a, &b], |x| x[0].cdist(x[1], 1.0));
}

#[cfg(feature = "linalg")]
fn matrices(group: &mut Group) {
    let a = Tensor::<f32>::randn(&[512, 512], &mut Rng::new(6));
    time(group, "lu", || a.lu());
    both_ways(group, "factors of lu", &[&a], |x| x[0].lu().2);
    time(group, "inv", || a.inv());
}

#[cfg(not(feature = "linalg"))]
fn matrices(_: &mut Group) {}

fn windows(group: &mut Group) {
    let rng = &mut Rng::new(3);
    let (images, lines) = (Tensor::<f32>::randn(&[16, 16, 64, 64], rng), Tensor::<f32>::randn(&[16, 64, 1024], rng));
    both_ways(group, "max_pool2d", &[&images], |x| x[0].max_pool2d(Pool::of([2, 2])));
    let overlapping = Pool { stride: [2, 2], padding: [1, 1], ..Pool::of([3, 3]) };
    both_ways(group, "max_pool2d 3 by 2", &[&images], |x| x[0].max_pool2d(overlapping));
    both_ways(group, "avg_pool2d", &[&images], |x| x[0].avg_pool2d(Pool::of([2, 2])));
    both_ways(group, "max_pool1d", &[&lines], |x| x[0].max_pool1d(Pool::of([2])));
    both_ways(group, "avg_pool1d", &[&lines], |x| x[0].avg_pool1d(Pool::of([2])));
}

/// LeNet's two convolutions, and those of larger networks.
fn convolutions(group: &mut Group) {
    let plain = Conv::<2>::default();
    let (same, half) = (Conv { padding: [1, 1], ..plain }, Conv { stride: [2, 2], padding: [1, 1], ..plain });
    for (name, image, kernel, settings) in [
        ("conv 1", [64, 1, 28, 28], [6, 1, 5, 5], Conv { padding: [2, 2], ..plain }),
        ("conv 2", [64, 6, 14, 14], [16, 6, 5, 5], plain),
        ("conv 3x3 16 of 32x32", [32, 16, 32, 32], [16, 16, 3, 3], same),
        ("conv 3x3 64 of 32x32", [32, 64, 32, 32], [64, 64, 3, 3], same),
        ("conv 3x3 256 of 8x8", [32, 256, 8, 8], [256, 256, 3, 3], same),
        ("conv 3x3 512 of 7x7", [32, 512, 7, 7], [512, 512, 3, 3], same),
        ("conv 3x3 stride 2", [32, 64, 32, 32], [128, 64, 3, 3], half),
        ("conv 7x7 stride 2", [8, 3, 112, 112], [64, 3, 7, 7], Conv { padding: [3, 3], ..half }),
        ("conv depthwise", [32, 64, 32, 32], [64, 1, 3, 3], Conv { groups: 64, ..same }),
        ("conv 1x1", [32, 256, 14, 14], [256, 256, 1, 1], plain),
    ] {
        let (x, w) = pair(image, kernel);
        both_ways(group, name, &[&x, &w], |x| x[0].conv2d(x[1], None, settings));
    }
    let (x, w) = pair([32, 128, 16, 16], [128, 64, 3, 3]);
    both_ways(group, "conv transposed", &[&x, &w], |x| x[0].conv_transpose2d(x[1], None, half, [1, 1]));
}

/// Random images and weights.
fn pair(image: [usize; 4], kernel: [usize; 4]) -> (Tensor<f32>, Tensor<f32>) {
    let rng = &mut Rng::new(5);
    (Tensor::randn(&image, rng), Tensor::randn(&kernel, rng))
}

fn ops(c: &mut Criterion) {
    let x = Tensor::<f32>::randn(&[1000, 1000], &mut Rng::new(0));
    let mut group = c.benchmark_group("ops f32");
    group.sample_size(15).warm_up_time(Duration::from_millis(60)).measurement_time(Duration::from_millis(240));
    functions(&mut group, &x);
    reductions(&mut group, &x);
    attention(&mut group);
    moves(&mut group, &x);
    lists(&mut group, &x);
    matrices(&mut group);
    windows(&mut group);
    convolutions(&mut group);
    group.finish();
}

criterion_group!(benches, ops);
criterion_main!(benches);
