//! [`DataLoader`]: which samples make up which batch of which epoch.

use super::{Batch, DataError, Dataset};
use autograd::{Float, Rng};

/// Cuts a data set into batches, epoch after epoch, in the order of the samples or a fresh random one each time.
///
/// Seed and epoch together fix the order, whatever has run before: training that resumes at epoch 7 sees what training
/// without a pause would have seen.
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
    seed: Option<u64>,
    drop_last: bool,
}

impl<'d, T: Float> DataLoader<'d, T> {
    /// Batches of `batch_size` samples in order, the last one smaller if they do not come out even.
    ///
    /// # Errors
    /// If the batch size is 0 or the data set is empty.
    pub fn new(dataset: &'d dyn Dataset<T>, batch_size: usize) -> Result<Self, DataError> {
        match (batch_size, dataset.len()) {
            (0, _) => Err(DataError::BatchSize),
            (_, 0) => Err(DataError::Empty),
            _ => Ok(DataLoader { dataset, batch_size, seed: None, drop_last: false }),
        }
    }

    /// Samples in random order, another one each epoch.
    pub fn shuffle(self, seed: u64) -> Self {
        DataLoader { seed: Some(seed), ..self }
    }

    /// Whether a last batch smaller than the others is left out: batch norm, say, does not like a batch of one. A data
    /// set smaller than a batch has no batch at all then.
    pub fn drop_last(self, drop_last: bool) -> Self {
        DataLoader { drop_last, ..self }
    }

    /// Number of batches in an epoch.
    pub fn batches(&self) -> usize {
        let n = self.dataset.len();
        if self.drop_last { n / self.batch_size } else { n.div_ceil(self.batch_size) }
    }

    /// The order of the samples in an epoch.
    pub fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.dataset.len()).collect();
        if let Some(seed) = self.seed {
            Rng::new(seed).stream(epoch).shuffle(&mut order);
        }
        order
    }

    /// The batches of an epoch. Each is made when it is asked for; drop it before the next, and the next reuses its
    /// memory.
    pub fn epoch(&self, epoch: u64) -> impl ExactSizeIterator<Item = Result<Batch<T>, DataError>> + use<'_, 'd, T> {
        let order = self.order(epoch);
        (0..self.batches()).map(move |i| {
            let start = i * self.batch_size;
            self.dataset.batch(&order[start..order.len().min(start.saturating_add(self.batch_size))])
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

    /// The samples are their own numbers.
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
