//! The inverse of max pooling.

use crate::once;
use autograd::{Error, Float, Index, Ints, Result, Shape, Tensor, Var};

/// Writes elements into zeros at the positions that max pooling found: the result has `D` last axes of the given `size`,
/// and the index of an element counts along them in row-major order.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::functional::max_unpool;
/// let x = Tape::<f64>::new();
/// let x = x.var([[[5.0, 7.0]]]);
/// assert_eq!(max_unpool(x, tensor![[[1_i64, 2]]], [4])?.value(), tensor![[[0.0, 5.0, 7.0, 0.0]]]);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the indices do not have the shape of the elements, or are out of range.
#[track_caller]
pub fn max_unpool<'t, T: Float, const D: usize>(
    x: Var<'t, T>,
    index: impl Into<Index<Var<'t, T>>>,
    size: [usize; D],
) -> Result<Var<'t, T>> {
    unpooled(x, index.into().on(x.tape()), &size)
}

once! {
    fn unpooled<'t, T>(x: Var<'t, T>, index: Ints<'t, T>, size: &[usize]) -> Result<Var<'t, T>> {
        let shape = x.shape();
        if index.shape() != shape || shape.len() < size.len() {
            let hint = format!("there must be an index for each element, got {:?}", index.shape());
            return Err(Error::Shape { op: "max_unpool", shape: shape.as_slice().into(), hint });
        }
        let (outer, inner) = shape.split_at(shape.len() - size.len());
        let with = |last: &[usize]| outer.iter().chain(last).copied().collect::<Shape>();
        let [from, to] = [with(&[inner.iter().product()]), with(&[size.iter().product()])];
        let zeros = x.tape().constant(Tensor::zeros(&to));
        let index = index.reshape(&from).try_within("max_unpool", size.iter().product())?;
        let y = zeros.try_scatter(-1, index, x.reshape(&from))?;
        y.try_reshape(&with(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::{Tape, tensor};

    #[test]
    fn what_does_not_fit_is_refused() {
        let tape = Tape::<f64>::new();
        let y = tape.var([[[5.0, 7.0]]]);
        assert!(max_unpool(y, tensor![[[1_i64, 4]]], [4]).unwrap_err().to_string().contains("4"));
        let error = max_unpool(y, tensor![[[0_i64, -1]]], [4]).unwrap_err().to_string();
        assert!(error.contains("max_unpool: index -1"), "{error}");
        assert!(max_unpool(y, tensor![1_i64, 2], [4]).is_err());
    }
}
