//! Matrices as given by the caller, and as used by the kernels.

use crate::float::{Element, Float};
use crate::kernel::copy::copy_row;
use std::ops::Range;

/// A matrix in a slice: the element in row `i` and column `j` is `data[i * row_stride + j * col_stride]`.
///
/// Strides are not negative. Transposing swaps them; a stride of 0 repeats a row or a column.
#[derive(Debug)]
pub struct Mat<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<T> Clone for Mat<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Mat<'_, T> {}

impl<'a, T> Mat<'a, T> {
    /// A matrix of `rows` by `cols` with the given strides, counted in elements.
    ///
    /// # Panics
    ///
    /// If a stride is negative or an element is outside `data`.
    #[inline]
    pub fn new(data: &'a [T], rows: usize, cols: usize, row_stride: isize, col_stride: isize) -> Self {
        let strides = usize::try_from(row_stride).ok().zip(usize::try_from(col_stride).ok());
        let (row_stride, col_stride) = strides.expect("Mat: the strides must not be negative");
        if rows > 0 && cols > 0 {
            let (row, col) = ((rows - 1).checked_mul(row_stride), (cols - 1).checked_mul(col_stride));
            let last = row.zip(col).and_then(|(row, col)| row.checked_add(col));
            assert!(
                last.is_some_and(|last| last < data.len()),
                "Mat: {rows} x {cols} with strides {row_stride}, {col_stride} does not fit {} elements",
                data.len()
            );
        }
        Mat { data, rows, cols, row_stride, col_stride }
    }

    /// A contiguous row-major matrix.
    ///
    /// # Panics
    ///
    /// If `data` has fewer than `rows * cols` elements.
    #[inline]
    pub fn row_major(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::new(data, rows, cols, cols as isize, 1)
    }

    /// The transpose: the same elements, with rows and columns swapped.
    #[inline]
    pub fn t(self) -> Self {
        Mat { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    /// The number of rows.
    #[inline]
    pub fn rows(self) -> usize {
        self.rows
    }

    /// The number of columns.
    #[inline]
    pub fn cols(self) -> usize {
        self.cols
    }

    /// `count` rows from the given one on.
    ///
    /// # Panics
    ///
    /// If the matrix does not have them.
    #[inline]
    pub fn range(self, from: usize, count: usize) -> Self {
        assert!(from <= self.rows && count <= self.rows - from, "Mat: there are {} rows", self.rows);
        Mat { data: self.data.get(from * self.row_stride..).unwrap_or_default(), rows: count, ..self }
    }

    /// Copies row `i` to `out`, which has the same length.
    pub fn copy_row(self, i: usize, out: &mut [T])
    where
        T: Element,
    {
        copy_row(self.data, (i * self.row_stride) as isize, self.col_stride as isize, out);
    }

    /// Adds the beginning of row `i` to `out`.
    pub fn add_row(self, i: usize, out: &mut [T])
    where
        T: Float,
    {
        let row = &self.data[i * self.row_stride..];
        match self.col_stride {
            1 => out.iter_mut().zip(row).for_each(|(out, &x)| *out += x),
            step => out.iter_mut().enumerate().for_each(|(j, out)| *out += row[j * step]),
        }
    }

    /// Some of the columns.
    #[inline]
    pub(super) fn columns(self, range: Range<usize>) -> Self {
        let from = self.data.get(range.start * self.col_stride..).unwrap_or_default();
        Mat { data: from, cols: range.len(), ..self }
    }

    #[inline]
    pub(super) fn view(self) -> View<T> {
        let Mat { data, rows, cols, row_stride, col_stride } = self;
        View { start: data.as_ptr(), rows, cols, row: row_stride, col: col_stride }
    }
}

/// A [`Mat`], or a part of one, without its lifetime: used only while the caller of the product holds the borrow.
pub struct View<T> {
    pub start: *const T,
    pub rows: usize,
    pub cols: usize,
    pub row: usize,
    pub col: usize,
}

impl<T> Clone for View<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<T> {}

// SAFETY: it is only read, like the `&[T]` it was created from, and only within that borrow.
unsafe impl<T: Sync> Sync for View<T> {}

impl<T> View<T> {
    #[inline]
    pub fn t(self) -> Self {
        View { start: self.start, rows: self.cols, cols: self.rows, row: self.col, col: self.row }
    }

    /// The `rows` by `cols` elements from row `i` and column `j` on.
    ///
    /// # Safety
    ///
    /// They must be inside this view.
    #[inline(always)]
    pub unsafe fn sub(self, i: usize, j: usize, rows: usize, cols: usize) -> Self {
        debug_assert!(i + rows <= self.rows && j + cols <= self.cols);
        // SAFETY: the address of an empty part is never used; any other is inside the view, hence inside the slice.
        View { start: self.start.wrapping_add(i * self.row + j * self.col), rows, cols, ..self }
    }
}

/// The result, or a part of it: contiguous rows, `row` apart.
pub struct ViewMut<T> {
    pub start: *mut T,
    pub row: usize,
}

impl<T> Clone for ViewMut<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ViewMut<T> {}

// SAFETY: the threads that share it write to disjoint parts of it.
unsafe impl<T: Send> Sync for ViewMut<T> {}

impl<T> ViewMut<T> {
    #[inline]
    pub fn new(data: &mut [T], row: usize) -> Self {
        ViewMut { start: data.as_mut_ptr(), row }
    }

    /// The same view with rows `row` apart.
    pub fn rows(self, row: usize) -> Self {
        ViewMut { row, ..self }
    }

    /// The part that starts at row `i` and column `j`.
    ///
    /// # Safety
    ///
    /// That element must be inside this view.
    #[inline(always)]
    pub unsafe fn sub(self, i: usize, j: usize) -> Self {
        // SAFETY: inside the view, hence inside the slice.
        ViewMut { start: unsafe { self.start.add(i * self.row + j) }, ..self }
    }
}
