//! [`Monitor`]: which value of an epoch to monitor.

use super::history::{Epoch, Measured};
use std::fmt::{self, Display, Formatter};

/// A value that early stopping or a schedule monitors.
///
/// ```
/// use nn::train::{Epoch, History, Measured, Monitor};
/// let epoch = |epoch, loss, accuracy| Epoch { epoch, loss, metrics: vec![accuracy], ..Epoch::default() };
/// let metrics = vec![Measured { name: "accuracy".into(), rises: true }];
/// let history = History { epochs: vec![epoch(1, 0.9, 0.8), epoch(2, 0.7, 0.6)], metrics, ..History::default() };
/// assert_eq!(history.best_by(Monitor::Loss).unwrap().epoch, 2);
/// assert_eq!(history.best_by(Monitor::Named("accuracy".into())).unwrap().epoch, 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Monitor {
    /// The loss on the training data; lower is better.
    Loss,
    /// The loss on the validation data, or on the training data if there is no validation; lower is better.
    #[default]
    ValidationLoss,
    /// The first metric on the validation data, or on the training data if there is no validation.
    /// [`Metric::rises`](crate::metric::Metric::rises) says whether higher is better.
    Metric,
    /// The metric of this name, likewise.
    Named(String),
}

impl Monitor {
    /// The index of the monitored metric, or `None` for a loss.
    ///
    /// # Errors
    /// Returns the name of the metric if it is not measured.
    pub(super) fn place(&self, metrics: &[Measured]) -> Result<Option<usize>, String> {
        let place = match self {
            Monitor::Loss | Monitor::ValidationLoss => return Ok(None),
            Monitor::Metric => (!metrics.is_empty()).then_some(0),
            Monitor::Named(name) => metrics.iter().position(|metric| metric.name == *name),
        };
        place.map(Some).ok_or_else(|| self.to_string())
    }

    /// The value in an epoch; NaN if it is missing.
    pub(super) fn value(&self, epoch: &Epoch, metrics: &[Measured]) -> f64 {
        match self.place(metrics) {
            Ok(None) if *self == Monitor::Loss => epoch.loss,
            Ok(None) => epoch.validation_loss.unwrap_or(epoch.loss),
            Ok(Some(place)) => {
                let value = epoch.validation_metrics.get(place).or(epoch.metrics.get(place));
                value.copied().unwrap_or(f64::NAN)
            }
            Err(_) => f64::NAN,
        }
    }

    /// The monitored value of an epoch: without validation, the loss on the training data.
    pub(super) fn seen_in(&self, epoch: &Epoch) -> Monitor {
        match self {
            Monitor::ValidationLoss if epoch.validation_loss.is_none() => Monitor::Loss,
            other => other.clone(),
        }
    }

    /// The value, negated where higher is better, so that lower is always better. Missing values and NaN are worst.
    pub(super) fn cost(&self, epoch: &Epoch, metrics: &[Measured]) -> f64 {
        let rises = matches!(self.place(metrics), Ok(Some(place)) if metrics[place].rises);
        let cost = if rises { -self.value(epoch, metrics) } else { self.value(epoch, metrics) };
        if cost.is_nan() { f64::INFINITY } else { cost }
    }
}

impl Display for Monitor {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Monitor::Loss => f.write_str("the loss"),
            Monitor::ValidationLoss => f.write_str("the validation loss"),
            Monitor::Metric => f.write_str("the metric"),
            Monitor::Named(name) => f.write_str(name),
        }
    }
}
