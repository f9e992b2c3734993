//! Reductions. Sums run in a fixed order that depends only on the shape, never on the number of threads: lanes within
//! a row, then blocks of rows, then one block after another. This also keeps rounding errors small on long axes.

use super::isa::{each, simd};
use super::scratch::with_scratch;
use super::threads;
use crate::float::Float;

/// A sequential fold of elements, whose partial results are combined by an associative operation.
pub(crate) trait Fold {
    /// The element type.
    type T: Float;
    /// The fold that combines partial results: the same one, except where elements are transformed first.
    type Partial: Fold<T = Self::T>;
    /// The result of an empty fold.
    fn identity() -> Self::T;
    /// Combines the result so far with the next element.
    fn combine(a: Self::T, b: Self::T) -> Self::T;
}

/// Defines a fold by its identity, its formula, and the fold that combines partial results.
macro_rules! fold {
    ($(#[$doc:meta])* $Name:ident, $Partial:ident: $identity:expr, |$a:ident, $b:ident| $combine:expr) => {
        $(#[$doc])*
        pub(crate) struct $Name<T>(std::marker::PhantomData<T>);
        impl<T: Float> Fold for $Name<T> {
            type T = T;
            type Partial = $Partial<T>;
            #[inline(always)] fn identity() -> T { $identity }
            #[inline(always)] fn combine($a: T, $b: T) -> T { $combine }
        }
    };
}
fold!(/** a + b */ Sum, Sum: T::zero(), |a, b| a + b);
fold!(/** a + b² */ Squares, Sum: T::zero(), |a, b| a + b * b);
fold!(/** a · b */ Prod, Prod: T::one(), |a, b| a * b);
fold!(/** The larger; NaN if either is NaN. */ Max, Max: -T::INFINITY, |a, b| if (b > a) | b.is_nan() { b } else { a });
fold!(/** The smaller; NaN if either is NaN. */ Min, Min: T::INFINITY, |a, b| if (b < a) | b.is_nan() { b } else { a });

/// Elements per block: the amount one thread folds at a time, and the unit of the fixed order.
const BLOCK: usize = 8192;
/// Number of rows folded sequentially into one partial result.
const ROWS: usize = 32;

/// Elements that a lane folds before the result is combined with the lane's others.
const DEPTH: usize = 16;

/// The loops of a fold.
struct Loops<T> {
    identity: T,
    /// Combines all elements.
    slice: fn(&[T]) -> T,
    /// Combines rows into another row, given their number and distance.
    rows: fn(&[T], usize, usize, &mut [T]),
}

impl<T> Loops<T> {
    fn of<F: Fold<T = T>>() -> Self {
        Loops { identity: F::identity(), slice: combine_slice::<F>, rows: combine_rows::<F> }
    }
}

/// Folds the middle axis of a row-major `[outer, r, inner]` array into `out`, `[outer, inner]`.
pub(crate) fn fold_middle<F: Fold>(x: &[F::T], dims: [usize; 3], out: &mut [F::T]) {
    fold_with(&Loops::of::<F>(), &Loops::of::<F::Partial>(), x, dims, out);
}

/// [`fold_middle`], compiled once for all folds.
fn fold_with<T: Float>(fold: &Loops<T>, partial: &Loops<T>, x: &[T], [outer, r, inner]: [usize; 3], out: &mut [T]) {
    if r == 0 || out.is_empty() {
        return out.fill(fold.identity);
    }
    let rows = rows(inner);
    if in_blocks([outer, r, inner]) {
        return fold_blocks(fold, partial, x, [outer, r, inner], rows, out);
    }
    if inner > BLOCK {
        // Wide rows are split among threads by columns.
        for (x, out) in x.chunks(r * inner).zip(out.chunks_mut(inner)) {
            threads::for_each_chunk(out, BLOCK, &|i, out| rows_with(fold, partial, &x[i * BLOCK..], inner, r, out));
        }
        return;
    }
    // A task takes several outer rows, so that many short rows do not need many tasks.
    let some = (BLOCK / (r * inner)).max(1);
    threads::for_each_chunk(out, some * inner, &|i, out| {
        for (k, out) in out.chunks_mut(inner).enumerate() {
            rows_with(fold, partial, &x[(i * some + k) * r * inner..], inner, r, out);
        }
    });
}

/// Rows per block.
fn rows(inner: usize) -> usize {
    (BLOCK / inner).max(ROWS)
}

/// Whether partial results are computed for blocks of rows.
fn in_blocks([outer, r, inner]: [usize; 3]) -> bool {
    r > rows(inner) && outer * inner < BLOCK
}

/// For callers that compute the array to be folded and fold each part while it is in the cache: how many of the `outer
/// · r` rows form a part, to be passed to [`fold_rows`]. The parts of one result are then folded by [`fold_middle`],
/// as an axis of their own, and the result is bit-identical to folding the whole array. Returns `None` if parts of
/// that many rows would straddle two results, or are too large.
pub(crate) fn unit([outer, r, inner]: [usize; 3]) -> Option<usize> {
    const MOST: usize = 8 * BLOCK;
    let rows = if in_blocks([outer, r, inner]) { rows(inner) } else { r };
    let whole = rows == r || outer == 1 || r.is_multiple_of(rows);
    (r > 0 && outer > 0 && inner > 0 && whole && rows * inner <= MOST).then_some(rows)
}

/// A long axis with few results: computes a partial result for each block of rows, then folds the blocks in order.
fn fold_blocks<T: Float>(
    fold: &Loops<T>,
    partial: &Loops<T>,
    x: &[T],
    [outer, r, inner]: [usize; 3],
    rows: usize,
    out: &mut [T],
) {
    let blocks = r.div_ceil(rows);
    with_scratch(outer * blocks * inner, |results| {
        threads::for_each_chunk(results, inner, &|i, result| {
            let (o, first) = (i / blocks, i % blocks * rows);
            rows_with(fold, partial, &x[(o * r + first) * inner..], inner, rows.min(r - first), result);
        });
        fold_with(partial, partial, results, [outer, blocks, inner], out);
    });
}

/// Folds `rows` rows, which start `stride` apart, into one of `out.len()` elements.
pub(crate) fn fold_rows<F: Fold>(x: &[F::T], stride: usize, rows: usize, out: &mut [F::T]) {
    rows_with(&Loops::of::<F>(), &Loops::of::<F::Partial>(), x, stride, rows, out);
}

/// [`fold_rows`], compiled once for all folds.
fn rows_with<T: Float>(fold: &Loops<T>, partial: &Loops<T>, x: &[T], stride: usize, rows: usize, out: &mut [T]) {
    if stride == 1 {
        out[0] = (fold.slice)(&x[..rows]);
        return;
    }
    out.fill(fold.identity);
    if rows <= ROWS {
        return (fold.rows)(x, stride, rows, out);
    }
    // Groups of rows, and groups of groups: no result combines more than ROWS others.
    let mut group = ROWS;
    while group * ROWS < rows {
        group *= ROWS;
    }
    with_scratch(out.len(), |result| {
        for first in (0..rows).step_by(group) {
            rows_with(fold, partial, &x[first * stride..], stride, group.min(rows - first), result);
            (partial.rows)(result, result.len(), 1, out);
        }
    });
}

simd! {
    /// Combines the rows of `x` into `out`, one after another.
    fn combine_rows<F: Fold>(x: &[F::T], stride: usize, rows: usize, out: &mut [F::T]) {
        for row in 0..rows {
            let x = &x[row * stride..];
            each!(|x| out = F::combine(out, x));
        }
    }
}

simd! {
    /// Combines all elements: in parallel lanes that fill eight AVX2 registers, then the lanes pairwise.
    fn combine_slice<F: Fold>(x: &[F::T]) -> F::T {
        if const { size_of::<F::T>() == 4 } { combine_lanes::<F, 64>(x) } else { combine_lanes::<F, 32>(x) }
    }
}

#[inline(always)]
fn combine_lanes<F: Fold, const LANES: usize>(x: &[F::T]) -> F::T {
    // Not plain loops, which would be unrolled before they are vectorized: the larger of two is slow then.
    let add = |lanes: &mut [F::T; LANES], chunk: &[F::T; LANES]| {
        (0..LANES).for_each(|l| lanes[l] = F::combine(lanes[l], chunk[l]));
    };
    let mut lanes = [F::identity(); LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    let (long, short) = chunks.split_at(chunks.len() - chunks.len() % DEPTH);
    for chunk in short {
        add(&mut lanes, chunk);
    }
    for l in 0..rest.len() {
        lanes[l] = F::combine(lanes[l], rest[l]);
    }
    for deep in long.chunks(DEPTH) {
        let mut part = [F::identity(); LANES];
        for chunk in deep {
            add(&mut part, chunk);
        }
        (0..LANES).for_each(|l| lanes[l] = F::Partial::combine(lanes[l], part[l]));
    }
    // As `total`, but it vectorizes better where the lanes are in memory, for the larger of two.
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        (0..width).for_each(|l| lanes[l] = F::Partial::combine(lanes[l], lanes[l + width]));
    }
    lanes[0]
}

/// Joins parallel lanes in a fixed order: halves are joined until one lane is left. Their number is a power of two.
#[inline(always)]
pub(super) fn total<T: Copy, const LANES: usize>(mut lanes: [T; LANES], join: impl Fn(T, T) -> T) -> T {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for l in 0..width {
            lanes[l] = join(lanes[l], lanes[l + width]);
        }
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_folds_to_what_a_plain_loop_gives() {
        for [outer, r, inner] in [
            [1, 0, 3],
            [3, 1, 1],
            [2, 7, 1],
            [1, 40_000, 1],
            [5, 70, 3],
            [1, 20_000, 2],
            [70, 33, 65],
            [2, 3, 9000],
            [2, 40, 9000],
            [1, 100, 8192],
        ] {
            let x: Vec<f64> = (0..outer * r * inner).map(|i| ((i * 7919) % 1013) as f64 - 500.0).collect();
            let [mut sum, mut squares, mut max] = [const { Vec::new() }; 3].map(|_: Vec<f64>| vec![0.0; outer * inner]);
            fold_middle::<Sum<f64>>(&x, [outer, r, inner], &mut sum);
            fold_middle::<Squares<f64>>(&x, [outer, r, inner], &mut squares);
            fold_middle::<Max<f64>>(&x, [outer, r, inner], &mut max);
            for o in 0..outer {
                for i in 0..inner {
                    let column = (0..r).map(|k| x[(o * r + k) * inner + i]);
                    assert_eq!(sum[o * inner + i], column.clone().sum::<f64>(), "{outer} {r} {inner}");
                    assert_eq!(squares[o * inner + i], column.clone().map(|x| x * x).sum::<f64>());
                    assert_eq!(max[o * inner + i], column.fold(f64::NEG_INFINITY, f64::max));
                }
            }
        }
    }

    #[test]
    fn the_number_of_threads_does_not_show() {
        let x: Vec<f32> = (0..300_000).map(|i| (i as f32 * 0.37).sin()).collect();
        let sum = |n, dims: [usize; 3]| {
            threads::with_threads(n, || {
                let mut out = vec![0.0f32; dims[0] * dims[2]];
                fold_middle::<Sum<f32>>(&x, dims, &mut out);
                out
            })
        };
        for dims in [[1, 300_000, 1], [3, 100_000, 1], [1, 1000, 300], [300, 1000, 1]] {
            assert_eq!(sum(1, dims), sum(3, dims));
        }
    }

    #[test]
    fn nan_is_not_lost() {
        let mut out = [0.0];
        fold_middle::<Max<f64>>(&[1.0, f64::NAN, 3.0], [1, 3, 1], &mut out);
        assert!(out[0].is_nan());
    }
}
