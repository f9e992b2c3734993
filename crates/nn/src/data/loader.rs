//! [`DataLoader`]: the samples of each batch in each epoch.

use super::sampler::{Order, Sampler};
use super::{Batch, DataError, Dataset, Fields, Samples};
use autograd::{Float, Tensor};
use std::ops::Range;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

/// Splits a data set into batches, in order or in a new random order each epoch.
///
/// Seed and epoch alone determine the order, so training that resumes at epoch 7 sees the same batches as training
/// without interruption.
///
/// ```
/// use nn::data::{DataLoader, digits};
/// let digits = digits::<f32>();
/// let loader = DataLoader::new(&digits, 128)?.shuffle(42);
/// let sizes: Vec<usize> = loader.epoch(0).map(|batch| batch.unwrap().targets.len()).collect();
/// assert_eq!((sizes.len(), sizes[0], sizes[14]), (15, 128, 5));
/// assert_eq!(loader.drop_last(true).batches(), 14);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Clone)]
pub struct DataLoader<'d, T: Float> {
    dataset: &'d dyn Dataset<T>,
    batch_size: usize,
    sampler: Sampler,
    drop_last: bool,
    /// Which shards of each batch it loads, and the total number of shards.
    share: (Range<usize>, usize),
}

/// A position in the stream of batches, from which a loader with the same settings can resume.
///
/// ```
/// use nn::data::{DataLoader, Position, digits};
/// let digits = digits::<f32>();
/// let loader = DataLoader::new(&digits, 128)?.shuffle(42);
/// let position = Position { epoch: 3, batch: 13 }; // 13 batches of epoch 3 are done
/// let rest: Vec<_> = loader.from(position).collect::<Result<_, _>>()?;
/// assert_eq!(rest, loader.epoch(3).skip(13).collect::<Result<Vec<_>, _>>()?);
/// assert_eq!(loader.after(Position { epoch: 3, batch: 14 }), Position { epoch: 4, batch: 0 });
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// The next batch within the epoch, counted from 0.
    pub batch: usize,
}

impl<'d, T: Float> DataLoader<'d, T> {
    /// Creates a loader of batches of `batch_size` samples in order. The last batch is smaller if `batch_size` does not
    /// divide the number of samples.
    ///
    /// # Errors
    /// If the batch size is 0 or the data set is empty.
    pub fn new(dataset: &'d dyn Dataset<T>, batch_size: usize) -> Result<Self, DataError> {
        match (batch_size, dataset.len()) {
            (0, _) => Err(DataError::BatchSize),
            (_, 0) => Err(DataError::Empty),
            _ => Ok(DataLoader { dataset, batch_size, sampler: Sampler::InOrder, drop_last: false, share: (0..1, 1) }),
        }
    }

    /// Shuffles the samples, differently in each epoch.
    pub fn shuffle(self, seed: u64) -> Self {
        DataLoader { sampler: Sampler::Shuffled { seed }, ..self }
    }

    /// Uses the given [`Order`] of samples.
    ///
    /// ```
    /// use nn::data::{DataLoader, Order, digits};
    /// let digits = digits::<f32>();
    /// let loader = DataLoader::new(&digits, 32)?.ordered(&Order::Shuffled, 7)?;
    /// assert_eq!(loader.order(0).len(), 1797);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If there is not one weight or label for each sample, a weight is negative or not finite, or all weights are 0.
    pub fn ordered(self, order: &Order, seed: u64) -> Result<Self, DataError> {
        Ok(DataLoader { sampler: Sampler::new(order, self.dataset.len(), seed)?, ..self })
    }

    /// Draws samples with replacement, each in proportion to its weight: [`Order::Weighted`].
    ///
    /// ```
    /// # use nn::{data::{DataLoader, Dataset, digits}, loss::Target};
    /// let digits = digits::<f32>();
    /// let weights: Vec<f64> = digits.labels().unwrap().iter().map(|d| if d == 7 { 1.0 } else { 0.0 }).collect();
    /// let batch = DataLoader::new(&digits, 5)?.weighted(&weights, 42)?.epoch(0).next().unwrap()?;
    /// assert_eq!(batch.targets, Target::Labels(autograd::tensor![7_i64, 7, 7, 7, 7]));
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If there is not one weight for each sample, one is negative or not finite, or all are 0.
    #[doc(alias = "WeightedRandomSampler")]
    pub fn weighted(self, weights: &[f64], seed: u64) -> Result<Self, DataError> {
        Ok(DataLoader { sampler: Sampler::weighted(self.dataset.len(), weights, seed)?, ..self })
    }

    /// Shuffles so that every batch has the class proportions of the whole data set: [`Order::Stratified`].
    ///
    /// ```
    /// use nn::data::{DataLoader, digits};
    /// let digits = digits::<f32>();
    /// let loader = DataLoader::new(&digits, 100)?.stratified(digits.labels().unwrap(), 7)?;
    /// let batch = loader.epoch(0).next().unwrap()?;
    /// let sevens = batch.targets.labels("docs")?.iter().filter(|label| *label == 7).count();
    /// assert!((9..=11).contains(&sevens), "a tenth of the digits are sevens");
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If there is not one label for each sample.
    pub fn stratified(self, labels: &Tensor<i64>, seed: u64) -> Result<Self, DataError> {
        Ok(DataLoader { sampler: Sampler::stratified(self.dataset.len(), &labels.to_vec(), seed)?, ..self })
    }

    /// Sets whether to drop an incomplete last batch. Batch normalization, for example, cannot train on a single
    /// sample. A data set smaller than one batch then has no batches.
    pub fn drop_last(self, drop_last: bool) -> Self {
        DataLoader { drop_last, ..self }
    }

    /// Cuts each batch into `of` shards of nearly equal sizes, and loads only `shards` of them, one after the other. A
    /// shard of a small last batch may have neither samples nor fields.
    pub(crate) fn sharded(self, shards: Range<usize>, of: usize) -> Self {
        DataLoader { share: (shards, of), ..self }
    }

    /// Number of batches in an epoch.
    pub fn batches(&self) -> usize {
        let n = self.dataset.len();
        if self.drop_last { n / self.batch_size } else { n.div_ceil(self.batch_size) }
    }

    /// Number of samples in an epoch.
    pub fn samples(&self) -> usize {
        let n = self.dataset.len();
        if self.drop_last { n - n % self.batch_size } else { n }
    }

    /// Indices of the samples of an epoch, in order.
    ///
    /// ```
    /// use nn::data::{DataLoader, digits};
    /// let digits = digits::<f32>();
    /// assert_eq!(DataLoader::new(&digits, 32)?.order(0)[..3], [0, 1, 2]);
    /// assert_ne!(DataLoader::new(&digits, 32)?.shuffle(7).order(0)[..3], [0, 1, 2]);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    pub fn order(&self, epoch: u64) -> Vec<usize> {
        self.sampler.order(self.dataset.len(), epoch)
    }

    /// Returns the batches of an epoch, each created on demand. If you drop a batch before requesting the next, the
    /// next reuses its memory.
    ///
    /// # Errors
    /// A batch is an error if one of its samples cannot be loaded: see [`Dataset::epoch_batch`].
    pub fn epoch(&self, epoch: u64) -> impl ExactSizeIterator<Item = Result<Batch<T>, DataError>> + use<'_, 'd, T> {
        self.from(Position { epoch, batch: 0 })
    }

    /// Returns the batches of an epoch from a position on, without creating the earlier ones.
    ///
    /// # Errors
    /// Same as [`epoch`](DataLoader::epoch).
    pub fn from(&self, at: Position) -> impl ExactSizeIterator<Item = Result<Batch<T>, DataError>> + use<'_, 'd, T> {
        let batch = |samples: Result<Samples<T>, DataError>| samples?.try_into();
        self.samples_from(at).map(batch)
    }

    /// Returns the batches of an epoch, with any number of inputs and targets: [`Dataset::samples`].
    ///
    /// ```
    /// use nn::data::{DataLoader, digits};
    /// let digits = digits::<f32>();
    /// let samples = DataLoader::new(&digits, 32)?.epoch_samples(0).next().unwrap()?;
    /// assert_eq!((samples.len(), samples.inputs.names().next()), (32, Some("x")));
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// Same as [`epoch`](DataLoader::epoch).
    pub fn epoch_samples(
        &self,
        epoch: u64,
    ) -> impl ExactSizeIterator<Item = Result<Samples<T>, DataError>> + use<'_, 'd, T> {
        self.samples_from(Position { epoch, batch: 0 })
    }

    /// Returns the batches of an epoch from a position on, with any number of inputs and targets.
    ///
    /// ```
    /// use nn::data::{DataLoader, Position, digits};
    /// let digits = digits::<f32>();
    /// let loader = DataLoader::new(&digits, 100)?; // 18 batches
    /// assert_eq!(loader.samples_from(Position { epoch: 0, batch: 17 }).count(), 1);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// Same as [`epoch`](DataLoader::epoch).
    pub fn samples_from(
        &self,
        at: Position,
    ) -> impl ExactSizeIterator<Item = Result<Samples<T>, DataError>> + use<'_, 'd, T> {
        let order = self.order(at.epoch);
        let (shards, of) = &self.share;
        (at.batch * shards.len()..self.batches().max(at.batch) * shards.len()).map(move |item| {
            let (batch, shard) = (item / shards.len(), shards.start + item % shards.len());
            let start = batch * self.batch_size;
            let indices = &order[start..order.len().min(start.saturating_add(self.batch_size))];
            match &indices[indices.len() * shard / of..indices.len() * (shard + 1) / of] {
                [] => Ok(Samples::new(Fields::new(), Fields::new())),
                indices => self.dataset.samples(at.epoch, indices),
            }
        })
    }

    /// The position after this one: the next batch, or the first of the next epoch.
    ///
    /// ```
    /// use nn::data::{DataLoader, Position, digits};
    /// let digits = digits::<f32>();
    /// let loader = DataLoader::new(&digits, 100)?; // 18 batches
    /// let here = Position { epoch: 0, batch: 17 };
    /// assert_eq!((loader.from(here).count(), loader.after(here)), (1, Position { epoch: 1, batch: 0 }));
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    pub fn after(&self, Position { epoch, batch }: Position) -> Position {
        if batch + 1 < self.batches() {
            Position { epoch, batch: batch + 1 }
        } else {
            Position { epoch: epoch + 1, batch: 0 }
        }
    }

    /// Passes the batches of [`from`](DataLoader::from) to `consume`, in the same order and with the same errors, while
    /// another thread creates up to `ahead` of them in advance. Worthwhile if samples are read from files or augmented.
    ///
    /// ```
    /// # use nn::data::{DataLoader, Position, digits};
    /// let digits = digits::<f32>();
    /// let loader = DataLoader::new(&digits, 128)?.shuffle(42);
    /// let samples = loader.prefetched(Position::default(), 2, |batches| {
    ///     batches.map(|batch| Ok(batch?.targets.len())).sum::<Result<usize, nn::data::DataError>>()
    /// })?;
    /// assert_eq!(samples, 1797);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Panics
    /// If creating a batch panics.
    pub fn prefetched<R>(
        &self,
        at: Position,
        ahead: usize,
        consume: impl FnOnce(&mut dyn Iterator<Item = Result<Batch<T>, DataError>>) -> R,
    ) -> R {
        self.prefetched_samples(at, ahead, |samples| consume(&mut samples.map(|samples| samples?.try_into())))
    }

    /// Like [`prefetched`](DataLoader::prefetched), with any number of inputs and targets.
    ///
    /// ```
    /// # use nn::data::{DataLoader, Position, digits};
    /// let digits = digits::<f32>();
    /// let loader = DataLoader::new(&digits, 128)?.shuffle(42);
    /// let samples = loader.prefetched_samples(Position::default(), 2, |batches| {
    ///     batches.map(|samples| Ok(samples?.len())).sum::<Result<usize, nn::data::DataError>>()
    /// })?;
    /// assert_eq!(samples, 1797);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Panics
    /// If creating a batch panics.
    pub fn prefetched_samples<R>(
        &self,
        at: Position,
        ahead: usize,
        consume: impl FnOnce(&mut dyn Iterator<Item = Result<Samples<T>, DataError>>) -> R,
    ) -> R {
        if ahead == 0 {
            return consume(&mut self.samples_from(at));
        }
        // Memory returns to the thread that drops it. So that each thread can reuse its own memory, this thread copies the
        // worker's batch and gives the original back.
        let spent = Mutex::new(Vec::<Samples<T>>::new());
        let spent = &|| spent.lock().unwrap_or_else(PoisonError::into_inner);
        thread::scope(|scope| {
            let (send, made) = mpsc::sync_channel(ahead - 1);
            let worker = scope.spawn(move || {
                for samples in self.samples_from(at) {
                    let old = std::mem::take(&mut *spent());
                    drop(old);
                    if send.send(samples).is_err() {
                        break; // the consumer has stopped
                    }
                }
            });
            let mut batches = made.into_iter().map(|samples| {
                let samples: Samples<T> = samples?;
                let copy = samples.deep_copy();
                spent().push(samples);
                Ok(copy)
            });
            let result = consume(&mut batches);
            drop(batches);
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::TensorDataset;
    use super::*;
    use crate::loss::Target;
    use autograd::Tensor;
    use proptest::prelude::*;

    /// Samples equal to their indices.
    fn numbers(n: usize) -> TensorDataset<f64> {
        TensorDataset::new(Tensor::arange(n), Target::Labels((0..n as i64).collect())).unwrap()
    }

    fn seen(loader: &DataLoader<f64>, epoch: u64) -> Vec<usize> {
        loader.epoch(epoch).flat_map(|batch| batch.unwrap().inputs.to_vec()).map(|x| x as usize).collect()
    }

    #[test]
    fn nothing_is_an_error() {
        assert!(matches!(DataLoader::new(&numbers(0), 4), Err(DataError::Empty)));
        assert!(matches!(DataLoader::new(&numbers(5), 0), Err(DataError::BatchSize)));
        let small = numbers(3);
        assert_eq!(DataLoader::new(&small, 4).unwrap().drop_last(true).epoch(0).count(), 0);
        assert_eq!(DataLoader::new(&small, usize::MAX).unwrap().epoch(0).count(), 1);
    }

    #[test]
    fn seed_and_epoch_fix_the_order() {
        let data = numbers(50);
        let loader = DataLoader::new(&data, 8).unwrap();
        assert_eq!(seen(&loader, 3), (0..50).collect::<Vec<_>>());
        let shuffled = loader.clone().shuffle(1);
        assert_eq!(seen(&shuffled, 3), seen(&loader.clone().shuffle(1), 3));
        assert_ne!(seen(&shuffled, 3), seen(&shuffled, 4));
        assert_ne!(seen(&shuffled, 3), seen(&loader.shuffle(2), 3));
    }

    #[test]
    fn a_position_goes_on_where_it_was() {
        let data = numbers(10);
        let loader = DataLoader::new(&data, 4).unwrap().shuffle(3);
        let (mut at, mut passed) = (Position::default(), Vec::new());
        for _ in 0..7 {
            let mut rest = loader.from(at);
            assert_eq!(rest.len(), 3 - at.batch);
            passed.push(rest.next().unwrap().unwrap());
            at = loader.after(at);
        }
        let through = (0..3).flat_map(|epoch| loader.epoch(epoch)).map(Result::unwrap);
        assert_eq!(passed, through.take(7).collect::<Vec<_>>());
        assert_eq!(loader.from(Position { epoch: 0, batch: 9 }).count(), 0);
    }

    /// Samples, one of which cannot be loaded.
    struct Gap(usize);

    impl Dataset<f64> for Gap {
        fn len(&self) -> usize {
            20
        }
        fn batch(&self, indices: &[usize]) -> Result<Batch<f64>, DataError> {
            assert!(self.0 < 100 || indices[0] < 10, "the last disk is gone");
            match indices.contains(&self.0) {
                true => Err(DataError::Sample { index: self.0, len: 20 }),
                false => numbers(20).batch(indices),
            }
        }
    }

    #[test]
    fn prefetching_changes_nothing() {
        let text = |batch: Result<Batch<f64>, DataError>| format!("{batch:?}");
        for gap in [19, 99] {
            let data = Gap(gap);
            let loader = DataLoader::new(&data, 3).unwrap();
            let at = Position { epoch: 4, batch: 1 };
            let plain: Vec<String> = loader.from(at).map(text).collect();
            assert_eq!(plain[5].starts_with("Err"), gap == 19);
            for ahead in [0, 1, 2, 50] {
                let fetched: Vec<String> = loader.prefetched(at, ahead, |batches| batches.map(text).collect());
                assert_eq!(fetched, plain);
                let first = loader.prefetched(at, ahead, |batches| batches.next().map(text));
                assert_eq!(first.as_ref(), plain.first(), "a consumer may stop early");
            }
        }
    }

    #[test]
    #[should_panic(expected = "the last disk is gone")]
    fn a_panic_in_the_background_is_one_here() {
        let data = Gap(100);
        DataLoader::new(&data, 3).unwrap().prefetched(Position::default(), 2, |batches| batches.count());
    }

    proptest! {
        #[test]
        fn each_sample_once_an_epoch(n in 1_usize..200, size in 1_usize..50, seed: u64, epoch: u64, drop_last: bool) {
            let data = numbers(n);
            let loader = DataLoader::new(&data, size).unwrap().shuffle(seed).drop_last(drop_last);
            let mut left = n;
            prop_assert_eq!(loader.epoch(epoch).len(), loader.batches());
            for batch in loader.epoch(epoch) {
                let Batch { inputs, targets } = batch.unwrap();
                prop_assert_eq!(inputs.len(), size.min(left));
                prop_assert_eq!(Target::Labels(inputs.iter().map(|x| x as i64).collect()), targets);
                left -= inputs.len();
            }
            prop_assert_eq!(left, if drop_last { n % size } else { 0 });
            let mut all = seen(&loader, epoch);
            all.sort();
            all.dedup();
            prop_assert_eq!(all.len(), n - left);
        }
    }
}
