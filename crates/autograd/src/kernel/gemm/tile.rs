//! The inner loop: a tile of `C`, small enough for the registers, over one block of the sum.
//!
//! It is written once, over arrays of fixed size; compiled for an instruction set with fused multiply-add, the
//! compiler keeps the tile in vector registers. It knows neither blocks nor threads.

use super::element::Element;

/// Where a kernel finds an operand: element `p` of the sum, lane `i`, is at `start + p * step + i * lane`.
///
/// A packed panel has a `step` of its width and a `lane` of 1.
pub(super) struct Panel<T> {
    pub start: *const T,
    pub step: usize,
    pub lane: usize,
}

impl<T> Clone for Panel<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Panel<T> {}

/// `c = a b`, or `c += a b` if `accumulate`, for `a` of `R x k` and `b` of `k x W`. The rows of `c` are `c_row` apart.
///
/// # Safety
///
/// `a` and `b` must have `k` steps of `R` and `W` lanes, those of `b` contiguous, and `c` must be valid for writes
/// (if `accumulate`, initialised). `HARDWARE` must be used only where the fused multiply-add instruction is enabled.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "indices of fixed range are what the compiler unrolls")]
pub(super) unsafe fn tile<T: Element, const R: usize, const W: usize, const HARDWARE: bool>(
    k: usize,
    a: Panel<T>,
    b: Panel<T>,
    c: *mut T,
    c_row: usize,
    accumulate: bool,
) {
    let mut sums = [[T::ZERO; W]; R];
    // SAFETY: steps below `k`, lanes below `R` and `W`; arrays have the alignment of their elements.
    unsafe {
        let (mut from_a, mut from_b) = (a.start, b.start);
        for _ in 0..k {
            let lanes = from_b.cast::<[T; W]>().read();
            for i in 0..R {
                let x = from_a.add(i * a.lane).read();
                for j in 0..W {
                    sums[i][j] = x.fused::<HARDWARE>(lanes[j], sums[i][j]);
                }
            }
            from_a = from_a.wrapping_add(a.step);
            from_b = from_b.wrapping_add(b.step);
        }
        for i in 0..R {
            let row = c.add(i * c_row).cast::<[T; W]>();
            let mut out = sums[i];
            if accumulate {
                let before = row.read();
                for j in 0..W {
                    out[j] = before[j] + out[j];
                }
            }
            row.write(out);
        }
    }
}
