//! Errors of regression, and the coefficient of determination.

use super::{Measure, mismatch};
use crate::loss::Target;
use crate::number::power_of_two;
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
    let mut root = RootMeanSquare::default();
    root.note(output, target)?;
    Ok(root.root())
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

/// A sum of squares `sum · unit²`. The unit has the magnitude of the numbers, whose squares may overflow or underflow.
#[derive(Clone, Copy)]
struct Squares {
    unit: f64,
    sum: f64,
}

impl Default for Squares {
    fn default() -> Self {
        Squares { unit: f64::MIN_POSITIVE, sum: 0.0 }
    }
}

impl Squares {
    /// Adds the product of two numbers of similar magnitude, such as a number and itself.
    fn add(&mut self, a: f64, b: f64) {
        let size = a.abs().max(b.abs());
        if size > self.unit * 2f64.powi(400) && size.is_finite() {
            let unit = power_of_two(size);
            *self = Squares { unit, sum: self.sum * (self.unit / unit).powi(2) };
        }
        self.sum += (a / self.unit) * (b / self.unit);
    }

    /// Adds another sum of squares, in the larger of the two units.
    fn merge(&mut self, other: Squares) {
        let unit = self.unit.max(other.unit);
        let in_unit = |part: Squares| part.sum * (part.unit / unit).powi(2);
        *self = Squares { unit, sum: in_unit(*self) + in_unit(other) };
    }

    fn ratio(self, to: Squares) -> f64 {
        let unit = self.unit / to.unit;
        self.sum / to.sum * unit * unit
    }
}

/// The running root of a mean of squares.
#[derive(Default)]
pub(super) struct RootMeanSquare {
    squares: Squares,
    count: f64,
}

impl RootMeanSquare {
    fn note<T: Float>(&mut self, output: &Tensor<T>, target: &Tensor<T>) -> Result<()> {
        check_same("root_mean_squared_error", output, target)?;
        for (y, t) in output.iter().zip(target.iter()) {
            let d = y.f64() - t.f64();
            self.squares.add(d, d);
        }
        self.count += output.len() as f64;
        Ok(())
    }

    fn root(&self) -> f64 {
        (self.squares.sum / self.count).sqrt() * self.squares.unit
    }
}

impl<T: Float> Measure<T> for RootMeanSquare {
    fn add(&mut self, output: &Tensor<T>, target: &Target<T>) -> Result<()> {
        self.note(output, target.values("root_mean_squared_error")?)
    }

    fn value(&self) -> f64 {
        self.root()
    }

    fn state(&self) -> Vec<f64> {
        vec![self.squares.unit, self.squares.sum, self.count]
    }

    fn restore(&mut self, state: &[f64]) -> bool {
        let &[unit, sum, count] = state else { return false };
        *self = RootMeanSquare { squares: Squares { unit, sum }, count };
        true
    }

    fn merge(&mut self, state: &[f64]) -> bool {
        let &[unit, sum, count] = state else { return false };
        self.squares.merge(Squares { unit, sum });
        self.count += count;
        true
    }
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
    spread: Squares,
    missed: Squares,
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
        self.spread.add(from_old_mean, t - self.mean);
        self.missed.add(t - y, t - y);
    }

    /// Adds the statistics of other samples (Chan, Golub and LeVeque, 1983).
    fn merge(&mut self, other: &Column) {
        if self.count == 0.0 || other.count == 0.0 {
            *self = if self.count == 0.0 { *other } else { *self };
            return;
        }
        let (count, apart) = (self.count + other.count, other.mean - self.mean);
        self.varies |= other.varies || other.first != self.first;
        self.mean += apart * (other.count / count);
        self.spread.merge(other.spread);
        self.spread.add(apart, apart * (self.count * (other.count / count)));
        self.missed.merge(other.missed);
        self.count = count;
    }

    fn score(&self) -> f64 {
        match (self.missed.sum, if self.varies { self.spread.sum } else { 0.0 }) {
            (0.0, 0.0) => 1.0,
            (missed, 0.0) if !missed.is_nan() => 0.0,
            _ => 1.0 - self.missed.ratio(self.spread),
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
        let numbers = |c: &Column| {
            let Column { count, first, varies, mean, spread, missed } = *c;
            [count, first, f64::from(varies), mean, spread.unit, spread.sum, missed.unit, missed.sum]
        };
        self.columns.iter().flat_map(numbers).collect()
    }

    fn restore(&mut self, state: &[f64]) -> bool {
        let (columns, rest) = state.as_chunks::<8>();
        let column = |&[count, first, varies, mean, unit, sum, own, missed]: &[f64; 8]| {
            let (spread, missed) = (Squares { unit, sum }, Squares { unit: own, sum: missed });
            Column { count, first, varies: varies != 0.0, mean, spread, missed }
        };
        if rest.is_empty() {
            self.columns = columns.iter().map(column).collect();
        }
        rest.is_empty()
    }

    fn merge(&mut self, state: &[f64]) -> bool {
        let mut other = Determination::default();
        if self.columns.is_empty() || state.is_empty() {
            return state.is_empty() || Measure::<T>::restore(self, state);
        }
        let fits = Measure::<T>::restore(&mut other, state) && self.columns.len() == other.columns.len();
        if fits {
            self.columns.iter_mut().zip(&other.columns).for_each(|(own, other)| own.merge(other));
        }
        fits
    }
}

fn check_same<T: Float>(op: &'static str, output: &Tensor<T>, target: &Tensor<T>) -> Result<()> {
    if output.shape() != target.shape() {
        return Err(mismatch(op, output.shape(), format!("the targets have shape {:?}", target.shape())));
    }
    if output.is_empty() { Err(Error::Empty { op, shape: output.shape().into() }) } else { Ok(()) }
}
