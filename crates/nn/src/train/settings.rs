//! What a training is made of, in words: what a checkpoint keeps, to tell it from others.

use super::trainer::Trainer;
use crate::data::Order;
use crate::metric::Metric;
use autograd::Float;
use flate2::Crc;

impl<T: Float> Trainer<'_, T> {
    /// What must be the same for a saved training to go on as it would have. How long it goes on and who looks on (epochs,
    /// early stopping, tolerance, callbacks, checkpoints, batches made ahead) may be other things.
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
            // As the optimizer was given them: a schedule changes them, and is a setting itself.
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

/// An order in words, and by a checksum what it was given for each sample.
fn order_of(order: &Order) -> String {
    let mut sum = Crc::new();
    match order {
        Order::InOrder | Order::Shuffled => return order.name().into(),
        Order::Weighted(weights) => weights.iter().for_each(|w| sum.update(&w.to_le_bytes())),
        Order::Stratified(labels) => labels.iter().for_each(|l| sum.update(&l.to_le_bytes())),
    }
    format!("{} by {:08x}", order.name(), sum.sum())
}
