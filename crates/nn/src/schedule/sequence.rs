//! Schedules one after the other.

use super::Schedule;

/// Schedules that take turns, each of which counts its epochs from 0: PyTorch's `SequentialLR`.
///
/// ```
/// use nn::schedule::{CosineAnnealing, LinearRamp, Schedule, Sequence};
/// // Four epochs of warm-up, then down along a cosine.
/// let schedule = Sequence::new(LinearRamp { start: 0.0, end: 1.0, over: 4 })
///     .then(4, CosineAnnealing { over: 20, floor: 0.0 });
/// assert_eq!([0, 2, 4, 24].map(|epoch| schedule.rate(epoch, 0.1)), [0.0, 0.05, 0.1, 0.0]);
/// ```
pub struct Sequence {
    first: Box<dyn Schedule>,
    /// From which epoch on which one holds.
    rest: Vec<(usize, Box<dyn Schedule>)>,
}

impl Sequence {
    /// Begins with a schedule.
    pub fn new(first: impl Schedule + 'static) -> Self {
        Sequence { first: Box::new(first), rest: Vec::new() }
    }

    /// Goes on with another from that epoch on.
    ///
    /// # Panics
    /// If it would begin before the last one.
    #[track_caller]
    pub fn then(mut self, epoch: usize, schedule: impl Schedule + 'static) -> Self {
        let last = self.rest.last().map_or(0, |(start, _)| *start);
        assert!(epoch >= last, "Sequence: a schedule from epoch {epoch} on comes before one from epoch {last} on");
        self.rest.push((epoch, Box::new(schedule)));
        self
    }
}

impl Schedule for Sequence {
    fn rate(&self, epoch: usize, base: f64) -> f64 {
        match self.rest.iter().rev().find(|(start, _)| *start <= epoch) {
            Some((start, schedule)) => schedule.rate(epoch - start, base),
            None => self.first.rate(epoch, base),
        }
    }

    fn observe(&mut self, measure: f64) {
        self.first.observe(measure);
        self.rest.iter_mut().for_each(|(_, schedule)| schedule.observe(measure));
    }
}
