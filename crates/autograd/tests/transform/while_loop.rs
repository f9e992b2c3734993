//! Loops whose number of trips follows from the values.

use autograd::transform::{grad, hessian, jvp, try_while_loop, vmap, while_loop};
use autograd::{Tape, Tensor, Var, compile, gradcheck, tensor};

/// x·aᵏ for the first k at which it exceeds 10.
fn grown<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    while_loop(|x| x[0].is_le(10.0), |x| x[0] * x[1], &x[0], &x[1..], 100)
}

#[test]
fn derivatives_are_those_of_the_trips() {
    // 0.7·2⁴ = 11.2.
    let at = [Tensor::scalar(0.7), Tensor::scalar(2.0)];
    let tape = Tape::new();
    let x: Vec<Var<f64>> = at.iter().map(|x| tape.var(x.clone())).collect();
    let y = grown(&x);
    assert_eq!((y.item(), tape.len()), (0.7 * 16.0, 3));
    let gradients = y.backward();
    assert_eq!((gradients.wrt(x[0]).item(), gradients.wrt(x[1]).item()), (16.0, 4.0 * 0.7 * 8.0));
    let second = hessian(grown, &at);
    assert!((second[0][1].item() - 32.0).abs() < 1e-12 && (second[1][1].item() - 12.0 * 0.7 * 4.0).abs() < 1e-12);
    let (_, slope) = jvp(grown, &at, &[Tensor::scalar(1.0), Tensor::scalar(0.5)]);
    assert!((slope.item() - (16.0 + 0.5 * 22.4)).abs() < 1e-12);
    gradcheck(grown, &at).unwrap();
}

#[test]
fn a_loop_without_a_trip_is_its_start() {
    let at = [Tensor::scalar(20.0), Tensor::scalar(2.0)];
    assert_eq!(grad(grown, &at), [Tensor::scalar(1.0), Tensor::scalar(0.0)]);
    assert_eq!(jvp(grown, &at, &[Tensor::scalar(3.0), Tensor::scalar(1.0)]).1.item(), 3.0);
    assert_eq!(hessian(grown, &at)[1][1].item(), 0.0);
}

#[test]
fn a_program_makes_the_trips_of_its_values() {
    let mut program = compile(grown);
    for start in [0.7, 6.0, 0.001, 30.0] {
        let at = [Tensor::scalar(start), Tensor::scalar(2.0)];
        let (value, gradients) = program.value_and_grad(&at).unwrap();
        let expected = grad(grown, &at);
        let k = (10.0f64 / start).log2().floor().max(-1.0) + 1.0;
        assert_eq!(value, start * 2f64.powf(k));
        assert_eq!(gradients, expected);
    }
    let all = vmap(grown, &[Some(0), None], &[tensor![0.7, 6.0, 30.0], Tensor::scalar(2.0)]);
    assert_eq!(all, tensor![0.7 * 16.0, 12.0, 30.0]);
    // What a program would freeze is refused, with the line of the condition.
    let mut second = compile(|x| hessian(grown, x)[0][1]);
    let error = second.value(&[Tensor::scalar(0.7), Tensor::scalar(2.0)]).unwrap_err().to_string();
    assert!(error.contains("frozen") && error.contains("while_loop.rs"), "{error}");
}

#[test]
fn misuse_is_an_error() {
    let x = [Tensor::scalar(1.0), Tensor::scalar(1.0)];
    let error = try_while_loop(|x| x[0].is_le(10.0), |x| x[0] * x[1], &x[0], &x[1..], 7).unwrap_err().to_string();
    assert!(error.contains("still holds after 7 trips"), "{error}");
    let pair = tensor![1.0, 2.0];
    let error = try_while_loop(|x| x[0].is_le(10.0), |x| x[0] * 2.0, &pair, &[], 7).unwrap_err().to_string();
    assert!(error.contains("[2]"), "{error}");
    let error = try_while_loop(|x| x[0].sum().is_le(10.0), |x| x[0].sum(), &pair, &[], 7).unwrap_err().to_string();
    assert!(error.contains("shape of the carry"), "{error}");
}
