//! Data sets derived from others: subsets, concatenations and mapped batches.

use super::tensors::{rows, stacked, target_rows};
use super::{Batch, DataError, Dataset};
use crate::loss::Target;
use autograd::Float;

/// A subset of the samples of a data set, which it borrows.
///
/// ```
/// use nn::data::{Dataset, Subset, digits, split};
/// let digits = digits::<f32>();
/// let parts = split(digits.len(), &[0.7, 0.2, 0.1], 42)?;
/// let validation = Subset::new(&digits, parts[1].clone())?;
/// assert_eq!(validation.batch(&[0])?, digits.batch(&[parts[1][0]])?);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Clone)]
pub struct Subset<'d, T: Float> {
    data: &'d dyn Dataset<T>,
    indices: Vec<usize>,
}

impl<'d, T: Float> Subset<'d, T> {
    /// Selects the samples at these indices, in this order.
    ///
    /// # Errors
    /// If an index is not below the data set's [`len`](Dataset::len).
    pub fn new(data: &'d dyn Dataset<T>, indices: Vec<usize>) -> Result<Self, DataError> {
        within(&indices, data.len())?;
        Ok(Subset { data, indices })
    }
}

impl<T: Float> Dataset<T> for Subset<'_, T> {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<T>, DataError> {
        self.epoch_batch(0, indices)
    }

    fn epoch_batch(&self, epoch: u64, indices: &[usize]) -> Result<Batch<T>, DataError> {
        within(indices, self.len())?;
        let indices: Vec<usize> = indices.iter().map(|i| self.indices[*i]).collect();
        self.data.epoch_batch(epoch, &indices)
    }
}

/// A concatenation of data sets: the samples of the first, then those of the second, and so on.
///
/// ```
/// use nn::data::{Concat, Dataset, digits};
/// let digits = digits::<f32>();
/// let twice = Concat::new(vec![&digits, &digits]);
/// assert_eq!(twice.batch(&[1797, 3])?, digits.batch(&[0, 3])?);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[doc(alias = "ConcatDataset")]
#[derive(Clone)]
pub struct Concat<'d, T: Float> {
    parts: Vec<&'d dyn Dataset<T>>,
    /// Index of the first sample of each part.
    starts: Vec<usize>,
    len: usize,
}

impl<'d, T: Float> Concat<'d, T> {
    /// Concatenates the parts in this order.
    pub fn new(parts: Vec<&'d dyn Dataset<T>>) -> Self {
        let (mut starts, mut len) = (Vec::with_capacity(parts.len()), 0);
        for part in &parts {
            starts.push(len);
            len += part.len();
        }
        Concat { parts, starts, len }
    }
}

impl<T: Float> Dataset<T> for Concat<'_, T> {
    fn len(&self) -> usize {
        self.len
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<T>, DataError> {
        self.epoch_batch(0, indices)
    }

    fn epoch_batch(&self, epoch: u64, indices: &[usize]) -> Result<Batch<T>, DataError> {
        within(indices, self.len)?;
        if self.parts.is_empty() {
            return Err(DataError::Empty);
        }
        // Requests one batch from each part, then arranges the samples in the requested order.
        let (mut places, mut batches) = (vec![0; indices.len()], Vec::new());
        let mut taken = 0;
        for (k, (part, &start)) in self.parts.iter().zip(&self.starts).enumerate() {
            let own = start..self.starts.get(k + 1).copied().unwrap_or(self.len);
            let asked = indices.iter().enumerate().filter(|(_, i)| own.contains(*i));
            let (at, inside): (Vec<usize>, Vec<usize>) = asked.map(|(at, i)| (at, i - start)).unzip();
            if !inside.is_empty() || (indices.is_empty() && k == 0) {
                batches.push(part.epoch_batch(epoch, &inside)?);
            }
            at.iter().enumerate().for_each(|(i, at)| places[*at] = taken + i);
            taken += at.len();
        }
        let inputs: Vec<_> = batches.iter().map(|batch| &batch.inputs).collect();
        let inputs = rows(&stacked(&inputs)?, &places);
        let targets: Vec<_> = batches.iter().map(|batch| &batch.targets).collect();
        Ok(Batch { inputs, targets: target_rows(&joined(&targets)?, &places) })
    }
}

/// Concatenates targets: all values or all labels, and either all weighted or none.
fn joined<T: Float>(targets: &[&Target<T>]) -> Result<Target<T>, DataError> {
    let (mut values, mut labels, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for target in targets {
        weights.extend(target.weights());
        match target.unweighted() {
            Target::Labels(l) => labels.push(l),
            target => values.push(target.values("Concat")?),
        }
    }
    let all = |count: usize| count == 0 || count == targets.len();
    if !all(values.len()) || !all(labels.len()) || !all(weights.len()) {
        return Err(DataError::Mixed);
    }
    let plain = match values.is_empty() {
        true => Target::Labels(stacked(&labels)?),
        false => Target::Values(stacked(&values)?),
    };
    Ok(if weights.is_empty() { plain } else { plain.weighted(stacked(&weights)?) })
}

/// A data set that applies a function to every batch.
///
/// ```
/// use nn::data::{Batch, Dataset, Mapped, digits};
/// let digits = digits::<f32>();
/// let images = Mapped::new(&digits, |batch: Batch<f32>| {
///     let n = batch.inputs.shape()[0];
///     Ok(Batch { inputs: batch.inputs.reshape(&[n, 1, 8, 8]), ..batch })
/// });
/// assert_eq!(images.batch(&[0, 1, 2])?.inputs.shape(), [3, 1, 8, 8]);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Clone)]
pub struct Mapped<'d, T: Float, F> {
    data: &'d dyn Dataset<T>,
    map: F,
}

impl<'d, T: Float, F: Fn(Batch<T>) -> Result<Batch<T>, DataError> + Sync> Mapped<'d, T, F> {
    /// Applies `map` to every batch. It must treat each sample independently of the rest of the batch.
    pub fn new(data: &'d dyn Dataset<T>, map: F) -> Self {
        Mapped { data, map }
    }
}

impl<T: Float, F: Fn(Batch<T>) -> Result<Batch<T>, DataError> + Sync> Dataset<T> for Mapped<'_, T, F> {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<T>, DataError> {
        self.epoch_batch(0, indices)
    }

    fn epoch_batch(&self, epoch: u64, indices: &[usize]) -> Result<Batch<T>, DataError> {
        (self.map)(self.data.epoch_batch(epoch, indices)?)
    }
}

/// Checks that all indices are below `len`.
pub(super) fn within(indices: &[usize], len: usize) -> Result<(), DataError> {
    match indices.iter().find(|i| **i >= len) {
        Some(&index) => Err(DataError::Sample { index, len }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::TensorDataset;
    use super::*;
    use autograd::{Tensor, tensor};

    fn labeled(labels: &[i64]) -> TensorDataset<f64> {
        let inputs = labels.iter().map(|l| *l as f64).collect::<Tensor<f64>>();
        TensorDataset::new(inputs, Target::Labels(labels.iter().copied().collect())).unwrap()
    }

    #[test]
    fn parts_in_any_order() {
        let (a, none, b) = (labeled(&[0, 1, 2]), labeled(&[]), labeled(&[3, 4]));
        let all = Concat::new(vec![&a, &none, &b]);
        let batch = all.batch(&[4, 0, 3, 3, 2]).unwrap();
        assert_eq!(batch.targets, Target::Labels(tensor![4_i64, 0, 3, 3, 2]));
        assert_eq!(batch.inputs, tensor![4.0, 0.0, 3.0, 3.0, 2.0]);
        assert!(matches!(all.batch(&[5]), Err(DataError::Sample { index: 5, len: 5 })));
        let odd = Subset::new(&all, vec![1, 3]).unwrap();
        assert_eq!((odd.len(), odd.batch(&[1, 0]).unwrap().inputs), (2, tensor![3.0, 1.0]));
        assert!(odd.batch(&[2]).is_err() && Subset::new(&all, vec![5]).is_err());
    }

    #[test]
    fn parts_must_be_alike() {
        let a = labeled(&[0, 1]);
        let values = TensorDataset::new(tensor![1.0, 2.0], Target::Values(tensor![1.0, 2.0])).unwrap();
        let error = Concat::new(vec![&a, &values]).batch(&[0, 2]).unwrap_err();
        assert!(matches!(error, DataError::Mixed), "{error}");
        let weighted = labeled(&[2, 3]).weighted(tensor![0.5, 2.0]).unwrap();
        assert!(matches!(Concat::new(vec![&a, &weighted]).batch(&[0, 2]), Err(DataError::Mixed)));
        let twice = Concat::new(vec![&weighted, &weighted]).batch(&[3, 0]).unwrap();
        assert_eq!(twice.targets, Target::Labels(tensor![3_i64, 2]).weighted(tensor![2.0, 0.5]));
        let wide = TensorDataset::new(tensor![[1.0, 2.0]], Target::Labels(tensor![0_i64])).unwrap();
        assert!(Concat::new(vec![&a, &wide]).batch(&[0, 2]).is_err());
    }
}
