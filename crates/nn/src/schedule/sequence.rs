//! Combinations of schedules: one after another, or all at once.

use super::Schedule;
use crate::number::count;

/// Schedules that follow one another, each counting its epochs from 0: PyTorch's `SequentialLR`. All of them observe
/// every value.
///
/// ```
/// use nn::schedule::{CosineAnnealing, LinearRamp, Schedule, Sequence};
/// // Four epochs of warm-up, then cosine decay.
/// let warmup = LinearRamp { start_factor: 0.0, end_factor: 1.0, total_iters: 4 };
/// let schedule = Sequence::new(warmup).then(4, CosineAnnealing::new(20));
/// assert_eq!([0, 2, 4, 24].map(|epoch| schedule.rate(epoch, 0.1)), [0.0, 0.05, 0.1, 0.0]);
/// ```
#[doc(alias = "SequentialLR")]
pub struct Sequence {
    /// Each schedule with its first epoch.
    parts: Vec<(usize, Box<dyn Schedule>)>,
}

impl Sequence {
    /// Starts with this schedule.
    pub fn new(first: impl Schedule + 'static) -> Self {
        Sequence { parts: vec![(0, Box::new(first))] }
    }

    /// Continues with another schedule from this epoch on.
    ///
    /// # Panics
    /// Panics if `epoch` is before the start of the previous schedule.
    #[track_caller]
    pub fn then(mut self, epoch: usize, schedule: impl Schedule + 'static) -> Self {
        let last = self.parts.last().map_or(0, |(start, _)| *start);
        assert!(epoch >= last, "Sequence: a schedule cannot start at epoch {epoch}, before the previous one at {last}");
        self.parts.push((epoch, Box::new(schedule)));
        self
    }
}

impl Schedule for Sequence {
    fn rate(&self, epoch: usize, base: f64) -> f64 {
        let (start, schedule) =
            self.parts.iter().rev().find(|(start, _)| *start <= epoch).expect("the first starts at 0");
        schedule.rate(epoch - start, base)
    }

    fn describe(&self) -> String {
        let part = |(from, part): &(usize, Box<dyn Schedule>)| format!("from {from}: {}", part.describe());
        format!("Sequence {{ {} }}", self.parts.iter().map(part).collect::<Vec<_>>().join(", "))
    }

    fn observe(&mut self, measure: f64) {
        self.parts.iter_mut().for_each(|(_, part)| part.observe(measure));
    }

    fn state(&self) -> Vec<f64> {
        joined(self.parts.iter().map(|(_, part)| part))
    }

    fn restore(&mut self, state: &[f64]) -> bool {
        restore_joined(self.parts.iter_mut().map(|(_, part)| part), state)
    }
}

/// Schedules that act together: the rate of one is the base of the next, so that factors multiply.
///
/// PyTorch's `ChainedScheduler`, for rates that are the base times a factor.
///
/// ```
/// use nn::schedule::{Chain, ExponentialDecay, LinearRamp, Schedule};
/// let warmup = LinearRamp { start_factor: 0.5, end_factor: 1.0, total_iters: 2 };
/// let schedule = Chain::new(warmup).and(ExponentialDecay { gamma: 0.5 });
/// assert_eq!([0, 1, 2].map(|epoch| schedule.rate(epoch, 1.0)), [0.5, 0.375, 0.25]);
/// ```
#[doc(alias = "ChainedScheduler")]
pub struct Chain {
    parts: Vec<Box<dyn Schedule>>,
}

impl Chain {
    /// Starts with this schedule.
    pub fn new(first: impl Schedule + 'static) -> Self {
        Chain { parts: vec![Box::new(first)] }
    }

    /// Adds a schedule on top of the rest.
    pub fn and(mut self, schedule: impl Schedule + 'static) -> Self {
        self.parts.push(Box::new(schedule));
        self
    }
}

impl Schedule for Chain {
    fn rate(&self, epoch: usize, base: f64) -> f64 {
        self.parts.iter().fold(base, |rate, part| part.rate(epoch, rate))
    }

    fn describe(&self) -> String {
        format!("Chain {{ {} }}", self.parts.iter().map(|part| part.describe()).collect::<Vec<_>>().join(", "))
    }

    fn observe(&mut self, measure: f64) {
        self.parts.iter_mut().for_each(|part| part.observe(measure));
    }

    fn state(&self) -> Vec<f64> {
        joined(self.parts.iter())
    }

    fn restore(&mut self, state: &[f64]) -> bool {
        restore_joined(self.parts.iter_mut(), state)
    }
}

/// The states of all parts, each preceded by its length.
fn joined<'s>(parts: impl Iterator<Item = &'s Box<dyn Schedule>>) -> Vec<f64> {
    let mut all = Vec::new();
    for part in parts {
        let state = part.state();
        all.push(state.len() as f64);
        all.extend(state);
    }
    all
}

/// Restores all parts, or none.
fn restore_joined<'s>(parts: impl Iterator<Item = &'s mut Box<dyn Schedule>>, mut state: &[f64]) -> bool {
    let mut restored = Vec::new();
    let mut next = |part: &mut Box<dyn Schedule>| {
        let (length, rest) = state.split_first()?;
        let (own, rest) = count(*length).and_then(|length| rest.split_at_checked(length))?;
        state = rest;
        part.restore(own).then_some(())
    };
    let mut fits = true;
    for part in parts {
        let before = part.state();
        fits = fits && next(part).is_some();
        restored.push((part, before));
    }
    fits = fits && state.is_empty();
    if !fits {
        for (part, before) in restored {
            let _ = part.restore(&before);
        }
    }
    fits
}
