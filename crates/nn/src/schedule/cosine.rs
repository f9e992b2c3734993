//! Rates along a cosine: annealing, with restarts or in one cycle.

use super::Schedule;
use std::f64::consts::PI;

/// From `start` to `end` along half a cosine; `part` is 0 to 1.
fn half_cosine(start: f64, end: f64, part: f64) -> f64 {
    end + (start - end) * (1.0 + (PI * part).cos()) / 2.0
}

/// Down to `floor` along half a cosine, and up again: `floor + (base - floor) (1 + cos(π epoch / over)) / 2`, PyTorch's
/// `CosineAnnealingLR`. Source: Loshchilov and Hutter, *SGDR: stochastic gradient descent with warm restarts* (2017).
///
/// ```
/// use nn::schedule::{CosineAnnealing, Schedule};
/// let schedule = CosineAnnealing { over: 10, floor: 0.0 };
/// assert_eq!([0, 10].map(|epoch| schedule.rate(epoch, 0.1)), [0.1, 0.0]);
/// assert!((schedule.rate(5, 0.1) - 0.05).abs() < 1e-15);
/// ```
/// # Panics
/// `rate` does, if `over` is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CosineAnnealing {
    /// The epoch at which the floor is reached: `T_max`.
    pub over: usize,
    /// The smallest rate: `eta_min`.
    pub floor: f64,
}

impl Schedule for CosineAnnealing {
    fn rate(&self, epoch: usize, base: f64) -> f64 {
        assert!(self.over > 0, "CosineAnnealing: the way down must take at least 1 epoch");
        half_cosine(base, self.floor, epoch as f64 / self.over as f64)
    }
}

/// Down to `floor` along half a cosine, then at once from `base` again, each time over `factor` times as many epochs:
/// PyTorch's `CosineAnnealingWarmRestarts`. Source: Loshchilov and Hutter (2017).
///
/// ```
/// use nn::schedule::{CosineWarmRestarts, Schedule};
/// let schedule = CosineWarmRestarts { first: 4, factor: 2, floor: 0.0 };
/// assert_eq!([0, 4, 12].map(|epoch| schedule.rate(epoch, 0.1)), [0.1; 3]);
/// ```
/// # Panics
/// `rate` does, if `first` or `factor` is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CosineWarmRestarts {
    /// Epochs before the first restart: `T_0`.
    pub first: usize,
    /// By how much longer each time is than the one before: `T_mult`.
    pub factor: usize,
    /// The smallest rate: `eta_min`.
    pub floor: f64,
}

impl Schedule for CosineWarmRestarts {
    fn rate(&self, epoch: usize, base: f64) -> f64 {
        assert!(self.first > 0 && self.factor > 0, "CosineWarmRestarts: every run must take at least 1 epoch");
        let (mut since, mut over) = (epoch, self.first);
        if self.factor == 1 {
            since %= over;
        }
        while since >= over {
            since -= over;
            over = over.saturating_mul(self.factor);
        }
        half_cosine(base, self.floor, since as f64 / over as f64)
    }
}

/// How [`OneCycle`] goes from rate to rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Anneal {
    /// Along half a cosine.
    #[default]
    Cosine,
    /// On a straight line.
    Linear,
}

/// From a small rate up to `base`, and down to almost nothing: PyTorch's `OneCycleLR`, without its cycle of momentum. `base`
/// is the rate at the top. Source: Smith and Topin, *Super-convergence* (2019).
///
/// ```
/// use nn::schedule::{OneCycle, Schedule};
/// let schedule = OneCycle { rise: 0.25, ..OneCycle::new(24) };
/// assert!((schedule.rate(0, 1.0) - 0.04).abs() < 1e-15 && schedule.rate(5, 1.0) == 1.0);
/// assert!((schedule.rate(23, 1.0) - 4e-6).abs() < 1e-15);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneCycle {
    /// How many epochs (or steps) there are in all.
    pub total: usize,
    /// The part of them in which the rate rises: 0.3.
    pub rise: f64,
    /// The way from rate to rate.
    pub anneal: Anneal,
    /// How often the first rate goes into `base`: 25.
    pub start_divisor: f64,
    /// How often the last rate goes into the first: 1e4.
    pub end_divisor: f64,
    /// Whether the way down first takes as long as the way up, back to the first rate, and then goes on to the last.
    pub three_phases: bool,
}

impl OneCycle {
    /// A cycle of that many epochs (or steps), with PyTorch's numbers.
    pub fn new(total: usize) -> Self {
        let (anneal, start_divisor, end_divisor) = (Anneal::Cosine, 25.0, 1e4);
        OneCycle { total, rise: 0.3, anneal, start_divisor, end_divisor, three_phases: false }
    }
}

impl Schedule for OneCycle {
    fn rate(&self, epoch: usize, base: f64) -> f64 {
        let first = base / self.start_divisor;
        let last = first / self.end_divisor;
        let (end, top) = (self.total as f64 - 1.0, self.rise * self.total as f64 - 1.0);
        let turns: &[(f64, f64)] = match self.three_phases {
            false => &[(0.0, first), (top, base), (end, last)],
            true => &[(0.0, first), (top, base), (2.0 * top, first), (end, last)],
        };
        let at = (epoch as f64).min(end).max(0.0);
        // The first stretch that ends at or after this epoch.
        let stretch = turns.windows(2).find(|pair| at <= pair[1].0).unwrap_or(&turns[turns.len() - 2..]);
        let ((from, start), (to, stop)) = (stretch[0], stretch[1]);
        let part = if to > from { (at - from) / (to - from) } else { 1.0 };
        match self.anneal {
            Anneal::Cosine => half_cosine(start, stop, part),
            Anneal::Linear => start + (stop - start) * part,
        }
    }
}
