//! Ways to a Jacobian: the same result, in the way that takes the fewest operations.

use autograd::transform::{Mode, hessian, jacobian, jacobian_by, jacobian_choice, try_jacobian};
use autograd::{Rng, Tape, Tensor, Var, compile, tensor};

/// Each element with its neighbors.
fn stencil<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let middle = x[0].slice(0, 1..).slice(0, ..-1);
    (x[0].slice(0, 2..) - middle * 2.0 + x[0].slice(0, ..-2)).sin() * middle
}

#[test]
fn every_mode_gives_the_same_derivatives() {
    let x = Tensor::<f64>::randn(&[40], &mut Rng::new(1));
    let by = |mode| jacobian_by(mode, stencil, &[&x]).unwrap().remove(0);
    let forward = by(Mode::Forward);
    for mode in [Mode::Reverse, Mode::Sparse, Mode::Auto] {
        assert!((by(mode) - &forward).abs().max().item() < 1e-14, "{mode:?}");
    }
    // Compiled, and differentiated again.
    let mut program = compile(|x| jacobian_by(Mode::Sparse, stencil, &[x[0]]).unwrap()[0].square().sum());
    let mut dense = compile(|x| jacobian_by(Mode::Reverse, stencil, &[x[0]]).unwrap()[0].square().sum());
    let (a, b) = (program.value_and_grad(&[&x]).unwrap(), dense.value_and_grad(&[&x]).unwrap());
    assert!((a.0 - b.0).abs() < 1e-12 && (&a.1[0] - &b.1[0]).abs().max().item() < 1e-12);
    let error = jacobian_by(Mode::Sparse, |x| x[0] + x[1], &[&x, &x]).unwrap_err().to_string();
    assert!(error.contains("one input, not 2"), "{error}");
}

#[test]
fn the_choice_says_why() {
    let x = Tensor::<f64>::ones(&[64]);
    let choice = jacobian_choice(stencil, &[&x]).unwrap();
    assert_eq!((choice.mode, choice.rows, choice.columns, choice.colors), (Mode::Sparse, 62, 64, Some(3)));
    let costs: Vec<Mode> = choice.costs.iter().map(|(mode, _)| *mode).collect();
    assert_eq!(costs, [Mode::Reverse, Mode::Forward, Mode::Sparse]);
    // A wide layer at the end: directions go through it once for each input, cotangents once for each of few outputs.
    let w = Tensor::<f64>::ones(&[8, 40]);
    let few = jacobian_choice(|x| x[0].tape().constant(w.clone()).matmul(x[0]).tanh(), &[Tensor::ones(&[40])]).unwrap();
    assert_eq!((few.mode, few.colors), (Mode::Reverse, None), "{few}");
    let far = jacobian_choice(|x| x[0].sum(), &[&x]).unwrap();
    assert_eq!(far.to_string(), "reverse mode, for 1 rows and 64 columns: one side is 8 times the other or more");
    // The counts leave nothing on the tape.
    let tape = Tape::<f64>::new();
    let v = tape.var(tensor![1.0, 2.0]);
    let j = jacobian(|x| x[0].exp(), &[v])[0];
    assert_eq!(j.value(), Tensor::eye(2) * tensor![1.0, 2.0].exp());
}

#[test]
fn directions_that_do_not_fit_together_are_read_in_parts() {
    // 300 directions of 4 MB are read in several parts, at tensors.
    const N: usize = 300;
    fn wide<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        let all = x[0].reshape(&[N, 1]) * x[1].reshape(&[1, 600]);
        (all.sin() * all).sum_axes(1)
    }
    let (x, w) = (Tensor::<f64>::randn(&[N], &mut Rng::new(2)), Tensor::<f64>::randn(&[600], &mut Rng::new(3)));
    let parts =
        jacobian_by(Mode::Forward, |x| wide(&[x[0], x[0].tape().constant(w.clone())]), &[&x]).unwrap().remove(0);
    let exact = |i: usize| {
        let x = x.at(&[i]);
        w.iter().map(|w| w * ((x * w).sin() + x * w * (x * w).cos())).sum::<f64>()
    };
    for i in [0, 7, N - 1] {
        assert!((parts.at(&[i, i]) - exact(i)).abs() < 1e-9);
        assert!(parts.at(&[i, (i + 1) % N]) == 0.0);
    }
}

#[test]
fn misuse_is_an_error() {
    let x = tensor![1.0, 2.0];
    let none: [&Tensor<f64>; 0] = [];
    assert!(try_jacobian(|x| x[0], &none).unwrap_err().to_string().contains("at least one input"));
    assert!(jacobian_choice(|x| x[0], &none).unwrap_err().to_string().contains("at least one input"));
    let h = autograd::transform::try_hessian(|x| x[0] * 2.0, &[&x]).unwrap_err().to_string();
    assert!(h.contains("hessian") && h.contains("[2]"), "{h}");
    assert_eq!(hessian(|x| x[0].square().sum(), &[&x])[0][0], Tensor::eye(2) * 2.0);
}
