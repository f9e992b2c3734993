//! Derivatives given as closures.

use autograd::transform::{
    custom_jvp, custom_vjp, custom_vjp_saving, hessian, jacobian, jvp, try_custom_vjp_saving, vmap,
};
use autograd::{Tape, Tensor, Var, tensor};

fn cube<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    custom_vjp(|x| x[0] * x[0] * x[0], |x, _, g| vec![g * x[0].square() * 3.0], x)
}

fn product<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    custom_jvp(|x| x[0] * x[1], |x, _, t| t[0] * x[1] + x[0] * t[1], x)
}

#[test]
fn rules_as_closures_are_rules() {
    let (x, y) = (tensor![0.5, -2.0], tensor![3.0, 4.0]);
    assert_eq!(jacobian(cube, &[&x])[0], tensor![[0.75, 0.0], [0.0, 12.0]]);
    assert_eq!(hessian(|x| cube(x).sum(), &[&x])[0][0], tensor![[3.0, 0.0], [0.0, -12.0]]);
    assert_eq!(vmap(cube, &[Some(0)], &[&x]), tensor![0.125, -8.0]);
    assert_eq!(jvp(product, &[&x, &y], &[tensor![1.0, 0.0], tensor![0.0, 1.0]]).1, tensor![3.0, -2.0]);
    assert_eq!(jacobian(product, &[&x, &y])[1], tensor![[0.5, 0.0], [0.0, -2.0]]);
    let mixed = hessian(|x| product(x).sum(), &[&x, &y]);
    assert_eq!((&mixed[0][0], &mixed[0][1]), (&Tensor::zeros(&[2, 2]), &Tensor::eye(2)));
    let mut program = autograd::compile(|x| cube(x).sum());
    assert_eq!(program.value_and_grad(&[&y]).unwrap().1[0], tensor![27.0, 48.0]);
}

/// x³, which saves x² for the backward pass.
fn saving_cube<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    custom_vjp_saving(
        |x| {
            let square = x[0].square();
            (square * x[0], vec![square])
        },
        |saved, g| vec![g * saved[0] * 3.0],
        x,
    )
}

#[test]
fn rules_read_what_the_way_forward_saved() {
    let (x, y) = (tensor![0.5, -2.0], tensor![3.0, 4.0]);
    assert_eq!(custom_vjp_saving(|x| (x[0], vec![]), |_, g| vec![g], &[&x]), x);
    assert_eq!(jacobian(saving_cube, &[&x])[0], tensor![[0.75, 0.0], [0.0, 12.0]]);
    assert_eq!(hessian(|x| saving_cube(x).sum(), &[&x])[0][0], tensor![[3.0, 0.0], [0.0, -12.0]]);
    assert_eq!(vmap(saving_cube, &[Some(0)], &[&x]), tensor![0.125, -8.0]);
    assert_eq!(vmap(|x| saving_cube(x).grad(x)[0], &[Some(0)], &[&x]), tensor![0.75, 12.0]);
    let tape = Tape::new();
    let at = tape.var(x.clone());
    let bend = hessian(|x| saving_cube(x).sum(), &[at])[0][0].sum();
    assert_eq!(bend.backward().wrt(at), tensor![6.0, 6.0]);
    let mut program = autograd::compile(|x| saving_cube(x).sum());
    assert_eq!(program.value_and_grad(&[&x]).unwrap().1[0], tensor![0.75, 12.0]);
    assert_eq!(program.value_and_grad(&[&y]).unwrap().1[0], tensor![27.0, 48.0]);
}

/// The function's own derivative, here infinite times 0, contributes nothing, and neither do the saved values'.
#[test]
fn only_the_rule_counts() {
    let tape = Tape::<f64>::new();
    let x = tape.var([0.0, 4.0]);
    let y = custom_vjp_saving(|x| (x[0].sqrt(), vec![x[0].ln(), x[0]]), |saved, g| vec![g * (saved[1] + 1.0)], &[x]);
    assert_eq!(y.sum().backward().wrt(x), tensor![1.0, 5.0]);
    assert_eq!(y.sum().grad(&[x])[0].value(), tensor![1.0, 5.0]);
}

#[test]
fn a_saving_function_has_no_forward_rule_and_needs_an_input() {
    let tape = Tape::new();
    let x = tape.var([1.0]);
    let error = saving_cube(&[x]).try_jvp(&[(x, tensor![1.0])]).unwrap_err().to_string();
    assert!(error.contains("a function of custom_vjp_saving has no forward rule"), "{error}");
    let none: &[Var<'_, f64>] = &[];
    let error = try_custom_vjp_saving(|x| (x[0], vec![]), |_, g| vec![g], none).unwrap_err().to_string();
    assert!(error.contains("custom_vjp_saving: give at least one input"), "{error}");
}

#[test]
#[should_panic(expected = "custom_vjp_saving: the rule must return cotangents of the shapes [[2]], not [[]]")]
fn a_saving_rule_of_the_wrong_shape_is_refused() {
    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, 2.0]);
    custom_vjp_saving(|x| (x[0], vec![]), |_, g| vec![g.sum()], &[x]).sum().backward();
}

#[test]
fn a_function_without_a_forward_rule_says_so() {
    let tape = Tape::new();
    let x = tape.var([1.0]);
    let error = cube(&[x]).try_jvp(&[(x, tensor![1.0])]).unwrap_err().to_string();
    assert!(error.contains("custom_jvp"), "{error}");
    let (x, one) = (tensor![1.0, 2.0], [tensor![1.0, 1.0]]);
    for error in [
        autograd::transform::try_jvp(cube, &[&x], &one).unwrap_err(),
        autograd::transform::try_taylor(cube, &[&x], &one, 2).unwrap_err(),
        autograd::transform::jacobian_by(autograd::transform::Mode::Forward, cube, &[&x]).unwrap_err(),
    ] {
        assert!(error.to_string().contains("custom_jvp"), "{error}");
    }
}

#[test]
#[should_panic(expected = "must return cotangents of the shapes [[2]], not [[]]")]
fn a_rule_of_the_wrong_shape_is_refused() {
    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, 2.0]);
    custom_vjp(|x| x[0], |_, _, g| vec![g.sum()], &[x]).sum().backward();
}

#[test]
fn a_program_takes_a_value_that_is_a_view() {
    /// The transpose, and twice its cotangent.
    fn turned<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        custom_vjp(|x| x[0].t(), |_, _, g| vec![g.t() * 2.0], x).exp()
    }
    let x = [tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]];
    assert_eq!(autograd::compile(turned).value(&x).unwrap(), &x[0].t().exp());
}
