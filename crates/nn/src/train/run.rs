//! A training run: the loop over epochs defined by a [`Trainer`]'s settings, and all state that changes in it.
//! [`batch`](self::batch) is one batch of it; [`shared`](self::shared) is one that several ranks share;
//! [`saved`](self::saved) is what a checkpoint holds of it.

mod batch;
mod saved;
mod shared;

pub(super) use batch::{check_and_clip, penalty};

use super::callback::{Callback, CallbackResult, Moment, Place, Sums};
use super::checkpoint::Checkpoints;
use super::error::TrainError;
use super::history::{Epoch, History, Measured};
use super::progress::Progress;
use super::scaling::Scale;
use super::settings::Settings;
use super::step::TrainStep;
use super::stopping::Convergence;
use super::team::Team;
use super::trainer::{Pace, Trainer};
use crate::data::{DataError, DataLoader, Dataset, Position};
use crate::metric::Metric;
use crate::optim::{Ema, Optimizer};
use crate::{Model, Path};
use autograd::Float;
use std::time::Instant;

/// Minimum number of replays of a step before it is verified again. A verification takes about as long as three
/// replays, and an epoch may be a single batch.
const PROVEN_EVERY: usize = 32;

/// A training run.
pub(super) struct Run<'a, 'd, T: Float> {
    /// The settings, with the optimizer, the schedule and the callbacks, which have their own state.
    trainer: &'a mut Trainer<'d, T>,
    model: &'a mut dyn Model<T>,
    loader: &'a DataLoader<'a, T>,
    /// The ranks that share the work, if there are any.
    team: Option<Team<'d, T>>,
    step: TrainStep<T>,
    /// Counted from 0.
    epoch: usize,
    /// Completed batches of the epoch.
    batch: usize,
    /// Batches per epoch.
    batches: usize,
    sums: Sums<T>,
    history: History,
    convergence: Convergence,
    ema: Option<Ema<T>>,
    /// What must match for a checkpoint to be resumed; empty if none are saved.
    settings: Vec<(&'static str, String)>,
    /// The base rates of the schedule, one per parameter group.
    rates: Vec<f64>,
    progress: Progress,
    /// When this process started or resumed the epoch.
    clock: Instant,
}

/// The batches of the training data, or a team's shards of them. They must exist and must fit the validation data, which is
/// checked before the first epoch rather than after it.
pub(super) fn loader<'a, T: Float>(
    trainer: &Trainer<'_, T>,
    data: &'a dyn Dataset<T>,
    team: Option<&Team<'_, T>>,
) -> Result<DataLoader<'a, T>, TrainError> {
    let Trainer { validation, settings: Settings { batch_size, order, seed, drop_last, .. }, .. } = trainer;
    let mut loader = DataLoader::new(data, *batch_size)?.ordered(order, *seed)?.drop_last(*drop_last);
    if let Some(team) = team {
        team.check(trainer)?;
        loader = loader.sharded(team.mine.clone(), team.shards);
    }
    if loader.batches() == 0 {
        return Err(DataError::NoBatch { samples: data.len(), batch_size: *batch_size }.into());
    }
    let Some(validation) = *validation else { return Ok(loader) };
    if validation.is_empty() {
        return Err(DataError::Empty.into());
    }
    let first = |data: &dyn Dataset<T>| data.samples(0, &[0]).map(|samples| samples.inputs);
    let (training, validation) = (first(data)?, first(validation)?);
    if training.is_like(&validation) {
        return Ok(loader);
    }
    Err(TrainError::Validation { training: training.samples_told(), validation: validation.samples_told() })
}

/// Returns an error if all parameters are frozen, or the optimizer cannot train the model.
pub(super) fn trainable<T: Float>(model: &dyn Model<T>, optimizer: &dyn Optimizer<T>) -> Result<(), TrainError> {
    let (mut parameters, mut any) = (0, false);
    model.visit(&mut Path::default(), &mut |_, param| {
        parameters += usize::from(!param.is_buffer());
        any |= param.is_trainable();
    });
    if !any {
        return Err(TrainError::NothingToTrain { parameters });
    }
    optimizer.check(model).map_err(|problem| TrainError::Optimizer { problem })
}

/// Returns an error if the optimizer searches, and the settings do not allow that.
fn searchable<T: Float>(trainer: &Trainer<'_, T>, loader: &DataLoader<'_, T>) -> Result<(), TrainError> {
    let wrong = |problem: String| Err(TrainError::Search { problem });
    if !trainer.optimizer.searches() {
        return Ok(());
    }
    if trainer.settings.loss_scaling.is_some() {
        return wrong("it needs every loss that it evaluates: do not scale the loss".into());
    }
    if loader.batches() != 1 {
        let (samples, size) = (loader.samples(), trainer.settings.batch_size);
        return wrong(format!(
            "it needs all {samples} samples in one batch: set batch_size({samples}) instead of {size}"
        ));
    }
    match trainer.settings.clip {
        Some(_) => wrong("it needs the gradients as they are: do not clip them".into()),
        None => Ok(()),
    }
}

/// The note in the history about an epoch whose validation loss is NaN.
fn without_validation_loss(epoch: &Epoch) -> Option<String> {
    let why = "the data, or an output of the model, is not a number";
    let is_nan = epoch.validation_loss.is_some_and(f64::is_nan);
    is_nan.then(|| format!("the validation loss of epoch {} is NaN: {why}", epoch.epoch))
}

/// The note in the history about updates without targets that count.
fn skipped(updates: u64) -> Option<String> {
    let (were, their) = if updates == 1 { ("update was", "its") } else { ("updates were", "their") };
    let why = "targets count: every label is ignored, or every weight is 0";
    (updates > 0).then(|| format!("{updates} {were} skipped, because none of {their} {why}"))
}

/// The note in the history about passes that overflowed.
fn overflowed(scale: &Scale) -> Option<String> {
    let (n, factor) = (scale.overflows, scale.factor);
    let were = if n == 1 { "pass was" } else { "passes were" };
    let why = "the loss or a gradient was infinite or NaN at its scale";
    (n > 0).then(|| format!("{n} {were} skipped, because {why}; the scale of the loss is {factor} now"))
}

/// A step with a trainer's settings, which records.
pub(super) fn step_of<T: Float>(trainer: &Trainer<'_, T>) -> TrainStep<T> {
    let step = TrainStep::new(trainer.settings.seed).precision(trainer.settings.precision);
    match trainer.settings.loss_scaling {
        Some(scaling) => step.loss_scaling(scaling),
        None => step,
    }
}

/// A method of a callback.
type Hook<'f, T> = dyn Fn(&mut dyn Callback<T>, &mut Moment<'_, T>) -> CallbackResult + 'f;

impl<'a, 'd, T: Float> Run<'a, 'd, T> {
    /// A run at its start.
    pub(super) fn new(
        trainer: &'a mut Trainer<'d, T>,
        model: &'a mut dyn Model<T>,
        loader: &'a DataLoader<'a, T>,
        data: &dyn Dataset<T>,
    ) -> Result<Self, TrainError> {
        let measured = |metric: &Metric<T>| Measured { name: metric.name().to_owned(), rises: metric.rises() };
        let metrics: Vec<Measured> = trainer.metrics.iter().map(measured).collect();
        let stopping = trainer.settings.early_stopping.as_ref().map(|early| ("early stopping", &early.monitor));
        for (who, monitor) in stopping.into_iter().chain([("the schedule", &trainer.settings.followed)]) {
            monitor.place(&metrics).map_err(|name| TrainError::Unmeasured { who, name })?;
        }
        trainable(&*model, &*trainer.optimizer)?;
        searchable(trainer, loader)?;
        let convergence = Convergence::new(trainer.settings.early_stopping.clone(), trainer.settings.tolerance);
        let mut rates = Vec::new();
        trainer.optimizer.for_each_rate(&mut |rate| rates.push(*rate));
        // Only a checkpoint and other ranks need them, and they take a pass over the data.
        let team = Team::of(trainer);
        let settings = match trainer.checkpoints.is_some() || team.is_some() {
            true => trainer.compared(&*model, data, &rates)?,
            false => Vec::new(),
        };
        let step = step_of(trainer);
        Ok(Run {
            step: if trainer.settings.replays { step.replaying() } else { step },
            epoch: 0,
            batch: 0,
            batches: loader.batches(),
            sums: Sums::new(&trainer.metrics),
            history: History { metrics, ..History::default() },
            convergence: if trainer.checkpoints.is_some() { convergence.keeping_best() } else { convergence },
            ema: trainer.settings.ema.map(Ema::new),
            settings,
            rates,
            progress: Progress::new(trainer.settings.quiet || team.as_ref().is_some_and(|team| !team.leads())),
            team,
            clock: Instant::now(),
            trainer,
            model,
            loader,
        })
    }

    /// Runs what remains, and returns its history.
    pub(super) fn finish(mut self) -> Result<History, TrainError> {
        let outcome = self.epochs();
        // Also after an error, so that the next run starts from the same rates.
        let mut bases = self.rates.iter();
        self.trainer.optimizer.for_each_rate(&mut |rate| *rate = *bases.next().expect("as many rates as before"));
        let recorded = self.step.recorded_because().map(|why| format!("some steps were recorded, not replayed: {why}"));
        // Of the epochs before a checkpoint, too.
        self.history.notes.extend(self.history.epochs.iter().filter_map(without_validation_loss));
        self.history.notes.extend(recorded);
        self.history.notes.extend(self.step.unlisted());
        self.history.notes.extend(skipped(self.step.skipped()));
        self.history.notes.extend(self.step.scale().and_then(overflowed));
        outcome.map(|()| self.history)
    }

    /// Runs the remaining epochs, or fewer if training stops early.
    fn epochs(&mut self) -> Result<(), TrainError> {
        self.clock = Instant::now();
        self.announce(&|callback, at| callback.train_begin(at))?;
        self.stop_together()?;
        while !self.is_over() {
            self.epoch()?;
            self.clock = Instant::now();
        }
        self.swap_averages();
        let ended = self.announce(&|callback, at| callback.train_end(at));
        if ended.is_err() {
            // After an error, the model has its own parameters.
            self.swap_averages();
        }
        ended
    }

    fn is_over(&self) -> bool {
        self.history.stopped.is_some() || self.epoch >= self.trainer.settings.epochs
    }

    /// Runs the rest of an epoch and its validation, and saves a checkpoint if one is due.
    fn epoch(&mut self) -> Result<(), TrainError> {
        self.set_rates(Pace::Epoch, self.epoch);
        self.step.prove_again(PROVEN_EVERY);
        if self.batch == 0 {
            self.announce(&|callback, at| callback.epoch_begin(at))?;
        }
        let at = Position { epoch: self.epoch as u64, batch: self.batch };
        self.loader.prefetched_samples(at, self.trainer.settings.prefetch, |left| self.batches(left))?;
        // Validate with the averaged parameters, which the final model has. Swap back even after an error, so that
        // training continues from the model's own parameters.
        self.swap_averages();
        let judged = self.judge();
        self.swap_averages();
        judged?;
        (self.epoch, self.batch, self.sums) = (self.epoch + 1, 0, Sums::new(&self.trainer.metrics));
        self.close_epoch()?;
        let (epochs, steps, over) = (self.epoch, self.step.steps(), self.is_over());
        self.save_if(|checkpoints| over || checkpoints.due_after_epoch(epochs) || checkpoints.due_after_step(steps))
    }

    /// Ends an epoch: validates, adds an entry to the history, and notifies the schedule and the callbacks.
    fn judge(&mut self) -> Result<(), TrainError> {
        let evaluate = |data| match self.team {
            Some(_) => self.evaluate_together(data),
            None => self.trainer.evaluate(&*self.model, data),
        };
        let validation = self.trainer.validation.map(evaluate).transpose()?;
        let values = |parts: Vec<(String, f64)>| parts.into_iter().map(|(_, value)| value).collect::<Vec<f64>>();
        self.history.parts = self.sums.parts.iter().map(|part| part.name.clone()).collect();
        let epoch = Epoch {
            epoch: self.epoch + 1,
            loss: self.sums.loss_so_far(&*self.trainer.loss),
            metrics: self.sums.measures.iter().map(|measure| measure.value()).collect(),
            parts: values(self.sums.mean_parts()),
            validation_loss: validation.as_ref().map(|v| v.loss),
            validation_parts: validation.as_ref().map(|v| values(v.parts.clone())).unwrap_or_default(),
            validation_metrics: validation.map(|v| v.metrics).unwrap_or_default(),
            learning_rate: self.trainer.optimizer.learning_rate(),
            seconds: self.seconds(),
        };
        let followed = self.trainer.settings.followed.value(&epoch, &self.history.metrics);
        self.trainer.schedule.observe(followed);
        self.history.epochs.push(epoch);
        self.announce(&|callback, at| callback.epoch_end(at))
    }

    /// Seconds spent on the epoch.
    fn seconds(&self) -> f64 {
        self.sums.seconds + self.clock.elapsed().as_secs_f64()
    }

    /// Exchanges the model's parameters and their averages, if any are kept.
    fn swap_averages(&mut self) {
        if let Some(average) = &mut self.ema {
            average.swap(&mut *self.model);
        }
    }

    /// Sets the learning rates from the schedule, if it counts at this pace.
    fn set_rates(&mut self, pace: Pace, count: usize) {
        let Trainer { schedule, optimizer, pace: counted, .. } = &mut *self.trainer;
        if pace == *counted {
            let mut bases = self.rates.iter();
            optimizer.for_each_rate(&mut |rate| {
                *rate = schedule.rate(count, *bases.next().expect("as many rates as when training began"));
            });
        }
    }

    /// Calls a hook of all callbacks, including the convergence checks and the progress display.
    fn announce(&mut self, hook: &Hook<'_, T>) -> Result<(), TrainError> {
        let Run { trainer, model, sums, history, convergence, progress, .. } = self;
        let Trainer { loss, metrics, callbacks, optimizer, settings, .. } = &mut **trainer;
        let place = Place {
            epoch: self.epoch,
            epochs: settings.epochs,
            batch: self.batch,
            batches: self.batches,
            samples: self.loader.samples(),
            step: self.step.steps(),
        };
        let learning_rate = optimizer.learning_rate();
        let mut at = Moment { model: &mut **model, loss: &**loss, metrics, sums, history, place, learning_rate };
        // The convergence checks come first, so that the callbacks see their result.
        hook(convergence, &mut at).map_err(TrainError::Callback)?;
        for callback in callbacks {
            hook(&mut **callback, &mut at).map_err(TrainError::Callback)?;
        }
        hook(progress, &mut at).map_err(TrainError::Callback)
    }

    /// Saves a checkpoint if there is a folder for it and one is due.
    fn save_if(&self, due: impl FnOnce(&Checkpoints) -> bool) -> Result<(), TrainError> {
        let writes = self.team.as_ref().is_none_or(Team::leads);
        match &self.trainer.checkpoints {
            Some(checkpoints) if writes && due(checkpoints) => Ok(checkpoints.write(&self.saved())?),
            Some(_) | None => Ok(()),
        }
    }
}
