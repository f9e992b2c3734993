//! Data: where samples come from and how they become batches. A [`Dataset`] hands out any samples that it is asked
//! for, a [`DataLoader`] decides which and in what order. Nothing here knows a model.
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
mod digits;
mod error;
mod files;
mod loader;
mod sampler;
mod scaler;
mod split;
mod tensors;
mod transform;

pub use augment::Augmented;
pub use combine::{Concat, Mapped, Subset};
pub use csv::{Column, CsvFile, CsvOptions, read_csv, read_csv_classes, read_csv_from};
pub use digits::digits;
pub use error::{DataError, TableError};
pub use files::FileDataset;
pub use loader::{DataLoader, Position};
pub use sampler::Order;
pub use scaler::{Scaler, Scaling};
pub use split::{split, split_stratified};
pub use tensors::TensorDataset;
pub use transform::{Cutout, HorizontalFlip, Normalize, RandomAffine, RandomCrop, Transform};

use crate::loss::Target;
use autograd::{Float, Tensor};

/// Samples, and what should come out for them.
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
    /// One for each sample.
    pub targets: Target<T>,
}

impl<T: Float> Batch<T> {
    /// A copy that shares no memory with this batch.
    fn deep_copy(&self) -> Self {
        Batch { inputs: self.inputs.deep_copy(), targets: self.targets.deep_copy() }
    }
}

/// A source of samples, numbered from 0.
///
/// Samples may be computed when they are asked for:
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
pub trait Dataset<T: Float>: Sync {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples of these numbers, in this order; a number may come more than once.
    ///
    /// # Errors
    /// If a number is not below [`len`](Dataset::len), or a sample cannot be had (its file is gone).
    fn batch(&self, indices: &[usize]) -> Result<Batch<T>, DataError>;

    /// The samples as this epoch sees them: the same each time, but where they are [`Augmented`] anew for each epoch.
    ///
    /// # Errors
    /// As [`batch`](Dataset::batch).
    fn epoch_batch(&self, epoch: u64, indices: &[usize]) -> Result<Batch<T>, DataError> {
        let _ = epoch;
        self.batch(indices)
    }
}
