//! The passes over memory of a recurrent step: the equations of a cell, evaluated on the rows of some sequences.

use super::cell::{self, Cell, Equations};
use crate::float::{E, Float};
use crate::kernel::isa::simd;

/// Elements that are processed together.
const LANES: usize = 16;
/// The most arrays that a pass reads or writes besides those with rows of their own kind.
pub(super) const MOST: usize = 12;

/// The rows of a pass: how many, their length, and how the arrays in scratch memory hold them: blocks of `block` elements, in
/// which rows are `columns` apart.
pub(super) struct Sizes {
    pub(super) rows: usize,
    pub(super) hidden: usize,
    pub(super) columns: usize,
    pub(super) block: usize,
}

/// A step. Reads the contributions of the input, those of the state in blocks by gate, and the bias; and the states before.
/// Writes the states after and what the step back reads.
pub(super) type Step<T> = fn(&Sizes, [&[T]; 3], &[&[T]], &mut [&mut [T]]);

/// A step back. Reads the cotangents of the states after the step; the states before; the states after and what the step kept.
/// Adds the first to the cotangents in blocks, and replaces those by the cotangents of the states before. Writes the cotangents
/// of the arguments, and those of the contributions of the state once more.
pub(super) type Back<T> = fn(&Sizes, &[&[T]], &mut [T], &mut [T], &mut [T]);

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

/// Up to [`LANES`] elements; zeros behind them.
#[inline(always)]
fn load<T: Float>(x: &[T], at: usize, len: usize) -> [T; LANES] {
    let x = &x[at..at + len];
    if let Some(whole) = x.first_chunk() {
        return *whole;
    }
    let mut lanes = [T::zero(); LANES];
    lanes[..len].copy_from_slice(x);
    lanes
}

#[inline(always)]
fn store<T: Float>(lanes: [T; LANES], out: &mut [T], at: usize, len: usize) {
    let out = &mut out[at..at + len];
    match out.first_chunk_mut() {
        Some(whole) => *whole = lanes,
        None => out.copy_from_slice(&lanes[..len]),
    }
}

#[inline(always)]
fn step_rows<C: Equations<G, A, N, K>, T: Float, const G: usize, const A: usize, const N: usize, const K: usize>(
    sizes: &Sizes,
    [z, s, b]: [&[T]; 3],
    before: &[&[T]],
    out: &mut [&mut [T]],
) {
    let &Sizes { rows, hidden, columns, block } = sizes;
    for row in 0..rows {
        for column in (0..hidden).step_by(LANES) {
            let (len, at) = (LANES.min(hidden - column), row * hidden + column);
            let (mut of_input, mut of_state) = ([[T::zero(); LANES]; G], [[T::zero(); LANES]; G]);
            let (mut old, mut new, mut kept) =
                ([[T::zero(); LANES]; N], [[T::zero(); LANES]; N], [[T::zero(); LANES]; K]);
            for q in 0..G {
                of_input[q] = load(z, (row * G + q) * hidden + column, len);
                of_state[q] = load(s, q * block + row * columns + column, len);
                let bias = load(b, q * hidden + column, len);
                for l in 0..LANES {
                    of_state[q][l] += bias[l];
                }
            }
            for n in 0..N {
                old[n] = load(before[n], at, len);
            }
            for l in 0..LANES {
                let (after, keep) = C::step(of_input.map(|x| E(x[l])), of_state.map(|x| E(x[l])), old.map(|x| E(x[l])));
                for n in 0..N {
                    new[n][l] = after[n].0;
                }
                for k in 0..K {
                    kept[k][l] = keep[k].0;
                }
            }
            for n in 0..N {
                store(new[n], out[n], at, len);
            }
            for k in 0..K {
                store(kept[k], out[N + k], at, len);
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
        for column in (0..hidden).step_by(LANES) {
            let (len, at) = (LANES.min(hidden - column), row * hidden + column);
            let (mut bar, mut old, mut new) =
                ([[T::zero(); LANES]; N], [[T::zero(); LANES]; N], [[T::zero(); LANES]; N]);
            let (mut keep, mut arguments) = ([[T::zero(); LANES]; K], [[T::zero(); LANES]; A]);
            for n in 0..N {
                (old[n], new[n]) = (load(before[n], at, len), load(after[n], at, len));
                bar[n] = load(bars, n * block + row * columns + column, len);
                let arrived = load(g[n], at, len);
                for l in 0..LANES {
                    bar[n][l] += arrived[l];
                }
            }
            for k in 0..K {
                keep[k] = load(kept[k], at, len);
            }
            for l in 0..LANES {
                let at = |x: [T; LANES]| E(x[l]);
                let (argument, passed) = C::back(bar.map(at), old.map(at), new.map(at), keep.map(at));
                for a in 0..A {
                    arguments[a][l] = argument[a].0;
                }
                for n in 0..N {
                    bar[n][l] = passed[n].0;
                }
            }
            for a in 0..A {
                store(arguments[a], deltas, (row * A + a) * hidden + column, len);
            }
            for q in 0..G {
                store(arguments[C::OF_STATE[q]], pulled, (row * G + q) * hidden + column, len);
            }
            for n in 0..N {
                store(bar[n], bars, n * block + row * columns + column, len);
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
