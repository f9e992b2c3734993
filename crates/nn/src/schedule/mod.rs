//! Learning rate schedules: the rate of each epoch (or step) in closed form. Settings have PyTorch's names, and `new`
//! PyTorch's defaults. Schedules depend on neither optimizer nor trainer. Only [`ReduceOnPlateau`] has state: it
//! follows a measured value.
//!
//! ```
//! use nn::schedule::{CosineAnnealing, Schedule, StepDecay};
//! let halved = StepDecay { gamma: 0.5, ..StepDecay::new(10) };
//! assert_eq!([0, 9, 10, 20].map(|epoch| halved.rate(epoch, 0.1)), [0.1, 0.1, 0.05, 0.025]);
//! assert!((CosineAnnealing::new(100).rate(50, 0.1) - 0.05).abs() < 1e-12);
//! ```

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
use crate::domain::{non_negative, or_panic};

/// The learning rate of every epoch.
///
/// The rate depends on the epoch alone (except for [`ReduceOnPlateau`]), so training can resume at any epoch. Your own
/// schedule is a type with one method:
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a learning rate schedule",
    label = "not a schedule",
    note = "a schedule is a type such as `StepDecay::new(10)`, or a function of the epoch and the base rate"
)]
#[doc(alias = "LambdaLR")]
pub trait Schedule: Send {
    /// The rate of an epoch, counted from 0. `base` is the optimizer's initial rate. The schedules here panic if one of
    /// their settings is invalid.
    fn rate(&self, epoch: usize, base: f64) -> f64;

    /// Identifies the schedule: its name and its settings. A checkpoint stores it and cannot be resumed with a
    /// different schedule. Defaults to the name of the type; functions are not distinguished.
    ///
    /// ```
    /// use nn::schedule::{Schedule, StepDecay};
    /// assert_eq!(StepDecay::new(30).describe(), "StepDecay { step_size: 30, gamma: 0.1 }");
    /// ```
    fn describe(&self) -> String {
        type_name::<Self>()
    }

    /// Receives the measured value of an epoch, for schedules that follow it.
    ///
    /// ```
    /// use nn::schedule::{PlateauOptions, ReduceOnPlateau, Schedule};
    /// let options = || PlateauOptions { patience: 0, ..PlateauOptions::default() };
    /// let mut plateau = ReduceOnPlateau::new(options());
    /// [1.0, 1.0, 1.0].into_iter().for_each(|loss| plateau.observe(loss)); // no progress
    /// assert!(plateau.rate(3, 0.1) < 0.1);
    /// let mut other = ReduceOnPlateau::new(options());
    /// assert!(other.restore(&plateau.state()) && other.rate(3, 0.1) == plateau.rate(3, 0.1));
    /// ```
    fn observe(&mut self, measure: f64) {
        let _ = measure;
    }

    /// The state that results from [`observe`](Schedule::observe), as a list of numbers.
    fn state(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Restores what [`state`](Schedule::state) returned. Returns `false` if `state` is not valid for this schedule.
    fn restore(&mut self, state: &[f64]) -> bool {
        state.is_empty()
    }
}

/// Any function of the epoch and the base rate is a schedule: PyTorch's `LambdaLR`.
///
/// ```
/// use nn::schedule::Schedule;
/// let halved = |epoch: usize, base: f64| base * 0.5f64.powi(epoch as i32);
/// assert_eq!(halved.rate(2, 0.1), 0.025);
/// ```
#[diagnostic::do_not_recommend]
impl<F: Fn(usize, f64) -> f64 + Send> Schedule for F {
    fn rate(&self, epoch: usize, base: f64) -> f64 {
        self(epoch, base)
    }

    fn describe(&self) -> String {
        "a function".to_owned()
    }
}

/// Always the base rate.
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

/// Multiplies the rate by `gamma` every `step_size` epochs: `base · gamma^⌊epoch / step_size⌋`, PyTorch's `StepLR`.
///
/// ```
/// use nn::schedule::{Schedule, StepDecay};
/// let schedule = StepDecay { step_size: 30, gamma: 0.1 };
/// assert_eq!(schedule, StepDecay::new(30));
/// assert_eq!([0, 29, 30, 60].map(|epoch| schedule.rate(epoch, 1.0)), [1.0, 1.0, 0.1, 0.1 * 0.1]);
/// ```
/// # Panics
/// `rate` panics if `step_size` is 0, or `gamma` is negative, infinite or NaN.
#[doc(alias = "StepLR")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepDecay {
    /// The number of epochs at each rate.
    pub step_size: usize,
    /// The factor between rates. Defaults to 0.1.
    pub gamma: f64,
}

impl StepDecay {
    /// Divides the rate by 10 every `step_size` epochs.
    pub fn new(step_size: usize) -> Self {
        StepDecay { step_size, gamma: 0.1 }
    }
}

impl Schedule for StepDecay {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        assert!(self.step_size > 0, "StepDecay: step_size must be at least 1, got 0");
        check("StepDecay", "gamma", self.gamma);
        base * power(self.gamma, epoch / self.step_size)
    }
}

/// Multiplies the rate by `gamma` at each milestone: `base · gamma^(milestones at or before the epoch)`, PyTorch's
/// `MultiStepLR`.
///
/// ```
/// use nn::schedule::{MultiStepDecay, Schedule};
/// let schedule = MultiStepDecay { milestones: vec![30, 80], gamma: 0.1 };
/// assert_eq!(schedule, MultiStepDecay::new([30, 80]));
/// assert_eq!([29, 30, 80].map(|epoch| schedule.rate(epoch, 1.0)), [1.0, 0.1, 0.1 * 0.1]);
/// ```
/// # Panics
/// `rate` panics if `gamma` is negative, infinite or NaN.
#[doc(alias = "MultiStepLR")]
#[derive(Debug, Clone, PartialEq)]
pub struct MultiStepDecay {
    /// The epochs at which the rate changes; duplicates count twice.
    pub milestones: Vec<usize>,
    /// The factor at each milestone. Defaults to 0.1.
    pub gamma: f64,
}

impl MultiStepDecay {
    /// Divides the rate by 10 at each of these epochs.
    pub fn new(milestones: impl Into<Vec<usize>>) -> Self {
        MultiStepDecay { milestones: milestones.into(), gamma: 0.1 }
    }
}

impl Schedule for MultiStepDecay {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        check("MultiStepDecay", "gamma", self.gamma);
        base * power(self.gamma, self.milestones.iter().filter(|m| **m <= epoch).count())
    }
}

/// Multiplies the rate by `gamma` every epoch: `base · gamma^epoch`, PyTorch's `ExponentialLR`.
///
/// ```
/// use nn::schedule::{ExponentialDecay, Schedule};
/// let schedule = ExponentialDecay { gamma: 0.5 };
/// assert_eq!([0, 1, 2].map(|epoch| schedule.rate(epoch, 0.1)), [0.1, 0.05, 0.025]);
/// ```
/// # Panics
/// `rate` panics if `gamma` is negative, infinite or NaN.
#[doc(alias = "ExponentialLR")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExponentialDecay {
    /// The factor per epoch.
    pub gamma: f64,
}

impl Schedule for ExponentialDecay {
    describe_as_debugged!();

    fn rate(&self, epoch: usize, base: f64) -> f64 {
        check("ExponentialDecay", "gamma", self.gamma);
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

/// Panics unless a setting of a schedule, such as a factor or a rate, is finite and at least 0.
fn check(schedule: &'static str, name: &str, x: f64) {
    or_panic(non_negative(schedule, name, x));
}
