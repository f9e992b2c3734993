//! Measures a program, step by step.

use super::Profile;
use crate::error::Result;
use crate::float::{Float, once};
use crate::program::Program;
use crate::tensor::Tensor;
use std::time::Instant;

impl<T: Float> Program<T> {
    /// Runs the program `runs` times and measures each step: its time, and the arithmetic and memory traffic that it
    /// requires at least. Brackets list the ops of a fused cluster.
    ///
    /// ```
    /// use autograd::{Program, Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let w = tape.var(Tensor::ones(&[64, 64]));
    /// let loss = w.matmul(w).tanh().sum();
    /// let mut program = Program::new(&tape, &[w], &[loss, loss.grad(&[w])[0]]);
    /// let profile = program.profile(&[&Tensor::ones(&[64, 64])], &[], 10)?;
    /// println!("{profile}");
    /// assert!(profile.rows().iter().any(|row| row.op == "matmul [tanh]" || row.op.starts_with("matmul [tanh ")));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Same as [`run_with`](Program::run_with).
    pub fn profile(&mut self, inputs: &[&Tensor<T>], indices: &[&Tensor<i64>], runs: usize) -> Result<Profile> {
        profile(self, inputs, indices, runs)
    }
}

once! {
    fn profile<T>(
        program: &mut Program<T>,
        inputs: &[&Tensor<T>],
        indices: &[&Tensor<i64>],
        runs: usize,
    ) -> Result<Profile> {
        let mut profile = Profile::default();
        let clock = Instant::now();
        for _ in 0..runs {
            program.run_observed(inputs, indices, &mut |seen| {
                let span = [clock.elapsed().saturating_sub(seen.time), seen.time];
                profile.add("replay", seen.work(), Some(seen.line()), span, seen.cost());
            })?;
        }
        Ok(profile)
    }
}
