//! Runs the loop of a cluster, in parallel tasks, over the operands of one step.

use super::{Feed, Fused, Padded, Read};
use crate::float::Float;
use crate::kernel::elementwise::Strided;
use crate::kernel::gemm::PartsOf;
use crate::kernel::isa::prefetch;
use crate::kernel::scratch::with_scratch;
use crate::kernel::{reduce, threads};
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::Arc;

/// Minimum number of elements per task: if each costs one addition or multiplication, and whatever they cost.
const TASK: usize = 16 * 1024;
const LEAST: usize = 1024;

/// Size in bytes above which an array is assumed not to be in the cache, so that the next block is prefetched.
const FAR: usize = 256 * 1024;

/// Slices of arrays that a task writes.
type Slices<'o, T> = SmallVec<[&'o mut [T]; 16]>;

/// An operand at run time.
pub(in crate::program) enum Operand<'t, T: Float> {
    Whole(&'t [T]),
    Number(T),
    Strided(Strided<'t, T>),
    /// Already in the memory of a result.
    Old,
}

/// A loop with the operands of one step.
pub(in crate::program) struct Running<'r, T: Float> {
    pub(super) fused: &'r Fused,
    pub(super) operands: &'r [Operand<'r, T>],
    /// A block of each repeated constant.
    pub(super) constants: &'r [Arc<[T]>],
}

impl Fused {
    /// Operand `k` in the form in which the program reads it.
    pub(in crate::program) fn operand<'t, T: Float>(&self, k: usize, tensor: &'t Tensor<T>) -> Operand<'t, T> {
        match (self.reads.get(k), &self.feed) {
            (Some(Read::Old), _) => Operand::Old,
            (Some(Read::Direct), _) => Operand::Whole(tensor.as_slice().expect("planned to be contiguous")),
            (Some(Read::Splat(_)), _) => Operand::Number(tensor.raw().0[tensor.raw().1]),
            (Some(Read::Gathered(_)), _) => Operand::Strided(Strided::new(tensor, &self.shape)),
            (Some(Read::Padded(..)), _) => Operand::Strided(Strided::new(tensor, tensor.shape())),
            (None, Some(feed)) => feed.fused.operand(k - self.reads.len(), tensor),
            (None, None) => unreachable!("every operand has a read"),
        }
    }
}

impl<'r, T: Float> Running<'r, T> {
    pub(in crate::program) fn new(
        fused: &'r Fused,
        operands: &'r [Operand<'r, T>],
        constants: &'r [Arc<[T]>],
    ) -> Running<'r, T> {
        Running { fused, operands, constants }
    }

    /// Computes all results: `out` holds the whole results, then the sums.
    pub(in crate::program) fn run(&self, out: &mut [&mut [T]]) {
        let Fused { shape, folds, whole, .. } = self.fused;
        let len: usize = shape.iter().product();
        let unit = self.fused.unit.max(1);
        let task = (TASK / self.fused.weight()).max(LEAST).next_multiple_of(unit);
        let (whole, folded) = out.split_at_mut(*whole);
        let mut partial: SmallVec<[Tensor<T>; 16]> = SmallVec::new();
        for fold in folds {
            let [_, _, inner] = fold.sizes;
            partial.push(Tensor::build(&[len.div_ceil(unit) * inner], |_| ()));
        }
        {
            let mut all: Slices<T> = SmallVec::new();
            let mut sizes: SmallVec<[usize; 32]> = SmallVec::new();
            for whole in whole {
                sizes.push(task);
                all.push(whole);
            }
            for (fold, partial) in folds.iter().zip(&mut partial) {
                sizes.push(task / unit * fold.sizes[2]);
                all.push(partial.unique_mut().expect("just created"));
            }
            threads::for_each_chunks(&mut all, &sizes, &|i, chunks| {
                let at = i * task;
                self.task(at, task.min(len - at), chunks);
            });
        }
        for ((fold, partial), out) in folds.iter().zip(&partial).zip(folded) {
            let [outer, _, inner] = fold.sizes;
            let parts = partial.len() / (outer * inner);
            let partial = partial.as_slice().expect("just created");
            match parts {
                1 => out.copy_from_slice(partial),
                _ => reduce::fold_middle::<reduce::Sum<T>>(partial, [outer, parts, inner], out),
            }
        }
    }

    /// Processes runs of the first result, which hold what a matrix product has just written, each with the same part
    /// of the other results.
    pub(in crate::program) fn finish(&self, runs: &mut PartsOf<'_, T>) {
        self.with_registers(&mut |registers| {
            for (at, mut out) in &mut *runs {
                self.span(at, out[0].len(), &mut out, registers);
            }
        });
    }

    /// One thread's task: `n` elements from element `at` on.
    fn task(&self, at: usize, n: usize, chunks: &mut [&mut [T]]) {
        let Fused { unit, passing, .. } = *self.fused;
        self.with_registers(&mut |registers| {
            if self.fused.folds.is_empty() {
                return self.span(at, n, chunks, registers);
            }
            with_scratch(passing.max(1) * unit, |passing: &mut [T]| {
                for (k, first) in (0..n).step_by(unit).enumerate() {
                    self.unit(at, first..first + unit.min(n - first), k, chunks, passing, registers);
                }
            });
        });
    }

    /// Computes unit `k` of the folds, which is a range of the chunks.
    fn unit(
        &self,
        at: usize,
        range: Range<usize>,
        k: usize,
        chunks: &mut [&mut [T]],
        passing: &mut [T],
        registers: &mut [&mut [T]],
    ) {
        let (whole, partial) = chunks.split_at_mut(self.fused.whole);
        let (first, len) = (range.start, range.len());
        let mut out: Slices<T> = SmallVec::new();
        for whole in whole {
            out.push(&mut whole[range.clone()]);
        }
        for passing in passing.chunks_mut(self.fused.unit).take(self.fused.passing) {
            out.push(&mut passing[..len]);
        }
        self.span(at + first, len, &mut out, registers);
        for (fold, partial) in self.fused.folds.iter().zip(partial) {
            let inner = fold.sizes[2];
            let value = &out[fold.value as usize];
            reduce::fold_rows::<reduce::Sum<T>>(value, inner, len / inner, &mut partial[k * inner..][..inner]);
        }
    }

    fn with_registers(&self, f: &mut dyn FnMut(&mut [&mut [T]])) {
        let Fused { registers, block, ref feed, .. } = *self.fused;
        let (own, window) = (registers.max(1) * block, block + feed.as_ref().map_or(0, |feed| feed.apart));
        let windows = feed.as_ref().map_or(0, |feed| feed.fused.whole);
        with_scratch(own + windows * window, |scratch: &mut [T]| {
            let (own, windows) = scratch.split_at_mut(own);
            let mut registers: Slices<T> = SmallVec::new();
            for register in own.chunks_mut(block) {
                registers.push(register);
            }
            for window in windows.chunks_mut(window) {
                registers.push(window);
            }
            f(&mut registers);
        });
    }

    /// Computes `n` elements of the results from element `at` on, block by block.
    fn span(&self, at: usize, n: usize, out: &mut [&mut [T]], registers: &mut [&mut [T]]) {
        let Fused { shape, reads, instructions, feed, block, .. } = self.fused;
        for (read, operand) in reads.iter().zip(self.operands) {
            if let (Read::Splat(r), Operand::Number(x)) = (read, operand) {
                registers[*r as usize][..n.min(*block)].fill(*x);
            }
        }
        let far = shape.iter().product::<usize>() * size_of::<T>() > FAR;
        for first in (0..n).step_by(*block) {
            let len = (*block).min(n - first);
            for (read, operand) in reads.iter().zip(self.operands) {
                match (read, operand) {
                    (Read::Gathered(r), Operand::Strided(s)) => s.read(at + first, &mut registers[*r as usize][..len]),
                    (Read::Padded(r, padded), Operand::Strided(s)) => {
                        read_padded(s, *padded, at + first, &mut registers[*r as usize][..len]);
                    }
                    _ => (),
                }
            }
            if let Some(feed) = feed {
                self.fill(feed, at + first, len, registers);
            }
            if far {
                self.fetch_next(at + first + len, first + len, out);
            }
            let mut frame = super::block::Frame { running: self, at: at + first, first, len, out, registers };
            for instruction in instructions {
                frame.execute(instruction);
            }
        }
    }

    /// Fills the windows of a feed for a block of `len` elements that begins at element `at`.
    fn fill(&self, feed: &Feed, at: usize, len: usize, registers: &mut [&mut [T]]) {
        let places = feed.last..feed.last + feed.fused.shape.iter().product::<usize>();
        let mut first = 0;
        let mut inside: Slices<T> = SmallVec::new();
        for window in &mut registers[self.fused.registers.max(1)..] {
            let (start, room) = zero_outside(places.clone(), at, &mut window[..len + feed.apart]);
            first = start;
            inside.push(room);
        }
        let n = inside[0].len();
        let running = Running::new(&feed.fused, &self.operands[self.fused.reads.len()..], self.constants);
        running.with_registers(&mut |registers| running.span(first, n, &mut inside, registers));
    }

    /// Prefetches the operands and results of the next block, which starts at `at`: a block is too short for the
    /// hardware prefetcher to detect the access pattern.
    fn fetch_next(&self, at: usize, first: usize, out: &[&mut [T]]) {
        let block = self.fused.block;
        let next = |x: &[T], start: usize| prefetch(&x[start.min(x.len())..(start + block).min(x.len())]);
        for operand in self.operands.iter().take(self.fused.reads.len()) {
            if let Operand::Whole(x) = operand {
                next(x, at);
            }
        }
        out.iter().for_each(|out| next(out, first));
    }
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
