//! Laws of transforms: `vmap` is the loop over samples, a power series has the nested derivatives, and a sparse Jacobian is
//! the dense one, for every op.

use crate::case::Case;
use crate::{for_each_op, largest};
use autograd::transform::{SparseJacobian, jacobian, per_sample_grad, try_taylor, vmap};
use autograd::{Tape, Tensor, Var};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

const SAMPLES: usize = 3;

/// Whether two tensors agree but for rounding.
fn close(found: &Tensor<f64>, expected: &Tensor<f64>, what: &str) -> TestCaseResult {
    prop_assert_eq!(found.shape(), expected.shape(), "{}", what);
    if expected.iter().any(|x| !x.is_finite()) {
        return Ok(()); // the digits of what overflows depend on the order of the operations
    }
    let error = largest(&(found - expected));
    prop_assert!(error <= 1e-9 * largest(expected).max(1.0), "{what}: {found:?} {expected:?}");
    Ok(())
}

/// The samples of an input: near the one of the case, so that they stay in its domain.
fn samples(x: &Tensor<f64>) -> Tensor<f64> {
    let all: Vec<Tensor<f64>> = (0..SAMPLES).map(|i| x * (1.0 + 1e-3 * i as f64)).collect();
    Tensor::stack(&all, 0)
}

#[test]
fn a_map_over_samples_is_the_loop() {
    for_each_op(|case| {
        let inputs = case.tensors::<f64>();
        if inputs.is_empty() {
            return Ok(());
        }
        // All inputs have samples, or one of them.
        for only in std::iter::once(None).chain((0..inputs.len()).map(Some)) {
            let mapped = |i: usize| only.is_none_or(|only| only == i);
            let axes: Vec<Option<isize>> = (0..inputs.len()).map(|i| mapped(i).then_some(0)).collect();
            let given = |i: usize| if mapped(i) { samples(&inputs[i]) } else { inputs[i].clone() };
            map_is_loop(&case, &axes, &(0..inputs.len()).map(given).collect::<Vec<_>>())?;
        }
        Ok(())
    });
}

fn map_is_loop(case: &Case, axes: &[Option<isize>], x: &[Tensor<f64>]) -> TestCaseResult {
    let sample = |k: usize| -> Vec<Tensor<f64>> {
        let pick =
            |(x, axis): (&Tensor<f64>, &Option<isize>)| axis.map_or_else(|| x.clone(), |_| x.index_axis(0, k as isize));
        x.iter().zip(axes).map(pick).collect()
    };
    let all = vmap(|x| case.apply(x).unwrap(), axes, x);
    let wrt: Vec<usize> = (0..x.len()).filter(|&i| case.inputs[i].differentiable).collect();
    let gradients = per_sample_grad(|x| case.apply(x).unwrap().square().sum(), axes, &wrt, x);
    for k in 0..SAMPLES {
        let tape = Tape::new();
        let x: Vec<Var<f64>> = sample(k).into_iter().map(|x| tape.var(x)).collect();
        let y = case.apply(&x).unwrap();
        close(&all.index_axis(0, k as isize), &y.value(), "value")?;
        let expected = y.square().sum().backward();
        for (found, &i) in gradients.iter().zip(&wrt) {
            close(&found.index_axis(0, k as isize), &expected.wrt(x[i]), "gradient")?;
        }
    }
    Ok(())
}

#[test]
fn a_power_series_has_the_nested_derivatives() {
    const ORDER: usize = 3;
    for_each_op(|case| {
        let inputs = case.tensors::<f64>();
        let moving: Vec<usize> = (0..inputs.len()).filter(|&i| case.inputs[i].differentiable).collect();
        if moving.is_empty() {
            return Ok(());
        }
        let at: Vec<Tensor<f64>> = moving.iter().map(|&i| inputs[i].clone()).collect();
        let t: Vec<Tensor<f64>> = at.iter().map(|x| x * 0.5 + 0.25).collect();
        let found = try_taylor(|x| with(&case, &inputs, &moving, x), &at, &t, ORDER);
        let found = found.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let tape = Tape::new();
        let x: Vec<Var<f64>> = at.into_iter().map(|x| tape.var(x)).collect();
        let along: Vec<_> = x.iter().zip(t).map(|(&x, t)| (x, tape.constant(t))).collect();
        let mut y = with(&case, &inputs, &moving, &x);
        for (k, found) in found.iter().enumerate() {
            close(found, &y.value(), &format!("order {k}"))?;
            y = y.jvp_recorded(&along);
        }
        Ok(())
    });
}

/// The op, with variables for some of its inputs.
fn with<'t>(case: &Case, inputs: &[Tensor<f64>], moving: &[usize], x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let mut all: Vec<Var<f64>> = inputs.iter().map(|input| x[0].tape().constant(input.clone())).collect();
    moving.iter().zip(x).for_each(|(&i, &x)| all[i] = x);
    case.apply(&all).unwrap()
}

#[test]
fn a_sparse_jacobian_is_the_dense_one() {
    for_each_op(|case| {
        let inputs = case.tensors::<f64>();
        for i in (0..inputs.len()).filter(|&i| case.inputs[i].differentiable) {
            let sparse = SparseJacobian::new(|x| with(&case, &inputs, &[i], x), &inputs[i]);
            let mut sparse = sparse.map_err(|error| TestCaseError::fail(error.to_string()))?;
            sparse.at(&inputs[i]).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let dense = jacobian(|x| with(&case, &inputs, &[i], x), &[&inputs[i]]).remove(0);
            close(&sparse.dense(), &dense, "sparse")?;
        }
        Ok(())
    });
}
