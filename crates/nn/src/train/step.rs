//! One training step on one batch: forward, loss, backward, update. It does not know about epochs, data sets or
//! progress. Build your own loops from it, as [`Trainer`](super::Trainer) does.

use super::error::{NonFinite, Origin, StepError};
use super::finite::check_finite;
use super::replay::{Recorded, Replay};
use crate::data::Batch;
use crate::loss::Loss;
use crate::optim::{Optimizer, ParamGradients};
use crate::pass::Record;
use crate::pass::apply_updates_by;
use crate::{Module, Parameters, Pass, Path, once};
use autograd::{Float, Gradients, Rng, Tape, Tensor, Var};
use std::cell::Cell;

/// A training step and the memory it reuses: one tape, the gradients, and the count of passes that seeds dropout.
///
/// [`gradients`](TrainStep::gradients) runs the forward and backward pass, [`apply`](TrainStep::apply) the update.
/// Between them, gradients can be inspected, clipped or [averaged over several passes](TrainStep::accumulate). Once
/// warm, a step allocates nothing.
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::{data::Batch, layer::Linear, loss::{Mse, Target}, optim::Sgd, train::TrainStep};
///
/// // Learn y = 2 x - 1 from three points.
/// let batch = Batch { inputs: tensor![[0.0], [1.0], [2.0]], targets: Target::Values(tensor![[-1.0], [1.0], [3.0]]) };
/// let mut model = Linear::<f64>::new(1, 1, &mut Rng::new(0));
/// let (mut step, mut optimizer) = (TrainStep::new(0), Sgd::new(0.2));
/// for _ in 0..200 {
///     step.run(&mut model, &Mse::new(), &mut optimizer, &batch)?;
/// }
/// assert!((model.weight.value().item() - 2.0).abs() < 1e-6);
/// # Ok::<(), nn::train::StepError>(())
/// ```
pub struct TrainStep<T: Float> {
    tape: Tape<T>,
    swept: Gradients<T>,
    gradients: ParamGradients<T>,
    /// Sum of gradients times sample counts over the passes since the last average. `samples` is the total of these
    /// counts, which may be fractional.
    sum: ParamGradients<T>,
    samples: f64,
    updates: Vec<(u64, Tensor<T>)>,
    path: Path,
    record: Record,
    replay: Option<Replay<T>>,
    rng: Rng,
    passes: u64,
    steps: u64,
}

/// The first random stream of the passes, far from those of the epochs, which a loader with the same seed uses.
const DROPOUT: u64 = 1 << 63;

/// The result of a forward pass in training.
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::{data::Batch, layer::Linear, loss::{Mse, Target}, train::{Outcome, TrainStep}};
/// let batch = Batch { inputs: tensor![[0.0]], targets: Target::Values(tensor![[1.0]]) };
/// let model = Linear::<f64>::new(1, 1, &mut Rng::new(0));
/// let Outcome { loss, output } = TrainStep::new(0).gradients(&model, &Mse::new(), &batch)?;
/// assert_eq!(loss, (output.item() - 1.0).powi(2));
/// # Ok::<(), nn::train::StepError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Outcome<T: Float> {
    /// The loss, before the update.
    pub loss: T,
    /// The model's output for the batch.
    pub output: Tensor<T>,
}

/// What is added to a loss.
type Penalty<'p, T> = dyn for<'t> Fn(&dyn Module<T>, &Pass<'t, T>) -> Option<Var<'t, T>> + 'p;

once! {
    fn gradients<'p, T>(
        step: &mut TrainStep<T>,
        model: &dyn Module<T>,
        loss: &dyn Loss<T>,
        batch: &Batch<T>,
        penalty: &Penalty<'p, T>,
    ) -> Result<Outcome<T>, StepError> {
        step.replayed_or_recorded(model, loss, batch, penalty)
    }
}

impl<T: Float> TrainStep<T> {
    /// A new step. The dropout masks of the n-th pass depend only on the seed and n.
    pub fn new(seed: u64) -> Self {
        TrainStep {
            tape: Tape::new(),
            swept: Gradients::default(),
            gradients: ParamGradients::new(),
            sum: ParamGradients::new(),
            samples: 0.0,
            updates: Vec::new(),
            path: Path::default(),
            record: Record::default(),
            replay: None,
            rng: Rng::new(seed),
            passes: 0,
            steps: 0,
        }
    }

    /// Compiles each recorded step and [replays](super#replay) it for batches of the same shape. From now on, the step
    /// must be used with the same model, loss and penalty; their settings are frozen.
    pub fn replaying(self) -> Self {
        TrainStep { replay: Some(Replay::new()), ..self }
    }

    /// Why some batches were recorded although replay is enabled, if any were.
    pub fn recorded_because(&self) -> Option<&str> {
        self.replay.as_ref().and_then(Replay::refused)
    }

    /// The number of batch shapes that are replayed.
    pub fn programs(&self) -> usize {
        self.replay.as_ref().map_or(0, Replay::programs)
    }

    /// Requests a new verification of each program that has been replayed at least `after` times since its last one:
    /// its next batch runs both recorded and replayed. Call this when a setting of a layer, the loss or a penalty may
    /// have changed, which a program does not see. If the results differ, such batches are recorded from then on.
    /// [`Trainer`](super::Trainer) calls it at the start of each epoch.
    ///
    /// ```
    /// use autograd::{Rng, Tensor};
    /// use nn::{data::Batch, layer::{Dropout, Sequential}, loss::{Mse, Target}, optim::Sgd, train::TrainStep};
    /// let batch = Batch { inputs: Tensor::ones(&[4, 2]), targets: Target::Values(Tensor::<f64>::zeros(&[4, 2])) };
    /// let (mut step, mut sgd) = (TrainStep::new(0).replaying(), Sgd::new(0.1));
    /// for p in [0.5, 0.5, 0.5, 0.25, 0.25] {
    ///     let mut model = Dropout::new(p);
    ///     if p == 0.25 {
    ///         step.prove_again(0);
    ///     }
    ///     step.run(&mut model, &Mse::new(), &mut sgd, &batch)?;
    /// }
    /// assert!(step.recorded_because().unwrap().contains("settings has changed"));
    /// # Ok::<(), nn::train::StepError>(())
    /// ```
    pub fn prove_again(&mut self, after: usize) {
        self.replay.iter_mut().for_each(|replay| replay.doubt(after));
    }

    /// Runs forward, loss, backward and update.
    ///
    /// # Errors
    /// Returns an error if a layer cannot take the inputs, the targets do not fit the output, or the loss or a gradient
    /// is not finite. The model is then unchanged.
    pub fn run(
        &mut self,
        model: &mut dyn Module<T>,
        loss: &dyn Loss<T>,
        optimizer: &mut dyn Optimizer<T>,
        batch: &Batch<T>,
    ) -> Result<Outcome<T>, StepError> {
        let outcome = self.gradients(model, loss, batch)?;
        self.apply(model, optimizer);
        Ok(outcome)
    }

    /// Runs the forward and backward pass; [`param_gradients`](TrainStep::param_gradients) returns the gradients.
    ///
    /// # Errors
    /// Returns an error if a layer cannot take the inputs, the targets do not fit the output, or the loss or a gradient
    /// is not finite.
    pub fn gradients(
        &mut self,
        model: &dyn Module<T>,
        loss: &dyn Loss<T>,
        batch: &Batch<T>,
    ) -> Result<Outcome<T>, StepError> {
        gradients(self, model, loss, batch, &|_, _| None)
    }

    /// Like [`gradients`](TrainStep::gradients), for the loss plus a penalty. The loss in the outcome excludes the
    /// penalty.
    ///
    /// # Errors
    /// Same as [`gradients`](TrainStep::gradients).
    pub fn gradients_with(
        &mut self,
        model: &dyn Module<T>,
        loss: &dyn Loss<T>,
        batch: &Batch<T>,
        penalty: impl for<'t> Fn(&dyn Module<T>, &Pass<'t, T>) -> Option<Var<'t, T>>,
    ) -> Result<Outcome<T>, StepError> {
        gradients(self, model, loss, batch, &penalty)
    }

    /// Replayed if that is proven to be the same, else recorded.
    fn replayed_or_recorded(
        &mut self,
        model: &dyn Module<T>,
        loss: &dyn Loss<T>,
        batch: &Batch<T>,
        penalty: &Penalty<'_, T>,
    ) -> Result<Outcome<T>, StepError> {
        let rng = self.rng.stream(DROPOUT | self.passes);
        let version = self.replay.as_mut().and_then(|replay| replay.find(model, batch));
        if let (Some(replay), Some(version)) = (&mut self.replay, version)
            && replay.is_proven(version, batch)
            && let Some((total, outcome)) =
                replay.run(version, model, batch, rng.clone(), &mut self.gradients, &mut self.updates)
            && total.is_finite()
            && check_finite(model, &self.gradients).is_ok()
        {
            self.passes += 1;
            return Ok(outcome);
        }
        // Record: for the first time, or to find out what went wrong and where.
        let (ids, mut values) = (Cell::new([0; 3]), None);
        let mut replay = self.replay.take();
        let total = self.swept(
            model,
            |pass| {
                let x = pass.tape().constant(batch.inputs.clone());
                let y = pass.try_forward(model, x)?;
                let plain = loss.loss(y, &batch.targets)?;
                ids.set([x, y, plain].map(Var::id));
                values = Some((plain.value(), y.value()));
                Ok::<_, StepError>(penalty(model, pass).map_or(plain, |penalty| plain + penalty))
            },
            |pass, total, gradients| {
                if let (Some(replay), None) = (&mut replay, version) {
                    replay.learn(model, batch, Recorded::new(pass, ids.get(), total), gradients);
                }
            },
        );
        self.replay = replay;
        total?;
        let (plain, output) = values.expect("the closure ran");
        let outcome = Outcome { loss: plain.try_item()?, output };
        if let (Some(replay), Some(version)) = (&mut self.replay, version) {
            replay.prove(version, model, batch, rng, &outcome, &self.gradients, &self.updates);
        }
        Ok(outcome)
    }

    /// Like [`gradients`](TrainStep::gradients), for a loss that `record` computes itself: with several networks,
    /// inputs or terms, for example.
    ///
    /// # Errors
    /// Returns an error if `record` fails, its result is not a scalar, or its value or a gradient is not finite.
    pub fn gradients_of(
        &mut self,
        model: &(impl Parameters<T> + ?Sized),
        record: impl for<'t> FnOnce(&mut Pass<'t, T>) -> autograd::Result<Var<'t, T>>,
    ) -> Result<T, StepError> {
        self.swept(model, record, |_, _, _| ())
    }

    /// Records and runs the backward pass; `done` sees the recording before it is cleared.
    fn swept<E>(
        &mut self,
        model: &(impl Parameters<T> + ?Sized),
        record: impl for<'t> FnOnce(&mut Pass<'t, T>) -> Result<Var<'t, T>, E>,
        done: impl for<'t> FnOnce(&Pass<'t, T>, Var<'t, T>, &ParamGradients<T>),
    ) -> Result<T, StepError>
    where
        StepError: From<E>,
    {
        self.tape.clear();
        let rng = self.rng.stream(DROPOUT | self.passes);
        let mut pass = Pass::train(&self.tape, rng).reusing(std::mem::take(&mut self.record));
        let loss = record(&mut pass)?;
        let value = loss.value().try_item()?;
        if !value.is_finite() {
            return Err(NonFinite::loss(value, &self.tape).into());
        }
        loss.backward_into(&mut self.swept);
        self.gradients.collect(model, &self.tape, &mut self.swept);
        self.updates.clear();
        self.updates.extend(pass.updates().map(|(key, value)| (key, value.value())));
        let finite = check_finite(model, &self.gradients)
            .map_err(|error| NonFinite { origin: Origin::of_gradients(loss), ..error });
        if finite.is_ok() {
            done(&pass, loss, &self.gradients);
        }
        self.record = pass.into_record();
        finite?;
        // The tape shares the parameters' memory: clearing it now lets the optimizer update them in place.
        self.tape.clear();
        self.passes += 1;
        Ok(value)
    }

    /// Adds the gradients of the last pass, over `samples` samples (as [`Loss::sum_and_count`] counts them), to the sum
    /// for [`average`](TrainStep::average), and updates the buffers of layers. Together, the passes are one step on a
    /// batch that does not fit in memory.
    ///
    /// ```
    /// use autograd::{Rng, Tensor, tensor};
    /// use nn::{data::Batch, layer::Linear, loss::{Mse, Target}, optim::Sgd, train::TrainStep};
    /// let batch = |x: Tensor<f64>| Batch { targets: Target::Values(&x * 3.0), inputs: x };
    /// let (mut whole, mut parts) = (Linear::new(1, 1, &mut Rng::new(0)), Linear::new(1, 1, &mut Rng::new(0)));
    /// TrainStep::new(0).run(&mut whole, &Mse::new(), &mut Sgd::new(0.1), &batch(tensor![[1.0], [2.0], [4.0]]))?;
    ///
    /// let mut step = TrainStep::new(0);
    /// for (x, samples) in [(tensor![[1.0], [2.0]], 2.0), (tensor![[4.0]], 1.0)] {
    ///     step.gradients(&parts, &Mse::new(), &batch(x))?;
    ///     step.accumulate(&mut parts, samples);
    /// }
    /// step.average();
    /// step.apply(&mut parts, &mut Sgd::new(0.1));
    /// assert!((whole.weight.value() - parts.weight.value()).abs().max().item() < 1e-15);
    /// # Ok::<(), nn::train::StepError>(())
    /// ```
    pub fn accumulate(&mut self, model: &mut dyn Module<T>, samples: f64) {
        if self.samples == 0.0 {
            std::mem::swap(&mut self.sum, &mut self.gradients);
            self.sum.scale(samples);
        } else {
            self.sum.add_scaled(samples, &self.gradients);
        }
        self.samples += samples;
        self.update_buffers(model);
    }

    /// Sets the gradients to their mean over all samples of the [accumulated](TrainStep::accumulate) passes. Requires
    /// losses that are means.
    pub fn average(&mut self) {
        std::mem::swap(&mut self.sum, &mut self.gradients);
        self.gradients.scale(1.0 / self.samples);
        self.samples = 0.0;
    }

    /// Applies the update: the optimizer updates the parameters, and the buffers of layers receive their new values.
    pub fn apply(&mut self, model: &mut dyn Module<T>, optimizer: &mut dyn Optimizer<T>) {
        optimizer.step(&mut *model, &self.gradients);
        self.update_buffers(model);
        self.steps += 1;
    }

    fn update_buffers(&mut self, model: &mut dyn Module<T>) {
        apply_updates_by(&mut self.path, model, &self.updates);
        self.updates.clear();
    }

    /// The gradients of the last pass, in the order of [`Parameters::visit`].
    pub fn param_gradients(&self) -> &ParamGradients<T> {
        &self.gradients
    }

    /// The gradients of the last pass, to clip or modify before [`apply`](TrainStep::apply).
    pub fn param_gradients_mut(&mut self) -> &mut ParamGradients<T> {
        &mut self.gradients
    }

    /// The number of updates so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The number of forward and backward passes so far, which is also the random stream of the next one.
    pub fn passes(&self) -> u64 {
        self.passes
    }

    /// Resumes after this many passes and updates.
    pub(super) fn continue_from(&mut self, passes: u64, steps: u64) {
        (self.passes, self.steps) = (passes, steps);
    }
}
