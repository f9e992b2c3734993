//! Tests programs against the tapes that they were compiled from.

mod arithmetic;
mod errors;
mod linalg;
mod many;
mod parts;
mod random;
#[path = "../recipe/mod.rs"]
mod recipe;
mod recomputed;

use autograd::Program;
use autograd::prelude::*;

/// The bits, ignoring the sign of zeros; all NaN are the same.
fn bits(x: &Tensor<f64>) -> Vec<u64> {
    x.iter().map(|x| if x.is_nan() { u64::MAX } else { (x + 0.0).to_bits() }).collect()
}

/// Checks value and gradients of a function, recorded or sketched, against three replays, with other inputs in between.
fn check(inputs: &[Tensor<f64>], f: impl for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>) {
    check_once(inputs, &f);
}

type Function<'f> = &'f dyn for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64>;

/// [`check`], compiled once for all functions.
fn check_once(inputs: &[Tensor<f64>], f: Function) {
    let record = |inputs: &[Tensor<f64>]| -> Vec<Tensor<f64>> {
        let tape = Tape::new();
        let x: Vec<Var<f64>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
        let y = f(&tape, &x);
        let mut out = vec![y.value()];
        out.extend(y.grad(&x).iter().map(|g| g.value()));
        out
    };
    for tape in [Tape::new(), Tape::sketch()] {
        let x: Vec<Var<f64>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
        let y = f(&tape, &x);
        let mut outputs = vec![y];
        outputs.extend(y.grad(&x));
        let mut program = Program::new(&tape, &x, &outputs);
        let other: Vec<Tensor<f64>> = inputs.iter().map(|x| x.map(|x| 0.9 * x + 0.01)).collect();
        for given in [inputs, &other, inputs] {
            let expected = record(given);
            let out = program.run(&given.iter().collect::<Vec<_>>()).unwrap();
            for (k, (e, o)) in expected.iter().zip(out).enumerate() {
                assert_eq!(e.shape(), o.shape(), "output {k}");
                assert_eq!(bits(e), bits(o), "output {k}: {e:?} {o:?}");
            }
        }
    }
}

fn randn(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::randn(shape, &mut Rng::new(seed))
}

#[test]
fn elementwise_with_a_sum() {
    for n in [1, 2, 7, 1000, 20_000, 100_001] {
        check(&[randn(&[n], 1)], |_, x| (x[0].tanh() * (-x[0] * x[0]).exp() + x[0].sigmoid()).sum());
    }
}

#[test]
fn sums_of_products_and_signs() {
    for n in [2, 65, 1500, 70_000] {
        check(&[randn(&[n], 1), randn(&[n], 2), randn(&[n], 3)], |_, x| {
            let [a, b, c] = [x[0], x[1], x[2]];
            let all = [
                [a * b + c, a * b - c, c - a * b, a * b * c],
                [-a * b + c, a - -(b * c), -(a - b) * 2.0, -a * -b / -c],
                [-(a * 3.0), -a + -b, c - -a, -c / b - a * -b],
            ];
            all.iter().flatten().fold(a, |sum, x| sum + x.tanh()).sum()
        });
    }
}

#[test]
fn layers() {
    let inputs = [randn(&[32, 20], 1), randn(&[30, 20], 2), randn(&[30], 3), randn(&[10, 30], 4), randn(&[10], 5)];
    check(&inputs, |_, x| {
        let h = (x[0].matmul_t(x[1]) + x[2]).relu();
        let y = h.matmul_t(x[3]) + x[4];
        y.log_softmax(1).square().mean() + h.mean_axes(0).sum()
    });
}

#[test]
fn a_chain_of_numbers() {
    check(&[Tensor::scalar(1.5), Tensor::scalar(1.85), Tensor::scalar(-0.55)], |_, x| {
        (0..50).fold(x[0], |y, _| y.sin() * x[1] + x[2])
    });
}

#[test]
fn a_recurrent_cell_through_time() {
    let inputs = [randn(&[6, 4, 3], 1), randn(&[20, 3], 2), randn(&[20, 5], 3), randn(&[20], 4)];
    check(&inputs, |tape, x| {
        let (mut h, mut c) = (tape.constant(Tensor::zeros(&[4, 5])), tape.constant(Tensor::zeros(&[4, 5])));
        let mut loss = tape.constant(0.0);
        for t in 0..6 {
            let z = x[0].slice(0, t..t + 1).reshape(&[4, 3]).matmul_t(x[1]) + h.matmul_t(x[2]) + x[3];
            let gate = |k: isize| z.slice(1, 5 * k..5 * k + 5);
            c = gate(1).sigmoid() * c + gate(0).sigmoid() * gate(2).tanh();
            h = gate(3).sigmoid() * c.tanh();
            loss = loss + h.square().sum();
        }
        loss
    });
}

#[test]
fn a_long_recurrence_of_short_rows() {
    for (width, steps) in [(2, 700), (5, 300), (14, 301), (32, 250)] {
        let inputs = [randn(&[steps, width], 1), randn(&[width], 2), randn(&[1, width], 3), randn(&[], 4)];
        check(&inputs, |tape, x| {
            let (mut h, mut loss) = (x[1], tape.constant(0.5));
            for t in 0..steps as isize {
                let gate = (h * x[2].reshape(&[width]) + x[0].index_axis(0, t)).sigmoid();
                h = gate * h.tanh() + x[3] - gate / 2.0;
                loss = loss * 0.9 + (h.sin().sum() + 2.0 * x[3]).square() * x[3].cos();
            }
            loss + (h * h).sum()
        });
    }
    // Rows of two lengths that read the same scalars.
    check(&[randn(&[3], 1), randn(&[1, 20], 2), randn(&[1], 3)], |_, x| {
        let (mut a, mut b) = (x[0], x[1]);
        for _ in 0..200 {
            (a, b) = ((a * 0.7 + x[2]).tanh() * b.sum(), (b * 0.7 - x[2]).tanh() * a.mean() * 0.5);
        }
        a.sum() + (b * 3.0).sum()
    });
}

#[test]
fn functions_of_neighbours() {
    for (n, apart) in [(2, 1), (3, 2), (50, 1), (700, 64), (700, 65), (1000, 999), (5000, 3), (40_000, 1)] {
        let inputs = [randn(&[n, 1], 1), randn(&[n, 1], 2)];
        check(&inputs, |_, x| {
            let (n, apart) = (n as isize, apart as isize);
            let (a, b) = (x[0].slice(0, apart..n), x[0].slice(0, 0..n - apart));
            let f = (100.0 * (a - b * b).square() + (1.0 - b).square() * a).sum();
            (f.grad(&[x[0]])[0] * x[1]).sum()
        });
    }
    // Three neighbors, and rows instead of elements.
    check(&[randn(&[300, 7], 1), randn(&[300, 7], 2)], |_, x| {
        let [a, b, c] = [0, 1, 2].map(|k| x[0].slice(0, k..298 + k));
        ((a - 2.0 * b + c).sin() * b * x[1].slice(0, 1..299)).sum()
    });
}

#[test]
fn training_in_place() {
    let (x, t) = (randn(&[16, 8], 1), randn(&[16, 4], 2));
    let start = [randn(&[4, 8], 3), randn(&[4], 4)];
    let step = |tape: &Tape<f64>, p: [Tensor<f64>; 4]| -> [Tensor<f64>; 5] {
        let [w, b, vw, vb] = p.map(|p| tape.var(p));
        let loss = (tape.constant(x.clone()).matmul_t(w) + b - tape.constant(t.clone())).square().mean();
        let g = loss.grad(&[w, b]);
        let (nvw, nvb) = (0.9 * vw + g[0], 0.9 * vb + g[1]);
        [w - 0.1 * nvw, b - 0.1 * nvb, nvw, nvb, loss].map(|v| v.value())
    };
    let tape = Tape::new();
    let zeros = [Tensor::zeros(&[4, 8]), Tensor::zeros(&[4])];
    let [w, b, vw, vb] = [&start[0], &start[1], &zeros[0], &zeros[1]].map(|p| tape.var(p.clone()));
    let loss = (tape.constant(x.clone()).matmul_t(w) + b - tape.constant(t.clone())).square().mean();
    let g = loss.grad(&[w, b]);
    let (nvw, nvb) = (0.9 * vw + g[0], 0.9 * vb + g[1]);
    let state = [(w, w - 0.1 * nvw), (b, b - 0.1 * nvb), (vw, nvw), (vb, nvb)];
    let mut program = Program::draft(&tape).state(&state).outputs(&[loss]).compile().unwrap();
    let mut expected = [start[0].clone(), start[1].clone(), zeros[0].clone(), zeros[1].clone()];
    for _ in 0..5 {
        let [w, b, vw, vb, loss] = step(&Tape::new(), expected);
        assert_eq!(bits(&loss), bits(&program.run(&[]).unwrap()[0]));
        expected = [w, b, vw, vb];
        for (k, e) in expected.iter().enumerate() {
            assert_eq!(bits(e), bits(program.state(k)), "state {k}");
        }
    }
}

/// Computes the new parameter and momentum from the old ones and the gradient.
type Update = for<'t> fn([Var<'t, f64>; 3]) -> [Var<'t, f64>; 2];

/// Updates, each with whether the matrix product of the gradient can accumulate directly into the momentum.
const UPDATES: [(bool, Update); 9] = [
    (true, |[p, v, g]| descend(p, 0.9 * v + g)),
    (true, |[p, v, g]| descend(p, g + v * 0.9)),
    (true, |[p, v, g]| descend(p, v + g)),
    (true, |[p, v, g]| [(0.9 * v + g).tanh() - p, 0.9 * v + g]),
    (false, |[p, v, g]| descend(p, 0.9 * v - g)),
    (false, |[p, v, g]| [p - 0.1 * (0.9 * v + g + g), 0.9 * v + g]),
    (true, |[p, v, g]| [p - v, 0.9 * v + g]),
    (false, |[p, v, g]| descend(p, 0.9 * v + (g + 0.01 * p))),
    (false, |[p, v, g]| descend(p, v * v + g)),
];

fn descend<'t>(p: Var<'t, f64>, v: Var<'t, f64>) -> [Var<'t, f64>; 2] {
    [p - 0.1 * v, v]
}

/// A training step of a linear model: the updated weights and momentum.
fn trained<'t>(update: Update, [w, v]: [Var<'t, f64>; 2], x: &Tensor<f64>) -> [Var<'t, f64>; 2] {
    let loss = w.tape().constant(x.clone()).matmul_t(w).square().mean();
    update([w, v, loss.grad(&[w])[0]])
}

#[test]
fn updates_of_every_kind_in_place() {
    // The number of rows is the inner dimension of the gradient's product, which takes one block or two.
    for ((onto, update), rows) in UPDATES.into_iter().flat_map(|u| [(u, 16), (u, 300)]) {
        let x = randn(&[rows, 8], 1);
        let start = [randn(&[5, 8], 2), randn(&[5, 8], 3)];
        let tape = Tape::new();
        let state = start.each_ref().map(|x| tape.var(x.deep_copy()));
        let next = trained(update, state, &x);
        let mut program = Program::draft(&tape).state(&[(state[0], next[0]), (state[1], next[1])]).compile().unwrap();
        assert_eq!(program.to_string().contains("matmul onto"), onto && rows == 16, "{program}");
        let mut now = start.clone();
        for _ in 0..3 {
            program.run(&[]).unwrap();
            let tape = Tape::new();
            now = trained(update, now.map(|x| tape.var(x)), &x).map(|x| x.value());
            (0..2).for_each(|k| assert_eq!(bits(&now[k]), bits(program.state(k)), "{rows} rows: {program}"));
        }
        assert_eq!(state.map(|x| x.value()), start, "the values on the tape are unchanged");
    }
}

#[test]
fn hessian_vector_products() {
    check(&[randn(&[50], 1), randn(&[50], 2)], |_, x| {
        let (a, b) = (x[0].slice(0, 1..50), x[0].slice(0, 0..49));
        let f = (100.0 * (a - b * b).square() + (1.0 - b).square()).sum();
        (f.grad(&[x[0]])[0] * x[1]).sum()
    });
}
