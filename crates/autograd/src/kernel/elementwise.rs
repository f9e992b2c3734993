//! Elementwise loops over broadcast and strided operands. Operands are passed to a row's loop in contiguous blocks, so
//! that each row needs a single loop over plain slices; strides, broadcasting and threads are handled here, once.

use super::threads;
use crate::float::{Element, Float};
use crate::tensor::layout::{Odometer, is_contiguous};
use crate::tensor::{Shape, Strides, Tensor};
use smallvec::SmallVec;

/// Number of elements gathered at a time from a non-contiguous operand. A few such blocks fit in the L1 cache.
const BLOCK: usize = 1024;
/// Elements that a thread processes at a time; a multiple of [`BLOCK`].
const CHUNK: usize = 16 * BLOCK;
/// Inner axes at least this long are processed run by run; shorter ones are gathered into blocks.
const RUN: usize = 16;

/// An operand: a buffer, the index of its first element, and its strides along the axes of the result (0 if
/// broadcast).
#[derive(Clone)]
pub(crate) struct Operand<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) start: usize,
    pub(crate) strides: Strides,
}

impl<'a, T: Element> Operand<'a, T> {
    /// The tensor, broadcast to a result of the given shape.
    pub(crate) fn of(tensor: &'a Tensor<T>, shape: &[usize]) -> Self {
        let (data, start) = tensor.raw();
        let strides = crate::tensor::layout::broadcast_strides(tensor.shape(), tensor.strides(), shape);
        Operand { data, start, strides }
    }
}

/// The loop over blocks of equal length: one block per operand, and one to be written.
pub(crate) type BlockFn<'f, T, const N: usize> = dyn Fn([&[T]; N], &mut [T]) + Sync + 'f;

/// `out[i] = f(operands[i])` for a row-major `out` of the given shape; `f` receives blocks of equal length.
pub(crate) fn zip<T: Element, const N: usize>(
    shape: &[usize],
    operands: [&Tensor<T>; N],
    out: &mut [T],
    f: &BlockFn<'_, T, N>,
) {
    if out.is_empty() {
        return;
    }
    // The common case, and the only one without overhead for small tensors.
    let whole = operands.map(|t| if t.shape() == shape { t.as_slice() } else { None });
    if whole.iter().all(Option::is_some) {
        let whole = whole.map(|s| s.expect("just checked"));
        return threads::for_each_chunk(out, CHUNK, &|i, out| {
            let at = i * CHUNK;
            f(whole.map(|s| &s[at..at + out.len()]), out);
        });
    }
    let walk = Walk::new(shape, operands.map(|t| Operand::of(t, shape)));
    threads::for_each_chunk(out, CHUNK, &|i, out| walk.range(i * CHUNK, out, f));
}

/// Operands whose axes are merged where they can be traversed as one.
struct Walk<'a, T, const N: usize> {
    shape: Shape,
    operands: [Operand<'a, T>; N],
}

impl<'a, T: Element, const N: usize> Walk<'a, T, N> {
    /// Drops axes of size 1 and merges neighboring axes that every operand steps through evenly.
    fn new(shape: &[usize], operands: [Operand<'a, T>; N]) -> Self {
        let mut merged = Shape::new();
        let mut strides: [Strides; N] = [(); N].map(|_| Strides::new());
        for (i, &size) in shape.iter().enumerate().filter(|(_, d)| **d != 1) {
            let even = |k: usize| strides[k].last() == Some(&(operands[k].strides[i] * size as isize));
            if !merged.is_empty() && (0..N).all(even) {
                *merged.last_mut().expect("not empty") *= size;
                (0..N).for_each(|k| *strides[k].last_mut().expect("as long") = operands[k].strides[i]);
            } else {
                merged.push(size);
                (0..N).for_each(|k| strides[k].push(operands[k].strides[i]));
            }
        }
        if merged.is_empty() {
            merged.push(1);
            strides.iter_mut().for_each(|s| s.push(1));
        }
        let mut strides = strides.into_iter();
        let operands = operands.map(|o| Operand { strides: strides.next().expect("one per operand"), ..o });
        Walk { shape: merged, operands }
    }

    /// Computes the part of the result that begins at position `from`.
    fn range(&self, from: usize, out: &mut [T], f: &BlockFn<'_, T, N>) {
        let (&inner, outer) = self.shape.split_last().expect("at least one axis");
        let mut scratch = Scratch::<T, N>::new(&self.operands, &self.shape, out.len().min(BLOCK));
        if inner < RUN && !outer.is_empty() {
            for (k, out) in out.chunks_mut(BLOCK).enumerate() {
                let at = from + k * BLOCK;
                scratch.gather(&self.operands, &self.shape, at, out.len());
                f(scratch.blocks(&self.operands, out.len(), |o| o.start + at), out);
            }
            return;
        }
        let starts = self.operands.each_ref().map(|o| o.start as isize);
        let outer_strides = self.operands.each_ref().map(|o| &o.strides[..outer.len()]);
        let mut rows = Odometer::at(outer, outer_strides, starts, from / inner);
        let (mut column, mut done) = (from % inner, 0);
        while done < out.len() {
            let run = (inner - column).min(out.len() - done).min(BLOCK);
            let offsets = rows.offsets();
            scratch.fill_runs(&self.operands, offsets, column, run);
            let mut k = 0;
            let at = |_: &Operand<T>| {
                k += 1;
                offsets[k - 1] as usize + column
            };
            f(scratch.blocks(&self.operands, run, at), &mut out[done..done + run]);
            done += run;
            column += run;
            if column == inner {
                column = 0;
                rows.advance();
            }
        }
    }
}

/// A single non-contiguous operand, to be read block by block.
pub(crate) struct Strided<'a, T>(Walk<'a, T, 1>);

impl<'a, T: Element> Strided<'a, T> {
    /// The tensor, broadcast to a result of the given shape.
    pub(crate) fn new(tensor: &'a Tensor<T>, shape: &[usize]) -> Self {
        Strided(Walk::new(shape, [Operand::of(tensor, shape)]))
    }

    /// Copies the elements of the result from position `from` on.
    pub(crate) fn read(&self, from: usize, out: &mut [T]) {
        let Walk { shape, operands: [Operand { data, start, strides }] } = &self.0;
        let (&inner, outer) = shape.split_last().expect("at least one axis");
        let step = strides[outer.len()];
        let mut rows = Odometer::at(outer, [&strides[..outer.len()]], [*start as isize], from / inner);
        let (mut column, mut done) = (from % inner, 0);
        while done < out.len() {
            let run = &mut out[done..];
            let len = run.len().min(inner - column);
            let first = rows.offsets()[0] + column as isize * step;
            crate::tensor::copy_row(data, first, step, &mut run[..len]);
            (done, column) = (done + len, 0);
            rows.advance();
        }
    }
}

/// How the innermost axis of an operand is read.
#[derive(Clone, Copy, PartialEq)]
enum Read {
    /// Directly from its memory.
    Direct,
    /// From a block filled once with its only element.
    Splat,
    /// From a block, refilled for each run.
    Gather,
}

/// Scratch blocks for the operands that cannot be read directly.
struct Scratch<T: Element, const N: usize> {
    reads: [Read; N],
    blocks: [Option<Tensor<T>>; N],
}

impl<T: Element, const N: usize> Scratch<T, N> {
    fn new(operands: &[Operand<T>; N], shape: &[usize], block: usize) -> Self {
        let short = shape.len() > 1 && shape[shape.len() - 1] < RUN;
        let reads = operands.each_ref().map(|o| {
            let direct = if short { is_contiguous(shape, &o.strides) } else { o.strides[shape.len() - 1] == 1 };
            match direct {
                true => Read::Direct,
                false if o.strides.iter().all(|&s| s == 0) => Read::Splat,
                false => Read::Gather,
            }
        });
        let mut k = 0;
        let blocks = operands.each_ref().map(|o| {
            k += 1;
            (reads[k - 1] != Read::Direct).then(|| Tensor::build(&[block], |b| b.fill(o.data[o.start])))
        });
        Scratch { reads, blocks }
    }

    /// Fills the blocks of gathered operands with `n` elements, starting at position `at` of the result.
    fn gather(&mut self, operands: &[Operand<T>; N], shape: &[usize], at: usize, n: usize) {
        for (k, o) in operands.iter().enumerate().filter(|(k, _)| self.reads[*k] == Read::Gather) {
            let mut walk = Odometer::at(shape, [&o.strides], [o.start as isize], at);
            for x in &mut Self::block(&mut self.blocks[k])[..n] {
                *x = o.data[walk.offsets()[0] as usize];
                walk.advance();
            }
        }
    }

    /// Fills the blocks of gathered operands with a run along the innermost axis.
    fn fill_runs(&mut self, operands: &[Operand<T>; N], offsets: [isize; N], column: usize, run: usize) {
        for (k, o) in operands.iter().enumerate().filter(|(k, _)| self.reads[*k] == Read::Gather) {
            let step = *o.strides.last().expect("at least one axis");
            let first = offsets[k] + column as isize * step;
            let block = &mut Self::block(&mut self.blocks[k])[..run];
            if step == 0 {
                block.fill(o.data[first as usize]);
            } else {
                block.iter_mut().enumerate().for_each(|(i, x)| *x = o.data[(first + i as isize * step) as usize]);
            }
        }
    }

    /// `n` elements of each operand: from its memory at `at`, or from its block.
    fn blocks<'a>(
        &'a self,
        operands: &[Operand<'a, T>; N],
        n: usize,
        mut at: impl FnMut(&Operand<T>) -> usize,
    ) -> [&'a [T]; N] {
        let mut k = 0;
        operands.each_ref().map(|o| {
            let start = at(o);
            k += 1;
            match &self.blocks[k - 1] {
                None => &o.data[start..start + n],
                Some(block) => &block.as_slice().expect("a block is contiguous")[..n],
            }
        })
    }

    fn block(block: &mut Option<Tensor<T>>) -> &mut [T] {
        block.as_mut().and_then(Tensor::unique_mut).expect("a gathered operand has a block of its own")
    }
}

/// Elements computed into a scratch block before they are added. A few such blocks fit in the L1 cache.
const BESIDE: usize = 256;

/// `acc[i] += f(operands[i])`, otherwise like [`zip`], without an array for the addend.
pub(crate) fn zip_add<T: Float, const N: usize>(
    shape: &[usize],
    operands: [&Tensor<T>; N],
    acc: &mut [T],
    f: &BlockFn<'_, T, N>,
) {
    zip(shape, operands, acc, &|x, acc| {
        let mut beside = [T::zero(); BESIDE];
        for (k, acc) in acc.chunks_mut(BESIDE).enumerate() {
            let (at, beside) = (k * BESIDE, &mut beside[..acc.len()]);
            f(x.map(|x| &x[at..at + acc.len()]), beside);
            add_block(acc, beside);
        }
    });
}

/// `acc += x`, where `x` broadcasts to the shape of `acc`.
pub(crate) fn add_assign<T: Float>(shape: &[usize], acc: &mut [T], x: &Tensor<T>) {
    if let Some(x) = x.as_slice().filter(|_| x.shape() == shape) {
        return threads::for_each_chunk(acc, CHUNK, &|i, acc| add_block(acc, &x[i * CHUNK..i * CHUNK + acc.len()]));
    }
    let walk = Walk::new(shape, [Operand::of(x, shape)]);
    threads::for_each_chunk(acc, CHUNK, &|i, acc| {
        let mut block: SmallVec<[T; 256]> = SmallVec::from_elem(T::zero(), acc.len().min(256));
        for (k, acc) in acc.chunks_mut(256).enumerate() {
            walk.range(i * CHUNK + k * 256, &mut block[..acc.len()], &|[x], out| out.copy_from_slice(x));
            add_block(acc, &block[..acc.len()]);
        }
    });
}

super::isa::simd! {
    fn add_block<T: Float>(acc: &mut [T], x: &[T]) {
        acc.iter_mut().zip(x).for_each(|(a, &x)| *a += x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Element by element, by definition.
    fn slow(shape: &[usize], a: &Tensor<f64>, b: &Tensor<f64>) -> Vec<f64> {
        a.broadcast_view(shape).iter().zip(b.broadcast_view(shape).iter()).map(|(a, b)| a - 3.0 * b).collect()
    }

    fn check(shape: &[usize], a: &Tensor<f64>, b: &Tensor<f64>) {
        let out = Tensor::build(shape, |out| {
            zip(shape, [a, b], out, &|[a, b], out| (0..out.len()).for_each(|i| out[i] = a[i] - 3.0 * b[i]));
        });
        assert_eq!(out.to_vec(), slow(shape, a, b), "{shape:?} {:?} {:?}", a.strides(), b.strides());
        let mut acc = vec![1.0; out.len()];
        add_assign(shape, &mut acc, b);
        assert!(acc.iter().zip(b.broadcast_view(shape).iter()).all(|(acc, b)| *acc == 1.0 + b));
        let mut acc = vec![1.0; out.len()];
        zip_add(shape, [a, b], &mut acc, &|[a, b], out| (0..out.len()).for_each(|i| out[i] = a[i] - 3.0 * b[i]));
        assert!(acc.iter().zip(out.iter()).all(|(acc, y)| *acc == 1.0 + y));
    }

    #[test]
    fn all_lengths_strides_and_repeats() {
        for n in (0..70).chain([1023, 1024, 1025, 16384, 40_000]) {
            let v = Tensor::arange(n);
            check(&[n], &v, &v);
            check(&[n], &v, &Tensor::scalar(2.0));
            check(&[3, n], &Tensor::arange(3 * n).as_shape(&[3, n]), &v);
            check(
                &[n, 3],
                &Tensor::arange(3 * n).as_shape(&[3, n]).permuted(&[1, 0]),
                &Tensor::arange(n).as_shape(&[n, 1]),
            );
            check(&[n, 20], &Tensor::arange(20), &Tensor::arange(20 * n).as_shape(&[20, n]).permuted(&[1, 0]));
        }
        let a = Tensor::arange(2 * 3 * 4 * 5).as_shape(&[2, 3, 4, 5]);
        check(&[2, 3, 4, 5], &a, &Tensor::arange(4).as_shape(&[4, 1]));
        check(&[5, 3, 4, 2], &a.permuted(&[3, 1, 2, 0]), &Tensor::arange(30).as_shape(&[5, 3, 1, 2]));
    }
}
