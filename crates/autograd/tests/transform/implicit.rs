//! Solutions of equations are differentiated to any order, however they were found.

use autograd::transform::{Method, Solver, argmin, fixed_point, hessian, jvp, root, try_fixed_point, try_root};
use autograd::{Tape, Tensor, Var, gradcheck, tensor};

/// z³ + z = a, element by element.
fn cubic<'t>(params: &[Var<'t, f64>]) -> Var<'t, f64> {
    root(|x| x[0] * x[0] * x[0] + x[0] - x[1], &tensor![0.5, 0.5], params, Solver::default())
}

#[test]
fn a_root_has_the_derivatives_of_the_inverse() {
    let tape = Tape::<f64>::new();
    let a = tape.var([2.0, 10.0]);
    let z = cubic(&[a]);
    assert_eq!(z.value(), tensor![1.0, 2.0]);
    // z′ = 1 / (3z² + 1), z″ = -6z z′³.
    let slope = z.sum().grad(&[a])[0];
    let bend = slope.sum().grad(&[a])[0];
    let third = bend.sum().backward().wrt(a);
    for (i, z) in [1.0f64, 2.0].into_iter().enumerate() {
        let d = 1.0 / (3.0 * z * z + 1.0);
        assert!((slope.value().at(&[i]) - d).abs() < 1e-14);
        assert!((bend.value().at(&[i]) + 6.0 * z * d.powi(3)).abs() < 1e-14);
        let expected = -6.0 * d.powi(4) + 108.0 * z * z * d.powi(5);
        assert!((third.at(&[i]) - expected).abs() < 1e-13, "{third} {expected}");
    }
    let (_, t) = jvp(cubic, &[tensor![2.0, 10.0]], &[tensor![1.0, 13.0]]);
    assert!((t - tensor![0.25, 1.0]).abs().max().item() < 1e-14);
    let mut program = autograd::compile(|x| cubic(x).square().sum());
    assert_eq!(program.value(&[tensor![2.0, 10.0]]).unwrap().item(), 5.0);
    assert_eq!(program.value(&[tensor![10.0, 30.0]]).unwrap().item(), 13.0);
}

#[test]
fn a_fixed_point_is_differentiated_once() {
    let weights = tensor![[0.3, -0.2], [0.1, 0.4]];
    for method in [Method::Newton, Method::Iteration { damping: 1.0 }, Method::Iteration { damping: 0.7 }] {
        let solver = Solver { method, tolerance: 1e-14, ..Solver::default() };
        gradcheck(
            |x| fixed_point(|x| (x[1].matmul(x[0]) + x[2]).tanh(), &tensor![0.0, 0.0], x, solver).square().sum(),
            &[weights.clone(), tensor![0.5, -1.0]],
        )
        .unwrap();
    }
}

#[test]
fn a_minimum_depends_on_its_parameters() {
    // Ridge regression: z = (AᵀA + λ)⁻¹ Aᵀ b.
    let (a, b) = (tensor![[1.0, 2.0], [3.0, 1.0], [0.0, 1.0]], tensor![1.0, 2.0, 3.0]);
    let f = |lambda: &[Tensor<f64>]| {
        argmin(
            |x| (x[1].matmul(x[0]) - x[2]).square().sum() + x[3] * x[0].square().sum(),
            &tensor![0.0, 0.0],
            &[a.clone(), b.clone(), lambda[0].clone()],
            Solver::default(),
        )
    };
    let expected = (a.t().matmul(&a) + Tensor::eye(2) * 0.5).solve(a.t().matmul(&b));
    assert!((f(&[Tensor::scalar(0.5)]) - expected).abs().max().item() < 1e-12);
    let curvature: Vec<Vec<Tensor<f64>>> = hessian(
        |p| argmin(|x| (x[0] - x[1].exp()).square().sum(), &tensor![0.0_f64], p, Solver::default()).sum(),
        &[tensor![1.0]],
    );
    assert!((curvature[0][0].item() - 1f64.exp()).abs() < 1e-9);
}

#[test]
fn what_cannot_be_solved_is_an_error() {
    let error = |solver, f: for<'t> fn(&[Var<'t, f64>]) -> Var<'t, f64>| {
        try_root(f, &tensor![1.0], &[tensor![1.0]], solver).unwrap_err().to_string()
    };
    let none = error(Solver::default(), |x| x[0].square() + x[1] * 3.0);
    assert!(none.contains("residual") && none.contains("steps"), "{none}");
    let singular = error(Solver::default(), |x| x[0] * 0.0 + x[1]);
    assert!(singular.contains("singular"), "{singular}");
    let shape = error(Solver::default(), |x| x[0].sum() + x[1].sum());
    assert!(shape.contains("shape of z"), "{shape}");
    let wrong = Solver { method: Method::Given, ..Solver::default() };
    assert!(error(wrong, |x| x[0] - x[1] * 2.0).contains("after 0 steps"));
    let given = try_root(|x| x[0] - x[1], &tensor![1.0], &[tensor![1.0]], wrong);
    assert_eq!(given.unwrap(), tensor![1.0]);
    let diverges = Solver { method: Method::Iteration { damping: 1.0 }, ..Solver::default() };
    let error = try_fixed_point(|x| x[0] * 2.0 + x[1], &tensor![1.0], &[tensor![1.0]], diverges).unwrap_err();
    assert!(error.to_string().contains("after 100 steps"), "{error}");
}
