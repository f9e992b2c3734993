//! The caller's buffers: inputs and results as slices, copied in and out, for samplers and optimizers that own their
//! buffers.

use super::Program;
use crate::error::{Error, Result};
use crate::float::{Float, once};
use crate::tensor::{Shape, Tensor};

impl<T: Float> Program<T> {
    /// Like [`run`](Program::run), with inputs and outputs in the caller's slices, in row-major order. Allocates
    /// nothing once warm.
    ///
    /// ```
    /// use autograd::{Program, Tape};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var([0.0, 0.0]);
    /// let y = x.square().sum();
    /// let mut program = Program::new(&tape, &[x], &[y, y.grad(&[x])[0]]);
    ///
    /// let (mut value, mut gradient) = ([0.0], [0.0; 2]);
    /// program.run_into(&[&[3.0, 4.0]], &mut [&mut value, &mut gradient])?;
    /// assert_eq!((value, gradient), ([25.0], [6.0, 8.0]));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error if the number of slices differs from the recording, or the length of a slice from the number of
    /// elements that was recorded (outputs are then untouched); also where [`run`](Program::run) would.
    pub fn run_into(&mut self, inputs: &[&[T]], outputs: &mut [&mut [T]]) -> Result<()> {
        self.check_counts(OP, inputs.len(), outputs.len())?;
        check_lengths("input", &self.shapes, &mut inputs.iter().map(|x| x.len()))?;
        check_lengths("output", &self.out_shapes, &mut outputs.iter().map(|y| y.len()))?;
        self.run_slices(inputs, outputs)
    }

    /// Rejects slices whose number differs from that of the recorded inputs and outputs.
    pub(super) fn check_counts(&self, op: &'static str, inputs: usize, outputs: usize) -> Result<()> {
        self.check_count(op, inputs)?;
        if outputs == self.out_shapes.len() {
            return Ok(());
        }
        let hint = format!("the program has {} outputs, got {outputs} slices for them", self.out_shapes.len());
        Err(Error::Argument { op, hint })
    }

    /// [`run_into`](Program::run_into) with slices that have been checked.
    pub(super) fn run_slices(&mut self, inputs: &[&[T]], outputs: &mut [&mut [T]]) -> Result<()> {
        run_slices(self, inputs, outputs)
    }
}

once! {
    fn run_slices<T>(program: &mut Program<T>, inputs: &[&[T]], outputs: &mut [&mut [T]]) -> Result<()> {
        program.plan.early.start(&[], &mut program.integers)?;
        if program.given.is_empty() {
            program.given = program.shapes.iter().map(|shape| Tensor::zeros(shape)).collect();
        }
        // Outputs may be views of inputs, which are written over now.
        program.release();
        for ((given, x), &slot) in program.given.iter_mut().zip(inputs).zip(&program.plan.inputs) {
            given.make_mut().copy_from_slice(x);
            program.values[slot as usize] = given.clone();
        }
        program.run_steps(inputs.len())?;
        program.outputs.iter().zip(outputs).for_each(|(y, out)| y.copy_into(out));
        Ok(())
    }
}

/// The name of the method in errors.
const OP: &str = "run_into";

fn check_lengths(what: &str, shapes: &[Shape], lengths: &mut dyn Iterator<Item = usize>) -> Result<()> {
    for (k, (shape, len)) in shapes.iter().zip(lengths).enumerate() {
        let needed = shape.iter().product::<usize>();
        if len != needed {
            let hint = format!("{what} {k} has shape {shape:?}, so its slice needs {needed} elements, not {len}");
            return Err(Error::Argument { op: OP, hint });
        }
    }
    Ok(())
}
