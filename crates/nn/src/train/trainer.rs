//! [`Trainer`]: how a model is to be trained.

use super::callback::{Callback, Hook, Moment, Sums, Turn};
use super::checkpoint::{CheckpointError, Checkpoints, newest};
use super::error::TrainError;
use super::evaluate::{Evaluation, evaluate, predict};
use super::history::{History, Measured};
use super::monitor::Monitor;
use super::progress::Progress;
use super::run::Run;
use super::step::TrainStep;
use super::stopping::{Convergence, EarlyStopping};
use crate::Module;
use crate::data::{DataError, DataLoader, Dataset, Order};
use crate::loss::Loss;
use crate::metric::Metric;
use crate::once;
use crate::optim::{Ema, Optimizer};
use crate::schedule::{Constant, Schedule};
use autograd::{Float, Tensor};
use std::time::Instant;

/// Trains a model on data, as Keras' `fit` does: a loss, an optimizer, and how long.
///
/// The model, the data and the seed fix the result to the bit, on any number of threads, and also if the process is killed
/// and training [resumed](Trainer::resume).
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
    pub(super) metrics: Vec<Metric<T>>,
    pub(super) validation: Option<&'d dyn Dataset<T>>,
    pub(super) followed: Monitor,
    pub(super) epochs: usize,
    pub(super) batch_size: usize,
    pub(super) order: Order,
    pub(super) drop_last: bool,
    pub(super) prefetch: usize,
    pub(super) accumulate: usize,
    pub(super) seed: u64,
    pub(super) clip: Option<Clip>,
    pub(super) l1: f64,
    pub(super) l2: f64,
    pub(super) ema: Option<f64>,
    early_stopping: Option<EarlyStopping>,
    tolerance: Option<f64>,
    pub(super) callbacks: Vec<Box<dyn Callback<T> + 'd>>,
    pub(super) checkpoints: Option<Checkpoints>,
    quiet: bool,
    replays: bool,
}

/// How gradients are kept small.
#[derive(Debug, Clone, Copy)]
pub(super) enum Clip {
    Norm(f64),
    EachNorm(f64),
    Value(f64),
}

/// What a schedule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    Epoch,
    Step,
}

impl<'d, T: Float> Trainer<'d, T> {
    /// Ten epochs in batches of 32, shuffled by seed 0, at the optimizer's own rate, until told otherwise.
    pub fn new(loss: impl Loss<T> + 'd, optimizer: impl Optimizer<T> + 'd) -> Self {
        Trainer {
            loss: Box::new(loss),
            optimizer: Box::new(optimizer),
            schedule: Box::new(Constant),
            pace: Pace::Epoch,
            metrics: Vec::new(),
            validation: None,
            followed: Monitor::default(),
            epochs: 10,
            batch_size: 32,
            order: Order::Shuffled,
            drop_last: false,
            prefetch: 0,
            accumulate: 1,
            seed: 0,
            clip: None,
            l1: 0.0,
            l2: 0.0,
            ema: None,
            early_stopping: None,
            tolerance: None,
            callbacks: Vec::new(),
            checkpoints: None,
            quiet: false,
            replays: true,
        }
    }

    /// At most so many passes over the data.
    pub fn epochs(self, epochs: usize) -> Self {
        Trainer { epochs, ..self }
    }

    /// Samples per forward and backward pass.
    pub fn batch_size(self, batch_size: usize) -> Self {
        Trainer { batch_size, ..self }
    }

    /// Which samples an epoch takes, and in what order: shuffled, unless told.
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
        Trainer { order, ..self }
    }

    /// Whether a last batch smaller than the others is left out.
    pub fn drop_last(self, drop_last: bool) -> Self {
        Trainer { drop_last, ..self }
    }

    /// Makes up to so many batches in advance, on another thread: worth it where samples are read from files or augmented.
    /// None unless told. What comes out is the same to the bit.
    pub fn prefetch(self, batches: usize) -> Self {
        Trainer { prefetch: batches, ..self }
    }

    /// Updates once in so many batches, by the mean gradient of all their samples, as if they were one batch: for batches
    /// larger than memory. (Batch norm sees them one by one.) What is left at the end of an epoch is an update too. For
    /// losses that are means.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn accumulate(self, batches: usize) -> Self {
        assert!(batches > 0, "Trainer: an update needs at least one batch");
        Trainer { accumulate: batches, ..self }
    }

    /// What fixes the order of the samples and what dropout drops.
    pub fn seed(self, seed: u64) -> Self {
        Trainer { seed, ..self }
    }

    /// How the step size changes from epoch to epoch, in every parameter group from its own.
    pub fn schedule(self, schedule: impl Schedule + 'd) -> Self {
        Trainer { schedule: Box::new(schedule), pace: Pace::Epoch, ..self }
    }

    /// How the step size changes from update to update: the schedule counts those. One that follows a measure gets it after
    /// each epoch.
    pub fn schedule_by_step(self, schedule: impl Schedule + 'd) -> Self {
        Trainer { pace: Pace::Step, ..self.schedule(schedule) }
    }

    /// What a schedule gets that follows a measure, as [`ReduceOnPlateau`](crate::schedule::ReduceOnPlateau) does: the
    /// validation loss (the training loss, where there is no validation) unless told. The number as it is: where more is
    /// better, the schedule is to know it.
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
        Trainer { followed: monitor, ..self }
    }

    /// One more number beside the loss that says how good the model is.
    pub fn metric(mut self, metric: Metric<T>) -> Self {
        self.metrics.push(metric);
        self
    }

    /// Data to judge the model on after each epoch; it does not learn from it.
    pub fn validation(self, data: &'d dyn Dataset<T>) -> Self {
        Trainer { validation: Some(data), ..self }
    }

    /// Scales the gradients of a step down to this norm, all together, where they exceed it.
    pub fn clip_norm(self, norm: f64) -> Self {
        Trainer { clip: Some(Clip::Norm(norm)), ..self }
    }

    /// Scales the gradient of each parameter down to this norm where it exceeds it.
    pub fn clip_each_norm(self, norm: f64) -> Self {
        Trainer { clip: Some(Clip::EachNorm(norm)), ..self }
    }

    /// Cuts each gradient element at ± this value.
    pub fn clip_value(self, value: f64) -> Self {
        Trainer { clip: Some(Clip::Value(value)), ..self }
    }

    /// Adds `l1 · Σ |w|` over the weights (not the biases) to the loss.
    pub fn l1(self, l1: f64) -> Self {
        Trainer { l1, ..self }
    }

    /// Adds `l2 · Σ w²` over the weights (not the biases) to the loss.
    pub fn l2(self, l2: f64) -> Self {
        Trainer { l2, ..self }
    }

    /// Averages the parameters over updates, of which this part is kept each time: see [`Ema`]. The model is validated, and
    /// left at the end, with the averages.
    ///
    /// # Panics
    /// If it is not in `[0, 1)`.
    #[track_caller]
    pub fn ema(self, decay: f64) -> Self {
        drop(Ema::<T>::new(decay)); // its check
        Trainer { ema: Some(decay), ..self }
    }

    /// The convergence check by patience: ends when a number no longer improves.
    pub fn early_stopping(self, early_stopping: EarlyStopping) -> Self {
        Trainer { early_stopping: Some(early_stopping), ..self }
    }

    /// The convergence check by tolerance: ends when the training loss changes by less from one epoch to the next.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Trainer { tolerance: Some(tolerance), ..self }
    }

    /// Something that happens at the turns of training. Callbacks are called in the order in which they were added.
    pub fn callback(mut self, callback: impl Callback<T> + 'd) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// A function that is called after each batch.
    pub fn on_batch_end(self, f: impl FnMut(&mut Moment<'_, T>) + Send + 'd) -> Self {
        self.callback(Hook { on: Turn::BatchEnd, f })
    }

    /// A function that is called after each epoch and its validation.
    pub fn on_epoch_end(self, f: impl FnMut(&mut Moment<'_, T>) + Send + 'd) -> Self {
        self.callback(Hook { on: Turn::EpochEnd, f })
    }

    /// Saves the training as it goes, so that it can be [resumed](Trainer::resume).
    pub fn checkpoints(self, checkpoints: Checkpoints) -> Self {
        Trainer { checkpoints: Some(checkpoints), ..self }
    }

    /// No progress: no bar on a terminal, no line for each epoch elsewhere.
    pub fn quiet(self) -> Self {
        Trainer { quiet: true, ..self }
    }

    /// Every step recorded anew, none [replayed](super#replay): the same bits, more slowly.
    pub fn recorded(self) -> Self {
        Trainer { replays: false, ..self }
    }

    /// Trains the model. Called again, it goes on from where the model and the optimizer are.
    ///
    /// # Errors
    /// Data that is empty or that the model cannot take, a batch size of 0, and a loss or gradient that is not finite: that error names
    /// epoch and batch, and the model keeps the parameters of the last good step. A callback that fails; a checkpoint that
    /// cannot be written, or a folder that has checkpoints already.
    pub fn fit(&mut self, model: &mut dyn Module<T>, data: &dyn Dataset<T>) -> Result<History, TrainError> {
        fit(self, model, data)
    }

    /// Goes on from the newest whole checkpoint, and does what [`fit`](Trainer::fit) would have done, bit for bit, had it not
    /// been stopped; only the seconds differ. The trainer, the model and the data are to be made as they were. Without a
    /// checkpoint, training begins; from one of a training that is over, the model and the history are as at its end.
    ///
    /// That damaged checkpoints were passed over stands in the [notes](History::notes) of the history.
    ///
    /// # Errors
    /// As [`fit`](Trainer::fit); if there is no folder to resume from; if no checkpoint in it is whole; if the newest whole
    /// one is of another training.
    pub fn resume(&mut self, model: &mut dyn Module<T>, data: &dyn Dataset<T>) -> Result<History, TrainError> {
        resume(self, model, data)
    }

    /// Trains the model from where `begin` puts it.
    fn train(
        &mut self,
        model: &mut dyn Module<T>,
        data: &dyn Dataset<T>,
        begin: impl FnOnce(&mut Self, &mut dyn Module<T>, &mut Run<T>) -> Result<(), CheckpointError>,
    ) -> Result<History, TrainError> {
        let loader = DataLoader::new(data, self.batch_size)?.ordered(&self.order, self.seed)?.drop_last(self.drop_last);
        if loader.batches() == 0 {
            return Err(DataError::NoBatch { samples: data.len(), batch_size: self.batch_size }.into());
        }
        self.check_validation(data)?;
        let mut run = self.start(data.len(), loader.batches())?;
        begin(self, model, &mut run)?;
        let outcome = self.run(model, &loader, &mut run);
        // Also after an error, so that the next call starts from the same rates.
        let mut bases = run.rates.iter();
        self.optimizer.for_each_rate(&mut |rate| *rate = *bases.next().expect("as many rates as before"));
        let recorded = run.step.recorded_because().map(|why| format!("some steps were recorded, not replayed: {why}"));
        run.history.notes.extend(recorded);
        outcome.map(|()| run.history)
    }

    /// A training that has not begun.
    fn start(&mut self, samples: usize, batches: usize) -> Result<Run<T>, TrainError> {
        let measured = |metric: &Metric<T>| Measured { name: metric.name().to_owned(), rises: metric.rises() };
        let metrics: Vec<Measured> = self.metrics.iter().map(measured).collect();
        let stopping = self.early_stopping.as_ref().map(|early| ("early stopping", &early.monitor));
        for (who, monitor) in stopping.into_iter().chain([("the schedule", &self.followed)]) {
            monitor.place(&metrics).map_err(|name| TrainError::Unmeasured { who, name })?;
        }
        let convergence = Convergence::new(self.early_stopping.clone(), self.tolerance);
        let mut rates = Vec::new();
        self.optimizer.for_each_rate(&mut |rate| rates.push(*rate));
        Ok(Run {
            step: if self.replays { TrainStep::new(self.seed).replaying() } else { TrainStep::new(self.seed) },
            epoch: 0,
            batch: 0,
            batches,
            sums: Sums::new(&self.metrics),
            history: History { metrics, ..History::default() },
            convergence: if self.checkpoints.is_some() { convergence.keeping_best() } else { convergence },
            ema: self.ema.map(Ema::new),
            settings: self.settings(samples, &rates),
            rates,
            progress: Progress::new(self.quiet),
            clock: Instant::now(),
        })
    }

    /// How many numbers an epoch of the history has.
    pub(super) fn columns(&self) -> usize {
        let metrics = self.metrics.len();
        3 + metrics + if self.validation.is_some() { 1 + metrics } else { 0 }
    }

    /// Loss and metrics on data, in eval mode.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub fn evaluate(&self, model: &dyn Module<T>, data: &dyn Dataset<T>) -> Result<Evaluation, TrainError> {
        evaluate(model, &*self.loss, &self.metrics, data, self.batch_size)
    }

    /// What the model says to each input, in eval mode.
    ///
    /// # Errors
    /// As [`predict`].
    pub fn predict(&self, model: &dyn Module<T>, inputs: &Tensor<T>) -> Result<Tensor<T>, TrainError> {
        predict(model, inputs, self.batch_size)
    }

    /// Validation samples must look like training samples, and better now than after the first epoch.
    fn check_validation(&self, data: &dyn Dataset<T>) -> Result<(), TrainError> {
        let Some(validation) = self.validation else { return Ok(()) };
        if validation.is_empty() {
            return Err(DataError::Empty.into());
        }
        let shape = |data: &dyn Dataset<T>| data.batch(&[0]).map(|batch| batch.inputs.shape()[1..].into());
        let (training, validation): (autograd::Shape, autograd::Shape) = (shape(data)?, shape(validation)?);
        if training == validation { Ok(()) } else { Err(TrainError::Validation { training, validation }) }
    }
}

once! {
    fn fit<'d, T>(
        trainer: &mut Trainer<'d, T>,
        model: &mut dyn Module<T>,
        data: &dyn Dataset<T>,
    ) -> Result<History, TrainError> {
        let folder = trainer.checkpoints.as_ref().map(Checkpoints::folder);
        if let Some(folder) = folder
            && !matches!(newest(folder), Ok(None))
        {
            return Err(CheckpointError::Occupied { folder: folder.into() }.into());
        }
        trainer.train(model, data, |_, _, _| Ok(()))
    }
}

once! {
    fn resume<'d, T>(
        trainer: &mut Trainer<'d, T>,
        model: &mut dyn Module<T>,
        data: &dyn Dataset<T>,
    ) -> Result<History, TrainError> {
        let checkpoints = trainer.checkpoints.as_ref().ok_or(CheckpointError::NoFolder)?;
        checkpoints.remove_leftovers();
        let folder = checkpoints.folder().to_owned();
        trainer.train(model, data, |trainer, model, run| {
            let Some((path, files, damaged)) = newest(&folder)? else { return Ok(()) };
            let note = |error| format!("{error}; resumed from {}", path.display());
            run.history.notes.extend(damaged.iter().map(note));
            files.restore(&path, trainer, model, run)
        })
    }
}
