//! Single kernels, each beside the bytes or operations it needs: `cargo bench --bench kernels`.

use autograd::prelude::*;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn products(c: &mut Criterion) {
    let mut group = c.benchmark_group("matmul f32");
    for (m, k, n) in [(16, 16, 16), (32, 64, 32), (128, 784, 256), (256, 1024, 2048), (1, 128, 512)] {
        let rng = &mut Rng::new(0);
        let (a, b) = (Tensor::<f32>::randn(&[m, k], rng), Tensor::<f32>::randn(&[k, n], rng));
        group.throughput(Throughput::Elements(2 * (m * k * n) as u64));
        group.bench_function(format!("{m}x{k}x{n}"), |bench| bench.iter(|| black_box(a.matmul(&b))));
    }
}

fn functions(c: &mut Criterion) {
    let mut group = c.benchmark_group("elementwise f32, 10,000");
    let x = Tensor::<f32>::rand(&[10_000], &mut Rng::new(0));
    group.throughput(Throughput::Elements(x.len() as u64));
    type Function = fn(&Tensor<f32>) -> Tensor<f32>;
    let functions: [(&str, Function); 7] = [
        ("exp", Tensor::exp),
        ("ln", Tensor::ln),
        ("sin", Tensor::sin),
        ("tanh", Tensor::tanh),
        ("sigmoid", Tensor::sigmoid),
        ("relu", Tensor::relu),
        ("square", Tensor::square),
    ];
    for (name, f) in functions {
        group.bench_function(name, |bench| bench.iter(|| black_box(f(&x))));
    }
}

fn reductions(c: &mut Criterion) {
    let mut group = c.benchmark_group("reduce f32, 1000x1000");
    let x = Tensor::<f32>::rand(&[1000, 1000], &mut Rng::new(0));
    group.throughput(Throughput::Bytes(4 * x.len() as u64));
    group.bench_function("sum of all", |bench| bench.iter(|| black_box(x.sum())));
    group.bench_function("sum of columns", |bench| bench.iter(|| black_box(x.sum_axes(0))));
    group.bench_function("sum of rows", |bench| bench.iter(|| black_box(x.sum_axes(1))));
    group.bench_function("max of rows", |bench| bench.iter(|| black_box(x.max_axes(1))));
    group.bench_function("logsumexp of rows", |bench| bench.iter(|| black_box(x.logsumexp_axes(1))));
    group.bench_function("softmax of rows", |bench| bench.iter(|| black_box(x.softmax(1))));
    group.bench_function("transpose, copied", |bench| bench.iter(|| black_box(x.t().contiguous())));
}

criterion_group!(benches, products, functions, reductions);
criterion_main!(benches);
