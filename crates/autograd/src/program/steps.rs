//! A planned program: what each step does, and where it reads and writes.

use super::fused::Fused;
use super::integers::{Early, Reads};
use super::scalars::Scalars;
use crate::float::Precision;
use crate::op::{Cost, IntOp, Op};
use crate::tensor::{Shape, Strides};
use smallvec::SmallVec;
use std::panic::Location;

/// What a step does.
pub(super) enum Work {
    /// A view of its input.
    View(Op),
    /// One op, and what it requires of the integers in its last input, if it has such an input.
    Op { op: Op, reads: Option<Reads> },
    /// Integers that depend on numbers.
    Integers(IntOp),
    /// A user's op, by the index of its rule.
    Custom(u32),
    /// A loop over arrays.
    Fused(Box<Fused>),
    /// A matrix product, added to `keep` times the previous contents of its result's memory if given, and the loop that
    /// continues from it.
    Product { transposed: [bool; 2], precision: Precision, keep: Option<f64>, fused: Option<Box<Fused>> },
    /// A loop over scalars and short rows, and the index of its memory.
    Scalars { scalars: Box<Scalars>, memory: u32 },
}

/// One step of a run.
pub(super) struct Step {
    pub(super) work: Work,
    /// The slots that it reads; for a product, its two operands come first.
    pub(super) inputs: SmallVec<[u32; 4]>,
    pub(super) outs: SmallVec<[Out; 1]>,
    /// Slots whose values are not read after this step.
    pub(super) dead: SmallVec<[u32; 4]>,
    /// The arithmetic and memory traffic that it requires at least.
    pub(super) cost: Cost,
    pub(super) line: &'static Location<'static>,
}

/// A result of a step.
pub(super) struct Out {
    pub(super) slot: u32,
    pub(super) memory: Memory,
    pub(super) shape: Shape,
    pub(super) strides: Strides,
}

/// Where a result is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Memory {
    Block(u32),
    /// Over the operand in the given slot.
    Over(u32),
    /// In memory outside the blocks: scalars, views, and results of users' ops.
    Own,
    /// Among the integers.
    Integers,
}

/// All steps, and the memory they need.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// For each slot that holds a constant from the start: the slot and the constant.
    pub(super) constants: Vec<(u32, u32)>,
    /// The numbers that loops repeat.
    pub(super) repeated: Vec<f64>,
    /// Number of elements in each block.
    pub(super) blocks: Vec<usize>,
    /// For each slot, the block that its memory returns to when its value is dead.
    pub(super) homes: Vec<Option<u32>>,
    /// What happens to integers before the first step.
    pub(super) early: Early,
    /// The slot of each input and of each output.
    pub(super) inputs: Vec<u32>,
    pub(super) outputs: Vec<u32>,
    /// Computed slots whose values outlive the run because the caller may read them.
    pub(super) kept: Vec<u32>,
}
