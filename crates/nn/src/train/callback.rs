//! [`Callback`]: hooks that run at fixed points of training, and [`Moment`]: what they see.

use super::history::{History, Stop};
use super::objective::Outcome;
use crate::Model;
use crate::fields::{Name, Samples};
use crate::io::StateDict;
use crate::loss::Loss;
use crate::metric::{Measure, Metric};
use autograd::Float;
use std::error::Error;

/// The result of a hook. An error ends the training with [`TrainError::Callback`](super::TrainError::Callback).
///
/// ```
/// use nn::train::{Callback, CallbackResult, Moment};
/// /// Ends training with an error if the disk is full, for example.
/// struct Diary(std::fs::File);
/// impl Callback<f32> for Diary {
///     fn epoch_end(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
///         use std::io::Write;
///         Ok(writeln!(self.0, "{} {}", at.epoch(), at.loss())?)
///     }
/// }
/// ```
pub type CallbackResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Hooks that run at fixed points of training. By default, every hook does nothing.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a callback of a trainer of `{T}`",
    label = "not a callback",
    note = "closures go to `Trainer::on_batch_end` and `Trainer::on_epoch_end`"
)]
pub trait Callback<T: Float>: Send {
    /// Called before the first epoch, or before training resumes.
    ///
    /// ```
    /// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Sgd, train::{Callback, CallbackResult, Moment, Trainer}};
    /// /// Counts what happens.
    /// #[derive(Default)]
    /// struct Counts { begun: usize, epochs: usize, batches: usize }
    /// impl Callback<f32> for Counts {
    ///     fn train_begin(&mut self, _: &mut Moment<'_, f32>) -> CallbackResult {
    ///         self.begun += 1;
    ///         Ok(())
    ///     }
    ///     fn epoch_begin(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
    ///         self.epochs = at.epoch();
    ///         Ok(())
    ///     }
    ///     fn batch_begin(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
    ///         assert!(at.learning_rate() > 0.0 && at.all_metrics().count() == 0);
    ///         Ok(())
    ///     }
    ///     fn batch_end(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
    ///         self.batches += 1;
    ///         assert_eq!(nn::parameter_count(at.model()), 650);
    ///         Ok(())
    ///     }
    ///     fn train_end(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
    ///         assert_eq!((self.begun, self.epochs, self.batches), (1, at.epochs(), at.epochs() * at.batches()));
    ///         Ok(())
    ///     }
    /// }
    /// let mut trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).epochs(2).quiet().callback(Counts::default());
    /// trainer.fit(&mut Mlp::new(&[64, 10]).build(), &digits())?;
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    fn train_begin(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let _ = at;
        Ok(())
    }

    /// Called before the first batch of an epoch.
    fn epoch_begin(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let _ = at;
        Ok(())
    }

    /// Called before each batch.
    fn batch_begin(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let _ = at;
        Ok(())
    }

    /// Called after each batch, and after the update if the batch triggers one.
    fn batch_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let _ = at;
        Ok(())
    }

    /// Called after each epoch and its validation; the last entry of the history describes it. The model holds the
    /// parameters that were validated: the averages if [`Trainer::ema`](super::Trainer::ema) is set.
    fn epoch_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let _ = at;
        Ok(())
    }

    /// Called after the last epoch, even if training stopped early, but not after an error.
    fn train_end(&mut self, at: &mut Moment<'_, T>) -> CallbackResult {
        let _ = at;
        Ok(())
    }

    /// The state of this callback, for checkpoints.
    ///
    /// ```
    /// use nn::{io::StateDict, train::Callback};
    /// /// Remembers the lowest loss, in checkpoints too.
    /// struct Lowest(f64);
    /// impl Callback<f64> for Lowest {
    ///     fn state(&self) -> StateDict {
    ///         let mut state = StateDict::new();
    ///         state.insert("lowest", autograd::Tensor::scalar(self.0));
    ///         state
    ///     }
    ///     fn restore(&mut self, state: &StateDict) -> bool {
    ///         let found = state.get("lowest").map(|lowest| lowest.to::<f64>().item());
    ///         found.map(|lowest| self.0 = lowest).is_some()
    ///     }
    /// }
    /// let mut fresh = Lowest(f64::INFINITY);
    /// assert!(fresh.restore(&Lowest(0.5).state()) && fresh.0 == 0.5);
    /// ```
    fn state(&self) -> StateDict {
        StateDict::new()
    }

    /// Restores what [`state`](Callback::state) returned. Returns `false` if `state` is not valid for this callback.
    fn restore(&mut self, state: &StateDict) -> bool {
        state.is_empty()
    }
}

/// The current state of training, as a callback sees it.
///
/// ```
/// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, metric::Metric, optim::Sgd, train::Trainer};
/// let mut trainer = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1)).epochs(1).metric(Metric::accuracy());
/// trainer = trainer.on_batch_end(|at| {
///     assert!(at.batch() <= at.batches() && at.samples() == 1797 && at.metric("accuracy").is_some());
///     assert!(at.epoch() == 1 && at.all_metrics().count() == 1 && at.learning_rate() == 0.1);
///     assert_eq!(nn::parameter_count(at.model()), 650);
///     if at.step() == 10 {
///         at.stop("ten updates");
///     }
/// });
/// let history = trainer.fit(&mut Mlp::new(&[64, 10]).build(), &digits::<f32>())?;
/// assert_eq!(history.stopped.unwrap().to_string(), "ten updates");
/// # Ok::<(), nn::train::TrainError>(())
/// ```
pub struct Moment<'a, T: Float> {
    pub(super) model: &'a mut dyn Model<T>,
    pub(super) loss: &'a dyn Loss<T>,
    pub(super) metrics: &'a [Metric<T>],
    pub(super) sums: &'a Sums<T>,
    pub(super) history: &'a mut History,
    pub(super) place: Place,
    pub(super) learning_rate: f64,
}

/// The position in training: which batch of which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Counted from 0.
    pub epoch: usize,
    pub epochs: usize,
    /// Completed batches of this epoch.
    pub batch: usize,
    pub batches: usize,
    /// Samples of an epoch.
    pub samples: usize,
    /// Updates since training began.
    pub step: u64,
}

/// Running sums over the current epoch.
pub(super) struct Sums<T: Float> {
    /// The summed loss of the samples, and their count: see [`Loss::sum_and_count`](crate::loss::Loss::sum_and_count).
    pub loss: f64,
    pub count: f64,
    /// Seconds spent on this epoch before training was resumed.
    pub seconds: f64,
    pub measures: Vec<Box<dyn Measure<T>>>,
    /// The parts of the loss that have names, likewise.
    pub parts: Vec<PartSum>,
    /// Whether a batch overflowed at its scale: if all batches did, the mean is NaN. No checkpoint is written between such
    /// a batch and the first one without an overflow, so this is not saved.
    pub overflowed: bool,
    /// Whether a batch is in the sums.
    pub noted: bool,
}

/// The sum of a part of the loss over samples.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PartSum {
    pub name: String,
    pub sum: f64,
    pub count: f64,
}

impl<T: Float> Sums<T> {
    pub(super) fn new(metrics: &[Metric<T>]) -> Self {
        let measures = metrics.iter().map(Metric::start).collect();
        Sums { loss: 0.0, count: 0.0, seconds: 0.0, measures, parts: Vec::new(), overflowed: false, noted: false }
    }

    /// Adds the loss, its parts, and the metrics of a batch.
    ///
    /// # Errors
    /// Returns an error if the outputs do not fit a metric, or the loss has other parts than before.
    pub(super) fn add(
        &mut self,
        loss: &dyn Loss<T>,
        metrics: &[Metric<T>],
        outcome: &Outcome<T>,
        samples: &Samples<T>,
    ) -> autograd::Result<()> {
        let (sum, count) = loss.sum_and_count_of(outcome.loss.f64(), samples);
        self.noted = true;
        (self.loss, self.count) = (self.loss + sum, self.count + count);
        self.name_parts(outcome);
        if !self.parts.iter().map(|part| &*part.name).eq(outcome.parts.iter().map(|(name, _)| &**name)) {
            let before: Vec<&str> = self.parts.iter().map(|part| &*part.name).collect();
            let now: Vec<&str> = outcome.parts.iter().map(|(name, _)| &**name).collect();
            let hint = format!("the parts of the loss were {}, and now are {}", before.join(", "), now.join(", "));
            return Err(autograd::Error::Argument { op: "loss", hint });
        }
        for (place, (part, (_, value))) in self.parts.iter_mut().zip(&outcome.parts).enumerate() {
            let (sum, count) = loss.part_sum_and_count(place, value.f64(), samples);
            (part.sum, part.count) = (part.sum + sum, part.count + count);
        }
        for (metric, measure) in metrics.iter().zip(&mut self.measures) {
            let (output, target) = metric.read(&outcome.outputs, samples)?;
            measure.add(output, &target)?;
        }
        Ok(())
    }

    /// Notes a batch that overflowed and therefore has no loss.
    pub(super) fn overflow(&mut self, outcome: &Outcome<T>) {
        (self.overflowed, self.noted) = (true, true);
        self.name_parts(outcome);
    }

    /// Takes the names of the parts from the first batch.
    fn name_parts(&mut self, outcome: &Outcome<T>) {
        if self.parts.is_empty() {
            let none = |(name, _): &(Name, T)| PartSum { name: name.to_string(), sum: 0.0, count: 0.0 };
            self.parts = outcome.parts.iter().map(none).collect();
        }
    }

    /// All sums as numbers, without the names of the parts.
    pub(super) fn numbers(&self) -> Vec<f64> {
        let mut numbers = vec![self.loss, self.count, self.parts.len() as f64];
        numbers.extend(self.parts.iter().flat_map(|part| [part.sum, part.count]));
        for state in self.measures.iter().map(|measure| measure.state()) {
            numbers.push(state.len() as f64);
            numbers.extend(state);
        }
        numbers
    }

    /// Adds the sums of other samples, as [`numbers`](Sums::numbers) of parts with these names.
    ///
    /// # Errors
    /// Returns the place of the first metric that cannot be merged.
    pub(super) fn merge(&mut self, numbers: &[f64], names: &[String]) -> Result<(), usize> {
        let mut numbers = numbers.iter().copied();
        let mut next = || numbers.next().unwrap_or(0.0);
        (self.loss, self.count, self.noted) = (self.loss + next(), self.count + next(), true);
        let parts = next() as usize;
        if self.parts.is_empty() && parts > 0 {
            self.parts = names.iter().map(|name| PartSum { name: name.clone(), sum: 0.0, count: 0.0 }).collect();
        }
        for place in 0..parts {
            let (sum, count) = (next(), next());
            if let Some(part) = self.parts.get_mut(place) {
                (part.sum, part.count) = (part.sum + sum, part.count + count);
            }
        }
        for (place, measure) in self.measures.iter_mut().enumerate() {
            let state: Vec<f64> = (0..next() as usize).map(|_| next()).collect();
            if !measure.merge(&state) {
                return Err(place);
            }
        }
        Ok(())
    }

    /// The mean of each part, with its name.
    pub(super) fn mean_parts(&self) -> Vec<(String, f64)> {
        self.parts.iter().map(|part| (part.name.clone(), self.mean(part.sum, part.count))).collect()
    }

    /// The mean loss, or NaN before the first batch.
    pub(super) fn loss_so_far(&self, loss: &dyn Loss<T>) -> f64 {
        if self.noted { self.mean_loss(loss) } else { f64::NAN }
    }

    pub(super) fn mean_loss(&self, loss: &dyn Loss<T>) -> f64 {
        let parts: Vec<f64> = self.parts.iter().map(|part| self.mean(part.sum, part.count)).collect();
        loss.of_parts(&parts).unwrap_or_else(|| self.mean(self.loss, self.count))
    }

    /// The mean loss of samples whose losses have this sum. If no sample counts, there is no loss: 0. If all batches
    /// overflowed, it is unknown: NaN.
    fn mean(&self, sum: f64, count: f64) -> f64 {
        match (count == 0.0, self.overflowed) {
            (true, true) => f64::NAN,
            (true, false) => 0.0,
            (false, _) => sum / count,
        }
    }
}

impl<T: Float> Moment<'_, T> {
    /// The epoch, counted from 1.
    pub fn epoch(&self) -> usize {
        self.place.epoch + 1
    }

    /// The maximum number of epochs.
    pub fn epochs(&self) -> usize {
        self.place.epochs
    }

    /// The number of completed batches of this epoch.
    pub fn batch(&self) -> usize {
        self.place.batch
    }

    /// The number of batches per epoch.
    pub fn batches(&self) -> usize {
        self.place.batches
    }

    /// The number of samples per epoch.
    pub fn samples(&self) -> usize {
        self.place.samples
    }

    /// The number of updates since training began.
    pub fn step(&self) -> u64 {
        self.place.step
    }

    /// The mean training loss of this epoch so far; NaN before its first batch, and while all batches have
    /// [overflowed](super::TrainStep::loss_scaling). In a [distributed](super::Trainer::distributed) run, the mean until the
    /// ranks last exchanged their sums, at an update; NaN before the first exchange.
    pub fn loss(&self) -> f64 {
        self.sums.loss_so_far(self.loss)
    }

    /// The value of the named metric on the training data of this epoch so far.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.all_metrics().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// All metrics on the training data of this epoch so far, with their names.
    pub fn all_metrics(&self) -> impl Iterator<Item = (&str, f64)> {
        self.metrics.iter().zip(&self.sums.measures).map(|(metric, measure)| (metric.name(), measure.value()))
    }

    /// The mean of each part of the training loss that has a name, of this epoch so far.
    ///
    /// ```
    /// use nn::{data::digits, layer::Mlp, loss::{CrossEntropy, WeightedSum}, optim::Sgd, train::Trainer};
    /// let loss = WeightedSum::new().part("class", 1.0, CrossEntropy::new());
    /// let trainer = Trainer::new(loss, Sgd::<f32>::new(0.1)).epochs(1).quiet();
    /// let mut trainer = trainer.on_epoch_end(|at| assert_eq!(at.loss_parts().next(), Some(("class", at.loss()))));
    /// trainer.fit(&mut Mlp::new(&[64, 10]).build(), &digits())?;
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    pub fn loss_parts(&self) -> impl Iterator<Item = (&str, f64)> {
        self.sums.parts.iter().map(|part| (&*part.name, self.sums.mean(part.sum, part.count)))
    }

    /// The current learning rate.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// The model.
    pub fn model(&mut self) -> &mut dyn Model<T> {
        self.model
    }

    /// The history so far.
    pub fn history(&self) -> &History {
        self.history
    }

    /// Ends training after this epoch, unless it has already been stopped for another reason. If called before or after a
    /// batch, or before an epoch, the remaining batches of the epoch are skipped; the loss of an epoch without a batch is NaN.
    pub fn stop(&mut self, reason: impl Into<String>) {
        self.stop_because(Stop::Asked { reason: reason.into() });
    }

    pub(super) fn stop_because(&mut self, stop: Stop) {
        self.history.stopped.get_or_insert(stop);
    }
}

/// A function used as one hook, selected by `on`.
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
