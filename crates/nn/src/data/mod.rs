//! Data sets and batching. A [`Dataset`] provides samples by index; a [`DataLoader`] decides which samples make up each
//! batch, and in what order. This module is independent of any model.
//!
//! ```
//! use nn::data::{DataLoader, Scaler, digits};
//! let (train, test) = digits::<f32>().split(0.8, 0)?;
//! let scaler = Scaler::fit_standard(train.inputs())?; // never sees the test part
//! let (train, test) = (train.scaled(&scaler)?, test.scaled(&scaler)?);
//! let loader = DataLoader::new(&train, 32)?.shuffle(7);
//! for batch in loader.epoch(0) {
//!     let batch = batch?;
//!     assert_eq!(batch.inputs.shape()[0], batch.targets.len());
//! }
//! # assert_eq!(test.inputs().shape(), [359, 64]);
//! # Ok::<(), nn::data::DataError>(())
//! ```

mod augment;
mod combine;
mod csv;
mod digest;
mod digits;
mod error;
mod fields;
mod files;
mod loader;
mod sampler;
mod scaler;
mod split;
mod tensors;
mod transform;

pub use crate::fields::{Field, Fields, Key, Samples};
pub use augment::Augmented;
pub use combine::{Concat, Mapped, Subset};
pub use csv::{Column, Columns, CsvFile, CsvOptions, Gap, read_csv, read_csv_classes, read_csv_from, read_csv_inputs};
pub use digits::digits;
pub use error::{DataError, TableError};
pub use fields::FieldDataset;
pub use files::FileDataset;
pub use loader::{DataLoader, Position};
pub use sampler::Order;
pub use scaler::{Scaler, Scaling};
pub use split::{split, split_stratified};
pub use tensors::TensorDataset;
pub use transform::{Cutout, HorizontalFlip, Normalize, RandomAffine, RandomCrop, Transform};

use crate::fields::{ONLY_INPUT, ONLY_TARGET};
use crate::loss::Target;
use crate::once;
use autograd::{Float, Tensor};

/// Input samples and their targets: the special case of [`Samples`] with one numeric input and one target.
///
/// ```
/// use autograd::tensor;
/// use nn::{data::Batch, loss::Target};
/// let batch = Batch { inputs: tensor![[0.0, 1.0], [1.0, 1.0]], targets: Target::Labels(tensor![1_i64, 0]) };
/// assert_eq!(batch.inputs.shape()[0], batch.targets.len());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Batch<T: Float> {
    /// `[samples, …]`
    pub inputs: Tensor<T>,
    /// One target per sample.
    pub targets: Target<T>,
}

/// The input becomes a field `x`, and the target a field `target`.
impl<T: Float> From<&Batch<T>> for Samples<T> {
    fn from(batch: &Batch<T>) -> Self {
        general(batch)
    }
}

once! {
    fn general<T>(batch: &Batch<T>) -> Samples<T> {
        let target = match batch.targets.unweighted() {
            Target::Labels(labels) => Field::Integers(labels.clone()),
            Target::Values(values) => Field::Numbers(values.clone()),
            Target::Weighted { .. } => unreachable!("weights are not nested"),
        };
        Samples {
            inputs: Fields::one(ONLY_INPUT, Field::Numbers(batch.inputs.clone())),
            targets: Fields::one(ONLY_TARGET, target),
            weights: batch.targets.weights().cloned(),
        }
    }
}

/// One numeric input and one target, with any names.
impl<T: Float> TryFrom<Samples<T>> for Batch<T> {
    type Error = DataError;

    fn try_from(samples: Samples<T>) -> Result<Self, DataError> {
        one_of_each(samples)
    }
}

once! {
    fn one_of_each<T>(samples: Samples<T>) -> Result<Batch<T>, DataError> {
        match (samples.inputs.get(0), Target::only(&samples)) {
            (Some(Field::Numbers(inputs)), Ok(targets)) if samples.inputs.len() == 1 => {
                Ok(Batch { inputs: inputs.clone(), targets })
            }
            _ => {
                let Samples { inputs, targets, .. } = samples;
                Err(DataError::NoBatchOfOne { inputs: inputs.to_string(), targets: targets.to_string() })
            }
        }
    }
}

/// A source of samples, indexed from 0.
///
/// Samples can be computed on demand:
///
/// ```
/// use autograd::Tensor;
/// use nn::{data::{Batch, DataError, DataLoader, Dataset}, loss::Target};
///
/// /// The numbers 0, 1, … and their squares.
/// struct Squares(usize);
///
/// impl Dataset<f64> for Squares {
///     fn len(&self) -> usize {
///         self.0
///     }
///     fn batch(&self, indices: &[usize]) -> Result<Batch<f64>, DataError> {
///         let inputs = Tensor::from_fn(&[indices.len(), 1], |i| indices[i[0]] as f64);
///         Ok(Batch { targets: Target::Values(inputs.square()), inputs })
///     }
/// }
/// let squares = Squares(10);
/// let loader = DataLoader::new(&squares, 4)?;
/// assert_eq!(loader.epoch(0).last().unwrap()?.targets, Target::Values(autograd::tensor![[64.0], [81.0]]));
/// # Ok::<(), DataError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a data set of numbers of type `{T}`",
    label = "not a data set",
    note = "`TensorDataset::new(inputs, targets)` makes one of tensors"
)]
pub trait Dataset<T: Float>: Sync {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether the data set has no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the samples at these indices, in this order. An index may occur more than once.
    ///
    /// A data set with one input and one target implements this method, any other implements
    /// [`samples`](Dataset::samples); each method defaults to the other.
    ///
    /// # Errors
    /// If an index is not below [`len`](Dataset::len), or a sample cannot be loaded (because its file is gone, say). Also
    /// if there is not one input and one target.
    fn batch(&self, indices: &[usize]) -> Result<Batch<T>, DataError> {
        self.samples(0, indices)?.try_into()
    }

    /// Returns the samples at these indices as seen in this epoch, with any number of inputs and targets.
    ///
    /// ```
    /// use autograd::Tensor;
    /// use nn::data::{DataError, DataLoader, Dataset, Fields, Samples};
    /// /// Pairs of numbers, and whether the first is larger.
    /// struct Pairs;
    /// impl Dataset<f32> for Pairs {
    ///     fn len(&self) -> usize {
    ///         100
    ///     }
    ///     fn samples(&self, _epoch: u64, indices: &[usize]) -> Result<Samples<f32>, DataError> {
    ///         let numbers = |f: fn(usize) -> usize| indices.iter().map(|&i| f(i) as i64).collect::<Tensor<i64>>();
    ///         let (a, b) = (numbers(|i| i / 10), numbers(|i| i % 10));
    ///         let larger = a.iter().zip(b.iter()).map(|(a, b)| a > b).collect::<Tensor<bool>>();
    ///         Ok(Samples::new(Fields::new().with("a", a).with("b", b), Fields::new().with("larger", larger)))
    ///     }
    /// }
    /// let loader = DataLoader::new(&Pairs, 32)?.shuffle(1);
    /// let first = loader.epoch_samples(0).next().unwrap()?;
    /// assert_eq!(first.inputs.integers("a")?.shape(), [32]);
    /// assert!(Pairs.batch(&[0]).unwrap_err().to_string().contains("`b` (integers [1])"), "it has two inputs");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    /// # Errors
    /// Same as [`batch`](Dataset::batch).
    fn samples(&self, epoch: u64, indices: &[usize]) -> Result<Samples<T>, DataError> {
        self.epoch_batch(epoch, indices).map(|batch| Samples::from(&batch))
    }

    /// Returns the samples as seen in this epoch. By default they are the same in every epoch; an [`Augmented`] data
    /// set changes them in each.
    ///
    /// ```
    /// use nn::data::{Dataset, digits};
    /// let digits = digits::<f32>();
    /// assert!(!digits.is_empty());
    /// assert_eq!(digits.epoch_batch(3, &[7, 0])?, digits.batch(&[7, 0])?); // these never change
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// Same as [`batch`](Dataset::batch).
    fn epoch_batch(&self, epoch: u64, indices: &[usize]) -> Result<Batch<T>, DataError> {
        let _ = epoch;
        self.batch(indices)
    }

    /// Identifies the samples. A checkpoint stores the number, and training on other data cannot resume from it.
    ///
    /// The default is a checksum of all samples of the first epoch, each of which it reads once.
    /// Training calls it only if it saves checkpoints. Override it for samples that take long to load: a checksum of
    /// file names, sizes and times, say.
    ///
    /// ```
    /// use nn::data::{Dataset, digits};
    /// let (training, test) = digits::<f32>().split(0.8, 1)?;
    /// assert_eq!(training.digest()?, digits::<f32>().split(0.8, 1)?.0.digest()?);
    /// assert_ne!(training.digest()?, test.digest()?);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If a sample cannot be loaded.
    fn digest(&self) -> Result<u64, DataError> {
        digest::of_samples(self.len(), &|indices| self.samples(0, indices))
    }
}
