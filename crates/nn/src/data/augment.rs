//! [`Augmented`]: random data augmentation, different in each epoch.

use super::transform::Transform;
use super::{Batch, DataError, Dataset, Field, Key, Samples};
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
    /// The input that they change; the first one by default.
    input: Option<String>,
}

impl<'d, T: Float> Augmented<'d, T> {
    /// Creates an augmented data set without transforms. Add them with [`then`](Augmented::then).
    pub fn new(data: &'d dyn Dataset<T>, seed: u64) -> Self {
        Augmented { data, seed, transforms: Vec::new(), input: None }
    }

    /// Applies the transforms to the input with this name. By default they change the first input.
    ///
    /// ```
    /// use autograd::{Rng, Tensor, tensor};
    /// use nn::data::{Augmented, Dataset, FieldDataset, Fields};
    /// let inputs = Fields::new().with("word", tensor![3_i64]).with("image", tensor![[1.0, 2.0]]);
    /// let data = FieldDataset::new(inputs, Fields::new())?;
    /// let doubled = Augmented::new(&data, 0).of("image").then(|x: Tensor<f64>, _: &mut Rng| Ok(x * 2.0));
    /// assert_eq!(doubled.samples(0, &[0])?.inputs.numbers("image")?, &tensor![[2.0, 4.0]]);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    pub fn of(self, input: impl Into<String>) -> Self {
        Augmented { input: Some(input.into()), ..self }
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

    fn epoch_batch(&self, epoch: u64, indices: &[usize]) -> Result<Batch<T>, DataError> {
        self.samples(epoch, indices)?.try_into()
    }

    fn samples(&self, epoch: u64, indices: &[usize]) -> Result<Samples<T>, DataError> {
        let mut batch = self.data.samples(epoch, indices)?;
        let key = self.input.as_deref().map_or(Key::Place(0), Key::Name);
        let input = batch.inputs.numbers(key)?.clone();
        let source = Rng::new(Rng::new(self.seed).stream(epoch).bits());
        let changed = |(row, index): (usize, &usize)| {
            let (sample, mut rng) = (input.slice_axis(0, row..row + 1).squeeze(0), source.stream(*index as u64));
            self.transforms.iter().try_fold(sample, |sample, transform| transform.apply(sample, &mut rng))
        };
        let samples: Vec<Tensor<T>> = indices.iter().enumerate().map(changed).collect::<Result<_, _>>()?;
        if !samples.is_empty() {
            batch.inputs.replace(key, Field::Numbers(Tensor::try_stack(&samples, 0)?));
        }
        Ok(batch)
    }
}
