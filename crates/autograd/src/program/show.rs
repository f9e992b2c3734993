//! Displays a program as text (what was fused, and where memory is used), and profiles its steps.

use super::Program;
use super::fused::Fused;
use super::steps::{Memory, Plan, Work};
use crate::error::Result;
use crate::float::Float;
use crate::float::once;
use crate::profile::Profile;
use crate::tensor::Tensor;
use std::fmt::{self, Display, Formatter};
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
    /// As [`run_with`](Program::run_with).
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
            program.run_observed(inputs, indices, &mut |step, time| {
                let span = [clock.elapsed().saturating_sub(time), time];
                profile.add("replay", step.work.to_string(), Some(step.line), span, step.cost);
            })?;
        }
        Ok(profile)
    }
}

/// Prints each step with the shapes of its results and where they are written, followed by the total memory.
impl<T: Float> Display for Program<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        self.plan.print(size_of::<T>(), f)
    }
}

impl Plan {
    /// Prints the plan for numbers of `width` bytes.
    fn print(&self, width: usize, f: &mut Formatter) -> fmt::Result {
        for (k, step) in self.steps.iter().enumerate() {
            write!(f, "{k:>3}  {}", step.work)?;
            for out in &step.outs {
                write!(f, "  {:?}", out.shape.as_slice())?;
                match out.memory {
                    Memory::Block(b) => write!(f, " in block {b}")?,
                    Memory::Over(_) => write!(f, " in place")?,
                    Memory::Own => (),
                }
            }
            writeln!(f, "  {}:{}", step.line.file(), step.line.line())?;
        }
        let bytes = self.blocks.iter().sum::<usize>() * width;
        writeln!(f, "{} steps, {} blocks, {bytes} bytes", self.steps.len(), self.blocks.len())
    }
}

impl Display for Work {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let list = |fused: &Fused| fused.names().collect::<Vec<_>>().join(" ");
        match self {
            Work::View(op) => write!(f, "view {}", op.name()),
            Work::Op { op, .. } => write!(f, "{}", op.name()),
            Work::Custom(rule) => write!(f, "custom op {rule}"),
            Work::Fused(fused) => write!(f, "[{}]", list(fused)),
            Work::Product { keep, fused, .. } => {
                write!(f, "matmul{}", if keep.is_some() { " onto" } else { "" })?;
                fused.iter().try_for_each(|fused| write!(f, " [{}]", list(fused)))
            }
            Work::Scalars { scalars, .. } => {
                let [written, run] = scalars.len();
                write!(f, "{run} numbers, {written} instructions")
            }
        }
    }
}
