//! Recurrent layers over whole sequences: all steps of a layer, and all steps of its derivative, in one call each.
//!
//! The sequences of a batch do not depend on each other. Each thread takes some of them through all steps, so that threads never
//! wait for one another, and states and weights stay in the cache. The weights are packed once. A step is a product with the
//! state, and one pass over memory that evaluates the [equations](cell) of the cell. Results do not depend on how the
//! batch is split.

pub(crate) mod cell;
mod rows;

use super::gemm::{Element, Mat, Packed, packed_columns, packed_rows, threads_for};
use super::scratch::with_scratch;
use super::threads;
use crate::float::{Few, once};
pub use cell::Cell;
use rows::{Back, MOST, Sizes, Step};
use smallvec::SmallVec;
use std::marker::PhantomData;

/// The maximum number of sequences that run through the steps together: their values of one step stay in the L1 cache.
const TOGETHER: usize = 32;

/// A layer, and the sizes that it is applied to.
#[derive(Clone, Copy)]
pub(crate) struct Layer {
    pub(crate) cell: Cell,
    /// Whether the sequence is read from its end.
    pub(crate) reverse: bool,
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) hidden: usize,
}

impl Layer {
    /// The element of the sequence that is read `k`-th, and the places of the states before and after it: the initial state is
    /// stored at the end where the sequence starts.
    fn places(self, k: usize) -> [usize; 3] {
        let t = if self.reverse { self.steps - 1 - k } else { k };
        [t, t + usize::from(self.reverse), t + usize::from(!self.reverse)]
    }

    /// The place of the initial state.
    fn entry(self) -> usize {
        if self.reverse { self.steps } else { 0 }
    }

    /// Calls `f` for groups of sequences, with the first sequence and their number.
    fn for_each_group(self, f: &(dyn Fn(usize, usize) + Sync), tile: usize) {
        let work = self.steps * self.batch * self.cell.gates() * self.hidden * self.hidden;
        let share = self.batch.div_ceil(threads_for(work)).next_multiple_of(tile);
        let group = share.min(TOGETHER.next_multiple_of(tile));
        threads::for_each(self.batch.div_ceil(group), &|k| f(k * group, group.min(self.batch - k * group)));
    }

    /// Calls `f` with ranges of rows, from `first` on, whose sequences all still run at element `t`, or have all ended.
    fn for_each_range<T: Element>(self, lengths: &[T], t: usize, f: &mut dyn FnMut(usize, usize, bool)) {
        let running = |i: usize| (t as f64) < lengths[i].f64();
        let mut from = 0;
        while from < lengths.len() {
            let len = (from + 1..lengths.len()).take_while(|&i| running(i) == running(from)).count() + 1;
            f(from, len, running(from));
            from += len;
        }
    }
}

/// An array `[planes, places, batch, width]` that threads fill, each the rows of its own sequences.
struct Planes<'a, T> {
    start: *mut T,
    sizes: [usize; 4],
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: the threads that share it use disjoint parts of it: the contract of `rows`.
unsafe impl<T: Send> Sync for Planes<'_, T> {}

impl<'a, T> Planes<'a, T> {
    fn new(data: &'a mut [T], sizes: [usize; 4]) -> Self {
        assert_eq!(
            data.len(),
            sizes.iter().product::<usize>(),
            "recurrent: the result does not have the sizes {sizes:?}"
        );
        Planes { start: data.as_mut_ptr(), sizes, borrow: PhantomData }
    }

    /// Some rows of a plane at a place.
    ///
    /// # Safety
    ///
    /// The caller must not hold another reference to them, and they must be those of its thread's sequences.
    unsafe fn rows(&self, plane: usize, place: usize, first: usize, rows: usize) -> &'a mut [T] {
        let [planes, places, batch, width] = self.sizes;
        assert!(plane < planes && place < places && first + rows <= batch);
        // SAFETY: within the array, by the assertion; exclusive, by the contract.
        unsafe {
            let start = self.start.add(((plane * places + place) * batch + first) * width);
            std::slice::from_raw_parts_mut(start, rows * width)
        }
    }
}

/// Some rows of a plane of an array `[planes, places, batch, width]` at a place.
fn part<T>(
    x: &[T],
    [_, places, batch, width]: [usize; 4],
    plane: usize,
    place: usize,
    first: usize,
    rows: usize,
) -> &[T] {
    &x[((plane * places + place) * batch + first) * width..][..rows * width]
}

once! {
    /// Takes all steps of a layer. From the contributions `z` of the input, `[steps, batch, gates · hidden]`, the weights `w` of
    /// the state, `[gates · hidden, hidden]`, its bias `b`, the lengths of the sequences and the parts of the initial state,
    /// computes the states at all places and the values that the backward steps read: `[planes, steps + 1, batch, hidden]`.
    /// The state of a sequence that has ended does not change.
    pub(crate) fn trace<T: Element>(layer: Layer, z: &[T], w: &[T], b: &[T], lengths: &[T], start: &[&[T]], out: &mut [T]) {
        let Layer { cell, steps, batch, hidden, .. } = layer;
        let (gates, columns) = (cell.gates(), packed_columns::<T>(hidden));
        let out = Planes::new(out, [cell.planes(), steps + 1, batch, hidden]);
        let step = rows::step::<T>(cell);
        with_scratch(gates * hidden * columns, |room| {
            let blocks = w.chunks(hidden * hidden).zip(room.chunks_mut(hidden * columns));
            let mut packed: SmallVec<[Packed<T>; 4]> = SmallVec::new();
            for (w, room) in blocks {
                packed.push(Packed::new(Mat::new(w, hidden, hidden, 1, hidden as isize), room));
            }
            layer.for_each_group(&|first, rows| {
                // SAFETY: each group has its own sequences.
                unsafe { forward(layer, step, z, &packed, b, lengths, start, &out, first, rows) };
            }, packed_rows::<T>(1));
        });
    }

    /// Takes all backward steps. From the trace of a layer and the cotangent of its states, computes the cotangents of the
    /// arguments of all steps, and at one more place those of the initial state: `[steps + 1, batch, arguments · hidden]`.
    pub(crate) fn vjp<T: Element>(layer: Layer, trace: &[T], w: &[T], lengths: &[T], g: &[T], out: &mut [T]) {
        let Layer { cell, steps, batch, hidden, .. } = layer;
        let (terms, columns) = (cell.gates() * hidden, packed_columns::<T>(hidden));
        let out = Planes::new(out, [1, steps + 1, batch, cell.arguments() * hidden]);
        let back = rows::back::<T>(cell);
        with_scratch(terms * columns, |room| {
            let packed = Packed::new(Mat::new(w, terms, hidden, hidden as isize, 1), room);
            layer.for_each_group(&|first, rows| {
                // SAFETY: each group has its own sequences.
                unsafe { backward(layer, back, trace, &packed, lengths, g, &out, first, rows) };
            }, packed_rows::<T>(1));
        });
    }
}

/// Takes some sequences through all steps.
///
/// # Safety
///
/// The sequences must be those of this thread.
#[allow(clippy::too_many_arguments, reason = "what the layer reads, and which part of it")]
unsafe fn forward<T: Element>(
    layer: Layer,
    step: Step<T>,
    z: &[T],
    w: &[Packed<T>],
    b: &[T],
    lengths: &[T],
    start: &[&[T]],
    out: &Planes<T>,
    first: usize,
    rows: usize,
) {
    let Layer { cell, steps, batch, hidden, .. } = layer;
    let (gates, states, planes) = (cell.gates(), cell.states(), cell.planes());
    let (tall, columns) = (packed_rows::<T>(rows), packed_columns::<T>(hidden));
    let lengths = &lengths[first..first + rows];
    // SAFETY: of this thread's sequences; below, the places before and after a step differ.
    let at =
        |plane: usize, place: usize, from: usize, rows: usize| unsafe { out.rows(plane, place, first + from, rows) };
    for plane in 0..planes {
        match start.get(plane) {
            Some(x) => at(plane, layer.entry(), 0, rows).copy_from_slice(&x[first * hidden..][..rows * hidden]),
            None => at(plane, layer.entry(), 0, rows).fill(T::zero()),
        }
    }
    with_scratch(gates * tall * columns + tall * hidden, |room| {
        let (products, state) = room.split_at_mut(gates * tall * columns);
        state.fill(T::zero());
        for k in 0..steps {
            let [t, before, after] = layer.places(k);
            state[..rows * hidden].copy_from_slice(at(0, before, 0, rows));
            for (w, s) in w.iter().zip(products.chunks_mut(tall * columns)) {
                w.product(Mat::row_major(state, tall, hidden), s, None);
            }
            layer.for_each_range(lengths, t, &mut |from, rows, running| {
                let mut to: SmallVec<[&mut [T]; MOST]> = (0..planes).map(|plane| at(plane, after, from, rows)).few();
                let old: SmallVec<[&[T]; MOST]> = (0..states).map(|plane| &*at(plane, before, from, rows)).few();
                if !running {
                    to[..states].iter_mut().zip(&old).for_each(|(to, old)| to.copy_from_slice(old));
                    return to[states..].iter_mut().for_each(|to| to.fill(T::zero()));
                }
                let z = &z[(t * batch + first + from) * gates * hidden..][..rows * gates * hidden];
                let s = &products[from * columns..];
                let sizes = Sizes { rows, hidden, columns, block: tall * columns };
                rows::take(step, &sizes, [z, s, b], &old, &mut to);
            });
        }
    });
}

/// Takes some sequences through all backward steps.
///
/// # Safety
///
/// The sequences must be those of this thread.
#[allow(clippy::too_many_arguments, reason = "what the derivative reads, and which part of it")]
unsafe fn backward<T: Element>(
    layer: Layer,
    back: Back<T>,
    trace: &[T],
    w: &Packed<T>,
    lengths: &[T],
    g: &[T],
    out: &Planes<T>,
    first: usize,
    rows: usize,
) {
    let Layer { cell, steps, batch, hidden, .. } = layer;
    let (gates, arguments, states, planes) = (cell.gates(), cell.arguments(), cell.states(), cell.planes());
    let (tall, columns) = (packed_rows::<T>(rows), packed_columns::<T>(hidden));
    let lengths = &lengths[first..first + rows];
    let sizes = [planes, steps + 1, batch, hidden];
    // SAFETY: of this thread's sequences, each place used once.
    let to = |place: usize, from: usize, rows: usize| unsafe { out.rows(0, place, first + from, rows) };
    with_scratch((states + gates) * tall * columns.max(hidden), |room| {
        let (bars, pulled) = room.split_at_mut(states * tall * columns);
        let pulled = &mut pulled[..tall * gates * hidden];
        bars.fill(T::zero());
        pulled.fill(T::zero());
        for k in (0..steps).rev() {
            let [t, before, after] = layer.places(k);
            layer.for_each_range(lengths, t, &mut |from, rows, running| {
                let read = |x, plane, place| part(x, sizes, plane, place, first + from, rows);
                let mut x: SmallVec<[&[T]; MOST]> = (0..states).map(|plane| read(g, plane, after)).few();
                x.extend((0..states).map(|plane| read(trace, plane, before)));
                x.extend((0..planes).map(|plane| read(trace, plane, after)));
                let (deltas, pulled) =
                    (to(t, from, rows), &mut pulled[from * gates * hidden..][..rows * gates * hidden]);
                let (sizes, bars) =
                    (Sizes { rows, hidden, columns, block: tall * columns }, &mut bars[from * columns..]);
                if running {
                    return rows::take_back(back, &sizes, &x, bars, deltas, pulled);
                }
                deltas.fill(T::zero());
                pulled.fill(T::zero());
                rows::add(&sizes, &x[..states], bars);
            });
            w.product(Mat::row_major(pulled, tall, gates * hidden), &mut bars[..tall * columns], Some(T::ONE));
        }
        let x: SmallVec<[&[T]; MOST]> =
            (0..states).map(|plane| part(g, sizes, plane, layer.entry(), first, rows)).few();
        rows::add(&Sizes { rows, hidden, columns, block: tall * columns }, &x, bars);
        let last = to(steps, 0, rows);
        last.fill(T::zero());
        for (i, row) in last.chunks_mut(arguments * hidden).enumerate() {
            for k in 0..states {
                row[k * hidden..][..hidden].copy_from_slice(&bars[k * tall * columns + i * columns..][..hidden]);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::Float;

    /// The trace of a layer and the cotangents of its steps.
    fn both<T: Float>(layer: Layer) -> [Vec<T>; 2] {
        let Layer { cell, steps, batch, hidden, .. } = layer;
        let numbers =
            |n: usize, by: usize| -> Vec<T> { (0..n).map(|i| T::of(((i * by) % 101) as f64 / 50.0 - 1.0)).collect() };
        let (width, size) = (cell.gates() * hidden, batch * hidden);
        let (z, w, b) = (numbers(steps * batch * width, 37), numbers(width * hidden, 29), numbers(width, 7));
        let lengths: Vec<T> = (0..batch).map(|i| T::of((i % (steps + 1)) as f64)).collect();
        let start = vec![numbers(size, 41); cell.states()];
        let start: Vec<&[T]> = start.iter().map(Vec::as_slice).collect();
        let mut out = vec![T::NAN; cell.planes() * (steps + 1) * size];
        trace(layer, &z, &w, &b, &lengths, &start, &mut out);
        let mut bars = vec![T::NAN; (steps + 1) * cell.arguments() * size];
        vjp(layer, &out, &w, &lengths, &numbers(cell.states() * (steps + 1) * size, 43), &mut bars);
        [out, bars]
    }

    /// The bits depend neither on the number of threads, nor on which other sequences there are.
    #[test]
    fn sequences_do_not_depend_on_each_other() {
        fn check<T: Float>() {
            for &cell in Cell::ALL {
                for (hidden, reverse) in [(33, false), (16, true), (5, false)] {
                    let layer = Layer { cell, reverse, steps: 8, batch: 90, hidden };
                    let alone = threads::with_threads(1, || both::<T>(layer));
                    assert!(alone.iter().flatten().all(|x| x.is_finite()));
                    assert!(threads::with_threads(3, || both::<T>(layer)) == alone, "{cell:?} of {hidden} units");
                }
            }
        }
        check::<f32>();
        check::<f64>();
    }
}
