//! A product on one thread, in cache-sized blocks and register-sized panels.
//!
//! The loops are those of Goto and van de Geijn: blocks of [`columns`] columns of `C`, blocks of about [`KC`] terms of
//! the sum, blocks of rows of `C`; within them, tiles of `R x W`, or half as wide (`H`) where no more columns remain.
//! A panel of `A` (`R` rows by a block of the sum) stays in the L1 cache while it is multiplied by all panels of `B`
//! (that block by `W` columns), which stay in the L2 cache. A panel is *packed*, that is, copied in the order of use,
//! if the tile cannot read it in place (edges, columns that are not contiguous) or if it is reused often enough for
//! the copy to pay off.

use super::Product;
use super::element::Element;
use super::few;
use super::tile::tile;
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

/// For shorter sums, transposing a product of few rows does not pay off.
const FEW_SUM: usize = 16;

/// Whether a sum of length `k` is a single block, so that `keep c` is added to the whole sum.
pub fn is_one_block(k: usize) -> bool {
    k <= KC
}

/// The block length for a sum of length `k`. The last block may be shorter.
pub(super) fn block(k: usize) -> usize {
    if k <= KC { k.max(1) } else { k.div_ceil(k.div_ceil(KC)) }
}

/// Columns per block for a sum of length `k`: twice as many if the block is half as deep.
pub(super) fn columns(k: usize) -> usize {
    if block(k) <= KC / 2 { 2 * NC } else { NC }
}

/// Maximum number of elements of workspace that [`multiply`] needs.
pub(super) fn workspace<const R: usize, const W: usize>(m: usize, n: usize, k: usize) -> usize {
    let rows = m.min(MC_TILES * R).next_multiple_of(R);
    (rows + n.min(columns(k)).next_multiple_of(W)) * block(k)
}

/// Computes `c = a b`, or `c = keep c + a b`, and passes it to the callback by blocks of rows.
///
/// # Safety
///
/// The inner dimensions must agree; `c` must have the rows of `a` and the columns of `b`, and only this thread may
/// access it. The workspace must have the size given by [`workspace`]. For `HARDWARE`, see [`tile`].
#[inline(always)]
pub(super) unsafe fn multiply<T: Element, const R: usize, const W: usize, const H: usize, const HARDWARE: bool>(
    product: &Product<'_, T>,
    workspace: &mut [T],
) {
    let Product { a, b, c, keep, .. } = *product;
    let (m, n, k) = (a.rows, b.cols, a.cols);
    if b.row == 1 && b.col != 1 && m <= W && k >= FEW_SUM {
        // SAFETY: guaranteed by the caller, and `m <= W` has just been checked.
        return unsafe {
            if m <= H {
                few::multiply::<T, R, H, HARDWARE>(product, workspace)
            } else {
                few::multiply::<T, R, W, HARDWARE>(product, workspace)
            }
        };
    }
    let (for_a, for_b) = workspace.split_at_mut(m.min(MC_TILES * R).next_multiple_of(R) * block(k));
    let most = columns(k);
    for j in (0..n).step_by(most) {
        let cols = most.min(n - j);
        // One step even for an empty sum, to set `c` to 0.
        for p in (0..k.max(1)).step_by(block(k)) {
            let depth = block(k).min(k - p);
            let keep = if p > 0 { Some(T::ONE) } else { keep };
            // SAFETY: `j + cols <= n`, `p + depth <= k`, and below `i + rows <= m`.
            let b = unsafe { Panels::<T, W, H>::new(b.sub(p, j, depth, cols).t(), 1, m >= PACK_B * R, for_b) };
            for i in (0..m).step_by(MC_TILES * R) {
                let rows = (MC_TILES * R).min(m - i);
                // SAFETY: as above.
                unsafe {
                    let a = a.sub(i, p, rows, depth);
                    let a = Panels::<T, R, R>::new(a, a.row, a.col != 1 && n >= PACK_A * W, for_a);
                    tiles::<T, R, W, H, HARDWARE>(depth, a, b, c.sub(i, j), keep);
                    if p + depth == k {
                        product.finish(i, j, rows, cols);
                    }
                }
            }
        }
    }
}

/// How a tile reads an operand: element `p` of the sum, lane `i`, is at `start + p * step + i * lane`.
///
/// A packed panel has its width as `step` and a `lane` of 1.
struct Panel<T> {
    start: *const T,
    step: usize,
    lane: usize,
}

/// A block of rows in panels of `W` rows each: the panels from `packed_from` on are packed, the earlier ones read in
/// place.
struct Panels<T, const W: usize, const H: usize> {
    rows: usize,
    packed_from: usize,
    in_place: View<T>,
    packed: *const T,
}

impl<T, const W: usize, const H: usize> Clone for Panels<T, W, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, const W: usize, const H: usize> Copy for Panels<T, W, H> {}

impl<T: Element, const W: usize, const H: usize> Panels<T, W, H> {
    /// Packs where necessary: all panels if `all` or if the rows are not `stride` apart, else only the last panel if
    /// it is neither full nor half full.
    ///
    /// # Safety
    ///
    /// `packed` must hold all of `view`, with its rows rounded up to a multiple of `W`.
    #[inline(always)]
    unsafe fn new(view: View<T>, stride: usize, all: bool, packed: &mut [T]) -> Self {
        let in_place = view.rows / W + usize::from(view.rows % W == H);
        let packed_from = if all || view.row != stride { 0 } else { in_place };
        let rows = if view.cols == 0 { 0 } else { view.rows };
        for (panel, row) in (packed_from * W..rows).step_by(W).enumerate() {
            let rows = W.min(view.rows - row);
            // SAFETY: the rows are within the view.
            unsafe {
                let to = &mut packed[panel * W * view.cols..][..W * view.cols];
                pack::<T, W>(view.sub(row, 0, rows, view.cols), to.as_chunks_mut().0);
            }
        }
        Panels { rows: view.rows, packed_from, in_place: view, packed: packed.as_ptr() }
    }

    /// # Safety
    ///
    /// The panel must exist.
    #[inline(always)]
    unsafe fn get(&self, index: usize) -> Panel<T> {
        // SAFETY: within the view, or within what `new` has packed.
        unsafe {
            match index.checked_sub(self.packed_from) {
                None => {
                    let View { start, row, col, .. } = self.in_place;
                    Panel { start: start.add(index * W * row), step: col, lane: row }
                }
                Some(packed) => Panel { start: self.packed.add(packed * W * self.in_place.cols), step: W, lane: 1 },
            }
        }
    }
}

/// Copies up to `W` rows so that each column is contiguous. The padding of the columns to `W` is unspecified: it only
/// affects elements of the tile that are discarded.
///
/// # Safety
///
/// `view` must be readable and not empty; `to` must have one entry for each of its columns.
#[inline(always)]
pub(super) unsafe fn pack<T: Element, const W: usize>(view: View<T>, to: &mut [[T; W]]) {
    let View { start, rows, row, col, .. } = view;
    // SAFETY: `i < rows`, `p < to.len()`, which is the number of columns.
    unsafe {
        if row == 1 {
            let last = (to.len() - 1) * col + rows - 1;
            for (p, to) in to.iter_mut().enumerate() {
                let from = start.add(p * col);
                if p * col + W - 1 <= last {
                    // This may read more than `rows` elements: other elements of the view serve as padding.
                    *to = from.cast::<[T; W]>().read();
                } else {
                    copy_short::<T, W>(from, to.as_mut_ptr(), rows);
                }
            }
        } else if rows == W && col == 1 {
            transpose(start, row, to);
        } else {
            for (p, to) in to.iter_mut().enumerate() {
                for (i, to) in to[..rows].iter_mut().enumerate() {
                    *to = start.add(i * row + p * col).read();
                }
            }
        }
    }
}

/// [`pack`] for `W` contiguous rows, in square blocks.
///
/// # Safety
///
/// As for [`pack`].
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "the index also counts the rows of the source")]
unsafe fn transpose<T: Element, const W: usize>(start: *const T, row: usize, to: &mut [[T; W]]) {
    const SIDE: usize = 8;
    let (squares, rest) = to.as_chunks_mut::<SIDE>();
    let done = squares.len() * SIDE;
    // SAFETY: as for `pack`.
    unsafe {
        for (s, square) in squares.iter_mut().enumerate() {
            for i in 0..W {
                let from = start.add(i * row + s * SIDE).cast::<[T; SIDE]>().read();
                for p in 0..SIDE {
                    square[p][i] = from[p];
                }
            }
        }
        for (p, to) in rest.iter_mut().enumerate() {
            for i in 0..W {
                to[i] = start.add(i * row + done + p).read();
            }
        }
    }
}

/// Computes all tiles of a block.
///
/// # Safety
///
/// As for [`tile`]; `c` must have the rows of `a` and the columns of `b` (which are the rows of the panels of its
/// transpose).
#[inline(always)]
unsafe fn tiles<T: Element, const R: usize, const W: usize, const H: usize, const HARDWARE: bool>(
    k: usize,
    a: Panels<T, R, R>,
    b: Panels<T, W, H>,
    c: ViewMut<T>,
    keep: Option<T>,
) {
    let mut edge = [[T::ZERO; W]; R];
    for (panel_a, i) in (0..a.rows).step_by(R).enumerate() {
        for (panel_b, j) in (0..b.rows).step_by(W).enumerate() {
            let (rows, cols) = (R.min(a.rows - i), W.min(b.rows - j));
            // SAFETY: the panels are padded to full tiles; of an edge tile, only the elements inside `c` are copied to
            // it.
            unsafe {
                let (a, b, c) = (a.get(panel_a), b.get(panel_b), c.sub(i, j));
                let a_row = a.lane;
                let (a, b) = (|p: usize| a.start.wrapping_add(p * a.step), |p: usize| b.start.wrapping_add(p * b.step));
                if rows == R && cols == W {
                    tile::<T, R, W, HARDWARE>(k, a, a_row, b, c.start, c.row, keep);
                    continue;
                }
                if rows == R && cols == H {
                    tile::<T, R, H, HARDWARE>(k, a, a_row, b, c.start, c.row, keep);
                    continue;
                }
                let to = edge.as_mut_ptr().cast::<T>();
                for i in 0..if keep.is_some() { rows } else { 0 } {
                    copy_short::<T, W>(c.sub(i, 0).start, to.add(i * W), cols);
                }
                if cols <= H {
                    tile::<T, R, H, HARDWARE>(k, a, a_row, b, to, W, keep);
                } else {
                    tile::<T, R, W, HARDWARE>(k, a, a_row, b, to, W, keep);
                }
                for i in 0..rows {
                    copy_short::<T, W>(to.add(i * W), c.sub(i, 0).start, cols);
                }
            }
        }
    }
}

/// Copies `len <= W` elements in a few moves of fixed size, which is faster than a loop or a call.
///
/// # Safety
///
/// Both `from` and `to` must be valid for `len` elements, and must not overlap.
#[inline(always)]
unsafe fn copy_short<T: Element, const W: usize>(mut from: *const T, mut to: *mut T, len: usize) {
    // SAFETY: the sizes add up to `len`.
    unsafe {
        macro_rules! moves {
            ($($size:literal)*) => {$(
                if W >= $size && len & $size != 0 {
                    to.cast::<[T; $size]>().write(from.cast::<[T; $size]>().read());
                    (from, to) = (from.add($size), to.add($size));
                }
            )*};
        }
        moves!(64 32 16 8 4 2 1);
        let _ = (from, to);
    }
}
