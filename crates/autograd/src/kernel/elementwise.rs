//! Elementwise loops over broadcast and strided operands. Operands are passed to a row's loop in contiguous blocks, so
//! that each row needs a single loop over plain slices; strides, broadcasting and threads are handled here, once, for
//! any number of operands.

use super::copy::copy_row;
use super::isa::{each, simd};
use super::scratch::with_scratch;
use super::threads;
use crate::float::Float;
use crate::tensor::layout::{Odometer, broadcast_strides, is_contiguous};
use crate::tensor::{Shape, Strides, Tensor};

/// Number of elements gathered at a time from a non-contiguous operand. A few such blocks fit in the L1 cache.
const BLOCK: usize = 1024;
/// Elements that a thread processes at a time; a multiple of [`BLOCK`].
const CHUNK: usize = 16 * BLOCK;
/// Inner axes at least this long are processed run by run; shorter ones are gathered into blocks.
const RUN: usize = 16;
/// Most operands of a loop.
const MOST: usize = 4;

/// The loop over blocks of equal length: one block per operand, and one to be written.
pub(crate) type BlockFn<'f, T, const N: usize> = dyn Fn([&[T]; N], &mut [T]) + Sync + 'f;

/// [`BlockFn`] for any number of operands.
type BlocksFn<'f, T> = dyn Fn(&[&[T]], &mut [T]) + Sync + 'f;

/// `out[i] = f(operands[i])` for a row-major `out` of the given shape; `f` receives blocks of equal length.
pub(crate) fn zip<T: Float, const N: usize>(
    shape: &[usize],
    operands: [&Tensor<T>; N],
    out: &mut [T],
    f: &BlockFn<'_, T, N>,
) {
    zip_all(shape, &operands, out, &|x, out| f(*x.first_chunk().expect("a block of each operand"), out));
}

fn zip_all<T: Float>(shape: &[usize], operands: &[&Tensor<T>], out: &mut [T], f: &BlocksFn<'_, T>) {
    if out.is_empty() {
        return;
    }
    // The common case, and the only one without overhead for small tensors.
    let mut whole: [&[T]; MOST] = [&[]; MOST];
    let whole = &mut whole[..operands.len()];
    let mut contiguous = true;
    for (whole, t) in whole.iter_mut().zip(operands) {
        match t.as_slice().filter(|_| t.shape() == shape) {
            Some(slice) => *whole = slice,
            None => contiguous = false,
        }
    }
    if contiguous {
        let whole = &*whole;
        if out.len() <= CHUNK {
            return f(whole, out);
        }
        return threads::for_each_chunk(out, CHUNK, &|i, out| {
            f(parts(whole, i * CHUNK, out.len(), &mut [&[]; MOST]), out)
        });
    }
    let walk = Walk::new(shape, operands);
    threads::for_each_chunk(out, CHUNK, &|i, out| walk.range(i * CHUNK, out, f));
}

/// The same `n` elements from `at` on of each slice, stored in `room`.
fn parts<'p, 'a, T>(x: &[&'a [T]], at: usize, n: usize, room: &'p mut [&'a [T]; MOST]) -> &'p [&'a [T]] {
    for (part, x) in room.iter_mut().zip(x) {
        *part = &x[at..at + n];
    }
    &room[..x.len()]
}

/// An operand: a buffer, the index of its first element, and its strides along the axes of the result (0 if
/// broadcast).
struct Operand<'a, T> {
    data: &'a [T],
    start: usize,
    strides: Strides,
}

impl<'a, T: Float> Operand<'a, T> {
    /// The tensor, broadcast to a result of the given shape.
    fn of(tensor: &'a Tensor<T>, shape: &[usize]) -> Self {
        let (data, start) = tensor.raw();
        Operand { data, start, strides: broadcast_strides(tensor.shape(), tensor.strides(), shape) }
    }

    fn none() -> Self {
        Operand { data: &[], start: 0, strides: Strides::new() }
    }

    /// Copies the elements from position `from` of the result on.
    fn read(&self, shape: &[usize], from: usize, out: &mut [T]) {
        let (&inner, outer) = shape.split_last().expect("at least one axis");
        let step = self.strides[outer.len()];
        let mut rows = Odometer::at(outer, [&self.strides[..outer.len()]], [self.start as isize], from / inner);
        let (mut column, mut done) = (from % inner, 0);
        while done < out.len() {
            let run = &mut out[done..];
            let len = run.len().min(inner - column);
            copy_row(self.data, rows.offsets()[0] + column as isize * step, step, &mut run[..len]);
            (done, column) = (done + len, 0);
            rows.advance();
        }
    }
}

/// Drops axes of size 1, and merges neighboring axes that every operand steps through evenly, in the strides of all
/// operands. Returns the sizes of the remaining axes, at least one.
pub(super) fn merge(shape: &[usize], strides: &mut [&mut Strides]) -> Shape {
    let mut merged = Shape::new();
    for (i, &size) in shape.iter().enumerate() {
        if size == 1 {
            continue;
        }
        let last = merged.len().wrapping_sub(1);
        let even = !merged.is_empty() && strides.iter().all(|s| s[last] == s[i] * size as isize);
        let to = if even { last } else { merged.len() };
        if even {
            merged[last] *= size;
        } else {
            merged.push(size);
        }
        // The merged strides take the place of those already read.
        strides.iter_mut().for_each(|s| s[to] = s[i]);
    }
    let rank = merged.len();
    strides.iter_mut().for_each(|s| s.truncate(rank));
    if merged.is_empty() {
        merged.push(1);
        strides.iter_mut().for_each(|s| s.push(1));
    }
    merged
}

/// How an operand is read.
#[derive(Clone, Copy, PartialEq)]
enum Read {
    /// Directly from its memory.
    Direct,
    /// From a block filled once with its only element.
    Splat,
    /// From a block, refilled for each run.
    Gather,
}

/// Operands whose axes are merged where they can be traversed as one.
struct Walk<'a, T> {
    shape: Shape,
    operands: [Operand<'a, T>; MOST],
    reads: [Read; MOST],
    /// The number of operands.
    n: usize,
}

impl<'a, T: Float> Walk<'a, T> {
    fn new(shape: &[usize], tensors: &[&'a Tensor<T>]) -> Self {
        let (n, mut operands) = (tensors.len(), [Operand::none(), Operand::none(), Operand::none(), Operand::none()]);
        for (o, t) in operands.iter_mut().zip(tensors) {
            *o = Operand::of(t, shape);
        }
        let [a, b, c, d] = &mut operands;
        let shape = merge(shape, &mut [&mut a.strides, &mut b.strides, &mut c.strides, &mut d.strides][..n]);
        let mut reads = [Read::Direct; MOST];
        for (read, o) in reads.iter_mut().zip(&operands[..n]) {
            let short = shape.len() > 1 && shape[shape.len() - 1] < RUN;
            let direct = if short { is_contiguous(&shape, &o.strides) } else { o.strides[shape.len() - 1] == 1 };
            if !direct {
                *read = if o.strides.iter().all(|&s| s == 0) { Read::Splat } else { Read::Gather };
            }
        }
        Walk { shape, operands, reads, n }
    }

    /// Computes the part of the result that begins at position `from`.
    fn range(&self, from: usize, out: &mut [T], f: &BlocksFn<'_, T>) {
        let size = out.len().min(BLOCK);
        with_scratch(self.n * size, |blocks| {
            for (k, block) in blocks.chunks_mut(size).enumerate().filter(|(k, _)| self.reads[*k] == Read::Splat) {
                block.fill(self.operands[k].data[self.operands[k].start]);
            }
            let (&inner, outer) = self.shape.split_last().expect("at least one axis");
            match inner < RUN && !outer.is_empty() {
                true => self.in_blocks(from, out, blocks, f),
                false => self.in_runs(from, out, blocks, f),
            }
        });
    }

    /// [`range`](Self::range) if the innermost axis is short: all operands but the contiguous ones are gathered.
    fn in_blocks(&self, from: usize, out: &mut [T], blocks: &mut [T], f: &BlocksFn<'_, T>) {
        let size = blocks.len() / self.n;
        for (i, out) in out.chunks_mut(BLOCK).enumerate() {
            let at = from + i * BLOCK;
            for (k, block) in blocks.chunks_mut(size).enumerate().filter(|(k, _)| self.reads[*k] == Read::Gather) {
                self.operands[k].read(&self.shape, at, &mut block[..out.len()]);
            }
            let mut x: [&[T]; MOST] = [&[]; MOST];
            for (k, block) in blocks.chunks(size).enumerate() {
                let o = &self.operands[k];
                x[k] = if self.reads[k] == Read::Direct { &o.data[o.start + at..] } else { block };
                x[k] = &x[k][..out.len()];
            }
            f(&x[..self.n], out);
        }
    }

    /// [`range`](Self::range) run by run along the innermost axis.
    fn in_runs(&self, from: usize, out: &mut [T], blocks: &mut [T], f: &BlocksFn<'_, T>) {
        let (&inner, outer) = self.shape.split_last().expect("at least one axis");
        let size = blocks.len() / self.n;
        let (mut starts, mut strides): (_, [&[isize]; MOST]) =
            ([0; MOST], [&self.operands[0].strides[..outer.len()]; MOST]);
        for (k, o) in self.operands[..self.n].iter().enumerate() {
            (starts[k], strides[k]) = (o.start as isize, &o.strides[..outer.len()]);
        }
        let mut rows = Odometer::at(outer, strides, starts, from / inner);
        let (mut column, mut done) = (from % inner, 0);
        while done < out.len() {
            let run = (inner - column).min(out.len() - done).min(BLOCK);
            let offsets = rows.offsets();
            for (k, block) in blocks.chunks_mut(size).enumerate().filter(|(k, _)| self.reads[*k] == Read::Gather) {
                let step = self.operands[k].strides[outer.len()];
                copy_row(self.operands[k].data, offsets[k] + column as isize * step, step, &mut block[..run]);
            }
            let mut x: [&[T]; MOST] = [&[]; MOST];
            for (k, block) in blocks.chunks(size).enumerate() {
                let direct = self.reads[k] == Read::Direct;
                x[k] = if direct { &self.operands[k].data[offsets[k] as usize + column..] } else { block };
                x[k] = &x[k][..run];
            }
            f(&x[..self.n], &mut out[done..done + run]);
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
pub(crate) struct Strided<'a, T> {
    shape: Shape,
    operand: Operand<'a, T>,
}

impl<'a, T: Float> Strided<'a, T> {
    /// The tensor, broadcast to a result of the given shape.
    pub(crate) fn new(tensor: &'a Tensor<T>, shape: &[usize]) -> Self {
        let mut operand = Operand::of(tensor, shape);
        Strided { shape: merge(shape, &mut [&mut operand.strides]), operand }
    }

    /// Copies the elements of the result from position `from` on.
    pub(crate) fn read(&self, from: usize, out: &mut [T]) {
        self.operand.read(&self.shape, from, out);
    }
}

/// Elements computed into a separate block before they are added. A few such blocks fit in the L1 cache.
const BESIDE: usize = 256;

/// `acc[i] += f(operands[i])`, otherwise like [`zip`], without an array for the addend.
pub(crate) fn zip_add<T: Float, const N: usize>(
    shape: &[usize],
    operands: [&Tensor<T>; N],
    acc: &mut [T],
    f: &BlockFn<'_, T, N>,
) {
    let f = |x: &[&[T]], out: &mut [T]| f(*x.first_chunk().expect("a block of each operand"), out);
    zip_all(shape, &operands, acc, &|x, acc| {
        add_beside(acc, &|at, beside| f(parts(x, at, beside.len(), &mut [&[]; MOST]), beside));
    });
}

/// `acc += x`, where `x` broadcasts to the shape of `acc`.
pub(crate) fn add_assign<T: Float>(shape: &[usize], acc: &mut [T], x: &Tensor<T>) {
    if let Some(x) = x.as_slice().filter(|_| x.shape() == shape) {
        return threads::for_each_chunk(acc, CHUNK, &|i, acc| add_block(acc, &x[i * CHUNK..i * CHUNK + acc.len()]));
    }
    let x = Strided::new(x, shape);
    threads::for_each_chunk(acc, CHUNK, &|i, acc| add_beside(acc, &|at, block| x.read(i * CHUNK + at, block)));
}

/// Adds to `acc` what `f(at, block)` writes for the elements from `at` on.
fn add_beside<T: Float>(acc: &mut [T], f: &dyn Fn(usize, &mut [T])) {
    with_scratch(acc.len().min(BESIDE), |beside| {
        for (k, acc) in acc.chunks_mut(BESIDE).enumerate() {
            let beside = &mut beside[..acc.len()];
            f(k * BESIDE, beside);
            add_block(acc, beside);
        }
    });
}

simd! {
    /// `acc[i] += x[i]`
    pub(crate) fn add_block<T: Float>(acc: &mut [T], x: &[T]) {
        each!(|x| acc = acc + x);
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
