//! What a run can be told by: those of a [`Trainer`]'s settings that determine its course, as text. A checkpoint stores
//! them, and only a run with the same ones may resume it.

use super::trainer::Trainer;
use crate::data::Order;
use crate::metric::Metric;
use autograd::Float;
use flate2::Crc;

impl<T: Float> Trainer<'_, T> {
    /// The settings that must match for a run to resume exactly, with what it is applied to.
    pub(super) fn compared(&self, samples: usize, rates: &[f64]) -> Vec<(&'static str, String)> {
        // Without `..`: a new setting must be compared below, or be listed among those that may change.
        let Trainer {
            loss,
            optimizer,
            schedule,
            pace,
            metrics,
            validation,
            followed,
            batch_size,
            order,
            drop_last,
            accumulate,
            seed,
            clip,
            l1,
            l2,
            ema,
            // These may change: they decide when a run ends, who watches it, and how fast it is, but not its course.
            epochs: _,
            early_stopping: _,
            tolerance: _,
            callbacks: _,
            checkpoints: _,
            quiet: _,
            prefetch: _,
            replays: _,
        } = self;
        let metrics: Vec<&str> = metrics.iter().map(Metric::name).collect();
        let number = |x: Option<f64>| x.map_or("none".to_owned(), |x| x.to_string());
        let penalty = |x: f64| number(Some(x).filter(|x| *x != 0.0));
        vec![
            ("format", "wengert training 1".into()),
            ("element type", T::NAME.into()),
            ("seed", seed.to_string()),
            ("batch size", batch_size.to_string()),
            ("order of the samples", order_of(order)),
            ("way with a smaller last batch", if *drop_last { "left out" } else { "kept" }.into()),
            ("number of batches in an update", accumulate.to_string()),
            ("number of samples", samples.to_string()),
            ("number of validation samples", validation.map_or(0, |data| data.len()).to_string()),
            ("list of metrics", metrics.join(", ")),
            ("decay of averages", number(*ema)),
            ("loss", loss.describe()),
            ("optimizer", optimizer.describe()),
            // The initial rates: the schedule, which is a setting of its own, changes them.
            ("list of rates", format!("{rates:?}")),
            ("schedule", schedule.describe()),
            ("pace of the schedule", format!("{pace:?}")),
            ("measure that the schedule follows", followed.to_string()),
            ("clipping", clip.map_or("none".into(), |clip| format!("{clip:?}"))),
            ("l1 penalty", penalty(*l1)),
            ("l2 penalty", penalty(*l2)),
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
