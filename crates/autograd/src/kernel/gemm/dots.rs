//! A vector times a matrix: one dot product per element of the result.
//!
//! A single chain of multiply-adds would leave the vector unit idle, so [`LANES`] chains run in parallel: lane `l`
//! sums the products at `l`, `l + LANES`, …, and at the end the lanes are added in a fixed order. Unlike in
//! [`super::blocked`], the sum is not split into blocks: the lanes keep the chains short.
//!
//! If the matrix is contiguous along the sum, a few dot products are computed at a time, with their lanes in registers
//! ([`along`]); otherwise, the same lanes are summed for many columns at a time ([`across`]). The order of the
//! additions is the same: a transposed view gives the same bits as its copy.

use super::element::Element;
use super::view::{View, ViewMut};
use crate::kernel::isa::each;

/// Parallel chains per dot product.
const LANES: usize = 32;
/// Dot products computed at a time, which share the loads of the vector.
const GROUP: usize = 2;
/// Columns processed at a time in [`across`]: rows long enough for hardware prefetching, sums that fit in the cache.
const WIDTH: usize = 128;

/// Computes `c = a b`, or `c = keep c + a b`, where `a` and `c` have a single row.
///
/// # Safety
///
/// `a` must be `1 x k` and `b` `k x n` with contiguous columns; `c` must hold `n` elements, and the workspace `k`. For
/// `HARDWARE`, see [`super::tile::tile`].
#[inline(always)]
pub(super) unsafe fn along<T: Element, const HARDWARE: bool>(
    a: View<T>,
    b: View<T>,
    c: ViewMut<T>,
    keep: Option<T>,
    workspace: &mut [T],
) {
    let (k, n) = (b.rows, b.cols);
    // SAFETY: `p < k` and `j < n`.
    unsafe {
        let x = if a.col == 1 {
            std::slice::from_raw_parts(a.start, k)
        } else {
            let gathered = &mut workspace[..k];
            gathered.iter_mut().enumerate().for_each(|(p, x)| *x = a.start.add(p * a.col).read());
            gathered
        };
        let column = |j: usize| std::slice::from_raw_parts(b.start.add(j * b.col), k);
        let put = |j: usize, dot: T| {
            let to = c.start.add(j);
            *to = keep.map_or(dot, |keep| keep * *to + dot);
        };
        let whole = n - n % GROUP;
        for j in (0..whole).step_by(GROUP) {
            let mut columns = [x; GROUP];
            for (g, x) in columns.iter_mut().enumerate() {
                *x = column(j + g);
            }
            for (g, dot) in dots::<T, GROUP, HARDWARE>(x, columns).into_iter().enumerate() {
                put(j + g, dot);
            }
        }
        for j in whole..n {
            put(j, dots::<T, 1, HARDWARE>(x, [column(j)])[0]);
        }
    }
}

/// The dot products of `x` with each of `columns`, all of the same length.
#[inline(always)]
fn dots<T: Element, const G: usize, const HARDWARE: bool>(x: &[T], columns: [&[T]; G]) -> [T; G] {
    let mut sums = [[T::ZERO; LANES]; G];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for (p, &x) in chunks.iter().enumerate() {
        for g in 0..G {
            let column = columns[g].as_chunks::<LANES>().0[p];
            for l in 0..LANES {
                sums[g][l] = x[l].fused::<HARDWARE>(column[l], sums[g][l]);
            }
        }
    }
    // The tail elements, padded to full lanes. (No closures around arithmetic: target features do not extend to them.)
    let last = padded(rest);
    let mut dots = [T::ZERO; G];
    for g in 0..G {
        let column = padded(columns[g].as_chunks::<LANES>().1);
        for l in 0..LANES {
            sums[g][l] = last[l].fused::<HARDWARE>(column[l], sums[g][l]);
        }
        dots[g] = total(sums[g]);
    }
    dots
}

#[inline(always)]
fn padded<T: Element>(rest: &[T]) -> [T; LANES] {
    let mut lanes = [T::ZERO; LANES];
    lanes[..rest.len()].copy_from_slice(rest);
    lanes
}

/// [`along`] for a matrix of any strides: each row of [`WIDTH`] columns is added to the lane given by its position in
/// the sum.
///
/// # Safety
///
/// `a` must be `1 x k` and `b` `k x n`; `c` must hold `n` elements. For `HARDWARE`, see [`super::tile::tile`].
#[inline(always)]
pub(super) unsafe fn across<T: Element, const HARDWARE: bool>(a: View<T>, b: View<T>, c: ViewMut<T>, keep: Option<T>) {
    let (k, n) = (b.rows, b.cols);
    for first in (0..n).step_by(WIDTH) {
        let width = WIDTH.min(n - first);
        let Aligned(sums) = &mut Aligned([[T::ZERO; WIDTH]; LANES]);
        let Aligned(gathered) = &mut Aligned([T::ZERO; WIDTH]);
        for p in 0..k {
            // SAFETY: `p < k`, and the `width` columns from `first` are below `n`.
            let (x, values) = unsafe {
                let row = b.start.add(p * b.row + first * b.col);
                let values = if b.col == 1 {
                    std::slice::from_raw_parts(row, width)
                } else {
                    for (j, x) in gathered[..width].iter_mut().enumerate() {
                        *x = row.add(j * b.col).read();
                    }
                    &gathered[..width]
                };
                (a.start.add(p * a.col).read(), values)
            };
            let sums = &mut sums[p % LANES][..width];
            each!(|values| sums = x.fused::<HARDWARE>(values, sums));
        }
        // Add the zeros that `along` pads with: they turn a sum of -0 into 0.
        for lane in sums[k % LANES..].iter_mut() {
            for sum in &mut lane[..width] {
                *sum = T::ZERO.fused::<HARDWARE>(T::ZERO, *sum);
            }
        }
        total_rows(sums, width);
        for (j, &dot) in sums[0][..width].iter().enumerate() {
            // SAFETY: `first + j < n`.
            unsafe {
                let to = c.start.add(first + j);
                *to = keep.map_or(dot, |keep| keep * *to + dot);
            }
        }
    }
}

/// Sums the lanes in a fixed order: four parts of eight first, then those eight as the last line says.
#[inline(always)]
fn total<T: Element>(lanes: [T; LANES]) -> T {
    let mut eight = [T::ZERO; 8];
    for l in 0..8 {
        eight[l] = (lanes[l] + lanes[l + 8]) + (lanes[l + 16] + lanes[l + 24]);
    }
    let [a, b, c, d, e, f, g, h] = eight;
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}

/// [`total`] for each of `width` columns: the totals replace the first row.
#[inline(always)]
fn total_rows<T: Element>(lanes: &mut [[T; WIDTH]; LANES], width: usize) {
    // The same additions, row by row in the cache: `lanes[l] += lanes[l + step]` for each `l` in a range.
    for [from, to, step] in [[0, 8, 8], [16, 24, 8], [0, 8, 16], [0, 4, 4], [0, 1, 1], [2, 3, 1], [0, 1, 2]] {
        for l in from..to {
            let (sum, other) = lanes.split_at_mut(l + step);
            let (sum, other) = (&mut sum[l][..width], &other[0]);
            each!(|other| sum = sum + other);
        }
    }
}

/// Memory that no vector straddles two cache lines of.
#[repr(align(64))]
struct Aligned<T>(T);
