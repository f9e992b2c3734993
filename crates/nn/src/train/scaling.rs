//! Loss scaling: the loss is differentiated times a power of two, so that small gradients do not underflow in a format with
//! few exponent bits, and the gradients are divided by it again.

use super::step::TrainStep;
use crate::domain::or_panic;
use autograd::{Error, Float, Result};

/// How the scale of a loss adapts: it is halved whenever the loss or a gradient overflows, and doubled after some passes
/// without an overflow. Multiplying by powers of two is exact.
///
/// ```
/// use nn::{loss::Mse, optim::Sgd, train::{LossScaling, Trainer}};
/// use autograd::Precision;
/// let scaling = LossScaling { growth_interval: 500, ..LossScaling::default() };
/// let trainer = Trainer::new(Mse::new(), Sgd::<f32>::new(0.1)).precision(Precision::F16).loss_scaling(scaling);
/// # let _ = trainer;
/// ```
/// Source: Micikevicius et al., *Mixed Precision Training* (2018).
#[doc(alias = "GradScaler")]
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct LossScaling {
    /// The first scale, a power of two from 1 to 2¹⁰⁰. Defaults to 65,536.
    pub initial: f64,
    /// The number of passes without an overflow after which the scale doubles. Defaults to 2,000.
    pub growth_interval: u64,
}

impl Default for LossScaling {
    fn default() -> Self {
        LossScaling { initial: 65_536.0, growth_interval: 2_000 }
    }
}

impl LossScaling {
    /// Returns an error that names the first setting that is out of range.
    pub(super) fn check(self) -> Result<()> {
        let wrong = |hint: String| Err(Error::Argument { op: "LossScaling", hint });
        let LossScaling { initial, growth_interval } = self;
        if !is_scale(initial) {
            return wrong(format!("the initial scale must be a power of two from 1 to 2^100, not {initial}"));
        }
        if growth_interval == 0 {
            return wrong("the growth interval must be at least 1, not 0".into());
        }
        Ok(())
    }
}

/// Whether this is a power of two that may be a scale.
fn is_scale(x: f64) -> bool {
    (1.0..=MOST).contains(&x) && x.to_bits().trailing_zeros() >= 52
}

/// The largest scale, which is finite in either type.
const MOST: f64 = (1u128 << 100) as f64;

/// The scale of a loss, and how it has changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    settings: LossScaling,
    /// A power of two.
    pub(super) factor: f64,
    /// Passes since the scale last changed.
    passes: u64,
    pub(super) overflows: u64,
}

impl Scale {
    #[track_caller]
    pub(super) fn new(settings: LossScaling) -> Self {
        or_panic(settings.check());
        Scale { settings, factor: settings.initial, passes: 0, overflows: 0 }
    }

    /// The scale, and its inverse.
    pub(super) fn factors<T: Float>(&self) -> [T; 2] {
        [T::of(self.factor), T::of(self.factor.recip())]
    }

    /// Notes a pass that did not overflow.
    pub(super) fn hold(&mut self) {
        self.passes += 1;
        if self.passes >= self.settings.growth_interval {
            (self.factor, self.passes) = ((2.0 * self.factor).min(MOST), 0);
        }
    }

    /// Notes a pass that overflowed. Returns whether a smaller scale may help.
    pub(super) fn overflow(&mut self) -> bool {
        let smaller = self.factor > 1.0;
        if smaller {
            (self.factor, self.passes, self.overflows) = (self.factor / 2.0, 0, self.overflows + 1);
        }
        smaller
    }

    /// The state that changes in a run.
    pub(super) fn state(&self) -> [f64; 3] {
        [self.factor, self.passes as f64, self.overflows as f64]
    }

    /// Restores a [`state`](Scale::state). Returns whether it is one.
    pub(super) fn restore(&mut self, state: &[f64]) -> bool {
        let &[factor, passes, overflows] = state else { return false };
        let whole = |n: f64| n >= 0.0 && n.fract() == 0.0;
        if !(is_scale(factor) && whole(passes) && whole(overflows)) {
            return false;
        }
        (self.factor, self.passes, self.overflows) = (factor, passes as u64, overflows as u64);
        true
    }
}

impl<T: Float> TrainStep<T> {
    /// Differentiates the loss times an adaptive scale, so that gradients do not underflow in products of
    /// [`F16`](autograd::Precision::F16), and divides the gradients by it.
    ///
    /// If the loss or a gradient is infinite or NaN, the pass *overflowed*: the scale is halved, the pass has no gradients,
    /// and [`apply`](TrainStep::apply) changes nothing. At a scale of 1, it is an error, as without scaling.
    ///
    /// ```
    /// use autograd::{Precision, Rng, tensor};
    /// use nn::{data::Batch, layer::Linear, loss::{Mse, Target}, optim::Sgd, train::{LossScaling, TrainStep}};
    /// let batch = Batch { inputs: tensor![[1.0_f32]], targets: Target::Values(tensor![[30.0]]) };
    /// let (mut model, mut sgd) = (Linear::new(1, 1, &mut Rng::new(0)), Sgd::new(0.1));
    /// let mut step = TrainStep::new(0).precision(Precision::F16).loss_scaling(LossScaling::default());
    /// for _ in 0..100 {
    ///     step.run(&mut model, &Mse::new(), &mut sgd, &batch)?;
    /// }
    /// assert_eq!((step.overflows(), step.loss_scale()), (6, Some(1024.0))); // 65,536 times the gradient exceeds 65,504
    /// assert!((model.weight.value().item() + model.bias.as_ref().unwrap().value().item() - 30.0).abs() < 0.1);
    /// # Ok::<(), nn::train::StepError>(())
    /// ```
    /// # Panics
    /// Panics if the initial scale is not a power of two from 1 to 2¹⁰⁰, or the growth interval is 0.
    #[track_caller]
    pub fn loss_scaling(mut self, scaling: LossScaling) -> Self {
        self.engine.scale = Some(Scale::new(scaling));
        self
    }

    /// The scale of the next loss, if the loss is scaled.
    pub fn loss_scale(&self) -> Option<f64> {
        self.engine.scale.map(|scale| scale.factor)
    }

    /// The number of passes that overflowed at their scale of the loss.
    pub fn overflows(&self) -> u64 {
        self.engine.scale.map_or(0, |scale| scale.overflows)
    }

    /// The scale of the loss, if it is scaled.
    pub(super) fn scale_mut(&mut self) -> Option<&mut Scale> {
        self.engine.scale.as_mut()
    }

    pub(super) fn scale(&self) -> Option<&Scale> {
        self.engine.scale.as_ref()
    }

    /// Whether the last pass overflowed, and has no gradients.
    pub(super) fn overflowed(&self) -> bool {
        self.engine.overflowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_halves_at_an_overflow_and_doubles_after_an_interval() {
        let mut scale = Scale::new(LossScaling { initial: 4.0, growth_interval: 3 });
        let mut after = |overflows: bool| {
            if overflows {
                assert!(scale.overflow())
            } else {
                scale.hold()
            }
            scale.factor
        };
        assert_eq!(
            [false, false, true, false, false, false, true].map(&mut after),
            [4.0, 4.0, 2.0, 2.0, 2.0, 4.0, 2.0]
        );
        assert_eq!(after(true), 1.0);
        assert!(!scale.overflow(), "there is no smaller scale");
        assert_eq!((scale.factor, scale.overflows), (1.0, 3));
    }

    #[test]
    fn a_state_is_checked() {
        let mut scale = Scale::new(LossScaling::default());
        for wrong in
            [&[3.0, 0.0, 0.0][..], &[0.5, 0.0, 0.0], &[2.0, -1.0, 0.0], &[2.0, 0.0, 0.5], &[2.0, 0.0], &[f64::NAN; 3]]
        {
            assert!(!scale.restore(wrong), "{wrong:?}");
        }
        assert_eq!(scale, Scale::new(LossScaling::default()));
        assert!(scale.restore(&[8.0, 5.0, 2.0]));
        assert_eq!(scale.state(), [8.0, 5.0, 2.0]);
    }

    #[test]
    #[should_panic(expected = "a power of two from 1 to 2^100, not 1000")]
    fn another_scale_than_a_power_of_two_is_refused() {
        Scale::new(LossScaling { initial: 1000.0, ..LossScaling::default() });
    }
}
