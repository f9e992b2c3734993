//! The tape and the program give the same bits for random programs, for the recorded inputs and for others.

use super::bits;
use crate::recipe::{Recipe, recipes};
use autograd::Program;
use autograd::prelude::*;
use proptest::prelude::*;

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
    let record = |inputs: &[Tensor<f64>], labels: &Tensor<i64>| -> (Vec<Tensor<f64>>, Program<f64>) {
        let tape = Tape::new();
        let x: Vec<Var<f64>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
        let labels = tape.integers(labels.clone());
        let y = recipe.record(&x, labels);
        let mut out = vec![y];
        out.extend(y.grad(&x));
        let draft = || Program::draft(&tape).inputs(&x).outputs(&out);
        (out.iter().map(|v| v.value()).collect(), draft().integers(&[labels]).compile().unwrap())
    };
    let given = [recipe.inputs(0), recipe.inputs(1)];
    let plain = |k: usize| {
        let tape = Tape::new();
        let x: Vec<Var<f64>> = given[k].iter().map(|x| tape.var(x.clone())).collect();
        let y = recipe.record(&x, tape.integers(labels[0].clone()));
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
    let (_, mut program) = record(&given[0], &labels[0]);
    let (expected, _) = record(&given[1], &labels[1]);
    let out = program.run_with(&given[1].iter().collect::<Vec<_>>(), &[&labels[1]]).unwrap();
    for (e, o) in expected.iter().zip(out) {
        prop_assert_eq!(bits(e), bits(o), "\n{}", program);
    }
    Ok(())
}
