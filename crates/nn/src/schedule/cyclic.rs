//! Rates that go up and down for as long as training lasts.

use super::Schedule;

/// Up from `base` to `max_lr` in a straight line, down again, and so on: PyTorch's `CyclicLR`, without its cycle of momentum.
/// Source: Smith, *Cyclical learning rates for training neural networks* (2017).
///
/// ```
/// use nn::schedule::{Cyclic, CycleMode, Schedule};
/// let schedule = Cyclic { mode: CycleMode::Halving, ..Cyclic::new(0.75, 2) };
/// assert_eq!([0, 1, 2, 3, 4, 6, 8].map(|step| schedule.rate(step, 0.25)), [0.25, 0.5, 0.75, 0.5, 0.25, 0.5, 0.25]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cyclic {
    /// The rate at the top.
    pub max_lr: f64,
    /// Steps from `base` up to it.
    pub step_size_up: usize,
    /// Steps down again.
    pub step_size_down: usize,
    /// How the tops change from cycle to cycle: they stay.
    pub mode: CycleMode,
}

/// What becomes of the height of a cycle, the distance from `base` to the top.
///
/// ```
/// use nn::schedule::{CycleMode, Cyclic, Schedule};
/// let halving = Cyclic { mode: CycleMode::Halving, ..Cyclic::new(1.0, 10) };
/// assert_eq!([10, 30].map(|step| halving.rate(step, 0.5)), [1.0, 0.75]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum CycleMode {
    /// It stays: PyTorch's `triangular`.
    #[default]
    Same,
    /// Half that of the cycle before: `triangular2`.
    Halving,
    /// Times this number to the power of the step: `exp_range`.
    Exponential(f64),
}

impl Cyclic {
    /// Cycles that are as high each time and take as many steps up as down.
    pub fn new(max_lr: f64, step_size: usize) -> Self {
        Cyclic { max_lr, step_size_up: step_size, step_size_down: step_size, mode: CycleMode::Same }
    }
}

impl Schedule for Cyclic {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        let length = self.step_size_up + self.step_size_down;
        assert!(self.step_size_up > 0 && length > 0, "Cyclic: a cycle must take a step up");
        let (cycle, at) = (epoch / length, epoch % length);
        let part = match at.checked_sub(self.step_size_up) {
            None => at as f64 / self.step_size_up as f64,
            Some(0) => 1.0,
            Some(down) => 1.0 - down as f64 / self.step_size_down as f64,
        };
        let height = match self.mode {
            CycleMode::Same => 1.0,
            CycleMode::Halving => 0.5f64.powi(cycle.min(2000) as i32),
            CycleMode::Exponential(gamma) => gamma.powf(epoch as f64),
        };
        base + (self.max_lr - base) * part * height
    }
}
