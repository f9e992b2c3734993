//! [`Trainer`]: the settings of training, with the loss, the optimizer, the schedule and the callbacks. It holds no
//! state of a run.

use super::callback::{Callback, Hook, Moment, Turn};
use super::checkpoint::Checkpoints;
use super::monitor::Monitor;
use super::scaling::LossScaling;
use super::settings::{Clip, Settings};
use super::stopping::EarlyStopping;
use super::team::Sharing;
use crate::data::{Dataset, Order};
use crate::distributed::Collective;
use crate::domain::or_panic;
use crate::loss::Loss;
use crate::metric::Metric;
use crate::optim::Optimizer;
use crate::schedule::{Constant, Schedule};
use autograd::{Float, Precision};
use std::sync::Arc;

/// Trains a model on data, like Keras' `fit`.
///
/// A trainer combines a loss, an optimizer and the length of training.
///
/// The model, the data and the seed determine the result to the bit, on any number of threads, even if the process is
/// killed and training is [resumed](Trainer::resume).
///
/// ```
/// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, metric::Metric, optim::Adam, train::{EarlyStopping, Trainer}};
///
/// let (training, test) = digits::<f32>().split(0.8, 1)?;
/// let mut model = Mlp::new(&[64, 32, 10]).seed(1).build();
/// let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(1e-2))
///     .epochs(5)
///     .metric(Metric::accuracy())
///     .metric(Metric::top_k(3))
///     .validation(&test)
///     .early_stopping(EarlyStopping::default());
/// let history = trainer.fit(&mut model, &training)?;
/// let best = history.best().unwrap();
/// assert!(best.validation_metrics[0] > 0.9 && best.validation_metrics[1] > 0.97);
/// # Ok::<(), nn::train::TrainError>(())
/// ```
pub struct Trainer<'d, T: Float> {
    pub(super) loss: Box<dyn Loss<T> + 'd>,
    pub(super) optimizer: Box<dyn Optimizer<T> + 'd>,
    pub(super) schedule: Box<dyn Schedule + 'd>,
    pub(super) pace: Pace,
    pub(crate) metrics: Vec<Metric<T>>,
    pub(super) validation: Option<&'d dyn Dataset<T>>,
    pub(super) callbacks: Vec<Box<dyn Callback<T> + 'd>>,
    pub(super) checkpoints: Option<Checkpoints>,
    pub(super) collective: Option<Arc<dyn Collective + 'd>>,
    pub(super) settings: Settings,
}

/// What a schedule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    Epoch,
    Step,
}

impl<'d, T: Float> Trainer<'d, T> {
    /// A trainer with defaults: ten epochs, batches of 32, shuffled with seed 0, at the optimizer's own learning rate.
    ///
    /// ```
    /// use nn::{data::digits, loss::CrossEntropy, optim::AdamW, schedule::OneCycle, train::Trainer};
    /// let digits = digits::<f32>();
    /// let trainer = Trainer::new(CrossEntropy::new(), AdamW::<f32>::new(1e-3))
    ///     .epochs(20)
    ///     .batch_size(64)
    ///     .drop_last(true) // batches of 64 samples only
    ///     .prefetch(2) // two batches ahead, on another thread
    ///     .accumulate(4) // an update every 4 · 64 samples
    ///     .seed(7)
    ///     .schedule_by_step(OneCycle::new(20 * 7))
    ///     .validation(&digits)
    ///     .clip_norm(1.0) // or clip_each_norm, clip_value
    ///     .l2(1e-4) // or l1
    ///     .ema(0.999) // averages of the weights for validation and at the end
    ///     .tolerance(1e-5) // stops when an epoch changes the loss by less
    ///     .on_batch_end(|at| assert!(at.loss().is_finite()))
    ///     .quiet();
    /// # let _ = trainer;
    /// ```
    pub fn new(loss: impl Loss<T> + 'd, optimizer: impl Optimizer<T> + 'd) -> Self {
        Trainer {
            loss: Box::new(loss),
            optimizer: Box::new(optimizer),
            schedule: Box::new(Constant),
            pace: Pace::Epoch,
            metrics: Vec::new(),
            validation: None,
            callbacks: Vec::new(),
            checkpoints: None,
            collective: None,
            settings: Settings::default(),
        }
    }

    /// Changes settings.
    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Changes a setting that has a range.
    #[track_caller]
    fn checked(self, change: impl FnOnce(&mut Settings)) -> Self {
        let changed = self.with(change);
        or_panic(changed.settings.check());
        changed
    }

    /// Takes all plain settings at once, from a file, for example.
    ///
    /// ```
    /// use nn::{loss::Mse, optim::Sgd, train::{Clip, Settings, Trainer}};
    /// let settings = Settings { epochs: 20, clip: Some(Clip::Norm(1.0)), ..Settings::default() };
    /// let trainer = Trainer::new(Mse::new(), Sgd::<f32>::new(0.1)).with_settings(settings.clone());
    /// assert_eq!(*trainer.settings(), settings);
    /// ```
    /// # Panics
    /// Panics if a setting is out of range.
    #[track_caller]
    pub fn with_settings(self, settings: Settings) -> Self {
        or_panic(self.try_with_settings(settings))
    }

    /// [`with_settings`](Trainer::with_settings) that does not panic.
    ///
    /// # Errors
    /// Returns an error that names the setting that is out of range.
    pub fn try_with_settings(self, settings: Settings) -> Result<Self, autograd::Error> {
        settings.check()?;
        Ok(Trainer { settings, ..self })
    }

    /// The plain settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The maximum number of epochs. Defaults to 10.
    pub fn epochs(self, epochs: usize) -> Self {
        self.with(|settings| settings.epochs = epochs)
    }

    /// The number of samples per forward and backward pass. Defaults to 32.
    pub fn batch_size(self, batch_size: usize) -> Self {
        self.with(|settings| settings.batch_size = batch_size)
    }

    /// Which samples an epoch uses, and in what order. Defaults to shuffled.
    ///
    /// ```
    /// use autograd::{Rng, tensor};
    /// use nn::{data::{Order, digits}, layer::Mlp, loss::CrossEntropy, optim::Sgd, train::Trainer};
    /// let digits = digits::<f32>();
    /// let labels = digits.labels().unwrap().to_vec();
    /// let mut trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).epochs(1).order(Order::Stratified(labels));
    /// trainer.fit(&mut Mlp::new(&[64, 16, 10]).build(), &digits)?;
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    pub fn order(self, order: Order) -> Self {
        self.with(|settings| settings.order = order)
    }

    /// Whether to drop a last batch that is smaller than the rest. Defaults to `false`.
    pub fn drop_last(self, drop_last: bool) -> Self {
        self.with(|settings| settings.drop_last = drop_last)
    }

    /// Prepares up to this many batches in advance on another thread. Useful if samples are read from files or
    /// augmented. Defaults to 0. The results are the same to the bit.
    pub fn prefetch(self, batches: usize) -> Self {
        self.with(|settings| settings.prefetch = batches)
    }

    /// Updates once every `batches` batches with the mean gradient of all their samples, as if they were one batch. For
    /// batches that do not fit in memory. (Batch norm sees them one at a time.) Batches left over at the end of an
    /// epoch also make an update. Requires a loss that is a mean.
    ///
    /// # Panics
    /// Panics if `batches` is 0.
    #[track_caller]
    pub fn accumulate(self, batches: usize) -> Self {
        self.checked(|settings| settings.accumulate = batches)
    }

    /// The seed of the sample order and of dropout. Defaults to 0.
    pub fn seed(self, seed: u64) -> Self {
        self.with(|settings| settings.seed = seed)
    }

    /// Changes the learning rate from epoch to epoch. Each parameter group starts from its own rate.
    pub fn schedule(self, schedule: impl Schedule + 'd) -> Self {
        Trainer { schedule: Box::new(schedule), pace: Pace::Epoch, ..self }
    }

    /// Changes the learning rate from update to update: the schedule counts updates. A schedule that follows a
    /// monitored value still receives it after each epoch.
    pub fn schedule_by_step(self, schedule: impl Schedule + 'd) -> Self {
        Trainer { pace: Pace::Step, ..self.schedule(schedule) }
    }

    /// The value passed to a schedule that follows one, such as [`ReduceOnPlateau`](crate::schedule::ReduceOnPlateau).
    /// Defaults to the validation loss, or the training loss if there is no validation. The value is passed unchanged:
    /// if higher is better, configure the schedule accordingly.
    ///
    /// ```
    /// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, metric::Metric, optim::Sgd};
    /// use nn::{schedule::{Goal, PlateauOptions, ReduceOnPlateau}, train::{Monitor, Trainer}};
    /// let plateau = ReduceOnPlateau::new(PlateauOptions { mode: Goal::Max, patience: 2, ..PlateauOptions::default() });
    /// let mut trainer = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.5))
    ///     .epochs(2)
    ///     .metric(Metric::accuracy())
    ///     .schedule(plateau)
    ///     .schedule_follows(Monitor::Named("accuracy".into()));
    /// trainer.fit(&mut Mlp::new(&[64, 16, 10]).build(), &digits::<f32>())?;
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    pub fn schedule_follows(self, monitor: Monitor) -> Self {
        self.with(|settings| settings.followed = monitor)
    }

    /// Adds a metric to measure in addition to the loss.
    pub fn metric(mut self, metric: Metric<T>) -> Self {
        self.metrics.push(metric);
        self
    }

    /// Data to validate the model on after each epoch. It is not used for training.
    pub fn validation(self, data: &'d dyn Dataset<T>) -> Self {
        Trainer { validation: Some(data), ..self }
    }

    /// Scales the gradients of a step down if their global norm exceeds this.
    ///
    /// # Panics
    /// Panics if it is negative, infinite or NaN.
    #[track_caller]
    pub fn clip_norm(self, norm: f64) -> Self {
        self.checked(|settings| settings.clip = Some(Clip::Norm(norm)))
    }

    /// Scales the gradient of each parameter down if its norm exceeds this.
    ///
    /// ```
    /// use nn::{loss::Mse, optim::Sgd, train::Trainer};
    /// let trainer = Trainer::new(Mse::new(), Sgd::<f32>::new(0.1)).clip_each_norm(0.5);
    /// # let _ = trainer;
    /// ```
    /// # Panics
    /// Panics if it is negative, infinite or NaN.
    #[track_caller]
    pub fn clip_each_norm(self, norm: f64) -> Self {
        self.checked(|settings| settings.clip = Some(Clip::EachNorm(norm)))
    }

    /// Clamps each gradient element to ± this value.
    ///
    /// ```
    /// use nn::{loss::Mse, optim::Sgd, train::Trainer};
    /// let trainer = Trainer::new(Mse::new(), Sgd::<f32>::new(0.1)).clip_value(0.01);
    /// # let _ = trainer;
    /// ```
    /// # Panics
    /// Panics if it is negative, infinite or NaN.
    #[track_caller]
    pub fn clip_value(self, value: f64) -> Self {
        self.checked(|settings| settings.clip = Some(Clip::Value(value)))
    }

    /// Adds `l1 · Σ |w|` over the weights (not the biases) to the loss.
    ///
    /// ```
    /// use nn::{loss::Mse, optim::Sgd, train::Trainer};
    /// let sparse = Trainer::new(Mse::new(), Sgd::<f32>::new(0.1)).l1(1e-3);
    /// # let _ = sparse;
    /// ```
    /// # Panics
    /// Panics if `l1` is negative, infinite or NaN.
    #[track_caller]
    pub fn l1(self, l1: f64) -> Self {
        self.checked(|settings| settings.l1 = l1)
    }

    /// Adds `l2 · Σ w²` over the weights (not the biases) to the loss.
    ///
    /// # Panics
    /// Panics if `l2` is negative, infinite or NaN.
    #[track_caller]
    pub fn l2(self, l2: f64) -> Self {
        self.checked(|settings| settings.l2 = l2)
    }

    /// Keeps an exponential moving average of the parameters over updates, with this decay: see [`Ema`](crate::optim::Ema). Validation and
    /// the final model use the averages.
    ///
    /// # Panics
    /// Panics if `decay` is not in `[0, 1)`.
    #[track_caller]
    pub fn ema(self, decay: f64) -> Self {
        self.checked(|settings| settings.ema = Some(decay))
    }

    /// Stops training when a monitored value no longer improves.
    ///
    /// # Panics
    /// Panics if the smallest improvement that counts is negative, infinite or NaN.
    #[track_caller]
    pub fn early_stopping(self, early_stopping: EarlyStopping) -> Self {
        self.checked(|settings| settings.early_stopping = Some(early_stopping))
    }

    /// Stops training when the training loss changes by less than this from one epoch to the next.
    ///
    /// # Panics
    /// Panics if it is negative, infinite or NaN.
    #[track_caller]
    pub fn tolerance(self, tolerance: f64) -> Self {
        self.checked(|settings| settings.tolerance = Some(tolerance))
    }

    /// Adds a callback. Callbacks run in the order in which they were added.
    ///
    /// ```
    /// use nn::{loss::Mse, optim::Sgd, train::{Callback, CallbackResult, Moment, Trainer}};
    /// /// Says when the loss rises.
    /// struct Watch(f64);
    /// impl Callback<f32> for Watch {
    ///     fn epoch_end(&mut self, at: &mut Moment<'_, f32>) -> CallbackResult {
    ///         if at.loss() > self.0 {
    ///             println!("epoch {}: the loss rose to {}", at.epoch(), at.loss());
    ///         }
    ///         self.0 = at.loss();
    ///         Ok(())
    ///     }
    /// }
    /// let trainer = Trainer::new(Mse::new(), Sgd::new(0.1)).callback(Watch(f64::INFINITY));
    /// # let _ = trainer;
    /// ```
    pub fn callback(mut self, callback: impl Callback<T> + 'd) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Adds a function to call after each batch.
    pub fn on_batch_end(self, f: impl FnMut(&mut Moment<'_, T>) + Send + 'd) -> Self {
        self.callback(Hook { on: Turn::BatchEnd, f })
    }

    /// Adds a function to call after each epoch and its validation.
    ///
    /// ```
    /// use nn::{loss::Mse, optim::Sgd, train::Trainer};
    /// let trainer = Trainer::new(Mse::new(), Sgd::<f32>::new(0.1)).on_epoch_end(|at| println!("{}: {}", at.epoch(), at.loss()));
    /// # let _ = trainer;
    /// ```
    pub fn on_epoch_end(self, f: impl FnMut(&mut Moment<'_, T>) + Send + 'd) -> Self {
        self.callback(Hook { on: Turn::EpochEnd, f })
    }

    /// Saves checkpoints during training, so that it can be [resumed](Trainer::resume).
    ///
    /// ```
    /// use nn::{loss::Mse, optim::Sgd, train::{Checkpoints, Trainer}};
    /// let trainer = Trainer::new(Mse::new(), Sgd::<f32>::new(0.1)).checkpoints(Checkpoints::new("run").every_epochs(5));
    /// # let _ = trainer;
    /// ```
    pub fn checkpoints(self, checkpoints: Checkpoints) -> Self {
        Trainer { checkpoints: Some(checkpoints), ..self }
    }

    /// Shows no progress: neither a bar on a terminal nor about ten lines elsewhere.
    pub fn quiet(self) -> Self {
        self.with(|settings| settings.quiet = true)
    }

    /// Shares the work with the other ranks of a [distributed](crate::distributed) run. Every rank runs the same program on
    /// the whole data. The batch size is the total over all ranks; each rank computes its [share](Sharing).
    ///
    /// The first rank's weights and optimizer state are given to all before the first step. Losses and metrics are those of
    /// all samples, on every rank; callbacks run on every rank; the first rank alone writes checkpoints and shows progress.
    /// If one rank stops, all do, before the next update; if one fails, all return an error. Before the first
    /// step, [`fit`](Trainer::fit) rejects ranks that differ in settings, model or data; this check takes a pass over the
    /// data.
    ///
    /// ```
    /// use nn::{data::digits, distributed::on_threads, layer::Mlp, loss::CrossEntropy, optim::Sgd, train::Trainer};
    /// let digits = digits::<f32>();
    /// let errors = on_threads(2, |rank| {
    ///     let size = if nn::distributed::Collective::rank(&rank) == 0 { 32 } else { 64 };
    ///     let trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).batch_size(size);
    ///     trainer.distributed(rank).fit(&mut Mlp::new(&[64, 10]).build(), &digits).unwrap_err().to_string()
    /// });
    /// assert!(errors[0].contains("the batch size of rank 1 is 64, but that of rank 0 is 32"));
    /// assert_eq!(errors[0], errors[1]);
    /// ```
    #[doc(alias = "DistributedDataParallel")]
    pub fn distributed(self, collective: impl Collective + 'd) -> Self {
        Trainer { collective: Some(Arc::new(collective)), ..self }
    }

    /// How the ranks of a [distributed](Trainer::distributed) run share each batch. Defaults to one shard for each rank.
    ///
    /// ```
    /// use nn::{data::digits, distributed::on_threads, layer::Mlp, loss::CrossEntropy, optim::Sgd};
    /// use nn::train::{Sharing, Trainer};
    /// let digits = digits::<f32>();
    /// let loss = |ranks| on_threads(ranks, |rank| {
    ///     let trainer = Trainer::new(CrossEntropy::new(), Sgd::new(0.1)).epochs(1).sharing(Sharing::Shards(2));
    ///     trainer.distributed(rank).fit(&mut Mlp::new(&[64, 10]).build(), &digits).unwrap().epochs[0].loss
    /// })[0];
    /// assert_eq!(loss(1), loss(2)); // the same bits
    /// ```
    pub fn sharing(self, sharing: Sharing) -> Self {
        self.with(|settings| settings.sharing = sharing)
    }

    /// Rounds the operands of matrix products, convolutions and attention to this precision in training, and those of their
    /// derivatives: see [`Tape::set_precision`](autograd::Tape::set_precision). Parameters, gradients, the state of the
    /// optimizer and everything else stay in the element type, and validation is in full precision. Defaults to
    /// [`Full`](Precision::Full).
    ///
    /// ```
    /// use autograd::Precision;
    /// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, metric::Metric, optim::Adam, train::Trainer};
    /// let (training, test) = digits::<f32>().split(0.8, 1)?;
    /// let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(1e-2))
    ///     .epochs(5)
    ///     .metric(Metric::accuracy())
    ///     .precision(Precision::Bf16);
    /// let mut model = Mlp::new(&[64, 32, 10]).seed(1).build();
    /// trainer.fit(&mut model, &training)?;
    /// assert!(trainer.evaluate(&model, &test)?.metrics[0] > 0.9);
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    #[doc(alias = "autocast")]
    #[doc(alias = "amp")]
    pub fn precision(self, precision: Precision) -> Self {
        self.with(|settings| settings.precision = precision)
    }

    /// Differentiates the loss times an adaptive scale, which keeps small gradients from underflow in products of
    /// [`F16`](Precision::F16). A batch whose loss or gradients overflow at its scale is skipped, and training continues;
    /// a [note](crate::train::History::notes) in the history counts them. Checkpoints hold the scale. See
    /// [`TrainStep::loss_scaling`](crate::train::TrainStep::loss_scaling). Defaults to no scaling.
    ///
    /// ```
    /// use autograd::Precision;
    /// use nn::{loss::Mse, optim::Sgd, train::{LossScaling, Trainer}};
    /// let trainer = Trainer::new(Mse::new(), Sgd::<f32>::new(0.1)).precision(Precision::F16);
    /// let trainer = trainer.loss_scaling(LossScaling { initial: 1024.0, ..LossScaling::default() });
    /// # let _ = trainer;
    /// ```
    /// # Panics
    /// Panics if the initial scale is not a power of two from 1 to 2¹⁰⁰, or the growth interval is 0.
    #[track_caller]
    pub fn loss_scaling(self, scaling: LossScaling) -> Self {
        self.checked(|settings| settings.loss_scaling = Some(scaling))
    }

    /// Records every step instead of [replaying](super#replay) it: slower, with the same bits.
    ///
    /// ```
    /// use nn::{loss::Mse, optim::Sgd, train::Trainer};
    /// let trainer = Trainer::new(Mse::new(), Sgd::<f32>::new(0.1)).recorded(); // to step through in a debugger, for example
    /// # let _ = trainer;
    /// ```
    pub fn recorded(self) -> Self {
        self.with(|settings| settings.replays = false)
    }
}
