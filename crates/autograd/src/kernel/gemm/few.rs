//! Products of a few rows with a matrix that is contiguous along the sum, such as `x Wᵀ` in a recurrent step.
//!
//! [`blocked`](super::blocked) would have to pack the matrix, which costs as much as multiplying so few rows. Here the
//! matrix is read in place and the rows are packed: the same tiles compute `Cᵀ = Bᵀ Aᵀ`, and their columns are written
//! to the rows of `C`. Each element has the same chain of multiply-adds, and therefore the same bits.

use super::Product;
use super::blocked::block;
use super::element::{Element, Loops};
use super::pack::{pack, transpose};
use super::tile::Panel;
use super::view::{View, ViewMut};

/// Columns of `C` that are computed before they are written to its rows: a multiple of [`Loops::rows`].
const COLUMNS: usize = 24;

/// For shorter sums, transposing does not pay off.
const SUM: usize = 16;

/// Whether a product is of this kind.
pub(super) fn applies<T>(loops: &Loops<T>, product: &Product<'_, T>) -> bool {
    let Product { a, b, .. } = product;
    !loops.pairs && b.row == 1 && b.col != 1 && a.rows <= loops.wide && b.cols >= loops.rows && b.rows >= SUM
}

/// The workspace for a sum of length `k`: the packed rows, and some columns of the result.
pub(super) fn workspace<T>(loops: &Loops<T>, k: usize) -> usize {
    loops.wide * (block(k) + loops.rows + COLUMNS)
}

/// Computes `c = a b`, or `c = keep c + a b`, and passes all of it to the callback at once.
///
/// # Safety
///
/// The product must be [of this kind](applies). The inner dimensions must agree; `c` must have the rows of `a` and the
/// columns of `b`, and only this thread may access it. The workspace must have the size given by [`workspace`], and the
/// CPU must support the loops.
pub(super) unsafe fn multiply<T: Element>(loops: &Loops<T>, product: &Product<'_, T>, workspace: &mut [T]) {
    let Product { a, b, c, keep, .. } = *product;
    let (m, n, k) = (a.rows, b.cols, a.cols);
    let (width, tile) =
        if m <= loops.narrow { (loops.narrow, loops.narrow_tile) } else { (loops.wide, loops.wide_tile) };
    let (packed, columns) = workspace.split_at_mut(width * block(k));
    // First there is room for the columns that the last tile repeats, then for the columns themselves.
    let columns = ViewMut::new(&mut columns[loops.rows * width..], width);
    for p in (0..k).step_by(block(k)) {
        let depth = block(k).min(k - p);
        let keep = if p > 0 { Some(T::ONE) } else { keep };
        // SAFETY: `p + depth <= k`, `j + some <= n`, and results of a tile beyond row `m` of `a` are discarded.
        unsafe {
            pack(a.sub(0, p, m, depth), width, packed.as_mut_ptr());
            let rows = Panel { start: packed.as_ptr(), step: width, lane: 1 };
            for first in (0..n).step_by(COLUMNS) {
                let some = COLUMNS.min(n - first);
                for j in (0..some).step_by(loops.rows) {
                    // So that the last tile is whole, it repeats some columns, even of the previous round.
                    let repeated = (j + loops.rows).saturating_sub(some);
                    let b = b.sub(p, first + j - repeated, depth, 1);
                    let b = Panel { start: b.start, step: b.row, lane: b.col };
                    let start = columns.start.add(j * width).sub(repeated * width);
                    tile(depth, b, rows, ViewMut { start, ..columns }, None);
                }
                let from = View { start: columns.start.cast_const(), rows: some, cols: m, row: width, col: 1 };
                transpose(from, c.sub(0, first), keep);
            }
        }
    }
    // SAFETY: all of `c` is written.
    unsafe { product.finish(0, 0, m, n) };
}
