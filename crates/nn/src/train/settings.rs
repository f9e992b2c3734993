//! The settings of a training run as text. A checkpoint stores them to detect checkpoints of other runs.

use super::trainer::Trainer;
use crate::data::Order;
use crate::metric::Metric;
use autograd::Float;
use flate2::Crc;

impl<T: Float> Trainer<'_, T> {
    /// The settings that must match for a run to resume exactly. Those that do not affect its course (epochs, early
    /// stopping, tolerance, callbacks, checkpoints, prefetching) may change.
    pub(super) fn settings(&self, samples: usize, rates: &[f64]) -> Vec<(&'static str, String)> {
        let metrics: Vec<&str> = self.metrics.iter().map(Metric::name).collect();
        let number = |x: Option<f64>| x.map_or("none".to_owned(), |x| x.to_string());
        let penalties = [self.l1, self.l2].map(|penalty| Some(penalty).filter(|x| *x != 0.0));
        vec![
            ("format", "wengert training 1".into()),
            ("element type", T::NAME.into()),
            ("seed", self.seed.to_string()),
            ("batch size", self.batch_size.to_string()),
            ("order of the samples", order_of(&self.order)),
            ("way with a smaller last batch", if self.drop_last { "left out" } else { "kept" }.into()),
            ("number of batches in an update", self.accumulate.to_string()),
            ("number of samples", samples.to_string()),
            ("number of validation samples", self.validation.map_or(0, |data| data.len()).to_string()),
            ("list of metrics", metrics.join(", ")),
            ("decay of averages", number(self.ema)),
            ("loss", self.loss.describe()),
            ("optimizer", self.optimizer.describe()),
            // The initial rates: the schedule, which is a setting of its own, changes them.
            ("list of rates", format!("{rates:?}")),
            ("schedule", self.schedule.describe()),
            ("pace of the schedule", format!("{:?}", self.pace)),
            ("measure that the schedule follows", self.followed.to_string()),
            ("clipping", self.clip.map_or("none".into(), |clip| format!("{clip:?}"))),
            ("l1 penalty", number(penalties[0])),
            ("l2 penalty", number(penalties[1])),
        ]
    }
}

/// The name of an order, with a checksum of its weights or labels.
fn order_of(order: &Order) -> String {
    let mut sum = Crc::new();
    match order {
        Order::InOrder | Order::Shuffled => return order.name().into(),
        Order::Weighted(weights) => weights.iter().for_each(|w| sum.update(&w.to_le_bytes())),
        Order::Stratified(labels) => labels.iter().for_each(|l| sum.update(&l.to_le_bytes())),
    }
    format!("{} by {:08x}", order.name(), sum.sum())
}
