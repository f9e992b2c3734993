//! The training loop of a [`Trainer`] over epochs and batches, and all state that changes in it.

use super::callback::{Callback, CallbackResult, Moment, Place, Sums};
use super::checkpoint::Files;
use super::error::{NonFinite, StepError, TrainError};
use super::history::{Epoch, History};
use super::progress::Progress;
use super::step::{Outcome, TrainStep};
use super::stopping::Convergence;
use super::trainer::{Clip, Pace, Trainer};
use crate::data::{Batch, DataError, DataLoader, Position};
use crate::optim::Ema;
use crate::{Module, clip, regularize};
use autograd::Float;
use std::time::Instant;

/// Minimum number of replays of a step before it is verified again. A verification takes about as long as three
/// replays, and an epoch may be a single batch.
const PROVEN_EVERY: usize = 32;

/// The state of a training run.
pub(super) struct Run<T: Float> {
    pub step: TrainStep<T>,
    /// Counted from 0.
    pub epoch: usize,
    /// Completed batches of the epoch.
    pub batch: usize,
    /// Batches per epoch.
    pub batches: usize,
    pub sums: Sums<T>,
    pub history: History,
    pub convergence: Convergence,
    pub ema: Option<Ema<T>>,
    /// The settings that must match for a checkpoint to be resumed.
    pub settings: Vec<(&'static str, String)>,
    /// The base rates of the schedule, one per parameter group.
    pub rates: Vec<f64>,
    pub progress: Progress,
    /// When this process started or resumed the epoch.
    pub clock: Instant,
}

impl<T: Float> Run<T> {
    /// Seconds spent on the epoch.
    pub(super) fn seconds(&self) -> f64 {
        self.sums.seconds + self.clock.elapsed().as_secs_f64()
    }
}

impl<T: Float> Trainer<'_, T> {
    /// Runs the remaining epochs, or fewer if training stops early.
    pub(super) fn run(
        &mut self,
        model: &mut dyn Module<T>,
        loader: &DataLoader<'_, T>,
        run: &mut Run<T>,
    ) -> Result<(), TrainError> {
        run.clock = Instant::now();
        self.announce(model, run, |callback, at| callback.train_begin(at))?;
        while run.history.stopped.is_none() && run.epoch < self.epochs {
            self.epoch(model, loader, run)?;
            run.clock = Instant::now();
        }
        if let Some(average) = &mut run.ema {
            average.swap(model);
        }
        self.announce(model, run, |callback, at| callback.train_end(at))
    }

    /// Runs the rest of an epoch, its validation, and saves a checkpoint if one is due.
    fn epoch(
        &mut self,
        model: &mut dyn Module<T>,
        loader: &DataLoader<'_, T>,
        run: &mut Run<T>,
    ) -> Result<(), TrainError> {
        self.set_rates(run, Pace::Epoch, run.epoch);
        run.step.prove_again(PROVEN_EVERY);
        if run.batch == 0 {
            self.announce(model, run, |callback, at| callback.epoch_begin(at))?;
        }
        let at = Position { epoch: run.epoch as u64, batch: run.batch };
        loader.prefetched(at, self.prefetch, |left| self.batches(model, left, run))?;
        // Validate with the averaged parameters, which the final model has. Swap back even after an error, so that
        // training continues from the model's own parameters.
        run.ema.iter_mut().for_each(|average| average.swap(model));
        let judged = self.judge(model, run);
        run.ema.iter_mut().for_each(|average| average.swap(model));
        judged?;
        (run.epoch, run.batch, run.sums) = (run.epoch + 1, 0, Sums::new(&self.metrics));
        let last = run.history.stopped.is_some() || run.epoch >= self.epochs;
        let due = |c: &super::Checkpoints| last || c.due_after_epoch(run.epoch) || c.due_after_step(run.step.steps());
        if self.checkpoints.as_ref().is_some_and(due) {
            self.save(model, run)?;
        }
        Ok(())
    }

    /// Ends an epoch: validates, adds an entry to the history, and notifies the schedule and the callbacks.
    fn judge(&mut self, model: &mut dyn Module<T>, run: &mut Run<T>) -> Result<(), TrainError> {
        let validation = self.validation.map(|data| self.evaluate(&*model, data)).transpose()?;
        let epoch = Epoch {
            epoch: run.epoch + 1,
            loss: run.sums.mean_loss(),
            metrics: run.sums.measures.iter().map(|measure| measure.value()).collect(),
            validation_loss: validation.as_ref().map(|v| v.loss),
            validation_metrics: validation.map(|v| v.metrics).unwrap_or_default(),
            learning_rate: self.optimizer.learning_rate(),
            seconds: run.seconds(),
        };
        self.schedule.observe(self.followed.value(&epoch, &run.history.metrics));
        run.history.epochs.push(epoch);
        self.announce(model, run, |callback, at| callback.epoch_end(at))
    }

    /// Runs the remaining batches of an epoch.
    fn batches(
        &mut self,
        model: &mut dyn Module<T>,
        left: &mut dyn Iterator<Item = Result<Batch<T>, DataError>>,
        run: &mut Run<T>,
    ) -> Result<(), TrainError> {
        let all = run.batches;
        for (i, batch) in (run.batch..).zip(left) {
            let (batch, last) = (batch?, i + 1 == all);
            let updates = last || (i + 1) % self.accumulate == 0;
            self.announce(model, run, |callback, at| callback.batch_begin(at))?;
            self.set_rates(run, Pace::Step, run.step.steps() as usize);
            let (epoch, number) = (run.epoch + 1, i + 1);
            let outcome = self.step(model, run, &batch, updates).map_err(|cause| cause.at(epoch, number))?;
            let (sum, count) = self.loss.sum_and_count(outcome.loss.f64(), &batch.targets);
            (run.sums.loss, run.sums.count) = (run.sums.loss + sum, run.sums.count + count);
            let mut noted = run.sums.measures.iter_mut().map(|m| m.add(&outcome.output, &batch.targets));
            noted.try_for_each(|noted| noted).map_err(|cause| TrainError::Loss { epoch, batch: number, cause })?;
            run.batch = number;
            self.announce(model, run, |callback, at| callback.batch_end(at))?;
            if run.history.stopped.is_some() {
                break;
            }
            // After the last batch, the epoch must be validated first; the checkpoint is saved after that.
            let steps = run.step.steps();
            if updates && !last && self.checkpoints.as_ref().is_some_and(|c| c.due_after_step(steps)) {
                self.save(model, run)?;
            }
        }
        Ok(())
    }

    /// Processes one batch: forward, loss and penalties, backward; and, if `updates`, clipping and update.
    fn step(
        &mut self,
        model: &mut dyn Module<T>,
        run: &mut Run<T>,
        batch: &Batch<T>,
        updates: bool,
    ) -> Result<Outcome<T>, StepError> {
        let (l1, l2, step) = (self.l1, self.l2, &mut run.step);
        let outcome = step.gradients_with(model, &*self.loss, batch, |model, pass| {
            let l1 = (l1 != 0.0).then(|| regularize::l1(model, pass) * T::of(l1));
            let l2 = (l2 != 0.0).then(|| regularize::l2(model, pass) * T::of(l2));
            match (l1, l2) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            }
        })?;
        if self.accumulate > 1 {
            step.accumulate(model, self.loss.sum_and_count(0.0, &batch.targets).1);
            if !updates {
                return Ok(outcome);
            }
            step.average();
        }
        self.clip(step)?;
        step.apply(model, &mut *self.optimizer);
        run.ema.iter_mut().for_each(|average| average.update(&*model));
        Ok(outcome)
    }

    fn clip(&self, step: &mut TrainStep<T>) -> Result<(), NonFinite> {
        match self.clip {
            Some(Clip::Norm(max)) => {
                // Each element is finite, but their norm may overflow; scaling by it would zero the gradients.
                let value = clip::by_norm(step.param_gradients_mut(), max);
                if !value.is_finite() {
                    return Err(NonFinite { what: "the norm of the gradients".into(), value, origin: None });
                }
            }
            Some(Clip::EachNorm(max)) => clip::each_by_norm(step.param_gradients_mut(), max),
            Some(Clip::Value(max)) => clip::by_value(step.param_gradients_mut(), max),
            None => (),
        }
        Ok(())
    }

    /// Sets the learning rates from the schedule, if it counts at this pace.
    fn set_rates(&mut self, run: &Run<T>, pace: Pace, count: usize) {
        if pace == self.pace {
            let (schedule, mut bases) = (&self.schedule, run.rates.iter());
            self.optimizer.for_each_rate(&mut |rate| {
                *rate = schedule.rate(count, *bases.next().expect("as many rates as when training began"));
            });
        }
    }

    /// Calls a hook of all callbacks, including the convergence checks and the progress display.
    fn announce(
        &mut self,
        model: &mut dyn Module<T>,
        run: &mut Run<T>,
        hook: impl Fn(&mut dyn Callback<T>, &mut Moment<'_, T>) -> CallbackResult,
    ) -> Result<(), TrainError> {
        let place = Place {
            epoch: run.epoch,
            epochs: self.epochs,
            batch: run.batch,
            batches: run.batches,
            step: run.step.steps(),
        };
        let learning_rate = self.optimizer.learning_rate();
        let Run { sums, history, convergence, progress, .. } = run;
        let mut at = Moment { model, metrics: &self.metrics, sums, history, place, learning_rate };
        // The convergence checks come first, so that the callbacks see their result.
        hook(convergence, &mut at).map_err(TrainError::Callback)?;
        for callback in &mut self.callbacks {
            hook(&mut **callback, &mut at).map_err(TrainError::Callback)?;
        }
        hook(progress, &mut at).map_err(TrainError::Callback)
    }

    fn save(&self, model: &dyn Module<T>, run: &Run<T>) -> Result<(), TrainError> {
        match &self.checkpoints {
            Some(checkpoints) => Ok(checkpoints.write(&Files::of(self, model, run))?),
            None => Ok(()),
        }
    }
}
