//! Structured ops on arrays of 10⁶ and on LeNet's shapes: `cargo bench --bench ops`; `benches/peers/torch_ops.py` runs the
//! same in PyTorch.

use autograd::prelude::*;
use autograd::{Conv, Pool};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

fn ops(c: &mut Criterion) {
    let rng = &mut Rng::new(0);
    let x = Tensor::<f32>::randn(&[1000, 1000], rng);
    let cube = Tensor::<f32>::randn(&[100, 100, 100], rng);
    let images = Tensor::<f32>::randn(&[16, 16, 64, 64], rng);
    let rows = Tensor::from_fn(&[1000], |i| (i[0] * 7919 % 1000) as i64);
    let places = Tensor::from_fn(&[1000, 1000], |i| ((i[0] + i[1] * 7919) % 1000) as i64);
    let mut group = c.benchmark_group("ops f32");
    group.sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800));
    let mut run = |name: &str, f: &dyn Fn() -> Tensor<f32>| {
        group.bench_function(name, |bench| bench.iter(|| black_box(f())));
    };
    run("sum", &|| x.sum());
    run("sum columns", &|| x.sum_axes(0));
    run("sum rows", &|| x.sum_axes(1));
    run("max rows", &|| x.max_axes(1));
    run("prod rows", &|| x.prod_axes(1));
    run("var rows", &|| x.var_axes(1.0, 1));
    run("norm", &|| x.norm(2.0));
    run("logsumexp rows", &|| x.logsumexp_axes(1));
    run("softmax rows", &|| x.softmax(1));
    run("argmax rows", &|| x.argmax(1).to_float());
    run("cumsum rows", &|| x.cumsum(1));
    run("cumsum columns", &|| x.cumsum(0));
    run("transpose", &|| x.t().contiguous());
    run("permute 2 0 1", &|| cube.permute(&[2, 0, 1]).contiguous());
    run("flip", &|| x.flip([0, 1]).contiguous());
    run("take rows", &|| x.take(0, &rows));
    run("gather columns", &|| x.gather(1, &places));
    run("max_pool2d", &|| images.max_pool2d(Pool::of([2, 2])));
    run("avg_pool2d", &|| images.avg_pool2d(Pool::of([2, 2])));
    for (name, shape, kernel, padding) in
        [("conv 1", [64, 1, 28, 28], [6, 1, 5, 5], [2, 2]), ("conv 2", [64, 6, 14, 14], [16, 6, 5, 5], [0, 0])]
    {
        let (x, w) = (Tensor::<f32>::randn(&shape, rng), Tensor::<f32>::randn(&kernel, rng));
        let settings = Conv { padding, ..Conv::default() };
        run(name, &|| x.conv2d(&w, None, settings));
        run(&format!("{name} and gradients"), &|| {
            let tape = Tape::new();
            let (x, w) = (tape.var(x.clone()), tape.var(w.clone()));
            x.conv2d(w, None, settings).sum().backward().wrt(w)
        });
    }
    group.finish();
}

criterion_group!(benches, ops);
criterion_main!(benches);
