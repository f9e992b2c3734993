//! The identity of a run: the settings of a [`Trainer`] that determine its course, as text. A checkpoint stores them,
//! and only a run with the same settings may resume it.

use super::checkpoint::Checkpoints;
use super::error::TrainError;
use super::settings::Settings;
use super::team::Team;
use super::trace::trace;
use super::trainer::Trainer;
use crate::Model;
use crate::data::{Dataset, Order};
use crate::metric::Metric;
use autograd::Float;
use flate2::Crc;

impl<T: Float> Trainer<'_, T> {
    /// What must match for a run to resume exactly: the settings, the model and the data.
    pub(super) fn compared(
        &self,
        model: &dyn Model<T>,
        data: &dyn Dataset<T>,
        rates: &[f64],
    ) -> Result<Vec<(&'static str, String)>, TrainError> {
        // Without `..`: a new setting must be compared below, or be listed among those that may change.
        let Trainer {
            loss,
            optimizer,
            schedule,
            pace,
            metrics,
            validation,
            settings,
            callbacks: _,
            checkpoints: _,
            collective: _,
        } = self;
        let Settings {
            batch_size,
            order,
            drop_last,
            accumulate,
            seed,
            followed,
            clip,
            l1,
            l2,
            ema,
            precision,
            loss_scaling,
            sharing: _, // which the team describes
            // These may change: they affect when a run ends, its callbacks, and its speed, but not its course.
            epochs: _,
            early_stopping: _,
            tolerance: _,
            quiet: _,
            prefetch: _,
            replays: _,
        } = settings;
        let metrics: Vec<String> = metrics.iter().map(Metric::describe).collect();
        let digest = |data: &dyn Dataset<T>| Ok::<_, TrainError>(format!("{:016x}", data.digest()?));
        let first: Vec<usize> = (0..data.len().min(*batch_size)).collect();
        let traced = trace(model, &**loss, &data.samples(0, &first)?, *seed);
        let number = |x: Option<f64>| x.map_or("none".to_owned(), |x| x.to_string());
        let penalty = |x: f64| number(Some(x).filter(|x| *x != 0.0));
        let mut compared = vec![
            ("format", "wengert training 2".into()),
            ("element type", T::NAME.into()),
            ("seed", seed.to_string()),
            ("batch size", batch_size.to_string()),
            ("order of the samples", order_of(order)),
            ("way with a smaller last batch", if *drop_last { "left out" } else { "kept" }.into()),
            ("number of batches in an update", accumulate.to_string()),
            ("number of samples", data.len().to_string()),
            ("number of validation samples", validation.map_or(0, |data| data.len()).to_string()),
            ("data (a checksum of all samples)", digest(data)?),
            ("validation data (a checksum of all samples)", validation.map_or(Ok("none".into()), digest)?),
            ("list of metrics", metrics.join(", ")),
            ("decay of averages", number(*ema)),
            ("number of shards of a batch", Team::of(self).map_or("1".to_owned(), |team| team.describe())),
            ("loss", loss.describe()),
            ("optimizer", optimizer.describe()),
            // The initial rates: the schedule, which is a separate setting, changes them.
            ("list of rates", format!("{rates:?}")),
            ("schedule", schedule.describe()),
            ("pace of the schedule", format!("{pace:?}")),
            ("measure that the schedule follows", followed.to_string()),
            ("clipping", clip.map_or("none".into(), |clip| format!("{clip:?}"))),
            ("precision of products", format!("{precision:?}")),
            ("scaling of the loss", loss_scaling.map_or("none".into(), |scaling| format!("{scaling:?}"))),
            ("l1 penalty", penalty(*l1)),
            ("l2 penalty", penalty(*l2)),
        ];
        compared.extend(traced);
        Ok(compared)
    }

    /// What decides when a run ends and when it is saved: it may change when training resumes, but the ranks of a run
    /// must agree on it.
    pub(super) fn length(&self) -> Vec<(&'static str, String)> {
        let Trainer { checkpoints, settings: Settings { epochs, early_stopping, tolerance, .. }, .. } = self;
        let none = || "none".to_owned();
        vec![
            ("number of epochs", epochs.to_string()),
            ("early stopping", early_stopping.as_ref().map_or_else(none, |early| format!("{early:?}"))),
            ("tolerance", tolerance.map_or_else(none, |tolerance| tolerance.to_string())),
            ("pace of checkpoints", checkpoints.as_ref().map_or_else(none, Checkpoints::pace)),
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
