//! Errors of regression, and the coefficient of determination.

use super::{Measure, mismatch};
use crate::loss::Target;
use autograd::{Error, Float, Result, Tensor};

/// The mean absolute error: the mean of |output - target| over all elements. NaN if an element is.
///
/// ```
/// use autograd::tensor;
/// assert_eq!(nn::metric::mean_absolute_error(&tensor![1.0, 2.0], &tensor![1.5, 1.0])?, 0.75);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ or there are no elements.
pub fn mean_absolute_error<T: Float>(output: &Tensor<T>, target: &Tensor<T>) -> Result<f64> {
    absolute("mean_absolute_error", output, target).map(|(sum, count)| sum / count)
}

/// The mean squared error: the mean of (output - target)² over all elements. NaN if an element is.
///
/// ```
/// use autograd::tensor;
/// assert_eq!(nn::metric::mean_squared_error(&tensor![1.0, 2.0], &tensor![1.5, 1.0])?, 0.625);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ or there are no elements.
pub fn mean_squared_error<T: Float>(output: &Tensor<T>, target: &Tensor<T>) -> Result<f64> {
    squared("mean_squared_error", output, target).map(|(sum, count)| sum / count)
}

/// The square root of the [mean squared error](mean_squared_error), in the unit of the targets.
///
/// ```
/// use autograd::tensor;
/// assert_eq!(nn::metric::root_mean_squared_error(&tensor![3.0, 0.0, 0.0, 1.0], &tensor![0.0, 0.0, 0.0, 1.0])?, 1.5);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ or there are no elements.
pub fn root_mean_squared_error<T: Float>(output: &Tensor<T>, target: &Tensor<T>) -> Result<f64> {
    squared("root_mean_squared_error", output, target).map(|(sum, count)| (sum / count).sqrt())
}

/// The coefficient of determination `R² = 1 - Σ(t - y)² / Σ(t - t̄)²` of outputs `y` and targets `t`, both `[n]` or
/// `[n, …]`.
///
/// 1 is perfect, 0 is no better than predicting the mean of the targets, and negative values are worse. Averaged over
/// columns. For constant targets, where the formula divides by 0, the result is 1 if the outputs are exact, otherwise
/// 0, as in scikit-learn. NaN if an element is.
///
/// ```
/// use autograd::tensor;
/// use nn::metric::r2;
/// let target = tensor![3.0, -0.5, 2.0, 7.0];
/// let score = r2(&tensor![2.5, 0.0, 2.0, 8.0], &target)?;
/// assert!((score - 0.948608137).abs() < 1e-9);
/// assert_eq!(r2(&tensor![2.875, 2.875, 2.875, 2.875], &target)?, 0.0);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ or there are no elements.
pub fn r2<T: Float>(output: &Tensor<T>, target: &Tensor<T>) -> Result<f64> {
    let mut determination = Determination::default();
    determination.note(output, target)?;
    Ok(determination.score())
}

/// Σ |y - t|, and the number of elements.
pub(super) fn absolute<T: Float>(op: &'static str, y: &Tensor<T>, t: &Tensor<T>) -> Result<(f64, f64)> {
    sum(op, y, t, f64::abs)
}

/// Σ (y - t)², and the number of elements.
pub(super) fn squared<T: Float>(op: &'static str, y: &Tensor<T>, t: &Tensor<T>) -> Result<(f64, f64)> {
    sum(op, y, t, |d| d * d)
}

fn sum<T: Float>(op: &'static str, y: &Tensor<T>, t: &Tensor<T>, of: fn(f64) -> f64) -> Result<(f64, f64)> {
    check_same(op, y, t)?;
    Ok((y.iter().zip(t.iter()).map(|(y, t)| of(y.f64() - t.f64())).sum(), y.len() as f64))
}

/// The running statistics of R², one per column.
#[derive(Default)]
pub(super) struct Determination {
    columns: Vec<Column>,
}

/// The running mean of the targets and their squared deviations from it (Welford, 1962), and the squared errors.
#[derive(Clone, Copy, Default)]
struct Column {
    count: f64,
    first: f64,
    /// Whether a target differs from the first. Compared rather than subtracted: a rounded mean can differ from equal
    /// targets.
    varies: bool,
    mean: f64,
    spread: f64,
    missed: f64,
}

impl Column {
    fn add(&mut self, y: f64, t: f64) {
        if self.count == 0.0 {
            self.first = t;
        }
        self.varies |= t != self.first;
        self.count += 1.0;
        let from_old_mean = t - self.mean;
        self.mean += from_old_mean / self.count;
        self.spread += from_old_mean * (t - self.mean);
        self.missed += (t - y).powi(2);
    }

    fn score(&self) -> f64 {
        match (self.missed, if self.varies { self.spread } else { 0.0 }) {
            (0.0, 0.0) => 1.0,
            (missed, 0.0) if !missed.is_nan() => 0.0,
            (missed, spread) => 1.0 - missed / spread,
        }
    }
}

impl Determination {
    fn note<T: Float>(&mut self, output: &Tensor<T>, target: &Tensor<T>) -> Result<()> {
        check_same("r2", output, target)?;
        let columns: usize = target.shape().iter().skip(1).product();
        if self.columns.is_empty() {
            self.columns = vec![Column::default(); columns];
        } else if self.columns.len() != columns {
            let hint = format!("previous batches had {} columns", self.columns.len());
            return Err(mismatch("r2", output.shape(), hint));
        }
        for (i, (y, t)) in output.iter().zip(target.iter()).enumerate() {
            self.columns[i % columns].add(y.f64(), t.f64());
        }
        Ok(())
    }

    fn score(&self) -> f64 {
        self.columns.iter().map(Column::score).sum::<f64>() / self.columns.len() as f64
    }
}

impl<T: Float> Measure<T> for Determination {
    fn add(&mut self, output: &Tensor<T>, target: &Target<T>) -> Result<()> {
        self.note(output, target.values("r2")?)
    }

    fn value(&self) -> f64 {
        self.score()
    }

    fn state(&self) -> Vec<f64> {
        let numbers = |c: &Column| [c.count, c.first, f64::from(c.varies), c.mean, c.spread, c.missed];
        self.columns.iter().flat_map(numbers).collect()
    }

    fn restore(&mut self, state: &[f64]) -> bool {
        let (columns, rest) = state.as_chunks::<6>();
        let column = |&[count, first, varies, mean, spread, missed]: &[f64; 6]| {
            let varies = varies != 0.0;
            Column { count, first, varies, mean, spread, missed }
        };
        if rest.is_empty() {
            self.columns = columns.iter().map(column).collect();
        }
        rest.is_empty()
    }
}

fn check_same<T: Float>(op: &'static str, output: &Tensor<T>, target: &Tensor<T>) -> Result<()> {
    if output.shape() != target.shape() {
        return Err(mismatch(op, output.shape(), format!("the targets have shape {:?}", target.shape())));
    }
    if output.is_empty() { Err(Error::Empty { op, shape: output.shape().into() }) } else { Ok(()) }
}
