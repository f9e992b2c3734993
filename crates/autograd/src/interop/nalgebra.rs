//! Matrices and vectors of the crate `nalgebra`.

use super::layout::matrix;
use crate::error::Error;
use crate::float::{Element, Shape, Strides};
use crate::tensor::Tensor;
use nalgebra::{Const, DMatrix, DMatrixView, DVector, Dim, Dyn, Matrix, RawStorage, Scalar};
use std::sync::Arc;

/// Takes over the memory of the matrix. The tensor has column-major strides.
impl<T: Element + Scalar> From<DMatrix<T>> for Tensor<T> {
    fn from(matrix: DMatrix<T>) -> Self {
        let (rows, columns) = matrix.shape();
        let strides = Strides::from_slice(&[1, rows.max(1) as isize]);
        Tensor::assemble(Shape::from_slice(&[rows, columns]), strides, 0, Arc::new(matrix.data.into()))
    }
}

/// Takes over the memory of the vector.
impl<T: Element + Scalar> From<DVector<T>> for Tensor<T> {
    fn from(vector: DVector<T>) -> Self {
        let data: Vec<T> = vector.data.into();
        Tensor::new(&[data.len()], data)
    }
}

/// Copies the elements of any matrix, row by row.
impl<T: Element + Scalar, R: Dim, C: Dim, S: RawStorage<T, R, C>> From<&Matrix<T, R, C, S>> for Tensor<T> {
    fn from(matrix: &Matrix<T, R, C, S>) -> Self {
        let (rows, columns) = matrix.shape();
        Tensor::from_fn(&[rows, columns], |at| matrix[(at[0], at[1])])
    }
}

/// Borrows the elements of a tensor with two axes whose columns are contiguous: of a row-major tensor, view the transpose
/// `x.t()`. (Views with a stride within a column exist, but products of such a view write out of bounds in nalgebra 0.35.)
impl<'t, T: Element + Scalar> TryFrom<&'t Tensor<T>> for DMatrixView<'t, T> {
    type Error = Error;

    fn try_from(x: &'t Tensor<T>) -> Result<Self, Error> {
        const OP: &str = "DMatrixView::try_from";
        let (data, [rows, columns], [down, right]) = matrix(OP, x)?;
        if down != 1 && rows > 1 {
            let hint =
                "its columns are not contiguous: view the transpose t(), whose are, or copy it to a DMatrix".into();
            return Err(Error::Shape { op: OP, shape: x.shape().into(), hint });
        }
        let (rows, columns, right) = (Dyn(rows), Dyn(columns), Dyn(right));
        Ok(DMatrixView::from_slice_with_strides_generic(data, rows, columns, Const::<1>, right))
    }
}

/// Copies the elements of a tensor with two axes.
impl<T: Element + Scalar> TryFrom<&Tensor<T>> for DMatrix<T> {
    type Error = Error;

    fn try_from(x: &Tensor<T>) -> Result<Self, Error> {
        let (_, [rows, columns], _) = matrix("DMatrix::try_from", x)?;
        Ok(DMatrix::from_row_iterator(rows, columns, x.iter()))
    }
}
