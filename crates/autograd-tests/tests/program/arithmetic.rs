//! Random arithmetic on arrays. With the feature `jit`, it runs as machine code.

use autograd::prelude::*;
use autograd::{Program, set_threads};

/// Adds a random value of earlier ones, which are arrays or numbers.
fn add<'t, T: Float>(values: &mut Vec<Var<'t, T>>, rng: &mut Rng) {
    let mut any = |n: usize| rng.below(n);
    let (a, b) = (values[any(values.len())], values[any(values.len())]);
    let y = match any(16) {
        0..=2 => a + b,
        3..=5 => a - b,
        6..=8 => a * b,
        9 => a / b,
        10 => -a,
        11 => a.square(),
        12 => a.abs().sqrt(),
        13 => a.recip(),
        14 => a.abs(),
        _ => a * T::of([0.5, -3.0, 7.25][any(3)]),
    };
    values.push(y);
}

/// A random function of so many steps, and its results: the last values, and the sum of one.
fn record<'t, T: Float>(x: &[Var<'t, T>], steps: usize, seed: u64) -> Vec<Var<'t, T>> {
    let (mut values, mut rng) = (x.to_vec(), Rng::new(seed));
    (0..steps).for_each(|_| add(&mut values, &mut rng));
    let last = values.len() - 1;
    // Of neighbors, so that one loop feeds another.
    let y = values[last];
    let n = y.value().len();
    let apart =
        if n > 2 && y.shape().len() == 1 { y.slice(0, 1..) - y.slice(0, ..-1) * values[0].slice(0, 1..) } else { y };
    vec![y, values[last - 1] + values[0], apart, apart.square().sum()]
}

/// An array of ordinary numbers, with others among them: zeros, infinities, denormals and NaN.
fn numbers<T: Float>(n: usize, rng: &mut Rng) -> Tensor<T> {
    const RARE: [f64; 8] = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-310, -1e-40, 1e300];
    let mut number = || match rng.below(40) {
        k if k < RARE.len() => T::of(RARE[k]),
        _ => T::of(rng.uniform() * 6.0 - 3.0),
    };
    let data: Vec<T> = (0..n).map(|_| number()).collect();
    Tensor::new(&[n], data)
}

fn check<T: Float>(n: usize, steps: usize, seed: u64) {
    let mut rng = Rng::new(seed);
    let mut inputs =
        || vec![numbers::<T>(n, &mut rng), numbers(n, &mut rng), numbers(n, &mut rng), Tensor::scalar(T::of(1.25))];
    let given = [inputs(), inputs()];
    let outputs = |tape: &Tape<T>, inputs: &[Tensor<T>]| {
        let x: Vec<Var<T>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
        let mut y = record(&x, steps, seed);
        let slope = y[3].grad(&x);
        y.extend(slope);
        (y.iter().map(|y| y.value()).collect::<Vec<_>>(), Program::new(tape, &x, &y))
    };
    let tape = Tape::new();
    let (_, mut program) = outputs(&tape, &given[0]);
    for (threads, given) in [(1, &given[1]), (2, &given[0])] {
        set_threads(threads);
        let tape = Tape::new();
        let (expected, _) = outputs(&tape, given);
        let found = program.run(&given.iter().collect::<Vec<_>>()).unwrap();
        for (k, (x, y)) in expected.iter().zip(found).enumerate() {
            assert_eq!(x.shape(), y.shape());
            for (x, y) in x.iter().zip(y.iter()) {
                let same = x.f64().to_bits() == y.f64().to_bits() || x == y || x.is_nan() && y.is_nan();
                assert!(same, "seed {seed}, n {n}, output {k}: {x} and not {y}");
            }
        }
    }
}

#[test]
fn arithmetic_has_the_bits_of_the_tape() {
    let mut seed = 0;
    for n in [0, 1, 31, 32, 63, 64, 65, 128, 513, 2048, 5000] {
        for steps in [3, 6, 10, 20, 40, 80] {
            for _ in 0..4 {
                seed += 1;
                check::<f32>(n, steps, seed);
                check::<f64>(n, steps, seed);
            }
        }
    }
    for seed in 0..6 {
        check::<f32>(100_000, 12, seed);
        check::<f64>(100_000, 30, seed);
    }
}
