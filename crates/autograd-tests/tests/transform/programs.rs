//! Laws of transforms over random programs of the whole set of ops. Bits where the order of sums is the same; elsewhere
//! twelve digits of the largest number on the way.

use crate::recipe::{Recipe, tame_recipes};
use autograd::transform::{SparseJacobian, grad, jacobian, per_sample_grad, scan, taylor, vmap};
use autograd::{Ints, Rng, Tape, Tensor, Var, checkpoint, compile, tensor};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};

fn for_programs(law: impl Fn(&Recipe) -> TestCaseResult) {
    let cases = std::env::var("WENGERT_CASES").map_or(100, |n| n.parse().expect("WENGERT_CASES is a number"));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner.run(&tame_recipes(), |recipe| law(&recipe)).unwrap_or_else(|failure| panic!("{failure}"));
}

fn labels<'t>(x: &[Var<'t, f64>]) -> Ints<'t, f64> {
    x[0].tape().integers(tensor![0_i64, 1, 0])
}

fn program(recipe: &Recipe) -> impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64> + Send + Sync + 'static {
    let recipe = recipe.clone();
    move |x| recipe.record(x, labels(x))
}

fn directions(recipe: &Recipe, inputs: &[Tensor<f64>]) -> Vec<Tensor<f64>> {
    let rng = &mut Rng::new(recipe.seed ^ 0xd1);
    inputs.iter().map(|x| Tensor::randn(x.shape(), rng)).collect()
}

fn largest(x: &Tensor<f64>) -> f64 {
    x.iter().fold(0.0, |m, x| m.max(x.abs()))
}

fn bits(x: &Tensor<f64>) -> Vec<u64> {
    x.iter().map(|x| (x + 0.0).to_bits()).collect()
}

/// Agreement to twelve digits of `scale`.
fn close(found: &Tensor<f64>, expected: &Tensor<f64>, scale: f64, what: &str) -> TestCaseResult {
    prop_assert_eq!(found.shape(), expected.shape(), "{}", what);
    if expected.iter().all(f64::is_finite) {
        let error = largest(&(found - expected));
        prop_assert!(
            error <= 1e-12 * scale.max(largest(expected)).max(1.0),
            "{what}: {error:e}, {found:?} {expected:?}"
        );
    }
    Ok(())
}

/// The largest number on a tape: what rounding errors are measured by.
fn scale(tape: &Tape<f64>) -> f64 {
    tape.vars().map(|x| largest(&x.value())).filter(|x| x.is_finite()).fold(0.0, f64::max)
}

#[test]
fn second_derivatives_are_the_same_in_every_order_of_modes() {
    for_programs(|recipe| {
        let inputs = recipe.inputs(0);
        let tape = Tape::new();
        let x: Vec<Var<f64>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
        let along: Vec<_> =
            x.iter().copied().zip(directions(recipe, &inputs).into_iter().map(|v| tape.constant(v))).collect();
        let y = program(recipe)(&x);
        let gradient = y.grad(&x);
        let forward_over_reverse: Vec<Tensor<f64>> = gradient.iter().map(|g| g.jvp_recorded(&along).value()).collect();
        let reverse_over_forward = y.jvp_recorded(&along).grad(&x);
        let slope = gradient.iter().zip(&along).map(|(g, (_, v))| (*g * *v).sum());
        let reverse_over_reverse = slope.reduce(|a, b| a + b).expect("there is an input").grad(&x);
        let scale = scale(&tape);
        for (k, expected) in forward_over_reverse.iter().enumerate() {
            close(&reverse_over_forward[k].value(), expected, scale, "reverse over forward")?;
            close(&reverse_over_reverse[k].value(), expected, scale, "reverse over reverse")?;
        }
        Ok(())
    });
}

#[test]
fn a_map_is_the_loop_and_is_replayed() {
    const SAMPLES: usize = 3;
    for_programs(|recipe| {
        let (inputs, f) = (recipe.inputs(0), program(recipe));
        let shared = recipe.seed as usize % (recipe.inputs + 1);
        // One input is shared by all samples, if there are several.
        let axes: Vec<Option<isize>> =
            (0..inputs.len()).map(|i| (i != shared || inputs.len() == 1).then_some(0)).collect();
        let samples = |(x, axis): (&Tensor<f64>, &Option<isize>)| match axis {
            Some(_) => Tensor::stack(&(0..SAMPLES).map(|k| x * (1.0 - 0.1 * k as f64)).collect::<Vec<_>>(), 0),
            None => x.clone(),
        };
        let all: Vec<Tensor<f64>> = inputs.iter().zip(&axes).map(samples).collect();
        let wrt: Vec<usize> = (0..inputs.len()).collect();
        let (values, gradients) = (vmap(&f, &axes, &all), per_sample_grad(&f, &axes, &wrt, &all));
        for k in 0..SAMPLES {
            let pick = |(x, axis): (&Tensor<f64>, &Option<isize>)| match axis {
                Some(_) => x.index_axis(0, k as isize),
                None => x.clone(),
            };
            let tape = Tape::new();
            let x: Vec<Var<f64>> = all.iter().zip(&axes).map(pick).map(|x| tape.var(x)).collect();
            let y = f(&x);
            let expected = y.grad(&x);
            let scale = scale(&tape);
            close(&values.index_axis(0, k as isize), &y.value(), scale, "value")?;
            for (found, expected) in gradients.iter().zip(&expected) {
                close(&found.index_axis(0, k as isize), &expected.value(), scale, "gradient")?;
            }
        }
        let mut replayed = compile(|x| vmap(&f, &axes, x));
        prop_assert_eq!(bits(replayed.value(&all).unwrap()), bits(&values), "replayed");
        Ok(())
    });
}

#[test]
fn a_scan_is_the_unrolled_program_and_is_replayed() {
    for_programs(|recipe| {
        let inputs = recipe.inputs(0);
        let body = std::sync::Arc::new(step(recipe));
        let (start, slices) = (Tensor::scalar(0.5), tensor![1.0, 0.9, 0.8, 0.7]);
        let tape = Tape::new();
        let x: Vec<Var<f64>> = [start, slices].into_iter().chain(inputs).map(|x| tape.var(x)).collect();
        let mut carry = x[0];
        let carries: Vec<Var<f64>> = (0..4)
            .map(|k| {
                let args: Vec<Var<f64>> = [carry, x[1].index_axis(0, k)].into_iter().chain(x[2..].to_vec()).collect();
                carry = body(&args);
                carry
            })
            .collect();
        let expected = Var::stack(&carries, 0);
        let slope = expected.sum().grad(&x);
        let scale = scale(&tape);
        let found = scan(shared(&body), &x[0], &x[1], &x[2..], 2);
        prop_assert_eq!(bits(&found.value()), bits(&expected.value()));
        let gradients = found.sum().backward();
        for (x, expected) in x.iter().zip(&slope) {
            close(&gradients.wrt(*x), &expected.value(), scale, "gradient of a scan")?;
        }
        let at: Vec<Tensor<f64>> = x.iter().map(|x| x.value()).collect();
        let mut replayed = compile(|x| scan(shared(&body), &x[0], &x[1], &x[2..], 2).sum());
        let (value, slopes) = replayed.value_and_grad(&at).unwrap();
        prop_assert_eq!(value.to_bits(), found.sum().item().to_bits());
        for (found, x) in slopes.iter().zip(&x) {
            prop_assert_eq!(bits(found), bits(&gradients.wrt(*x)), "replayed");
        }
        Ok(())
    });
}

/// A step of a loop: the program, at parameters that the carry and the slice scale.
fn step(recipe: &Recipe) -> impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64> + Send + Sync + 'static {
    let f = program(recipe);
    move |x| f(&x[2..].iter().map(|p| *p * (x[0] * 0.1 + x[1])).collect::<Vec<_>>())
}

/// A body that several loops share.
fn shared<F>(body: &std::sync::Arc<F>) -> impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64> + Send + Sync + 'static
where
    F: for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64> + Send + Sync + 'static,
{
    let body = body.clone();
    move |x| body(x)
}

#[test]
fn a_checkpoint_is_the_plain_program() {
    for_programs(|recipe| {
        let inputs = recipe.inputs(0);
        let run = |f: &dyn for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>| {
            let tape = Tape::new();
            let x: Vec<Var<f64>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
            let y = f(&x);
            let gradients = y.backward();
            let mut all = vec![y.value()];
            all.extend(x.iter().map(|x| gradients.wrt(*x)));
            all
        };
        let (f, inner) = (program(recipe), program(recipe));
        let inner = std::sync::Arc::new(inner);
        let (plain, found) = (run(&f), run(&|x| checkpoint(shared(&inner), x)));
        for (found, plain) in found.iter().zip(&plain) {
            prop_assert_eq!(bits(found), bits(plain));
        }
        Ok(())
    });
}

#[test]
fn a_power_series_has_the_nested_derivatives() {
    const ORDER: usize = 3;
    for_programs(|recipe| {
        let (inputs, f) = (recipe.inputs(0), program(recipe));
        let t = directions(recipe, &inputs);
        let found = taylor(&f, &inputs, &t, ORDER);
        let tape = Tape::new();
        let x: Vec<Var<f64>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
        let along: Vec<_> = x.iter().copied().zip(t.into_iter().map(|t| tape.constant(t))).collect();
        let mut y = f(&x);
        for (k, found) in found.iter().enumerate() {
            close(found, &y.value(), scale(&tape), &format!("order {k}"))?;
            y = y.jvp_recorded(&along);
        }
        Ok(())
    });
}

#[test]
fn a_sparse_jacobian_is_the_dense_one() {
    for_programs(|recipe| {
        let inputs = recipe.inputs(0);
        let array = |x: &[Var<'_, f64>]| -> usize { recipe.array(x).shape().iter().product() };
        let tape = Tape::new();
        let size = array(&[tape.var(inputs[0].clone())]);
        if size * inputs[0].len() > 4000 {
            return Ok(());
        }
        let mut sparse = SparseJacobian::new(|x| recipe.array(x), &inputs[0]).unwrap();
        let at = &inputs[0] * 0.9;
        sparse.at(&at).unwrap();
        let dense = jacobian(|x| recipe.array(x), &[&at]).remove(0);
        close(&sparse.dense(), &dense, largest(&dense), "sparse")
    });
}

#[test]
fn a_gradient_of_a_compiled_program_is_that_of_the_tape() {
    for_programs(|recipe| {
        let (inputs, f) = (recipe.inputs(0), program(recipe));
        let mut compiled = compile(|x| grad(&f, &x[..1])[0]);
        let found = compiled.value(&inputs[..1]).unwrap();
        prop_assert_eq!(bits(found), bits(&grad(&f, &inputs[..1])[0]));
        Ok(())
    });
}
