//! The progress bar: loss, metric, rate and time left, on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// How often the text of the bar is made anew.
const REFRESH: Duration = Duration::from_millis(100);

/// A bar over all batches of all epochs. Draws on the standard error, and only if that is a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    epochs: usize,
    last: Option<Instant>,
}

impl Progress {
    pub(super) fn new(epochs: usize, batches: usize, quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some((epochs * batches) as u64), target);
        let style = ProgressStyle::with_template("{bar:24} {msg}  {per_sec} batches, {eta} left");
        bar.set_style(style.expect("the template is valid"));
        Progress { bar, epochs, last: None }
    }

    /// One more batch is done; `text` says how it stands, and is asked only now and then.
    pub(super) fn batch(&mut self, epoch: usize, text: impl FnOnce() -> String) {
        self.bar.inc(1);
        if !self.bar.is_hidden() && self.last.is_none_or(|last| last.elapsed() > REFRESH) {
            self.last = Some(Instant::now());
            self.bar.set_message(format!("epoch {epoch}/{}  {}", self.epochs, text()));
        }
    }
}

impl Drop for Progress {
    /// Leaves the bar as it stands: training may end early, or in an error.
    fn drop(&mut self) {
        self.bar.abandon();
    }
}
