//! Random programs over the whole vocabulary: shared and dead nodes, views, broadcasts, integers. What the tape gives and what
//! the program gives are the same bits, for the inputs of the recording and for others.

use super::{bits, randn};
use autograd::prelude::*;
use autograd::{Program, Result, Rng};
use proptest::prelude::*;

/// Sizes that meet often, so that operands fit, and one that makes several blocks.
const SIZES: &[usize] = &[1, 2, 3, 3, 4, 70];

/// A program as a recipe: recorded on any tape it gives the same ops.
#[derive(Debug, Clone)]
struct Recipe {
    seed: u64,
    inputs: usize,
    ops: usize,
}

fn recipes() -> impl Strategy<Value = Recipe> {
    (any::<u64>(), 1..4usize, 1..40usize).prop_map(|(seed, inputs, ops)| Recipe { seed, inputs, ops })
}

impl Recipe {
    fn inputs(&self, variant: u64) -> Vec<Tensor<f64>> {
        let mut rng = Rng::new(self.seed);
        let shape = |rng: &mut Rng| -> Vec<usize> {
            let rank = rng.below(4);
            (0..rank).map(|_| SIZES[rng.below(SIZES.len())]).collect()
        };
        (0..self.inputs).map(|k| randn(&shape(&mut rng), self.seed ^ (variant << 32) ^ k as u64)).collect()
    }

    /// A number that depends on some of everything.
    fn record<'t>(&self, x: &[Var<'t, f64>], labels: &Tensor<i64>) -> Var<'t, f64> {
        let mut rng = Rng::new(self.seed ^ 0x5eed);
        let mut all = x.to_vec();
        for _ in 0..self.ops {
            let a = all[rng.below(all.len())];
            let b = all[rng.below(all.len())];
            if let Ok(y) = op(&mut rng, a, b, labels)
                && y.value().len() <= 20_000
            {
                all.push(y);
            }
        }
        // Some are used again, the last one surely; others are dead.
        let kept = all.iter().enumerate().filter(|(i, _)| *i + 1 == all.len() || i % 3 == 0);
        kept.map(|(_, y)| (y.tanh() * 0.5).sum()).reduce(|a, b| a + b).expect("there is one")
    }
}

/// One op of the vocabulary, if it accepts the operands.
fn op<'t>(rng: &mut Rng, a: Var<'t, f64>, b: Var<'t, f64>, labels: &Tensor<i64>) -> Result<Var<'t, f64>> {
    let axis = rng.below(a.rank().max(1)) as isize;
    let some = (rng.below(4) as f64) - 1.5;
    Ok(match rng.below(40) {
        0 => a.tanh(),
        1 => a.sigmoid(),
        2 => a.sin(),
        3 => (-a * a).exp(),
        4 => a.relu(),
        5 => a.abs(),
        6 => a.softplus(),
        7 => a.square() * 0.1,
        8 => -a,
        9 => (a.square() + 1.0).ln(),
        10 => (a.square() + 1.0).sqrt(),
        11 => a.erf(),
        12 | 13 => a.try_add(b)?,
        14 | 15 => a.try_sub(b)?,
        16 | 17 => a.try_mul(b)?,
        18 => a.try_div(b.square() + 1.0)?,
        19 => a.try_maximum(b)?,
        20 => a.try_minimum(b)?,
        21 => a.try_atan2(b)?,
        22 => a.try_matmul(b)?,
        23 => a.try_matmul_t(b)?,
        24 => a.try_matmul(b)? + some,
        25 => a.try_sum(axis, rng.below(2) == 0)?,
        26 => a.try_mean(axis, true)?,
        27 => a.try_max(axis, false)?,
        28 => a.try_logsumexp(axis, true)?,
        29 => a.try_softmax(axis)?,
        30 => a.try_log_softmax(axis)?,
        31 => a.try_permute(&(0..a.rank()).rev().collect::<Vec<_>>())?,
        32 => a.try_slice(axis, 1..)?,
        33 => a.try_slice_step(axis, None, None, -1)?,
        34 => a.try_reshape(&[a.value().len()])?,
        35 => Var::try_concat(&[a, b], axis)?,
        36 => a.try_cumsum(axis)?,
        37 => a.try_take(axis, labels)?,
        38 => a.try_cross_entropy(labels)?,
        _ => (a * some).try_broadcast_to(&[&[2][..], &a.shape()].concat())?,
    })
}

#[test]
fn random_programs_give_the_bits_of_their_tapes() {
    let cases = std::env::var("WENGERT_CASES").map_or(400, |n| n.parse().expect("WENGERT_CASES is a number"));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
    runner.run(&recipes(), |recipe| compare(&recipe)).unwrap_or_else(|failure| panic!("{failure}"));
}

fn compare(recipe: &Recipe) -> std::result::Result<(), TestCaseError> {
    let labels = [tensor![0_i64, 1, 0], tensor![1_i64, 0, 1]];
    let record = |inputs: &[Tensor<f64>], labels: &Tensor<i64>| -> (Vec<Tensor<f64>>, Option<Program<f64>>) {
        let tape = Tape::new();
        let x: Vec<Var<f64>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
        let y = recipe.record(&x, labels);
        let mut out = vec![y];
        out.extend(y.grad(&x));
        // With the labels as an input, if any op that matters reads them.
        let draft = || Program::draft(&tape).inputs(&x).outputs(&out);
        (out.iter().map(|v| v.value()).collect(), draft().indices(&[labels]).compile().ok())
    };
    let given = [recipe.inputs(0), recipe.inputs(1)];
    let plain = |k: usize| {
        let tape = Tape::new();
        let x: Vec<Var<f64>> = given[k].iter().map(|x| tape.var(x.clone())).collect();
        let y = recipe.record(&x, &labels[0]);
        let mut out = vec![y];
        out.extend(y.grad(&x));
        (out.iter().map(|v| v.value()).collect::<Vec<_>>(), Program::new(&tape, &x, &out))
    };
    let (first, mut program) = plain(0);
    let (second, _) = plain(1);
    for (k, expected) in [(0, &first), (1, &second), (0, &first)] {
        let out = program.run(&given[k].iter().collect::<Vec<_>>()).unwrap();
        for (e, o) in expected.iter().zip(out) {
            prop_assert_eq!(e.shape(), o.shape());
            prop_assert_eq!(bits(e), bits(o), "\n{}", program);
        }
    }
    if let (_, Some(mut program)) = record(&given[0], &labels[0]) {
        let (expected, _) = record(&given[1], &labels[1]);
        let out = program.run_with(&given[1].iter().collect::<Vec<_>>(), &[&labels[1]]).unwrap();
        for (e, o) in expected.iter().zip(out) {
            prop_assert_eq!(bits(e), bits(o), "\n{}", program);
        }
    }
    Ok(())
}
