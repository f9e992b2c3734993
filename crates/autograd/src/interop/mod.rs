//! Conversions between [`Tensor`](crate::Tensor) and the arrays and matrices of other crates, each behind a feature with
//! the name of the crate. Memory is moved or borrowed where the layouts allow, and copied otherwise.

#[cfg(feature = "argmin")]
mod argmin;
#[cfg(feature = "faer")]
mod faer;
#[cfg(feature = "nalgebra")]
mod nalgebra;
#[cfg(feature = "ndarray")]
mod ndarray;

#[cfg(any(feature = "faer", feature = "nalgebra", feature = "ndarray"))]
mod layout {
    use crate::error::{Error, Result};
    use crate::float::Element;
    use crate::tensor::Tensor;

    /// The elements of a tensor, from its first one on, with strides that are not negative.
    pub(super) fn from_first<'t, T: Element>(op: &'static str, x: &'t Tensor<T>) -> Result<(&'t [T], Vec<usize>)> {
        let strides = x.strides().iter().map(|&stride| usize::try_from(stride)).collect::<Result<_, _>>();
        let (data, start) = x.raw();
        strides.map(|strides| (&data[start..], strides)).map_err(|_| refused(op, x, "an axis is reversed"))
    }

    /// The elements of a matrix with its rows, columns and strides.
    #[cfg(any(feature = "faer", feature = "nalgebra"))]
    pub(super) fn matrix<'t, T: Element>(
        op: &'static str,
        x: &'t Tensor<T>,
    ) -> Result<(&'t [T], [usize; 2], [usize; 2])> {
        let &[rows, columns] = x.shape() else {
            let hint = format!("a matrix has two axes, not {}: reshape it first", x.rank());
            return Err(Error::Shape { op, shape: x.shape().into(), hint });
        };
        let (data, strides) = from_first(op, x)?;
        Ok((data, [rows, columns], [strides[0], strides[1]]))
    }

    pub(super) fn refused<T: Element>(op: &'static str, x: &Tensor<T>, why: &str) -> Error {
        let hint = format!("{why}, which a view of that kind does not have: call contiguous() first");
        Error::Shape { op, shape: x.shape().into(), hint }
    }
}
