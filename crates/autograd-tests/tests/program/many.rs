//! A program at many points has the bits of as many runs, for random programs, and with the slices of the caller.

use super::recipe::{Recipe, recipes};
use autograd::op::{Binary, Op, Unary};
use autograd::prelude::*;
use autograd::{Dims, Program, Rng, Value, compile, set_threads, threads};
use proptest::prelude::*;

/// The bits, with one pattern for all NaN.
fn bits<T: Float>(x: &Tensor<T>) -> Vec<u64> {
    x.iter().map(|x| if x.f64().is_nan() { u64::MAX } else { x.f64().to_bits() }).collect()
}

/// Runs the program at all points at once, and one by one into slices, and compares. Each point lists its inputs; those of
/// the first point are passed as shared where `shared` says so.
fn compare<T: Float>(program: &mut Program<T>, points: &[Vec<Tensor<T>>], shared: &[bool]) -> Result<(), String> {
    let inputs: Vec<Tensor<T>> = (0..shared.len())
        .map(|k| match shared[k] {
            true => points[0][k].clone(),
            false => Tensor::stack(&points.iter().map(|point| point[k].clone()).collect::<Vec<_>>(), 0),
        })
        .collect();
    let many: Vec<Tensor<T>> = program.run_many(&inputs.iter().collect::<Vec<_>>()).unwrap().to_vec();
    let slices: Vec<Vec<T>> = inputs.iter().map(|x| x.to_vec()).collect();
    let slices: Vec<&[T]> = slices.iter().map(Vec::as_slice).collect();
    let mut rooms: Vec<Vec<T>> = many.iter().map(|y| vec![T::NAN; y.len()]).collect();
    program.run_many_into(&slices, &mut rooms.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>()).unwrap();
    for (k, (room, many)) in rooms.into_iter().zip(&many).enumerate() {
        if bits(&Tensor::from(room)) != bits(many) {
            return Err(format!("output {k} of all points in a slice differs from the tensor {many:?}\n{program}"));
        }
    }
    for (i, point) in points.iter().enumerate() {
        let point: Vec<&Tensor<T>> =
            (0..shared.len()).map(|k| &(if shared[k] { &points[0] } else { point })[k]).collect();
        let one: Vec<Tensor<T>> = program.run(&point).unwrap().to_vec();
        let slices: Vec<Vec<T>> = point.iter().map(|x| x.to_vec()).collect();
        let slices: Vec<&[T]> = slices.iter().map(Vec::as_slice).collect();
        let mut rooms: Vec<Vec<T>> = one.iter().map(|y| vec![T::NAN; y.len()]).collect();
        program.run_into(&slices, &mut rooms.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>()).unwrap();
        for (k, (many, one)) in many.iter().zip(&one).enumerate() {
            let at = many.index_axis(0, i as isize);
            if at.shape() != one.shape() || bits(&at) != bits(one) {
                return Err(format!("output {k} of point {i}: {at:?}, alone {one:?}\n{program}"));
            }
            if bits(&Tensor::from(rooms[k].clone())) != bits(one) {
                return Err(format!(
                    "output {k} of point {i} in a slice: {:?}, as a tensor {one:?}\n{program}",
                    rooms[k]
                ));
            }
        }
    }
    Ok(())
}

/// The same random programs as elsewhere; most have ops that run point by point.
#[test]
fn random_programs_at_many_points() {
    check(100, &recipes(), |recipe: &Recipe| {
        let points: Vec<Vec<Tensor<f64>>> = (0..3).map(|k| recipe.inputs(k)).collect();
        let tape = Tape::new();
        let x: Vec<Var<f64>> = points[0].iter().map(|x| tape.var(x.clone())).collect();
        let y = recipe.record(&x, tape.integers(tensor![0_i64, 1, 0]));
        let mut out = vec![y];
        out.extend(y.grad(&x));
        let shared: Vec<bool> = (0..x.len()).map(|k| k % 2 == 1).collect();
        compare(&mut Program::new(&tape, &x, &out), &points, &shared)
    });
}

/// A program that runs in lanes: numbers and small arrays, every elementwise function, sums and rearrangements.
#[derive(Clone, Debug)]
struct Small {
    seed: u64,
    ops: usize,
    points: usize,
}

const NUMBERS: [f64; 12] = [0.0, -0.0, 5e-324, 1e-300, 0.5, -0.7, 1.0, 3.0, -40.0, 1e5, 1e300, f64::NAN];

impl Small {
    fn points<T: Float>(&self) -> Vec<Vec<Tensor<T>>> {
        let mut rng = Rng::new(self.seed);
        let wild = rng.below(4) == 0;
        let number = |rng: &mut Rng| T::of(if wild { NUMBERS[rng.below(NUMBERS.len())] } else { rng.normal() });
        let shapes: [&[usize]; 3] = [&[], &[3], &[2, 3]];
        (0..self.points).map(|_| shapes.map(|shape| Tensor::from_fn(shape, |_| number(&mut rng))).to_vec()).collect()
    }

    /// Outputs: some of the values, and the gradient of their sum.
    fn record<'t, T: Float>(&self, x: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        let mut rng = Rng::new(!self.seed);
        let mut all = x.to_vec();
        for _ in 0..self.ops {
            let [a, b, c] = [0; 3].map(|_| all[rng.below(all.len())]);
            let axis = rng.below(a.rank().max(1)) as isize;
            let y = match rng.below(11) {
                0..3 => Var::try_apply(Op::Unary(Unary::ALL[rng.below(Unary::ALL.len())]), &[&a]),
                3..5 => Var::try_apply(Op::Binary(Binary::ALL[rng.below(Binary::ALL.len())]), &[&a, &b]),
                5 => b.try_mul(c).and_then(|product| a.try_sub(product)),
                6 => a.try_mul(b).and_then(|product| (product * T::of(0.75)).try_add(c)),
                7 => a.try_sum(axis, if rng.below(2) == 0 { Dims::Keep } else { Dims::Drop }),
                8 => a.gt(-a).try_select(b, c),
                9 => a.try_flip(axis),
                _ => a.try_slice(axis, 1..),
            };
            all.extend(y.ok().filter(|y| (1..=256).contains(&y.shape().iter().product::<usize>())));
        }
        let sum = all.iter().map(|y| y.sum()).reduce(|a, b| a + b).expect("the inputs are values");
        let mut out: Vec<Var<T>> = all.iter().rev().step_by(3).copied().collect();
        out.extend(sum.grad(x));
        out
    }

    fn compare<T: Float>(&self) -> Result<(), String> {
        let points = self.points::<T>();
        let tape = Tape::new();
        let x: Vec<Var<T>> = points[0].iter().map(|x| tape.var(x.clone())).collect();
        compare(
            &mut Program::new(&tape, &x, &self.record(&x)),
            &points,
            &[false, self.seed.is_multiple_of(2), self.seed.is_multiple_of(3)],
        )
    }
}

#[test]
fn random_programs_in_lanes() {
    let recipes = (any::<u64>(), 1..40usize, 1..80usize).prop_map(|(seed, ops, points)| Small { seed, ops, points });
    check(400, &recipes, |recipe| recipe.compare::<f64>().and_then(|()| recipe.compare::<f32>()));
}

fn check<S: Strategy>(cases: u32, recipes: &S, test: impl Fn(&S::Value) -> Result<(), String>) {
    let cases = std::env::var("WENGERT_CASES").map_or(cases, |n| n.parse().expect("WENGERT_CASES is a number"));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
    let run = |recipe| test(&recipe).map_err(TestCaseError::fail);
    runner.run(recipes, run).unwrap_or_else(|failure| panic!("{failure}"));
}

/// A logistic map iterated `steps` times, and its gradient: long enough to be rolled up into a loop where it runs alone.
fn logistic(steps: usize) -> Program<f64> {
    let tape = Tape::new();
    let (x, r) = (tape.var(0.3), tape.var(3.1));
    let y = (0..steps).fold(x, |y, _| r * y * (1.0 - y)).sin();
    let gradient = y.grad(&[x, r]);
    Program::new(&tape, &[x, r], &[y, gradient[0], gradient[1]])
}

#[test]
fn any_number_of_points_on_any_number_of_threads() {
    let mut program = logistic(60);
    let mut rng = Rng::new(7);
    for n in [1, 31, 32, 33, 1000] {
        let points: Vec<Vec<Tensor<f64>>> =
            (0..n).map(|_| vec![Tensor::scalar(rng.uniform()), Tensor::scalar(3.0 + rng.uniform())]).collect();
        compare(&mut program, &points, &[false, false]).unwrap();
    }
    let (x, r) = (Tensor::rand(&[10_000], &mut rng), Tensor::rand(&[10_000], &mut rng) * 4.0);
    let before = threads();
    let all = [1, 2, 5].map(|threads| {
        set_threads(threads);
        program.run_many(&[&x, &r]).unwrap().iter().map(bits).collect::<Vec<_>>()
    });
    set_threads(before);
    assert!(all[0] == all[1] && all[0] == all[2]);
    let none = program.run_many(&[&Tensor::zeros(&[0]), &Tensor::zeros(&[0])]).unwrap();
    assert!(none.iter().all(|y| y.shape() == [0]));
}

#[test]
fn results_that_somebody_keeps_are_not_written_over() {
    let mut program = logistic(3);
    let kept = program.run_many(&[&tensor![0.1, 0.2], &Tensor::scalar(2.0)]).unwrap()[0].clone();
    let copy = kept.to_vec();
    program.run_many(&[&tensor![0.5, 0.6], &Tensor::scalar(2.5)]).unwrap();
    assert_eq!(kept.to_vec(), copy);
    // An output that is a view of an input, kept from a run into slices.
    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, 2.0]);
    let mut program = Program::new(&tape, &[x], &[x, x.reshape(&[2, 1])]);
    let (mut a, mut b) = ([0.0; 2], [0.0; 2]);
    for x in [[3.0, 4.0], [5.0, 6.0]] {
        program.run_into(&[&x], &mut [&mut a, &mut b]).unwrap();
        assert_eq!((a, b), (x, x));
    }
}

fn text<V>(result: autograd::Result<V>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn axes_of_points_that_differ_are_refused() {
    let mut program = logistic(3);
    let (two, three, one) = (tensor![0.1, 0.2], tensor![0.1, 0.2, 0.3], Tensor::scalar(0.5));
    let error = text(program.run_many(&[&two, &three]));
    assert!(error.contains("run_many") && error.contains("different numbers of points, [2, 3]"), "{error}");
    assert!(text(program.run_many(&[&one, &one])).contains("axis of points in front"));
    assert!(text(program.run_many(&[&two])).contains("2 inputs, got 1"));
    let error = text(program.run_many(&[&two, &Tensor::zeros(&[2, 2])]));
    assert!(error.contains("input 1") && error.contains("[points]"), "{error}");

    let tape = Tape::<f64>::new();
    let (w, x) = (tape.var(1.0), tape.var([1.0, 2.0]));
    let mut program = Program::draft(&tape).inputs(&[x]).state(&[(w, w + x.sum())]).outputs(&[w]).compile().unwrap();
    assert!(text(program.run_many(&[&Tensor::ones(&[5, 2])])).contains("keeps state"));
    let labels = tape.integers(tensor![0_i64]);
    let mut program =
        Program::draft(&tape).inputs(&[x]).integers(&[labels]).outputs(&[x.take(0, labels)]).compile().unwrap();
    assert!(text(program.run_many(&[&Tensor::ones(&[5, 2])])).contains("integer inputs"));
}

#[test]
fn slices_of_points_that_do_not_match_are_refused() {
    let tape = Tape::<f64>::new();
    let (x, a) = (tape.var([1.0, 2.0]), tape.var(3.0));
    let mut program = Program::new(&tape, &[x, a], &[x.sum() * a, x * a]);
    let points = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let (mut sums, mut all) = ([7.0; 3], [7.0; 6]);
    let error = text(program.run_many_into(&[&points, &[1.0, 2.0]], &mut [&mut sums, &mut all]));
    let hint = "input 1 has 2 elements, but 3 points take 3, or 1 if all points share it";
    assert!(error.contains("run_many_into") && error.contains(hint), "{error}");
    let error = text(program.run_many_into(&[&points, &[1.0]], &mut [&mut sums, &mut all[..4]]));
    assert!(error.contains("output 1 has 4 elements, but 3 points take 6"), "{error}");
    assert!(text(program.run_many_into(&[&points], &mut [&mut sums, &mut all])).contains("2 inputs, got 1"));
    assert!(text(program.run_many_into(&[&points, &[1.0]], &mut [&mut sums])).contains("2 outputs, got 1 slices"));
    assert_eq!((sums, all), ([7.0; 3], [7.0; 6]), "outputs stay as they were");
    // All inputs may be shared, and there may be no points.
    program.run_many_into(&[&[1.0, 2.0], &[1.0]], &mut [&mut sums, &mut all]).unwrap();
    assert_eq!((sums, all), ([3.0; 3], [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]));
    program.run_many_into(&[&[], &[1.0]], &mut [&mut [], &mut []]).unwrap();
    // An output without elements does not determine the number of points.
    let mut program = Program::new(&tape, &[x, a], &[x.slice(0, ..0), x.sum()]);
    program.run_many_into(&[&points, &[1.0]], &mut [&mut [], &mut sums]).unwrap();
    assert_eq!(sums, [3.0, 7.0, 11.0]);
    let mut states = Program::draft(&tape).inputs(&[x]).state(&[(a, a + x.sum())]).outputs(&[a]).compile().unwrap();
    let error = text(states.run_many_into(&[&points], &mut [&mut sums]));
    assert!(error.starts_with("run_many_into: the program keeps state"), "{error}");
}

#[test]
fn slices_of_the_wrong_length_are_refused() {
    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, 2.0]);
    let mut program = Program::new(&tape, &[x], &[x.square().sum(), x.square()]);
    let (mut y, mut z) = ([-1.0], [-1.0; 2]);
    let mut run = |x: &[f64], y: &mut [f64], z: &mut [f64]| text(program.run_into(&[x], &mut [y, z]));
    let error = run(&[1.0, 2.0], &mut y, &mut z[..1]);
    assert!(error.contains("output 1 has shape [2], so its slice needs 2 elements, not 1"), "{error}");
    assert!(run(&[1.0], &mut y, &mut z).contains("input 0 has shape [2]"));
    assert!(text(program.run_into(&[], &mut [&mut y, &mut z])).contains("1 inputs, got 0"));
    assert!(text(program.run_into(&[&[1.0, 2.0]], &mut [&mut y])).contains("2 outputs, got 1"));
    assert_eq!((y, z), ([-1.0], [-1.0; 2]), "nothing was written");

    let mut f = compile::<f64, _>(|x| (x[0] * x[1]).sum());
    let error = text(f.value_and_grad_into(&[&[1.0, 2.0], &[3.0, 4.0]], &mut [&mut z, &mut y]));
    assert!(error.contains("input 1 has 2 elements") && error.contains("not 1"), "{error}");
    assert!(text(f.value_and_grad_into(&[&[1.0], &[3.0]], &mut [&mut y])).contains("2 inputs need as many slices"));
    let mut w = [0.0; 2];
    assert_eq!(f.value_and_grad_into(&[&[1.0, 2.0], &[3.0, 4.0]], &mut [&mut z, &mut w]).unwrap(), 11.0);
    assert_eq!((z, w, f.programs()), ([3.0, 4.0], [1.0, 2.0], 1));
}
