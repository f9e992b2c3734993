//! A program as text: what was fused, and where the bytes go.

use super::Program;
use super::plan::{Memory, Work};
use crate::float::Float;
use std::fmt::{self, Display, Formatter};

/// Each step: what it does, the shape of its results, and where they are written; then the memory in all.
impl<T: Float> Display for Program<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        for (k, step) in self.plan.steps.iter().enumerate() {
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
        let bytes = self.plan.blocks.iter().sum::<usize>() * size_of::<T>();
        writeln!(f, "{} steps, {} blocks, {bytes} bytes", self.plan.steps.len(), self.plan.blocks.len())
    }
}

impl<T: Float> Display for Work<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let list = |names: Vec<&str>| names.join(" ");
        match self {
            Work::View(op) => write!(f, "view {}", op.name()),
            Work::Op(op) => write!(f, "{}", op.name()),
            Work::Custom(rule) => write!(f, "custom op {rule}"),
            Work::Map(map) => write!(f, "[{}]", list(map.names().collect())),
            Work::Product { map, .. } => write!(f, "matmul [{}]", list(map.names().collect())),
            Work::Scalars(scalars) => write!(f, "{} numbers", scalars.len()),
        }
    }
}
