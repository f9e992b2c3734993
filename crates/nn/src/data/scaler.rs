//! [`Scaler`]: brings the columns of a table to a common scale. Fit it to the training set only: statistics of the test
//! set would leak into training.

use super::{DataError, DataLoader, Dataset};
use crate::io::StateDict;
use crate::number::power_of_two;
use autograd::{Float, Tensor};

/// The target range of each column of a [`Scaler`]. A constant column is only shifted to 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaling {
    /// Mean 0 and standard deviation 1: `shift = Σx / n`, `scale = √(Σ(x - shift)² / n)`.
    Standard,
    /// The range from 0 to 1: `shift = min x`, `scale = max x - min x`.
    MinMax,
}

/// Scales each column as `(x - shift) / scale`, with `shift` and `scale` fitted to given samples. A column is one
/// feature: one position in a sample `[…]`, across all samples `[n, …]`.
///
/// ```
/// use autograd::tensor;
/// use nn::data::Scaler;
/// let train = tensor![[1.0, 10.0], [3.0, 10.0]];
/// let scaler = Scaler::fit_standard(&train)?;
/// assert_eq!(scaler.apply(&train)?, tensor![[-1.0, 0.0], [1.0, 0.0]]); // a constant column becomes 0
/// assert_eq!(scaler.apply(&tensor![[5.0, 11.0]])?, tensor![[3.0, 1.0]]);
///
/// let scaler = Scaler::fit_min_max(&train)?;
/// assert_eq!(scaler.apply(&train)?, tensor![[0.0, 0.0], [1.0, 0.0]]);
/// assert_eq!(scaler.invert(&scaler.apply(&train)?)?, train);
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler<T: Float> {
    shift: Tensor<T>,
    scale: Tensor<T>,
}

/// A function that consumes samples `[n, …]`, some at a time.
type Take<'a, T> = &'a mut dyn FnMut(&Tensor<T>) -> Result<(), DataError>;

/// Statistics of a column.
#[derive(Clone)]
struct Column {
    finite: bool,
    sum: f64,
    min: f64,
    max: f64,
    mean: f64,
    /// Sum of the squared differences from the mean, which are divided by the `unit`: their squares may be too large or
    /// too small.
    squares: f64,
    unit: f64,
}

impl Default for Column {
    fn default() -> Self {
        Column {
            finite: true,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            mean: 0.0,
            squares: 0.0,
            unit: 1.0,
        }
    }
}

impl Column {
    fn see(&mut self, x: f64) {
        self.finite &= x.is_finite();
        self.sum += x;
        (self.min, self.max) = (self.min.min(x), self.max.max(x));
    }

    /// Shift and scale.
    fn scale(&self, scaling: Scaling, n: usize) -> (f64, f64) {
        match scaling {
            // Compares elements instead of subtracting the mean: the rounded mean of many 0.1 is not 0.1.
            _ if self.min == self.max => (self.min, 1.0),
            Scaling::MinMax => (self.min, self.max - self.min),
            Scaling::Standard => (self.mean, (self.squares / n as f64).sqrt() * self.unit),
        }
    }
}

/// Calls `show` with each element of samples `[n, …]` and its column.
fn each<T: Float>(columns: &mut [Column], samples: &Tensor<T>, show: impl Fn(&mut Column, f64)) {
    let samples = samples.contiguous();
    for sample in samples.as_slice().expect("contiguous").chunks_exact(columns.len().max(1)) {
        columns.iter_mut().zip(sample).for_each(|(column, x)| show(column, x.f64()));
    }
}

impl<T: Float> Scaler<T> {
    /// Fits a scaler to mean 0 and standard deviation 1: [`Scaling::Standard`].
    ///
    /// # Errors
    /// If there are no samples, or the mean or range of a column is not finite.
    #[doc(alias = "StandardScaler")]
    pub fn fit_standard(inputs: &Tensor<T>) -> Result<Self, DataError> {
        Self::fit(Scaling::Standard, |take| take(inputs))
    }

    /// Fits a scaler to the range from 0 to 1: [`Scaling::MinMax`].
    ///
    /// # Errors
    /// If there are no samples, or the mean or range of a column is not finite.
    #[doc(alias = "MinMaxScaler")]
    pub fn fit_min_max(inputs: &Tensor<T>) -> Result<Self, DataError> {
        Self::fit(Scaling::MinMax, |take| take(inputs))
    }

    /// Fits a scaler to the inputs of a data set, batch by batch. The result equals fitting to all inputs at once, bit
    /// for bit, but needs the memory of only one batch. Standard scaling makes two passes over the data, because
    /// differences from the mean lose fewer digits than sums of squares.
    ///
    /// ```
    /// use nn::data::{Batch, Dataset, Mapped, Scaler, Scaling, digits};
    /// let digits = digits::<f32>();
    /// let scaler = Scaler::fit_dataset(&digits, Scaling::Standard, 100)?;
    /// assert_eq!(scaler, Scaler::fit_standard(digits.inputs())?);
    /// let scaled = Mapped::new(&digits, |batch: Batch<f32>| Ok(Batch { inputs: scaler.apply(&batch.inputs)?, ..batch
    /// })); assert_eq!(scaled.batch(&[7])?, digits.scaled(&scaler)?.batch(&[7])?);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If the batch size is 0, there are no samples, a sample cannot be loaded or differs in shape from the first, or
    /// the mean or range of a column is not finite.
    pub fn fit_dataset(data: &dyn Dataset<T>, scaling: Scaling, batch_size: usize) -> Result<Self, DataError> {
        let loader = DataLoader::new(data, batch_size)?;
        Self::fit(scaling, |take| loader.epoch(0).try_for_each(|batch| take(&batch?.inputs)))
    }

    /// Computes shift and scale of each column. Every call of `all` must pass all samples to its argument.
    fn fit(scaling: Scaling, all: impl Fn(Take<T>) -> Result<(), DataError>) -> Result<Self, DataError> {
        let (mut n, mut first, mut columns) = (0, None, Vec::new());
        all(&mut |inputs| {
            let Some((&samples, sample)) = inputs.shape().split_first() else { return Err(DataError::Empty) };
            let first: &Vec<usize> = first.get_or_insert_with(|| inputs.shape().to_vec());
            if first[1..] != *sample {
                return Err(DataError::Parts { first: first.clone(), other: inputs.shape().to_vec() });
            }
            columns.resize(sample.iter().product(), Column::default());
            n += samples;
            each(&mut columns, inputs, Column::see);
            Ok(())
        })?;
        let sample = first.filter(|_| n > 0).ok_or(DataError::Empty)?.split_off(1);
        for column in &mut columns {
            column.mean = column.sum / n as f64;
            column.unit = power_of_two(column.max - column.min);
        }
        if scaling == Scaling::Standard {
            all(&mut |inputs| {
                each(&mut columns, inputs, |column, x| column.squares += ((x - column.mean) / column.unit).powi(2));
                Ok(())
            })?;
        }
        let (mut shift, mut scale) = (Tensor::zeros(&sample), Tensor::ones(&sample));
        let places = shift.make_mut().iter_mut().zip(scale.make_mut());
        for (column, (seen, (shift, scale))) in columns.iter().zip(places).enumerate() {
            let (by, to) = seen.scale(scaling, n);
            (*shift, *scale) = (T::of(by), T::of(to));
            if !(seen.finite && shift.is_finite() && scale.is_finite()) {
                return Err(DataError::NotFinite { column });
            }
            // Elements can differ by so little that their spread rounds to 0.
            if *scale == T::zero() {
                *scale = T::one();
            }
        }
        Ok(Scaler { shift, scale })
    }

    /// Returns the tensors `shift` and `scale`, to be saved along with a model trained on scaled inputs.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{data::Scaler, io::StateDict};
    /// let path = std::env::temp_dir().join(format!("nn-scaler-{}.safetensors", std::process::id()));
    /// let scaler = Scaler::fit_standard(&tensor![[1.0, 10.0], [3.0, 10.0]])?;
    /// scaler.state().write(&path)?;
    /// assert_eq!(Scaler::from_state(&StateDict::read(&path)?)?, scaler);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state(&self) -> StateDict {
        let mut state = StateDict::new();
        state.insert("shift", self.shift.clone());
        state.insert("scale", self.scale.clone());
        state
    }

    /// Restores a scaler from its [`state`](Scaler::state), converted to this element type.
    ///
    /// # Errors
    /// If one of the two tensors is missing, they differ in shape, an element is not finite, or a scale is 0.
    pub fn from_state(state: &StateDict) -> Result<Self, DataError> {
        let wrong = |problem: String| DataError::NoScaler { problem };
        let tensor = |name: &str| {
            let found = state.get(name).ok_or_else(|| wrong(format!("tensor {name:?} is missing")))?;
            Ok::<_, DataError>(found.to::<T>())
        };
        let (shift, scale) = (tensor("shift")?, tensor("scale")?);
        if shift.shape() != scale.shape() {
            return Err(wrong(format!("shift has shape {:?} and scale {:?}", shift.shape(), scale.shape())));
        }
        let sound = shift.iter().all(T::is_finite) && scale.iter().all(|x| x.is_finite() && x != T::zero());
        if sound { Ok(Scaler { shift, scale }) } else { Err(wrong("an element is not finite, or a scale is 0".into())) }
    }

    /// Returns `(x - shift) / scale` for samples `[n, …]`.
    ///
    /// # Errors
    /// If the samples differ in shape from those the scaler was fitted to.
    pub fn apply(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        self.check(x)?;
        Ok(x.try_sub(&self.shift)?.try_div(&self.scale)?)
    }

    /// Returns `x scale + shift`, in the units of the fitted samples.
    ///
    /// # Errors
    /// If the samples differ in shape from those the scaler was fitted to.
    pub fn invert(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        self.check(x)?;
        Ok(x.try_mul(&self.scale)?.try_add(&self.shift)?)
    }

    /// Rejects shapes that broadcasting would accept, such as one column `[n, 1]` where 64 were fitted.
    fn check(&self, x: &Tensor<T>) -> Result<(), DataError> {
        match x.shape().split_first() {
            Some((_, sample)) if sample == self.shift.shape() => Ok(()),
            _ => Err(DataError::Features { fitted: self.shift.shape().to_vec(), given: x.shape().to_vec() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Mapped, TensorDataset};
    use super::*;
    use crate::loss::Target;
    use autograd::{Rng, tensor};

    #[test]
    fn moments_and_ranges() {
        let x = Tensor::<f64>::randn(&[500, 2, 3], &mut Rng::new(1)) * 7.0 + 30.0;
        let y = Scaler::fit_standard(&x).unwrap().apply(&x).unwrap();
        assert!(y.mean_axes(0).iter().all(|m| m.abs() < 1e-12));
        assert!(y.square().mean_axes(0).iter().all(|v| (v - 1.0).abs() < 1e-12));
        let y = Scaler::fit_min_max(&x).unwrap().apply(&x).unwrap();
        assert_eq!((y.min_axes(0), y.max_axes(0)), (Tensor::zeros(&[2, 3]), Tensor::ones(&[2, 3])));
    }

    /// Fitting batch by batch gives the same scaler as fitting to all samples, for any batch size.
    #[test]
    fn batch_by_batch() {
        let x = Tensor::<f32>::randn(&[57, 2, 3], &mut Rng::new(4)) * 3.0 + 1e4;
        let data = TensorDataset::new(x.clone(), Target::Labels((0..57).collect())).unwrap();
        for size in [1, 10, 57, 100] {
            let [standard, range] =
                [Scaling::Standard, Scaling::MinMax].map(|s| Scaler::fit_dataset(&data, s, size).unwrap());
            assert_eq!((standard, range), (Scaler::fit_standard(&x).unwrap(), Scaler::fit_min_max(&x).unwrap()));
        }
        assert!(matches!(Scaler::fit_dataset(&data, Scaling::MinMax, 0), Err(DataError::BatchSize)));
        let bent = Mapped::new(&data, |batch: Batch<f32>| {
            let n = batch.inputs.shape()[0];
            let inputs = batch.inputs.reshape(&if n == 10 { [n, 6] } else { [n * 3, 2] });
            Ok(Batch { inputs, ..batch })
        });
        assert!(matches!(Scaler::fit_dataset(&bent, Scaling::MinMax, 10), Err(DataError::Parts { .. })));
    }

    #[test]
    fn states_that_are_none() {
        let state = |shift: Tensor<f64>, scale: Tensor<f64>| {
            let mut state = StateDict::new();
            state.insert("shift", shift);
            state.insert("scale", scale);
            Scaler::<f32>::from_state(&state)
        };
        assert_eq!(state(tensor![1.0], tensor![2.0]).unwrap().apply(&tensor![[5.0f32]]).unwrap(), tensor![[2.0f32]]);
        let broken = [
            (tensor![1.0], tensor![1.0, 2.0], "shift has shape [1] and scale [2]"),
            (tensor![1e300], tensor![1.0], "not finite"),
            (tensor![f64::NAN], tensor![1.0], "not finite"),
            (tensor![1.0], tensor![0.0], "a scale is 0"),
        ];
        for (shift, scale, saying) in broken {
            assert!(state(shift, scale).unwrap_err().to_string().contains(saying));
        }
        let error = Scaler::<f64>::from_state(&StateDict::new()).unwrap_err().to_string();
        assert_eq!(error, "the state does not hold a valid scaler: tensor \"shift\" is missing");
    }

    #[test]
    fn constant_columns_become_exactly_zero() {
        let x = Tensor::<f32>::full(&[1000, 1], 0.1);
        for scaler in [Scaler::fit_standard(&x).unwrap(), Scaler::fit_min_max(&x).unwrap()] {
            assert_eq!(scaler.apply(&x).unwrap(), Tensor::zeros(&[1000, 1]));
        }
        let tiny = tensor![[0.0], [5e-324]];
        let y = Scaler::fit_standard(&tiny).unwrap().apply(&tiny).unwrap();
        assert!(y.iter().all(f64::is_finite), "{y}");
    }

    #[test]
    fn what_cannot_be_scaled() {
        for bad in [f64::NAN, f64::INFINITY] {
            let x = tensor![[1.0, 2.0], [3.0, bad]];
            assert!(matches!(Scaler::fit_standard(&x), Err(DataError::NotFinite { column: 1 })));
            assert!(matches!(Scaler::fit_min_max(&tensor![[bad]]), Err(DataError::NotFinite { column: 0 })));
        }
        assert!(matches!(Scaler::fit_min_max(&tensor![[3e38f32], [-3e38]]), Err(DataError::NotFinite { column: 0 })));
        assert!(matches!(Scaler::fit_min_max(&Tensor::<f64>::zeros(&[0, 2])), Err(DataError::Empty)));
        let scaler = Scaler::fit_standard(&tensor![[1.0, 2.0]]).unwrap();
        for other in [tensor![[1.0]], tensor![1.0, 2.0], Tensor::scalar(1.0)] {
            assert!(matches!(scaler.apply(&other), Err(DataError::Features { .. })));
        }
    }

    #[test]
    fn columns_of_any_size_are_scaled() {
        for s in [1e200, 1e300, 1e-200, 1e-300] {
            let x = tensor![[1.0], [2.0], [4.0], [5.0]] * s;
            let y = Scaler::fit_standard(&x).unwrap().apply(&x).unwrap();
            // (x - 3) / √2.5
            let expected = tensor![[-2.0], [-1.0], [1.0], [2.0]] / 2.5f64.sqrt();
            assert!((&y - &expected).abs().max().item() < 1e-15, "{s:e}: {y}");
        }
    }
}
