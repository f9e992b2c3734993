//! Drop-in scalars beside the crate `num-dual` and beside the tape of tensors:
//! `cargo run --release --example speed` in this folder. The rows of one group compute the same derivatives, in turns, so
//! their times are comparable.

use autograd::transform::hessian;
use autograd::{Tape, compile, tensor};
use nalgebra::SVector;
use num_dual::{DualNum, DualSVec64};
use scalar::{Dual, HyperDual, Rec};
use std::hint::black_box;
use std::time::Instant;
use wengert_published::problems::{EQUATION, LEAST_SQUARES, Problem, distance, with_num_dual, with_tensors};

type Theirs = SVector<DualSVec64<8>, 8>;

const AT: [f64; 8] = [0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1.7];

/// Sums, products, quotients and functions of eight variables, in the vocabulary that both crates share.
macro_rules! functions {
    ($x:ident) => {{
        let mut sum = $x[0] * $x[1];
        for i in 0..8 {
            let (a, b) = ($x[i], $x[(i + 3) % 8]);
            sum = sum + (a * b).sin() * b.exp() / (a * a + b).sqrt() - (a + b).ln() * a.powi(3) + (a - b).tanh();
        }
        sum
    }};
}

/// Only sums and products.
macro_rules! polynomial {
    ($x:ident) => {{
        let mut sum = $x[0] * $x[1];
        for i in 0..8 {
            let (a, b) = ($x[i], $x[(i + 3) % 8]);
            sum = sum * a + (a * b + a) * (b - a) - b * b * sum;
        }
        sum
    }};
}

fn functions<S: num_traits::Float>(x: [S; 8]) -> S {
    functions!(x)
}

fn their_functions(x: Theirs) -> DualSVec64<8> {
    functions!(x)
}

fn polynomial<S: num_traits::Float>(x: [S; 8]) -> S {
    polynomial!(x)
}

fn their_polynomial(x: Theirs) -> DualSVec64<8> {
    polynomial!(x)
}

/// A name, and a function whose result keeps it from being optimized away.
type Row<'f> = (&'f str, Box<dyn FnMut() -> f64 + 'f>);

/// Prints the median time of each row over rounds of `count` calls, in units of `per` calls, and its ratio to the last.
fn table(title: &str, count: usize, per: f64, mut rows: Vec<Row>) {
    const ROUNDS: usize = 41;
    let mut times = vec![Vec::new(); rows.len()];
    for _ in 0..ROUNDS {
        for ((_, f), times) in rows.iter_mut().zip(&mut times) {
            let start = Instant::now();
            (0..count).for_each(|_| _ = black_box(f()));
            times.push(start.elapsed().as_secs_f64() * 1e9 / (count as f64 * per));
        }
    }
    let medians = times.into_iter().map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    });
    let medians: Vec<f64> = medians.collect();
    println!("{title}");
    for ((name, _), time) in rows.iter().zip(&medians) {
        println!("  {name:<17} {time:>9.2} ns {:>6.2}", time / medians.last().expect("there are rows"));
    }
}

/// The gradient of a sum of all derivatives.
fn sum((y, dy): (f64, impl IntoIterator<Item = f64>)) -> f64 {
    y + dy.into_iter().sum::<f64>()
}

fn main() {
    let there = SVector::from(AT);
    let recorded = |x: &[Rec<f64>]| functions(x.try_into().expect("eight variables"));
    table(
        "the gradient of a function of 8 variables",
        2000,
        1.0,
        vec![
            ("value alone", Box::new(|| functions(black_box(AT)))),
            ("Rec<f64>", Box::new(|| sum(scalar::record(recorded, &black_box(AT))))),
            ("Dual<f64, 8>", Box::new(|| sum(scalar::gradient(functions::<Dual<f64, 8>>, black_box(AT))))),
            (
                "num-dual",
                Box::new(|| {
                    let (y, dy) = num_dual::gradient(their_functions, &black_box(there));
                    y + dy.sum()
                }),
            ),
        ],
    );
    table(
        "the gradient of a polynomial of 8 variables",
        2000,
        1.0,
        vec![
            ("value alone", Box::new(|| polynomial(black_box(AT)))),
            ("Dual<f64, 8>", Box::new(|| sum(scalar::gradient(polynomial::<Dual<f64, 8>>, black_box(AT))))),
            (
                "num-dual",
                Box::new(|| {
                    let (y, dy) = num_dual::gradient(their_polynomial, &black_box(there));
                    y + dy.sum()
                }),
            ),
        ],
    );

    // M2 of docs/performance.md.
    const LENGTH: usize = 100_000;
    const CHAIN: [f64; 3] = [1.5, 1.0, std::f64::consts::TAU];
    let mut tape = Tape::<f64>::new();
    let chain = |x: &[Rec<f64>]| (0..LENGTH).fold(x[0], |y, _| num_traits::Float::sin(y) * x[1] + x[2]);
    table(
        "one of 300,000 operations x <- sin(x) a + b, and the gradient",
        1,
        3.0 * LENGTH as f64,
        vec![
            ("Rec<f64>", Box::new(|| sum(scalar::record(chain, &black_box(CHAIN))))),
            (
                "Var",
                Box::new(|| {
                    tape.clear();
                    let [x, a, b] = black_box(CHAIN).map(|x| tape.var(x));
                    let y = (0..LENGTH).fold(x, |y, _| y.sin() * a + b);
                    y.backward().wrt(x).item()
                }),
            ),
        ],
    );
    problems();
}

/// The Jacobian of a problem with each number.
fn jacobians<const M: usize>(title: &str, count: usize, problem: &Problem<M>) {
    let all = |rows: [[f64; 2]; M]| rows.as_flattened().iter().sum();
    let (x, problem) = (problem.point(), black_box(problem));
    let mut compiled = compile(|x| problem.by_tensors(x));
    table(
        title,
        count,
        1.0,
        vec![
            ("Dual<f64, 2>", Box::new(|| all(problem.by_dual()))),
            ("Rec<f64>", Box::new(|| all(problem.by_rec()))),
            ("tensors, replayed", Box::new(|| compiled.value(&[&x]).expect("it compiles").iter().sum())),
            ("num-dual", Box::new(|| all(problem.by_num_dual()))),
        ],
    );
}

/// The derivatives of the three problems that docs/scalars.md solves with each number.
fn problems() {
    jacobians("least squares: the Jacobian of 4 residuals by 2 parameters", 2000, &LEAST_SQUARES);
    jacobians("an ordinary differential equation: the Jacobian of 2 populations by 2 rates", 20, &EQUATION);
    let points = [0.9, 0.2, 0.7, 1.4];
    let x = tensor![0.9, 0.2, 0.7, 1.4];
    let mut compiled = compile(|x| hessian(with_tensors::distance, &[x[0]])[0][0]);
    table(
        "geometry: the Hessian of a distance by 4 coordinates",
        500,
        1.0,
        vec![
            (
                "HyperDual<f64, 4>",
                Box::new(|| scalar::hessian(distance::<HyperDual<f64, 4>>, black_box(points)).2[3][3]),
            ),
            ("Dual<Rec<f64>, 1>", Box::new(|| (0..4).map(|i| row(black_box(points), i)).sum())),
            ("tensors, replayed", Box::new(|| compiled.value(&[&x]).expect("it compiles").iter().sum())),
            ("num-dual", Box::new(|| num_dual::hessian(with_num_dual::distance, &black_box(points.into())).2.sum())),
        ],
    );
}

/// The sum of a row of the Hessian of the distance: the gradient of a derivative.
fn row(points: [f64; 4], i: usize) -> f64 {
    let along = |x: &[Rec<f64>]| {
        let mut x: [Dual<Rec<f64>, 1>; 4] = std::array::from_fn(|k| Dual::constant(x[k]));
        x[i] = Dual::variable(x[i].value, 0);
        distance(x).tangent[0]
    };
    sum(scalar::record(along, &points))
}
