//! Progress display: loss, metrics, learning rate, the last validation and the time left, as a bar on a terminal, or as
//! one line per epoch elsewhere, such as in a log file.

use super::callback::{Callback, CallbackResult, Moment};
use super::history::History;
use autograd::Float;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// How often the text of the bar is updated.
const REFRESH: Duration = Duration::from_millis(100);

/// A bar over all batches of all epochs, or one line per epoch, on standard error.
pub(super) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    last: Option<Instant>,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{bar:24} {msg}  {per_sec} batches, {eta} left");
        bar.set_style(style.expect("the template is valid"));
        Progress { bar, quiet, last: None }
    }
}

/// The state of an epoch in one line, with the results of the last validation.
fn text<T: Float>(at: &Moment<'_, T>) -> String {
    let metrics: String = at.all_metrics().map(|(name, value)| format!("  {name} {value:.4}")).collect();
    let (epoch, epochs, loss, rate) = (at.epoch(), at.epochs(), at.loss(), at.learning_rate());
    format!("epoch {epoch}/{epochs}  loss {loss:.4}{metrics}  rate {rate:.2e}{}", validation(at.history()))
}

/// The results of the last validation, or an empty string if there is none.
fn validation(history: &History) -> String {
    let Some((epoch, loss)) = history.epochs.last().and_then(|epoch| Some((epoch, epoch.validation_loss?))) else {
        return String::new();
    };
    let named = history.metrics.iter().zip(&epoch.validation_metrics);
    let metrics: String = named.map(|(metric, value)| format!("  {} {value:.4}", metric.name)).collect();
    format!("  validation: loss {loss:.4}{metrics}")
}

impl<T: Float> Callback<T> for Progress {
    fn train_begin(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        self.bar.set_length((at.epochs() * at.batches()) as u64);
        // Batches from before a resume do not count toward the speed.
        self.bar.set_position((at.place.epoch * at.batches() + at.batch()) as u64);
        self.bar.reset_eta();
        Ok(())
    }

    fn batch_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        self.bar.inc(1);
        if !self.bar.is_hidden() && self.last.is_none_or(|last| last.elapsed() > REFRESH) {
            self.last = Some(Instant::now());
            self.bar.set_message(text(at));
        }
        Ok(())
    }

    fn epoch_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        if !self.bar.is_hidden() {
            self.bar.set_message(text(at));
        } else if !self.quiet {
            eprintln!("{}", text(at));
        }
        Ok(())
    }
}

impl Drop for Progress {
    /// Leaves the bar in its current state: training may end early or with an error.
    fn drop(&mut self) {
        self.bar.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::super::callback::{Place, Sums};
    use super::super::history::{Epoch, Measured};
    use super::*;
    use crate::layer::Linear;
    use crate::loss::Target;
    use crate::metric::Metric;
    use autograd::{Rng, tensor};

    #[test]
    fn the_line_tells_loss_metrics_and_rate() {
        let metrics = [Metric::<f32>::accuracy(), Metric::top_k(2)];
        let mut sums = Sums { loss: 1.0, count: 4.0, ..Sums::new(&metrics) };
        let (scores, labels) = (tensor![[0.1f32, 0.9, 0.0], [0.9, 0.1, 0.0]], Target::Labels(tensor![1_i64, 1]));
        sums.measures.iter_mut().for_each(|measure| measure.add(&scores, &labels).unwrap());
        let mut history = History::default();
        let at = Moment {
            model: &mut Linear::new(1, 1, &mut Rng::new(0)),
            metrics: &metrics,
            sums: &sums,
            history: &mut history,
            place: Place { epoch: 1, epochs: 9, batch: 3, batches: 8, step: 11 },
            learning_rate: 0.00125,
        };
        let expected = "epoch 2/9  loss 0.2500  accuracy 0.5000  top_2_accuracy 1.0000  rate 1.25e-3";
        assert_eq!(text(&at), expected);
        let epoch = Epoch { validation_loss: Some(0.5), validation_metrics: vec![0.25, 1.0], ..Epoch::default() };
        at.history.epochs.push(epoch);
        let measured = |metric: &Metric<f32>| Measured { name: metric.name().into(), rises: metric.rises() };
        at.history.metrics = metrics.iter().map(measured).collect();
        let more = "  validation: loss 0.5000  accuracy 0.2500  top_2_accuracy 1.0000";
        assert_eq!(text(&at), format!("{expected}{more}"));
    }
}
