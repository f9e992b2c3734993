//! Schedules that change for a while and then stay constant.

use super::{Schedule, check};

/// Multiplies `base` by a factor that moves linearly from `start_factor` to `end_factor`, and then stays: PyTorch's
/// `LinearLR`. With `end_factor` 1, it is a warm-up.
///
/// ```
/// use nn::schedule::{LinearRamp, Schedule};
/// let warmup = LinearRamp { start_factor: 0.25, total_iters: 3, ..LinearRamp::default() };
/// assert_eq!([0, 1, 2, 3, 9].map(|epoch| warmup.rate(epoch, 1.0)), [0.25, 0.5, 0.75, 1.0, 1.0]);
/// ```
/// # Panics
/// `rate` panics if a factor is negative, infinite or NaN.
#[doc(alias = "LinearLR")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearRamp {
    /// The initial factor. Defaults to 1/3.
    pub start_factor: f64,
    /// The final factor. Defaults to 1.
    pub end_factor: f64,
    /// The epoch at which the factor reaches its final value. Defaults to 5.
    pub total_iters: usize,
}

impl Default for LinearRamp {
    fn default() -> Self {
        LinearRamp { start_factor: 1.0 / 3.0, end_factor: 1.0, total_iters: 5 }
    }
}

impl Schedule for LinearRamp {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        check("LinearRamp", "start_factor", self.start_factor);
        check("LinearRamp", "end_factor", self.end_factor);
        let part = if epoch < self.total_iters { epoch as f64 / self.total_iters as f64 } else { 1.0 };
        base * (self.start_factor + (self.end_factor - self.start_factor) * part)
    }
}

/// Decays to 0: `base · (1 - epoch / total_iters)^power`, PyTorch's `PolynomialLR`.
///
/// ```
/// use nn::schedule::{PolynomialDecay, Schedule};
/// let schedule = PolynomialDecay { total_iters: 4, power: 2.0 };
/// assert_eq!([0, 2, 4, 9].map(|epoch| schedule.rate(epoch, 1.0)), [1.0, 0.25, 0.0, 0.0]);
/// ```
/// # Panics
/// `rate` panics if the exponent is negative, infinite or NaN.
#[doc(alias = "PolynomialLR")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolynomialDecay {
    /// The epoch at which the rate reaches 0. Defaults to 5.
    pub total_iters: usize,
    /// The exponent. Defaults to 1, a straight line.
    pub power: f64,
}

impl Default for PolynomialDecay {
    fn default() -> Self {
        PolynomialDecay { total_iters: 5, power: 1.0 }
    }
}

impl Schedule for PolynomialDecay {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        check("PolynomialDecay", "power", self.power);
        let part = if epoch < self.total_iters { epoch as f64 / self.total_iters as f64 } else { 1.0 };
        base * (1.0 - part).powf(self.power)
    }
}

/// `base · factor` for some epochs, then `base`: PyTorch's `ConstantLR`.
///
/// ```
/// use nn::schedule::{ConstantFactor, Schedule};
/// let schedule = ConstantFactor { factor: 0.5, total_iters: 2 };
/// assert_eq!([0, 1, 2].map(|epoch| schedule.rate(epoch, 1.0)), [0.5, 0.5, 1.0]);
/// ```
/// # Panics
/// `rate` panics if the factor is negative, infinite or NaN.
#[doc(alias = "ConstantLR")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConstantFactor {
    /// The initial factor. Defaults to 1/3.
    pub factor: f64,
    /// The epoch from which on the rate is `base`. Defaults to 5.
    pub total_iters: usize,
}

impl Default for ConstantFactor {
    fn default() -> Self {
        ConstantFactor { factor: 1.0 / 3.0, total_iters: 5 }
    }
}

impl Schedule for ConstantFactor {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        check("ConstantFactor", "factor", self.factor);
        if epoch < self.total_iters { base * self.factor } else { base }
    }
}
