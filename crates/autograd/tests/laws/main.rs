//! Laws that hold for every op, tested on inputs generated from the list of ops: any shape, any broadcast, any axis,
//! any memory layout. A new op is subject to these laws as soon as it compiles.
//!
//! The cases are the same in every run. `WENGERT_CASES=1000 cargo test --test laws` tests more of them per op, and
//! `WENGERT_OP=Tanh` tests only that op.

mod case;
mod oracle;
mod strategy;
mod transform;
mod windows;

use autograd::check::GradCheck;
use autograd::op::Op;
use autograd::transform::jvp;
use autograd::{Float, Precision, Program, Rng, Tape, Tensor, Value, Var};
use case::Case;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};
use strategy::Subject;

/// Five-point differences must agree to eight digits, forward and reverse mode to twelve.
const STRICT: GradCheck = GradCheck { rtol: 1e-8, rtol_second: 1e-6, rtol_exact: 1e-12, second_order: true, seed: 0 };

/// Tests a law on every op.
fn for_each_op(law: impl Fn(Case) -> TestCaseResult) {
    for_each(|subject| subject.cases(), |_, case| law(case));
}

fn for_each<S: Strategy>(strategy: impl Fn(Subject) -> S, law: impl Fn(Subject, S::Value) -> TestCaseResult) {
    let cases = std::env::var("WENGERT_CASES").map_or(32, |n| n.parse().expect("WENGERT_CASES is a number"));
    let only = std::env::var("WENGERT_OP").ok();
    let subjects: Vec<Subject> = Subject::all().filter(|s| only.as_ref().is_none_or(|op| s.name() == *op)).collect();
    assert!(!subjects.is_empty(), "WENGERT_OP must name an op, got {only:?}");
    for subject in subjects {
        let config = Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        if let Err(failure) = runner.run(&strategy(subject), |value| law(subject, value)) {
            panic!("{subject:?}: {failure}");
        }
    }
}

#[test]
fn derivatives_agree_with_finite_differences_and_with_each_other() {
    for_each_op(|case| {
        let inputs = case.tensors::<f64>();
        let defined = case.compute(&inputs).unwrap().iter().all(f64::is_finite);
        if case.cuts() || !defined {
            return Ok(()); // the mean of no elements has no derivative; the next law covers empty inputs of other ops
        }
        let moving: Vec<usize> = (0..inputs.len()).filter(|&i| case.inputs[i].differentiable).collect();
        let report = STRICT.run(
            |x| {
                let tape = x[0].tape();
                let mut all: Vec<Var<f64>> = inputs.iter().map(|x| tape.constant(x.clone())).collect();
                moving.iter().zip(x).for_each(|(&i, &x)| all[i] = x);
                case.apply(&all).unwrap()
            },
            &moving.iter().map(|&i| inputs[i].clone()).collect::<Vec<_>>(),
        );
        report.map(|_| ()).map_err(|e| TestCaseError::fail(e.to_string()))
    });
}

/// Of a loss whose cotangents move with the inputs; those of the law before are constant.
#[test]
fn curvature_is_the_same_forward_over_reverse_and_reverse_over_reverse() {
    for_each_op(|case| {
        let inputs = case.tensors::<f64>();
        let y = case.compute(&inputs).unwrap();
        if case.cuts() || y.is_empty() || !y.iter().all(f64::is_finite) {
            return Ok(());
        }
        let moving: Vec<usize> = (0..inputs.len()).filter(|&i| case.inputs[i].differentiable).collect();
        let direction = |n: usize| Tensor::<f64>::randn(inputs[n].shape(), &mut Rng::new(n as u64));
        let (x, v): (Vec<_>, Vec<_>) = moving.iter().map(|&i| (inputs[i].clone(), direction(i))).unzip();
        let weights = Tensor::<f64>::randn(y.shape(), &mut Rng::new(9));
        let bent = |x: &[Var<f64>]| -> Vec<Tensor<f64>> {
            let tape = x[0].tape();
            let gradients = bend(&case, &inputs, &moving, &weights, x).grad(x);
            let terms = gradients.iter().zip(&v).map(|(g, v)| (*g * tape.constant(v.clone())).sum());
            let along = terms.reduce(|a, b| a + b).expect("an input moves");
            let second = along.backward();
            x.iter().map(|&x| second.get(x).cloned().unwrap_or_else(|| Tensor::zeros(&x.shape()))).collect()
        };
        let tape = Tape::new();
        let reverse = bent(&x.iter().map(|x| tape.var(x.clone())).collect::<Vec<_>>());
        let forward = (0..x.len()).map(|k| jvp(|x| bend(&case, &inputs, &moving, &weights, x).grad(x)[k], &x, &v).1);
        for (a, b) in reverse.iter().zip(forward) {
            let scale = reverse.iter().map(largest).fold(1.0, f64::max);
            prop_assert!(largest(&(a - &b)) <= 1e-10 * scale, "{a:?} in reverse mode, {b:?} in forward mode");
        }
        Ok(())
    });
}

/// Σ w y², where some inputs are variables.
fn bend<'t>(
    case: &Case,
    inputs: &[Tensor<f64>],
    moving: &[usize],
    weights: &Tensor<f64>,
    x: &[Var<'t, f64>],
) -> Var<'t, f64> {
    let tape = x[0].tape();
    let mut all: Vec<Var<f64>> = inputs.iter().map(|x| tape.constant(x.clone())).collect();
    moving.iter().zip(x).for_each(|(&i, &x)| all[i] = x);
    (case.apply(&all).unwrap().square() * tape.constant(weights.clone())).sum()
}

#[test]
fn what_stops_derivatives_stops_them_exactly() {
    for_each_op(|case| {
        let inputs = case.tensors::<f64>();
        let all = case.vjp(&inputs, &|shape| Tensor::ones(shape));
        for (x, g) in case.inputs.iter().zip(&all.gradients) {
            if case.cuts() || !x.differentiable {
                prop_assert!(g.iter().all(|g| g == 0.0), "{g:?}");
            }
        }
        if matches!(case.op, Op::Leaf | Op::Const | Op::StopGradient) {
            prop_assert_eq!(&all.y, &inputs[0]);
        }
        Ok(())
    });
}

#[test]
fn a_view_gives_bit_for_bit_what_its_copy_gives() {
    for_each_op(|case| {
        view_as_copy::<f64>(&case)?;
        view_as_copy::<f32>(&case)
    });
}

fn view_as_copy<T: Float>(case: &Case) -> TestCaseResult {
    let views = case.tensors::<T>();
    let copies: Vec<Tensor<T>> = views.iter().map(Tensor::deep_copy).collect();
    let seed = |shape: &[usize]| Tensor::randn(shape, &mut Rng::new(1));
    let (a, b) = (case.vjp(&views, &seed), case.vjp(&copies, &seed));
    for (a, b) in std::iter::once((&a.y, &b.y)).chain(a.gradients.iter().zip(&b.gradients)) {
        prop_assert_eq!(bits(a), bits(b));
    }
    Ok(())
}

#[test]
fn a_cotangent_has_the_shape_of_its_input_and_is_linear_in_that_of_the_output() {
    for_each_op(|case| {
        let inputs = case.tensors::<f64>();
        let seed = |n: u64| move |shape: &[usize]| Tensor::<f64>::randn(shape, &mut Rng::new(n));
        let (one, two) = (case.vjp(&inputs, &seed(1)), case.vjp(&inputs, &seed(2)));
        let both = case.vjp(&inputs, &|shape| seed(1)(shape) * 0.7 - seed(2)(shape) * 1.3);
        let none = case.vjp(&inputs, &|shape| Tensor::zeros(shape));
        for (i, x) in inputs.iter().enumerate() {
            let (p, q) = (&one.gradients[i] * 0.7, &two.gradients[i] * 1.3);
            prop_assert_eq!(both.gradients[i].shape(), x.shape());
            prop_assert!(none.gradients[i].iter().all(|g| g == 0.0), "{:?}", none.gradients[i]);
            let scale = largest(&p).max(largest(&q));
            prop_assert!(largest(&(&both.gradients[i] - &p + &q)) <= 1e-13 * scale, "input {i}");
        }
        Ok(())
    });
}

#[test]
fn an_input_used_twice_collects_both_contributions() {
    for_each_op(|mut case| {
        if let Op::MatMul { .. } = case.op {
            case.op = Op::MatMul { ta: false, tb: true, precision: Precision::Full }; // so that a matrix can be multiplied by itself
        }
        if let Op::CrossEntropyVjp { .. } | Op::LayerNorm { .. } | Op::LayerNormVjp { .. } = case.op {
            case.inputs[1].differentiable = false; // one value per row or per column
            case.inputs.last_mut().unwrap().differentiable = false;
        }
        if let Op::Attention { .. } | Op::AttentionVjp { .. } | Op::GatherFold { .. } | Op::Pairwise(_) = case.op {
            case.inputs[1..].iter_mut().for_each(|x| x.differentiable = false); // of other shapes
        }
        if let Op::RecurrentTrace { cell, .. } | Op::Recurrent { cell, .. } | Op::RecurrentVjp { cell, .. } = case.op {
            let others = case.inputs.len() - cell.states(); // those before the parts of the initial state
            case.inputs[..others].iter_mut().for_each(|input| input.differentiable = false);
        }
        windows::with_itself(&mut case);
        let moving: Vec<usize> = (0..case.inputs.len()).filter(|&i| case.inputs[i].differentiable).collect();
        let x = case.inputs[moving[0]].tensor::<f64>();
        let mut inputs = case.tensors::<f64>();
        moving.iter().for_each(|&i| inputs[i] = x.clone());
        let seed = |shape: &[usize]| Tensor::<f64>::randn(shape, &mut Rng::new(3));
        let apart = case.vjp(&inputs, &seed);
        let expected = moving.iter().map(|&i| apart.gradients[i].clone()).reduce(|a, b| a + b).unwrap();

        let tape = Tape::new();
        let x = tape.var(x);
        let vars: Vec<Var<f64>> = case
            .inputs
            .iter()
            .zip(&inputs)
            .map(|(input, value)| if input.differentiable { x } else { tape.constant(value.clone()) })
            .collect();
        let y = case.apply(&vars).unwrap();
        let shared = y.vjp(seed(&y.shape())).wrt(x);
        close(&shared, &expected, 1e-15 * moving.len() as f64)
    });
}

#[test]
fn what_no_rule_reads_need_not_be_in_memory() {
    const RECENT: usize = 1 << 20;
    for_each_op(|case| {
        let inputs = case.tensors::<f64>();
        let differentiable: Vec<usize> = (0..inputs.len()).filter(|&i| case.inputs[i].differentiable).collect();
        let derivatives = |tape: Tape<f64>| {
            let leaf = |(input, x): (&case::Input, &Tensor<f64>)| match input.differentiable {
                true => tape.var(x.clone()),
                false => tape.constant(x.clone()),
            };
            let leaves: Vec<Var<f64>> = case.inputs.iter().zip(&inputs).map(leaf).collect();
            let computed: Vec<Var<f64>> = leaves.iter().map(|x| *x * 1.0).collect();
            let y = case.apply(&computed).unwrap();
            tape.constant(Tensor::zeros(&[RECENT])); // makes all spare arrays old enough to be dropped
            let random = |shape: &[usize], seed| Tensor::randn(shape, &mut Rng::new(seed));
            let gradients = y.vjp(random(&y.shape(), 5));
            let mut derivatives: Vec<_> = differentiable.iter().map(|&i| bits(&gradients.wrt(leaves[i]))).collect();
            let along = differentiable.iter().map(|&i| (leaves[i], random(inputs[i].shape(), 6 + i as u64)));
            derivatives.push(bits(&y.jvp(&along.collect::<Vec<_>>())));
            derivatives
        };
        prop_assert_eq!(derivatives(Tape::lean(RECENT)), derivatives(Tape::new()));
        Ok(())
    });
}

#[test]
fn single_precision_is_near_double_precision() {
    for_each_op(|case| {
        let seed = |shape: &[usize]| Tensor::<f32>::randn(shape, &mut Rng::new(4));
        let single = case.vjp(&case.tensors::<f32>(), &seed);
        let double = case.vjp(&case.tensors::<f64>(), &|shape| seed(shape).cast());
        for (s, d) in std::iter::once((&single.y, &double.y)).chain(single.gradients.iter().zip(&double.gradients)) {
            prop_assert_eq!(s.shape(), d.shape());
            let scale = largest(d).max(1.0);
            for (s, d) in s.iter().zip(d.iter()) {
                prop_assert!(same(s.f64(), d) || (s.f64() - d).abs() <= 2e-5 * scale, "{s} and {d}");
            }
        }
        Ok(())
    });
}

#[test]
fn tensors_and_variables_compute_the_same_bits() {
    fn check<T: Float>(case: &Case) -> TestCaseResult {
        let inputs = case.tensors::<T>();
        let tape = Tape::new();
        let vars: Vec<Var<T>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
        let (tensor, var) = (case.compute(&inputs).unwrap(), case.apply(&vars).unwrap());
        let var = var.value();
        prop_assert_eq!(tensor.shape(), var.shape());
        prop_assert_eq!(bits(&tensor), bits(&var));
        Ok(())
    }
    for_each_op(|case| {
        check::<f64>(&case)?;
        check::<f32>(&case)
    });
}

#[test]
fn a_program_gives_what_the_tape_gave() {
    fn check<T: Float>(case: &Case) -> TestCaseResult {
        let record = |inputs: &[Tensor<T>], program: Option<&mut Option<Program<T>>>| -> Vec<Tensor<T>> {
            let tape = Tape::new();
            let x: Vec<Var<T>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
            let y = case.apply(&x).unwrap();
            let cotangent = tape.constant(Tensor::randn(&y.shape(), &mut Rng::new(5)));
            let mut out = vec![y];
            out.extend(y.try_grad_with(cotangent, &x).unwrap());
            if let Some(slot) = program {
                *slot = Some(Program::new(&tape, &x, &out));
            }
            out.iter().map(|v| v.value()).collect()
        };
        let inputs = case.tensors::<T>();
        let mut program = None;
        let recorded = record(&inputs, Some(&mut program));
        let mut program = program.expect("compiled");
        for _ in 0..2 {
            let replayed = program.run(&inputs.iter().collect::<Vec<_>>()).unwrap();
            for (a, b) in recorded.iter().zip(replayed) {
                prop_assert_eq!(a.shape(), b.shape());
                prop_assert_eq!(unsigned(a), unsigned(b), "\n{}", program);
            }
        }
        Ok(())
    }
    for_each_op(|case| {
        check::<f64>(&case)?;
        check::<f32>(&case)
    });
}

/// The bits, ignoring the sign of zeros; all NaN are the same.
fn unsigned<T: Float>(x: &Tensor<T>) -> Vec<u64> {
    x.iter().map(|x| if x.is_nan() { u64::MAX } else { (x.f64() + 0.0).to_bits() }).collect()
}

/// An op and inputs that it may or may not accept: those of another case, or its own with one change.
fn misfits(subject: Subject) -> impl Strategy<Value = (Op, Vec<Vec<usize>>)> {
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..8usize, 0..4usize);
    (subject.cases(), subject.cases(), change).prop_map(|(case, other, (input, axis, what, size))| {
        let mut shapes = if what == 0 { other.shapes() } else { case.shapes() };
        let input = input.index(shapes.len());
        let shape = &mut shapes[input];
        let axis = axis.index(shape.len() + 1);
        match what {
            1 => shape.insert(axis, size),
            2 if axis < shape.len() => drop(shape.remove(axis)),
            3 | 4 if axis < shape.len() => shape[axis] = size,
            5 => shape.reverse(),
            6 if size == 0 => drop(shapes.remove(input)),
            6 => shapes.insert(input, vec![2; size]),
            _ => (),
        }
        (case.op, shapes)
    })
}

#[test]
fn an_op_refuses_exactly_what_the_rules_of_shapes_forbid() {
    for_each(misfits, |subject, (op, shapes)| {
        // Square matrices are regular, so that no op refuses them for their values.
        let regular = |i: &[usize]| if i.iter().rev().take(2).is_sorted_by(|a, b| a == b) { 2.0 } else { 1.0 };
        let inputs: Vec<Tensor<f64>> = shapes.iter().map(|shape| Tensor::from_fn(shape, regular)).collect();
        let tape = Tape::new();
        let vars: Vec<Var<f64>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
        let tensor = Tensor::try_apply(op.clone(), &inputs.iter().collect::<Vec<_>>());
        let var = Var::try_apply(op.clone(), &vars.iter().collect::<Vec<_>>());
        let expected = oracle::shape(&op, &shapes);
        prop_assert_eq!(tensor.as_ref().ok().map(|y| y.shape().to_vec()), expected.clone(), "{:?}", subject);
        prop_assert_eq!(var.as_ref().ok().map(|y| y.shape().to_vec()), expected);
        if let (Err(tensor), Err(var)) = (tensor, var) {
            let text = tensor.to_string();
            prop_assert!(text.contains(op.name()), "{text} does not name {}", op.name());
            prop_assert_eq!(text, var.to_string());
        }
        Ok(())
    });
}

/// The bits of each element; widening single precision is lossless.
fn bits<T: Float>(x: &Tensor<T>) -> Vec<u64> {
    x.iter().map(|x| x.f64().to_bits()).collect()
}

fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

fn largest<T: Float>(x: &Tensor<T>) -> f64 {
    x.iter().fold(0.0, |m, x| m.max(x.f64().abs()))
}

/// Equal up to rounding, relative to the largest element (and to 1).
fn close<T: Float>(a: &Tensor<T>, b: &Tensor<T>, tolerance: f64) -> TestCaseResult {
    prop_assert_eq!(a.shape(), b.shape());
    let scale = largest(b).max(1.0);
    for (a, b) in a.iter().zip(b.iter()) {
        prop_assert!(same(a.f64(), b.f64()) || (a.f64() - b.f64()).abs() <= tolerance * scale, "{a} and {b}");
    }
    Ok(())
}
