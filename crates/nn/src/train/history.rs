//! What happened in training, epoch by epoch.

use crate::plot::LinePlot;
use std::fmt::{self, Display, Formatter};

/// The course of a training: one entry per epoch, and why it ended.
///
/// ```
/// use nn::train::{Epoch, History};
/// let mut history = History::default();
/// history.epochs.push(Epoch { epoch: 1, loss: 0.7, learning_rate: 0.1, ..Epoch::default() });
/// history.epochs.push(Epoch { epoch: 2, loss: 0.4, learning_rate: 0.1, ..Epoch::default() });
/// assert_eq!(history.best().unwrap().epoch, 2);
/// assert!(history.to_csv().starts_with("epoch,loss,metric,validation_loss,validation_metric,learning_rate,seconds\n1,0.7,"));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// In order.
    pub epochs: Vec<Epoch>,
    /// What the metric is called, as in `accuracy`.
    pub metric: Option<&'static str>,
    /// Whether more of the metric is better.
    pub metric_rises: bool,
    /// Why training ended before the last epoch, if it did.
    pub stopped: Option<Stop>,
}

/// One pass over the training data.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// The loss on the training data: the mean over the epoch, in which the parameters moved. Penalties not included.
    pub loss: f64,
    /// The metric on the training data, likewise.
    pub metric: Option<f64>,
    /// The loss on the validation data, after the epoch.
    pub validation_loss: Option<f64>,
    /// The metric on the validation data, after the epoch.
    pub validation_metric: Option<f64>,
    /// The step size of the last step.
    pub learning_rate: f64,
    /// How long it took, validation included.
    pub seconds: f64,
}

/// Why training ended before its last epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stop {
    /// The monitored number had not improved for as many epochs as patience allows.
    NoImprovement {
        /// What was monitored.
        monitor: Monitor,
        /// The epoch with the best value.
        best: usize,
    },
    /// The training loss changed by less than the tolerance.
    Converged {
        /// The last change, in absolute value.
        change: f64,
    },
}

/// A number that early stopping watches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Monitor {
    /// The loss on the training data, to fall.
    Loss,
    /// The loss on the validation data, to fall; on the training data where there is no validation.
    #[default]
    ValidationLoss,
    /// The metric on the validation data (or else the training data), to rise or to fall as
    /// [`Metric::rises`](super::Metric::rises) says.
    Metric,
}

impl Monitor {
    /// The number in an epoch, turned so that less is better; what is missing or NaN is worst.
    pub(super) fn cost(self, epoch: &Epoch, metric_rises: bool) -> f64 {
        let cost = match self {
            Monitor::Loss => epoch.loss,
            Monitor::ValidationLoss => epoch.validation_loss.unwrap_or(epoch.loss),
            Monitor::Metric => {
                let metric = epoch.validation_metric.or(epoch.metric).unwrap_or(f64::NAN);
                if metric_rises { -metric } else { metric }
            }
        };
        if cost.is_nan() { f64::INFINITY } else { cost }
    }
}

impl History {
    /// The epoch with the smallest validation loss, or training loss where there is no validation; the first of equals.
    pub fn best(&self) -> Option<&Epoch> {
        self.best_by(Monitor::ValidationLoss)
    }

    /// The epoch with the best value of a number; the first of equals.
    pub fn best_by(&self, monitor: Monitor) -> Option<&Epoch> {
        let cost = |epoch: &Epoch| monitor.cost(epoch, self.metric_rises);
        self.epochs.iter().min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }

    /// The losses as curves over the epochs, on a logarithmic axis: training, and validation where there is one.
    ///
    /// ```
    /// # use nn::train::{Epoch, History};
    /// let epoch = Epoch { epoch: 1, loss: 0.7, validation_loss: Some(0.9), ..Epoch::default() };
    /// let history = History { epochs: vec![epoch], ..History::default() };
    /// assert!(history.curve("Learning to read").svg().contains(">validation</text>"));
    /// ```
    pub fn curve(&self, title: &str) -> LinePlot {
        let plot = LinePlot::new(title).labels("epoch", "loss").log_y();
        let plot = plot.line("training", self.epochs.iter().map(|e| e.loss));
        if self.epochs.iter().all(|e| e.validation_loss.is_none()) {
            return plot;
        }
        plot.line("validation", self.epochs.iter().map(|e| e.validation_loss.unwrap_or(f64::NAN)))
    }

    /// The table as comma-separated values, with a head line. What was not measured is empty.
    pub fn to_csv(&self) -> String {
        let mut csv = String::from("epoch,loss,metric,validation_loss,validation_metric,learning_rate,seconds\n");
        let or_empty = |x: Option<f64>| x.map(|x| x.to_string()).unwrap_or_default();
        for e in &self.epochs {
            let optional = [e.metric, e.validation_loss, e.validation_metric].map(or_empty).join(",");
            csv += &format!("{},{},{optional},{},{:.6}\n", e.epoch, e.loss, e.learning_rate, e.seconds);
        }
        csv
    }
}

impl Display for Stop {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Stop::NoImprovement { monitor, best } => write!(f, "{monitor} has not improved since epoch {best}"),
            Stop::Converged { change } => write!(f, "converged: the loss changed by {change:.1e} only"),
        }
    }
}

impl Display for Monitor {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(match self {
            Monitor::Loss => "the loss",
            Monitor::ValidationLoss => "the validation loss",
            Monitor::Metric => "the metric",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(losses: &[(f64, Option<f64>)]) -> History {
        let epoch = |(i, &(loss, validation_loss)): (usize, &(f64, Option<f64>))| Epoch {
            epoch: i + 1,
            loss,
            validation_loss,
            metric: Some(1.0 - loss),
            ..Epoch::default()
        };
        History { epochs: losses.iter().enumerate().map(epoch).collect(), metric_rises: true, ..History::default() }
    }

    #[test]
    fn the_best_epoch_is_judged_by_validation_where_there_is_one() {
        let history = history(&[(0.5, Some(0.6)), (0.3, Some(0.5)), (0.1, Some(0.9)), (0.2, Some(0.5))]);
        assert_eq!(history.best().unwrap().epoch, 2);
        assert_eq!(history.best_by(Monitor::Loss).unwrap().epoch, 3);
        assert_eq!(history.best_by(Monitor::Metric).unwrap().epoch, 3);
        assert_eq!(History::default().best(), None);
    }

    #[test]
    fn a_metric_may_be_to_fall() {
        let falling = History { metric_rises: false, ..history(&[(0.5, None), (0.3, None), (0.9, None)]) };
        assert_eq!(falling.best_by(Monitor::Metric).unwrap().epoch, 3);
    }

    #[test]
    fn the_curve_shows_what_was_measured() {
        let shows_validation = |history: History| history.curve("a").svg().contains("validation");
        assert!(shows_validation(history(&[(0.5, Some(0.6))])) && !shows_validation(history(&[(0.5, None)])));
    }

    #[test]
    fn a_nan_is_never_best() {
        assert_eq!(history(&[(f64::NAN, None), (2.0, None)]).best().unwrap().epoch, 2);
    }

    #[test]
    fn what_was_not_measured_is_empty_in_the_table() {
        let csv = history(&[(0.5, None)]).to_csv();
        assert_eq!(csv.lines().nth(1), Some("1,0.5,0.5,,,0,0.000000"));
    }
}
