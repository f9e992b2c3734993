//! A warm training step takes no memory from the system.

use autograd::{Float, Rng, Tensor};
use nn::clip;
use nn::data::Batch;
use nn::layer::{Mlp, Sequential};
use nn::loss::{CrossEntropy, Target};
use nn::optim::{Adam, Ema, Optimizer, ParamGroups, Sgd};
use nn::train::TrainStep;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;
static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands every call on to the system's allocator, unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often a warm `step` of the network, and of what belongs to it, takes memory.
fn allocations<T: Float>(mut step: impl FnMut(&mut Sequential<T>, &mut TrainStep<T>, &Batch<T>)) -> usize {
    let rng = &mut Rng::new(0);
    let mut model = Mlp::new(&[64, 32, 32, 10]).dropout(0.1).build::<T>();
    let labels = (0..32).map(|_| rng.below(10) as i64).collect();
    let batch = Batch { inputs: Tensor::randn(&[32, 64], rng), targets: Target::Labels(labels) };
    let mut train = TrainStep::new(0);
    let mut steps = |n| (0..n).for_each(|_| step(&mut model, &mut train, &batch));
    steps(20);
    // Workers of the thread pool set themselves up when they first get something to do.
    std::thread::sleep(std::time::Duration::from_millis(100));
    steps(20);
    let before = COUNT.load(Ordering::Relaxed);
    steps(50);
    COUNT.load(Ordering::Relaxed) - before
}

fn plain<T: Float>(mut optimizer: impl Optimizer<T>) -> usize {
    let loss = CrossEntropy::new();
    allocations(|model, step, batch| drop(step.run(model, &loss, &mut optimizer, batch).unwrap()))
}

#[test]
fn a_warm_step_allocates_nothing() {
    assert!(COUNT.load(Ordering::Relaxed) > 0, "the counter counts");
    assert_eq!(plain::<f32>(Sgd::new(0.1).momentum(0.9)), 0);
    assert_eq!(plain::<f64>(Adam::new(0.01)), 0);
    // Two batches to an update, clipped, by groups with rates of their own, and averaged.
    let mut groups = ParamGroups::new(Adam::new(0.01)).group("*.bias", Sgd::new(0.1).momentum(0.9)).frozen("0.weight");
    let (loss, mut ema) = (CrossEntropy::new(), Ema::new(0.99));
    let everything = allocations::<f32>(|model, step, batch| {
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
}
