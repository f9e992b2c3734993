//! Products of a few rows with a matrix that is contiguous along the sum, such as `x Wᵀ` in a recurrent step.
//!
//! [`blocked`](super::blocked) would have to pack the matrix, which costs as much as multiplying so few rows. Here the
//! matrix is read in place and the rows are packed: the same tiles compute `Cᵀ = Bᵀ Aᵀ`, and their columns are written
//! to the rows of `C`. Each element has the same chain of multiply-adds, and therefore the same bits.

use super::Product;
use super::blocked::{block, pack};
use super::element::Element;
use super::tile::tile;

/// Computes `c = a b`, or `c = keep c + a b`, and passes all of it to the callback at once.
///
/// # Safety
///
/// `a` must have at most `W` rows. The inner dimensions must agree; `c` must have the rows of `a` and the columns of
/// `b`, and only this thread may access it. The workspace must hold `W` columns of a block of the sum. For `HARDWARE`,
/// see [`tile`].
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
        // SAFETY: `p + depth <= k`; below, `j + R <= n`, and results of a tile beyond row `m` of `a` are discarded.
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
