//! The inner loop: a tile of `C`, small enough for the registers, over one block of the sum.
//!
//! It is written once, over arrays of fixed size; when it is compiled for an instruction set with fused multiply-add,
//! the compiler keeps the tile in vector registers. It is independent of blocks and threads.

use super::element::Element;

/// Repeats a piece of code with a constant index from 0 to below a bound of at most 8. A loop short enough to be
/// unrolled might be vectorized by the compiler across the registers instead of along them.
macro_rules! unrolled {
    ($i:ident < $bound:expr, $body:block) => {{
        const { assert!($bound <= 8) };
        unrolled!(@ $i, $bound, $body; 0 1 2 3 4 5 6 7);
    }};
    (@ $i:ident, $bound:expr, $body:block; $($index:literal)*) => {$(
        if $index < $bound {
            #[allow(non_upper_case_globals, reason = "it stands for a variable")]
            const $i: usize = $index;
            $body
        }
    )*};
}
pub(super) use unrolled;

/// Computes `c = a b`, or `c = keep c + a b` (rounded twice), for `a` of `R x k` and `b` of `k x W`: column `p` of `a`
/// starts at `a(p)`, with its elements `a_row` apart, and row `p` of `b` is stored at `b(p)`. The rows of `c` are
/// `c_row` apart.
///
/// # Safety
///
/// There must be such columns of `R` elements and rows of `W`, and `c` must be valid for writes (and initialized if
/// `keep` is given). `HARDWARE` may be set only where the fused multiply-add instruction is enabled.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "indices of fixed range are what the compiler unrolls")]
pub(super) unsafe fn tile<T: Element, const R: usize, const W: usize, const HARDWARE: bool>(
    k: usize,
    a: impl Fn(usize) -> *const T,
    a_row: usize,
    b: impl Fn(usize) -> *const T,
    c: *mut T,
    c_row: usize,
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
        for i in 0..R {
            let row = c.add(i * c_row).cast::<[T; W]>();
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
