//! Rates that change for a while and then stay.

use super::Schedule;

/// `base` times a factor that goes from `start` to `end` in a straight line, and then stays: PyTorch's `LinearLR`; a warm-up,
/// with `end` 1.
///
/// ```
/// use nn::schedule::{LinearRamp, Schedule};
/// let warmup = LinearRamp { start: 0.25, end: 1.0, over: 3 };
/// assert_eq!([0, 1, 2, 3, 9].map(|epoch| warmup.rate(epoch, 1.0)), [0.25, 0.5, 0.75, 1.0, 1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearRamp {
    /// The first factor.
    pub start: f64,
    /// The last factor.
    pub end: f64,
    /// The epoch from which on it is the last.
    pub over: usize,
}

impl Schedule for LinearRamp {
    fn rate(&self, epoch: usize, base: f64) -> f64 {
        let part = if epoch < self.over { epoch as f64 / self.over as f64 } else { 1.0 };
        base * (self.start + (self.end - self.start) * part)
    }
}

/// Down to 0: `base · (1 - epoch / over)^power`, PyTorch's `PolynomialLR`.
///
/// ```
/// use nn::schedule::{PolynomialDecay, Schedule};
/// let schedule = PolynomialDecay { over: 4, power: 2.0 };
/// assert_eq!([0, 2, 4, 9].map(|epoch| schedule.rate(epoch, 1.0)), [1.0, 0.25, 0.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolynomialDecay {
    /// The epoch from which on the rate is 0.
    pub over: usize,
    /// 1 for a straight line.
    pub power: f64,
}

impl Schedule for PolynomialDecay {
    fn rate(&self, epoch: usize, base: f64) -> f64 {
        if epoch >= self.over { 0.0 } else { base * (1.0 - epoch as f64 / self.over as f64).powf(self.power) }
    }
}

/// `base · factor` for some epochs, then `base`: PyTorch's `ConstantLR`.
///
/// ```
/// use nn::schedule::{ConstantFactor, Schedule};
/// let schedule = ConstantFactor { factor: 0.5, over: 2 };
/// assert_eq!([0, 1, 2].map(|epoch| schedule.rate(epoch, 1.0)), [0.5, 0.5, 1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConstantFactor {
    /// What the rate is multiplied by.
    pub factor: f64,
    /// The epoch from which on it is not.
    pub over: usize,
}

impl Schedule for ConstantFactor {
    fn rate(&self, epoch: usize, base: f64) -> f64 {
        if epoch < self.over { base * self.factor } else { base }
    }
}
