//! Data sets derived from others: subsets, concatenations and mapped batches.

use super::tensors::{rows, stacked};
use super::{Batch, DataError, Dataset, Field, Fields, Samples};
use autograd::Float;
use std::marker::PhantomData;

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

    fn epoch_batch(&self, epoch: u64, indices: &[usize]) -> Result<Batch<T>, DataError> {
        self.samples(epoch, indices)?.try_into()
    }

    fn samples(&self, epoch: u64, indices: &[usize]) -> Result<Samples<T>, DataError> {
        within(indices, self.len())?;
        let indices: Vec<usize> = indices.iter().map(|i| self.indices[*i]).collect();
        self.data.samples(epoch, &indices)
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

    fn epoch_batch(&self, epoch: u64, indices: &[usize]) -> Result<Batch<T>, DataError> {
        self.samples(epoch, indices)?.try_into()
    }

    fn samples(&self, epoch: u64, indices: &[usize]) -> Result<Samples<T>, DataError> {
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
                batches.push(part.samples(epoch, &inside)?);
            }
            at.iter().enumerate().for_each(|(i, at)| places[*at] = taken + i);
            taken += at.len();
        }
        let weights: Vec<_> = batches.iter().filter_map(|batch| batch.weights.as_ref()).collect();
        if !weights.is_empty() && weights.len() != batches.len() {
            return Err(DataError::Mixed);
        }
        let weights = (!weights.is_empty()).then(|| stacked(&weights)).transpose()?;
        Ok(Samples {
            inputs: joined(batches.iter().map(|batch| &batch.inputs).collect(), &places)?,
            targets: joined(batches.iter().map(|batch| &batch.targets).collect(), &places)?,
            weights: weights.map(|weights| rows(&weights, &places)),
        })
    }
}

/// Concatenates fields, which must have the same names and types, and arranges their rows.
fn joined<T: Float>(parts: Vec<&Fields<T>>, places: &[usize]) -> Result<Fields<T>, DataError> {
    let names = |fields: &Fields<T>| fields.names().map(str::to_owned).collect::<Vec<_>>();
    let mut all = Fields::new();
    for (place, (name, field)) in parts[0].list.0.iter().enumerate() {
        // The fields of one name, of each type.
        let (mut x, mut n, mut b) = (Vec::new(), Vec::new(), Vec::new());
        for part in &parts {
            match part.list.0.get(place) {
                Some((_, Field::Numbers(numbers))) => x.push(numbers),
                Some((_, Field::Integers(integers))) => n.push(integers),
                Some((_, Field::Booleans(booleans))) => b.push(booleans),
                None => {}
            }
        }
        if let Some(odd) = parts.iter().find(|part| names(part) != names(parts[0])) {
            return Err(DataError::Unlike { first: parts[0].to_string(), other: odd.to_string() });
        }
        let one = |count: usize| count == parts.len();
        let joined = match field {
            Field::Numbers(_) if one(x.len()) => Field::Numbers(rows(&stacked(&x)?, places)),
            Field::Integers(_) if one(n.len()) => Field::Integers(rows(&stacked(&n)?, places)),
            Field::Booleans(_) if one(b.len()) => Field::Booleans(rows(&stacked(&b)?, places)),
            _ => return Err(DataError::Mixed),
        };
        all = all.with(name.clone(), joined);
    }
    Ok(all)
}

/// A data set that applies a function to every batch, as a [`Batch`] of one input and one target, or as [`Samples`] of
/// any number.
///
/// ```
/// use nn::data::{Batch, Dataset, Mapped, Samples, digits};
/// let digits = digits::<f32>();
/// let images = Mapped::new(&digits, |batch: Batch<f32>| {
///     let n = batch.inputs.shape()[0];
///     Ok(Batch { inputs: batch.inputs.reshape(&[n, 1, 8, 8]), ..batch })
/// });
/// assert_eq!(images.batch(&[0, 1, 2])?.inputs.shape(), [3, 1, 8, 8]);
///
/// // A second target: whether the digit is even.
/// let two = Mapped::new(&digits, |samples: Samples<f32>| {
///     let even = samples.targets.integers("target")?.iter().map(|label| label % 2 == 0).collect::<autograd::Tensor<bool>>();
///     Ok(Samples { targets: samples.targets.with("even", even), ..samples })
/// });
/// assert_eq!(two.samples(0, &[0, 1, 2])?.targets.booleans("even")?.to_vec(), [true, false, true]);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Clone)]
pub struct Mapped<'d, T: Float, F, B = Batch<T>> {
    data: &'d dyn Dataset<T>,
    map: F,
    of: PhantomData<fn(B)>,
}

impl<'d, T: Float, B, F: Fn(B) -> Result<B, DataError> + Sync> Mapped<'d, T, F, B> {
    /// Applies `map` to every batch. It must treat each sample independently of the rest of the batch.
    pub fn new(data: &'d dyn Dataset<T>, map: F) -> Self {
        Mapped { data, map, of: PhantomData }
    }
}

impl<T: Float, B, F: Fn(B) -> Result<B, DataError> + Sync> Dataset<T> for Mapped<'_, T, F, B>
where
    B: TryFrom<Samples<T>>,
    DataError: From<B::Error>,
    Samples<T>: for<'b> From<&'b B>,
{
    fn len(&self) -> usize {
        self.data.len()
    }

    fn epoch_batch(&self, epoch: u64, indices: &[usize]) -> Result<Batch<T>, DataError> {
        self.samples(epoch, indices)?.try_into()
    }

    fn samples(&self, epoch: u64, indices: &[usize]) -> Result<Samples<T>, DataError> {
        let given = self.data.samples(epoch, indices)?;
        Ok(Samples::from(&(self.map)(given.try_into()?)?))
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
    use crate::loss::Target;
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
