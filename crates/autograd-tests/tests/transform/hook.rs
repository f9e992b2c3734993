//! Hooks read and replace cotangents: in every sweep, when derivatives are recorded, and in a replay.

use autograd::transform::{hessian, jacobian, jvp, vmap};
use autograd::{Tape, Tensor, Var, compile, tensor};
use std::sync::{Arc, Mutex};

fn halved<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
    let y = x[0].square().map_cotangent(|g| g * 0.5);
    (y * y).sum()
}

#[test]
fn a_replaced_cotangent_is_seen_by_every_sweep() {
    // d(x⁴) = 4x³, of which the inner factor is halved.
    let x = tensor![1.0, 2.0];
    let tape = Tape::new();
    let v = tape.var(x.clone());
    let y = halved(&[v]);
    assert_eq!((y.item(), y.backward().wrt(v)), (17.0, tensor![2.0, 16.0]));
    let recorded = y.grad(&[v])[0];
    assert_eq!(recorded.value(), tensor![2.0, 16.0]);
    // The recorded gradient 2x³ is differentiated as such.
    assert_eq!(recorded.jvp(&[(v, tensor![1.0, 1.0])]), tensor![6.0, 24.0]);
    assert_eq!(hessian(halved, &[&x])[0][0], tensor![[6.0, 0.0], [0.0, 24.0]]);
    assert_eq!(jvp(halved, &[&x], &[tensor![1.0, 0.0]]).1.item(), 4.0, "forward mode does not change");
    let mut program = compile(halved);
    assert_eq!(program.value_and_grad(&[&tensor![3.0, 0.0]]).unwrap().1[0], tensor![54.0, 0.0]);
    // Each sample has its own cotangent.
    let clipped = vmap(
        |x| (x[0].map_cotangent(|g| g.clamp(-1.0, 1.0)) * x[0]).sum().grad(&[x[0]])[0],
        &[Some(0)],
        &[tensor![[3.0], [0.25]]],
    );
    assert_eq!(clipped, tensor![[4.0], [0.5]]);
}

#[test]
fn a_cotangent_is_shown_in_every_run() {
    let seen = Arc::new(Mutex::new(Vec::<Tensor<f64>>::new()));
    let list = seen.clone();
    let mut program = compile(move |x| {
        let list = list.clone();
        x[0].exp().inspect_cotangent(move |g| list.lock().unwrap().push(g.clone())).square().sum()
    });
    program.value_and_grad(&[tensor![0.0]]).unwrap();
    seen.lock().unwrap().clear(); // what was seen while recording
    program.value_and_grad(&[tensor![1.0]]).unwrap();
    program.value_and_grad(&[tensor![0.0]]).unwrap();
    let seen = seen.lock().unwrap();
    assert!((seen[0].at(&[0]) - 2.0 * 1f64.exp()).abs() < 1e-15);
    assert_eq!(seen[1], tensor![2.0]);
}

#[test]
fn a_function_may_pass_for_the_identity() {
    let steps = |x: &[Tensor<f64>]| jacobian(|x| x[0].straight_through(|x| x.round()) * x[0], x).remove(0);
    assert_eq!(steps(&[tensor![1.2, 2.7]]), tensor![[1.0 + 1.2, 0.0], [0.0, 3.0 + 2.7]]);
}

#[test]
#[should_panic(expected = "map_cotangent: shape [] does not fit")]
fn a_cotangent_of_another_shape_is_refused() {
    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, 2.0]);
    x.map_cotangent(|g| g.sum()).sum().backward();
}
