//! The passes over memory of a recurrent step: the equations of a cell, evaluated on the rows of some sequences.

use super::cell::{self, Cell, Equations};
use crate::float::{E, Few, Float, Real, for_real};
use crate::kernel::isa::simd;
use crate::kernel::scratch::with_scratch;
use smallvec::SmallVec;

/// Elements that are processed together.
const LANES: usize = 16;
/// The maximum number of arrays that a pass reads or writes, apart from those with special rows.
pub(super) const MOST: usize = 16;

/// The rows of a pass: how many, their length, and how the arrays in scratch memory hold them: blocks of `block` elements, in
/// which rows are `columns` apart.
pub(super) struct Sizes {
    pub(super) rows: usize,
    pub(super) hidden: usize,
    pub(super) columns: usize,
    pub(super) block: usize,
}

/// A step. Reads the contributions of the input, those of the state in blocks by gate, and the bias; and the states before.
/// Writes the states after the step and the values that the backward step reads. Processes only whole vectors; the
/// remainder of the rows is not touched.
pub(super) type Step<T> = fn(&Sizes, [&[T]; 3], &[&[T]], &mut [&mut [T]]);

/// A backward step. Reads the cotangents of the states after the step; the states before; the states after and the values that
/// the step stored. Adds the first to the cotangents in blocks, and replaces those by the cotangents of the states before.
/// Writes the cotangents of the arguments, and those of the contributions of the state once more. In whole vectors.
pub(super) type Back<T> = fn(&Sizes, &[&[T]], &mut [T], &mut [T], &mut [T]);

/// A step of whole rows.
pub(super) fn take<T: Float>(step: Step<T>, sizes: &Sizes, x: [&[T]; 3], before: &[&[T]], out: &mut [&mut [T]]) {
    step(sizes, x, before, out);
    let Some(rest) = Rest::of(sizes) else { return };
    let ([z, s, b], gates) = (x, x[2].len() / sizes.hidden);
    let (rows, block) = (sizes.rows, sizes.rows * LANES);
    with_scratch((2 * gates + before.len() + out.len()) * block + gates * LANES, |room| {
        let (bias, room) = room.split_at_mut(gates * LANES);
        let (inner, room) = room.split_at_mut(2 * gates * block);
        let (of_input, of_state) = inner.split_at_mut(gates * block);
        let (old, new) = room.split_at_mut(before.len() * block);
        rest.gather(b, sizes.hidden, bias);
        rest.gather(z, sizes.hidden, of_input);
        rest.gather_all(&s.chunks(sizes.block).few::<[_; MOST]>(), sizes.columns, of_state);
        rest.gather_all(before, sizes.hidden, old);
        let old: SmallVec<[&[T]; MOST]> = old.chunks(block).few();
        let mut to: SmallVec<[&mut [T]; MOST]> = new.chunks_mut(block).few();
        step(&Sizes { rows, hidden: LANES, columns: LANES, block }, [of_input, of_state, bias], &old, &mut to);
        to.iter().zip(out).for_each(|(x, out)| rest.scatter(x, out, sizes.hidden));
    });
}

/// A backward step of whole rows.
pub(super) fn take_back<T: Float>(
    back: Back<T>,
    sizes: &Sizes,
    x: &[&[T]],
    bars: &mut [T],
    deltas: &mut [T],
    pulled: &mut [T],
) {
    back(sizes, x, bars, deltas, pulled);
    let Some(rest) = Rest::of(sizes) else { return };
    let (rows, block, whole) = (sizes.rows, sizes.rows * LANES, sizes.rows * sizes.hidden);
    let [states, arguments, gates] = [bars.len().div_ceil(sizes.block), deltas.len() / whole, pulled.len() / whole];
    with_scratch((x.len() + states + arguments + gates) * block, |room| {
        let (old, room) = room.split_at_mut(x.len() * block);
        let (bar, room) = room.split_at_mut(states * block);
        let (delta, pull) = room.split_at_mut(arguments * block);
        rest.gather_all(x, sizes.hidden, old);
        rest.gather_all(&bars.chunks(sizes.block).few::<[_; MOST]>(), sizes.columns, bar);
        let old: SmallVec<[&[T]; MOST]> = old.chunks(block).few();
        back(&Sizes { rows, hidden: LANES, columns: LANES, block }, &old, bar, delta, pull);
        bar.chunks(block).zip(bars.chunks_mut(sizes.block)).for_each(|(x, out)| rest.scatter(x, out, sizes.columns));
        rest.scatter(delta, deltas, sizes.hidden);
        rest.scatter(pull, pulled, sizes.hidden);
    });
}

/// The remaining columns of rows after whole vectors. They are computed in separate memory, padded to a vector.
struct Rest {
    from: usize,
    len: usize,
}

impl Rest {
    /// `None` if nothing is left.
    fn of(sizes: &Sizes) -> Option<Self> {
        let len = sizes.hidden % LANES;
        (len > 0).then_some(Rest { from: sizes.hidden - len, len })
    }

    fn gather<T: Float>(&self, x: &[T], stride: usize, to: &mut [T]) {
        for (i, to) in to.chunks_mut(LANES).enumerate() {
            to[..self.len].copy_from_slice(&x[i * stride + self.from..][..self.len]);
            to[self.len..].fill(T::zero());
        }
    }

    /// Gathers equally many rows of each array.
    fn gather_all<T: Float>(&self, x: &[&[T]], stride: usize, to: &mut [T]) {
        let block = to.len() / x.len();
        x.iter().zip(to.chunks_mut(block)).for_each(|(x, to)| self.gather(x, stride, to));
    }

    fn scatter<T: Float>(&self, x: &[T], out: &mut [T], stride: usize) {
        for (i, x) in x.chunks(LANES).enumerate() {
            out[i * stride + self.from..][..self.len].copy_from_slice(&x[..self.len]);
        }
    }
}

macro_rules! passes {
    ($($Cell:ident $step:ident $back:ident),*) => {
        pub(super) fn step<T: Float>(cell: Cell) -> Step<T> {
            match cell { $(Cell::$Cell => $step::<T>),* }
        }

        pub(super) fn back<T: Float>(cell: Cell) -> Back<T> {
            match cell { $(Cell::$Cell => $back::<T>),* }
        }

        $(
            simd! {
                fn $step<T: Float>(sizes: &Sizes, x: [&[T]; 3], before: &[&[T]], out: &mut [&mut [T]]) {
                    step_rows::<cell::$Cell, T, _, _, _, _>(sizes, x, before, out);
                }
            }

            simd! {
                fn $back<T: Float>(sizes: &Sizes, x: &[&[T]], bars: &mut [T], deltas: &mut [T], pulled: &mut [T]) {
                    back_rows::<cell::$Cell, T, _, _, _, _>(sizes, x, bars, deltas, pulled);
                }
            }
        )*
    };
}
passes!(Tanh step_tanh back_tanh, Relu step_relu back_relu, Gru step_gru back_gru, Lstm step_lstm back_lstm);

/// Neighboring elements as one number, so that each operation of an equation is a loop of its own, which the compiler turns
/// into vector instructions.
#[derive(Clone, Copy)]
struct Lanes<T>([T; LANES]);

impl<T: Float> Lanes<T> {
    #[inline(always)]
    fn load(x: &[T], at: usize) -> E<Self> {
        E(Lanes(*x[at..at + LANES].first_chunk().expect("it has that length")))
    }

    #[inline(always)]
    fn store(self, out: &mut [T], at: usize) {
        *out[at..at + LANES].first_chunk_mut().expect("it has that length") = self.0;
    }
}

macro_rules! lane_by_lane {
    (unary: $($u:ident $U:ident),*; binary: $($b:ident $B:ident),*;) => {
        impl<T: Float> Real for Lanes<T> {
            #[inline(always)]
            fn lit(self, c: f64) -> Self {
                Lanes([T::of(c); LANES])
            }
            #[inline(always)]
            fn select(mut self, a: Self, b: Self) -> Self {
                for l in 0..LANES {
                    self.0[l] = Real::select(self.0[l], a.0[l], b.0[l]);
                }
                self
            }
            $(#[inline(always)]
            fn $u(mut self) -> Self {
                for l in 0..LANES {
                    self.0[l] = Real::$u(self.0[l]);
                }
                self
            })*
            $(#[inline(always)]
            fn $b(mut self, b: Self) -> Self {
                for l in 0..LANES {
                    self.0[l] = Real::$b(self.0[l], b.0[l]);
                }
                self
            })*
        }
    };
}
for_real!(lane_by_lane);

#[inline(always)]
fn step_rows<C: Equations<G, A, N, K>, T: Float, const G: usize, const A: usize, const N: usize, const K: usize>(
    sizes: &Sizes,
    [z, s, b]: [&[T]; 3],
    before: &[&[T]],
    out: &mut [&mut [T]],
) {
    let &Sizes { rows, hidden, columns, block } = sizes;
    for row in 0..rows {
        for column in (0..hidden - hidden % LANES).step_by(LANES) {
            let at = row * hidden + column;
            let (mut of_input, mut of_state) = ([E(Lanes([T::zero(); LANES])); G], [E(Lanes([T::zero(); LANES])); G]);
            let mut old = [E(Lanes([T::zero(); LANES])); N];
            for q in 0..G {
                of_input[q] = Lanes::load(z, (row * G + q) * hidden + column);
                let bias = Lanes::load(b, q * hidden + column);
                of_state[q] = Lanes::load(s, q * block + row * columns + column) + bias;
            }
            for n in 0..N {
                old[n] = Lanes::load(before[n], at);
            }
            let (new, kept) = C::step(of_input, of_state, old);
            for n in 0..N {
                new[n].0.store(out[n], at);
            }
            for k in 0..K {
                kept[k].0.store(out[N + k], at);
            }
        }
    }
}

#[inline(always)]
fn back_rows<C: Equations<G, A, N, K>, T: Float, const G: usize, const A: usize, const N: usize, const K: usize>(
    sizes: &Sizes,
    x: &[&[T]],
    bars: &mut [T],
    deltas: &mut [T],
    pulled: &mut [T],
) {
    let &Sizes { rows, hidden, columns, block } = sizes;
    let (g, x) = x.split_at(N);
    let (before, x) = x.split_at(N);
    let (after, kept) = x.split_at(N);
    for row in 0..rows {
        for column in (0..hidden - hidden % LANES).step_by(LANES) {
            let at = row * hidden + column;
            let none = E(Lanes([T::zero(); LANES]));
            let (mut bar, mut old, mut new, mut keep) = ([none; N], [none; N], [none; N], [none; K]);
            for n in 0..N {
                (old[n], new[n]) = (Lanes::load(before[n], at), Lanes::load(after[n], at));
                bar[n] = Lanes::load(bars, n * block + row * columns + column) + Lanes::load(g[n], at);
            }
            for k in 0..K {
                keep[k] = Lanes::load(kept[k], at);
            }
            let (arguments, passed) = C::back(bar, old, new, keep);
            for (a, argument) in arguments.iter().enumerate() {
                argument.0.store(deltas, (row * A + a) * hidden + column);
            }
            for q in 0..G {
                arguments[C::OF_STATE[q]].0.store(pulled, (row * G + q) * hidden + column);
            }
            for (n, bar) in passed.iter().enumerate() {
                bar.0.store(bars, n * block + row * columns + column);
            }
        }
    }
}

/// Adds contiguous rows to the rows of blocks.
pub(super) fn add<T: Float>(sizes: &Sizes, x: &[&[T]], blocks: &mut [T]) {
    let &Sizes { rows, hidden, columns, block } = sizes;
    for (k, x) in x.iter().enumerate() {
        for row in 0..rows {
            let to = &mut blocks[k * block + row * columns..][..hidden];
            to.iter_mut().zip(&x[row * hidden..]).for_each(|(to, &x)| *to += x);
        }
    }
}
