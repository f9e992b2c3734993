//! Progress display: on a terminal a bar with the time left, loss, metrics, the last validation and the speed; elsewhere,
//! such as in a log file, an occasional line with the same information.

use super::callback::{Callback, CallbackResult, Moment};
use super::history::History;
use autograd::Float;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// How often the bar is drawn.
const REFRESH: Duration = Duration::from_millis(100);
/// Without a terminal, a run prints about this many lines; a slow one prints at least one in this time.
const LINES: usize = 10;
const PATIENCE: Duration = Duration::from_secs(30);
/// Width of the bar in characters.
const WIDTH: usize = 24;

/// A bar over all batches of all epochs on a terminal, some lines elsewhere; on standard error.
pub(super) struct Progress {
    shown: Shown,
    pace: Pace,
    told: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Nothing,
    Lines,
    Bar,
}

/// The progress of a run, and its speed.
struct Pace {
    /// Batches done and to be done, of all epochs.
    done: usize,
    all: usize,
    /// The mean number of samples of a batch.
    samples: f64,
    /// When this process began, and at which batch: batches from before a resume do not count toward the speed.
    begun: (Instant, usize),
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let shown = match quiet {
            true => Shown::Nothing,
            false if stderr().is_terminal() => Shown::Bar,
            false => Shown::Lines,
        };
        let pace = Pace { done: 0, all: 0, samples: 0.0, begun: (Instant::now(), 0) };
        Progress { shown, pace, told: None }
    }

    fn draw(&mut self, time: &str, text: &str) {
        self.told = Some(Instant::now());
        let bar = bar(self.pace.done, self.pace.all);
        // Without the terminal's line wrapping, so that a line longer than the screen is cut and can be drawn over.
        let drawn = write!(stderr().lock(), "\r\x1b[2K\x1b[?7l{bar}  {time}  {text}\x1b[?7h");
        drawn.and_then(|()| stderr().flush()).ok(); // a closed terminal must not stop training
    }
}

impl Pace {
    fn elapsed(&self) -> f64 {
        self.begun.0.elapsed().as_secs_f64()
    }

    /// Samples per second, after this many seconds.
    fn speed(&self, elapsed: f64) -> String {
        let speed = (self.done - self.begun.1) as f64 * self.samples / elapsed.max(1e-9);
        match speed {
            ..1000.0 => format!("{speed:.0} samples/s"),
            ..1e6 => format!("{:.1}k samples/s", speed / 1e3),
            _ => format!("{:.1}M samples/s", speed / 1e6),
        }
    }

    /// The estimated remaining time, after this many seconds.
    fn left(&self, elapsed: f64) -> String {
        match self.done - self.begun.1 {
            0 => "?".to_owned(),
            here => duration(self.all.saturating_sub(self.done) as f64 * elapsed / here as f64),
        }
    }
}

/// The bar, exact to an eighth of a character.
fn bar(done: usize, all: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (8 * WIDTH * done).checked_div(all).unwrap_or(0).min(8 * WIDTH);
    let bar = "█".repeat(eighths / 8) + EIGHTHS[eighths % 8];
    let empty = WIDTH - bar.chars().count();
    bar + &"░".repeat(empty)
}

fn duration(seconds: f64) -> String {
    match seconds {
        ..9.95 => format!("{seconds:.1} s"),
        ..60.0 => format!("{seconds:.0} s"),
        ..3600.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

/// Whether the line of an epoch is printed: the first, the last, and about one per tenth of the run.
fn stands_for(epoch: usize, epochs: usize) -> bool {
    let tenths = |epoch: usize| LINES * epoch / epochs.max(1);
    epoch == 1 || epoch >= epochs || tenths(epoch) > tenths(epoch - 1)
}

/// The state of an epoch in one line, with the results of the last validation.
fn text<T: Float>(at: &Moment<'_, T>) -> String {
    let metrics: String = at.all_metrics().map(|(name, value)| format!("  {name} {value:.4}")).collect();
    let parts: String = at.loss_parts().map(|(name, value)| format!("  {name} {value:.4}")).collect();
    let (epochs, validation) = (at.epochs(), validation(at.history()));
    let wide = epochs.to_string().len();
    let loss = if at.sums.noted { format!("{:.4}", at.loss()) } else { "unknown".to_owned() };
    format!("epoch {:>wide$}/{epochs}  loss {loss}{parts}{metrics}{validation}", at.epoch())
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
        let done = at.place.epoch * at.batches() + at.batch();
        let samples = at.samples() as f64 / at.batches() as f64;
        self.pace = Pace { done, all: at.epochs() * at.batches(), samples, begun: (Instant::now(), done) };
        Ok(())
    }

    fn batch_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        self.pace.done += 1;
        if self.shown == Shown::Bar && self.told.is_none_or(|told| told.elapsed() > REFRESH) {
            let elapsed = self.pace.elapsed();
            let (left, speed) = (self.pace.left(elapsed), self.pace.speed(elapsed));
            self.draw(
                &format!("{left} left"),
                &format!("{}  {speed}  learning rate {:.1e}", text(at), at.learning_rate()),
            );
        }
        Ok(())
    }

    fn epoch_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let due = stands_for(at.epoch(), at.epochs())
            || at.history().stopped.is_some()
            || self.told.is_none_or(|told| told.elapsed() > PATIENCE);
        if self.shown == Shown::Lines && due {
            self.told = Some(Instant::now());
            let speed = self.pace.speed(self.pace.elapsed());
            eprintln!("{}  {speed}", text(at));
        }
        Ok(())
    }

    /// At the end, the bar remains, with the last validation and the total time.
    fn train_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        if self.shown == Shown::Bar
            && let Some(last) = at.history().epochs.last()
        {
            let (epoch, epochs, loss, elapsed) = (last.epoch, at.epochs(), last.loss, self.pace.elapsed());
            let (validation, speed) = (validation(at.history()), self.pace.speed(elapsed));
            self.draw(&duration(elapsed), &format!("epoch {epoch}/{epochs}  loss {loss:.4}{validation}  {speed}"));
        }
        Ok(())
    }
}

impl Drop for Progress {
    /// Keeps the bar on screen: training may end early or with an error.
    fn drop(&mut self) {
        if self.shown == Shown::Bar && self.told.is_some() {
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
    use crate::loss::{Mse, Target};
    use crate::metric::Metric;
    use autograd::{Rng, tensor};

    #[test]
    fn the_bar_fills() {
        assert_eq!(bar(0, 240), "░".repeat(24));
        assert_eq!(bar(125, 240), format!("{}▌{}", "█".repeat(12), "░".repeat(11)));
        assert_eq!(bar(240, 240), "█".repeat(24));
        assert_eq!(bar(1, 0), "░".repeat(24));
    }

    #[test]
    fn the_time_left_follows_the_speed_of_this_process() {
        // Of 240 batches of 32 samples, 40 are from before a resume.
        let pace = |done| Pace { done, all: 240, samples: 32.0, begun: (Instant::now(), 40) };
        assert_eq!((pace(40).left(0.0), pace(40).speed(0.0)), ("?".into(), "0 samples/s".into()));
        assert_eq!((pace(140).left(100.0), pace(140).speed(100.0)), ("2 min".into(), "32 samples/s".into()));
        assert_eq!((pace(190).left(1.0), pace(190).speed(1.0)), ("0.3 s".into(), "4.8k samples/s".into()));
    }

    #[test]
    fn a_log_has_about_ten_lines() {
        let lines = |epochs| (1..=epochs).filter(|epoch| stands_for(*epoch, epochs)).collect::<Vec<_>>();
        assert_eq!(lines(3), [1, 2, 3]);
        assert_eq!(lines(10), (1..=10).collect::<Vec<_>>());
        assert_eq!(lines(200), [1, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200]);
        assert_eq!(lines(17).len(), 11);
    }

    #[test]
    fn the_line_tells_loss_and_metrics() {
        let metrics = [Metric::<f32>::accuracy(), Metric::top_k(2)];
        let mut sums = Sums { loss: 1.0, count: 4.0, noted: true, ..Sums::new(&metrics) };
        let (scores, labels) = (tensor![[0.1f32, 0.9, 0.0], [0.9, 0.1, 0.0]], Target::Labels(tensor![1_i64, 1]));
        sums.measures.iter_mut().for_each(|measure| measure.add(&scores, &labels).unwrap());
        let mut history = History::default();
        let at = Moment {
            model: &mut Linear::new(1, 1, &mut Rng::new(0)),
            loss: &Mse::new(),
            metrics: &metrics,
            sums: &sums,
            history: &mut history,
            place: Place { epoch: 1, epochs: 9, batch: 3, batches: 8, samples: 256, step: 11 },
            learning_rate: 0.00125,
        };
        let expected = "epoch 2/9  loss 0.2500  accuracy 0.5000  top_2_accuracy 1.0000";
        assert_eq!(text(&at), expected);
        let epoch = Epoch { validation_loss: Some(0.5), validation_metrics: vec![0.25, 1.0], ..Epoch::default() };
        at.history.epochs.push(epoch);
        let measured = |metric: &Metric<f32>| Measured { name: metric.name().into(), rises: metric.rises() };
        at.history.metrics = metrics.iter().map(measured).collect();
        let more = "  validation: loss 0.5000  accuracy 0.2500  top_2_accuracy 1.0000";
        assert_eq!(text(&at), format!("{expected}{more}"));
    }
}
