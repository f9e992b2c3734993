//! Arrays of the crate `ndarray`.

use super::layout::{from_first, refused};
use crate::error::Error;
use crate::float::{Element, Shape, Strides};
use crate::tensor::Tensor;
use ndarray::{Array, ArrayD, ArrayView, ArrayViewD, Dimension, IxDyn, ShapeBuilder};
use std::sync::Arc;

/// Takes over the memory of the array, in any layout.
impl<T: Element, D: Dimension> From<Array<T, D>> for Tensor<T> {
    fn from(array: Array<T, D>) -> Self {
        let (shape, strides): (Shape, Strides) = (array.shape().into(), array.strides().into());
        match array.into_raw_vec_and_offset() {
            (data, Some(start)) => Tensor::assemble(shape, strides, start, Arc::new(data)),
            // Without elements.
            (data, None) => Tensor::new(&shape, data),
        }
    }
}

/// Copies the elements.
impl<T: Element, D: Dimension> From<ArrayView<'_, T, D>> for Tensor<T> {
    fn from(view: ArrayView<T, D>) -> Self {
        Tensor::new(view.shape(), view.iter().copied().collect())
    }
}

/// Borrows the elements of a tensor without reversed axes.
impl<'t, T: Element> TryFrom<&'t Tensor<T>> for ArrayViewD<'t, T> {
    type Error = Error;

    fn try_from(x: &'t Tensor<T>) -> Result<Self, Error> {
        const OP: &str = "ArrayView::try_from";
        let (data, strides) = from_first(OP, x)?;
        let layout = IxDyn(x.shape()).strides(IxDyn(&strides));
        ArrayView::from_shape(layout, data).map_err(|_| refused(OP, x, "its layout has overlaps"))
    }
}

/// Moves the memory if no other tensor shares it and it holds exactly the elements in row-major order; otherwise copies
/// the elements.
impl<T: Element> From<Tensor<T>> for ArrayD<T> {
    fn from(x: Tensor<T>) -> Self {
        let shape = IxDyn(x.shape());
        Array::from_shape_vec(shape, x.into_vec()).expect("a tensor has as many elements as its shape")
    }
}
