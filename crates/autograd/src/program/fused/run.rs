//! Runs the loop of a cluster, in parallel tasks, over the operands of one step.

use super::block::{self, Frame};
use super::{Around, Feed, Fused, Part, Read};
use crate::float::Float;
use crate::kernel::elementwise::Strided;
use crate::kernel::gemm::PartsOf;
use crate::kernel::isa::Ahead;
use crate::kernel::scratch::with_scratch;
use crate::kernel::{reduce, threads};
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::Arc;

/// Size in bytes above which an array is assumed not to be in the cache, so that the next block is prefetched.
pub(super) const FAR: usize = 256 * 1024;

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

/// The operands of a step. They are written in place, since returning so many would copy their memory.
pub(in crate::program) type Operands<'t, T> = SmallVec<[Operand<'t, T>; 16]>;

/// A loop with the operands of one step.
pub(in crate::program) struct Running<'r, T: Float> {
    pub(super) fused: &'r Fused,
    pub(super) operands: &'r [Operand<'r, T>],
    /// A block of each repeated constant.
    pub(super) constants: &'r [Arc<[T]>],
}

impl Fused {
    /// Number of elements in a window of the feed.
    fn window(&self, feed: &Feed) -> usize {
        (self.block + feed.apart).next_multiple_of(64)
    }

    /// The operands in the form in which the program reads them.
    pub(in crate::program) fn operands<'t, T: Float>(&self, x: &[&'t Tensor<T>], to: &mut Operands<'t, T>) {
        for (k, x) in x.iter().enumerate() {
            to.push(self.operand(k, x));
        }
    }

    /// Operand `k`, likewise.
    fn operand<'t, T: Float>(&self, k: usize, tensor: &'t Tensor<T>) -> Operand<'t, T> {
        match (self.reads.get(k), &self.feed) {
            (Some(Read::Old), _) => Operand::Old,
            (Some(Read::Direct(from)), _) => {
                let len = self.shape.iter().product();
                Operand::Whole(&tensor.as_slice().expect("planned to be contiguous")[*from..][..len])
            }
            (Some(Read::Splat(_)), _) => Operand::Number(tensor.raw().0[tensor.raw().1]),
            (Some(Read::Gathered(_)), _) => Operand::Strided(Strided::new(tensor, &self.shape)),
            (Some(Read::Part(..)), _) => match tensor.as_slice() {
                Some(x) => Operand::Whole(x),
                None => Operand::Strided(Strided::new(tensor, tensor.shape())),
            },
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
        let (unit, task) = (self.fused.unit.max(1), self.fused.task);
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
        let streams = self.streams();
        self.with_registers(&mut |registers| {
            for (at, mut out) in &mut *runs {
                self.span(at, out[0].len(), &mut out, registers, &streams);
            }
        });
    }

    /// One thread's task: `n` elements from element `at` on.
    fn task(&self, at: usize, n: usize, chunks: &mut [&mut [T]]) {
        let Fused { unit, passing, .. } = *self.fused;
        let streams = self.streams();
        self.with_registers(&mut |registers| {
            if self.fused.folds.is_empty() {
                return self.span(at, n, chunks, registers, &streams);
            }
            with_scratch(passing.max(1) * unit, |passing: &mut [T]| {
                for (k, first) in (0..n).step_by(unit).enumerate() {
                    let range = first..first + unit.min(n - first);
                    self.unit(at, range, k, chunks, passing, registers, &streams);
                }
            });
        });
    }

    /// Computes unit `k` of the folds, which is a range of the chunks.
    #[expect(clippy::too_many_arguments, reason = "memory that all units of a task share")]
    fn unit(
        &self,
        at: usize,
        range: Range<usize>,
        k: usize,
        chunks: &mut [&mut [T]],
        passing: &mut [T],
        registers: &mut [&mut [T]],
        streams: &[&[T]],
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
        self.span(at + first, len, &mut out, registers, streams);
        for (i, fold) in self.fused.folds.iter().enumerate() {
            let (inner, partial) = (fold.sizes[2], &mut *partial[i]);
            let value = &out[fold.value as usize];
            reduce::fold_rows::<reduce::Sum<T>>(value, inner, len / inner, &mut partial[k * inner..][..inner]);
        }
    }

    /// Calls `f` with the registers, the windows of the feed, and the registers of the feed, in this order.
    fn with_registers(&self, f: &mut dyn FnMut(&mut [&mut [T]])) {
        let Fused { registers: own, block, ref feed, .. } = *self.fused;
        let (windows, inner) = match feed {
            Some(feed) => ([feed.fused.whole, self.fused.window(feed)], [feed.fused.registers, feed.fused.block]),
            None => ([0; 2], [0; 2]),
        };
        let groups = [[own, block], windows, inner];
        with_scratch(groups.iter().map(|[count, size]| count * size).sum(), |mut scratch: &mut [T]| {
            let mut registers: Slices<T> = SmallVec::new();
            for [count, size] in groups {
                let (group, rest) = std::mem::take(&mut scratch).split_at_mut(count * size);
                for register in group.chunks_mut(size.max(1)) {
                    registers.push(register);
                }
                scratch = rest;
            }
            self.splat(&mut registers);
            if let Some(feed) = feed {
                self.feeding(feed).splat(&mut registers[own + feed.fused.whole..]);
            }
            f(&mut registers);
        });
    }

    /// Fills the registers that repeat a number.
    fn splat(&self, registers: &mut [&mut [T]]) {
        for (read, operand) in self.fused.reads.iter().zip(self.operands) {
            if let (Read::Splat(r), Operand::Number(x)) = (read, operand) {
                registers[*r as usize].fill(*x);
            }
        }
    }

    /// The loop that feeds this one.
    fn feeding(&self, feed: &'r Feed) -> Running<'r, T> {
        Running::new(&feed.fused, &self.operands[self.fused.reads.len()..], self.constants)
    }

    /// Computes `n` elements of the results from element `at` on, block by block.
    fn span(&self, at: usize, n: usize, out: &mut [&mut [T]], registers: &mut [&mut [T]], streams: &[&[T]]) {
        let Fused { feed, block, cuts, .. } = self.fused;
        let mut first = 0;
        while first < n {
            let mut len = (*block).min(n - first);
            for &cut in cuts {
                if cut > at + first {
                    len = len.min(cut - at - first);
                }
            }
            let ahead = self.ahead(at + first + len, first + len, streams, out);
            match feed {
                Some(feed) => {
                    self.fill(feed, at + first, len, registers, &ahead);
                    self.block(at + first, first..first + len, out, registers, &[]);
                }
                None => self.block(at + first, first..first + len, out, registers, &ahead),
            }
            first += len;
        }
    }

    /// Computes one block, which begins at element `at` and is a range of the results.
    fn block(&self, at: usize, range: Range<usize>, out: &mut [&mut [T]], registers: &mut [&mut [T]], ahead: &[Ahead]) {
        let (first, len) = (range.start, range.len());
        let Fused { reads, parted, .. } = self.fused;
        let mut inside: SmallVec<[&[T]; 16]> = SmallVec::new();
        parted.iter().for_each(|_| inside.push(&[]));
        for (i, read) in reads.iter().enumerate() {
            match (read, &self.operands[i]) {
                (Read::Gathered(r), Operand::Strided(s)) => s.read(at, &mut registers[*r as usize][..len]),
                (Read::Part(k, part, around), operand) => {
                    let k = *k as usize;
                    let register = &mut registers[parted[k] as usize][..len];
                    if let Some(x) = read_part(operand, *part, *around, at, register) {
                        inside[k] = x;
                    }
                }
                _ => (),
            }
        }
        let mut frame = Frame { running: self, at, first, len, out, registers, inside: &inside };
        #[cfg(all(feature = "jit", target_arch = "x86_64"))]
        if super::compiled::of::<T>(self.fused).is_some_and(|compiled| compiled.run(&mut frame)) {
            return;
        }
        block::execute(&mut frame, &self.fused.instructions, ahead);
    }

    /// Fills the windows of a feed for a block of `len` elements that begins at element `at`.
    fn fill(&self, feed: &'r Feed, at: usize, len: usize, registers: &mut [&mut [T]], ahead: &[Ahead]) {
        let places = feed.last..feed.last + feed.fused.shape.iter().product::<usize>();
        let (windows, registers) = registers[self.fused.registers..].split_at_mut(feed.fused.whole);
        let mut first = 0;
        let mut inside: Slices<T> = SmallVec::new();
        for window in windows {
            let window = &mut window[..len + feed.apart];
            let (start, range) = within(places.clone(), at, window.len());
            zero_outside(&range, window);
            first = start;
            inside.push(&mut window[range]);
        }
        let n = inside[0].len();
        // A block inside the padding contains no values, which may end before it.
        if n > 0 {
            self.feeding(feed).block(first, 0..n, &mut inside, registers, ahead);
        }
    }

    /// Whether arrays are read by machine code, in one pass: then the CPU itself foresees what is read next.
    fn is_compiled(&self) -> bool {
        #[cfg(all(feature = "jit", target_arch = "x86_64"))]
        return super::compiled::of::<T>(self.fused.feed.as_ref().map_or(self.fused, |feed| &feed.fused)).is_some();
        #[cfg(not(all(feature = "jit", target_arch = "x86_64")))]
        false
    }

    /// The arrays that are read in place, each once, if they are so long that their blocks are prefetched. Those that begin
    /// within one cache line are views of the same memory.
    fn streams(&self) -> SmallVec<[&'r [T]; 16]> {
        let mut streams: SmallVec<[&'r [T]; 16]> = SmallVec::new();
        if self.fused.shape.iter().product::<usize>() * size_of::<T>() <= FAR || self.is_compiled() {
            return streams;
        }
        for operand in self.operands {
            let Operand::Whole(x) = operand else { continue };
            let near = |other: &&[T]| x.as_ptr().addr().abs_diff(other.as_ptr().addr()) < 64;
            if !streams.iter().any(near) {
                streams.push(x);
            }
        }
        streams
    }

    /// The streams and results of the next block, which starts at `at`: a block is too short for the hardware prefetcher to
    /// detect the access pattern.
    fn ahead(&self, at: usize, first: usize, streams: &[&[T]], out: &[&mut [T]]) -> SmallVec<[Ahead; 8]> {
        let mut ahead = SmallVec::new();
        if streams.is_empty() {
            return ahead;
        }
        let Fused { block, ref instructions, ref feed, .. } = *self.fused;
        let parts = feed.as_ref().map_or(instructions.len(), |feed| feed.fused.instructions.len());
        let next = |x: &[T], start: usize| Ahead::new(&x[start.min(x.len())..(start + block).min(x.len())], parts);
        streams.iter().for_each(|x| ahead.push(next(x, at)));
        out.iter().for_each(|out| ahead.push(next(out, first)));
        ahead
    }
}

/// Reads the elements of a part that are in a window starting at `at`. If they fill the window and are contiguous in
/// memory, returns them.
fn read_part<'t, T: Float>(
    operand: &Operand<'t, T>,
    part: Part,
    around: Around,
    at: usize,
    window: &mut [T],
) -> Option<&'t [T]> {
    let (first, inside) = within(part.start..part.start + part.len, at, window.len());
    if around == Around::Zeros {
        zero_outside(&inside, window);
    }
    if inside.is_empty() {
        return None;
    }
    let (from, all) = (part.from + first, inside.len() == window.len());
    match operand {
        Operand::Whole(x) if all => return Some(&x[from..][..window.len()]),
        Operand::Whole(x) => window[inside.clone()].copy_from_slice(&x[from..][..inside.len()]),
        Operand::Strided(s) => s.read(from, &mut window[inside]),
        Operand::Number(_) | Operand::Old => unreachable!("parts are of arrays"),
    }
    None
}

/// Which of some places are in a window of `len` that starts at `at`: the number of places before them, and where they are in
/// the window.
fn within(places: Range<usize>, at: usize, len: usize) -> (usize, Range<usize>) {
    let inside = places.start.clamp(at, at + len)..places.end.clamp(at, at + len);
    (inside.start - places.start.min(inside.start), inside.start - at..inside.end - at)
}

/// Zeroes what lies outside a range of a window.
fn zero_outside<T: Float>(inside: &Range<usize>, window: &mut [T]) {
    window[..inside.start].fill(T::zero());
    window[inside.end..].fill(T::zero());
}
