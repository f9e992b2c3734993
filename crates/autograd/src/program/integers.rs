//! Integers in a program: which ones are passed to each run, which ones depend only on those and are computed and checked
//! first, and what steps require of the integers that they read.

use super::graph::{Def, Graph};
use crate::error::{Error, Result};
use crate::eval::integers::from_integers;
use crate::op::facts::Range;
use crate::op::shape::check_range;
use crate::op::{IntOp, Op};
use crate::tensor::{Shape, Tensor};

/// What a step requires of the integers that it reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reads {
    pub(super) op: &'static str,
    pub(super) range: Range,
    /// Whether they are checked before the first step.
    pub(super) early: bool,
}

impl Reads {
    pub(super) fn check(&self, integers: &Tensor<i64>) -> Result<()> {
        match self.range.size {
            Some(size) => check_range(self.op, integers, size, self.range.ignored),
            None => Ok(()),
        }
    }
}

/// What happens to the integers of a run before its first step.
#[derive(Default)]
pub(super) struct Early {
    /// The slot and the shape of each integer input.
    pub(super) inputs: Vec<(u32, Shape)>,
    /// Integers that follow from other integers: how, from which slot, and to which slot.
    pub(super) derived: Vec<(IntOp, u32, u32)>,
    /// What steps require, by slot.
    pub(super) checks: Vec<(u32, Reads)>,
}

impl Early {
    /// Stores the integers of a run in their slots and computes the integers that depend on them. Returns an error if a
    /// step will not accept them.
    pub(super) fn start(&self, given: &[&Tensor<i64>], slots: &mut [Tensor<i64>]) -> Result<()> {
        if given.len() != self.inputs.len() {
            let hint =
                format!("the program was compiled for {} integer inputs, got {}", self.inputs.len(), given.len());
            return Err(Error::Argument { op: "run", hint });
        }
        for (k, ((slot, shape), given)) in self.inputs.iter().zip(given).enumerate() {
            if given.shape() != shape.as_slice() {
                let hint =
                    format!("integer input {k} was recorded with shape {shape:?}: compile a program for each shape");
                return Err(Error::Shape { op: "run", shape: given.shape().into(), hint });
            }
            slots[*slot as usize] = given.contiguous();
        }
        for (from, input, out) in &self.derived {
            slots[*out as usize] = from_integers(from, &slots[*input as usize])?;
        }
        self.checks.iter().try_for_each(|(slot, reads)| reads.check(&slots[*slot as usize]))
    }
}

/// The nodes whose integers follow from integer inputs alone.
pub(super) fn early(g: &Graph) -> Vec<bool> {
    let mut early = vec![false; g.nodes.len()];
    for &id in &g.integers {
        early[id as usize] = true;
    }
    for id in g.ids() {
        if let Some(Op::Integers { from, .. }) = g.structured(id)
            && from.reads_integers()
        {
            early[id as usize] = early[g.inputs(id)[0] as usize];
        }
    }
    early
}

/// Whether a run may fail after its first step because of its integers or a singular matrix.
pub(super) fn may_fail(g: &Graph) -> bool {
    let early = early(g);
    g.ids().any(|id| match g.structured(id) {
        Some(Op::Integers { from, .. }) => !early[id as usize] && (from.may_fail() || *from == IntOp::Whole),
        Some(Op::Linalg(factor)) => factor.lacks().is_some(),
        _ => false,
    })
}

/// The node of integers that a node reads, if it is an op that also reads numbers.
pub(super) fn read_by(g: &Graph, id: u32) -> Option<u32> {
    let Def::Op(op) = &g.node(id).def else { return None };
    op.operands(g.inputs(id)).1.copied()
}
