//! A cluster of elementwise nodes as a small program of its own. It runs over blocks of the arrays, short enough that
//! intermediate values stay in the L1 cache: memory is read and written once for the whole cluster. Each instruction
//! runs the same loop as its op, so the results have the same bits as running the ops one by one.

mod block;
mod emit;

use super::fuse::{Cluster, Padded};
use super::graph::{Act, Graph};
use crate::float::Float;
use crate::kernel::elementwise::Strided;
use crate::kernel::gemm::PartsOf;
use crate::kernel::isa::prefetch;
use crate::kernel::scratch::with_scratch;
use crate::kernel::{reduce, threads};
use crate::op::{Binary, Unary};
use crate::tensor::{Shape, Tensor};
use block::Block;
pub(super) use block::compute;
use emit::Emitter;
use smallvec::{SmallVec, smallvec};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// Minimum number of elements per task: if each costs one addition or multiplication, and whatever they cost.
const TASK: usize = 16 * 1024;
const LEAST: usize = 1024;

/// Size in bytes above which an array is assumed not to be in the cache, so that the next block is prefetched.
const FAR: usize = 256 * 1024;

/// Where a block of values is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// In an operand, read in place.
    Operand(u16),
    /// A constant, repeated.
    Const(u16),
    /// In the thread's scratch memory.
    Register(u16),
    /// A scalar operand, repeated in a register.
    Splat(u16),
    /// In a result, at its final location.
    Out(u16),
    /// In a window of the [`Feed`], by index into its `reads`.
    Fed(u16),
}

/// What an instruction does to blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    Unary(Unary),
    Binary(Binary),
    /// a · b + c, a · b - c, c - a · b: rounded twice each, as the two separate ops are.
    MulAdd,
    MulSub,
    SubMul,
    Where,
    Copy,
}

#[derive(Clone, Copy, Debug)]
struct Instruction {
    function: Function,
    from: [Place; 3],
    to: Place,
}

/// How a block reads an operand.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Read {
    /// It is read in place.
    Direct,
    /// A scalar fills the register once.
    Splat(u16),
    /// Its elements are gathered into the register, block by block.
    Gathered(u16),
    /// The same, with zeros before and after its elements.
    Padded(u16, Padded),
    /// It occupies the memory that a result will be written to.
    Old,
}

/// A sum over each unit of a value, computed while the unit is in the cache.
#[derive(Clone, Copy, Debug)]
struct Folded {
    /// The result that holds the value; values computed only for folding are numbered after the whole results.
    value: Place,
    /// Sizes before, along and after the folded axes.
    sizes: [usize; 3],
}

/// The program of a cluster.
#[derive(Debug)]
pub(super) struct Map<T: Float> {
    shape: Shape,
    instructions: Vec<Instruction>,
    /// A block of each constant, shared by all programs that use it.
    consts: SmallVec<[Arc<[T]>; 2]>,
    reads: SmallVec<[Read; 2]>,
    registers: usize,
    /// Number of elements in a block.
    block: usize,
    /// Number of results that are arrays of the cluster's shape.
    whole: usize,
    folds: SmallVec<[Folded; 2]>,
    /// Number of values that are computed only for folding.
    passing: usize,
    /// Number of elements folded at a time; 0 without folds.
    unit: usize,
    feed: Option<Box<Feed<T>>>,
}

/// A program that computes, for each block of another program, the values which that program reads as padded with
/// zeros. Each value has a window there, slightly longer than a block.
#[derive(Debug)]
struct Feed<T: Float> {
    map: Map<T>,
    /// The largest position of its elements among the zeros, and the distance from the smallest one to it.
    last: usize,
    apart: usize,
    /// For each read, the index of the value and the offset in its window at which a block begins.
    reads: SmallVec<[(u16, u16); 2]>,
}

/// Blocks of constants, shared by all programs of a plan so that each constant is stored once.
pub(super) struct Constants<T>(Vec<Arc<[T]>>);

impl<T: Float> Constants<T> {
    /// Number of elements in the largest block.
    const BLOCK: usize = 2048;

    pub(super) fn new() -> Self {
        Constants(Vec::new())
    }

    /// The block of a constant, looked up by its bits.
    fn block(&mut self, c: T) -> Arc<[T]> {
        let known = self.0.iter().find(|block| block[0].f64().to_bits() == c.f64().to_bits());
        known.cloned().unwrap_or_else(|| {
            self.0.push(std::iter::repeat_n(c, Self::BLOCK).collect());
            self.0[self.0.len() - 1].clone()
        })
    }
}

/// What a cluster reads and writes, by node.
pub(super) struct Ports<'a> {
    /// Values from outside the cluster, except uniform constants.
    pub(super) operands: &'a [u32],
    /// The same for the cluster that feeds it.
    pub(super) feeding: &'a [u32],
    /// Values that are read outside the cluster.
    pub(super) whole: &'a [u32],
    /// For each value in `whole`, the operand that it is written over.
    pub(super) in_place: &'a [Option<u32>],
    /// Operands that are padded with zeros; the tensor passed for each is the value without the zeros.
    pub(super) padding: &'a HashSet<u32>,
    /// Whether an operand is contiguous.
    pub(super) is_contiguous: &'a dyn Fn(u32) -> bool,
}

impl<T: Float> Map<T> {
    pub(super) fn new(g: &Graph<T>, cluster: &Cluster, ports: &Ports, constants: &mut Constants<T>) -> Map<T> {
        Emitter::new(g, cluster, ports).emit(constants)
    }

    /// Computes all results: `out` holds the whole results, then the sums.
    pub(super) fn run(&self, operands: &[Operand<T>], out: &mut [&mut [T]]) {
        let len: usize = self.shape.iter().product();
        let unit = self.unit.max(1);
        let task = (TASK / self.weight()).max(LEAST).next_multiple_of(unit);
        let (whole, folded) = out.split_at_mut(self.whole);
        let mut partial: SmallVec<[Tensor<T>; 2]> = SmallVec::new();
        for fold in &self.folds {
            let [_, _, inner] = fold.sizes;
            partial.push(Tensor::build(&[len.div_ceil(unit) * inner], |_| ()));
        }
        {
            let mut all: SmallVec<[&mut [T]; 8]> = whole.iter_mut().map(|w| &mut **w).collect();
            let mut sizes: SmallVec<[usize; 8]> = smallvec![task; self.whole];
            for (fold, partial) in self.folds.iter().zip(&mut partial) {
                sizes.push(task / unit * fold.sizes[2]);
                all.push(partial.unique_mut().expect("just created"));
            }
            threads::for_each_chunks(&mut all, &sizes, &|i, chunks| {
                let at = i * task;
                self.task(at, task.min(len - at), operands, chunks);
            });
        }
        for ((fold, partial), out) in self.folds.iter().zip(&partial).zip(folded) {
            let [outer, _, inner] = fold.sizes;
            let parts = partial.len() / (outer * inner);
            let partial = partial.as_slice().expect("just created");
            match parts {
                1 => out.copy_from_slice(partial),
                _ => reduce::fold_middle::<reduce::Sum<T>>(partial, [outer, parts, inner], out),
            }
        }
    }

    /// The cost of an element, in additions or multiplications: a unary function counts as four.
    fn weight(&self) -> usize {
        let worth = |i: &Instruction| if let Function::Unary(_) = i.function { 4 } else { 1 };
        self.instructions.iter().map(worth).sum::<usize>().max(1)
    }

    /// Processes runs of the first result, which hold what a matrix product has just written, each with the same part
    /// of the other results.
    pub(super) fn finish(&self, runs: &mut PartsOf<'_, T>, operands: &[Operand<T>]) {
        self.with_registers(|registers| {
            for (at, mut out) in runs {
                self.span(at, out[0].len(), operands, &mut out, registers);
            }
        });
    }

    /// One thread's task: `n` elements from element `at` on.
    fn task(&self, at: usize, n: usize, operands: &[Operand<T>], chunks: &mut [&mut [T]]) {
        self.with_registers(|registers| {
            if self.folds.is_empty() {
                return self.span(at, n, operands, chunks, registers);
            }
            with_scratch(self.passing.max(1) * self.unit, |passing: &mut [T]| {
                for (k, first) in (0..n).step_by(self.unit).enumerate() {
                    let len = self.unit.min(n - first);
                    self.unit(at, first, len, k, operands, chunks, passing, registers);
                }
            });
        });
    }

    /// Computes one unit of the folds.
    #[allow(clippy::too_many_arguments, reason = "a piece of a loop")]
    fn unit(
        &self,
        at: usize,
        first: usize,
        len: usize,
        k: usize,
        operands: &[Operand<T>],
        chunks: &mut [&mut [T]],
        passing: &mut [T],
        registers: &mut [&mut [T]],
    ) {
        let (whole, partial) = chunks.split_at_mut(self.whole);
        let mut out: SmallVec<[&mut [T]; 8]> = whole.iter_mut().map(|w| &mut w[first..first + len]).collect();
        out.extend(passing.chunks_mut(self.unit).take(self.passing).map(|p| &mut p[..len]));
        self.span(at + first, len, operands, &mut out, registers);
        for (fold, partial) in self.folds.iter().zip(partial) {
            let Place::Out(value) = fold.value else { unreachable!("a folded value is a result") };
            let inner = fold.sizes[2];
            reduce::fold_rows::<reduce::Sum<T>>(
                out[value as usize],
                inner,
                len / inner,
                &mut partial[k * inner..][..inner],
            );
        }
    }

    fn with_registers(&self, f: impl FnOnce(&mut [&mut [T]])) {
        let (own, window) =
            (self.registers.max(1) * self.block, self.block + self.feed.as_ref().map_or(0, |f| f.apart));
        let windows = self.feed.as_ref().map_or(0, |feed| feed.map.whole);
        with_scratch(own + windows * window, |scratch: &mut [T]| {
            let (own, windows) = scratch.split_at_mut(own);
            let mut registers: SmallVec<[&mut [T]; 16]> = own.chunks_mut(self.block).collect();
            registers.extend(windows.chunks_mut(window));
            f(&mut registers);
        });
    }

    /// Computes `n` elements of the results from element `at` on, block by block.
    fn span(&self, at: usize, n: usize, operands: &[Operand<T>], out: &mut [&mut [T]], registers: &mut [&mut [T]]) {
        for (read, operand) in self.reads.iter().zip(operands) {
            if let (Read::Splat(r), Operand::Number(x)) = (read, operand) {
                registers[*r as usize][..n.min(self.block)].fill(*x);
            }
        }
        let far = self.shape.iter().product::<usize>() * size_of::<T>() > FAR;
        for first in (0..n).step_by(self.block) {
            let len = self.block.min(n - first);
            for (read, operand) in self.reads.iter().zip(operands) {
                match (read, operand) {
                    (Read::Gathered(r), Operand::Strided(s)) => s.read(at + first, &mut registers[*r as usize][..len]),
                    (Read::Padded(r, padded), Operand::Strided(s)) => {
                        read_padded(s, *padded, at + first, &mut registers[*r as usize][..len]);
                    }
                    _ => (),
                }
            }
            if let Some(feed) = &self.feed {
                let windows = &mut registers[self.registers.max(1)..];
                feed.fill(at + first, len, &operands[self.reads.len()..], windows);
            }
            if far {
                self.fetch_next(at + first + len, first + len, operands, out);
            }
            let mut here = Block { map: self, at: at + first, first, len, operands, out, registers };
            self.instructions.iter().for_each(|i| here.execute(i));
        }
    }

    /// Prefetches the operands and results of the next block, which starts at `at`: a block is too short for the
    /// hardware prefetcher to detect the access pattern.
    fn fetch_next(&self, at: usize, first: usize, operands: &[Operand<T>], out: &[&mut [T]]) {
        let next = |x: &[T], start: usize| prefetch(&x[start.min(x.len())..(start + self.block).min(x.len())]);
        for operand in operands.iter().take(self.reads.len()) {
            if let Operand::Whole(x) = operand {
                next(x, at);
            }
        }
        out.iter().for_each(|out| next(out, first));
    }

    /// Names of the instructions in order, for display.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        let feed = self.feed.iter().flat_map(|feed| &feed.map.instructions);
        feed.chain(&self.instructions).filter_map(|i| match i.function {
            Function::Unary(u) => Some(u.name()),
            Function::Binary(b) => Some(b.name()),
            Function::MulAdd => Some("mul+add"),
            Function::MulSub | Function::SubMul => Some("mul+sub"),
            Function::Where => Some("select"),
            Function::Copy => None,
        })
    }

    /// Operand `k` in the form in which the program reads it.
    pub(super) fn operand<'t>(&self, k: usize, tensor: &'t Tensor<T>) -> Operand<'t, T> {
        match (self.reads.get(k), &self.feed) {
            (Some(Read::Old), _) => Operand::Old,
            (Some(Read::Direct), _) => Operand::Whole(tensor.as_slice().expect("planned to be contiguous")),
            (Some(Read::Splat(_)), _) => Operand::Number(tensor.raw().0[tensor.raw().1]),
            (Some(Read::Gathered(_)), _) => Operand::Strided(Strided::new(tensor, &self.shape)),
            (Some(Read::Padded(..)), _) => Operand::Strided(Strided::new(tensor, tensor.shape())),
            (None, Some(feed)) => feed.map.operand(k - self.reads.len(), tensor),
            (None, None) => unreachable!("every operand has a read"),
        }
    }
}

/// An operand at run time.
pub(super) enum Operand<'t, T: Float> {
    Whole(&'t [T]),
    Number(T),
    Strided(Strided<'t, T>),
    /// Already in the memory of a result.
    Old,
}

/// Reads elements from position `from` on of a value padded with zeros.
fn read_padded<T: Float>(inner: &Strided<T>, Padded { start, len, .. }: Padded, from: usize, out: &mut [T]) {
    let (first, inside) = zero_outside(start..start + len, from, out);
    if !inside.is_empty() {
        inner.read(first, inside);
    }
}

/// Zeroes the part of a window starting at `from` that lies outside `places`. Returns the index of the first element
/// inside the window and the slice for all elements inside it.
fn zero_outside<T: Float>(places: Range<usize>, from: usize, window: &mut [T]) -> (usize, &mut [T]) {
    let end = from + window.len();
    let inside = places.start.clamp(from, end)..places.end.clamp(from, end);
    window[..inside.start - from].fill(T::zero());
    window[inside.end - from..].fill(T::zero());
    (inside.start - places.start.min(inside.start), &mut window[inside.start - from..inside.end - from])
}

impl<T: Float> Feed<T> {
    /// Fills the windows for a block of `len` elements that begins at element `at`.
    fn fill(&self, at: usize, len: usize, operands: &[Operand<T>], windows: &mut [&mut [T]]) {
        let places = self.last..self.last + self.map.shape.iter().product::<usize>();
        let mut first = 0;
        let mut inside: SmallVec<[&mut [T]; 8]> = SmallVec::new();
        for window in windows {
            let (start, room) = zero_outside(places.clone(), at, &mut window[..len + self.apart]);
            first = start;
            inside.push(room);
        }
        let n = inside[0].len();
        self.map.with_registers(|registers| self.map.span(first, n, operands, &mut inside, registers));
    }
}

impl Function {
    /// The function of an elementwise node.
    pub(super) fn of(act: &Act) -> Function {
        match *act {
            Act::Unary(u) => Function::Unary(u),
            Act::Binary(b) => Function::Binary(b),
            _ => Function::Where,
        }
    }

    /// Number of operands.
    pub(super) fn arity(self) -> usize {
        match self {
            Function::Unary(_) | Function::Copy => 1,
            Function::Binary(_) => 2,
            Function::MulAdd | Function::MulSub | Function::SubMul | Function::Where => 3,
        }
    }

    /// Whether operand `at` may share its memory with the result.
    fn writes_over(self, at: usize) -> bool {
        matches!(self, Function::MulAdd | Function::MulSub | Function::SubMul) && at < 3
    }
}
