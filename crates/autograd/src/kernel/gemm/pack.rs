//! Copies of panels: into the order in which a tile reads them, and from a transposed result to its rows. Moves and
//! shuffles of 16 bytes, which every CPU has, are fast enough.

use super::element::Element;
use super::view::{View, ViewMut};

/// Side of the squares that are transposed at a time.
pub(super) const SIDE: usize = 4;

/// Copies the rows of a view, at most `width`, so that each column is contiguous: element `(i, p)` goes to
/// `to[p * width + i]`. The padding of the columns to `width` is unspecified: it only affects elements of a tile that
/// are discarded.
///
/// # Safety
///
/// `view` must be readable and not empty; `to` must be valid for `width` elements for each of its columns.
pub(super) unsafe fn pack<T: Element>(view: View<T>, width: usize, to: *mut T) {
    let View { start, rows, cols, row, col } = view;
    // SAFETY: `i < rows` and `p < cols`; what is written is below `cols * width`.
    unsafe {
        if row == 1 {
            let last = (cols - 1) * col + rows - 1;
            // One move copies a column, if the elements after it are of the view, too: they serve as padding.
            let one_move = rows.next_power_of_two().min(width);
            for p in 0..cols {
                let len = if p * col + one_move - 1 <= last { one_move } else { rows };
                copy_short(start.add(p * col), to.add(p * width), len);
            }
            return;
        }
        transpose(view, ViewMut { start: to, row: width }, None);
    }
}

/// Writes the transpose of `from` to `c`, or adds it to `keep c`.
///
/// # Safety
///
/// `from` must be readable, and `c` have a row for each of its columns.
pub(super) unsafe fn transpose<T: Element>(from: View<T>, c: ViewMut<T>, keep: Option<T>) {
    let View { start, rows, cols, row, col } = from;
    let whole_rows = rows - rows % SIDE;
    let whole_cols = if col == 1 { cols - cols % SIDE } else { 0 };
    // SAFETY: `i < rows` and `j < cols`.
    unsafe {
        for j in (0..whole_cols).step_by(SIDE) {
            for i in (0..whole_rows).step_by(SIDE) {
                for (k, line) in T::transposed(start.add(i * row + j), row).iter().enumerate() {
                    let (mut line, to) = (*line, c.sub(j + k, i).start.cast::<[T; SIDE]>());
                    if let Some(keep) = keep {
                        let before = to.read();
                        for l in 0..SIDE {
                            line[l] = keep * before[l] + line[l];
                        }
                    }
                    to.write(line);
                }
            }
        }
        for j in 0..cols {
            for i in if j < whole_cols { whole_rows } else { 0 }..rows {
                let (to, x) = (c.sub(j, i).start, start.add(i * row + j * col).read());
                *to = if let Some(keep) = keep { keep * *to + x } else { x };
            }
        }
    }
}

/// Copies at most 63 elements in a few moves of fixed size, which is faster than a loop or a call.
///
/// # Safety
///
/// Both `from` and `to` must be valid for `len` elements, and must not overlap.
#[inline(always)]
pub(super) unsafe fn copy_short<T: Element>(mut from: *const T, mut to: *mut T, len: usize) {
    debug_assert!(len < 64);
    // SAFETY: the sizes add up to `len`.
    unsafe {
        macro_rules! moves {
            ($($size:literal in $move:literal)*) => {$(
                if len & $size != 0 {
                    for k in (0..$size).step_by($move) {
                        to.add(k).cast::<[T; $move]>().write(from.add(k).cast::<[T; $move]>().read());
                    }
                    (from, to) = (from.add($size), to.add($size));
                }
            )*};
        }
        // Arrays of more than eight elements take the compiler too long.
        moves!(32 in 8 16 in 8 8 in 8 4 in 4 2 in 2 1 in 1);
        let _ = (from, to);
    }
}
