//! Misuse that every transform rejects with the same message: a function of the wrong shape, of another tape, or that reads
//! values.

use autograd::transform::{
    Directions, SparseHessian, SparseJacobian, Steps, linearize, try_divergence, try_grad, try_hessian, try_hvp,
    try_jacobian, try_jvp, try_laplacian, try_linearize, try_odeint, try_per_sample_grad, try_per_sample_norm,
    try_taylor, try_value_and_grad, try_vjp, try_vmap, vjp,
};
use autograd::{Error, Result, Tape, Tensor, Var, compile, tensor};

type F = for<'t> fn(&[Var<'t, f64>]) -> Var<'t, f64>;

fn error<V>(result: Result<V>) -> Error {
    result.err().expect("it must be refused")
}

#[test]
fn a_scalar_transform_refuses_a_vector() {
    let (f, x): (F, _) = (|x| x[0] * 2.0, [tensor![1.0, 2.0]]);
    let refused = [
        error(try_grad(f, &x)),
        error(try_value_and_grad(f, &x)),
        error(try_hessian(f, &x)),
        error(try_hvp(f, &x, &x)),
        error(try_laplacian(f, &x, Directions::All)),
        error(try_per_sample_grad(|x| x[0] + x[1], &[Some(0), None], &[0], &[&x[0], &x[0]])),
        error(try_per_sample_norm(|x| x[0] + x[1], &[Some(0), None], &[0], &[&x[0], &x[0]])),
        error(SparseHessian::new(f, &x[0])),
    ];
    for error in refused {
        assert!(matches!(error, Error::NotScalar { .. }), "{error}");
        assert!(error.to_string().contains("[2]"), "{error}");
    }
}

#[test]
fn a_variable_from_outside_is_refused() {
    // Only a tape that lives as long as the program allows returning a variable of another tape.
    let tape: &'static Tape<f64> = Box::leak(Box::new(Tape::new()));
    let stranger: Var<'static, f64> = tape.var(1.0);
    let x = [tensor![1.0, 2.0]];
    let refused = [
        error(try_grad(|_| stranger, &x)),
        error(try_jvp(|_| stranger, &x, &x)),
        error(try_jacobian(|_| stranger, &x)),
        error(try_hessian(|_| stranger, &x)),
        error(try_vjp(|_| stranger, &x)),
        error(try_linearize(|_| stranger, &x)),
        error(try_taylor(|_| stranger, &x, &x, 2)),
        error(try_vmap(|_| stranger, &[Some(0)], &x)),
        error(SparseJacobian::new(|_| stranger, &x[0])),
    ];
    for error in refused {
        assert!(error.to_string().contains("another tape"), "{error}");
    }
}

#[test]
fn a_function_that_reads_values_is_refused_with_its_line() {
    let f: F = |x| if x[0].sum().item() > 0.0 { x[0].sum() } else { -x[0].sum() };
    let line = line!() - 1;
    let x = tensor![[1.0, 2.0]];
    let refused = [
        error(try_vmap(f, &[Some(0)], &[&x])),
        error(try_per_sample_grad(f, &[Some(0)], &[0], &[&x])),
        error(SparseJacobian::new(f, &x)),
        error(SparseHessian::new(f, &x)),
        error(compile(f).value(&[&x])),
    ];
    for error in refused {
        assert!(error.to_string().contains(&format!("bad_input.rs:{line}")), "{error}");
    }
    assert_eq!(try_grad(f, &[&x]).unwrap()[0], tensor![[1.0, 1.0]], "a gradient at one point may read values");
}

#[test]
fn directions_and_cotangents_of_other_shapes_are_refused() {
    let (x, wrong) = ([tensor![1.0, 2.0]], [tensor![1.0]]);
    let f: F = |x| x[0].square();
    for error in
        [error(try_jvp(f, &x, &wrong)), error(try_taylor(f, &x, &wrong, 2)), error(try_hvp(|x| x[0].sum(), &x, &wrong))]
    {
        assert!(error.to_string().contains("the shape of its input, [2]"), "{error}");
    }
    let none: [Tensor<f64>; 0] = [];
    assert!(error(try_jvp(f, &x, &none)).to_string().contains("one for each input, but 0 were given"));
    assert!(error(vjp(f, &x).1.call(tensor![1.0])).to_string().contains("the shape of the output, [2]"));
    assert!(error(linearize(f, &x).1.call(&wrong)).to_string().contains("the shape of its input, [2]"));
    assert!(error(try_divergence(|x| x[0].sum(), &x[0], Directions::All)).to_string().contains("[2]"));
    let many = Directions::Random { count: 0, seed: 0 };
    assert!(error(try_laplacian(|x| x[0].sum(), &x, many)).to_string().contains("at least one random direction"));
}

#[test]
fn a_step_that_underflows_is_refused_with_its_time() {
    // y′ = y² from 1 has a pole at t = 1.
    let steps = Steps::Adaptive { rtol: 1e-8, atol: 1e-10 };
    let error = error(try_odeint(|x| x[1].square(), &tensor![1.0], &[0.0, 2.0], &[], steps)).to_string();
    assert!(error.contains("the step became too small at t = "), "{error}");
}
