//! Dense and sparse matrices of the crate `faer`.

use super::layout::{matrix, refused};
use crate::error::Error;
use crate::float::{Element, Float};
use crate::tensor::Tensor;
use crate::transform::{Pattern, SparseHessian, SparseJacobian};
use faer::sparse::{SparseColMat, SparseRowMat, SymbolicSparseColMat, SymbolicSparseRowMat};
use faer::{Mat, MatRef};

/// Copies the elements, row by row: `faer` pads its columns.
impl<T: Element> From<MatRef<'_, T>> for Tensor<T> {
    fn from(matrix: MatRef<T>) -> Self {
        Tensor::from_fn(&[matrix.nrows(), matrix.ncols()], |at| matrix[(at[0], at[1])])
    }
}

/// Copies the elements, row by row.
impl<T: Element> From<Mat<T>> for Tensor<T> {
    fn from(matrix: Mat<T>) -> Self {
        matrix.as_ref().into()
    }
}

/// Borrows the elements of a tensor with two axes, one of which is contiguous.
impl<'t, T: Element> TryFrom<&'t Tensor<T>> for MatRef<'t, T> {
    type Error = Error;

    fn try_from(x: &'t Tensor<T>) -> Result<Self, Error> {
        const OP: &str = "MatRef::try_from";
        let (data, [rows, columns], strides) = matrix(OP, x)?;
        match strides {
            [stride, 1] if stride >= columns => {
                Ok(MatRef::from_row_major_slice_with_stride(data, rows, columns, stride))
            }
            [1, stride] if stride >= rows => {
                Ok(MatRef::from_column_major_slice_with_stride(data, rows, columns, stride))
            }
            _ => Err(refused(OP, x, "no axis is contiguous")),
        }
    }
}

/// Copies the elements of a tensor with two axes.
impl<T: Element> TryFrom<&Tensor<T>> for Mat<T> {
    type Error = Error;

    fn try_from(x: &Tensor<T>) -> Result<Self, Error> {
        let (_, [rows, columns], _) = matrix("Mat::try_from", x)?;
        Ok(Mat::from_fn(rows, columns, |i, j| x.at(&[i, j])))
    }
}

/// The row offsets and columns of a pattern in `faer`'s format.
fn compressed(pattern: &Pattern) -> (Vec<usize>, Vec<usize>) {
    (pattern.row_starts().to_vec(), pattern.columns_of().iter().map(|&column| column as usize).collect())
}

macro_rules! sparse { ($($Name:ident)*) => { $(
    /// Copies the last values, by rows.
    impl<T: Float> From<&$Name<T>> for SparseRowMat<usize, T> {
        fn from(matrix: &$Name<T>) -> Self {
            let pattern = matrix.pattern();
            let (starts, columns) = compressed(pattern);
            let places = SymbolicSparseRowMat::new_checked(pattern.rows(), pattern.columns(), starts, None, columns);
            SparseRowMat::new(places, matrix.values().to_vec())
        }
    }

    /// Copies the last values, by columns: the format of `faer`'s sparse factorizations.
    impl<T: Float> From<&$Name<T>> for SparseColMat<usize, T> {
        fn from(matrix: &$Name<T>) -> Self {
            let (by_columns, values) = matrix.by_columns();
            let (starts, rows) = compressed(&by_columns);
            let [columns, row_count] = [by_columns.rows(), by_columns.columns()];
            let places = SymbolicSparseColMat::new_checked(row_count, columns, starts, None, rows);
            SparseColMat::new(places, values)
        }
    }
)* } }

sparse! { SparseJacobian SparseHessian }
