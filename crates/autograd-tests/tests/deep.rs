//! Nothing recurses over the tape: a chain of ten million operations is recorded, swept and dropped on a small stack.

use autograd::{Tape, Var};

const STACK: usize = 256 * 1024;

fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(f).expect("the thread can be spawned");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn assert_near(got: f64, expected: f64, tolerance: f64) {
    let error = (got - expected).abs();
    assert!(expected.is_finite() && error <= tolerance * expected.abs(), "{got} is not {expected}");
}

/// `x ← a sin x + b`, `steps` times.
fn chain<'t>([x, a, b]: [Var<'t, f64>; 3], steps: usize) -> Var<'t, f64> {
    (0..steps).fold(x, |x, _| x.sin() * a + b)
}

#[test]
fn ten_million_operations() {
    const STEPS: usize = 10_000_000 / 3 + 1;
    const START: [f64; 3] = [0.7, 0.9, 0.4];
    on_a_small_stack(|| {
        let tape = Tape::<f64>::new();
        let x = START.map(|x| tape.var(x));
        let y = chain(x, STEPS);
        assert!(tape.len() > 10_000_000);
        let gradients = y.backward();

        // The same by hand, forwards: the value and the derivatives in a and b. That in the start has underflowed to 0.
        let [mut x0, a, b] = START;
        let (mut da, mut db) = (0.0, 0.0);
        for _ in 0..STEPS {
            let slope = a * x0.cos();
            (da, db) = (slope * da + x0.sin(), slope * db + 1.0);
            x0 = a * x0.sin() + b;
        }
        assert_near(y.item(), x0, 1e-14);
        assert_near(gradients.wrt(x[1]).item(), da, 1e-13);
        assert_near(gradients.wrt(x[2]).item(), db, 1e-13);
        assert_eq!(gradients.wrt(x[0]).item(), 0.0);
    });
}

#[test]
fn second_derivatives_of_a_long_chain() {
    const STEPS: usize = 50_000;
    // With a = 1 and b = 0 the chain contracts so slowly that its end still depends on its start.
    const START: [f64; 3] = [0.7, 1.0, 0.0];
    on_a_small_stack(|| {
        let tape = Tape::<f64>::new();
        let x = START.map(|x| tape.var(x));
        let y = chain(x, STEPS);
        let dx = y.grad(&[x[0]])[0];
        let gradients = dx.backward();

        // y, y' and y'' in the start, and d/da of y and y'.
        let [mut x0, a, _] = START;
        let (mut d, mut dd, mut da, mut dda) = (1.0, 0.0, 0.0, 0.0);
        for _ in 0..STEPS {
            let (s, c) = x0.sin_cos();
            (dd, dda) = (a * (c * dd - s * d * d), c * d + a * (c * dda - s * d * da));
            (d, da) = (a * c * d, s + a * c * da);
            x0 = a * s;
        }
        assert_near(y.item(), x0, 1e-10);
        assert_near(dx.item(), d, 1e-9);
        assert_near(gradients.wrt(x[0]).item(), dd, 1e-8);
        assert_near(gradients.wrt(x[1]).item(), dda, 1e-8);
    });
}
