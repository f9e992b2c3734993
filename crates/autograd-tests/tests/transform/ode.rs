//! Differential equations with known solutions.

use autograd::transform::{
    Steps, grad, hessian, jacobian, odeint, odeint_adjoint, try_odeint, try_odeint_adjoint, vmap,
};
use autograd::{Tape, Tensor, Var, gradcheck, tensor};

const FINE: Steps = Steps::Adaptive { rtol: 1e-10, atol: 1e-12 };

/// A pendulum with a given stiffness: angle and speed.
fn pendulum<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let (angle, speed) = (x[1].index_axis(0, 0), x[1].index_axis(0, 1));
    Var::stack(&[speed, -(angle.sin() * x[2])], 0)
}

#[test]
fn solutions_are_the_known_ones() {
    let times = [0.0, 0.3, 1.0, 2.5];
    for (steps, tolerance) in [(FINE, 1e-8), (Steps::Rk4(200), 1e-8)] {
        // y′ = t·y: exp(t²/2).
        let y: Tensor<f64> = odeint(|x| x[1] * x[0], &tensor![1.0, 2.0], &times, &[], steps);
        assert_eq!(y.shape(), [4, 2]);
        for (k, t) in times.into_iter().enumerate() {
            assert!((y.at(&[k, 1]) / (2.0 * (t * t / 2.0).exp()) - 1.0).abs() < tolerance, "{y}");
        }
        // The energy of the pendulum is constant.
        let y = odeint(pendulum, &tensor![1.0, 0.5], &times, &[Tensor::scalar(2.0)], steps);
        let energy = |k: usize| 0.5 * y.at(&[k, 1]).powi(2) - 2.0 * y.at(&[k, 0]).cos();
        assert!((energy(3) - energy(0)).abs() < 1e-7);
    }
}

#[test]
fn derivatives_by_start_and_parameters() {
    let at = [tensor![1.0, 0.5], Tensor::scalar(2.0)];
    gradcheck(|x| odeint(pendulum, &x[0], &[0.0, 0.5, 1.5], &x[1..], Steps::Rk4(8)).square().sum(), &at).unwrap();
    // By adaptive steps: those of many equal ones.
    let by = |steps| grad(|x| odeint(pendulum, &x[0], &[0.0, 2.0], &x[1..], steps).square().sum(), &at);
    for (a, b) in by(FINE).iter().zip(&by(Steps::Rk4(400))) {
        assert!((a - b).abs().max().item() < 1e-7, "{a} {b}");
    }
    // y′ = a·y: ∂y/∂a = t·y.
    let j = jacobian(
        |a| odeint(|x| x[1] * x[2], &a[0].tape().constant(1.0), &[0.0, 1.0, 2.0], a, Steps::Rk4(100)),
        &[Tensor::scalar(0.5)],
    );
    assert!((&j[0] - &tensor![0.0, 0.5f64.exp(), 2.0 * 1f64.exp()]).abs().max().item() < 1e-7);
}

#[test]
fn the_continuous_adjoint_is_the_limit_of_that_of_the_steps() {
    let (at, times) = ([tensor![1.0, 0.5], Tensor::scalar(2.0)], [0.0, 0.7, 2.0]);
    let steps = Steps::Rk4(100);
    let discrete = grad(|x| odeint(pendulum, &x[0], &times, &x[1..], steps).square().sum(), &at);
    for steps in [steps, FINE] {
        let found = grad(|x| odeint_adjoint(pendulum, &x[0], &times, &x[1..], steps).square().sum(), &at);
        for (a, b) in found.iter().zip(&discrete) {
            assert!((a - b).abs().max().item() < 1e-6 * b.abs().max().item(), "{a} {b}");
        }
    }
    // y′ = a·y: ∂²y/∂a² = t² y.
    let second = hessian(
        |a| odeint_adjoint(|x| x[1] * x[2], &a[0].tape().constant(1.0), &[0.0, 1.5], a, steps).index_axis(0, -1),
        &[Tensor::scalar(0.5)],
    );
    assert!((second[0][0].item() / (2.25 * 0.75f64.exp()) - 1.0).abs() < 1e-6);
    let mut program = autograd::compile(|x| odeint_adjoint(pendulum, &x[0], &times, &x[1..], steps).square().sum());
    let (_, replayed) = program.value_and_grad(&at).unwrap();
    let tape = Tape::new();
    let x: Vec<Var<f64>> = at.iter().map(|x| tape.var(x.clone())).collect();
    let recorded = odeint_adjoint(pendulum, &x[0], &times, &x[1..], steps).square().sum().backward();
    assert_eq!(replayed, [recorded.wrt(x[0]), recorded.wrt(x[1])]);
    let error = try_odeint_adjoint(pendulum, &at[0], &[1.0, 0.0], &at[1..], steps).unwrap_err();
    assert!(error.to_string().contains("increase"), "{error}");
}

#[test]
fn equal_steps_are_compiled_and_mapped() {
    let mut program = autograd::compile(|x| odeint(pendulum, &x[0], &[0.0, 1.0], &x[1..], Steps::Rk4(5)));
    let starts = tensor![[1.0, 0.0], [0.2, 0.1]];
    let k = Tensor::scalar(1.5);
    let all = vmap(|x| odeint(pendulum, &x[0], &[0.0, 1.0], &x[1..], Steps::Rk4(5)), &[Some(0), None], &[&starts, &k]);
    for i in 0..2 {
        let start = starts.index_axis(0, i);
        let expected = odeint(pendulum, &start, &[0.0, 1.0], std::slice::from_ref(&k), Steps::Rk4(5));
        assert_eq!(program.value(&[&start, &k]).unwrap(), &expected);
        assert_eq!(all.index_axis(0, i), expected);
    }
}

/// A pendulum of given stiffness, which swings for a while: its angles and speeds.
type Swing = for<'t> fn(&[Var<'t, f64>], Steps) -> Var<'t, f64>;

/// What a program replays of a swing: its value, its gradient, the gradient's slope along the stiffness, and the derivative of
/// both squared.
fn derivatives<'t>(swing: Swing, x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let y = swing(x, Steps::Adaptive { rtol: 1e-6, atol: 1e-8 });
    let gradient = y.square().sum().grad(x);
    let along = [(x[1], x[1].tape().constant(1.0))];
    let slopes = gradient.iter().map(|g| g.jvp_recorded(&along));
    let sizes = gradient[0].square().sum() + gradient[1].square();
    let all: Vec<Var<f64>> =
        [y, y.jvp_recorded(&along)].into_iter().chain(slopes).chain(sizes.grad(x)).chain(gradient.clone()).collect();
    let flat = |x: &Var<'t, f64>| x.reshape(&[x.shape().iter().product()]);
    Var::concat(&all.iter().map(flat).collect::<Vec<_>>(), 0)
}

#[test]
fn adaptive_steps_are_chosen_again_for_other_values() {
    let times = [0.0, 0.6, 2.0];
    let swings: [Swing; 2] = [
        |x, steps| odeint(pendulum, &x[0], &[0.0, 0.6, 2.0], &x[1..], steps),
        |x, steps| odeint_adjoint(pendulum, &x[0], &[0.0, 0.6, 2.0], &x[1..], steps),
    ];
    for swing in swings {
        let mut program = autograd::compile(|x| derivatives(swing, x));
        // The stiffer the pendulum, the smaller the steps.
        for (start, stiffness) in [([1.0, 0.5], 2.0), ([0.3, 3.0], 40.0), ([2.0, -1.0], 0.1)] {
            let at = [tensor![start[0], start[1]], Tensor::scalar(stiffness)];
            let tape = Tape::new();
            let x: Vec<Var<f64>> = at.iter().map(|x| tape.var(x.clone())).collect();
            let recorded = derivatives(swing, &x).value();
            let replayed = program.value(&at).unwrap();
            assert!(replayed.iter().zip(recorded.iter()).all(|(a, b)| a.to_bits() == b.to_bits()));
            // Those of many equal steps.
            let steps = Steps::Rk4(400);
            let equal: Tensor<f64> = odeint(pendulum, &at[0], &times, &at[1..], steps);
            assert!((&equal - &replayed.slice_axis(0, 0..6).reshape(&[3, 2])).abs().max().item() < 1e-4, "{stiffness}");
            let slopes = grad(|x| odeint(pendulum, &x[0], &times, &x[1..], steps).square().sum(), &at);
            let found = replayed.slice(0, -3..).to_vec();
            let expected = [slopes[0].at(&[0]), slopes[0].at(&[1]), slopes[1].item()];
            let size = expected.iter().fold(0.0f64, |size, x| size.max(x.abs()));
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4 * size), "{found:?} {expected:?}");
        }
    }
    // Each sample has steps of its own.
    let (starts, k) = (tensor![[1.0, 0.0], [0.2, 0.1]], tensor![1.5, 40.0]);
    fn size<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        odeint(pendulum, &x[0], &[0.0, 1.0], &x[1..], FINE).square().sum()
    }
    let all = vmap(|x| size(x).grad(&x[1..])[0], &[Some(0), Some(0)], &[&starts, &k]);
    for i in 0..2 {
        let expected = grad(size, &[starts.index_axis(0, i), k.index_axis(0, i)]);
        assert_eq!(all.index_axis(0, i), expected[1]);
    }
}

#[test]
fn what_has_no_solution_is_an_error() {
    let tape = Tape::<f64>::new();
    let y = tape.var([1.0]);
    let error = |times: &[f64], steps| try_odeint(|x| x[1].square(), &y, times, &[], steps).unwrap_err().to_string();
    assert!(
        error(&[0.0, 2.0], FINE).contains("too small at t = 0.99")
            || error(&[0.0, 2.0], FINE).contains("too small at t = 1")
    );
    assert!(error(&[0.0, 0.0], FINE).contains("increase"));
    assert!(error(&[0.0], Steps::Rk4(1)).contains("two"));
    assert!(error(&[0.0, 1.0], Steps::Adaptive { rtol: f64::NAN, atol: 1.0 }).contains("tolerances"));
    let shape = try_odeint(|x| x[1].sum(), &y, &[0.0, 1.0], &[], FINE).unwrap_err().to_string();
    assert!(shape.contains("shape of y"), "{shape}");
}

#[test]
fn a_sketch_has_no_values_that_choose_steps() {
    let tape = Tape::<f64>::sketch();
    let (start, stiffness) = (tape.var([1.0, 0.0]), tape.var(1.0));
    assert!(try_odeint(pendulum, &start, &[0.0, 1.0], &[stiffness], FINE).is_ok(), "variables have values");
    let error = try_odeint(pendulum, &(start * 2.0), &[0.0, 1.0], &[stiffness], FINE).unwrap_err().to_string();
    assert!(error.starts_with("odeint: it needs values") && error.contains("`Tape::new()`"), "{error}");
}
