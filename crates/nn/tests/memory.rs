//! A warm training step does not allocate memory from the system.

use autograd::{Float, Rng, Tensor};
use nn::data::Batch;
use nn::layer::{
    Activation, BatchNorm2d, Conv2d, Dropout, Flatten, Gru, Linear, Lstm, MaxPool2d, Mlp, Sequential,
    TransformerEncoderLayer,
};
use nn::loss::{CrossEntropy, Target};
use nn::optim::{Adam, Ema, Optimizer, ParamGroups, Sgd};
use nn::train::TrainStep;
use nn::{Tied, clip};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;
static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: forwards every call unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller upholds the contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The number of allocations in fifty warm `step`s: the minimum of several measurements, because occasionally a thread
/// gets a kind of work for the first time.
fn allocations(mut step: impl FnMut()) -> usize {
    let mut steps = |n| (0..n).for_each(|_| step());
    steps(20);
    // Workers of the thread pool initialize themselves when they first get work.
    std::thread::sleep(std::time::Duration::from_millis(100));
    steps(20);
    let mut count = || {
        let before = COUNT.load(Ordering::Relaxed);
        steps(50);
        COUNT.load(Ordering::Relaxed) - before
    };
    (0..4).map(|_| count()).min().expect("four measurements")
}

/// Inputs of this shape, each of one of ten classes.
fn batch<T: Float>(shape: &[usize], rng: &mut Rng) -> Batch<T> {
    let labels = (0..shape[0]).map(|_| rng.below(10) as i64).collect();
    Batch { inputs: Tensor::randn(shape, rng), targets: Target::Labels(labels) }
}

/// The number of allocations of `step` for a network of dense layers.
fn dense<T: Float>(mut step: impl FnMut(&mut Sequential<T>, &mut TrainStep<T>, &Batch<T>)) -> usize {
    let rng = &mut Rng::new(0);
    let mut model = Mlp::new(&[64, 32, 32, 10]).dropout(0.1).build::<T>();
    let (batch, mut train) = (batch(&[32, 64], rng), TrainStep::new(0));
    allocations(|| step(&mut model, &mut train, &batch))
}

fn plain<T: Float>(mut optimizer: impl Optimizer<T>) -> usize {
    let loss = CrossEntropy::new();
    dense(|model, step, batch| drop(step.run(model, &loss, &mut optimizer, batch).unwrap()))
}

#[test]
fn a_warm_step_allocates_nothing() {
    assert!(COUNT.load(Ordering::Relaxed) > 0, "the allocator is counting");
    assert_eq!(plain::<f32>(Sgd::new(0.1).momentum(0.9)), 0);
    assert_eq!(plain::<f64>(Adam::new(0.01)), 0);
    // Two batches per update, clipped, with separate rates per group, and averaged weights.
    let mut groups = ParamGroups::new(Adam::new(0.01)).group("*.bias", Sgd::new(0.1).momentum(0.9)).frozen("0.weight");
    let (loss, mut ema) = (CrossEntropy::new(), Ema::new(0.99));
    let everything = dense::<f32>(|model, step, batch| {
        for _ in 0..2 {
            step.gradients(&*model, &loss, batch).unwrap();
            step.accumulate(model, 32.0);
        }
        step.average();
        clip::by_norm(step.param_gradients_mut(), 1.0);
        clip::each_by_norm(step.param_gradients_mut(), 0.5);
        clip::by_value(step.param_gradients_mut(), 0.1);
        groups.for_each_rate(&mut |rate| *rate *= 0.999);
        step.apply(model, &mut groups);
        ema.update(&*model);
        ema.swap(model);
        ema.swap(model);
    });
    assert_eq!(everything, 0);
    let (rng, loss, mut optimizer) = (&mut Rng::new(0), CrossEntropy::new(), Adam::new(0.01));
    let twice = Sequential::new().then(Linear::new(10, 10, rng)).then(Activation::Tanh).then(Linear::new(10, 10, rng));
    let mut tied = Tied::new(twice, &[["0.weight", "2.weight"]]).unwrap();
    let (batch, mut step) = (batch::<f32>(&[32, 10], rng), TrainStep::new(0));
    assert_eq!(allocations(|| drop(step.run(&mut tied, &loss, &mut optimizer, &batch).unwrap())), 0, "tied");
    replayed_steps_of_all_kinds_of_layers();
}

/// Not a separate test: tests that run at the same time would share the counter.
fn replayed_steps_of_all_kinds_of_layers() {
    let rng = &mut Rng::new(1);
    let pictures = Sequential::new()
        .then(Conv2d::new(1, 6, 5, rng).padding(2))
        .then(BatchNorm2d::new(6))
        .then(Activation::Relu)
        .then(MaxPool2d::new(2))
        .then(Dropout::new(0.2));
    let models = [
        ("pictures", pictures, vec![1, 28, 28], 6 * 14 * 14),
        ("an LSTM", Sequential::new().then(Lstm::new(8, 16, rng)), vec![12, 8], 12 * 16),
        ("a GRU", Sequential::new().then(Gru::new(8, 16, rng)), vec![12, 8], 12 * 16),
        (
            "attention",
            Sequential::new().then(TransformerEncoderLayer::new(16, 4, Default::default(), rng)),
            vec![12, 16],
            192,
        ),
    ];
    for (name, model, shape, features) in models {
        let mut model = model.then(Flatten::default()).then(Linear::new(features, 10, rng));
        let batch = batch::<f32>(&[&[16], shape.as_slice()].concat(), rng);
        let (loss, mut optimizer, mut step) = (CrossEntropy::new(), Adam::new(0.01), TrainStep::new(0).replaying());
        let count = allocations(|| drop(step.run(&mut model, &loss, &mut optimizer, &batch).unwrap()));
        assert_eq!((count, step.programs(), step.recorded_because()), (0, 1, None), "{name}");
    }
}
