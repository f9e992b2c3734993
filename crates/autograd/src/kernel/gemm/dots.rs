//! A vector times a matrix that lies along the sum: one dot product for each element of the result.
//!
//! A single chain of multiply-adds would leave the vector unit idle, so [`LANES`] chains run side by side: lane `l`
//! sums the products at `l`, `l + LANES`, …, and at the end the lanes are added up in a fixed order.
//! Other than in [`super::blocked`] the sum is not cut into blocks: the lanes keep the chains short.

use super::element::Element;
use super::view::{View, ViewMut};

/// Chains of one dot product.
const LANES: usize = 32;
/// Dot products at a time, which share the loads of the vector.
const GROUP: usize = 2;

/// `c = a b`, or `c += a b` if `accumulate`, where `a` and `c` are one row.
///
/// # Safety
///
/// `a` is `1 x k` and `b` of `k x n` with contiguous columns, `c` must hold `n` elements, and the workspace `k`. As
/// for `HARDWARE`, see [`super::tile::tile`].
#[inline(always)]
pub(super) unsafe fn multiply<T: Element, const HARDWARE: bool>(
    a: View<T>,
    b: View<T>,
    c: ViewMut<T>,
    accumulate: bool,
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
            *to = if accumulate { *to + dot } else { dot };
        };
        let whole = n - n % GROUP;
        for j in (0..whole).step_by(GROUP) {
            let dots = dots::<T, GROUP, HARDWARE>(x, std::array::from_fn(|g| column(j + g)));
            (0..GROUP).for_each(|g| put(j + g, dots[g]));
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
    let columns = columns.map(|column| column.as_chunks::<LANES>());
    for (p, &x) in chunks.iter().enumerate() {
        for g in 0..G {
            let column = columns[g].0[p];
            for l in 0..LANES {
                sums[g][l] = x[l].fused::<HARDWARE>(column[l], sums[g][l]);
            }
        }
    }
    // The rest, padded to full lanes. (No closures around arithmetic: the instruction set does not extend to them.)
    let last = padded(rest);
    let mut dots = [T::ZERO; G];
    for g in 0..G {
        let column = padded(columns[g].1);
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

/// The sum of all lanes, in a fixed order.
#[inline(always)]
fn total<T: Element>(lanes: [T; LANES]) -> T {
    let mut eight = [T::ZERO; 8];
    for l in 0..8 {
        eight[l] = (lanes[l] + lanes[l + 8]) + (lanes[l + 16] + lanes[l + 24]);
    }
    let [a, b, c, d, e, f, g, h] = eight;
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}
