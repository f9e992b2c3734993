//! A product on one thread, in cache-sized blocks and register-sized panels.
//!
//! The loops are those of Goto and van de Geijn: blocks of [`columns`] columns of `C`, blocks of about [`KC`] terms of
//! the sum, blocks of rows of `C`; within them, wide tiles, and narrow ones where no more columns remain. A panel
//! of `A` (the rows of a tile by a block of the sum) stays in the L1 cache while it is multiplied by all panels of `B`
//! (that block by the columns of a tile), which stay in the L2 cache. A panel is *packed*, that is, copied in the order of use,
//! if the tile cannot read it in place (edges, columns that are not contiguous) or if it is reused often enough for
//! the copy to pay off.

use super::Product;
use super::element::{Element, Loops};
use super::pack::copy_short;
use super::pairs::pairs;
use super::tile::Panel;
use super::view::{View, ViewMut};

/// The longest block of the sum. It is part of the definition of the result: see the documentation of the parent
/// module.
const KC: usize = 256;
/// Rows per block, in tiles.
const MC_TILES: usize = 16;
/// Columns per block whose depth is [`KC`].
const NC: usize = 512;
/// `A` is packed if it is not contiguous along the sum and is multiplied by at least this many panels of `B`.
const PACK_A: usize = 16;
/// `B` is packed if it is multiplied by at least this many panels of `A`.
const PACK_B: usize = 12;

/// Whether a sum of length `k` is a single block, so that `keep c` is added to the whole sum.
pub fn is_one_block(k: usize) -> bool {
    k <= KC
}

/// The block length for a sum of length `k`. The last block may be shorter.
pub fn block(k: usize) -> usize {
    if k <= KC { k.max(1) } else { k.div_ceil(k.div_ceil(KC)) }
}

/// Columns per block for a sum of length `k`: twice as many if the block is half as deep, or its elements half as large.
pub(super) fn columns<T>(loops: &Loops<T>, k: usize) -> usize {
    if loops.pairs || block(k) <= KC / 2 { 2 * NC } else { NC }
}

/// Maximum number of elements of workspace that [`multiply`] needs for a product of `m x k` and `k x n`.
pub(super) fn workspace<T>(loops: &Loops<T>, m: usize, n: usize, k: usize) -> usize {
    let rows = m.min(MC_TILES * loops.rows).next_multiple_of(loops.rows);
    (rows + n.min(columns(loops, k)).next_multiple_of(loops.wide)) * block(k) + loops.rows * loops.wide
}

/// Computes `c = a b`, or `c = keep c + a b`, and passes it to the callback by blocks of rows.
///
/// # Safety
///
/// The inner dimensions must agree; `c` must have the rows of `a` and the columns of `b`, and only this thread may
/// access it. The workspace must have the size given by [`workspace`], and the CPU must support the loops.
pub(super) unsafe fn multiply<T: Element>(loops: &Loops<T>, product: &Product<'_, T>, workspace: &mut [T]) {
    let Product { a, b, c, keep, .. } = *product;
    let (m, n, k) = (a.rows, b.cols, a.cols);
    let most_rows = MC_TILES * loops.rows;
    let (edge, workspace) = workspace.split_at_mut(loops.rows * loops.wide);
    let (for_a, for_b) = workspace.split_at_mut(m.min(most_rows).next_multiple_of(loops.rows) * block(k));
    let most = columns(loops, k);
    for j in (0..n).step_by(most) {
        let cols = most.min(n - j);
        // One step even for an empty sum, to set `c` to 0.
        for p in (0..k.max(1)).step_by(block(k)) {
            let depth = block(k).min(k - p);
            let keep = if p > 0 { Some(T::ONE) } else { keep };
            // SAFETY: `j + cols <= n`, `p + depth <= k`, and below `i + rows <= m`.
            unsafe {
                let b = b.sub(p, j, depth, cols).t();
                let all = m >= PACK_B * loops.rows || b.row != 1;
                let b = Panels::new(loops, b, [loops.wide, loops.narrow], all, for_b);
                for i in (0..m).step_by(most_rows) {
                    let rows = most_rows.min(m - i);
                    let a = a.sub(i, p, rows, depth);
                    let all = a.col != 1 && n >= PACK_A * loops.wide;
                    let a = Panels::new(loops, a, [loops.rows; 2], all, for_a);
                    tiles(loops, a, b, c.sub(i, j), keep, edge);
                    if p + depth == k {
                        product.finish(i, j, rows, cols);
                    }
                }
            }
        }
    }
}

/// A block of rows in panels of `width` rows each: the panels from `packed_from` on are packed, the earlier ones read
/// in place.
#[derive(Clone, Copy)]
struct Panels<T> {
    view: View<T>,
    width: usize,
    /// Elements along the sum, once packed.
    depth: usize,
    packed_from: usize,
    packed: *const T,
}

impl<T: Element> Panels<T> {
    /// Packs all panels, or only the last one if it is neither full nor half full. Loops of pairs need all.
    ///
    /// # Safety
    ///
    /// `packed` must hold all of `view`, with its rows rounded up to a multiple of the width.
    unsafe fn new(loops: &Loops<T>, view: View<T>, [width, half]: [usize; 2], all: bool, packed: &mut [T]) -> Self {
        let (all, depth) = (all || loops.pairs, if loops.pairs { pairs(view.cols) } else { view.cols });
        let in_place = view.rows / width + usize::from(view.rows % width == half);
        let packed_from = if all { 0 } else { in_place };
        let rows = if view.cols == 0 { 0 } else { view.rows };
        for (panel, row) in (packed_from * width..rows).step_by(width).enumerate() {
            let to = &mut packed[panel * width * depth..][..width * depth];
            // SAFETY: the rows are within the view, and this CPU supports the loops.
            unsafe { (loops.pack)(view.sub(row, 0, width.min(view.rows - row), view.cols), width, to.as_mut_ptr()) };
        }
        Panels { view, width, depth, packed_from, packed: packed.as_ptr() }
    }

    /// # Safety
    ///
    /// The panel must exist.
    unsafe fn get(&self, index: usize) -> Panel<T> {
        let View { start, row, col, .. } = self.view;
        // SAFETY: within the view, or within what `new` has packed.
        unsafe {
            match index.checked_sub(self.packed_from) {
                None => Panel { start: start.add(index * self.width * row), step: col, lane: row },
                Some(packed) => {
                    Panel { start: self.packed.add(packed * self.width * self.depth), step: self.width, lane: 1 }
                }
            }
        }
    }
}

/// Computes all tiles of a block.
///
/// # Safety
///
/// `c` must have the rows of `a` and the columns of `b` (which are the rows of the panels of its transpose), and `edge`
/// must hold a tile. The CPU must support the loops.
unsafe fn tiles<T: Element>(
    loops: &Loops<T>,
    a: Panels<T>,
    b: Panels<T>,
    c: ViewMut<T>,
    keep: Option<T>,
    edge: &mut [T],
) {
    let (k, edge) = (a.depth, ViewMut::new(edge, loops.wide));
    for (panel_a, i) in (0..a.view.rows).step_by(loops.rows).enumerate() {
        for (panel_b, j) in (0..b.view.rows).step_by(loops.wide).enumerate() {
            let (rows, cols) = (loops.rows.min(a.view.rows - i), loops.wide.min(b.view.rows - j));
            let (tile, width) = match cols <= loops.narrow {
                true => (loops.narrow_tile, loops.narrow),
                false => (loops.wide_tile, loops.wide),
            };
            // SAFETY: the panels are padded to full tiles; of an edge tile, only the elements inside `c` are copied to
            // it.
            unsafe {
                let (a, b, c) = (a.get(panel_a), b.get(panel_b), c.sub(i, j));
                if rows == loops.rows && cols == width {
                    tile(k, a, b, c, keep);
                    continue;
                }
                for i in 0..if keep.is_some() { rows } else { 0 } {
                    copy_short(c.sub(i, 0).start, edge.sub(i, 0).start, cols);
                }
                tile(k, a, b, edge, keep);
                for i in 0..rows {
                    copy_short(edge.sub(i, 0).start, c.sub(i, 0).start, cols);
                }
            }
        }
    }
}
