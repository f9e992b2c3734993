//! One batch of a training run: the step with its penalties, clipping and accumulation, and what is noted of its
//! outcome.

use super::Run;
use crate::data::{DataError, Samples};
use crate::io::StateDict;
use crate::train::error::{NonFinite, StepError, TrainError};
use crate::train::finite::check_finite;
use crate::train::objective::Outcome;
use crate::train::settings::{Clip, Settings};
use crate::train::step::TrainStep;
use crate::train::trainer::{Pace, Trainer};
use crate::{Model, Pass, Path, clip, regularize};
use autograd::{Float, Tensor, Var};

impl<T: Float> Run<'_, '_, T> {
    /// Runs the remaining batches of an epoch.
    pub(super) fn batches(
        &mut self,
        left: &mut dyn Iterator<Item = Result<Samples<T>, DataError>>,
    ) -> Result<(), TrainError> {
        if self.team.is_some() {
            return self.shared_batches(left);
        }
        for batch in left {
            let (batch, number) = (batch?, self.batch + 1);
            let last = number == self.batches;
            let updates = last || number % self.trainer.settings.accumulate == 0;
            self.announce(&|callback, at| callback.batch_begin(at))?;
            if self.history.stopped.is_some() {
                break;
            }
            self.set_rates(Pace::Step, self.step.steps() as usize);
            let (before, overflows) = (self.step.steps(), self.step.overflows());
            let outcome = self.step(&batch, updates).map_err(|cause| cause.at(self.epoch + 1, number))?;
            if self.step.overflows() == overflows {
                self.note(&outcome, &batch, number)?;
            } else {
                self.sums.overflow(&outcome);
            }
            self.batch = number;
            self.announce(&|callback, at| callback.batch_end(at))?;
            if self.history.stopped.is_some() {
                break;
            }
            // After the last batch, the epoch must be validated first; the checkpoint is saved after that.
            let steps = self.step.steps();
            self.save_if(|checkpoints| steps > before && !last && checkpoints.due_after_step(steps))?;
        }
        Ok(())
    }

    /// Adds the loss and the metrics of a batch to the sums over the epoch.
    fn note(&mut self, outcome: &Outcome<T>, batch: &Samples<T>, number: usize) -> Result<(), TrainError> {
        let Trainer { loss, metrics, .. } = &*self.trainer;
        let noted = self.sums.add(&**loss, metrics, outcome, batch);
        noted.map_err(|cause| TrainError::Loss { epoch: self.epoch + 1, batch: number, cause })
    }

    /// Processes one batch: forward, loss and penalties, backward; and, if `updates`, clipping and update.
    fn step(&mut self, batch: &Samples<T>, updates: bool) -> Result<Outcome<T>, StepError> {
        let Run { trainer, model, step, .. } = self;
        let Trainer { loss, optimizer, settings, .. } = &mut **trainer;
        if optimizer.searches() {
            return self.search(batch);
        }
        let outcome = step.gradients_with(&**model, &**loss, batch, |model, pass| penalty(model, pass, settings))?;
        if settings.accumulate > 1 {
            step.accumulate(&mut **model, loss.sum_and_count_of(0.0, batch).1);
            if !updates {
                return Ok(outcome);
            }
            step.average();
        }
        self.update()?;
        Ok(outcome)
    }

    /// Clips the gradients and applies the update.
    pub(super) fn update(&mut self) -> Result<(), NonFinite> {
        let Run { trainer, model, step, ema, team, .. } = self;
        let Trainer { optimizer, settings, .. } = &mut **trainer;
        check_and_clip(&**model, step, settings, team.is_some())?;
        if step.apply(&mut **model, &mut **optimizer)
            && let Some(average) = ema
        {
            average.update(&**model);
        }
        Ok(())
    }
}

impl<T: Float> Run<'_, '_, T> {
    /// Processes one batch, which is all the data, by an optimizer that evaluates the loss at several points, all with
    /// the same random numbers. After an error, the model is restored and the optimizer restarts.
    fn search(&mut self, batch: &Samples<T>) -> Result<Outcome<T>, StepError> {
        let Run { trainer, model, step, ema, .. } = self;
        let Trainer { loss, optimizer, settings, .. } = &mut **trainer;
        let mut before: Vec<Tensor<T>> = Vec::new();
        model.visit(&mut Path::default(), &mut |_, param| before.push(param.value().clone()));
        let at = |step: &mut TrainStep<T>, model: &dyn Model<T>| {
            step.repeat_noise();
            step.gradients_with(model, &**loss, batch, |model, pass| penalty(model, pass, settings))
        };
        let first = at(step, &**model)?;
        let (mut failed, mut start) = (None, Some(first.total));
        optimizer.search(&mut **model, &mut |model, gradients| {
            // The starting point has been evaluated.
            let total = match start.take() {
                Some(total) => Ok(total),
                None => at(step, model).map(|outcome| outcome.total),
            };
            match total {
                Ok(total) => {
                    gradients.clone_from(step.param_gradients());
                    total.f64()
                }
                Err(error) => {
                    failed = Some(error);
                    f64::NAN
                }
            }
        });
        // An earlier point of the line search may have failed, but not the final one.
        if failed.is_some()
            && let Err(error) = at(step, &**model)
        {
            let mut before = before.into_iter();
            model.visit_mut(&mut Path::default(), &mut |_, param| param.set(before.next().expect("as many as before")));
            let forgot = optimizer.load_state(&**model, &StateDict::new());
            debug_assert!(forgot.is_ok(), "an optimizer takes the state of its start");
            return Err(error);
        }
        if step.searched(&mut **model)
            && let Some(average) = ema
        {
            average.update(&**model);
        }
        Ok(first)
    }
}

/// The sum of the penalties whose factor is not 0.
pub(in crate::train) fn penalty<'t, T: Float>(
    model: &dyn Model<T>,
    pass: &Pass<'t, T>,
    &Settings { l1, l2, .. }: &Settings,
) -> Option<Var<'t, T>> {
    let l1 = (l1 != 0.0).then(|| regularize::l1(model, pass) * T::of(l1));
    let l2 = (l2 != 0.0).then(|| regularize::l2(model, pass) * T::of(l2));
    match (l1, l2) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

/// Checks and clips the gradients of an update.
pub(in crate::train) fn check_and_clip<T: Float>(
    model: &dyn Model<T>,
    step: &mut TrainStep<T>,
    settings: &Settings,
    shared: bool,
) -> Result<(), NonFinite> {
    // The gradients of each pass are finite, but their sum over several passes may have overflowed.
    if shared || settings.accumulate > 1 {
        check_finite(model, step.param_gradients())?;
    }
    settings.clip.map_or(Ok(()), |clip| clip.apply(step))
}

impl Clip {
    fn apply<T: Float>(self, step: &mut TrainStep<T>) -> Result<(), NonFinite> {
        let gradients = step.param_gradients_mut();
        match self {
            Clip::Norm(max) => {
                // The gradients are finite, but their norm may not be.
                let value = clip::by_norm(gradients, max);
                if !value.is_finite() {
                    return Err(NonFinite {
                        what: "the norm of the gradients".into(),
                        value,
                        sample: None,
                        origin: None,
                    });
                }
            }
            Clip::EachNorm(max) => clip::each_by_norm(gradients, max),
            Clip::Value(max) => clip::by_value(gradients, max),
        }
        Ok(())
    }
}
