//! [`Callback`]: what a program does at the turns of a training, and [`Moment`]: what it sees there.

use super::history::{History, Stop};
use crate::Module;
use crate::io::StateDict;
use crate::metric::{Measure, Metric};
use autograd::Float;
use std::error::Error;

/// What a hook returns: an error ends the training, as [`TrainError::Callback`](super::TrainError::Callback).
///
/// ```
/// use nn::train::{Callback, CallbackResult, Moment};
/// /// Ends training with an error where the disk is full, say.
/// struct Diary(std::fs::File);
/// impl Callback<f32> for Diary {
///     fn epoch_end(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
///         use std::io::Write;
///         Ok(writeln!(self.0, "{} {}", at.epoch(), at.loss())?)
///     }
/// }
/// ```
pub type CallbackResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Something that happens at the turns of a training. Every hook does nothing unless written.
///
/// ```
/// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Sgd, train::{Callback, Moment, CallbackResult, Trainer}};
///
/// /// Stops when the loss of an epoch is low enough.
/// struct GoodEnough(f64);
/// impl Callback<f32> for GoodEnough {
///     fn epoch_end(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
///         if at.loss() < self.0 {
///             at.stop("good enough");
///         }
///         Ok(())
///     }
/// }
/// let mut model = Mlp::new(&[64, 16, 10]).build::<f32>();
/// let mut trainer = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.5))
///     .epochs(100)
///     .callback(GoodEnough(0.5))
///     .on_epoch_end(|at| assert!(at.epoch() <= 100));
/// let history = trainer.fit(&mut model, &digits::<f32>())?;
/// assert!(history.epochs.len() < 50 && history.stopped.unwrap().to_string() == "good enough");
/// # Ok::<(), nn::train::TrainError>(())
/// ```
pub trait Callback<T: Float>: Send {
    /// Before the first epoch, or before training is resumed.
    fn train_begin(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let _ = at;
        Ok(())
    }

    /// Before the first batch of an epoch.
    fn epoch_begin(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let _ = at;
        Ok(())
    }

    /// Before a batch.
    fn batch_begin(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let _ = at;
        Ok(())
    }

    /// After a batch, and the update if it brought one.
    fn batch_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let _ = at;
        Ok(())
    }

    /// After an epoch and its validation: the last entry of the history is about it. The model has the parameters that
    /// were validated: their average, where there is one.
    fn epoch_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let _ = at;
        Ok(())
    }

    /// After the last epoch, whichever it was; not after an error.
    fn train_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let _ = at;
        Ok(())
    }

    /// What this remembers, for checkpoints.
    fn state(&self) -> StateDict {
        StateDict::new()
    }

    /// Goes on from what [`state`](Callback::state) gave. `false` if this can be no state of such a callback.
    fn restore(&mut self, state: &StateDict) -> bool {
        state.is_empty()
    }
}

/// Where a training stands.
///
/// ```
/// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, metric::Metric, optim::Sgd, train::Trainer};
/// let mut trainer = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1)).epochs(1).metric(Metric::accuracy());
/// trainer = trainer.on_batch_end(|at| {
///     assert!(at.batch() <= at.batches() && at.metric("accuracy").is_some());
///     if at.step() == 10 {
///         at.stop("ten updates");
///     }
/// });
/// let history = trainer.fit(&mut Mlp::new(&[64, 10]).build(), &digits::<f32>())?;
/// assert_eq!(history.stopped.unwrap().to_string(), "ten updates");
/// # Ok::<(), nn::train::TrainError>(())
/// ```
pub struct Moment<'a, T: Float> {
    pub(super) model: &'a mut dyn Module<T>,
    pub(super) metrics: &'a [Metric<T>],
    pub(super) sums: &'a Sums<T>,
    pub(super) history: &'a mut History,
    pub(super) place: Place,
    pub(super) learning_rate: f64,
}

/// Which batch of which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// From 0.
    pub epoch: usize,
    pub epochs: usize,
    /// Batches of this epoch that are done.
    pub batch: usize,
    pub batches: usize,
    /// Updates made since training began.
    pub step: u64,
}

/// What an epoch has shown so far.
pub(super) struct Sums<T: Float> {
    /// The losses of samples, summed, and how many count: see [`Loss::sum_and_count`](crate::loss::Loss::sum_and_count).
    pub loss: f64,
    pub count: f64,
    /// Time that was spent before this process took over.
    pub seconds: f64,
    pub measures: Vec<Box<dyn Measure<T>>>,
}

impl<T: Float> Sums<T> {
    pub(super) fn new(metrics: &[Metric<T>]) -> Self {
        Sums { loss: 0.0, count: 0.0, seconds: 0.0, measures: metrics.iter().map(Metric::start).collect() }
    }

    pub(super) fn mean_loss(&self) -> f64 {
        self.loss / self.count
    }
}

impl<T: Float> Moment<'_, T> {
    /// The epoch, counted from 1.
    pub fn epoch(&self) -> usize {
        self.place.epoch + 1
    }

    /// How many epochs there will be at most.
    pub fn epochs(&self) -> usize {
        self.place.epochs
    }

    /// How many batches of this epoch are done.
    pub fn batch(&self) -> usize {
        self.place.batch
    }

    /// How many batches an epoch has.
    pub fn batches(&self) -> usize {
        self.place.batches
    }

    /// How many updates have been made since training began.
    pub fn step(&self) -> u64 {
        self.place.step
    }

    /// The mean training loss of this epoch so far; NaN before its first batch.
    pub fn loss(&self) -> f64 {
        self.sums.mean_loss()
    }

    /// A metric on the training data of this epoch so far, by its name.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.all_metrics().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// All metrics on the training data of this epoch so far, with their names.
    pub fn all_metrics(&self) -> impl Iterator<Item = (&str, f64)> {
        self.metrics.iter().zip(&self.sums.measures).map(|(metric, measure)| (metric.name(), measure.value()))
    }

    /// The learning rate in use.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// The model.
    pub fn model(&mut self) -> &mut dyn Module<T> {
        self.model
    }

    /// The epochs so far.
    pub fn history(&self) -> &History {
        self.history
    }

    /// Lets this epoch be the last, unless something else has stopped it already. From a batch, what is left of the epoch is
    /// left out.
    pub fn stop(&mut self, reason: impl Into<String>) {
        self.stop_because(Stop::Asked { reason: reason.into() });
    }

    pub(super) fn stop_because(&mut self, stop: Stop) {
        self.history.stopped.get_or_insert(stop);
    }
}

/// A function as a hook: which one, the constructor says.
pub(super) struct Hook<F> {
    pub on: Turn,
    pub f: F,
}

/// When a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    BatchEnd,
    EpochEnd,
}

impl<T: Float, F: FnMut(&mut Moment<'_, T>) + Send> Callback<T> for Hook<F> {
    fn batch_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        if self.on == Turn::BatchEnd {
            (self.f)(at);
        }
        Ok(())
    }

    fn epoch_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        if self.on == Turn::EpochEnd {
            (self.f)(at);
        }
        Ok(())
    }
}
