//! A cluster of elementwise nodes as a small program of its own: a single loop over blocks of the arrays, short enough
//! that intermediate values stay in the L1 cache, so that memory is read and written once for the whole cluster. Each
//! instruction runs the same loop as its op, so the results have the same bits as running the ops one by one. The
//! program is independent of the number type (`emit` compiles it); `run` and `block` execute it.

mod block;
mod chain;
#[cfg(all(feature = "jit", target_arch = "x86_64"))]
mod compiled;
mod emit;
mod run;

use super::fuse::{Body, Fusion, Part};
use super::graph::{Def, Graph};
use super::layouts::Layouts;
use crate::float::Float;
use crate::op::{Binary, Unary};
use crate::tensor::Shape;
pub(super) use block::compute;
pub(super) use chain::{Chain, mul_add};
use chain::{First, Then};
use emit::Emitter;
pub(super) use run::{Operand, Operands, Running};
use std::collections::HashMap;
use std::sync::Arc;

/// Number of elements in the largest block.
const LARGEST: usize = 2048;

/// Where a block of values is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Address {
    /// In an operand, read in place.
    Operand(u16),
    /// A constant, by its number among the [`Repeated`].
    Const(u32),
    /// In the thread's scratch memory.
    Register(u16),
    /// A scalar operand, repeated in a register.
    Splat(u16),
    /// In a result, at its final location.
    Out(u16),
    /// In a window of the [`Feed`], by index into its `reads`.
    Fed(u16),
    /// In an operand, or in a register if several operands have parts of the block.
    Parted(u16),
}

impl Address {
    /// Whether it holds one value, repeated.
    fn is_number(self) -> bool {
        matches!(self, Address::Const(_) | Address::Splat(_))
    }
}

/// What an instruction does to blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum BlockOp {
    Unary(Unary),
    Binary(Binary),
    /// One or two sums, differences and products.
    Chain(Chain),
    Where,
    Copy,
}

#[derive(Clone, Copy, Debug)]
struct BlockInstruction {
    op: BlockOp,
    from: [Address; 3],
    to: Address,
}

/// How a block reads an operand.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Read {
    /// It is read in place, from this element on.
    Direct(usize),
    /// A scalar fills the register once.
    Splat(u16),
    /// Its elements are gathered into the register, block by block.
    Gathered(u16),
    /// Likewise, as one of the parts of a value, by its number among the parted ones. A block within a part is read in place.
    Part(u16, Part, Around),
    /// It occupies the memory that a result will be written to.
    Old,
}

/// What surrounds a part.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Around {
    Zeros,
    Others,
}

/// A sum over each unit of a value, computed while the unit is in the cache.
#[derive(Clone, Copy, Debug)]
struct Folded {
    /// The result that holds the value; values computed only for folding are numbered after the whole results.
    value: u16,
    /// Sizes before, along and after the folded axes.
    sizes: [usize; 3],
}

/// The program of a cluster.
#[derive(Debug)]
pub(super) struct Fused {
    shape: Shape,
    instructions: Vec<BlockInstruction>,
    reads: Vec<Read>,
    /// The registers of values that are read in parts.
    parted: Vec<u16>,
    /// Additional starts of blocks, so that few of them have several parts.
    cuts: Vec<usize>,
    registers: usize,
    /// Number of elements in a block.
    block: usize,
    /// Number of results that are arrays of the cluster's shape.
    whole: usize,
    folds: Vec<Folded>,
    /// Number of values that are computed only for folding.
    passing: usize,
    /// Number of elements folded at a time; 0 without folds.
    unit: usize,
    /// Number of elements per task.
    task: usize,
    feed: Option<Box<Feed>>,
    /// Its machine code, once it has run, if there is any.
    #[cfg(all(feature = "jit", target_arch = "x86_64"))]
    compiled: std::sync::OnceLock<Option<compiled::Compiled>>,
}

/// A program that computes, for each block of another program, the values which that program reads as padded with
/// zeros. Each value has a window there, slightly longer than a block.
#[derive(Debug)]
struct Feed {
    fused: Fused,
    /// The largest position of its elements among the zeros, and the distance from the smallest one to it.
    last: usize,
    apart: usize,
    /// For each read, the index of the value and the offset in its window at which a block begins.
    reads: Vec<(u16, u16)>,
}

/// The constants that loops read as blocks of one number, each once, by their bits.
#[derive(Default)]
pub(super) struct Repeated {
    numbers: Vec<f64>,
    known: HashMap<u64, u32>,
}

impl Repeated {
    fn of(&mut self, x: f64) -> u32 {
        let next = self.numbers.len() as u32;
        let number = *self.known.entry(x.to_bits()).or_insert(next);
        if number == next {
            self.numbers.push(x);
        }
        number
    }

    pub(super) fn into_numbers(self) -> Vec<f64> {
        self.numbers
    }
}

/// The blocks of a program's repeated constants.
pub(super) fn constant_blocks<T: Float>(numbers: &[f64]) -> Vec<Arc<[T]>> {
    let mut blocks = Vec::with_capacity(numbers.len());
    for &x in numbers {
        blocks.push(Arc::from(vec![T::of(x); LARGEST]));
    }
    blocks
}

/// What a cluster reads and writes, by node.
#[derive(Clone, Copy)]
pub(super) struct Ports<'a> {
    /// Values from outside the cluster, except uniform constants.
    pub(super) operands: &'a [u32],
    /// The same for the cluster that feeds it.
    pub(super) feeding: &'a [u32],
    /// Values that are read outside the cluster.
    pub(super) whole: &'a [u32],
    /// For each value in `whole`, the operand that it is written over.
    pub(super) in_place: &'a [Option<u32>],
    /// Which operands are read in parts; the tensors passed for each of these are those of its parts.
    pub(super) fusion: &'a Fusion,
    pub(super) layouts: &'a Layouts,
}

impl Fused {
    /// The program of a cluster for numbers of `width` bytes.
    pub(super) fn new(g: &Graph, body: &Body, ports: &Ports, repeated: &mut Repeated, width: usize) -> Fused {
        Emitter::new(g, body, ports, repeated, width).emit()
    }

    /// Names of the instructions in order, for display.
    pub(super) fn names(&self) -> impl Iterator<Item = String> + '_ {
        let feed = self.feed.iter().flat_map(|feed| &feed.fused.instructions);
        feed.chain(&self.instructions).filter_map(|i| match i.op {
            BlockOp::Unary(u) => Some(u.name().to_owned()),
            BlockOp::Binary(b) => Some(b.name().to_owned()),
            BlockOp::Chain(chain) => Some(chain.name()),
            BlockOp::Where => Some("select".to_owned()),
            BlockOp::Copy => None,
        })
    }
}

impl BlockOp {
    /// The op of an elementwise node.
    pub(super) fn of(def: &Def) -> BlockOp {
        match *def {
            Def::Unary(u) => BlockOp::Unary(u),
            Def::Binary(b) => BlockOp::Binary(b),
            // The only elementwise op with three operands.
            Def::Op(_) => BlockOp::Where,
            Def::Input | Def::Const(_) => unreachable!("inputs and constants are not computed"),
        }
    }

    /// Number of operands.
    pub(super) fn arity(self) -> usize {
        match self {
            BlockOp::Unary(_) | BlockOp::Copy => 1,
            BlockOp::Binary(_) => 2,
            BlockOp::Chain(chain) => chain.arity(),
            BlockOp::Where => 3,
        }
    }

    /// Whether an operand may share its memory with the result.
    fn writes_over(self) -> bool {
        matches!(self, BlockOp::Chain(chain) if chain.writes_over())
    }
}
