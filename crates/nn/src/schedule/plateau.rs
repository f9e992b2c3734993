//! Rates that fall when nothing gets better.

use super::Schedule;
use crate::number::count;

/// What a better measure is.
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
    /// A smaller one: a loss.
    #[default]
    Min,
    /// A larger one: an accuracy.
    Max,
}

/// By how much a measure must be better than the best so far to count.
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
    /// By this part of the best.
    Relative(f64),
    /// By this much.
    Absolute(f64),
}

/// What [`ReduceOnPlateau`] may be told.
///
/// ```
/// use nn::schedule::{Goal, PlateauOptions, ReduceOnPlateau, Schedule, Threshold};
/// // Of an accuracy, half a percent more is an improvement.
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
    /// Whether less is better.
    pub mode: Goal,
    /// What the rate is multiplied by: 0.1.
    pub factor: f64,
    /// Epochs without improvement that are put up with: 10.
    pub patience: usize,
    /// What an improvement is: 1e-4 of the best.
    pub threshold: Threshold,
    /// Epochs after a change in which nothing is counted: 0.
    pub cooldown: usize,
    /// No rate is smaller: 0.
    pub min_lr: f64,
    /// Changes of the rate that are not larger are not made: 1e-8.
    pub eps: f64,
}

impl Default for PlateauOptions {
    fn default() -> Self {
        let (mode, threshold) = (Goal::Min, Threshold::Relative(1e-4));
        PlateauOptions { mode, factor: 0.1, patience: 10, threshold, cooldown: 0, min_lr: 0.0, eps: 1e-8 }
    }
}

/// Multiplies the rate by a factor when a measure has not become better for more epochs than are put up with: PyTorch's
/// `ReduceLROnPlateau`. In training the measure is the loss, that of the validation data if there are any, or what
/// [`Trainer::schedule_follows`](crate::train::Trainer::schedule_follows) says.
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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReduceOnPlateau {
    options: PlateauOptions,
    best: Option<f64>,
    /// Epochs since the best.
    bad: usize,
    /// Epochs in which nothing is counted yet.
    cooling: usize,
    /// How often the rate fell.
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
                // It stays here, however often it is to fall.
                break;
            }
        }
        rate
    }

    /// What has been observed is no setting.
    fn describe(&self) -> String {
        format!("ReduceOnPlateau({:?})", self.options)
    }

    /// A NaN is never better.
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
    /// Nothing measured yet.
    pub fn new(options: PlateauOptions) -> Self {
        ReduceOnPlateau { options, ..Self::default() }
    }

    fn is_better(&self, measure: f64) -> bool {
        let best = match (self.best, self.options.mode) {
            (Some(best), _) => best,
            (None, Goal::Min) => f64::INFINITY,
            (None, Goal::Max) => f64::NEG_INFINITY,
        };
        match (self.options.mode, self.options.threshold) {
            (Goal::Min, Threshold::Relative(part)) => measure < best * (1.0 - part),
            (Goal::Min, Threshold::Absolute(by)) => measure < best - by,
            (Goal::Max, Threshold::Relative(part)) => measure > best * (1.0 + part),
            (Goal::Max, Threshold::Absolute(by)) => measure > best + by,
        }
    }
}
