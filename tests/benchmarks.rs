//! The benchmarks compute correct derivatives: those of each workload agree with finite differences, at small sizes.

#[path = "../benches/work/mod.rs"]
mod work;

use autograd::check::GradCheck;
use autograd::prelude::*;
use work::functions::{self, Checkpointed};
use work::transforms::{Loop, valley};
use work::{
    Gradient, HessianVector, Objective, Training, Work, bundle, gaussian, hand, inference, language, loops, networks,
    points,
};

/// Checks every first derivative and the replayed results.
fn check(objective: Objective<f64>) {
    GradCheck::default().run(|x| objective.call(x).y, &objective.at).unwrap();
    replays(objective);
}

/// Checks that a program gives the recorded results, on the first and the second run.
fn replays<T: Float>(objective: Objective<T>) {
    let mut gradient = Gradient::new(objective);
    let (y, mut recorded) = gradient.recorded();
    recorded.insert(0, y);
    for _ in 0..2 {
        assert_eq!(gradient.replayed(), recorded);
    }
}

/// Checks that the derivatives `dy` along `v` agree with the differences of `y` at `x ± h v`.
fn check_along(
    y: impl Fn(&[Tensor<f64>]) -> Vec<Tensor<f64>>,
    x: &[Tensor<f64>],
    v: &[Tensor<f64>],
    dy: &[Tensor<f64>],
) {
    let h = 1e-5;
    let at = |h: f64| y(&x.iter().zip(v).map(|(x, v)| x + v * h).collect::<Vec<_>>());
    let (ahead, behind) = (at(h), at(-h));
    assert_eq!(ahead.len(), dy.len());
    for ((a, b), dy) in ahead.iter().zip(&behind).zip(dy) {
        let difference = (a - b) * (0.5 / h);
        let (error, scale) = ((&difference - dy).norm(2.0).item(), dy.norm(2.0).item());
        assert!(error <= 1e-7 * scale, "expected {dy}, got {difference}: error {error:e} at scale {scale:e}");
    }
}

fn directions(x: &[Tensor<f64>]) -> Vec<Tensor<f64>> {
    let mut rng = Rng::new(5);
    x.iter().map(|x| Tensor::randn(x.shape(), &mut rng)).collect()
}

fn value(objective: &Objective<f64>, x: &[Tensor<f64>]) -> Tensor<f64> {
    let tape = Tape::new();
    objective.call(&x.iter().map(|x| tape.var(x.clone())).collect::<Vec<_>>()).y.value()
}

#[test]
fn functions_have_their_gradients() {
    check(functions::scalar_chain(5, functions::ALIVE));
    check(functions::scalar_chain(5, functions::DENORMAL));
    check(functions::elementwise(9));
    check(functions::rosenbrock(7));
    check(points::pendulum());
}

#[test]
fn networks_have_their_gradients() {
    check(networks::mlp(&[3, 4, 5], 6));
    check(networks::recurrent(networks::Cell::Lstm, [3, 2, 4, 2]));
    check(networks::recurrent(networks::Cell::Gru, [3, 2, 4, 2]));
}

/// A step that is replayed has been compared with a recorded one; a loss that is not finite panics.
#[test]
fn loops_turn_recorded_and_replayed() {
    let all = [
        loops::recommender,
        loops::vae,
        loops::gan,
        loops::siamese,
        loops::reverse,
        loops::gpt,
        loops::dqn,
        loops::multi_task,
        loops::apartments,
    ];
    for mut work in all.map(loops::of) {
        (0..2).for_each(|_| work.record());
        (0..5).for_each(|_| work.replay());
    }
}

#[test]
fn gradbench_objectives_have_their_gradients() {
    check(gaussian::gmm(7, 3, 4));
    check(gaussian::gmm(2, 1, 1));
    check(language::lstm(2, 5));
}

/// Compares the mixture's log posterior with its definition, point by point, for one Gaussian in one dimension.
#[test]
fn a_mixture_of_one_gaussian_is_that_gaussian() {
    let objective = gaussian::gmm(3, 1, 1);
    let [alpha, mean, root] = [0, 1, 2].map(|i| objective.at[i].to_vec()[0]);
    let density = |x: f64| alpha + root - 0.5 * (root.exp() * (x - mean)).powi(2) - 0.5 * std::f64::consts::TAU.ln();
    let prior = 0.5 * (2.0 * root).exp() + 2.0 * 0.5 * 2f64.ln(); // two degrees of freedom: Γ(1) = 1
    let expected = objective.data[0].slice_axis(1, 0..1).iter().map(density).sum::<f64>() - 3.0 * alpha + prior;
    let got = value(&objective, &objective.at).item();
    assert!((got - expected).abs() < 1e-12 * expected.abs(), "expected {expected}, got {got}");
}

#[test]
fn lenet_has_its_gradient() {
    let objective = networks::lenet::<f64>(2);
    let (x, v) = (objective.at.clone(), directions(&objective.at));
    replays(networks::lenet::<f32>(2));
    let mut gradient = Gradient::new(networks::lenet::<f64>(2));
    let along: f64 = gradient.recorded().1.iter().zip(&v).map(|(g, v)| (g * v).sum().item()).sum();
    // The direction is small enough that no ReLU and no maximum switches.
    let v: Vec<_> = v.iter().map(|v| v * 1e-2).collect();
    check_along(|x| vec![value(&objective, x)], &x, &v, &[Tensor::scalar(along * 1e-2)]);
}

#[test]
fn products_with_the_hessian_are_differences_of_gradients() {
    for make in [|| functions::rosenbrock(7), || networks::mlp(&[3, 4, 5], 6)] {
        let gradient = |x: &[Tensor<f64>]| {
            let mut objective = make();
            objective.at = x.to_vec();
            Gradient::new(objective).recorded().1
        };
        let mut product = HessianVector::new(make());
        let recorded = product.recorded();
        check_along(gradient, &make().at, &product.direction, &recorded);
        assert_eq!(product.replayed(), recorded);
    }
}

#[test]
fn a_training_step_goes_down_the_gradient() {
    let make = || networks::mlp::<f64>(&[3, 4, 5], 6);
    let (start, gradient) = (make().at, Gradient::new(make()).recorded().1);
    let (mut training, mut replayed) = (Training::new(make()), Training::new(make()));
    for _ in 0..2 {
        training.record();
        replayed.replay();
    }
    // Two nearly equal gradients: the velocity is g, then 0.9 g + g.
    for (k, ((p, x), g)) in training.objective.at.iter().zip(&start).zip(&gradient).enumerate() {
        assert_eq!(replayed.replayed(k), p);
        let (moved, expected) = (p - x, g * -2.9e-3);
        assert!((&moved - &expected).norm(2.0).item() < 1e-2 * expected.norm(2.0).item(), "{moved} != {expected}");
    }
}

#[test]
fn checkpoints_change_no_gradient() {
    let recorded = Gradient::new(functions::recurrence::<f32>(12)).recorded().1;
    let mut work = Checkpointed::new(12, 4);
    let checkpointed = work.recorded();
    assert!((&recorded[0] - &checkpointed).norm(2.0).item() < 1e-5 * checkpointed.norm(2.0).item());
    assert_eq!(work.replayed(), checkpointed);
}

#[test]
fn bundle_adjustment_has_its_jacobian() {
    let mut scene = bundle::Bundle::new(2, 3, 5);
    let (seen, rows) = (scene.seen(), scene.jacobian());
    assert_eq!(scene.replayed(), rows.concat());
    let v = directions(&seen);
    // Each measurement's row times its part of the direction.
    let along = rows.map(|row| {
        let parts = row.iter().zip(&v).map(|(row, v)| if v.rank() == 2 { (row * v).sum_axes(0) } else { row * v });
        parts.reduce(|a, b| a + b).unwrap()
    });
    let errors = |x: &[Tensor<f64>]| {
        let tape = Tape::new();
        scene.errors([0, 1, 2].map(|i| tape.var(x[i].clone()))).map(|e| e.value()).to_vec()
    };
    check_along(errors, &seen, &v, &along);
}

#[test]
fn a_hand_has_its_jacobian() {
    let mut hand = hand::Hand::new(4);
    let ([theta, on], rows) = (hand.at(), hand.jacobian());
    assert_eq!(hand.replayed(), rows);
    let v = directions(&[theta.clone(), on.clone()]);
    let pose = theta.len();
    let of_pose = rows.iter().enumerate().take(pose).map(|(i, row)| row * v[0].at(&[i]));
    let of_places = rows[pose..].iter().enumerate().map(|(i, row)| row * v[1].slice_axis(0, i..i + 1));
    let along = of_pose.chain(of_places).reduce(|a, b| a + b).unwrap();
    let errors = |x: &[Tensor<f64>]| {
        let tape = Tape::new();
        vec![hand.errors(tape.var(x[0].clone()), tape.var(x[1].clone())).value()]
    };
    check_along(errors, &[theta, on], &v, &[along]);
}

#[test]
fn transforms_are_replayed() {
    use autograd::transform::{grad, taylor};
    use work::transforms::Function;
    let x = Tensor::randn(&[9], &mut Rng::new(1));
    let mut gradient = Function::new(vec![x.clone()], |x| grad(valley, x)[0]);
    assert_eq!(gradient.recorded(), *gradient.replayed());
    let mut series = Function::new(vec![x], |x| taylor(valley, x, &[Tensor::ones(&[9])], 3)[3]);
    assert_eq!(series.recorded(), *series.replayed());
    let (plain, looped) = (Loop::new(7, None).gradient(), Loop::new(7, Some(3)).gradient());
    assert!((plain - looped).abs().max().item() < 1e-5);
}

/// The compiled networks have their normalizations folded, so only rounding may differ.
#[test]
fn predictions_agree() {
    for mut prediction in [inference::mlp(), inference::lenet(), inference::residual()] {
        let [recorded, compiled] = prediction.both();
        assert!((&compiled - &recorded).abs().max().item() < 1e-5 * recorded.abs().max().item());
    }
    assert_eq!(inference::Writing::new().text().len(), inference::TEXT);
}
