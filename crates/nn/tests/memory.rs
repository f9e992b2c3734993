//! A warm training step takes no memory from the system.

use autograd::{Float, Rng, Tensor};
use nn::data::Batch;
use nn::layer::Mlp;
use nn::loss::{CrossEntropy, Target};
use nn::optim::{Adam, Optimizer, Sgd};
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

fn allocations<T: Float>(optimizer: &mut dyn Optimizer<T>) -> usize {
    let rng = &mut Rng::new(0);
    let mut model = Mlp::new(&[64, 32, 32, 10]).dropout(0.1).build::<T>();
    let labels = (0..32).map(|_| rng.below(10) as i64).collect();
    let batch = Batch { inputs: Tensor::randn(&[32, 64], rng), targets: Target::Labels(labels) };
    let (mut step, loss) = (TrainStep::new(0), CrossEntropy::new());
    let mut steps = |n| (0..n).for_each(|_| drop(step.run(&mut model, &loss, optimizer, &batch).unwrap()));
    steps(20);
    // Workers of the thread pool set themselves up when they first get something to do.
    std::thread::sleep(std::time::Duration::from_millis(100));
    steps(20);
    let before = COUNT.load(Ordering::Relaxed);
    steps(50);
    COUNT.load(Ordering::Relaxed) - before
}

#[test]
fn a_warm_step_allocates_nothing() {
    assert!(COUNT.load(Ordering::Relaxed) > 0, "the counter counts");
    assert_eq!(allocations::<f32>(&mut Sgd::new(0.1).momentum(0.9)), 0);
    assert_eq!(allocations::<f64>(&mut Adam::new(0.01)), 0);
}
