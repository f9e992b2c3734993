//! Executes the instructions of a cluster on one block.

use super::chain::{self, Chain, Factor};
use super::{Address, BlockInstruction, BlockOp, Operand, Running};
use crate::eval::blocks;
use crate::float::Float;
use crate::kernel::isa::{Ahead, simd};

/// One block, and everything that instructions read or write.
pub(super) struct Frame<'b, 'o, 'r, T: Float> {
    pub(super) running: &'b Running<'b, T>,
    pub(super) at: usize,
    pub(super) first: usize,
    pub(super) len: usize,
    pub(super) out: &'b mut [&'o mut [T]],
    pub(super) registers: &'b mut [&'r mut [T]],
    /// The parted values that are read in place; those in registers are empty.
    pub(super) inside: &'b [&'b [T]],
}

simd! {
    /// Executes instructions one after another, and prefetches what the next block needs between them. All of them are compiled
    /// into one function for each instruction set: at the length of a block, a few calls take as long as an addition.
    pub(super) fn execute<T: Float>(frame: &mut Frame<T>, instructions: &[BlockInstruction], ahead: &[Ahead]) {
        for (k, i) in instructions.iter().enumerate() {
            for ahead in ahead {
                ahead.fetch(k);
            }
            frame.execute(i);
        }
    }
}

impl<T: Float> Frame<'_, '_, '_, T> {
    #[inline(always)]
    pub(super) fn read(&self, address: Address) -> &[T] {
        match address {
            Address::Operand(k) => match &self.running.operands[k as usize] {
                Operand::Whole(x) => &x[self.at..self.at + self.len],
                _ => unreachable!("only whole operands are read in place"),
            },
            Address::Const(k) => &self.running.constants[k as usize][..self.len],
            Address::Register(k) | Address::Splat(k) => &self.registers[k as usize][..self.len],
            Address::Out(k) => &self.out[k as usize][self.first..self.first + self.len],
            Address::Parted(k) => self.parted(k as usize),
            Address::Fed(k) => self.fed(k as usize),
        }
    }

    /// A value that is read in parts.
    #[inline(never)]
    fn parted(&self, k: usize) -> &[T] {
        match self.inside[k] {
            [] => &self.registers[self.running.fused.parted[k] as usize][..self.len],
            x => x,
        }
    }

    /// A value that is read from a window of the feed.
    #[inline(never)]
    fn fed(&self, k: usize) -> &[T] {
        let fused = self.running.fused;
        let feed = fused.feed.as_ref().expect("a fed address has a feed");
        let (value, start) = feed.reads[k];
        &self.registers[fused.registers + value as usize][start as usize..][..self.len]
    }

    #[inline(always)]
    fn execute(&mut self, i: &BlockInstruction) {
        // The destination is taken out temporarily so that everything else can be borrowed for reading.
        let (mut register, mut out): (&mut [T], &mut [T]) = (&mut [], &mut []);
        let to = match i.to {
            Address::Register(k) => {
                register = std::mem::take(&mut self.registers[k as usize]);
                &mut register[..self.len]
            }
            Address::Out(k) => {
                out = std::mem::take(&mut self.out[k as usize]);
                &mut out[self.first..self.first + self.len]
            }
            _ => unreachable!("operands are not written"),
        };
        match (i.op, i.from.iter().position(|&from| from == i.to)) {
            (BlockOp::Chain(f), Some(at)) => self.compute_onto(f, i.from, at, to),
            _ => self.compute(i, to),
        }
        match i.to {
            Address::Register(k) => self.registers[k as usize] = register,
            Address::Out(k) => self.out[k as usize] = out,
            _ => unreachable!("operands are not written"),
        }
    }

    #[inline(always)]
    fn compute(&self, i: &BlockInstruction, to: &mut [T]) {
        let x = [self.read(i.from[0]), self.read(i.from[1]), self.read(i.from[2])];
        match i.op {
            BlockOp::Chain(f) => chain::run(f, x[0], factor(i.from[1], x[1]), factor(i.from[2], x[2]), to),
            op => compute(op, x, to),
        }
    }

    /// Computes a chain whose operand `at` shares its memory with the result.
    fn compute_onto(&self, f: Chain, [a, b, c]: [Address; 3], at: usize, to: &mut [T]) {
        let (second, other) = match at {
            0 => (b, c),
            1 => (a, c),
            _ => (b, a),
        };
        chain::run_onto(f.then, at == 2, to, factor(second, self.read(second)), self.read(other));
    }
}

/// The values at an address, as an operand of a chain.
#[inline(always)]
fn factor<T: Float>(address: Address, x: &[T]) -> Factor<'_, T> {
    if address.is_number() { Factor::One(x[0]) } else { Factor::Each(x) }
}

/// `to = op(a, b, c)`, using as many operands as the op takes.
pub(in crate::program) fn compute<T: Float>(op: BlockOp, [a, b, c]: [&[T]; 3], to: &mut [T]) {
    match op {
        BlockOp::Unary(u) => blocks::unary(u, a, to),
        BlockOp::Binary(f) => blocks::binary(f, a, b, to),
        BlockOp::Chain(_) => unreachable!("chains are part of the loop over blocks"),
        BlockOp::Where => blocks::select(a, b, c, to),
        BlockOp::Copy => to.copy_from_slice(a),
    }
}
