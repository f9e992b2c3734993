//! A cluster of elementwise nodes as a small program of its own. It runs over blocks of the arrays, short enough that what
//! lies between two instructions stays in the first-level cache: memory is read and written once for the whole cluster.
//! Each instruction is the loop of its row of the table, so that the bits are those of the ops one by one.

mod emit;

use super::fuse::{Cluster, Padded};
use super::graph::Graph;
use crate::float::Float;
use crate::kernel::elementwise::Strided;
use crate::kernel::gemm::{PartsOf, with_workspace};
use crate::kernel::simd::simd;
use crate::kernel::{reduce, threads};
use crate::op::elementwise::binary_map;
use crate::op::eval::{select_block, unary_block};
use crate::op::{Binary, Unary};
use crate::tensor::{Shape, Tensor};
use emit::Emitter;
use smallvec::{SmallVec, smallvec};
use std::collections::HashSet;
use std::sync::Arc;

/// Elements that a thread takes at least at a time.
const TASK: usize = 16 * 1024;

/// Where a block of numbers stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// In an operand, as it lies there.
    Operand(u16),
    /// One number, repeated.
    Const(u16),
    /// In the thread's scratch memory.
    Register(u16),
    /// One number of this run, repeated there.
    Splat(u16),
    /// In a result, where it will stay.
    Out(u16),
}

/// What an instruction does to blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    Unary(Unary),
    Binary(Binary),
    /// a · b + c, a · b - c, c - a · b: two roundings each, as the two ops had.
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

/// How an operand gets to a block.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Read {
    /// It is read where it lies.
    Direct,
    /// A single number fills the register once.
    Splat(u16),
    /// Its elements are gathered into the register, block by block.
    Gathered(u16),
    /// Its elements are gathered likewise, with zeros before and after them.
    Padded(u16, Padded),
    /// It lies where a result will be.
    Old,
}

/// A sum that is taken of each unit of a value while it is in the cache.
#[derive(Clone, Copy, Debug)]
struct Folded {
    /// The result that holds the value, or its number among the values that are kept for folding alone.
    value: Place,
    /// Sizes before, along and after the folded axes.
    sizes: [usize; 3],
}

/// The program.
#[derive(Debug)]
pub(super) struct Map<T: Float> {
    shape: Shape,
    instructions: Vec<Instruction>,
    /// A block of each constant, shared by all programs that have it.
    consts: SmallVec<[Arc<[T]>; 2]>,
    reads: SmallVec<[Read; 8]>,
    registers: usize,
    /// Elements of a block.
    block: usize,
    /// Results that are arrays of the cluster's shape.
    whole: usize,
    folds: SmallVec<[Folded; 2]>,
    /// Values that are computed for folding alone.
    passing: usize,
    /// Elements that are folded at a time; 0 without folds.
    unit: usize,
}

/// Blocks of the numbers that are the same in every run, for all programs of a plan: a number takes memory once.
pub(super) struct Constants<T>(Vec<Arc<[T]>>);

impl<T: Float> Constants<T> {
    /// Elements of the largest block.
    const BLOCK: usize = 2048;

    pub(super) fn new() -> Self {
        Constants(Vec::new())
    }

    /// The block of a number, found by its bits.
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
    /// Values from outside, other than numbers that are the same in every run.
    pub(super) operands: &'a [u32],
    /// Values that outsiders read.
    pub(super) whole: &'a [u32],
    /// The operand whose place each of these takes.
    pub(super) in_place: &'a [Option<u32>],
    /// Operands that are zeros with something put into them, given by that.
    pub(super) padding: &'a HashSet<u32>,
    /// Whether an operand's elements stand in a row.
    pub(super) is_contiguous: &'a dyn Fn(u32) -> bool,
}

impl<T: Float> Map<T> {
    pub(super) fn new(g: &Graph<T>, cluster: &Cluster, ports: &Ports, constants: &mut Constants<T>) -> Map<T> {
        Emitter::new(g, cluster, ports).emit(constants)
    }

    /// Computes everything: `out` has the whole results, then the sums.
    pub(super) fn run(&self, operands: &[Operand<T>], out: &mut [&mut [T]]) {
        let len: usize = self.shape.iter().product();
        let unit = self.unit.max(1);
        let task = TASK.next_multiple_of(unit);
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
                all.push(partial.unique_mut().expect("just made"));
            }
            threads::for_each_chunks(&mut all, &sizes, &|i, chunks| {
                let at = i * task;
                self.task(at, task.min(len - at), operands, chunks);
            });
        }
        for ((fold, partial), out) in self.folds.iter().zip(&partial).zip(folded) {
            let [outer, _, inner] = fold.sizes;
            let parts = partial.len() / (outer * inner);
            let partial = partial.as_slice().expect("just made");
            match parts {
                1 => out.copy_from_slice(partial),
                _ => reduce::fold_middle::<reduce::Sum<T>>(partial, [outer, parts, inner], out),
            }
        }
    }

    /// Runs of the first result, which hold what a product has just put there, each with the same part of the other results.
    pub(super) fn finish(&self, runs: &mut PartsOf<'_, T>, operands: &[Operand<T>]) {
        self.with_registers(|registers| {
            for (at, mut out) in runs {
                self.span(at, out[0].len(), operands, &mut out, registers);
            }
        });
    }

    /// The part of everything that begins at an element and is one thread's.
    fn task(&self, at: usize, n: usize, operands: &[Operand<T>], chunks: &mut [&mut [T]]) {
        self.with_registers(|registers| {
            if self.folds.is_empty() {
                return self.span(at, n, operands, chunks, registers);
            }
            with_workspace(self.passing.max(1) * self.unit, |passing: &mut [T]| {
                for (k, first) in (0..n).step_by(self.unit).enumerate() {
                    let len = self.unit.min(n - first);
                    self.unit(at, first, len, k, operands, chunks, passing, registers);
                }
            });
        });
    }

    /// One unit of the folds.
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
        with_workspace(self.registers.max(1) * self.block, |scratch: &mut [T]| {
            let mut registers: SmallVec<[&mut [T]; 16]> = scratch.chunks_mut(self.block).collect();
            f(&mut registers);
        });
    }

    /// Results of `n` elements from element `at` on, block by block.
    fn span(&self, at: usize, n: usize, operands: &[Operand<T>], out: &mut [&mut [T]], registers: &mut [&mut [T]]) {
        for (read, operand) in self.reads.iter().zip(operands) {
            if let (Read::Splat(r), Operand::Number(x)) = (read, operand) {
                registers[*r as usize][..n.min(self.block)].fill(*x);
            }
        }
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
            let mut here = Block { map: self, at: at + first, first, len, operands, out, registers };
            self.instructions.iter().for_each(|i| here.execute(i));
        }
    }

    /// What the instructions do, in order, for people.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.instructions.iter().filter_map(|i| match i.function {
            Function::Unary(u) => Some(u.name()),
            Function::Binary(b) => Some(b.name()),
            Function::MulAdd => Some("mul+add"),
            Function::MulSub | Function::SubMul => Some("mul+sub"),
            Function::Where => Some("select"),
            Function::Copy => None,
        })
    }

    /// The operand of that number as the program reads it.
    pub(super) fn operand<'t>(&self, k: usize, tensor: &'t Tensor<T>) -> Operand<'t, T> {
        match self.reads[k] {
            Read::Old => Operand::Old,
            Read::Direct => Operand::Whole(tensor.as_slice().expect("planned to be contiguous")),
            Read::Splat(_) => Operand::Number(tensor.raw().0[tensor.raw().1]),
            Read::Gathered(_) => Operand::Strided(Strided::new(tensor, &self.shape)),
            Read::Padded(..) => Operand::Strided(Strided::new(tensor, tensor.shape())),
        }
    }
}

/// An operand at run time.
pub(super) enum Operand<'t, T: Float> {
    Whole(&'t [T]),
    Number(T),
    Strided(Strided<'t, T>),
    /// Already where a result will be.
    Old,
}

/// The elements from position `from` on of something put into zeros.
fn read_padded<T: Float>(inner: &Strided<T>, Padded { start, len, .. }: Padded, from: usize, out: &mut [T]) {
    let end = from + out.len();
    let inside = start.clamp(from, end)..(start + len).clamp(from, end);
    out[..inside.start - from].fill(T::zero());
    out[inside.end - from..].fill(T::zero());
    if !inside.is_empty() {
        inner.read(inside.start - start, &mut out[inside.start - from..inside.end - from]);
    }
}

/// One block, and all that instructions may touch.
struct Block<'b, 'o, 'r, T: Float> {
    map: &'b Map<T>,
    at: usize,
    first: usize,
    len: usize,
    operands: &'b [Operand<'b, T>],
    out: &'b mut [&'o mut [T]],
    registers: &'b mut [&'r mut [T]],
}

impl<T: Float> Block<'_, '_, '_, T> {
    fn read(&self, place: Place) -> &[T] {
        match place {
            Place::Operand(k) => match &self.operands[k as usize] {
                Operand::Whole(x) => &x[self.at..self.at + self.len],
                _ => unreachable!("only whole operands are read where they lie"),
            },
            Place::Const(k) => &self.map.consts[k as usize][..self.len],
            Place::Register(k) | Place::Splat(k) => &self.registers[k as usize][..self.len],
            Place::Out(k) => &self.out[k as usize][self.first..self.first + self.len],
        }
    }

    /// What stands at a place as a factor.
    fn factor(&self, place: Place) -> Factor<'_, T> {
        let x = self.read(place);
        if place.is_number() { Factor::One(x[0]) } else { Factor::Each(x) }
    }

    fn execute(&mut self, i: &Instruction) {
        // What is written is taken out for the moment, so that everything else may be read.
        match i.to {
            Place::Register(k) => {
                let taken = std::mem::take(&mut self.registers[k as usize]);
                self.compute(i, &mut taken[..self.len]);
                self.registers[k as usize] = taken;
            }
            Place::Out(k) => {
                let taken = std::mem::take(&mut self.out[k as usize]);
                if let Some(at) = i.from.iter().position(|&from| from == i.to) {
                    self.compute_onto(i, at, &mut taken[self.first..self.first + self.len]);
                    self.out[k as usize] = taken;
                    return;
                }
                self.compute(i, &mut taken[self.first..self.first + self.len]);
                self.out[k as usize] = taken;
            }
            _ => unreachable!("operands are not written"),
        }
    }

    /// An instruction whose operand `at` lies where its result goes.
    fn compute_onto(&self, i: &Instruction, at: usize, to: &mut [T]) {
        let [a, b, c] = i.from;
        let (factor, other) = match at {
            0 => (b, c),
            1 => (a, c),
            _ => (b, a),
        };
        combine_onto(i.function, at == 2, to, self.factor(factor), self.read(other));
    }

    fn compute(&self, i: &Instruction, to: &mut [T]) {
        let [a, b, c] = i.from;
        match i.function {
            Function::Unary(u) => unary_block(u, self.read(a), to),
            Function::Binary(f) => binary_map(f, self.read(a), self.read(b), to),
            Function::MulAdd | Function::MulSub | Function::SubMul => {
                combine(i.function, self.read(a), self.factor(b), self.read(c), to);
            }
            Function::Where => select_block(self.read(a), self.read(b), self.read(c), to),
            Function::Copy => to.copy_from_slice(self.read(a)),
        }
    }
}

/// The second factor of a product.
#[derive(Clone, Copy)]
enum Factor<'a, T> {
    Each(&'a [T]),
    /// The same for all elements.
    One(T),
}

simd! {
    /// `f(a · b, c)`, element by element: the product is rounded, too.
    fn combine<T: Float>(f: Function, a: &[T], b: Factor<T>, c: &[T], out: &mut [T]) {
        #[inline(always)]
        fn each<T: Float>(a: &[T], b: Factor<T>, c: &[T], out: &mut [T], f: impl Fn(T, T) -> T) {
            match b {
                Factor::Each(b) => {
                    for (((o, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
                        *o = f(a * b, c);
                    }
                }
                Factor::One(b) => {
                    for ((o, &a), &c) in out.iter_mut().zip(a).zip(c) {
                        *o = f(a * b, c);
                    }
                }
            }
        }
        match f {
            Function::MulAdd => each(a, b, c, out, |p, c| p + c),
            Function::MulSub => each(a, b, c, out, |p, c| p - c),
            _ => each(a, b, c, out, |p, c| c - p),
        }
    }
}

simd! {
    /// The same where `to` stands for `c` and `x` for `a`, or the other way round.
    fn combine_onto<T: Float>(f: Function, onto_c: bool, to: &mut [T], b: Factor<T>, x: &[T]) {
        #[inline(always)]
        fn each<T: Float>(to: &mut [T], b: Factor<T>, x: &[T], f: impl Fn(T, T, T) -> T) {
            match b {
                Factor::Each(b) => {
                    for ((o, &b), &x) in to.iter_mut().zip(b).zip(x) {
                        *o = f(*o, b, x);
                    }
                }
                Factor::One(b) => {
                    for (o, &x) in to.iter_mut().zip(x) {
                        *o = f(*o, b, x);
                    }
                }
            }
        }
        match (f, onto_c) {
            (Function::MulAdd, true) => each(to, b, x, |c, b, a| a * b + c),
            (Function::MulAdd, false) => each(to, b, x, |a, b, c| a * b + c),
            (Function::MulSub, true) => each(to, b, x, |c, b, a| a * b - c),
            (Function::MulSub, false) => each(to, b, x, |a, b, c| a * b - c),
            (_, true) => each(to, b, x, |c, b, a| c - a * b),
            (_, false) => each(to, b, x, |a, b, c| c - a * b),
        }
    }
}

impl Place {
    /// Whether it holds one number, repeated.
    fn is_number(self) -> bool {
        matches!(self, Place::Const(_) | Place::Splat(_))
    }
}

impl Function {
    /// Whether any operand may lie where the result goes.
    fn writes_over(self, at: usize) -> bool {
        matches!(self, Function::MulAdd | Function::MulSub | Function::SubMul) && at < 3
    }
}
