//! Windows over the last axes (pooling) and linear maps along an axis (averages, interpolation): data and shape rules.

use crate::error::{Error, Result};
use crate::float::Few;
use crate::tensor::Shape;
use crate::tensor::layout::room;
use crate::tensor::view::Span;
use smallvec::SmallVec;
use std::sync::Arc;

/// For each of the last axes of an array, the indices that each window covers.
///
/// ```
/// use autograd::{Span, op::Panes};
/// // Two windows of two elements, along one axis.
/// let panes: Panes = [[0, 2].map(|start| Span { start, len: 2, step: 1 }).as_slice().into()].into_iter().collect();
/// assert_eq!(panes[0].len(), 2);
/// ```
pub type Panes = SmallVec<[Arc<[Span]>; 3]>;

/// A sparse matrix, stored as the nonzero entries of each row.
///
/// ```
/// use autograd::op::Sparse;
/// let pairs = Sparse::new(3, [[(0, 0.5), (1, 0.5)], [(1, 0.5), (2, 0.5)]]); // the means of neighbors
/// assert_eq!((pairs.rows(), pairs.cols(), pairs.row(1)), (2, 3, [(1, 0.5), (2, 0.5)].as_slice()));
/// assert_eq!(pairs.transposed().row(1), [(0, 0.5), (1, 0.5)]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sparse {
    cols: usize,
    /// The start of each row in `entries`, and the end of the last row.
    starts: Vec<usize>,
    entries: Vec<(usize, f64)>,
}

impl Sparse {
    /// Creates a matrix from the entries `(column, value)` of each row.
    ///
    /// # Panics
    /// If a column is out of range.
    pub fn new<R: IntoIterator<Item = (usize, f64)>>(cols: usize, rows: impl IntoIterator<Item = R>) -> Sparse {
        let mut sparse = Sparse { cols, starts: vec![0], entries: Vec::new() };
        for row in rows {
            sparse.entries.extend(row.into_iter().filter(|&(_, weight)| weight != 0.0));
            sparse.starts.push(sparse.entries.len());
        }
        assert!(sparse.entries.iter().all(|&(j, _)| j < cols), "Sparse: a column is out of range for {cols} columns");
        sparse
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The entries `(column, value)` of a row.
    pub fn row(&self, i: usize) -> &[(usize, f64)] {
        &self.entries[self.starts[i]..self.starts[i + 1]]
    }

    /// Where each row starts in the list of all entries, and where the last one ends; the list.
    pub(crate) fn lists(&self) -> (&[usize], &[(usize, f64)]) {
        (&self.starts, &self.entries)
    }

    /// The transposed matrix.
    pub fn transposed(&self) -> Sparse {
        let mut starts = vec![0; self.cols + 1];
        self.entries.iter().for_each(|&(j, _)| starts[j + 1] += 1);
        (0..self.cols).for_each(|j| starts[j + 1] += starts[j]);
        let (mut entries, mut next) = (vec![(0, 0.0); self.entries.len()], starts.clone());
        for i in 0..self.rows() {
            for &(j, weight) in self.row(i) {
                entries[next[j]] = (i, weight);
                next[j] += 1;
            }
        }
        Sparse { cols: self.rows(), starts, entries }
    }
}

/// The shape of the result of pooling: one element per window on an array of shape `x`.
pub(super) fn picked(op: &'static str, panes: &Panes, x: &[usize]) -> Result<Shape> {
    let covers = |axis: &[Span], size: usize| {
        axis.iter().all(|s| {
            let way = s.len.checked_sub(1).and_then(|steps| isize::try_from(steps).ok()?.checked_mul(s.step));
            let last = way.and_then(|way| s.start.checked_add_signed(way));
            s.start < size && last.is_some_and(|last| last < size)
        })
    };
    let Some(outer) = x.len().checked_sub(panes.len()).filter(|_| panes.len() <= 3) else {
        return Err(Error::Shape { op, shape: x.into(), hint: format!("it needs at least {} axes", panes.len()) });
    };
    if !panes.iter().zip(&x[outer..]).all(|(axis, &size)| covers(axis, size)) {
        return Err(Error::Shape { op, shape: x.into(), hint: "a window is empty or out of bounds".into() });
    }
    let shape: Shape = x[..outer].iter().copied().chain(panes.iter().map(|axis| axis.len())).few();
    room(op, &shape)?;
    Ok(shape)
}

/// Returns an error unless both shapes are equal.
pub(super) fn alike(op: &'static str, shape: &[usize], expected: &[usize]) -> Result<()> {
    if shape == expected {
        return Ok(());
    }
    Err(Error::Shape { op, shape: shape.into(), hint: format!("it must have shape {expected:?}") })
}

/// The shape of `x` after a linear map along an axis.
pub(super) fn mapped(op: &'static str, axis: usize, map: &Sparse, x: &[usize]) -> Result<Shape> {
    if axis >= x.len() {
        return Err(Error::Axis { op, axis: axis as isize, shape: x.into() });
    }
    if x[axis] != map.cols() {
        let hint = format!("axis {axis} must have size {}, the number of columns of the map", map.cols());
        return Err(Error::Shape { op, shape: x.into(), hint });
    }
    let mut shape: Shape = x.into();
    shape[axis] = map.rows();
    room(op, &shape)?;
    Ok(shape)
}
