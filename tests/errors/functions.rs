//! Compiled functions and transforms
//!
//! A closure is recorded once and then run with other numbers, so it must not branch on values.

use wengert::autograd::{Error, Program, compile};
use wengert::prelude::*;

crate::mistakes! { a_decision_in_a_compiled_function a_decision_in_vmap a_program_at_another_shape another_number_of_samples another_number_of_points a_slice_of_another_length }

/// A decision by a value in a compiled function
///
/// The branch that was taken while recording would be taken forever. `select`, `maximum`, `clamp` and `relu` choose
/// anew for each number.
fn a_decision_in_a_compiled_function() -> Result<(), Error> {
    let mut f = compile(|x| {
        let positive = x[0].item() > 0.0;
        if positive { x[0].exp() } else { x[0] }
    });
    println!("{}", f.value(&[&Tensor::<f64>::scalar(1.0)])?);
    Ok(())
}

/// A decision by a value in a transform
///
/// As above: the first sample would decide for all of them.
fn a_decision_in_vmap() {
    let samples = tensor![1.0, -2.0, 3.0];
    vmap(|x| if x[0].item() > 0.0 { x[0] } else { -x[0] }, &[Some(0)], &[&samples]);
}

/// A program at another shape
///
/// A program is compiled for the shapes that it was recorded with. Record another one, or use `compile`, which does so for
/// each new list of shapes.
fn a_program_at_another_shape() -> Result<(), Error> {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::zeros(&[32, 4]));
    let mut program = Program::new(&tape, &[x], &[x.square().mean()]);
    program.run(&[&Tensor::zeros(&[20, 4])])?;
    Ok(())
}

/// Inputs with different numbers of samples
///
/// `None` marks an input that all samples share, such as the weights.
fn another_number_of_samples() {
    let (w, x) = (tensor![1.0, 2.0], tensor![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]);
    vmap(|x| (x[0] * x[1]).sum(), &[Some(0), Some(0)], &[&w, &x]);
}

/// A program at different numbers of points
///
/// Each input of `run_many` has an axis of points in front, of the same size, or none if all points share it.
fn another_number_of_points() -> Result<(), Error> {
    let tape = Tape::<f64>::new();
    let (x, a) = (tape.var(0.0), tape.var(1.0));
    let mut program = Program::new(&tape, &[x, a], &[(x * a).sin()]);
    program.run_many(&[&tensor![0.1, 0.2, 0.3], &tensor![1.0, 2.0]])?;
    Ok(())
}

/// A slice of another length
///
/// `run_into` writes each output to a slice that has exactly its elements.
fn a_slice_of_another_length() -> Result<(), Error> {
    let tape = Tape::<f64>::new();
    let x = tape.var([1.0, 2.0, 3.0]);
    let mut program = Program::new(&tape, &[x], &[x.exp()]);
    let mut out = [0.0; 2];
    program.run_into(&[&[0.1, 0.2, 0.3]], &mut [&mut out])?;
    Ok(())
}
