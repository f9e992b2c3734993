//! Derivatives through many parts of one variable: in time and memory that grow with the parts, and to second order.

use autograd::{Float, Program, Tape, Tensor, Var};

const N: usize = 300;

/// Picks `N` parts of a matrix, and returns the sum of a function of each.
type Parts<T> = for<'t> fn(Var<'t, T>) -> Vec<Var<'t, T>>;

fn index(i: usize, shape: &[usize]) -> Tensor<i64> {
    let all = (0..shape.iter().product()).map(|k: usize| ((7 * i + 3 * k) % 5) as i64);
    Tensor::new(shape, all.collect())
}

fn ways<T: Float>() -> [(&'static str, Parts<T>); 8] {
    [
        ("index_axis", |x| (0..N).map(|i| x.index_axis(0, i as isize)).collect()),
        ("split", |x| x.split(&vec![1; N], 0)),
        ("overlapping slices", |x| (0..N as isize - 4).map(|i| x.slice(0, i..i + 5)).collect()),
        ("steps", |x| (0..N as isize).map(|i| x.slice_step(0, Some(i), None, 7)).collect()),
        ("take", |x| (0..N).map(|i| x.take(0, index(i, &[3]))).collect()),
        ("take along axis 1", |x| (0..N).map(|i| x.take(1, index(i, &[2]))).collect()),
        ("gather", |x| (0..N).map(|i| x.gather(0, index(i, &[1, 5]))).collect()),
        ("all of these", |x| {
            let slices = (0..N).map(|i| x.slice(0, i..i + 1));
            let takes = (0..N).map(|i| x.take(0, index(i, &[2])));
            slices.zip(takes).flat_map(|(a, b)| [a, b]).chain([x]).collect()
        }),
    ]
}

fn loss<'t, T: Float>(parts: Vec<Var<'t, T>>) -> Var<'t, T> {
    let each = parts.into_iter().enumerate().map(|(k, part)| (part * T::of(1.0 + 0.01 * k as f64)).sin().sum());
    each.reduce(|a, b| a + b).unwrap()
}

/// Both sweeps agree, programs give the same, and so do second derivatives forward over reverse.
fn check<T: Float>(tolerance: f64) {
    for (name, parts) in ways::<T>() {
        let tape = Tape::<T>::new();
        let at = Tensor::<T>::arange(N * 5).map(|x| T::of((0.37 * x.f64()).cos())).reshape(&[N, 5]);
        let x = tape.var(at.clone());
        let y = loss(parts(x));
        let first = y.grad(&[x])[0];
        let near = |a: &Tensor<T>, b: &Tensor<T>, what: &str| {
            let worst = a.iter().zip(b.iter()).map(|(a, b)| (a.f64() - b.f64()).abs()).fold(0.0, f64::max);
            assert!(a.shape() == b.shape() && worst <= tolerance, "{name}, {what}: {worst:e}");
        };
        near(&first.value(), &y.backward().wrt(x), "grad and backward");
        let direction = tape.constant(at.map(|x| x * x));
        let second = (first * direction).sum().grad(&[x])[0];
        near(&second.value(), &y.hvp(&[(x, direction.value())])[0], "second derivatives");
        let mut program = Program::new(&tape, &[x], &[y, first, second]);
        let replayed = program.run(&[&at]).unwrap();
        near(&replayed[1], &first.value(), "replayed");
        near(&replayed[2], &second.value(), "replayed");
    }
}

#[test]
fn cotangents_of_parts_add_up() {
    check::<f64>(1e-11);
    check::<f32>(1e-3);
}

/// The numbers on the tape, and therefore time and memory, are linear in the number of parts.
#[test]
fn what_is_recorded_grows_with_the_parts() {
    let recorded = |n: usize| {
        let tape = Tape::<f64>::new();
        let x = tape.var(Tensor::<f64>::arange(n));
        let y = loss((0..n).map(|i| x.index_axis(0, i as isize)).collect());
        let first = y.grad(&[x])[0];
        first.sum().grad(&[x]);
        tape.vars().map(|v| v.shape().iter().product::<usize>()).sum::<usize>()
    };
    for (n, many) in [(10, 60), (1000, 4000)] {
        let [few, all] = [recorded(n), recorded(many)];
        assert!(all < 5 * few * many / (4 * n), "{few} numbers for {n} parts, {all} for {many}");
    }
}

/// Few slices with gaps, that overlap, and between other uses of the variable: the recorded sums have the order of the
/// computed ones.
#[test]
fn few_parts_are_summed_in_order() {
    let ways: [Parts<f64>; 6] = [
        |x| vec![x.slice(0, 1..3), x.slice(0, 5..6), x.slice(0, 3..4)],
        |x| vec![x.slice(1, 1..3), x.slice(0, 5..6), x.slice(1, 3..4)],
        |x| vec![x.slice(0, 1..3), x, x.slice(0, 2..6), x.slice(0, 2..3), x.square()],
        |x| vec![x, x.slice(0, ..4), x.slice(0, 4..), x.exp(), x.slice(0, 3..8)],
        |x| vec![x.slice_step(0, Some(0), None, 2), x.slice_step(0, Some(1), None, 2), x.slice(0, 0..0)],
        |x| vec![x.take(0, index(1, &[4])), x.slice(0, ..4), x.take(0, index(2, &[4])), x.slice(0, 4..)],
    ];
    for (k, parts) in ways.into_iter().enumerate() {
        let tape = Tape::new();
        let x = tape.var(Tensor::<f64>::arange(40).map(|x| (0.7 * x).sin() / 3.0).reshape(&[8, 5]));
        let y = loss(parts(x));
        let gradient = y.grad(&[x])[0];
        assert_eq!(gradient.value(), y.backward().wrt(x), "case {k}");
        let mut program = Program::new(&tape, &[x], &[gradient]);
        assert_eq!(program.run(&[&x.value()]).unwrap()[0], gradient.value(), "case {k}, replayed");
    }
}
