//! Schedules that keep rising and falling.

use super::{Schedule, check};

/// Rises from `base` to `max_lr` linearly, falls again, and repeats: PyTorch's `CyclicLR`, without cycling the
/// momentum.
///
/// Source: Smith, *Cyclical learning rates for training neural networks* (2017).
///
/// ```
/// use nn::schedule::{Cyclic, CycleMode, Schedule};
/// let schedule = Cyclic { mode: CycleMode::Halving, ..Cyclic::new(0.75, 2) };
/// assert_eq!([0, 1, 2, 3, 4, 6, 8].map(|step| schedule.rate(step, 0.25)), [0.25, 0.5, 0.75, 0.5, 0.25, 0.5, 0.25]);
/// ```
/// # Panics
/// `rate` panics if `step_size_up` is 0, or the peak rate or the factor of an exponential mode is negative, infinite or NaN.
#[doc(alias = "CyclicLR")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cyclic {
    /// The peak rate.
    pub max_lr: f64,
    /// The number of steps from `base` to the peak.
    pub step_size_up: usize,
    /// The number of steps back to `base`.
    pub step_size_down: usize,
    /// How the peaks change from cycle to cycle. Defaults to [`CycleMode::Same`].
    pub mode: CycleMode,
}

/// How the height of a cycle, the distance from `base` to the peak, changes.
///
/// ```
/// use nn::schedule::{CycleMode, Cyclic, Schedule};
/// let halving = Cyclic { mode: CycleMode::Halving, ..Cyclic::new(1.0, 10) };
/// assert_eq!([10, 30].map(|step| halving.rate(step, 0.5)), [1.0, 0.75]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum CycleMode {
    /// Constant: PyTorch's `triangular`.
    #[default]
    Same,
    /// Half that of the previous cycle: `triangular2`.
    Halving,
    /// Multiplied by this value to the power of the step: `exp_range`.
    Exponential(f64),
}

impl Cyclic {
    /// Cycles of constant height that take `step_size` steps up and as many down.
    pub fn new(max_lr: f64, step_size: usize) -> Self {
        Cyclic { max_lr, step_size_up: step_size, step_size_down: step_size, mode: CycleMode::Same }
    }
}

impl Schedule for Cyclic {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        assert!(self.step_size_up > 0, "Cyclic: step_size_up must be at least 1, got 0");
        check("Cyclic", "max_lr", self.max_lr);
        let length = self.step_size_up.saturating_add(self.step_size_down);
        let (cycle, at) = (epoch / length, epoch % length);
        let part = match at.checked_sub(self.step_size_up) {
            None => at as f64 / self.step_size_up as f64,
            Some(0) => 1.0,
            Some(down) => 1.0 - down as f64 / self.step_size_down as f64,
        };
        let height = match self.mode {
            CycleMode::Same => 1.0,
            CycleMode::Halving => 0.5f64.powi(cycle.min(2000) as i32),
            CycleMode::Exponential(gamma) => {
                check("Cyclic", "the factor of the exponential mode", gamma);
                gamma.powf(epoch as f64)
            }
        };
        base + (self.max_lr - base) * part * height
    }
}
