//! Differences between all rows of two matrices, x[i] - y[j]: their lengths, their products with other differences, and their
//! weighted sums. Differences stay in registers and are never stored. Distances are not expanded into products of rows, which
//! would lose digits for close points.
//!
//! The second matrix is transposed, so that a vector holds one coordinate of neighboring points. Each result is computed
//! separately, in an order that depends only on the shapes.

use super::isa::simd;
use super::threads;
use crate::float::{Float, Real};

/// A function of the differences between rows of x and rows of y.
///
/// ```
/// use autograd::{Tape, op::{Op, Pairwise}, tensor};
/// let tape = Tape::<f64>::new();
/// let points = tape.var(tensor![[0.0, 0.0], [3.0, 4.0]]);
/// assert_eq!(points.cdist(points, 2.0).op(), Op::Pairwise(Pairwise::Distance));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pairwise {
    /// √Σₖ (x[i, k] - y[j, k])². Inputs: x, y.
    Distance,
    /// Σₖ (u[i, k] - v[j, k])·(x[i, k] - y[j, k]). Inputs: u, v, x, y.
    Product,
    /// Σⱼ w[i, j]·(x[i, k] - y[j, k]). Inputs: w, x, y.
    Sum,
}

impl Pairwise {
    /// All variants.
    pub const ALL: &'static [Pairwise] = &[Pairwise::Distance, Pairwise::Product, Pairwise::Sum];
}

/// The sizes of every matrix: x is `[rows, width]`, and y, transposed, is `[width, columns]`.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub rows: usize,
    pub columns: usize,
    pub width: usize,
}

/// Neighboring elements that one vector or two hold.
const LANES: usize = 8;
/// Rows of x that share the loads of y.
const ROWS: usize = 4;
/// Terms that are added one after another; then their sum is added to those of others.
const DEPTH: usize = 128;
/// Columns of y that stay in the cache while they are subtracted from the rows of a task.
const BLOCK: usize = 512;
/// Differences of a task, if there are enough rows.
const TASK: usize = 1 << 18;

/// Runs `f(matrix, first row, rows of out)` over `out`, which has `last` elements in a row.
fn for_each_rows<T: Float>(sizes: Sizes, last: usize, out: &mut [T], f: &(dyn Fn(usize, usize, &mut [T]) + Sync)) {
    let each = (sizes.columns * sizes.width).max(1);
    // Enough rows to make a task pay off, or to reuse a block of y often enough; but leave several tasks.
    let some = (TASK / each).max(64.min(sizes.rows.div_ceil(8))).next_multiple_of(ROWS);
    let whole = sizes.rows * last;
    if sizes.rows <= some {
        let several = (some / sizes.rows).max(1);
        return threads::for_each_chunk(out, several * whole, &|task, out| {
            out.chunks_mut(whole).enumerate().for_each(|(k, out)| f(task * several + k, 0, out));
        });
    }
    for (matrix, out) in out.chunks_mut(whole).enumerate() {
        threads::for_each_chunk(out, some * last, &|task, out| f(matrix, task * some, out));
    }
}

/// The distances between rows of `x` and columns of `y`.
pub(crate) fn distances<T: Float>([x, y]: [&[T]; 2], sizes: Sizes, out: &mut [T]) {
    let Sizes { rows, columns, width } = sizes;
    for_each_rows(sizes, columns, out, &|matrix, first, out| {
        let (x, y) = (&x[(matrix * rows + first) * width..], &y[matrix * width * columns..][..width * columns]);
        squares(x, y, width, columns, out);
        for (i, out) in out.chunks_mut(columns).enumerate() {
            if out.iter().all(|&sum| harmless(sum)) {
                out.iter_mut().for_each(|sum| *sum = Real::sqrt(*sum));
                continue;
            }
            for (j, sum) in out.iter_mut().enumerate() {
                let differences = || (0..width).map(|k| x[i * width + k] - y[k * columns + j]);
                *sum = if harmless(*sum) { Real::sqrt(*sum) } else { length(differences) };
            }
        }
    });
}

/// Whether a sum of squares has neither overflowed nor underflowed.
fn harmless<T: Float>(sum: T) -> bool {
    (T::of(1e-18)..T::of(1e18)).contains(&sum)
}

/// √Σ d², computed from numbers divided by a power of two near the largest one.
fn length<T: Float, I: Iterator<Item = T>>(differences: impl Fn() -> I) -> T {
    let largest = differences().fold(0.0, |most, d| f64::max(most, d.f64().abs()));
    let usable = largest > 0.0 && largest.is_finite();
    let exponent = f64::from_bits(largest.to_bits() & f64::INFINITY.to_bits());
    let scale = if usable { exponent.max(f64::MIN_POSITIVE) } else { 1.0 };
    let sum: f64 = differences().map(|d| (d.f64() / scale) * (d.f64() / scale)).sum();
    T::of(sum.sqrt() * scale)
}

/// The products of the differences between rows of `u` and columns of `v` with those between `x` and `y`.
pub(crate) fn products<T: Float>([u, v, x, y]: [&[T]; 4], sizes: Sizes, out: &mut [T]) {
    let Sizes { rows, columns, width } = sizes;
    for_each_rows(sizes, columns, out, &|matrix, first, out| {
        let [u, x] = [u, x].map(|x| &x[(matrix * rows + first) * width..]);
        let [v, y] = [v, y].map(|y| &y[matrix * width * columns..][..width * columns]);
        products_of(u, v, x, y, width, columns, out);
    });
}

/// Sums of the differences between rows of `x` and columns of `y`, weighted by `w`.
pub(crate) fn sums<T: Float>([w, x, y]: [&[T]; 3], sizes: Sizes, out: &mut [T]) {
    let Sizes { rows, columns, width } = sizes;
    for_each_rows(sizes, width, out, &|matrix, first, out| {
        let (w, x) = (&w[(matrix * rows + first) * columns..], &x[(matrix * rows + first) * width..]);
        weighted(w, x, &y[matrix * width * columns..][..width * columns], width, columns, out);
    });
}

simd! {
    /// The squared distances between rows of `x` and columns of `y`, for the rows of `out`.
    fn squares<T: Float>(x: &[T], y: &[T], width: usize, columns: usize, out: &mut [T]) {
        tiles::<T, true>([x, x], [y, y], width, columns, out);
    }
}

simd! {
    /// The products of differences, for the rows of `out`.
    fn products_of<T: Float>(u: &[T], v: &[T], x: &[T], y: &[T], width: usize, columns: usize, out: &mut [T]) {
        tiles::<T, false>([u, x], [v, y], width, columns, out);
    }
}

/// Products of differences, tile by tile. If both differences are the same, only the first is computed.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "indices of fixed range are what the compiler unrolls")]
fn tiles<T: Float, const SAME: bool>(x: [&[T]; 2], y: [&[T]; 2], width: usize, columns: usize, out: &mut [T]) {
    let rows = out.len() / columns;
    for column in (0..columns).step_by(LANES) {
        let lanes = LANES.min(columns - column);
        for row in (0..rows).step_by(ROWS) {
            // Where there are fewer rows, the last one is taken several times.
            let mut points = [[&x[0][..0]; 2]; ROWS];
            for i in 0..ROWS {
                let start = (row + i).min(rows - 1) * width;
                points[i] = [&x[0][start..][..width], &x[1][start..][..width]];
            }
            let mut sums = [[T::zero(); LANES]; ROWS];
            for from in (0..width).step_by(DEPTH) {
                let mut part = [[T::zero(); LANES]; ROWS];
                for k in from..width.min(from + DEPTH) {
                    let a = neighbors(y[0], k * columns + column, lanes);
                    let b = if SAME { a } else { neighbors(y[1], k * columns + column, lanes) };
                    for i in 0..ROWS {
                        let (p, q) = (points[i][0][k], points[i][1][k]);
                        for l in 0..LANES {
                            let d = p - a[l];
                            part[i][l] += if SAME { d * d } else { d * (q - b[l]) };
                        }
                    }
                }
                for i in 0..ROWS {
                    for l in 0..LANES {
                        sums[i][l] += part[i][l];
                    }
                }
            }
            for i in 0..ROWS.min(rows - row) {
                let out = &mut out[(row + i) * columns + column..][..lanes];
                match out.first_chunk_mut() {
                    Some(out) => *out = sums[i],
                    None => (0..lanes).for_each(|l| out[l] = sums[i][l]),
                }
            }
        }
    }
}

/// Some neighboring elements, with zeros behind them.
#[inline(always)]
fn neighbors<T: Float>(y: &[T], at: usize, lanes: usize) -> [T; LANES] {
    if lanes == LANES {
        return *y[at..].first_chunk().expect("a vector of them");
    }
    let mut some = [T::zero(); LANES];
    some[..lanes].copy_from_slice(&y[at..at + lanes]);
    some
}

simd! {
    /// The weighted sums of differences, for the rows of `out`.
    #[allow(clippy::needless_range_loop, reason = "indices of fixed range are what the compiler unrolls")]
    fn weighted<T: Float>(w: &[T], x: &[T], y: &[T], width: usize, columns: usize, out: &mut [T]) {
        out.fill(T::zero());
        let rows = out.len() / width;
        for from in (0..columns).step_by(BLOCK) {
            let block = BLOCK.min(columns - from);
            for row in (0..rows).step_by(ROWS) {
                let weights = |i: usize| w[(row + i).min(rows - 1) * columns + from..][..block].as_chunks::<LANES>();
                let weights = [weights(0), weights(1), weights(2), weights(3)];
                for k in 0..width {
                    let mut at = [T::zero(); ROWS];
                    for i in 0..ROWS {
                        at[i] = x[(row + i).min(rows - 1) * width + k];
                    }
                    let (points, last) = y[k * columns + from..][..block].as_chunks::<LANES>();
                    let mut sums = [[T::zero(); LANES]; ROWS];
                    for p in 0..points.len() {
                        for i in 0..ROWS {
                            let (weights, points) = (&weights[i].0[p], &points[p]);
                            for l in 0..LANES {
                                sums[i][l] += weights[l] * (at[i] - points[l]);
                            }
                        }
                    }
                    for i in 0..ROWS.min(rows - row) {
                        let mut sum = T::zero();
                        for l in 0..last.len() {
                            sum += weights[i].1[l] * (at[i] - last[l]);
                        }
                        let [a, b, c, d, e, f, g, h] = sums[i];
                        out[(row + i) * width + k] += ((a + e) + (b + f)) + ((c + g) + (d + h)) + sum;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::random::Rng;

    /// Around the sizes of tiles, of parts of a sum and of blocks, against the formulas.
    #[test]
    fn tiles_give_what_the_formulas_do() {
        let sizes = [
            [1, 1, 1],
            [3, 7, 2],
            [4, 8, 1],
            [5, 9, DEPTH],
            [9, 17, DEPTH + 1],
            [2, BLOCK, 3],
            [6, BLOCK + 1, 2],
            [150, 30, 70],
            [1, 3 * BLOCK + 5, 1],
        ];
        for [rows, columns, width] in sizes {
            let matrices = 3;
            let rng = &mut Rng::new(1);
            let mut list = |n: usize| (0..n * matrices).map(|_| rng.normal()).collect::<Vec<f64>>();
            let [u, x] = [(); 2].map(|()| list(rows * width));
            let [v, y] = [(); 2].map(|()| list(columns * width));
            let (w, sizes) = (list(rows * columns), Sizes { rows, columns, width });
            let mut found = [rows * columns, rows * columns, rows * width].map(|n| vec![f64::NAN; n * matrices]);
            distances([&x, &y], sizes, &mut found[0]);
            products([&u, &v, &x, &y], sizes, &mut found[1]);
            sums([&w, &x, &y], sizes, &mut found[2]);
            let mut expected = found.each_ref().map(|list| vec![0.0; list.len()]);
            for (i, j, k) in (0..matrices * rows)
                .flat_map(|i| (0..columns).map(move |j| (i, j)))
                .flat_map(|(i, j)| (0..width).map(move |k| (i, j, k)))
            {
                let of = |x: &[f64], y: &[f64]| x[i * width + k] - y[(i / rows * width + k) * columns + j];
                let (p, q) = (of(&u, &v), of(&x, &y));
                expected[0][i * columns + j] += q * q;
                expected[1][i * columns + j] += p * q;
                expected[2][i * width + k] += w[i * columns + j] * q;
            }
            expected[0].iter_mut().for_each(|sum| *sum = sum.sqrt());
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!((found - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "{rows} {columns} {width}");
            }
        }
    }

    /// Squares of these overflow or underflow in single precision.
    #[test]
    fn distances_have_their_digits_at_any_magnitude() {
        for scale in [1e-44_f32, 1e-30, 1e-12, 1.0, 1e15, 1e30] {
            let (x, y) = ([0.0; 2], [3.0 * scale, 0.0, 4.0 * scale, 0.0]);
            let mut found = [f32::NAN; 2];
            distances([&x, &y], Sizes { rows: 1, columns: 2, width: 2 }, &mut found);
            let expected = f64::hypot(y[0].into(), y[2].into()) as f32;
            assert!((found[0] - expected).abs() <= expected * 2.0 * f32::EPSILON && found[1] == 0.0, "{found:?}");
        }
        let mut found = [0.0; 3];
        let y = [f64::INFINITY, f64::NAN, -f64::INFINITY];
        distances([&[1.0], &y], Sizes { rows: 1, columns: 3, width: 1 }, &mut found);
        assert!(found[0] == f64::INFINITY && found[1].is_nan() && found[2] == f64::INFINITY);
    }
}
