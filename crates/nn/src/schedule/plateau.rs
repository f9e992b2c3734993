//! Schedules that reduce the rate when a measured value stops improving.

use super::Schedule;
use crate::domain::{non_negative, or_panic};
use crate::number::count;

/// Whether a lower or a higher value is better.
///
/// ```
/// use nn::schedule::{Goal, PlateauOptions, ReduceOnPlateau, Schedule};
/// let options = PlateauOptions { mode: Goal::Max, patience: 0, ..PlateauOptions::default() };
/// let mut plateau = ReduceOnPlateau::new(options);
/// [0.7, 0.8, 0.9].iter().for_each(|accuracy| plateau.observe(*accuracy));
/// assert_eq!(plateau.rate(3, 0.1), 0.1);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Goal {
    /// Lower is better, as for a loss.
    #[default]
    Min,
    /// Higher is better, as for an accuracy.
    Max,
}

/// How much better than the best value so far an improvement must be.
///
/// ```
/// use nn::schedule::{PlateauOptions, ReduceOnPlateau, Schedule, Threshold};
/// let options = PlateauOptions { threshold: Threshold::Absolute(0.5), patience: 0, ..PlateauOptions::default() };
/// let mut plateau = ReduceOnPlateau::new(options);
/// [9.0, 8.9].iter().for_each(|loss| plateau.observe(*loss));
/// assert_eq!(plateau.rate(2, 1.0), 0.1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// By this fraction of the magnitude of the best value, which may be negative.
    Relative(f64),
    /// By this amount.
    Absolute(f64),
}

/// The settings of [`ReduceOnPlateau`].
///
/// ```
/// use nn::schedule::{Goal, PlateauOptions, ReduceOnPlateau, Schedule, Threshold};
/// // For an accuracy, half a percentage point more is an improvement.
/// let options = PlateauOptions {
///     mode: Goal::Max,
///     threshold: Threshold::Absolute(0.005),
///     patience: 0,
///     ..PlateauOptions::default()
/// };
/// let mut plateau = ReduceOnPlateau::new(options);
/// [0.9, 0.903].iter().for_each(|accuracy| plateau.observe(*accuracy));
/// assert_eq!(plateau.rate(2, 1.0), 0.1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlateauOptions {
    /// Whether lower or higher is better. Defaults to [`Goal::Min`].
    pub mode: Goal,
    /// The factor of each reduction. Defaults to 0.1.
    pub factor: f64,
    /// The number of epochs without improvement to tolerate. Defaults to 10.
    pub patience: usize,
    /// How large an improvement must be. Defaults to 1e-4 of the best value.
    pub threshold: Threshold,
    /// The number of epochs after a reduction that do not count. Defaults to 0.
    pub cooldown: usize,
    /// The lower bound of the rate. Defaults to 0.
    pub min_lr: f64,
    /// Reductions of the rate must exceed this. Defaults to 1e-8.
    pub eps: f64,
}

impl Default for PlateauOptions {
    fn default() -> Self {
        let (mode, threshold) = (Goal::Min, Threshold::Relative(1e-4));
        PlateauOptions { mode, factor: 0.1, patience: 10, threshold, cooldown: 0, min_lr: 0.0, eps: 1e-8 }
    }
}

/// Multiplies the rate by a factor after a monitored value goes more than `patience` epochs without improving.
///
/// PyTorch's `ReduceLROnPlateau`, except that a relative threshold is a fraction of the absolute value of the best value,
/// so that a negative value must also improve. In training, the value is the loss on the validation data if there is any,
/// otherwise on the training data, or as set by
/// [`Trainer::schedule_follows`](crate::train::Trainer::schedule_follows).
///
/// ```
/// use nn::schedule::{PlateauOptions, ReduceOnPlateau, Schedule};
/// let options = PlateauOptions { patience: 1, factor: 0.5, ..PlateauOptions::default() };
/// let mut plateau = ReduceOnPlateau::new(options);
/// let rates = [3.0, 2.0, 2.0, 2.0, 2.0].into_iter().enumerate().map(|(epoch, loss)| {
///     plateau.observe(loss);
///     plateau.rate(epoch + 1, 0.1)
/// });
/// assert_eq!(rates.collect::<Vec<_>>(), [0.1, 0.1, 0.1, 0.05, 0.05]);
/// ```
#[doc(alias = "ReduceLROnPlateau")]
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReduceOnPlateau {
    options: PlateauOptions,
    best: Option<f64>,
    /// Epochs without improvement.
    bad: usize,
    /// Remaining epochs of the cooldown.
    cooling: usize,
    /// The number of reductions.
    reductions: usize,
}

impl Schedule for ReduceOnPlateau {
    fn rate(&self, _: usize, base: f64) -> f64 {
        let mut rate = base;
        for _ in 0..self.reductions {
            let reduced = (rate * self.options.factor).max(self.options.min_lr);
            if rate - reduced > self.options.eps {
                rate = reduced;
            } else {
                // The change is too small, and so are all later ones.
                break;
            }
        }
        rate
    }

    /// Observed values are not settings.
    fn describe(&self) -> String {
        format!("ReduceOnPlateau({:?})", self.options)
    }

    /// NaN is never an improvement.
    fn observe(&mut self, measure: f64) {
        if self.is_better(measure) {
            (self.best, self.bad) = (Some(measure), 0);
        } else {
            self.bad += 1;
        }
        if self.cooling > 0 {
            (self.cooling, self.bad) = (self.cooling - 1, 0);
        }
        if self.bad > self.options.patience {
            (self.cooling, self.bad) = (self.options.cooldown, 0);
            self.reductions += 1;
        }
    }

    fn state(&self) -> Vec<f64> {
        let best = self.best.into_iter();
        [self.bad, self.cooling, self.reductions].into_iter().map(|count| count as f64).chain(best).collect()
    }

    fn restore(&mut self, state: &[f64]) -> bool {
        let &[bad, cooling, reductions, ref best @ ..] = state else { return false };
        let counts = [bad, cooling, reductions].map(count);
        let ([Some(bad), Some(cooling), Some(reductions)], 0 | 1) = (counts, best.len()) else { return false };
        *self = ReduceOnPlateau { options: self.options, best: best.first().copied(), bad, cooling, reductions };
        true
    }
}

impl ReduceOnPlateau {
    /// Creates a schedule with these settings and no observed values.
    ///
    /// # Panics
    /// Panics if the factor is not at least 0 and below 1, or another number is negative, infinite or NaN.
    #[track_caller]
    pub fn new(options: PlateauOptions) -> Self {
        const NAME: &str = "ReduceOnPlateau";
        let (Threshold::Relative(by) | Threshold::Absolute(by)) = options.threshold;
        for (name, x) in [("threshold", by), ("min_lr", options.min_lr), ("eps", options.eps)] {
            or_panic(non_negative(NAME, name, x));
        }
        let reduces = (0.0..1.0).contains(&options.factor);
        assert!(reduces, "{NAME}: factor must be at least 0 and below 1, got {}", options.factor);
        ReduceOnPlateau { options, ..Self::default() }
    }

    fn is_better(&self, measure: f64) -> bool {
        let Some(best) = self.best else {
            return match self.options.mode {
                Goal::Min => measure < f64::INFINITY,
                Goal::Max => measure > f64::NEG_INFINITY,
            };
        };
        // A fraction of the magnitude: a fraction of a negative value would accept a deterioration.
        let by = match self.options.threshold {
            Threshold::Relative(part) => part * best.abs(),
            Threshold::Absolute(by) => by,
        };
        match self.options.mode {
            Goal::Min => measure < best - by,
            Goal::Max => measure > best + by,
        }
    }
}
