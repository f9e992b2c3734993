//! Solutions of equations are differentiated to any order, however they were found.

use autograd::transform::{
    Linear, Method, Solver, argmin, fixed_point, hessian, jvp, root, try_argmin, try_fixed_point, try_root, vmap,
};
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
fn products_alone_give_the_derivatives_of_a_factorization() {
    let weights = tensor![[0.3, -0.2], [0.1, 0.4]];
    for linear in [Linear::Dense, Linear::Gmres] {
        let solver = Solver { linear, tolerance: 1e-14, ..Solver::default() };
        gradcheck(
            |x| root(|x| (x[1].matmul(x[0]) + x[2]).tanh() - x[0], &tensor![0.0, 0.0], x, solver).square().sum(),
            &[weights.clone(), tensor![0.5, -1.0]],
        )
        .unwrap();
    }
    let solver = Solver { linear: Linear::ConjugateGradients, tolerance: 1e-13, ..Solver::default() };
    let found = |solver: Solver| {
        hessian(
            |p| {
                argmin(
                    |x| (x[0] - x[1]).square().sum() + (x[0] * x[0]).square().sum() * x[1].sum(),
                    &tensor![0.1, 0.2],
                    p,
                    solver,
                )
                .sum()
            },
            &[tensor![0.4, 0.9]],
        )
        .remove(0)
        .remove(0)
    };
    let (a, b) = (found(solver), found(Solver { linear: Linear::Dense, ..solver }));
    assert!((&a - &b).abs().max().item() < 1e-10, "{a} {b}");
    let mapped = |linear| {
        vmap(
            |p| {
                root(
                    |x| x[0] * x[0] * x[0] + x[0] - x[1],
                    &tensor![0.5, 0.5],
                    p,
                    Solver { linear, ..Solver::default() },
                )
            },
            &[Some(0)],
            &[tensor![[2.0, 10.0], [30.0, 68.0]]],
        )
    };
    assert!((mapped(Linear::Gmres) - tensor![[1.0, 2.0], [3.0, 4.0]]).abs().max().item() < 1e-10);
}

#[test]
fn a_large_problem_needs_no_matrix() {
    // A smoothed signal of 20,000 values: the dense Hessian would take 3 GB.
    const N: usize = 20_000;
    let noisy = Tensor::<f64>::from_fn(&[N], |i| (i[0] as f64 * 0.01).sin() + if i[0] % 2 == 0 { 0.1 } else { -0.1 });
    let solver = Solver { linear: Linear::ConjugateGradients, tolerance: 1e-9, ..Solver::default() };
    let tape = Tape::<f64>::new();
    let (data, weight) = (tape.constant(noisy), tape.var(2.0));
    let smooth = argmin(
        |x| {
            let bend = x[0].slice(0, 1..) - x[0].slice(0, ..-1);
            (x[0] - x[1]).square().sum() + x[2] * bend.square().sum()
        },
        &Tensor::zeros(&[N]),
        &[data, weight],
        solver,
    );
    let roughness = (smooth.slice(0, 1..) - smooth.slice(0, ..-1)).square().sum();
    let slope = roughness.backward().wrt(weight).item();
    assert!(slope < 0.0, "more weight makes it smoother");
    // Against differences of the solution by the weight.
    let at = |w: f64| {
        let solve = argmin(
            |x| {
                let bend = x[0].slice(0, 1..) - x[0].slice(0, ..-1);
                (x[0] - x[1]).square().sum() + x[2] * bend.square().sum()
            },
            &Tensor::zeros(&[N]),
            &[data.value(), Tensor::scalar(w)],
            solver,
        );
        (solve.slice(0, 1..) - solve.slice(0, ..-1)).square().sum().item()
    };
    let difference = (at(2.0 + 1e-4) - at(2.0 - 1e-4)) / 2e-4;
    assert!((slope / difference - 1.0).abs() < 1e-6, "{slope} {difference}");
}

#[test]
fn acceleration_takes_fewer_steps() {
    // A contraction by 0.95: plain iteration takes hundreds of steps.
    let f: for<'t> fn(&[Var<'t, f64>]) -> Var<'t, f64> = |x| x[0].sin() * 0.95 + x[1] * 0.05;
    let start = tensor![0.0, 0.5, 1.0];
    let at = [tensor![1.0, 1.5, 2.0]];
    let solver = |method, most| Solver { method, most, tolerance: 1e-12, ..Solver::default() };
    let plain = try_fixed_point(f, &start, &at, solver(Method::Iteration { damping: 1.0 }, 20)).unwrap_err();
    assert!(plain.to_string().contains("after 20 steps"), "{plain}");
    let found = fixed_point(f, &start, &at, solver(Method::Anderson { memory: 5 }, 20));
    let newton = fixed_point(f, &start, &at, solver(Method::Newton, 20));
    assert!((found - newton).abs().max().item() < 1e-10);
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
    let error = try_argmin(|x| x[0] - x[1], &tensor![1.0, 2.0], &[tensor![1.0]], Solver::default()).unwrap_err();
    assert!(error.to_string().contains("only a scalar has a gradient"), "{error}");
    let matrix_free = Solver { linear: Linear::Gmres, ..Solver::default() };
    let singular = error_of(|x| x[0] * 0.0 + x[1], matrix_free);
    assert!(singular.contains("singular") && singular.contains("products"), "{singular}");
}

fn error_of(f: for<'t> fn(&[Var<'t, f64>]) -> Var<'t, f64>, solver: Solver) -> String {
    try_root(f, &tensor![1.0], &[tensor![1.0]], solver).unwrap_err().to_string()
}
