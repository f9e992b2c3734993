//! Schedules that follow a cosine: annealing, with restarts or in a single cycle.

use super::{Schedule, check};
use crate::domain::{or_panic, positive, unit};
use std::f64::consts::PI;

/// Half a cosine from `start` to `end`; `part` goes from 0 to 1.
fn half_cosine(start: f64, end: f64, part: f64) -> f64 {
    end + (start - end) * (1.0 + (PI * part).cos()) / 2.0
}

/// Decays to `eta_min` along half a cosine, and rises again:
/// `eta_min + (base - eta_min) (1 + cos(π epoch / t_max)) / 2`, PyTorch's `CosineAnnealingLR`.
///
/// Source: Loshchilov and Hutter, *SGDR: stochastic gradient descent with warm restarts* (2017).
///
/// ```
/// use nn::schedule::{CosineAnnealing, Schedule};
/// let schedule = CosineAnnealing { t_max: 10, eta_min: 0.0 };
/// assert_eq!(schedule, CosineAnnealing::new(10));
/// assert_eq!([0, 10].map(|epoch| schedule.rate(epoch, 0.1)), [0.1, 0.0]);
/// assert!((schedule.rate(5, 0.1) - 0.05).abs() < 1e-15);
/// ```
/// # Panics
/// `rate` panics if `t_max` is 0, or `eta_min` is negative, infinite or NaN.
#[doc(alias = "CosineAnnealingLR")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CosineAnnealing {
    /// The epoch with the lowest rate.
    pub t_max: usize,
    /// The lowest rate. Defaults to 0.
    pub eta_min: f64,
}

impl CosineAnnealing {
    /// Decays to 0 over `t_max` epochs.
    pub fn new(t_max: usize) -> Self {
        CosineAnnealing { t_max, eta_min: 0.0 }
    }
}

impl Schedule for CosineAnnealing {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        assert!(self.t_max > 0, "CosineAnnealing: t_max must be at least 1, got 0");
        check("CosineAnnealing", "eta_min", self.eta_min);
        half_cosine(base, self.eta_min, epoch as f64 / self.t_max as f64)
    }
}

/// Decays to `eta_min` along half a cosine, then restarts from `base`; each cycle takes `t_mult` times as many epochs
/// as the last.
///
/// PyTorch's `CosineAnnealingWarmRestarts`. Source: Loshchilov and Hutter (2017).
///
/// ```
/// use nn::schedule::{CosineWarmRestarts, Schedule};
/// let schedule = CosineWarmRestarts { t_mult: 2, ..CosineWarmRestarts::new(4) };
/// assert_eq!([0, 4, 12].map(|epoch| schedule.rate(epoch, 0.1)), [0.1; 3]);
/// ```
/// # Panics
/// `rate` panics if `t_0` or `t_mult` is 0, or `eta_min` is negative, infinite or NaN.
#[doc(alias = "CosineAnnealingWarmRestarts")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CosineWarmRestarts {
    /// The number of epochs before the first restart.
    pub t_0: usize,
    /// The ratio of the length of each cycle to that of the previous one. Defaults to 1.
    pub t_mult: usize,
    /// The lowest rate. Defaults to 0.
    pub eta_min: f64,
}

impl CosineWarmRestarts {
    /// Decays to 0 every `t_0` epochs.
    pub fn new(t_0: usize) -> Self {
        CosineWarmRestarts { t_0, t_mult: 1, eta_min: 0.0 }
    }
}

impl Schedule for CosineWarmRestarts {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        assert!(self.t_0 > 0 && self.t_mult > 0, "CosineWarmRestarts: t_0 and t_mult must be at least 1");
        check("CosineWarmRestarts", "eta_min", self.eta_min);
        let (mut since, mut over) = (epoch, self.t_0);
        if self.t_mult == 1 {
            since %= over;
        }
        while since >= over {
            since -= over;
            over = over.saturating_mul(self.t_mult);
        }
        half_cosine(base, self.eta_min, since as f64 / over as f64)
    }
}

/// The shape of the curve of [`OneCycle`].
///
/// ```
/// use nn::schedule::{Anneal, OneCycle, Schedule};
/// let straight = OneCycle { anneal_strategy: Anneal::Linear, ..OneCycle::new(100) };
/// assert_ne!(straight.rate(10, 1.0), OneCycle::new(100).rate(10, 1.0));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Anneal {
    /// Half a cosine.
    #[default]
    Cosine,
    /// A straight line.
    Linear,
}

/// Rises from a low rate to `base`, and decays to almost 0: PyTorch's `OneCycleLR`, without cycling the momentum.
///
/// `base` is the peak rate. Source: Smith and Topin, *Super-convergence* (2019).
///
/// ```
/// use nn::schedule::{OneCycle, Schedule};
/// let schedule = OneCycle { pct_start: 0.25, ..OneCycle::new(24) };
/// assert!((schedule.rate(0, 1.0) - 0.04).abs() < 1e-15 && schedule.rate(5, 1.0) == 1.0);
/// assert!((schedule.rate(23, 1.0) - 4e-6).abs() < 1e-15);
/// ```
/// # Panics
/// `rate` panics if `total_steps` is 0, `pct_start` is not in `[0, 1]`, or a factor is not positive and finite.
#[doc(alias = "OneCycleLR")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneCycle {
    /// The total number of epochs (or steps).
    pub total_steps: usize,
    /// The fraction of the cycle in which the rate rises. Defaults to 0.3.
    pub pct_start: f64,
    /// The shape of the curve. Defaults to a cosine.
    pub anneal_strategy: Anneal,
    /// The ratio of `base` to the first rate. Defaults to 25.
    pub div_factor: f64,
    /// The ratio of the first rate to the last. Defaults to 1e4.
    pub final_div_factor: f64,
    /// Whether to decay in two phases: first to the first rate, in the time of the rise, then to the last. Defaults to
    /// `false`.
    pub three_phase: bool,
}

impl OneCycle {
    /// A cycle of this many epochs (or steps), with PyTorch's defaults.
    pub fn new(total_steps: usize) -> Self {
        let (anneal_strategy, div_factor, final_div_factor) = (Anneal::Cosine, 25.0, 1e4);
        OneCycle { total_steps, pct_start: 0.3, anneal_strategy, div_factor, final_div_factor, three_phase: false }
    }
}

impl Schedule for OneCycle {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        const NAME: &str = "OneCycle";
        assert!(self.total_steps > 0, "{NAME}: total_steps must be at least 1, got 0");
        or_panic(unit(NAME, "pct_start", self.pct_start));
        or_panic(positive(NAME, "div_factor", self.div_factor));
        or_panic(positive(NAME, "final_div_factor", self.final_div_factor));
        let first = base / self.div_factor;
        let last = first / self.final_div_factor;
        let (end, top) = (self.total_steps as f64 - 1.0, self.pct_start * self.total_steps as f64 - 1.0);
        let turns: &[(f64, f64)] = match self.three_phase {
            false => &[(0.0, first), (top, base), (end, last)],
            true => &[(0.0, first), (top, base), (2.0 * top, first), (end, last)],
        };
        let at = (epoch as f64).min(end).max(0.0);
        // The first segment that ends at or after this epoch.
        let stretch = turns.windows(2).find(|pair| at <= pair[1].0).unwrap_or(&turns[turns.len() - 2..]);
        let ((from, start), (to, stop)) = (stretch[0], stretch[1]);
        let part = if to > from { (at - from) / (to - from) } else { 1.0 };
        match self.anneal_strategy {
            Anneal::Cosine => half_cosine(start, stop, part),
            Anneal::Linear => start + (stop - start) * part,
        }
    }
}
