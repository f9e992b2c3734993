//! Progress display: loss, metrics, learning rate, the last validation and the time left, as a bar on a terminal, or as
//! one line per epoch elsewhere, such as in a log file.

use super::callback::{Callback, CallbackResult, Moment};
use super::history::History;
use autograd::Float;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// How often the bar is drawn.
const REFRESH: Duration = Duration::from_millis(100);

/// Width of the bar in characters.
const WIDTH: usize = 24;

/// A bar over all batches of all epochs on a terminal, one line per epoch elsewhere; on standard error.
pub(super) struct Progress {
    shown: Shown,
    /// Batches done and to be done, of all epochs.
    done: usize,
    all: usize,
    /// When this process began, and at which batch: batches from before a resume do not count toward the speed.
    begun: (Instant, usize),
    drawn: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Nothing,
    Lines,
    Bar,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let shown = match quiet {
            true => Shown::Nothing,
            false if stderr().is_terminal() => Shown::Bar,
            false => Shown::Lines,
        };
        Progress { shown, done: 0, all: 0, begun: (Instant::now(), 0), drawn: None }
    }

    fn draw(&mut self, text: &str) {
        self.drawn = Some(Instant::now());
        let bar = bar(self.done, self.all, self.done - self.begun.1, self.begun.0.elapsed());
        // Without the terminal's line wrapping, so that a line longer than the screen is cut and can be drawn over.
        let drawn = write!(stderr().lock(), "\r\x1b[2K\x1b[?7l{bar}  {text}\x1b[?7h");
        drawn.and_then(|()| stderr().flush()).ok(); // a closed terminal is no reason to stop training
    }
}

/// The bar, the speed and the time left, after `here` batches in this process took `elapsed`.
fn bar(done: usize, all: usize, here: usize, elapsed: Duration) -> String {
    let full = (WIDTH * done).checked_div(all).unwrap_or(0);
    let rate = here as f64 / elapsed.as_secs_f64().max(1e-9);
    let left = all.saturating_sub(done) as f64 / rate;
    let left = match left.is_finite() {
        true if left < 60.0 => format!("{left:.0} s"),
        true if left < 3600.0 => format!("{:.0} min", left / 60.0),
        true => format!("{:.1} h", left / 3600.0),
        false => "?".to_owned(),
    };
    format!("{}{} {rate:.0} batches/s, {left} left", "█".repeat(full), "░".repeat(WIDTH - full))
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
        self.all = at.epochs() * at.batches();
        self.done = at.place.epoch * at.batches() + at.batch();
        self.begun = (Instant::now(), self.done);
        Ok(())
    }

    fn batch_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        self.done += 1;
        if self.shown == Shown::Bar && self.drawn.is_none_or(|drawn| drawn.elapsed() > REFRESH) {
            self.draw(&text(at));
        }
        Ok(())
    }

    fn epoch_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        match self.shown {
            Shown::Nothing => (),
            Shown::Lines => eprintln!("{}", text(at)),
            Shown::Bar => self.draw(&text(at)),
        }
        Ok(())
    }
}

impl Drop for Progress {
    /// Leaves the bar as it is: training may end early or with an error.
    fn drop(&mut self) {
        if self.drawn.is_some() {
            eprintln!();
        }
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
    fn the_bar_fills_and_tells_the_time_left() {
        let at = |done, seconds| bar(done, 240, done, Duration::from_secs(seconds));
        assert_eq!(at(0, 0), format!("{} 0 batches/s, ? left", "░".repeat(24)));
        assert_eq!(at(120, 60), format!("{}{} 2 batches/s, 1 min left", "█".repeat(12), "░".repeat(12)));
        assert_eq!(at(240, 60), format!("{} 4 batches/s, 0 s left", "█".repeat(24)));
    }

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
