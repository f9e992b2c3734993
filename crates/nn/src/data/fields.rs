//! [`FieldDataset`]: all samples in memory, with any number of inputs and targets.

use super::combine::within;
use super::tensors::rows;
use super::{DataError, Dataset, Field, Fields, Samples, split};
use crate::fields::each;
use crate::once;
use autograd::{Float, IntoTensor, Tensor};

/// A data set in memory with any number of inputs and targets, each of numbers, integers or booleans, with one row for
/// each sample. Cloning shares the elements. [`TensorDataset`](super::TensorDataset) is one of a single input and a
/// single target.
///
/// ```
/// use autograd::tensor;
/// use nn::data::{Dataset, FieldDataset, Fields};
/// let inputs = Fields::new().with("user", tensor![0_i64, 0, 1]).with("item", tensor![7_i64, 2, 7]);
/// let ratings = FieldDataset::<f32>::new(inputs, Fields::new().with("rating", tensor![5.0f32, 1.0, 4.0]))?;
/// let samples = ratings.samples(0, &[2, 0])?;
/// assert_eq!(samples.inputs.integers("user")?, &tensor![1_i64, 0]);
/// assert_eq!(samples.targets.numbers("rating")?, &tensor![4.0f32, 5.0]);
/// assert_eq!(ratings.subset(&[2, 0])?.all(), &samples);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FieldDataset<T: Float> {
    samples: Samples<T>,
    len: usize,
}

impl<T: Float> FieldDataset<T> {
    /// Creates a data set of inputs and targets `[n, …]`. There may be no targets.
    ///
    /// # Errors
    /// Returns an error that names the field if one does not have as many rows as the first input.
    pub fn new(inputs: impl Into<Fields<T>>, targets: impl Into<Fields<T>>) -> Result<Self, DataError> {
        checked(Samples::new(inputs, targets))
    }

    /// Weights the loss of each sample.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::data::{Dataset, FieldDataset, Fields};
    /// let data = FieldDataset::new(Fields::new().with("x", tensor![1.0, 2.0]), Fields::new())?;
    /// let data = data.weighted(tensor![1.0, 5.0])?; // the second sample counts five times
    /// assert_eq!(data.samples(0, &[1])?.weights, Some(tensor![5.0]));
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If there is not one weight for each sample, or a weight is negative or not finite.
    pub fn weighted(self, weights: impl IntoTensor<T>) -> Result<Self, DataError> {
        checked(Samples { weights: Some(weights.into_tensor()), ..self.samples })
    }

    /// All samples.
    pub fn all(&self) -> &Samples<T> {
        &self.samples
    }

    /// Splits the samples at random into two data sets: `fraction` of them in the first, the rest in the second.
    ///
    /// ```
    /// use autograd::Tensor;
    /// use nn::data::{Dataset, FieldDataset, Fields};
    /// let data = FieldDataset::new(Fields::new().with("x", Tensor::<f64>::arange(10)), Fields::new())?;
    /// let (training, test) = data.split(0.7, 1)?;
    /// assert_eq!((training.len(), test.len()), (7, 3));
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If the fraction does not lie between 0 and 1.
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self), DataError> {
        let parts = split(self.len, &[fraction, 1.0 - fraction], seed)?;
        Ok((self.subset(&parts[0])?, self.subset(&parts[1])?))
    }

    /// Copies the samples at these indices to a new data set.
    ///
    /// # Errors
    /// If an index is not below [`len`](Dataset::len).
    pub fn subset(&self, indices: &[usize]) -> Result<Self, DataError> {
        Ok(FieldDataset { samples: self.samples(0, indices)?, len: indices.len() })
    }
}

impl<T: Float> Dataset<T> for FieldDataset<T> {
    fn len(&self) -> usize {
        self.len
    }

    fn samples(&self, _epoch: u64, indices: &[usize]) -> Result<Samples<T>, DataError> {
        picked(self, indices)
    }
}

once! {
    fn picked<T>(data: &FieldDataset<T>, indices: &[usize]) -> Result<Samples<T>, DataError> {
        within(indices, data.len)?;
        let pick = |field: &Field<T>| each!(field, x =>> rows(x, indices));
        let Samples { inputs, targets, weights } = &data.samples;
        let weights = weights.as_ref().map(|weights| rows(weights, indices));
        Ok(Samples { inputs: inputs.map(pick), targets: targets.map(pick), weights })
    }

    fn checked<T>(samples: Samples<T>) -> Result<FieldDataset<T>, DataError> {
        let first = samples.iter().next().and_then(|(_, field)| field.shape().first().copied());
        let len = first.ok_or(DataError::Empty)?;
        for (name, field) in samples.iter() {
            if field.shape().first() != Some(&len) {
                return Err(DataError::Rows { name: name.to_owned(), field: field.to_string(), samples: len });
            }
        }
        let contiguous = |field: &Field<T>| each!(field, x =>> x.contiguous());
        let Samples { inputs, targets, weights } = samples;
        if let Some(weights) = &weights {
            check_weights(weights, len)?;
        }
        let weights = weights.map(|weights| weights.contiguous());
        Ok(FieldDataset { samples: Samples { inputs: inputs.map(contiguous), targets: targets.map(contiguous), weights }, len })
    }
}

/// Returns an error unless there is one weight for each sample, finite and at least 0.
pub(super) fn check_weights<T: Float>(weights: &Tensor<T>, samples: usize) -> Result<(), DataError> {
    if weights.shape() != [samples] {
        return Err(DataError::PerSample { what: "weights", given: weights.len(), samples });
    }
    let wrong = |w: &(usize, T)| !(w.1.is_finite() && w.1 >= T::zero());
    match weights.iter().enumerate().find(wrong) {
        Some((index, weight)) => Err(DataError::Weight { index, weight: weight.f64() }),
        None => Ok(()),
    }
}
