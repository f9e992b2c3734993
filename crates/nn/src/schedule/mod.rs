//! Learning rate schedules: the rate of each epoch (or of each step, if those are counted), in closed form. Settings have
//! PyTorch's names and `new` its defaults. A schedule knows neither optimizer nor trainer. [`ReduceOnPlateau`] alone has a
//! memory: it follows what is measured.

mod cosine;
mod cyclic;
mod plateau;
mod ramp;
mod sequence;
#[cfg(test)]
mod tests;

pub use cosine::{Anneal, CosineAnnealing, CosineWarmRestarts, OneCycle};
pub use cyclic::{CycleMode, Cyclic};
pub use plateau::{Goal, PlateauOptions, ReduceOnPlateau, Threshold};
pub use ramp::{ConstantFactor, LinearRamp, PolynomialDecay};
pub use sequence::{Chain, Sequence};

use crate::describe::type_name;

/// A learning rate for every epoch.
///
/// The rate is a function of the epoch alone (but for [`ReduceOnPlateau`]), so training can be resumed at any epoch, and a
/// schedule of your own is a type with one method:
///
/// ```
/// use autograd::tensor;
/// use nn::optim::{Optimizer, Sgd};
/// use nn::schedule::Schedule;
///
/// /// base / √(epoch + 1)
/// struct InverseRoot;
/// impl Schedule for InverseRoot {
///     fn rate(&self, epoch: usize, base: f64) -> f64 {
///         base / ((epoch + 1) as f64).sqrt()
///     }
/// }
/// let mut sgd = Sgd::<f32>::new(0.1);
/// for epoch in 0..4 {
///     sgd.set_learning_rate(InverseRoot.rate(epoch, 0.1));
/// }
/// assert_eq!(sgd.learning_rate(), 0.05);
/// ```
pub trait Schedule: Send {
    /// The rate of an epoch, counted from 0, where `base` is the rate that the optimizer was made with.
    fn rate(&self, epoch: usize, base: f64) -> f64;

    /// What tells it from other schedules: its name and its settings. A checkpoint keeps it, and is not resumed by another
    /// one. Unless written, the name of the type; functions are not told apart.
    ///
    /// ```
    /// use nn::schedule::{Schedule, StepDecay};
    /// assert_eq!(StepDecay::new(30).describe(), "StepDecay { step_size: 30, gamma: 0.1 }");
    /// ```
    fn describe(&self) -> String {
        type_name::<Self>()
    }

    /// What was measured after an epoch, for schedules that follow it.
    fn observe(&mut self, measure: f64) {
        let _ = measure;
    }

    /// What [`observe`](Schedule::observe) has left in memory, as a list of numbers.
    fn state(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Goes on from what [`state`](Schedule::state) gave. `false` if this can be no state of such a schedule.
    fn restore(&mut self, state: &[f64]) -> bool {
        state.is_empty()
    }
}

/// Any function of epoch and base rate is a schedule: PyTorch's `LambdaLR`.
///
/// ```
/// use nn::schedule::Schedule;
/// let halved = |epoch: usize, base: f64| base * 0.5f64.powi(epoch as i32);
/// assert_eq!(halved.rate(2, 0.1), 0.025);
/// ```
impl<F: Fn(usize, f64) -> f64 + Send> Schedule for F {
    fn rate(&self, epoch: usize, base: f64) -> f64 {
        self(epoch, base)
    }

    fn describe(&self) -> String {
        "a function".to_owned()
    }
}

/// The base rate, always.
///
/// ```
/// use nn::schedule::{Constant, Schedule};
/// assert_eq!(Constant.rate(7, 0.1), 0.1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Constant;

impl Schedule for Constant {
    describe_as_debugged!();

    fn rate(&self, _: usize, base: f64) -> f64 {
        base
    }
}

/// Multiplied by `gamma` every so many epochs: `base · gamma^⌊epoch / step_size⌋`, PyTorch's `StepLR`.
///
/// ```
/// use nn::schedule::{Schedule, StepDecay};
/// let schedule = StepDecay { step_size: 30, gamma: 0.1 };
/// assert_eq!(schedule, StepDecay::new(30));
/// assert_eq!([0, 29, 30, 60].map(|epoch| schedule.rate(epoch, 1.0)), [1.0, 1.0, 0.1, 0.1 * 0.1]);
/// ```
/// # Panics
/// `rate` does, if `step_size` is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepDecay {
    /// Number of epochs at one rate.
    pub step_size: usize,
    /// What the rate is multiplied by after them: 0.1.
    pub gamma: f64,
}

impl StepDecay {
    /// A tenth after every so many epochs.
    pub fn new(step_size: usize) -> Self {
        StepDecay { step_size, gamma: 0.1 }
    }
}

impl Schedule for StepDecay {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        assert!(self.step_size > 0, "StepDecay: the rate must hold for at least 1 epoch");
        base * power(self.gamma, epoch / self.step_size)
    }
}

/// Multiplied by `gamma` at each milestone: `base · gamma^(milestones at or before the epoch)`, PyTorch's `MultiStepLR`.
///
/// ```
/// use nn::schedule::{MultiStepDecay, Schedule};
/// let schedule = MultiStepDecay { milestones: vec![30, 80], gamma: 0.1 };
/// assert_eq!(schedule, MultiStepDecay::new([30, 80]));
/// assert_eq!([29, 30, 80].map(|epoch| schedule.rate(epoch, 1.0)), [1.0, 0.1, 0.1 * 0.1]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MultiStepDecay {
    /// Epochs from which on the rate is another; one named twice counts twice.
    pub milestones: Vec<usize>,
    /// What the rate is multiplied by at each: 0.1.
    pub gamma: f64,
}

impl MultiStepDecay {
    /// A tenth from each of these epochs on.
    pub fn new(milestones: impl Into<Vec<usize>>) -> Self {
        MultiStepDecay { milestones: milestones.into(), gamma: 0.1 }
    }
}

impl Schedule for MultiStepDecay {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        base * power(self.gamma, self.milestones.iter().filter(|m| **m <= epoch).count())
    }
}

/// Multiplied by `gamma` every epoch: `base · gamma^epoch`, PyTorch's `ExponentialLR`.
///
/// ```
/// use nn::schedule::{ExponentialDecay, Schedule};
/// let schedule = ExponentialDecay { gamma: 0.5 };
/// assert_eq!([0, 1, 2].map(|epoch| schedule.rate(epoch, 0.1)), [0.1, 0.05, 0.025]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExponentialDecay {
    /// What the rate is multiplied by after each epoch.
    pub gamma: f64,
}

impl Schedule for ExponentialDecay {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        base * power(self.gamma, epoch)
    }
}

impl Schedule for Box<dyn Schedule + '_> {
    fn rate(&self, epoch: usize, base: f64) -> f64 {
        (**self).rate(epoch, base)
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    fn observe(&mut self, measure: f64) {
        (**self).observe(measure);
    }

    fn state(&self) -> Vec<f64> {
        (**self).state()
    }

    fn restore(&mut self, state: &[f64]) -> bool {
        (**self).restore(state)
    }
}

fn power(factor: f64, n: usize) -> f64 {
    factor.powi(i32::try_from(n).unwrap_or(i32::MAX))
}
