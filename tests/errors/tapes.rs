//! Tapes and gradients

use wengert::prelude::*;

crate::mistakes! { backward_of_a_vector two_tapes gradient_of_a_constant gradient_of_a_result cotangent_of_another_shape }

/// The gradient of something that is not a number
///
/// Reduce the result with `sum` or `mean`. For a vector, `vjp` takes the cotangent, and `jacobian` gives the whole matrix.
fn backward_of_a_vector() {
    let tape = Tape::<f32>::new();
    let x = tape.var([1.0, 2.0, 3.0]);
    let y = x * x;
    y.backward();
}

/// Variables of two tapes
///
/// Record everything on one tape. What comes from another computation goes there as a constant:
/// `tape.constant(b.value())`.
fn two_tapes() {
    let (tape, other) = (Tape::<f32>::new(), Tape::new());
    let (a, b) = (tape.var(1.0), other.var(2.0));
    println!("{}", a * b);
}

/// The gradient of a constant
///
/// Derivatives reach what `tape.var` created. A frozen parameter is a constant as well.
fn gradient_of_a_constant() {
    let tape = Tape::<f32>::new();
    let (w, x) = (tape.var(2.0), tape.constant(3.0));
    let gradients = (w * x).backward();
    gradients.wrt(x);
}

/// The gradient of an intermediate result
///
/// PyTorch's `retain_grad`: ask for it before the sweep, with `backward_wrt` or `grad`.
fn gradient_of_a_result() {
    let tape = Tape::<f32>::new();
    let x = tape.var(3.0);
    let hidden = x * x;
    let gradients = hidden.exp().backward();
    gradients.wrt(hidden);
}

/// A cotangent of another shape
///
/// It has the shape of the result whose derivatives it weights.
fn cotangent_of_another_shape() {
    let tape = Tape::<f32>::new();
    let x = tape.var([1.0, 2.0, 3.0]);
    (x * x).vjp([1.0, 1.0]);
}
