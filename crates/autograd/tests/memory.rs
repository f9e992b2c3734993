//! A training loop that clears its tape and records again allocates nothing once it is warm: nodes, values, cotangents
//! and gradients live in memory of the rounds before. Counted with an allocator of our own, on all threads.

use autograd::{Float, Rng, Tape, Tensor, update};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often memory is asked for in `rounds` of `f`.
fn allocations(rounds: usize, mut f: impl FnMut()) -> usize {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..rounds).for_each(|_| f());
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// A network of two dense layers, trained by gradient descent with momentum.
struct Training<T: Float> {
    tape: Tape<T>,
    x: Tensor<T>,
    labels: Tensor<i64>,
    parameters: [Tensor<T>; 4],
    momenta: [Tensor<T>; 4],
    loss: f64,
}

impl<T: Float> Training<T> {
    fn new([rows, inputs, hidden, classes]: [usize; 4]) -> Self {
        let mut rng = Rng::new(5);
        let mut random = |shape: &[usize]| Tensor::<T>::randn(shape, &mut rng) * T::of(0.1);
        let parameters = [random(&[hidden, inputs]), random(&[hidden]), random(&[classes, hidden]), random(&[classes])];
        Training {
            tape: Tape::new(),
            x: random(&[rows, inputs]),
            labels: (0..rows).map(|i| (i % classes) as i64).collect(),
            momenta: parameters.each_ref().map(|p| Tensor::zeros(p.shape())),
            parameters,
            loss: f64::INFINITY,
        }
    }

    fn step(&mut self) {
        self.tape.clear();
        let x = self.tape.constant(self.x.clone());
        let parameters = self.parameters.each_ref().map(|p| self.tape.var(p.clone()));
        let [w1, b1, w2, b2] = parameters;
        let hidden = (x.matmul_t(w1) + b1).relu();
        let loss = (hidden.matmul_t(w2) + b2).cross_entropy(&self.labels).mean();
        self.loss = loss.item().f64();
        let mut gradients = loss.backward();
        let gradients = parameters.map(|p| gradients.take(p).expect("the loss depends on every parameter"));
        // The parameters are the loop's alone again, to be changed in place.
        self.tape.clear();
        for ((p, m), g) in self.parameters.iter_mut().zip(&mut self.momenta).zip(gradients) {
            update(p, [m], &g, |p, [m], g| {
                *m = T::of(0.9) * *m + g;
                *p -= T::of(0.1) * *m;
            });
        }
    }
}

fn a_loop_allocates_nothing<T: Float>(sizes: [usize; 4]) {
    let mut training = Training::<T>::new(sizes);
    training.step();
    let first = training.loss;
    // The workers of the thread pool set themselves up when they first get something to do.
    (0..20).for_each(|_| training.step());
    std::thread::sleep(std::time::Duration::from_millis(20));
    (0..20).for_each(|_| training.step());
    assert_eq!(allocations(50, || training.step()), 0, "{} {sizes:?}", T::NAME);
    assert!(training.loss < 0.9 * first, "it does not even learn: {first} to {}", training.loss);
}

fn scalar_loops_allocate_nothing() {
    let mut tape = Tape::<f64>::new();
    let mut round = |n: usize| {
        tape.clear();
        let (x, a) = (tape.var(0.3), tape.var(1.1));
        let y = (0..n).fold(x, |y, _| (y * a).sin() + x);
        y.backward().wrt(x).item()
    };
    round(1000);
    assert_eq!(allocations(50, || assert!(round(1000).is_finite())), 0);
}

/// One test, so that nothing else runs and allocates beside what is counted.
#[test]
fn warm_loops_allocate_nothing() {
    // The harness allocates, too, on its own thread, while it sets out to wait for this test.
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(allocations(3, || drop(std::hint::black_box(vec![1; 10]))) >= 3, "the counter counts");
    scalar_loops_allocate_nothing();
    a_loop_allocates_nothing::<f32>([16, 20, 32, 10]);
    a_loop_allocates_nothing::<f64>([16, 20, 32, 10]);
    // Large enough for several threads, and for an update in many pieces.
    a_loop_allocates_nothing::<f32>([128, 784, 512, 10]);
    a_loop_allocates_nothing::<f64>([64, 784, 128, 10]);
}
