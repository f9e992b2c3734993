//! Loops whose number of iterations depends on values.

use autograd::transform::{grad, hessian, hvp, jvp, try_while_loop, vmap, while_loop};
use autograd::{Tape, Tensor, Var, compile, gradcheck, tensor};
use std::collections::HashSet;

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
}

fn turn<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let (a, b) = (x[0].index_axis(0, 0), x[0].index_axis(0, 1));
    Var::stack(&[a + (b * x[1]).sin(), b + a * x[1].square()], 0)
}

/// Two numbers that rotate and grow at a rate given by the second input, until they are far from 0.
fn spiral<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    while_loop(|x| x[0].square().sum().is_lt(9.0), turn, &x[0], &x[1..], 100).square().sum()
}

/// The same, unrolled.
fn unrolled<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let mut at = x[0];
    while at.square().sum().item() < 9.0 {
        at = turn(&[at, x[1]]);
    }
    at.square().sum()
}

/// All derivatives of a function up to the third that the modes make of one another, as one vector.
fn derivatives<'t>(f: for<'a> fn(&[Var<'a, f64>]) -> Var<'a, f64>, x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let t = [tensor![0.3, -0.2], Tensor::scalar(0.7)];
    let along: Vec<(Var<f64>, Var<f64>)> = x.iter().zip(&t).map(|(x, t)| (*x, x.tape().constant(t.clone()))).collect();
    let dot = |y: Var<'t, f64>| y.jvp_recorded(&along);
    let (y, flat) = (f(x), |x: Var<'t, f64>| x.reshape(&[x.shape().iter().product()]));
    let gradient = y.grad(x);
    let sizes: Vec<Var<f64>> = gradient.iter().map(|g| g.square().sum()).collect();
    let mut all = vec![y, dot(y), dot(dot(y))];
    all.extend(dot(y).grad(x)); // reverse over forward
    all.extend(gradient.iter().map(|g| dot(*g))); // forward over reverse
    all.extend((sizes[0] + sizes[1]).grad(x)); // reverse over reverse
    all.extend(hvp(f, x, &t));
    all.extend(hessian(f, x).concat());
    all.extend(dot(dot(y)).grad(x));
    all.extend(hessian(f, x)[1][1].grad(x));
    Var::concat(&all.into_iter().map(flat).collect::<Vec<_>>(), 0)
}

#[test]
fn derivatives_of_derivatives_are_those_of_the_unrolled_loop() {
    // Recorded once, for the first of these points.
    let (mut program, mut lengths) = (compile(|x| derivatives(spiral, x)), Vec::new());
    for (start, strength) in [([0.5, 0.4], 0.8), ([2.0, 1.9], 0.9), ([0.2, 0.1], 0.6), ([4.0, 1.0], 0.5)] {
        let at = [tensor![start[0], start[1]], Tensor::scalar(strength)];
        let tape = Tape::new();
        let x: Vec<Var<f64>> = at.iter().map(|x| tape.var(x.clone())).collect();
        let recorded = derivatives(spiral, &x).value();
        let before = tape.len();
        unrolled(&x);
        lengths.push(tape.len() - before);
        let expected = derivatives(unrolled, &x).value();
        let error = (&recorded - &expected).abs().max().item();
        assert!(error <= 1e-12 * expected.abs().max().item(), "{recorded} {expected}");
        let replayed = program.value(&at).unwrap();
        assert!(replayed.iter().zip(recorded.iter()).all(|(a, b)| a.to_bits() == b.to_bits()), "{replayed} {recorded}");
    }
    // The numbers of nodes of the condition and the result without iterations, and of the iterations.
    assert!(lengths[3] == 4 && lengths[..3].iter().collect::<HashSet<_>>().len() == 3, "{lengths:?}");
    gradcheck(|x| hessian(spiral, x)[0][1].square().sum(), &[tensor![0.5, 0.4], Tensor::scalar(0.8)]).unwrap();
}

#[test]
fn directions_share_the_decisions_and_samples_do_not() {
    // The Hessian of each sample, which makes its own number of trips.
    let (starts, strength) = (tensor![[0.5, 0.4], [2.0, 1.9], [4.0, 1.0]], Tensor::scalar(0.8));
    let all = vmap(|x| hessian(spiral, x)[0][0], &[Some(0), None], &[&starts, &strength]);
    for i in 0..3 {
        let expected = hessian(unrolled, &[starts.index_axis(0, i), strength.clone()]);
        assert!((all.index_axis(0, i) - &expected[0][0]).abs().max().item() < 1e-9);
    }
    // All directions are one node: as many nodes for 2 as for 20.
    let nodes = |n: usize| {
        let tape = Tape::new();
        let x = tape.var(Tensor::full(&[n], 0.1));
        hessian(|x| while_loop(|x| x[0].sum().is_lt(9.0), |x| x[0] + x[0].square(), &x[0], &[], 100).sum(), &[x]);
        tape.len()
    };
    assert_eq!(nodes(2), nodes(20));
}

#[test]
fn a_body_may_decide_too() {
    fn body<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        if x[0].sum().item() > 1.0 { x[0] * 2.0 } else { x[0] + x[0].square() }
    }
    fn decided<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
        while_loop(|x| x[0].sum().is_lt(1.5), body, &x[0], &[], 100).sum()
    }
    let mut program = compile(|x| hessian(decided, x)[0][0].sum());
    let at = [tensor![0.2, 0.3]];
    assert_eq!(program.value(&at).unwrap().item(), hessian(decided, &at)[0][0].sum().item());
}

#[test]
fn misuse_is_an_error() {
    let x = [Tensor::scalar(1.0), Tensor::scalar(1.0)];
    let error = try_while_loop(|x| x[0].is_le(10.0), |x| x[0] * x[1], &x[0], &x[1..], 7).unwrap_err().to_string();
    assert!(error.contains("still holds after 7 trips"), "{error}");
    let pair = tensor![1.0, 2.0];
    let error = try_while_loop(|x| x[0].is_le(10.0), |x| x[0] * 2.0, &pair, &[], 7).unwrap_err().to_string();
    assert!(error.contains("while_loop: shape [2]") && error.contains("one value"), "{error}");
    let error = try_while_loop(|x| x[0].sum().is_le(10.0), |x| x[0].sum(), &pair, &[], 7).unwrap_err().to_string();
    assert!(error.contains("shape of the carry"), "{error}");
}
