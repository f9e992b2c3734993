//! [`Augmented`]: random data augmentation, different in each epoch.

use super::transform::Transform;
use super::{Batch, DataError, Dataset};
use autograd::{Float, Rng, Tensor};

/// A data set that passes every input through a sequence of transforms. Seed, epoch and sample index alone determine
/// their randomness, so a batch does not depend on the order or the thread in which it is made, or on interruptions.
///
/// ```
/// use nn::data::{Augmented, Batch, Dataset, HorizontalFlip, Mapped, Normalize, RandomCrop, digits};
/// let digits = digits::<f32>();
/// let images = Mapped::new(&digits, |batch: Batch<f32>| {
///     let n = batch.inputs.shape()[0];
///     Ok(Batch { inputs: batch.inputs.reshape(&[n, 1, 8, 8]), ..batch })
/// });
/// let augmented = Augmented::new(&images, 42)
///     .then(RandomCrop { size: [8, 8], padding: 1 })
///     .then(HorizontalFlip { probability: 0.5 })
///     .then(Normalize { mean: vec![0.3], std: vec![0.35] });
/// assert_eq!(augmented.epoch_batch(3, &[5, 8])?, augmented.epoch_batch(3, &[5, 8])?);
/// assert_ne!(augmented.epoch_batch(3, &[5, 8])?, augmented.epoch_batch(4, &[5, 8])?);
/// # Ok::<(), nn::data::DataError>(())
/// ```
pub struct Augmented<'d, T: Float> {
    data: &'d dyn Dataset<T>,
    seed: u64,
    transforms: Vec<Box<dyn Transform<T> + 'd>>,
}

impl<'d, T: Float> Augmented<'d, T> {
    /// Creates an augmented data set without transforms. Add them with [`then`](Augmented::then).
    pub fn new(data: &'d dyn Dataset<T>, seed: u64) -> Self {
        Augmented { data, seed, transforms: Vec::new() }
    }

    /// Appends a transform.
    pub fn then(mut self, transform: impl Transform<T> + 'd) -> Self {
        self.transforms.push(Box::new(transform));
        self
    }
}

impl<T: Float> Dataset<T> for Augmented<'_, T> {
    fn len(&self) -> usize {
        self.data.len()
    }

    /// Returns the samples as seen in epoch 0.
    fn batch(&self, indices: &[usize]) -> Result<Batch<T>, DataError> {
        self.epoch_batch(0, indices)
    }

    fn epoch_batch(&self, epoch: u64, indices: &[usize]) -> Result<Batch<T>, DataError> {
        let batch = self.data.epoch_batch(epoch, indices)?;
        let source = Rng::new(Rng::new(self.seed).stream(epoch).bits());
        let changed = |(row, index): (usize, &usize)| {
            let (sample, mut rng) = (batch.inputs.slice_axis(0, row..row + 1).squeeze(0), source.stream(*index as u64));
            self.transforms.iter().try_fold(sample, |sample, transform| transform.apply(sample, &mut rng))
        };
        let samples: Vec<Tensor<T>> = indices.iter().enumerate().map(changed).collect::<Result<_, _>>()?;
        if samples.is_empty() {
            return Ok(batch);
        }
        Ok(Batch { inputs: Tensor::try_stack(&samples, 0)?, targets: batch.targets })
    }
}
