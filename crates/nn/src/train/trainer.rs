//! The loop over epochs and batches.

use super::error::{NonFinite, TrainError};
use super::evaluate::{Evaluation, Metric, evaluate, predict};
use super::history::{Epoch, History};
use super::progress::Progress;
use super::step::{Outcome, TrainStep};
use super::stopping::{Convergence, EarlyStopping};
use crate::data::{Batch, DataError, DataLoader, Dataset};
use crate::loss::Loss;
use crate::optim::Optimizer;
use crate::schedule::{Constant, Schedule};
use crate::{Module, clip, regularize};
use autograd::{Float, Tensor};
use std::time::Instant;

/// Trains a model on data, as Keras' `fit` does: a loss, an optimizer, and how long.
///
/// The model, the data and the seed fix the result to the bit, on any number of threads.
///
/// ```
/// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Adam, train::{EarlyStopping, Metric, Trainer}};
///
/// let (training, test) = digits::<f32>().split(0.8, 1)?;
/// let mut model = Mlp::new(&[64, 32, 10]).seed(1).build();
/// let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(1e-2))
///     .epochs(5)
///     .metric(Metric::accuracy())
///     .validation(&test)
///     .early_stopping(EarlyStopping::default());
/// let history = trainer.fit(&mut model, &training)?;
/// assert!(history.best().unwrap().validation_metric > Some(0.9));
/// # Ok::<(), nn::train::TrainError>(())
/// ```
pub struct Trainer<'d, T: Float> {
    loss: Box<dyn Loss<T> + 'd>,
    optimizer: Box<dyn Optimizer<T> + 'd>,
    schedule: Box<dyn Schedule + 'd>,
    metric: Option<Metric<T>>,
    validation: Option<&'d dyn Dataset<T>>,
    epochs: usize,
    batch_size: usize,
    seed: u64,
    clip: Option<Clip>,
    l1: f64,
    l2: f64,
    early_stopping: Option<EarlyStopping>,
    tolerance: Option<f64>,
    quiet: bool,
}

/// How gradients are kept small.
#[derive(Debug, Clone, Copy)]
enum Clip {
    Norm(f64),
    Value(f64),
}

impl<'d, T: Float> Trainer<'d, T> {
    /// Ten epochs in batches of 32, shuffled by seed 0, at the optimizer's own rate, until told otherwise.
    pub fn new(loss: impl Loss<T> + 'd, optimizer: impl Optimizer<T> + 'd) -> Self {
        Trainer {
            loss: Box::new(loss),
            optimizer: Box::new(optimizer),
            schedule: Box::new(Constant),
            metric: None,
            validation: None,
            epochs: 10,
            batch_size: 32,
            seed: 0,
            clip: None,
            l1: 0.0,
            l2: 0.0,
            early_stopping: None,
            tolerance: None,
            quiet: false,
        }
    }

    /// At most so many passes over the data.
    pub fn epochs(self, epochs: usize) -> Self {
        Trainer { epochs, ..self }
    }

    /// Samples per step.
    pub fn batch_size(self, batch_size: usize) -> Self {
        Trainer { batch_size, ..self }
    }

    /// What fixes the order of the samples and what dropout drops.
    pub fn seed(self, seed: u64) -> Self {
        Trainer { seed, ..self }
    }

    /// How the step size changes from epoch to epoch.
    pub fn schedule(self, schedule: impl Schedule + 'd) -> Self {
        Trainer { schedule: Box::new(schedule), ..self }
    }

    /// A number beside the loss that says how good the model is.
    pub fn metric(self, metric: Metric<T>) -> Self {
        Trainer { metric: Some(metric), ..self }
    }

    /// Data to judge the model on after each epoch; it does not learn from it.
    pub fn validation(self, data: &'d dyn Dataset<T>) -> Self {
        Trainer { validation: Some(data), ..self }
    }

    /// Scales the gradients of a step down to this norm, all together, where they exceed it.
    pub fn clip_norm(self, norm: f64) -> Self {
        Trainer { clip: Some(Clip::Norm(norm)), ..self }
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

    /// The convergence check by patience: ends when a number no longer improves.
    pub fn early_stopping(self, early_stopping: EarlyStopping) -> Self {
        Trainer { early_stopping: Some(early_stopping), ..self }
    }

    /// The convergence check by tolerance: ends when the training loss changes by less from one epoch to the next.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Trainer { tolerance: Some(tolerance), ..self }
    }

    /// No progress bar, on a terminal either.
    pub fn quiet(self) -> Self {
        Trainer { quiet: true, ..self }
    }

    /// Trains the model. Called again, it goes on from where the model and the optimizer are.
    ///
    /// # Errors
    /// Data that is empty or does not fit, a batch size of 0, and a loss or gradient that is not finite: that error names
    /// epoch and batch, and the model keeps the parameters of the last good step.
    ///
    /// # Panics
    /// If the inputs do not fit the model, as [`Module::forward`] does.
    pub fn fit(&mut self, model: &mut dyn Module<T>, data: &dyn Dataset<T>) -> Result<History, TrainError> {
        let loader = DataLoader::new(data, self.batch_size)?.shuffle(self.seed);
        self.check_validation(data)?;
        let mut step = TrainStep::new(self.seed);
        let metric_rises = self.metric.is_some_and(|m| m.rises);
        let mut convergence = Convergence::new(self.early_stopping, self.tolerance, metric_rises);
        let mut progress = Progress::new(self.epochs, loader.batches(), self.quiet);
        let mut history = History { metric: self.metric.map(|m| m.name), metric_rises, ..History::default() };
        let base = self.optimizer.learning_rate();
        let outcome = self.epochs_of(model, &loader, &mut step, &mut convergence, &mut progress, &mut history);
        // Also after an error, so that the next call starts from the same rate.
        self.optimizer.set_learning_rate(base);
        outcome?;
        convergence.restore(model);
        Ok(history)
    }

    /// All epochs, or as many as it takes.
    fn epochs_of(
        &mut self,
        model: &mut dyn Module<T>,
        loader: &DataLoader<'_, T>,
        step: &mut TrainStep<T>,
        convergence: &mut Convergence<T>,
        progress: &mut Progress,
        history: &mut History,
    ) -> Result<(), TrainError> {
        let base = self.optimizer.learning_rate();
        for index in 0..self.epochs {
            self.optimizer.set_learning_rate(self.schedule.rate(index, base));
            let epoch = self.epoch(index, model, loader, step, progress)?;
            self.schedule.observe(epoch.validation_loss.unwrap_or(epoch.loss));
            history.stopped = convergence.observe(&epoch, &*model);
            history.epochs.push(epoch);
            if history.stopped.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Loss and metric on data, in eval mode.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub fn evaluate(&self, model: &dyn Module<T>, data: &dyn Dataset<T>) -> Result<Evaluation, TrainError> {
        evaluate(model, &*self.loss, self.metric, data, self.batch_size)
    }

    /// What the model says to each input, in eval mode.
    ///
    /// # Errors
    /// As [`predict`].
    pub fn predict(&self, model: &dyn Module<T>, inputs: &Tensor<T>) -> Result<Tensor<T>, TrainError> {
        predict(model, inputs, self.batch_size)
    }

    /// One pass over the data.
    fn epoch(
        &mut self,
        index: usize,
        model: &mut dyn Module<T>,
        loader: &DataLoader<'_, T>,
        step: &mut TrainStep<T>,
        progress: &mut Progress,
    ) -> Result<Epoch, TrainError> {
        let (start, epoch) = (Instant::now(), index + 1);
        let (mut loss, mut metric, mut samples) = (0.0, 0.0, 0.0);
        for (i, batch) in loader.epoch(index as u64).enumerate() {
            let batch = batch?;
            let outcome = self.step(model, step, &batch).map_err(|cause| cause.at(epoch, i + 1))?;
            let weight = batch.targets.len() as f64;
            samples += weight;
            loss += weight * outcome.loss.f64();
            if let Some(wanted) = self.metric {
                let value = (wanted.of)(&outcome.output, &batch.targets);
                metric += weight * value.map_err(|cause| TrainError::Loss { epoch, batch: i + 1, cause })?;
            }
            progress.batch(epoch, || {
                let metric = self.metric.map(|m| format!("  {} {:.4}", m.name, metric / samples)).unwrap_or_default();
                format!("loss {:.4}{metric}  rate {:.2e}", loss / samples, self.optimizer.learning_rate())
            });
        }
        let validation = self.validation.map(|data| self.evaluate(&*model, data)).transpose()?;
        Ok(Epoch {
            epoch,
            loss: loss / samples,
            metric: self.metric.map(|_| metric / samples),
            validation_loss: validation.map(|v| v.loss),
            validation_metric: validation.and_then(|v| v.metric),
            learning_rate: self.optimizer.learning_rate(),
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    /// One batch: forward, loss and penalties, backward, clipping, update.
    fn step(
        &mut self,
        model: &mut dyn Module<T>,
        step: &mut TrainStep<T>,
        batch: &Batch<T>,
    ) -> Result<Outcome<T>, super::StepError> {
        let (l1, l2) = (self.l1, self.l2);
        let outcome = step.gradients_with(model, &*self.loss, batch, |model, pass| {
            let l1 = (l1 != 0.0).then(|| regularize::l1(model, pass) * T::of(l1));
            let l2 = (l2 != 0.0).then(|| regularize::l2(model, pass) * T::of(l2));
            match (l1, l2) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            }
        })?;
        match self.clip {
            Some(Clip::Norm(max)) => {
                // Each element is finite, the sum of their squares need not be; scaling by it would leave nothing.
                let value = clip::by_norm(step.param_gradients_mut(), max);
                if !value.is_finite() {
                    return Err(NonFinite { what: "the norm of the gradients".into(), value, origin: None }.into());
                }
            }
            Some(Clip::Value(max)) => clip::by_value(step.param_gradients_mut(), max),
            None => (),
        }
        step.apply(model, &mut *self.optimizer);
        Ok(outcome)
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
