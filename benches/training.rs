//! The cost of a training step beyond its gradient: the optimizer, compared with the memory traffic that it requires,
//! and the loader, compared with the step that it feeds. `cargo bench --bench training`; docs/performance.md has the
//! results.

mod work;

use nn::clip;
use nn::data::{Augmented, HorizontalFlip, Position, RandomCrop};
use nn::optim::{Adadelta, Adamax, Asgd, RAdam, Rprop, SparseAdam};
use std::hint::black_box;
use std::time::{Duration, Instant};
use wengert::autograd::threads;
use wengert::nn;
use wengert::prelude::*;
use work::inference::lenet_model;

fn main() {
    optimizers();
    tables();
    loaders();
}

/// The median time of a run, over as many runs as fit into a second, but at least three.
fn time(mut run: impl FnMut()) -> Duration {
    run();
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.len() < 3 || begin.elapsed() < Duration::from_secs(1) {
        let start = Instant::now();
        run();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

const PARAMETERS: usize = 10_000_000;

/// Times a step of a table with gradients by rows, for 512 sequences of 32 words: the fastest of many. The work after
/// the lookup is negligible. `peers/torch_tables.py` is the same in PyTorch.
fn tables() {
    println!("\ntable, f32, width 64, 512 x 32 lookups, SparseAdam and clipping: recorded and replayed, ms");
    for rows in [10_000, 1_000_000] {
        let rng = &mut Rng::new(0);
        let words = Embedding::<f32>::new(rows, 64, rng).sparse();
        let batches: Vec<_> = (0..16)
            .map(|_| {
                let ids: Vec<i64> = (0..512 * 32).map(|_| rng.below(rows) as i64).collect();
                Samples::unlabeled(Fields::new().with("words", Tensor::new(&[512, 32], ids)))
            })
            .collect();
        let times = [false, true].map(|replays| {
            let (mut words, mut adam, step) = (words.clone(), SparseAdam::new(1e-3), TrainStep::new(0));
            let mut step = if replays { step.replaying() } else { step };
            let mut run = |batch: &Samples<f32>| {
                let start = Instant::now();
                let record = step.gradients_by(&words, batch, |given, pass| {
                    Ok(words.lookup(given.inputs.integers("words")?, pass).square().mean().into())
                });
                record.expect("it is finite");
                clip::by_norm(step.param_gradients_mut(), 1.0);
                step.apply(&mut words, &mut adam);
                start.elapsed()
            };
            let all = batches.iter().cycle().take(160).map(&mut run);
            1e3 * all.min().expect("there are batches").as_secs_f64()
        });
        println!("{rows:>9} rows  {:>8.2}  {:>8.2}", times[0], times[1]);
    }
}

/// Times every optimizer on 10⁷ `f32`, compared with a copy of the same number of bytes.
fn optimizers() {
    let threads = threads();
    let bandwidth = 8.0 * PARAMETERS as f64 / copy(threads).as_secs_f64();
    println!(
        "{PARAMETERS} parameters, f32, {threads} threads; a copy moves {:.1} GB/s (read and written)",
        bandwidth / 1e9
    );
    println!("{:<24} {:>16} {:>9} {:>12} {:>7}", "optimizer", "bytes/parameter", "step, ms", "traffic, ms", "ratio");
    // The state per parameter, in values: each is read and written, as is the parameter; the gradient is read.
    let all: [(&str, u32, Box<dyn Optimizer<f32>>); 18] = [
        ("SGD", 0, Box::new(Sgd::new(1e-3))),
        ("SGD, momentum", 1, Box::new(Sgd::new(1e-3).momentum(0.9))),
        ("SGD, Nesterov", 1, Box::new(Sgd::new(1e-3).momentum(0.9).nesterov(true))),
        ("ASGD", 1, Box::new(Asgd::new(1e-3))),
        ("RMSProp", 1, Box::new(RmsProp::new(1e-3))),
        ("RMSProp, centered", 2, Box::new(RmsProp::new(1e-3).centered(true))),
        ("RMSProp, momentum", 2, Box::new(RmsProp::new(1e-3).momentum(0.9))),
        ("Adagrad", 1, Box::new(Adagrad::new(1e-3))),
        ("Adadelta", 2, Box::new(Adadelta::new(1e-3))),
        ("Adam", 2, Box::new(Adam::new(1e-3))),
        ("Adam, amsgrad", 3, Box::new(Adam::new(1e-3).amsgrad(true))),
        ("AdamW", 2, Box::new(AdamW::new(1e-3))),
        ("Adamax", 2, Box::new(Adamax::new(1e-3))),
        ("NAdam", 2, Box::new(NAdam::new(1e-3))),
        ("RAdam", 2, Box::new(RAdam::new(1e-3))),
        ("Lion", 1, Box::new(Lion::new(1e-3))),
        ("Rprop", 2, Box::new(Rprop::new(1e-3))),
        ("AdamW, two groups", 2, Box::new(ParamGroups::new(AdamW::new(1e-3)).group("1", AdamW::new(1e-4)))),
    ];
    let rng = &mut Rng::new(0);
    for (name, remembered, mut optimizer) in all {
        let mut model = [0, 1].map(|_| Param::new(Tensor::<f32>::randn(&[PARAMETERS / 2], rng))).to_vec();
        let gradients = [0, 1].map(|_| Some(Tensor::randn(&[PARAMETERS / 2], rng))).into_iter().collect();
        let step = time(|| optimizer.step(&mut model, &gradients)).as_secs_f64();
        let bytes = 4 * (3 + 2 * remembered);
        let floor = f64::from(bytes) * PARAMETERS as f64 / bandwidth;
        println!("{name:<24} {bytes:>16} {:>9.2} {:>12.2} {:>7.2}", 1e3 * step, 1e3 * floor, step / floor);
    }
}

/// The time that the threads take to copy as many values as there are parameters, each thread a part.
fn copy(threads: usize) -> Duration {
    let (from, mut to) = (vec![1.0f32; PARAMETERS], vec![0.0f32; PARAMETERS]);
    let part = PARAMETERS.div_ceil(threads);
    time(|| {
        std::thread::scope(|scope| {
            for (from, to) in from.chunks(part).zip(to.chunks_mut(part)) {
                scope.spawn(|| to.copy_from_slice(black_box(from)));
            }
        });
        black_box(&mut to);
    })
}

/// Times loaders, and the steps of the networks that they feed.
fn loaders() {
    let heads = ["loader alone", "step alone", "step, loaded", "prefetch 2"];
    println!("\n{:<32}{:>14}{:>14}{:>14}{:>14}", "batches per second", heads[0], heads[1], heads[2], heads[3]);
    let rng = &mut Rng::new(0);
    let digits = digits::<f32>();
    row("digits, MLP 64-32-10", &digits, 32, Mlp::new(&[64, 32, 10]).build());
    let n = 20_000;
    let labels = (0..n).map(|_| rng.below(10) as i64).collect();
    let pictures = TensorDataset::new(Tensor::randn(&[n, 1, 28, 28], rng), Target::Labels(labels));
    let pictures = pictures.expect("one label per sample");
    row("28 x 28, LeNet-5", &pictures, 64, lenet_model(rng));
    let crop = RandomCrop { size: [28, 28], padding: 2 };
    let augmented = Augmented::new(&pictures, 1).then(crop).then(HorizontalFlip { probability: 0.5 });
    row("28 x 28, LeNet-5, augmented", &augmented, 64, lenet_model(rng));
}

/// Prints batches per second: built and dropped; one batch trained repeatedly; built and trained; the same with
/// prefetching.
fn row(name: &str, data: &dyn Dataset<f32>, size: usize, mut model: Sequential<f32>) {
    let loader = DataLoader::new(data, size).expect("samples").shuffle(1).drop_last(true);
    let (mut train, mut adam, loss) = (TrainStep::new(0).replaying(), Adam::new(1e-3), CrossEntropy::new());
    let mut learn = |batch: &Batch<f32>| {
        black_box(train.run(&mut model, &loss, &mut adam, batch).expect("a finite loss"));
    };
    let first = loader.epoch(0).next().expect("a batch").expect("samples");
    let batches = loader.batches().min(100);
    let each = |time: Duration| batches as f64 / time.as_secs_f64();
    let alone = each(time(|| loader.epoch(0).take(batches).for_each(|batch| drop(black_box(batch)))));
    (0..20).for_each(|_| learn(&first));
    let step = each(time(|| (0..batches).for_each(|_| learn(&first))));
    let mut loaded = |ahead: usize| {
        each(time(|| {
            loader.prefetched(Position::default(), ahead, |made| {
                made.take(batches).for_each(|batch| learn(&batch.expect("samples")));
            })
        }))
    };
    println!("{name:<32}{alone:>14.0}{step:>14.0}{:>14.0}{:>14.0}", loaded(0), loaded(2));
}
