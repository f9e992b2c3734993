//! A matrix packed once for many products with it: the weights of a recurrent layer, which every step multiplies by.
//!
//! The rows and columns of a product are rounded up to whole tiles, so that no tile is an edge. Each element has the bits
//! of [`matmul_into`](super::matmul_into).

use super::blocked::block;
use super::element::{Element, Loops};
use super::pack::pack;
use super::tile::Panel;
use super::view::{Mat, ViewMut};
use crate::kernel::isa::Isa;
use std::ops::Range;

/// Fills panels: some columns, in rows of the given length, to the beginning of some memory.
pub type Fill<'f, T> = &'f dyn Fn(Range<usize>, usize, &mut [T]);

/// A packed matrix of `k x n`.
pub struct Packed<'a, T: 'static> {
    loops: &'static Loops<T>,
    k: usize,
    columns: usize,
    /// For each block of the sum, the panels of its columns: wide ones, and perhaps a narrow one.
    panels: &'a [T],
}

/// The columns of a product with a packed matrix of `n` columns.
pub fn packed_columns<T: Element>(n: usize) -> usize {
    n.next_multiple_of(T::loops(Isa::best()).narrow)
}

/// The rows of a product of `m` rows with a packed matrix.
pub fn packed_rows<T: Element>(m: usize) -> usize {
    m.next_multiple_of(T::loops(Isa::best()).rows)
}

impl<'a, T: Element> Packed<'a, T> {
    /// Packs a matrix whose sum is [one block](super::is_one_block), with values from `fill`: it is called with the columns
    /// of each panel, the distance of its rows, and memory for the panel, in which it may also write up to the end.
    pub fn pieces(k: usize, n: usize, room: &'a mut [T], fill: Fill<T>) -> Self {
        let loops = T::loops(Isa::best());
        let columns = packed_columns::<T>(n);
        assert!(k <= block(k) && room.len() >= k * columns, "packed: there must be room for {k} x {columns} elements");
        for (j, width) in panels(loops, columns) {
            fill(j..n.min(j + width), width, &mut room[j * k..]);
        }
        Packed { loops, k, columns, panels: room }
    }

    /// Packs `b` into `room`, of `b.rows() * packed_columns(b.cols())` elements.
    pub fn new(b: Mat<'_, T>, room: &'a mut [T]) -> Self {
        let (loops, k, n) = (T::loops(Isa::best()), b.rows(), b.cols());
        let columns = packed_columns::<T>(n);
        assert_eq!(room.len(), k * columns, "packed: there must be room for {k} x {columns} elements");
        let mut rest = &mut *room;
        for p in (0..k).step_by(block(k)) {
            let depth = block(k).min(k - p);
            for (j, width) in panels(loops, columns) {
                let (panel, others) = rest.split_at_mut(depth * width);
                rest = others;
                // SAFETY: the columns are within `b`, and the panel has room for `width` of them.
                unsafe { pack(b.view().sub(p, j, depth, width.min(n - j)).t(), width, panel.as_mut_ptr()) };
            }
        }
        Packed { loops, k, columns, panels: room }
    }

    /// `c = a b`, or `c = keep c + a b`, for as many rows as `a` has, a multiple of what [`packed_rows`] rounds to. The rows of
    /// `c` have [`packed_columns`] elements, of which those beyond the matrix become unspecified.
    pub fn product(&self, a: Mat<'_, T>, c: &mut [T], keep: Option<T>) {
        let Packed { loops, k, columns, panels: packed } = *self;
        let rows = a.rows();
        assert!(
            rows.is_multiple_of(loops.rows) && c.len() == rows * columns,
            "packed: the result must have whole tiles"
        );
        assert_eq!(a.cols(), k, "packed: the inner dimensions differ");
        let (a, c) = (a.view(), ViewMut::new(c, columns));
        let mut at = 0;
        for p in (0..k).step_by(block(k)) {
            let (depth, keep) = (block(k).min(k - p), if p > 0 { Some(T::ONE) } else { keep });
            for (j, width) in panels(loops, columns) {
                let tile = if width == loops.wide { loops.wide_tile } else { loops.narrow_tile };
                let panel = &packed[at..at + depth * width];
                at += panel.len();
                for i in (0..rows).step_by(loops.rows) {
                    // SAFETY: `i + loops.rows <= rows`, `j + width <= columns` and `p + depth <= k`, so the tile lies within
                    // `c`, and its operands within `a` and the panel. This CPU supports the loops.
                    unsafe {
                        let a = Panel { start: a.sub(i, p, loops.rows, depth).start, step: a.col, lane: a.row };
                        let b = Panel { start: panel.as_ptr(), step: width, lane: 1 };
                        tile(depth, a, b, c.sub(i, j), keep);
                    }
                }
            }
        }
    }
}

/// The first column and the width of each panel.
fn panels<T>(loops: &Loops<T>, columns: usize) -> impl Iterator<Item = (usize, usize)> + use<T> {
    let (wide, narrow) = (loops.wide, loops.narrow);
    (0..columns).step_by(wide).map(move |j| (j, if columns - j >= wide { wide } else { narrow }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::Precision;
    use crate::kernel::gemm::matmul_into;

    fn same_bits<T: Element>() {
        for (m, n, k) in [(2, 2, 1), (8, 32, 32), (5, 20, 7), (17, 70, 300), (3, 33, 700)] {
            let numbers =
                |n: usize, by: usize| -> Vec<T> { (0..n).map(|i| T::of(((i * by) % 23) as f64 / 7.0 - 1.5)).collect() };
            let (a, b, start) = (numbers(m * k, 37), numbers(k * n, 29), numbers(m * n, 11));
            let by_columns: Vec<T> = (0..n * k).map(|i| b[i % k * n + i / k]).collect();
            let (rows, columns) = (packed_rows::<T>(m), packed_columns::<T>(n));
            for (b, strides) in [(&b, (n as isize, 1)), (&by_columns, (1, k as isize))] {
                let b = Mat::new(b, k, n, strides.0, strides.1);
                let (mut room, mut left) = (vec![T::ZERO; k * columns], vec![T::ZERO; rows * k]);
                let packed = Packed::new(b, &mut room);
                left[..m * k].copy_from_slice(&a);
                for keep in [None, Some(T::of(0.5))] {
                    let (mut c, mut expected) = (vec![T::ZERO; rows * columns], start.clone());
                    (0..m).for_each(|i| c[i * columns..][..n].copy_from_slice(&start[i * n..][..n]));
                    packed.product(Mat::row_major(&left, rows, k), &mut c, keep);
                    matmul_into(Precision::Full, Mat::new(&a, m, k, k as isize, 1), b, &mut expected, keep, None);
                    for (i, row) in c.chunks(columns).take(m).enumerate() {
                        assert_eq!(row[..n], expected[i * n..][..n], "{m} {n} {k}: row {i}");
                    }
                }
            }
        }
    }

    #[test]
    fn products_have_the_bits_of_unpacked_ones() {
        same_bits::<f32>();
        same_bits::<f64>();
    }
}
