//! Displays a program as text: what was fused, and where memory is used.

use super::Program;
use super::fused::Fused;
use super::steps::{Memory, Plan, Work};
use crate::float::Float;
use std::fmt::{self, Display, Formatter};

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
                    Memory::Own | Memory::Integers => (),
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
            Work::Integers(from) => write!(f, "{}", from.name()),
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
