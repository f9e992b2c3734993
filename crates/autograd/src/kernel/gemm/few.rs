//! A product of few rows with a matrix that lies along the sum: `x Wᵀ` of a recurrent step, say.
//!
//! [`blocked`](super::blocked) would have to pack the matrix, which costs as much as so few rows compute. Here it is read
//! where it is and the rows are packed: `Cᵀ = Bᵀ Aᵀ` by the same tiles, whose columns then go to the rows of `C`. The chain
//! of multiply-adds of each element is the same, and so are its bits.

use super::Product;
use super::blocked::{block, pack};
use super::element::Element;
use super::tile::tile;

/// `c = a b`, or `c = keep c + a b`, handed on whole.
///
/// # Safety
///
/// `a` must have `W` rows at most. The inner dimensions must agree and `c` must have the rows of `a` and the columns of `b`,
/// all this thread's alone. The workspace must hold `W` columns of a block of the sum. As for `HARDWARE`, see [`tile`].
#[inline(always)]
pub(super) unsafe fn multiply<T: Element, const R: usize, const W: usize, const HARDWARE: bool>(
    product: &Product<'_, T>,
    workspace: &mut [T],
) {
    let Product { a, b, c, keep, .. } = *product;
    let (m, n, k) = (a.rows, b.cols, a.cols);
    for p in (0..k).step_by(block(k)) {
        let depth = block(k).min(k - p);
        let keep = if p > 0 { Some(T::ONE) } else { keep };
        let rows = workspace[..W * depth].as_chunks_mut::<W>().0;
        // SAFETY: `p + depth <= k`; below `j + R <= n`, and what a tile computes beyond row `m` of `a` is left out.
        unsafe {
            pack::<T, W>(a.sub(0, p, m, depth), rows);
            let (rows, columns) = (&*rows, |j: usize| b.sub(p, j, depth, 1).start);
            let put = |j: usize, tile: &[[T; W]]| {
                for i in 0..m {
                    let to = c.sub(i, j).start;
                    for (r, row) in tile.iter().enumerate() {
                        let to = to.add(r);
                        *to = keep.map_or(row[i], |keep| keep * *to + row[i]);
                    }
                }
            };
            let whole = n - n % R;
            for j in (0..whole).step_by(R) {
                let (mut out, column) = ([[T::ZERO; W]; R], columns(j));
                let at = |p: usize| column.wrapping_add(p * b.row);
                tile::<T, R, W, HARDWARE>(depth, at, b.col, |p| rows[p].as_ptr(), out.as_mut_ptr().cast(), W, None);
                put(j, &out);
            }
            for j in whole..n {
                let (mut out, column) = ([[T::ZERO; W]; 1], columns(j));
                let at = |p: usize| column.wrapping_add(p * b.row);
                tile::<T, 1, W, HARDWARE>(depth, at, b.col, |p| rows[p].as_ptr(), out.as_mut_ptr().cast(), W, None);
                put(j, &out);
            }
        }
    }
    // SAFETY: all of `c` is written.
    unsafe { product.finish(0, 0, m, n) };
}
