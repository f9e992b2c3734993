//! [`Settings`]: the plain settings of training, apart from the parts that a trainer was given.

use super::monitor::Monitor;
use super::scaling::LossScaling;
use super::stopping::EarlyStopping;
use super::team::Sharing;
use crate::data::Order;
use crate::domain::non_negative;
use autograd::{Error, Precision, Result};

/// The plain settings of a [`Trainer`](super::Trainer): numbers and choices, which can be compared, printed, and, with the
/// feature `serde`, read from a file. The trainer's methods of the same names document each setting.
///
/// When read from a file, a missing setting takes its default, and an unknown name is an error.
/// [`Trainer::try_with_settings`](super::Trainer::try_with_settings) checks the ranges.
///
/// ```
/// use nn::train::Settings;
/// let settings = Settings { epochs: 50, batch_size: 128, ..Settings::default() };
/// assert_ne!(settings, Settings::default());
/// # #[cfg(feature = "serde")]
/// # {
/// // With the feature `serde`:
/// let read: Settings = serde_json::from_str(r#"{"epochs": 50, "batch_size": 128}"#)?;
/// assert_eq!(read, settings);
/// # }
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Settings {
    /// The maximum number of epochs.
    pub epochs: usize,
    /// The number of samples per forward and backward pass.
    pub batch_size: usize,
    /// Which samples an epoch uses, and in what order.
    pub order: Order,
    /// Whether to drop a last batch that is smaller than the rest.
    pub drop_last: bool,
    /// How many batches to prepare in advance on another thread.
    pub prefetch: usize,
    /// The number of batches of an update, at least 1.
    pub accumulate: usize,
    /// The seed of the sample order and of dropout.
    pub seed: u64,
    /// The value passed to a schedule that follows one.
    pub followed: Monitor,
    /// How to clip gradients.
    pub clip: Option<Clip>,
    /// The factor of Σ |w| in the loss.
    pub l1: f64,
    /// The factor of Σ w² in the loss.
    pub l2: f64,
    /// The decay of the moving average of the parameters, in `[0, 1)`.
    pub ema: Option<f64>,
    /// When to stop because a monitored value no longer improves.
    pub early_stopping: Option<EarlyStopping>,
    /// Training stops when the loss changes by less than this from one epoch to the next.
    pub tolerance: Option<f64>,
    /// Whether to show no progress.
    pub quiet: bool,
    /// Whether steps are [replayed](super#replay) where possible.
    pub replays: bool,
    /// How the ranks of a distributed run share each batch.
    pub sharing: Sharing,
    /// The precision that operands of products are rounded to in training.
    #[cfg_attr(feature = "serde", serde(with = "precision_by_name"))]
    pub precision: Precision,
    /// How the loss is scaled.
    pub loss_scaling: Option<LossScaling>,
}

impl Default for Settings {
    /// Ten epochs, batches of 32, shuffled with seed 0, at the optimizer's own learning rate.
    fn default() -> Self {
        Settings {
            epochs: 10,
            batch_size: 32,
            order: Order::Shuffled,
            drop_last: false,
            prefetch: 0,
            accumulate: 1,
            seed: 0,
            followed: Monitor::default(),
            clip: None,
            l1: 0.0,
            l2: 0.0,
            ema: None,
            early_stopping: None,
            tolerance: None,
            quiet: false,
            replays: true,
            sharing: Sharing::PerRank,
            precision: Precision::Full,
            loss_scaling: None,
        }
    }
}

/// How to clip the gradients of a step.
///
/// ```
/// use nn::{loss::Mse, optim::Sgd, train::{Clip, Trainer}};
/// let trainer = Trainer::new(Mse::new(), Sgd::<f32>::new(0.1)).clip_norm(1.0);
/// assert_eq!(trainer.settings().clip, Some(Clip::Norm(1.0)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Clip {
    /// Scales all down if their global norm exceeds this.
    Norm(f64),
    /// Scales the gradient of each parameter down if its norm exceeds this.
    EachNorm(f64),
    /// Clamps each element to ± this value.
    Value(f64),
}

/// A precision as a string, since the type belongs to a crate without serde.
#[cfg(feature = "serde")]
mod precision_by_name {
    use autograd::Precision;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(precision: &Precision, to: S) -> Result<S::Ok, S::Error> {
        format!("{precision:?}").serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Precision, D::Error> {
        let name = String::deserialize(from)?;
        let all = [Precision::Full, Precision::Bf16, Precision::F16];
        let found = all.into_iter().find(|precision| format!("{precision:?}") == name);
        found.ok_or_else(|| D::Error::unknown_variant(&name, &["Full", "Bf16", "F16"]))
    }
}

impl Settings {
    /// Returns an error that names the first setting that is out of range.
    pub(super) fn check(&self) -> Result<()> {
        let number = |name, x| non_negative("Trainer", name, x);
        let wrong = |hint: String| Err(Error::Argument { op: "Trainer", hint });
        match self.clip {
            Some(Clip::Norm(norm)) => number("clip_norm", norm)?,
            Some(Clip::EachNorm(norm)) => number("clip_each_norm", norm)?,
            Some(Clip::Value(value)) => number("clip_value", value)?,
            None => {}
        }
        number("l1", self.l1)?;
        number("l2", self.l2)?;
        number("tolerance", self.tolerance.unwrap_or(0.0))?;
        number("min_delta", self.early_stopping.as_ref().map_or(0.0, |early| early.min_delta))?;
        self.loss_scaling.map_or(Ok(()), LossScaling::check)?;
        match (self.accumulate, self.ema) {
            (0, _) => wrong("accumulate must be at least 1, got 0".into()),
            (_, Some(decay)) if !(0.0..1.0).contains(&decay) => {
                wrong(format!("the decay of the average must be in [0, 1), got {decay}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Mse;
    use crate::optim::Sgd;
    use crate::schedule::{OneCycle, Schedule};
    use crate::train::Trainer;
    use crate::train::trainer::Pace;

    fn trainer() -> Trainer<'static, f64> {
        Trainer::new(Mse::new(), Sgd::new(0.1))
    }

    #[test]
    fn settings_leave_the_schedule_and_what_it_counts() {
        let trainer = trainer().schedule_by_step(OneCycle::new(10)).with_settings(Settings::default());
        assert_eq!((trainer.pace, trainer.schedule.describe()), (Pace::Step, OneCycle::new(10).describe()));
        assert_eq!(trainer.schedule(OneCycle::new(10)).pace, Pace::Epoch);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let wrong = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            trainer().try_with_settings(settings).map(|_| ()).unwrap_err().to_string()
        };
        assert_eq!(wrong(|s| s.l1 = -1.0), "Trainer: l1 must be finite and at least 0, got -1");
        assert!(wrong(|s| s.clip = Some(Clip::EachNorm(f64::NAN))).contains("clip_each_norm must be finite"));
        assert!(wrong(|s| s.accumulate = 0).contains("accumulate must be at least 1"));
        assert!(wrong(|s| s.ema = Some(1.0)).contains("the decay of the average must be in [0, 1), got 1"));
        assert!(wrong(|s| s.tolerance = Some(f64::INFINITY)).contains("tolerance"));
        let early = EarlyStopping { min_delta: -1.0, ..EarlyStopping::default() };
        let settings = Settings { early_stopping: Some(early), ..Settings::default() };
        assert!(trainer().try_with_settings(settings).map(|_| ()).unwrap_err().to_string().contains("min_delta"));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn settings_are_the_same_after_a_file() {
        let settings = trainer()
            .epochs(3)
            .order(Order::Weighted(vec![1.0, 2.5]))
            .clip_value(0.5)
            .ema(0.99)
            .early_stopping(EarlyStopping { monitor: Monitor::Named("accuracy".into()), ..EarlyStopping::default() })
            .sharing(Sharing::LocalSgd(4))
            .precision(Precision::F16)
            .loss_scaling(LossScaling { initial: 1024.0, growth_interval: 100 })
            .settings()
            .clone();
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn names_and_types_in_a_file_are_checked() {
        let wrong = |text| serde_json::from_str::<Settings>(text).unwrap_err().to_string();
        assert!(wrong(r#"{"epoch": 3}"#).contains("unknown field `epoch`, expected one of `epochs`, `batch_size`"));
        assert!(wrong(r#"{"epochs": -3}"#).contains("expected usize"));
        assert!(wrong(r#"{"clip": {"norm": 1}}"#).contains("unknown variant `norm`, expected one of `Norm`"));
        assert!(
            wrong(r#"{"precision": "F8"}"#).contains("unknown variant `F8`, expected one of `Full`, `Bf16`, `F16`")
        );
        assert!(wrong(r#"{"early_stopping": {"patiance": 1}}"#).contains("unknown field `patiance`"));
    }
}
