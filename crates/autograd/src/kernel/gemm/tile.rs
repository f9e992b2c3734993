//! The inner loop: a tile of `C`, small enough for the registers, over one block of the sum.
//!
//! It is written once, over arrays of fixed size; when it is compiled for an instruction set with fused multiply-add,
//! the compiler keeps the tile in vector registers. It is independent of blocks and threads.

use super::element::Element;
use super::view::ViewMut;

/// Repeats a piece of code with a constant index from 0 to below a bound of at most 8. A loop short enough to be
/// unrolled might be vectorized by the compiler across the registers instead of along them.
macro_rules! unrolled {
    ($i:ident < $bound:expr, $body:block) => {{
        const { assert!($bound <= 8) };
        unrolled!(@ $i, $bound, $body; 0 1 2 3 4 5 6 7);
    }};
    (@ $i:ident, $bound:expr, $body:block; $($index:literal)*) => {$(
        if const { $index < $bound } {
            #[allow(non_upper_case_globals, reason = "it stands for a variable")]
            const $i: usize = $index;
            $body
        }
    )*};
}
pub(super) use unrolled;

/// How a tile reads an operand: element `p` of the sum, lane `i`, is at `start + p * step + i * lane`.
///
/// A packed panel has its width as `step` and a `lane` of 1.
#[derive(Clone, Copy)]
pub struct Panel<T> {
    pub start: *const T,
    pub step: usize,
    pub lane: usize,
}

/// [`tile`] for two panels; the lanes of `b` must be contiguous.
///
/// # Safety
///
/// As for `tile`.
#[inline(always)]
pub(super) unsafe fn tile_of<T: Element, const R: usize, const W: usize, const HARDWARE: bool>(
    k: usize,
    a: Panel<T>,
    b: Panel<T>,
    c: ViewMut<T>,
    keep: Option<T>,
) {
    let (a, a_step, a_lane, b, b_step) = (a.start, a.step, a.lane, b.start, b.step);
    let (a, b) = (|p: usize| a.wrapping_add(p * a_step), |p: usize| b.wrapping_add(p * b_step));
    // SAFETY: guaranteed by the caller.
    unsafe { tile::<T, R, W, HARDWARE>(k, a, a_lane, b, c, keep) };
}

/// Computes `c = a b`, or `c = keep c + a b` (rounded twice), for `a` of `R x k` and `b` of `k x W`: column `p` of `a`
/// starts at `a(p)`, with its elements `a_row` apart, and row `p` of `b` is stored at `b(p)`.
///
/// # Safety
///
/// There must be such columns of `R` elements and rows of `W`, and `c` must be valid for writes (and initialized if
/// `keep` is given). `HARDWARE` may be set only where the fused multiply-add instruction is enabled.
#[inline(always)]
pub(super) unsafe fn tile<T: Element, const R: usize, const W: usize, const HARDWARE: bool>(
    k: usize,
    a: impl Fn(usize) -> *const T,
    a_row: usize,
    b: impl Fn(usize) -> *const T,
    c: ViewMut<T>,
    keep: Option<T>,
) {
    let mut sums = [[T::ZERO; W]; R];
    // SAFETY: steps below `k`, lanes below `R` and `W`; arrays have the alignment of their elements.
    unsafe {
        for p in 0..k {
            let column = a(p);
            let lanes = b(p).cast::<[T; W]>().read();
            unrolled!(i < R, {
                let x = column.add(i * a_row).read();
                for j in 0..W {
                    sums[i][j] = x.fused::<HARDWARE>(lanes[j], sums[i][j]);
                }
            });
        }
        put(sums, c, keep);
    }
}

/// Writes the sums of a tile to `c`, or adds them to `keep c`.
///
/// # Safety
///
/// `c` must be valid for writes (and initialized if `keep` is given).
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "indices of fixed range are what the compiler unrolls")]
pub(super) unsafe fn put<T: Element, const R: usize, const W: usize>(
    sums: [[T; W]; R],
    c: ViewMut<T>,
    keep: Option<T>,
) {
    for i in 0..R {
        // SAFETY: guaranteed by the caller; arrays have the alignment of their elements.
        unsafe {
            let row = c.sub(i, 0).start.cast::<[T; W]>();
            let mut out = sums[i];
            if let Some(keep) = keep {
                let before = row.read();
                for j in 0..W {
                    out[j] = keep * before[j] + out[j];
                }
            }
            row.write(out);
        }
    }
}
