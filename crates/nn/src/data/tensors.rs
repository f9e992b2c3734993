//! [`TensorDataset`]: all samples in memory, as one tensor of inputs and one of targets.

use super::combine::within;
use super::fields::check_weights;
use super::{Batch, DataError, Dataset, Scaler, split, split_stratified};
use crate::io::{self, AnyTensor};
use crate::loss::{IGNORED, Target};
use crate::number::whole;
use crate::once;
use autograd::{Element, Float, IntoTensor, Tensor};
use std::path::Path;

/// A data set in memory: inputs `[n, …]` and `n` targets. Cloning shares the elements.
///
/// ```
/// use autograd::tensor;
/// use nn::{data::{Dataset, TensorDataset}, loss::Target};
/// let points = tensor![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// let xor = TensorDataset::new(points, Target::Labels(tensor![0_i64, 1, 1, 0]))?;
/// let batch = xor.batch(&[3, 1])?;
/// assert_eq!(batch.inputs, tensor![[1.0, 1.0], [0.0, 1.0]]);
/// assert_eq!(batch.targets, Target::Labels(tensor![0_i64, 1]));
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TensorDataset<T: Float> {
    inputs: Tensor<T>,
    targets: Target<T>,
}

impl<T: Float> TensorDataset<T> {
    /// Creates a data set of inputs `[n, …]` and targets `[n, …]`, which are values or labels.
    ///
    /// # Errors
    /// If the numbers of inputs and targets differ, or a label is negative and not [`IGNORED`](crate::loss::IGNORED).
    pub fn new(inputs: impl IntoTensor<T>, targets: Target<T>) -> Result<Self, DataError> {
        checked(inputs.into_tensor(), targets)
    }

    /// Reads images and labels from two IDX files, the format of MNIST and Fashion-MNIST, optionally compressed with
    /// gzip. Inputs are `[n, 1, height, width]` from 0 to 1, where a byte of 255 becomes 1.
    ///
    /// ```no_run
    /// use nn::data::TensorDataset;
    /// let training = TensorDataset::<f32>::from_idx("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")?;
    /// assert_eq!(training.inputs().shape(), [60_000, 1, 28, 28]);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If a file cannot be read or is not valid, the first does not hold images `[n, height, width]`, or the second
    /// does not hold one label per image.
    pub fn from_idx(images: impl AsRef<Path>, labels: impl AsRef<Path>) -> Result<Self, DataError> {
        let (pixels, labels) = (io::read_idx_as::<T>(images.as_ref())?, io::read_idx(labels)?);
        match (pixels.shape(), labels) {
            (&[_, _, _], AnyTensor::I64(labels)) if labels.rank() == 1 => {
                Self::new(as_pictures(pixels), Target::Labels(labels))
            }
            (images, labels) => Err(DataError::Pictures { images: images.to_vec(), labels: labels.shape().to_vec() }),
        }
    }

    /// All inputs, `[n, …]`.
    pub fn inputs(&self) -> &Tensor<T> {
        &self.inputs
    }

    /// All targets.
    pub fn targets(&self) -> &Target<T> {
        &self.targets
    }

    /// All targets, if they are labels.
    pub fn labels(&self) -> Option<&Tensor<i64>> {
        self.targets.labels("labels").ok()
    }

    /// All targets, if they are values.
    pub fn values(&self) -> Option<&Tensor<T>> {
        self.targets.values("values").ok()
    }

    /// Weights the loss of each sample: see [`Target::weighted`].
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{data::TensorDataset, loss::Target};
    /// let data = TensorDataset::new(tensor![[0.0], [1.0]], Target::Labels(tensor![0_i64, 1]))?;
    /// let data = data.weighted(tensor![1.0, 5.0])?; // the second sample counts five times
    /// assert_eq!(data.targets().weights(), Some(&tensor![1.0, 5.0]));
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If there is not one weight for each sample, or a weight is negative or not finite.
    pub fn weighted(self, weights: impl IntoTensor<T>) -> Result<Self, DataError> {
        Self::new(self.inputs, self.targets.weighted(weights))
    }

    /// Splits the samples at random into two data sets: `fraction` of them in the first, the rest in the second. The
    /// seed determines the split; each sample is in exactly one of the two.
    ///
    /// ```
    /// # use nn::data::{Dataset, digits};
    /// let (train, test) = digits::<f32>().split(0.8, 42)?;
    /// assert_eq!((train.len(), test.len()), (1438, 359));
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If the fraction does not lie between 0 and 1.
    #[doc(alias = "train_test_split")]
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self), DataError> {
        let parts = split(self.len(), &[fraction, 1.0 - fraction], seed)?;
        Ok((self.subset(&parts[0])?, self.subset(&parts[1])?))
    }

    /// Like [`split`](TensorDataset::split), but with the same class proportions in both parts: see
    /// [`split_stratified`].
    ///
    /// ```
    /// # use nn::data::{Dataset, digits};
    /// let (train, test) = digits::<f32>().split_stratified(0.8, 42)?;
    /// let sevens = test.labels().unwrap().iter().filter(|label| *label == 7).count();
    /// assert_eq!((train.len(), test.len(), sevens), (1438, 359, 36)); // of 179
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// Targets of values, such as the 0 and 1 of a binary loss, are classes if they are integers.
    ///
    /// # Errors
    /// If the fraction does not lie between 0 and 1, or the targets are not one label or whole number per sample.
    pub fn split_stratified(&self, fraction: f64, seed: u64) -> Result<(Self, Self), DataError> {
        let parts = split_stratified(&self.classes()?, &[fraction, 1.0 - fraction], seed)?;
        Ok((self.subset(&parts[0])?, self.subset(&parts[1])?))
    }

    /// The class of each sample.
    fn classes(&self) -> Result<Vec<i64>, DataError> {
        let targets = self.targets.unweighted();
        let wrong = |problem: String| DataError::NoClasses { problem };
        if targets.shape().iter().product::<usize>() != self.len() {
            return Err(wrong(format!("got targets of shape {:?} for {} samples", targets.shape(), self.len())));
        }
        if let Some(labels) = self.labels() {
            return Ok(labels.to_vec());
        }
        let class = |x: T| whole(x.f64()).ok_or_else(|| wrong(format!("got the value {x}")));
        targets.values("split_stratified")?.iter().map(class).collect()
    }

    /// Copies the samples at these indices to a new data set.
    ///
    /// ```
    /// use nn::data::{Dataset, digits};
    /// let (digits, sevens) = (digits::<f32>(), |label: &i64| *label == 7);
    /// let places: Vec<usize> = (0..digits.len()).filter(|&i| sevens(&digits.labels().unwrap().at(&[i]))).collect();
    /// assert_eq!(digits.subset(&places)?.len(), 179);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If an index is not below [`len`](Dataset::len).
    pub fn subset(&self, indices: &[usize]) -> Result<Self, DataError> {
        let Batch { inputs, targets } = self.batch(indices)?;
        Ok(TensorDataset { inputs, targets })
    }

    /// Returns the same samples with scaled targets, which must be values. The scaler's [`invert`](Scaler::invert) turns
    /// predictions back.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{data::{Scaler, TensorDataset}, loss::Target};
    /// let prices = TensorDataset::new(tensor![[1.0], [2.0]], Target::Values(tensor![[200.0], [400.0]]))?;
    /// let scaler = Scaler::fit_standard(prices.values().unwrap())?;
    /// assert_eq!(prices.with_scaled_targets(&scaler)?.values().unwrap(), &tensor![[-1.0], [1.0]]);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If the targets are labels, or the scaler was fitted to values of a different shape.
    pub fn with_scaled_targets(&self, scaler: &Scaler<T>) -> Result<Self, DataError> {
        let scaled = Target::Values(scaler.apply(self.targets.values("with_scaled_targets")?)?);
        let targets = match self.targets.weights() {
            Some(weights) => scaled.weighted(weights.clone()),
            None => scaled,
        };
        Ok(TensorDataset { inputs: self.inputs.clone(), targets })
    }

    /// Returns the same samples with scaled inputs.
    ///
    /// ```
    /// use nn::data::{Scaler, digits};
    /// let (training, test) = digits::<f32>().split(0.8, 1)?;
    /// let scaler = Scaler::fit_standard(training.inputs())?; // from the training samples alone
    /// let (training, test) = (training.scaled(&scaler)?, test.scaled(&scaler)?);
    /// assert!(training.inputs().mean().item().abs() < 1e-3 && test.inputs().mean().item().abs() < 0.1);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If the scaler was fitted to samples of a different shape.
    pub fn scaled(&self, scaler: &Scaler<T>) -> Result<Self, DataError> {
        Ok(TensorDataset { inputs: scaler.apply(&self.inputs)?, targets: self.targets.clone() })
    }
}

impl<T: Float> Dataset<T> for TensorDataset<T> {
    fn len(&self) -> usize {
        self.inputs.shape()[0]
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<T>, DataError> {
        batch(self, indices)
    }
}

once! {
    fn checked<T>(inputs: Tensor<T>, targets: Target<T>) -> Result<TensorDataset<T>, DataError> {
        let inputs = inputs.contiguous();
        let targets = in_a_row(targets)?;
        let shape = targets.shape().to_vec();
        if inputs.rank() == 0 || inputs.shape().first() != shape.first() {
            return Err(DataError::Counts { inputs: inputs.shape().to_vec(), targets: shape });
        }
        if let Target::Labels(labels) = targets.unweighted()
            && let Some((at, label)) = labels.iter().enumerate().find(|(_, label)| no_label(*label))
        {
            return Err(DataError::Label { index: at / (labels.len() / shape[0]), label });
        }
        Ok(TensorDataset { inputs, targets })
    }

    fn batch<T>(data: &TensorDataset<T>, indices: &[usize]) -> Result<Batch<T>, DataError> {
        within(indices, data.len())?;
        Ok(Batch { inputs: rows(&data.inputs, indices), targets: target_rows(&data.targets, indices) })
    }
}

/// Converts pixels `[n, height, width]` to images of one channel, where a byte of 255 becomes 1.
pub(super) fn as_pictures<T: Float>(pixels: Tensor<T>) -> Tensor<T> {
    pixels.unsqueeze(1) / T::of(255.0)
}

/// Whether this is not a valid label. Labels start at 0; [`IGNORED`] marks samples to ignore.
pub(super) fn no_label(label: i64) -> bool {
    label < 0 && label != IGNORED
}

/// Makes targets contiguous and checks their weights.
fn in_a_row<T: Float>(targets: Target<T>) -> Result<Target<T>, DataError> {
    Ok(match targets {
        Target::Values(t) => Target::Values(t.contiguous()),
        Target::Labels(t) => Target::Labels(t.contiguous()),
        Target::Weighted { targets, weights } => {
            check_weights(&weights, targets.len())?;
            in_a_row(*targets)?.weighted(weights.contiguous())
        }
    })
}

/// The targets of the samples at these indices.
pub(super) fn target_rows<T: Float>(targets: &Target<T>, indices: &[usize]) -> Target<T> {
    match targets {
        Target::Values(t) => Target::Values(rows(t, indices)),
        Target::Labels(t) => Target::Labels(rows(t, indices)),
        Target::Weighted { targets, weights } => target_rows(targets, indices).weighted(rows(weights, indices)),
    }
}

/// Copies the given rows of a contiguous tensor into memory from the pool. The caller checks the indices.
pub(super) fn rows<E: Element>(x: &Tensor<E>, indices: &[usize]) -> Tensor<E> {
    let mut shape = x.shape().to_vec();
    let row: usize = shape[1..].iter().product();
    shape[0] = indices.len();
    let source = x.as_slice().expect("data sets hold contiguous tensors");
    let mut out = Tensor::zeros(&shape);
    for (place, &i) in out.make_mut().chunks_exact_mut(row.max(1)).zip(indices) {
        place.copy_from_slice(&source[i * row..(i + 1) * row]);
    }
    out
}

/// Concatenates at least one tensor along the first axis. All other axes must agree in size.
pub(super) fn stacked<E: Element>(parts: &[&Tensor<E>]) -> Result<Tensor<E>, DataError> {
    let mut shape = parts[0].shape().to_vec();
    if let Some(odd) = parts.iter().find(|part| part.shape().get(1..) != shape.get(1..)) {
        return Err(DataError::Parts { first: shape, other: odd.shape().to_vec() });
    }
    shape[0] = parts.iter().map(|part| part.shape()[0]).sum();
    let elements = parts.iter().flat_map(|part| part.iter()).collect();
    Ok(Tensor::try_new(&shape, elements)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::tensor;

    #[test]
    fn targets_fit_inputs() {
        let inputs = Tensor::<f32>::zeros(&[3, 2]);
        let error = TensorDataset::new(inputs.clone(), Target::Labels(tensor![0_i64, 1])).unwrap_err();
        assert!(error.to_string().contains("[3, 2]") && error.to_string().contains("[2]"), "{error}");
        let error =
            TensorDataset::new(inputs.clone(), Target::Labels(tensor![[0_i64, 1], [2, 3], [4, -5]])).unwrap_err();
        assert!(matches!(error, DataError::Label { index: 2, label: -5 }), "{error}");
        let error = TensorDataset::new(tensor![1.0, 2.0], Target::Values(Tensor::scalar(1.0))).unwrap_err();
        assert!(matches!(error, DataError::Counts { .. }), "{error}");
        assert!(TensorDataset::new(Tensor::scalar(1.0), Target::Values(Tensor::scalar(1.0))).is_err());
        assert!(TensorDataset::new(inputs, Target::Labels(tensor![0_i64, 1, 9])).is_ok());
    }

    #[test]
    fn whole_numbers_are_classes_to_split_by() {
        let truth = Tensor::from_fn(&[100, 1], |i| if i[0] < 20 { 1.0 } else { 0.0 });
        let data = TensorDataset::new(Tensor::<f64>::zeros(&[100, 3]), Target::Values(truth.clone())).unwrap();
        let (train, test) = data.split_stratified(0.75, 1).unwrap();
        let ones = |part: &TensorDataset<f64>| part.values().unwrap().sum().item();
        assert_eq!((ones(&train), ones(&test), test.len()), (15.0, 5.0, 25));
        let weighted = data.weighted(Tensor::ones(&[100])).unwrap();
        assert_eq!(weighted.split_stratified(0.75, 1).unwrap().1.targets().unweighted(), test.targets());
        let refused = |targets: Tensor<f64>| {
            let data = TensorDataset::new(Tensor::<f64>::zeros(&[2, 3]), Target::Values(targets)).unwrap();
            data.split_stratified(0.5, 1).unwrap_err().to_string()
        };
        assert!(refused(tensor![[0.0], [0.5]]).ends_with("got the value 0.5"));
        assert!(refused(tensor![[0.0, 1.0], [1.0, 0.0]]).ends_with("got targets of shape [2, 2] for 2 samples"));
    }

    #[test]
    fn batches_of_views_and_of_nothing() {
        let x = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let data = TensorDataset::new(x.t(), Target::Values(x.t())).unwrap();
        let batch = data.batch(&[2, 0, 2]).unwrap();
        assert_eq!(batch.inputs, tensor![[3.0, 6.0], [1.0, 4.0], [3.0, 6.0]]);
        assert_eq!(batch.targets, Target::Values(batch.inputs.clone()));
        assert_eq!(data.batch(&[]).unwrap().inputs.shape(), [0, 2]);
        assert!(matches!(data.batch(&[0, 3]).unwrap_err(), DataError::Sample { index: 3, len: 3 }));
        let featureless = TensorDataset::new(Tensor::<f64>::zeros(&[2, 0]), Target::Labels(tensor![0_i64, 1])).unwrap();
        assert_eq!(featureless.batch(&[1]).unwrap().inputs.shape(), [1, 0]);
    }
}
