//! The matrix of patches: a row for each tap, a column for each position, and in it the element that the tap reads
//! there. It exists only in pieces, copied from the lines of several images in the order in which a product reads them.

use super::layout::Sizes;
use super::plane::{Plane, put_apart};
use crate::float::Float;
use crate::kernel::gemm::Tap;
use crate::kernel::isa::simd;
use crate::tensor::Tensor;
use std::ops::Range;

/// Elements that may be read beyond the last line, and written beyond the last row of a piece.
pub(super) const SLACK: usize = 16;

/// The most columns that are copied at once.
pub(super) const MOST: usize = 256;

/// Calls a function with each of some planes.
type ForEachPlane<'a> = &'a dyn Fn(&mut dyn FnMut(Plane));

/// The positions for which a product computes one image, in rows of neighbors.
pub(super) struct Grid {
    /// For each row, where its first position is in a line and in the image.
    rows: Tensor<i64>,
    width: usize,
    /// The distance of neighbors in the image.
    step: usize,
    /// Whether the positions are the image, in its order.
    whole: bool,
}

impl Grid {
    /// All output positions.
    pub fn of_output(s: &Sizes) -> Self {
        let grid = Self::new(0, &|f| s.for_each_plane(f));
        Grid { whole: true, ..grid }
    }

    /// The positions of the unpadded image in a phase, in a line that begins at `start`.
    pub fn of_phase(s: &Sizes, phase: [usize; 3], start: usize) -> Self {
        let grid = Self::new(start, &|f| s.for_each_plane_of(phase, f));
        Grid { whole: grid.positions() * s.channels[0] == s.input(), ..grid }
    }

    fn new(start: usize, planes: ForEachPlane) -> Self {
        let (mut count, mut width, mut step) = (0, 0, 1);
        planes(&mut |plane| {
            count += plane.rows;
            (width, step) = (plane.width, plane.step);
        });
        let rows = Tensor::build(&[count, 2], |rows| {
            let mut rows = rows.as_chunks_mut().0.iter_mut();
            planes(&mut |plane| {
                for (i, row) in rows.by_ref().take(plane.rows).enumerate() {
                    let line = plane.line + i * plane.line_pitch - start;
                    *row = [line as i64, (plane.image + i * plane.image_pitch) as i64];
                }
            });
        });
        Grid { rows, width, step, whole: false }
    }

    fn rows(&self) -> &[[i64; 2]] {
        super::list(&self.rows)
    }

    /// The number of positions of an image.
    pub fn positions(&self) -> usize {
        self.rows().len() * self.width
    }

    /// The copies that gather some columns of the first tap from lines of `size` elements: from where, and to where. Returns how
    /// many elements each copies, and their number. What they copy beyond the end of a run is overwritten by the next one.
    fn moves(&self, columns: Range<usize>, size: usize, moves: &mut [[usize; 2]; MOST]) -> (usize, usize) {
        let some = if self.width > 8 { SLACK } else { 8 };
        let (rows, mut at, mut count) = (self.rows(), 0, 0);
        for (row, x, len) in runs(columns, self.width) {
            let from = row / rows.len() * size + rows[row % rows.len()][0] as usize + x;
            for i in (0..len).step_by(some) {
                moves[count] = [from + i, at + i];
                count += 1;
            }
            at += len;
        }
        (some, count)
    }

    /// The length of the line that the taps read.
    fn reach(&self, taps: &[Tap]) -> usize {
        let (mut row, mut shift) = (0, 0);
        self.rows().iter().for_each(|x| row = row.max(x[0] as usize));
        taps.iter().for_each(|tap| shift = shift.max(tap[1] as usize));
        row + shift + self.width
    }

    /// Writes values of neighboring positions to the image that they are in.
    pub fn put<T: Float>(&self, from: usize, values: &[T], image: &mut [T]) {
        if self.whole {
            return image[from..from + values.len()].copy_from_slice(values);
        }
        let (mut values, rows) = (values, self.rows());
        for (row, x, len) in runs(from..from + values.len(), self.width) {
            let (run, rest) = values.split_at(len);
            put_apart(run, self.step, &mut image[rows[row][1] as usize + x * self.step..]);
            values = rest;
        }
    }
}

/// Splits a range of elements into runs within rows: the row, where the run starts in it, and its length.
pub(super) fn runs(range: Range<usize>, width: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let (mut row, mut x, mut left) = (range.start / width, range.start % width, range.len());
    std::iter::from_fn(move || {
        let run = (row, x, left.min(width - x));
        (row, x, left) = (row + 1, 0, left - run.2);
        (run.2 > 0).then_some(run)
    })
}

/// The patches of several images.
pub(super) struct Patches<'a, T> {
    /// The images, laid out in lines, each of `size` elements; then [`SLACK`].
    lines: &'a [T],
    size: usize,
    images: usize,
    taps: &'a [Tap],
    grid: &'a Grid,
}

impl<'a, T: Float> Patches<'a, T> {
    /// # Panics
    ///
    /// If a tap reads beyond the line of its image.
    pub fn new(lines: &'a [T], images: usize, taps: &'a [Tap], grid: &'a Grid) -> Self {
        let size = (lines.len() - SLACK) / images;
        assert!(grid.reach(taps) <= size, "patches: a tap reads beyond its line");
        Patches { lines, size, images, taps, grid }
    }

    /// The number of positions of an image.
    pub fn positions(&self) -> usize {
        self.grid.positions()
    }

    /// The number of columns: positions, image after image.
    pub fn columns(&self) -> usize {
        self.images * self.grid.positions()
    }

    /// Copies a piece of the matrix to rows that are `pitch` apart. Up to [`SLACK`] elements after each row become
    /// unspecified.
    pub fn copy(&self, rows: Range<usize>, columns: Range<usize>, pitch: usize, to: &mut [T]) {
        let mut moves = [[0; 2]; MOST];
        let (some, count) = self.grid.moves(columns, self.size, &mut moves);
        copy_moves(some, &moves[..count], &self.taps[rows], self.lines, pitch, to);
    }
}

simd! {
    /// For each tap, copies pieces of `some` elements from one place to another: the first place is shifted as the tap is,
    /// the second by `pitch` from one tap to the next.
    fn copy_moves<T: Float>(some: usize, moves: &[[usize; 2]], taps: &[Tap], from: &[T], pitch: usize, to: &mut [T]) {
        match some {
            8 => copy_pieces::<T, 8>(moves, taps, from, pitch, to),
            _ => copy_pieces::<T, SLACK>(moves, taps, from, pitch, to),
        }
    }
}

#[inline(always)]
fn copy_pieces<T: Float, const N: usize>(moves: &[[usize; 2]], taps: &[Tap], from: &[T], pitch: usize, to: &mut [T]) {
    let mut furthest = [0; 2];
    for x in moves {
        furthest = [furthest[0].max(x[0]), furthest[1].max(x[1])];
    }
    let shift = taps.iter().fold(0, |most, tap| most.max(tap[1] as usize));
    let end = taps.len().saturating_sub(1) * pitch + furthest[1] + N;
    assert!(furthest[0] + shift + N <= from.len() && end <= to.len(), "patches: no room for the last piece");
    for (i, tap) in taps.iter().enumerate() {
        // Checks in this loop would take longer than the copies.
        // SAFETY: the furthest piece is within both slices, and so are all others.
        unsafe {
            let (from, to) = (from.as_ptr().add(tap[1] as usize), to.as_mut_ptr().add(i * pitch));
            for x in moves {
                to.add(x[1]).cast::<[T; N]>().write(from.add(x[0]).cast::<[T; N]>().read());
            }
        }
    }
}
