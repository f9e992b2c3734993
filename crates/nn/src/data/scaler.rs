//! [`Scaler`]: brings the columns of a table to a common scale. Fit it to the training part alone: what it learns from
//! the test part would leak into training.

use super::DataError;
use autograd::{Float, Tensor};

/// A scale for each column: `(x - shift) / scale`, fitted to some samples, applied to any. A column is one feature: one
/// place in a sample `[…]`, over all samples `[n, …]`.
///
/// ```
/// use autograd::tensor;
/// use nn::data::Scaler;
/// let train = tensor![[1.0, 10.0], [3.0, 10.0]];
/// let scaler = Scaler::fit_standard(&train)?;
/// assert_eq!(scaler.apply(&train)?, tensor![[-1.0, 0.0], [1.0, 0.0]]); // a constant column becomes 0
/// assert_eq!(scaler.apply(&tensor![[5.0, 11.0]])?, tensor![[3.0, 1.0]]);
///
/// let scaler = Scaler::fit_min_max(&train)?;
/// assert_eq!(scaler.apply(&train)?, tensor![[0.0, 0.0], [1.0, 0.0]]);
/// assert_eq!(scaler.invert(&scaler.apply(&train)?)?, train);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler<T: Float> {
    shift: Tensor<T>,
    scale: Tensor<T>,
}

impl<T: Float> Scaler<T> {
    /// To mean 0 and standard deviation 1: `shift = Σx / n`, `scale = √(Σ(x - shift)² / n)`. Of a constant column only
    /// the mean is taken away.
    ///
    /// # Errors
    /// If there is no sample, or a column holds NaN or infinity.
    pub fn fit_standard(inputs: &Tensor<T>) -> Result<Self, DataError> {
        Self::fit(inputs, |column| {
            let n = column.len() as f64;
            let mean = column.iter().sum::<f64>() / n;
            (mean, (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
        })
    }

    /// To the range from 0 to 1: `shift = min x`, `scale = max x - min x`. A constant column becomes 0.
    ///
    /// # Errors
    /// If there is no sample, or a column holds NaN or infinity.
    pub fn fit_min_max(inputs: &Tensor<T>) -> Result<Self, DataError> {
        Self::fit(inputs, |column| {
            let min = column.iter().copied().fold(f64::INFINITY, f64::min);
            (min, column.iter().copied().fold(f64::NEG_INFINITY, f64::max) - min)
        })
    }

    /// Shift and scale of each column by a rule over its elements, which are finite and not all equal.
    fn fit(inputs: &Tensor<T>, rule: impl Fn(&[f64]) -> (f64, f64)) -> Result<Self, DataError> {
        let Some((1.., sample)) = inputs.shape().split_first() else { return Err(DataError::Empty) };
        let features = sample.iter().product();
        let inputs = inputs.contiguous();
        let data = inputs.as_slice().expect("contiguous");
        let (mut shift, mut scale) = (Tensor::zeros(sample), Tensor::ones(sample));
        let (shifts, scales) = (shift.make_mut(), scale.make_mut());
        let mut elements = Vec::new();
        for column in 0..features {
            elements.clear();
            elements.extend(data[column..].iter().step_by(features).map(|x| x.f64()));
            // Equal elements are compared, not subtracted: the rounded mean of many 0.1 is not 0.1.
            let constant = elements.iter().all(|x| *x == elements[0]);
            let (by, to) = if constant { (elements[0], 1.0) } else { rule(&elements) };
            (shifts[column], scales[column]) = (T::of(by), T::of(to));
            let finite = elements.iter().all(|x| x.is_finite());
            if !(finite && shifts[column].is_finite() && scales[column].is_finite()) {
                return Err(DataError::NotFinite { column });
            }
            // Elements may differ by so little that their spread rounds to nothing.
            if scales[column] == T::zero() {
                scales[column] = T::one();
            }
        }
        Ok(Scaler { shift, scale })
    }

    /// `(x - shift) / scale`, for samples `[n, …]`.
    ///
    /// # Errors
    /// If the samples have another shape than those it was fitted to.
    pub fn apply(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        self.check(x)?;
        Ok(x.try_sub(&self.shift)?.try_div(&self.scale)?)
    }

    /// `x scale + shift`: back to the units that the fitted samples had.
    ///
    /// # Errors
    /// If the samples have another shape than those it was fitted to.
    pub fn invert(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        self.check(x)?;
        Ok(x.try_mul(&self.scale)?.try_add(&self.shift)?)
    }

    /// Broadcasting would take more than fits: a column `[n, 1]` for each of `[n, 64]`, say.
    fn check(&self, x: &Tensor<T>) -> Result<(), DataError> {
        match x.shape().split_first() {
            Some((_, sample)) if sample == self.shift.shape() => Ok(()),
            _ => Err(DataError::Features { fitted: self.shift.shape().to_vec(), given: x.shape().to_vec() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::{Rng, tensor};

    #[test]
    fn moments_and_ranges() {
        let x = Tensor::<f64>::randn(&[500, 2, 3], &mut Rng::new(1)) * 7.0 + 30.0;
        let y = Scaler::fit_standard(&x).unwrap().apply(&x).unwrap();
        assert!(y.mean_axes(0).iter().all(|m| m.abs() < 1e-12));
        assert!(y.square().mean_axes(0).iter().all(|v| (v - 1.0).abs() < 1e-12));
        let y = Scaler::fit_min_max(&x).unwrap().apply(&x).unwrap();
        assert_eq!((y.min_axes(0), y.max_axes(0)), (Tensor::zeros(&[2, 3]), Tensor::ones(&[2, 3])));
    }

    #[test]
    fn constant_columns_become_exactly_zero() {
        let x = Tensor::<f32>::full(&[1000, 1], 0.1);
        for scaler in [Scaler::fit_standard(&x).unwrap(), Scaler::fit_min_max(&x).unwrap()] {
            assert_eq!(scaler.apply(&x).unwrap(), Tensor::zeros(&[1000, 1]));
        }
        let tiny = tensor![[0.0], [5e-324]];
        let y = Scaler::fit_standard(&tiny).unwrap().apply(&tiny).unwrap();
        assert!(y.iter().all(f64::is_finite), "{y}");
    }

    #[test]
    fn what_cannot_be_scaled() {
        for bad in [f64::NAN, f64::INFINITY] {
            let x = tensor![[1.0, 2.0], [3.0, bad]];
            assert!(matches!(Scaler::fit_standard(&x), Err(DataError::NotFinite { column: 1 })));
            assert!(matches!(Scaler::fit_min_max(&tensor![[bad]]), Err(DataError::NotFinite { column: 0 })));
        }
        assert!(matches!(Scaler::fit_min_max(&tensor![[3e38f32], [-3e38]]), Err(DataError::NotFinite { column: 0 })));
        assert!(matches!(Scaler::fit_min_max(&Tensor::<f64>::zeros(&[0, 2])), Err(DataError::Empty)));
        let scaler = Scaler::fit_standard(&tensor![[1.0, 2.0]]).unwrap();
        for other in [tensor![[1.0]], tensor![1.0, 2.0], Tensor::scalar(1.0)] {
            assert!(matches!(scaler.apply(&other), Err(DataError::Features { .. })));
        }
    }
}
