//! [`Rows`]: the rows of a table to which the rows of a smaller tensor belong.

use super::Tensor;
use crate::float::Element;

/// Some rows of a table, each once and in ascending order. The derivative with respect to a table in which only these
/// rows were looked up is a tensor with this many rows; all others are 0.
///
/// ```
/// use autograd::{Tape, tensor};
/// let (tape, table) = (Tape::<f64>::new(), tensor![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
/// let x = tape.keyed_table(7, &table);
/// let gradients = x.take(0, &tensor![2_i64, 0, 2]).sum().backward();
/// let rows = gradients.rows(x).unwrap();
/// assert_eq!((rows.index(), rows.of()), ([0, 2].as_slice(), 3));
/// assert_eq!(gradients.get(x), Some(&tensor![[1.0, 1.0], [2.0, 2.0]]));
/// assert_eq!(gradients.wrt(x), tensor![[1.0, 1.0], [0.0, 0.0], [2.0, 2.0]]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    index: Tensor<i64>,
    of: usize,
}

impl Rows {
    /// The rows with these indices of a table of `of` rows; `None` unless they ascend and the table has them.
    ///
    /// ```
    /// use autograd::Rows;
    /// assert_eq!(Rows::new(vec![0, 2], 3).unwrap().index(), [0, 2]);
    /// assert!(Rows::new(vec![2, 0], 3).is_none() && Rows::new(vec![3], 3).is_none());
    /// ```
    pub fn new(index: Vec<i64>, of: usize) -> Option<Self> {
        let fits = index.is_sorted_by(|a, b| a < b) && index.iter().all(|&row| (0..of as i64).contains(&row));
        fits.then(|| Rows::ascending(index, of))
    }

    /// The rows with these indices, which ascend, of a table of `of` rows.
    pub(crate) fn ascending(index: Vec<i64>, of: usize) -> Self {
        debug_assert!(index.is_sorted_by(|a, b| a < b) && index.iter().all(|&row| (0..of as i64).contains(&row)));
        Rows { index: Tensor::from(index), of }
    }

    /// The rows of a table `[rows, …]` that have an element other than 0.
    ///
    /// ```
    /// use autograd::{Rows, tensor};
    /// assert_eq!(Rows::nonzero(&tensor![[0.0, 0.0], [0.0, 1.0]]).index(), [1]);
    /// ```
    /// # Panics
    /// Panics if the tensor has no axis.
    pub fn nonzero<T: Element + Default>(table: &Tensor<T>) -> Self {
        let (of, table) = (table.shape()[0], table.contiguous());
        let (all, width) = (table.as_slice().expect("contiguous"), table.len() / of.max(1));
        let has = |row: &i64| all[*row as usize * width..][..width].iter().any(|x| *x != T::default());
        Rows::ascending((0..of as i64).filter(has).collect(), of)
    }

    /// Their indices.
    pub fn index(&self) -> &[i64] {
        self.index.as_slice().expect("made contiguous")
    }

    /// Their indices, as a tensor.
    pub(crate) fn tensor(&self) -> &Tensor<i64> {
        &self.index
    }

    /// The number of rows of the table.
    pub fn of(&self) -> usize {
        self.of
    }

    /// The number of these rows.
    ///
    /// ```
    /// use autograd::{Rows, tensor};
    /// let rows = Rows::nonzero(&tensor![[0.0], [1.0], [2.0]]);
    /// assert_eq!((rows.len(), rows.is_empty()), (2, false));
    /// ```
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that are among these or among others of the same table.
    ///
    /// ```
    /// use autograd::{Rows, tensor};
    /// let (a, b) = (Rows::nonzero(&tensor![[1.0], [0.0], [2.0]]), Rows::nonzero(&tensor![[0.0], [3.0], [1.0]]));
    /// assert_eq!(a.union(&b).index(), [0, 1, 2]);
    /// ```
    pub fn union(&self, other: &Rows) -> Rows {
        let (a, b) = (self.index(), other.index());
        let (mut i, mut j, mut all) = (0, 0, Vec::with_capacity(a.len() + b.len()));
        while let (Some(&x), Some(&y)) = (a.get(i), b.get(j)) {
            all.push(x.min(y));
            i += usize::from(x <= y);
            j += usize::from(y <= x);
        }
        all.extend(&a[i..]);
        all.extend(&b[j..]);
        Rows::ascending(all, self.of)
    }
}
