//! Compares every kernel with its floor, a lower bound on its time: `cargo bench --bench kernels`. The floor is the
//! memory traffic that an op requires at the rate of a copy of that size, or its arithmetic at the rate of
//! multiply-adds in registers, both measured at the start; the traffic and arithmetic of an op are its own [`Cost`]. A
//! table at the end shows the ratio of each kernel to its floor.

mod machine;

use autograd::internals::fork;
use autograd::op::{Cost, Fold, Geometry, Op, Unary, Window};
use autograd::{AxisSet, Order, Pool, Precision, Rng, Tensor, Value, threads, update};
use criterion::{Criterion, criterion_group, criterion_main};
use machine::Machine;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// One line of the table.
struct Line {
    name: String,
    time: Duration,
    cost: Option<Cost>,
}

/// Runs benchmarks and keeps their minimum times.
struct Table<'c> {
    criterion: &'c mut Criterion,
    lines: Vec<Line>,
}

impl Table<'_> {
    /// Times `f`, whose cost is given if it is known.
    fn time(&mut self, name: &str, cost: Option<Cost>, mut f: impl FnMut()) {
        self.time_parts(name, cost, |count| {
            let start = Instant::now();
            (0..count).for_each(|_| f());
            start.elapsed()
        });
    }

    /// Times a function that measures the given number of its own runs.
    fn time_parts(&mut self, name: &str, cost: Option<Cost>, mut f: impl FnMut(u64) -> Duration) {
        let mut least = Duration::MAX;
        self.criterion.bench_function(name, |bench| {
            bench.iter_custom(|count| {
                let time = f(count);
                least = least.min(time.div_f64(count as f64));
                time
            });
        });
        if least < Duration::MAX {
            self.lines.push(Line { name: name.into(), time: least, cost });
        }
    }

    /// Times an op with random inputs of these shapes.
    fn op(&mut self, name: &str, op: Op, shapes: &[&[usize]]) {
        let rng = &mut Rng::new(0);
        let x: Vec<_> = shapes.iter().map(|shape| Tensor::<f32>::randn(shape, rng)).collect();
        let x: Vec<_> = x.iter().collect();
        let cost = op.cost(shapes, Tensor::apply(op.clone(), &x).shape(), size_of::<f32>());
        self.time(name, Some(cost), || drop(black_box(Tensor::apply(op.clone(), &x))));
    }

    fn print(&self) {
        if self.lines.is_empty() {
            return;
        }
        let machine = Machine::measure();
        println!("\nThis machine: {}.\n", machine.describe());
        println!("| kernel | µs | floor, µs | limited by | measured / floor |\n|---|---|---|---|---|");
        for Line { name, time, cost } in &self.lines {
            let us = |time: &Duration| time.as_secs_f64() * 1e6;
            let Some((floor, memory)) = cost.map(|cost| machine.floor(cost)) else {
                println!("| {name} | {:.2} | | | |", us(time));
                continue;
            };
            let by = if memory { "memory" } else { "arithmetic" };
            println!("| {name} | {:.2} | {:.2} | {by} | {:.1} |", us(time), us(&floor), us(time) / us(&floor));
        }
    }
}

fn products(table: &mut Table) {
    let plain = |ta, tb| Op::MatMul { ta, tb, precision: Precision::Full };
    for (name, [batch, from, to]) in [("M1a", [32, 64, 32]), ("M1b", [128, 784, 256]), ("M1c", [256, 1024, 2048])] {
        table.op(&format!("{name}: x Wᵀ"), plain(false, true), &[&[batch, from], &[to, from]]);
        table.op(&format!("{name}: ȳ W"), plain(false, false), &[&[batch, to], &[to, from]]);
        table.op(&format!("{name}: ȳᵀ x"), plain(true, false), &[&[batch, to], &[batch, from]]);
    }
    table.op("product 16 x 16 x 16", plain(false, false), &[&[16, 16], &[16, 16]]);
    table.op("product 1024 x 1024 x 1024", plain(false, false), &[&[1024, 1024], &[1024, 1024]]);
    table.op("16 products 64 x 64 x 64", plain(false, false), &[&[16, 64, 64], &[16, 64, 64]]);
    table.op("vector 128 x matrix 128 x 512", plain(false, false), &[&[1, 128], &[128, 512]]);
    for inputs in [64, 128] {
        table.op(
            &format!("16 rows of {inputs} x (512 x {inputs})ᵀ"),
            plain(false, true),
            &[&[16, inputs], &[512, inputs]],
        );
    }
    table.op("16 rows of 512 x 512 x 128", plain(false, false), &[&[16, 512], &[512, 128]]);
}

fn convolutions(table: &mut Table) {
    for (name, x, w, padding, y) in [
        ("conv 1", [64, 1, 28, 28], [6, 1, 5, 5], 2, [64, 6, 28, 28]),
        ("conv 2", [64, 6, 14, 14], [16, 6, 5, 5], 0, [64, 16, 10, 10]),
    ] {
        let window = Window { kernel: 5, stride: 1, padding, dilation: 1 };
        let geometry = Geometry { windows: [window; 2].into_iter().collect(), groups: 1, precision: Precision::Full };
        let (of_x, of_w) = (geometry.clone(), geometry.clone());
        table.op(name, Op::Conv { geometry }, &[&x, &w]);
        table.op(
            &format!("{name}, for the image"),
            Op::ConvTranspose { geometry: of_x, size: x[2..].into() },
            &[&y, &w],
        );
        table.op(&format!("{name}, for the weights"), Op::ConvWeight { geometry: of_w }, &[&x, &y]);
    }
}

fn functions(table: &mut Table) {
    let functions = [Unary::Relu, Unary::Exp, Unary::Ln, Unary::Sin, Unary::Tanh, Unary::Sigmoid, Unary::Gelu];
    for (f, n) in functions.into_iter().flat_map(|f| [(f, 10_000), (f, 1_000_000)]) {
        table.op(&format!("{} of {n}", f.name()), Op::Unary(f), &[&[n]]);
    }
}

/// An array of a million elements.
const SQUARE: [usize; 2] = [1000, 1000];

fn folds(table: &mut Table) {
    for (fold, name) in [(Fold::Sum, "sum"), (Fold::Max, "max"), (Fold::Norm, "norm"), (Fold::LogSumExp, "logsumexp")] {
        for (axes, of) in [(AxisSet::one(1), "rows"), (AxisSet::one(0), "columns")] {
            table.op(&format!("{name} of {of}"), Op::Reduce { fold, axes, keep: false }, &[&SQUARE]);
        }
    }
    table.op("cumsum of rows", Op::CumSum { axis: 1, reverse: false }, &[&SQUARE]);
}

fn rows(table: &mut Table) {
    let labels: Tensor<i64> = (0..1000).map(|i| i * 7919 % 1000).collect();
    table.op("softmax", Op::Softmax { axis: 1 }, &[&SQUARE]);
    table.op("softmax, derivative", Op::SoftmaxVjp { axis: 1 }, &[&SQUARE, &SQUARE]);
    table.op("log_softmax", Op::LogSoftmax { axis: 1 }, &[&SQUARE]);
    table.op("log_softmax, derivative", Op::LogSoftmaxVjp { axis: 1 }, &[&SQUARE, &SQUARE]);
    table.op("standardize", Op::Standardize { axis: 1, eps: 1e-5 }, &[&SQUARE]);
    table.op("standardize, derivative", Op::StandardizeVjp { axis: 1, eps: 1e-5 }, &[&SQUARE, &SQUARE]);
    table.op("layer_norm", Op::LayerNorm { axis: 1, eps: 1e-5 }, &[&SQUARE, &[1000], &[1000]]);
    table.op("layer_norm, derivative", Op::LayerNormVjp { axis: 1, eps: 1e-5 }, &[&SQUARE, &[1000], &SQUARE]);
    table.op("layer_norm, of parameters", Op::LayerNormSums { axis: 1, eps: 1e-5 }, &[&SQUARE, &SQUARE]);
    table.op("cross_entropy", Op::CrossEntropy { labels: labels.clone() }, &[&SQUARE]);
    table.op("cross_entropy, derivative", Op::CrossEntropyVjp { labels }, &[&SQUARE, &[1000]]);
}

/// Sixteen times four heads of 128 positions.
fn attention(table: &mut Table) {
    let (heads, scale) = ([16, 4, 128, 64].as_slice(), 0.125);
    for (name, causal) in [("attention", false), ("causal attention", true)] {
        table.op(name, Op::Attention { scale, causal, precision: Precision::Full }, &[heads; 3]);
        table.op(
            &format!("{name}, derivative"),
            Op::AttentionVjp { scale, causal, precision: Precision::Full },
            &[heads; 4],
        );
    }
}

fn moves(table: &mut Table) {
    let x = Tensor::<f32>::randn(&SQUARE, &mut Rng::new(0));
    let copied = Cost { flops: 0, bytes: 8_000_000 };
    table.time("transpose", Some(copied), || drop(black_box(x.t().contiguous())));
    let list: Tensor<i64> = (0..1000).map(|i| i * 7919 % 1000).collect();
    let places = Tensor::from_fn(&SQUARE, |i| ((i[0] + i[1] * 7919) % 1000) as i64);
    table.op("take rows", Op::Take { axis: 0, index: list }, &[&SQUARE]);
    for axis in [0, 1] {
        table.op(&format!("gather along axis {axis}"), Op::Gather { axis, index: places.clone() }, &[&SQUARE]);
        table.op(
            &format!("add by index along axis {axis}"),
            Op::GatherAdd { axis, index: places.clone(), size: 1000 },
            &[&SQUARE],
        );
    }
    // Sorting 1,000 elements takes ten comparisons per element.
    let sorted = Cost { flops: 10_000_000, bytes: 16_000_000 };
    table.time("sort rows", Some(sorted), || drop(black_box(x.sort(1, Order::Ascending))));
}

fn pools(table: &mut Table) {
    let images = Tensor::<f32>::randn(&[16, 16, 64, 64], &mut Rng::new(0));
    let tape = autograd::Tape::new();
    let moved = |places: u64, flops: u64| Some(Cost { flops, bytes: 4 * ((1 << 20) + places) });
    table.time("max_pool2d 2 by 2", moved(1 << 18, 1 << 20), || drop(black_box(images.max_pool2d(Pool::of([2, 2])))));
    table.time("avg_pool2d 2 by 2", moved(1 << 18, 1 << 20), || drop(black_box(images.avg_pool2d(Pool::of([2, 2])))));
    let x = tape.var(images.clone());
    for (name, y) in [("max", x.max_pool2d(Pool::of([2, 2]))), ("avg", x.avg_pool2d(Pool::of([2, 2])))] {
        let g = Tensor::<f32>::ones(&y.shape());
        let cost = moved(if name == "max" { 1 << 20 } else { 0 } + (1 << 18), 1 << 20);
        table.time(&format!("{name}_pool2d 2 by 2, derivative"), cost, || drop(black_box(y.vjp(g.clone()))));
    }
}

fn draws_and_updates(table: &mut Table) {
    const N: usize = 1_000_000;
    let rng = &mut Rng::new(0);
    let moved = |arrays: u64, flops: u64| Some(Cost { flops: flops * N as u64, bytes: arrays * 4 * N as u64 });
    table.time("rand", moved(1, 1), || drop(black_box(Tensor::<f32>::rand(&[N], rng))));
    table.time("randn", moved(1, 1), || drop(black_box(Tensor::<f32>::randn(&[N], rng))));
    let g = Tensor::<f32>::randn(&[N], rng);
    let [mut p, mut m, mut v] = [0; 3].map(|_| Tensor::<f32>::ones(&[N]));
    table.time("update: SGD with momentum", moved(5, 4), || {
        update(&mut p, [&mut v], &g, |p, [v], g| {
            *v = 0.9 * *v + g;
            *p -= 0.01 * *v;
        });
    });
    table.time("update: Adam", moved(7, 12), || {
        update(&mut p, [&mut m, &mut v], &g, |p, [m, v], g| {
            *m += 0.1 * (g - *m);
            *v += 0.001 * (g * g - *v);
            *p -= 0.01 * *m / (v.abs().sqrt() + 1e-8);
        });
    });
}

/// The overhead of running two tasks on two threads, beyond the time of one of them: it decides when forking pays.
fn forks(table: &mut Table) {
    if threads() < 2 {
        return;
    }
    const TASK: Duration = Duration::from_micros(20);
    let task = |_| {
        let start = Instant::now();
        while start.elapsed() < TASK {}
    };
    for (name, pause) in [("awake", Duration::ZERO), ("asleep", Duration::from_micros(500))] {
        table.time_parts(&format!("a fork, the other thread {name}"), None, |count| {
            let one = |_| {
                std::thread::sleep(pause);
                let start = Instant::now();
                fork(2, &task);
                start.elapsed().saturating_sub(TASK)
            };
            (0..count).map(one).sum()
        });
    }
}

fn kernels(criterion: &mut Criterion) {
    let mut table = Table { criterion, lines: Vec::new() };
    for group in [products, convolutions, functions, folds, rows, attention, moves, pools, draws_and_updates, forks] {
        group(&mut table);
    }
    table.print();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(60)).measurement_time(Duration::from_millis(200));
    targets = kernels
}
criterion_main!(benches);
