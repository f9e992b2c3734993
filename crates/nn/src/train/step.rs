//! [`TrainStep`]: forward, loss, backward and update on one batch. It does not know about epochs, data sets or
//! progress. Build your own loops from it, as [`Trainer`](super::Trainer) does.

use super::engine::{Engine, Recorder};
use super::error::StepError;
use super::objective::{Objective, Outcome, Penalty, Record, Recorded, Swept, modeled};
use super::replay::Replay;
use super::trained::Trained;
use crate::data::Samples;
use crate::loss::{Loss, Parts};
use crate::optim::{Names, Optimizer, ParamGradients};
use crate::pass::apply_updates_by;
use crate::{Given, Model, Parameters, Pass, Path, once};
use autograd::{Float, Precision, Var};

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
    pub(super) engine: Engine<T>,
    /// Sum of gradients times sample counts over the passes since the last average. `samples` is the total of these
    /// counts, which may be fractional.
    sum: ParamGradients<T>,
    samples: f64,
    /// Whether any target counts for the gradients, and whether any counts for the sum.
    counts: bool,
    sum_counts: bool,
    path: Path,
    steps: u64,
    skipped: u64,
    /// The pass whose random numbers all evaluations of a search use.
    searching: Option<u64>,
}

impl<T: Float> TrainStep<T> {
    /// A new step. The dropout masks of the n-th pass depend only on the seed and n.
    pub fn new(seed: u64) -> Self {
        TrainStep {
            engine: Engine::new(seed),
            sum: ParamGradients::new(),
            samples: 0.0,
            counts: true,
            sum_counts: false,
            path: Path::default(),
            steps: 0,
            skipped: 0,
            searching: None,
        }
    }

    /// Compiles each recorded step and [replays](super#replay) it for batches of the same shape. From now on, the step
    /// must be used with the same model, loss and penalty; their settings are frozen.
    pub fn replaying(self) -> Self {
        TrainStep { engine: self.engine.replaying(), ..self }
    }

    /// Rounds the operands of the products of a step to this precision: see [`Tape::set_precision`](autograd::Tape::set_precision).
    /// Parameters, their gradients and the state of the optimizer stay in the element type. Set it before the first pass.
    ///
    /// ```
    /// use autograd::{Precision, Rng, tensor};
    /// use nn::{data::Batch, layer::Linear, loss::{Mse, Target}, train::TrainStep};
    /// let batch = Batch { inputs: tensor![[1.0_f32 / 3.0]], targets: Target::Values(tensor![[0.0]]) };
    /// let model = Linear::new(1, 1, &mut Rng::new(0)).without_bias();
    /// let mut step = TrainStep::new(0).precision(Precision::Bf16);
    /// let output = step.gradients(&model, &Mse::new(), &batch)?.output.item();
    /// let [x, w] = [1.0 / 3.0, model.weight.value().item()].map(|x| Precision::Bf16.round(x));
    /// assert_eq!(output, x * w);
    /// # Ok::<(), nn::train::StepError>(())
    /// ```
    pub fn precision(mut self, precision: Precision) -> Self {
        self.engine.set_precision(precision);
        self
    }

    /// Differentiates only with respect to the parameters with these names: a pattern, in which `*` matches any text,
    /// or a function. The others are constants of the step, and its optimizer does not change them. Several steps with
    /// an optimizer each train the parts of a model by different losses.
    ///
    /// ```
    /// use autograd::{Rng, tensor};
    /// use nn::{data::Batch, layer::{Linear, Sequential}, loss::{Mse, Target}, optim::Sgd, train::TrainStep};
    /// let rng = &mut Rng::new(0);
    /// let mut model = Sequential::<f64>::new().then(Linear::new(1, 2, rng)).then(Linear::new(2, 1, rng));
    /// let batch = Batch { inputs: tensor![[1.0]], targets: Target::Values(tensor![[2.0]]) };
    /// let before = nn::state_dict(&model);
    /// TrainStep::new(0).only("1.*").run(&mut model, &Mse::new(), &mut Sgd::new(0.1), &batch)?;
    /// let after = nn::state_dict(&model);
    /// assert_eq!(after.get("0.weight"), before.get("0.weight"));
    /// assert_ne!(after.get("1.weight"), before.get("1.weight"));
    /// # Ok::<(), nn::train::StepError>(())
    /// ```
    /// The first pass returns an error if no parameter has such a name.
    pub fn only(mut self, names: impl Names) -> Self {
        self.engine.trained = Trained::only(names);
        self
    }

    /// Why some batches were recorded although replay is enabled, if any were.
    pub fn recorded_because(&self) -> Option<&str> {
        self.engine.replay().and_then(Replay::refused)
    }

    /// The parameters that had gradients but were not updated, because the model does not list them.
    pub(super) fn unlisted(&self) -> Option<String> {
        self.engine.unlisted()
    }

    /// The number of batch shapes that are replayed.
    ///
    /// ```
    /// use autograd::{Rng, Tensor};
    /// use nn::{data::Batch, layer::Linear, loss::{Mse, Target}, optim::Sgd, train::TrainStep};
    /// let batch = |n| Batch { inputs: Tensor::ones(&[n, 2]), targets: Target::Values(Tensor::<f64>::ones(&[n, 1])) };
    /// let (mut model, mut step) = (Linear::new(2, 1, &mut Rng::new(0)), TrainStep::new(0).replaying());
    /// for n in [4, 4, 4, 3, 3] {
    ///     step.run(&mut model, &Mse::new(), &mut Sgd::new(0.1), &batch(n))?;
    /// }
    /// assert_eq!((step.programs(), step.steps(), step.skipped()), (2, 5, 0));
    /// assert!(step.passes() >= step.steps());
    /// # Ok::<(), nn::train::StepError>(())
    /// ```
    pub fn programs(&self) -> usize {
        self.engine.replay().map_or(0, Replay::programs)
    }

    /// Requests a new verification of each program that has been replayed at least `after` times since the last request:
    /// its next batch runs both recorded and replayed. Programs are also verified at random, with decreasing frequency. Call
    /// this when a setting of a layer, the loss or a penalty may have changed, which a program does not see. If the results
    /// differ, such batches are recorded from then on. [`Trainer`](super::Trainer) calls it at the start of each epoch.
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
        if let Some(replay) = self.engine.replay_mut() {
            replay.doubt(after);
        }
    }

    /// Runs forward, loss, backward and update. If no target [counts](Loss::counts), there is no
    /// [update](TrainStep::apply).
    ///
    /// # Errors
    /// Returns an error if a layer cannot take the inputs, the targets do not fit the output, or the loss or a gradient
    /// is not finite. The model is then unchanged.
    pub fn run(
        &mut self,
        model: &mut dyn Model<T>,
        loss: &dyn Loss<T>,
        optimizer: &mut dyn Optimizer<T>,
        batch: impl Into<Samples<T>>,
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
        model: &dyn Model<T>,
        loss: &dyn Loss<T>,
        batch: impl Into<Samples<T>>,
    ) -> Result<Outcome<T>, StepError> {
        gradients(self, model, loss, &batch.into(), &|_, _| None)
    }

    /// Like [`gradients`](TrainStep::gradients), for the loss plus a penalty. The loss in the outcome excludes the
    /// penalty.
    ///
    /// ```
    /// use autograd::{Rng, tensor};
    /// use nn::{data::Batch, layer::Linear, loss::{Mse, Target}, regularize, train::TrainStep};
    /// let batch = Batch { inputs: tensor![[0.0, 0.0]], targets: Target::Values(tensor![[0.0]]) };
    /// let (model, mut step) = (Linear::<f64>::new(2, 1, &mut Rng::new(0)).without_bias(), TrainStep::new(0));
    /// step.gradients_with(&model, &Mse::new(), &batch, |model, pass| Some(regularize::l2(model, pass)))?;
    /// assert_eq!(step.param_gradients().get(0), Some(&(model.weight.value() * 2.0))); // of Σ w² alone
    /// step.param_gradients_mut().scale(0.5);
    /// assert_eq!(step.param_gradients().get(0), Some(model.weight.value()));
    /// # Ok::<(), nn::train::StepError>(())
    /// ```
    /// # Errors
    /// Same as [`gradients`](TrainStep::gradients).
    pub fn gradients_with(
        &mut self,
        model: &dyn Model<T>,
        loss: &dyn Loss<T>,
        batch: impl Into<Samples<T>>,
        penalty: impl for<'t> Fn(&dyn Model<T>, &Pass<'t, T>) -> Option<Var<'t, T>>,
    ) -> Result<Outcome<T>, StepError> {
        gradients(self, model, loss, &batch.into(), &penalty)
    }

    /// Like [`gradients`](TrainStep::gradients), for a loss that `record` computes itself from the batch: with several
    /// networks, a gradient penalty, or a target network, for example. It is [replayed](super#replay) like any other
    /// step, so everything that changes from step to step must be in the batch, in the parameters, or in the
    /// [noise](crate::Pass::noise) of the pass.
    ///
    /// ```
    /// use autograd::{Rng, tensor};
    /// use nn::{Module, data::{Fields, Samples}, layer::Linear, loss::Parts, optim::Sgd, train::TrainStep};
    /// // Two networks that should agree, and a slope that should be 1: a penalty on a gradient.
    /// let mut pair = vec![Linear::<f64>::new(1, 1, &mut Rng::new(0)), Linear::new(1, 1, &mut Rng::new(1))];
    /// let (mut step, mut sgd) = (TrainStep::new(0).replaying(), Sgd::new(0.05));
    /// for k in 0..500 {
    ///     let batch = Samples::unlabeled(Fields::new().with("x", tensor![[(k % 7) as f64 - 3.0]]));
    ///     let outcome = step.gradients_by(&pair, &batch, |given, pass| {
    ///         let x = given.inputs.numbers("x")?;
    ///         let [a, b] = [0, 1].map(|i| pair[i].forward(x, pass));
    ///         let slope = a.sum().grad(&[x])[0];
    ///         Ok(Parts::new().part("apart", 1.0, (a - b).square().sum()).part("slope", 1.0, (slope - 1.0).square().sum()))
    ///     })?;
    ///     assert!(outcome.part("slope").is_some());
    ///     step.apply(&mut pair, &mut sgd);
    /// }
    /// assert_eq!((step.programs(), step.recorded_because()), (1, None));
    /// assert!((pair[1].weight.value().item() - 1.0).abs() < 0.01);
    /// # Ok::<(), nn::train::StepError>(())
    /// ```
    /// # Errors
    /// Returns an error if `record` fails, or the loss or a gradient is not finite.
    pub fn gradients_by(
        &mut self,
        model: &dyn Parameters<T>,
        batch: impl Into<Samples<T>>,
        record: impl for<'t> Fn(&Given<'t, T>, &mut Pass<'t, T>) -> autograd::Result<Parts<'t, T>>,
    ) -> Result<Outcome<T>, StepError> {
        gradients_by(self, model, &batch.into(), &|given, pass| recorded_by(&record, given, pass))
    }

    /// Like [`gradients`](TrainStep::gradients), for a loss that `record` computes itself: with several networks,
    /// inputs or terms, for example.
    ///
    /// ```
    /// use autograd::{Rng, tensor};
    /// use nn::{Module, layer::Linear, optim::Sgd, train::TrainStep};
    /// // Two networks that should agree.
    /// let mut pair = vec![Linear::<f64>::new(2, 1, &mut Rng::new(0)), Linear::new(2, 1, &mut Rng::new(1))];
    /// let (mut step, x) = (TrainStep::new(0), tensor![[1.0, -1.0]]);
    /// let apart = step.gradients_of(&pair, |pass| {
    ///     let x = pass.tape().constant(x);
    ///     let [a, b] = [0, 1].map(|i| pair[i].forward(x, pass));
    ///     Ok((a - b).square().sum())
    /// })?;
    /// assert!(apart > 0.0 && step.param_gradients().iter().count() == 4);
    /// # Ok::<(), nn::train::StepError>(())
    /// ```
    /// # Errors
    /// Returns an error if `record` fails, its result is not a scalar, or its value or a gradient is not finite.
    pub fn gradients_of(
        &mut self,
        model: &dyn Parameters<T>,
        record: impl for<'t> FnOnce(&mut Pass<'t, T>) -> autograd::Result<Var<'t, T>>,
    ) -> Result<T, StepError> {
        let mut record = Some(record);
        gradients_of(self, model, &mut |pass| record.take().expect("it is called once")(pass))
    }

    /// Adds the gradients of the last pass, over `samples` samples (as [`Loss::sum_and_count`] counts them), to the sum
    /// for [`average`](TrainStep::average), and updates the buffers of layers. Together, the passes are one step on a
    /// batch that does not fit in memory. A pass over 0 samples, such as one whose labels are all ignored, contributes
    /// nothing, nor does one that [overflowed](TrainStep::loss_scaling).
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
    /// # Panics
    /// Panics if `samples` is negative, infinite or NaN.
    #[track_caller]
    pub fn accumulate(&mut self, model: &mut dyn Parameters<T>, samples: f64) {
        assert!(samples >= 0.0 && samples.is_finite(), "TrainStep::accumulate: {samples} is no number of samples");
        accumulate(self, model, samples)
    }

    /// Sets the gradients to their mean over all samples of the [accumulated](TrainStep::accumulate) passes; to 0 if
    /// there are none. Requires losses that are means.
    pub fn average(&mut self) {
        average(self)
    }

    /// Applies the update: the optimizer updates the parameters, and the buffers of layers receive their new values.
    ///
    /// If no target of the passes [counts](Loss::counts), nothing is updated: parameters, the optimizer's state and the
    /// number of steps do not change. Returns whether there was an update.
    ///
    /// ```
    /// use autograd::{Rng, tensor};
    /// use nn::{data::Batch, layer::Linear, loss::{CrossEntropy, IGNORED, Target}, optim::Adam, train::TrainStep};
    /// let mut model = Linear::<f64>::new(2, 3, &mut Rng::new(0));
    /// let mut step = TrainStep::new(0);
    /// let batch = Batch { inputs: tensor![[1.0, 2.0]], targets: Target::Labels(tensor![IGNORED]) };
    /// assert_eq!(step.gradients(&model, &CrossEntropy::new(), &batch)?.loss, 0.0);
    /// assert!(!step.apply(&mut model, &mut Adam::new(0.1)));
    /// assert_eq!((step.steps(), step.skipped()), (0, 1));
    /// # Ok::<(), nn::train::StepError>(())
    /// ```
    pub fn apply(&mut self, model: &mut dyn Parameters<T>, optimizer: &mut dyn Optimizer<T>) -> bool {
        apply(self, model, optimizer)
    }

    /// The gradients of the last pass, in the order of [`Parameters::visit`].
    pub fn param_gradients(&self) -> &ParamGradients<T> {
        &self.engine.swept.gradients
    }

    /// The gradients of the last pass, to clip or modify before [`apply`](TrainStep::apply).
    pub fn param_gradients_mut(&mut self) -> &mut ParamGradients<T> {
        &mut self.engine.swept.gradients
    }

    /// The number of updates so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The number of updates that were skipped because no target counted.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The number of forward and backward passes so far, which is also the random stream of the next one.
    pub fn passes(&self) -> u64 {
        self.engine.passes
    }

    /// Resumes after this many passes, updates, and skipped updates.
    pub(super) fn continue_from(&mut self, passes: u64, steps: u64, skipped: u64) {
        (self.engine.passes, self.steps, self.skipped) = (passes, steps, skipped);
    }

    /// Uses the random numbers of the pass with this number next.
    pub(super) fn continue_at(&mut self, pass: u64) {
        self.engine.passes = pass;
    }

    /// Whether a target of the last pass counts.
    pub(super) fn counts(&self) -> bool {
        self.counts
    }

    /// Sets whether a target counts for the gradients that were set.
    pub(super) fn set_counts(&mut self, counts: bool) {
        self.counts = counts;
    }

    /// The results of the last pass that the update needs.
    pub(super) fn swept_mut(&mut self) -> &mut Swept<T> {
        &mut self.engine.swept
    }

    /// Uses the random numbers of the last pass again, if there was one since the last update.
    pub(super) fn repeat_noise(&mut self) {
        self.engine.passes = self.searching.get_or_insert(self.engine.passes).to_owned();
    }

    /// Ends an update of an optimizer that evaluated the loss itself. Returns whether it was one.
    pub(super) fn searched(&mut self, model: &mut dyn Model<T>) -> bool {
        self.searching = None;
        match self.counts {
            true => self.steps += 1,
            false => self.skipped += 1,
        }
        self.update_buffers(model);
        self.counts
    }

    /// Whether the step differentiates with respect to the parameter with this name.
    pub(super) fn trains(&self, name: &str) -> bool {
        self.engine.trained.wants(name)
    }

    fn update_buffers(&mut self, model: &mut dyn Parameters<T>) {
        apply_updates_by(&mut self.path, model, &self.engine.swept.updates);
        self.engine.swept.updates.clear();
    }
}

/// A hand-written loss, or the input that a layer in it rejected.
fn recorded_by<'t, T: Float>(
    record: &impl Fn(&Given<'t, T>, &mut Pass<'t, T>) -> autograd::Result<Parts<'t, T>>,
    given: &Given<'t, T>,
    pass: &mut Pass<'t, T>,
) -> Result<Recorded<'t, T>, StepError> {
    Ok(Recorded::of(pass.catching(|pass| record(given, pass))??)?)
}

once! {
    fn gradients<'p, T>(
        step: &mut TrainStep<T>,
        model: &dyn Model<T>,
        loss: &dyn Loss<T>,
        batch: &Samples<T>,
        penalty: &Penalty<'p, T>,
    ) -> Result<Outcome<T>, StepError> {
        step.counts = loss.counts_in(batch);
        let record: &Record<'_, T> = &|given, pass| modeled((model, loss, penalty), given, pass);
        step.engine.run(Objective { parameters: model, batch, record, scale: None })
    }

    fn gradients_by<'r, T>(
        step: &mut TrainStep<T>,
        model: &dyn Parameters<T>,
        batch: &Samples<T>,
        record: &Record<'r, T>,
    ) -> Result<Outcome<T>, StepError> {
        step.counts = true;
        step.engine.run(Objective { parameters: model, batch, record, scale: None })
    }

    fn gradients_of<'r, T>(
        step: &mut TrainStep<T>,
        model: &dyn Parameters<T>,
        record: &mut Recorder<'r, T>,
    ) -> Result<T, StepError> {
        step.counts = true;
        step.engine.run_with(model, record)
    }

    fn accumulate<T>(step: &mut TrainStep<T>, model: &mut dyn Parameters<T>, samples: f64) {
        if step.engine.overflowed {
            return;
        }
        let gradients = &mut step.engine.swept.gradients;
        if step.samples == 0.0 {
            std::mem::swap(&mut step.sum, gradients);
            step.sum.scale(samples);
        } else {
            step.sum.add_scaled(samples, gradients);
        }
        step.samples += samples;
        step.sum_counts |= step.counts && samples > 0.0;
        step.update_buffers(model);
    }

    fn average<T>(step: &mut TrainStep<T>) {
        let gradients = &mut step.engine.swept.gradients;
        std::mem::swap(&mut step.sum, gradients);
        // A sum over no samples is 0, and so is its mean.
        if step.samples > 0.0 {
            gradients.scale(1.0 / step.samples);
            step.engine.overflowed = false;
        } else {
            // The last average left its gradients here.
            gradients.scale(0.0);
        }
        step.samples = 0.0;
        step.counts = std::mem::take(&mut step.sum_counts);
    }

    fn apply<T>(step: &mut TrainStep<T>, model: &mut dyn Parameters<T>, optimizer: &mut dyn Optimizer<T>) -> bool {
        if step.engine.overflowed {
            return false;
        }
        if step.counts {
            optimizer.step(&mut *model, &step.engine.swept.gradients);
            step.steps += 1;
        } else {
            step.skipped += 1;
        }
        step.update_buffers(model);
        step.counts
    }
}
