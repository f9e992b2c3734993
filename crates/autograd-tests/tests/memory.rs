//! A training loop that clears its tape and records again allocates nothing once it is warm: nodes, values, cotangents
//! and gradients reuse the memory of earlier iterations. Counted on all threads by a custom allocator.

use autograd::{Conv, Float, Program, Rng, Tape, Tensor, compile, update};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is forwarded unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller upholds the contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract.
        unsafe { System.dealloc(memory, layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller upholds the contract.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Number of allocations in `rounds` calls of `f`.
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
        // Releases the tape's references to the parameters, so that they can be updated in place.
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
    // The workers of the thread pool allocate when they first run.
    (0..20).for_each(|_| training.step());
    std::thread::sleep(std::time::Duration::from_millis(20));
    (0..20).for_each(|_| training.step());
    assert_eq!(allocations(50, || training.step()), 0, "{} {sizes:?}", T::NAME);
    assert!(training.loss < 0.9 * first, "the loss does not decrease: {first} to {}", training.loss);
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

/// Buffers of the caller, for numbers and for arrays, and many points on several threads.
fn runs_of_a_program_allocate_nothing() {
    let matrix = Tensor::from_fn(&[40, 40], |i| (i[0] + i[1]) as f64);
    let mut f = compile::<f64, _>(|x| (x[0].matmul(x[0].tape().constant(matrix.clone())) * x[0].sin()).sum());
    let (x, mut gradient) = (vec![0.1; 40], vec![0.0; 40]);
    let mut round = || f.value_and_grad_into(&[&x], &mut [&mut gradient]).unwrap();
    round();
    assert_eq!(allocations(50, || assert!(round().is_finite())), 0);

    let tape = Tape::<f64>::new();
    let (x, y) = (tape.var(0.3), tape.var([1.0, 2.0, 3.0]));
    let z = (y * x).sin().sum() * x + y.index_axis(0, 1);
    let gradient = z.grad(&[x, y]);
    let mut program = Program::new(&tape, &[x, y], &[z, gradient[0], gradient[1]]);
    let (mut a, mut b, mut c) = ([0.0], [0.0], [0.0; 3]);
    let mut round = || program.run_into(&[&[0.5], &[1.0, 2.0, 4.0]], &mut [&mut a, &mut b, &mut c]).unwrap();
    round();
    assert_eq!(allocations(50, &mut round), 0);

    let (x, y) = (Tensor::full(&[5000], 0.5), Tensor::full(&[5000, 3], 2.0));
    let mut round = || assert!(program.run_many(&[&x, &y]).unwrap()[0].at(&[4999]).is_finite());
    (0..20).for_each(|_| round());
    std::thread::sleep(std::time::Duration::from_millis(20));
    (0..20).for_each(|_| round());
    assert_eq!(allocations(50, &mut round), 0);
    let (x, y, mut a, mut b, mut c) = (vec![0.5; 5000], vec![2.0; 15_000], [0.0; 5000], [0.0; 5000], [0.0; 15_000]);
    let mut round = || program.run_many_into(&[&x, &y], &mut [&mut a, &mut b, &mut c]).unwrap();
    (0..20).for_each(|_| round());
    assert_eq!(allocations(50, &mut round), 0);
}

/// Convolutions of images one by one and of several at once, with a stride and without, on several threads.
fn convolutions_allocate_nothing() {
    let rng = &mut Rng::new(3);
    let mut tape = Tape::<f32>::new();
    for (images, weights, stride) in
        [([4, 3, 20, 20], [5, 3, 3, 3], 1), ([16, 32, 7, 7], [40, 32, 3, 3], 1), ([16, 32, 9, 9], [64, 32, 3, 3], 2)]
    {
        let (x, w) = (Tensor::<f32>::randn(&images, rng), Tensor::<f32>::randn(&weights, rng));
        let settings = Conv { stride: [stride; 2], padding: [1, 1], ..Conv::default() };
        let mut round = || {
            tape.clear();
            let (x, w) = (tape.var(x.clone()), tape.var(w.clone()));
            assert!(x.conv2d(w, None, settings).sum().backward().wrt(w).sum().item().is_finite());
        };
        (0..20).for_each(|_| round());
        std::thread::sleep(std::time::Duration::from_millis(20));
        (0..20).for_each(|_| round());
        assert_eq!(allocations(50, &mut round), 0, "{images:?} with {weights:?}");
    }
}

/// A single test, so that no other test runs and allocates while allocations are counted.
#[test]
fn warm_loops_allocate_nothing() {
    // The test harness also allocates on its own thread before it waits for this test.
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(allocations(3, || drop(std::hint::black_box(vec![1; 10]))) >= 3, "the counter does not work");
    scalar_loops_allocate_nothing();
    runs_of_a_program_allocate_nothing();
    convolutions_allocate_nothing();
    a_loop_allocates_nothing::<f32>([16, 20, 32, 10]);
    a_loop_allocates_nothing::<f64>([16, 20, 32, 10]);
    // Large enough for several threads, and for an update in many chunks.
    a_loop_allocates_nothing::<f32>([128, 784, 512, 10]);
    a_loop_allocates_nothing::<f64>([64, 784, 128, 10]);
}
