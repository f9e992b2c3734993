//! One step of training on one batch: forward, loss, backward, update. It knows nothing of epochs, data sets or progress;
//! loops of your own are made of it, and [`Trainer`](super::Trainer) is.

use super::error::{NonFinite, Origin, StepError};
use crate::data::Batch;
use crate::loss::Loss;
use crate::optim::{Optimizer, ParamGradients};
use crate::pass::Record;
use crate::{Module, Parameters, Pass, Path, apply_updates};
use autograd::{Float, Gradients, Rng, Tape, Tensor, Var};

/// The step, and the memory it reuses: one tape, the gradients, and the count of steps that seeds dropout.
///
/// [`gradients`](TrainStep::gradients) does the forward and the backward pass, [`apply`](TrainStep::apply) the update;
/// between them, gradients can be seen, clipped or added to. Once warm, a step allocates nothing.
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
    updates: Vec<(u64, Tensor<T>)>,
    record: Record,
    rng: Rng,
    steps: u64,
}

/// Where the random streams of the steps begin: far from those of the epochs, which a loader of the same seed draws from.
const DROPOUT: u64 = 1 << 63;

/// What a forward pass in training gave.
#[derive(Debug, Clone)]
pub struct Outcome<T: Float> {
    /// The loss, before the update.
    pub loss: T,
    /// What the model said to the batch.
    pub output: Tensor<T>,
}

impl<T: Float> TrainStep<T> {
    /// A step that has not been done yet. What dropout drops in the n-th step depends on the seed and n alone.
    pub fn new(seed: u64) -> Self {
        TrainStep {
            tape: Tape::new(),
            swept: Gradients::default(),
            gradients: ParamGradients::new(),
            updates: Vec::new(),
            record: Record::default(),
            rng: Rng::new(seed),
            steps: 0,
        }
    }

    /// Forward, loss, backward, update.
    ///
    /// # Errors
    /// If the targets do not fit the output, or the loss or a gradient is not finite. The model is then as it was.
    ///
    /// # Panics
    /// If the inputs do not fit the model, as [`Module::forward`] does.
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

    /// Forward and backward pass: leaves the gradients in [`param_gradients`](TrainStep::param_gradients).
    ///
    /// # Errors
    /// If the targets do not fit the output, or the loss or a gradient is not finite.
    ///
    /// # Panics
    /// If the inputs do not fit the model, as [`Module::forward`] does.
    pub fn gradients(
        &mut self,
        model: &dyn Module<T>,
        loss: &dyn Loss<T>,
        batch: &Batch<T>,
    ) -> Result<Outcome<T>, StepError> {
        self.gradients_with(model, loss, batch, |_, _| None)
    }

    /// As [`gradients`](TrainStep::gradients), of the loss plus a penalty. The loss in the outcome is without it.
    ///
    /// # Errors
    /// As [`gradients`](TrainStep::gradients).
    ///
    /// # Panics
    /// If the inputs do not fit the model, as [`Module::forward`] does.
    pub fn gradients_with(
        &mut self,
        model: &dyn Module<T>,
        loss: &dyn Loss<T>,
        batch: &Batch<T>,
        penalty: impl for<'t> FnOnce(&dyn Module<T>, &Pass<'t, T>) -> Option<Var<'t, T>>,
    ) -> Result<Outcome<T>, StepError> {
        let (mut output, mut plain) = (None, None);
        let total = self.gradients_of(model, |pass| {
            let y = model.forward(pass.tape().constant(batch.inputs.clone()), pass);
            output = Some(y.value());
            let loss = loss.loss(y, &batch.targets)?;
            let Some(penalty) = penalty(model, pass) else { return Ok(loss) };
            plain = Some(loss.value().try_item()?);
            Ok(loss + penalty)
        })?;
        Ok(Outcome { loss: plain.unwrap_or(total), output: output.expect("the closure ran") })
    }

    /// As [`gradients`](TrainStep::gradients), for a loss that `record` computes itself: several networks, several
    /// inputs, several terms.
    ///
    /// # Errors
    /// If `record` fails, or what it returns is not a single number, or that or a gradient is not finite.
    pub fn gradients_of(
        &mut self,
        model: &(impl Parameters<T> + ?Sized),
        record: impl for<'t> FnOnce(&mut Pass<'t, T>) -> autograd::Result<Var<'t, T>>,
    ) -> Result<T, StepError> {
        self.tape.clear();
        let rng = self.rng.stream(DROPOUT | self.steps);
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
        self.record = pass.into_record();
        check_finite(model, &self.gradients)?;
        // The tape shares the parameters' memory: letting go of it now lets the optimizer change them in place.
        self.tape.clear();
        Ok(value)
    }

    /// The update: the optimizer moves the parameters, and buffers get the values that layers asked for.
    pub fn apply(&mut self, model: &mut dyn Module<T>, optimizer: &mut dyn Optimizer<T>) {
        optimizer.step(&mut *model, &self.gradients);
        apply_updates(model, &self.updates);
        self.updates.clear();
        self.steps += 1;
    }

    /// The gradients of the last pass, in the order of [`Parameters::visit`].
    pub fn param_gradients(&self) -> &ParamGradients<T> {
        &self.gradients
    }

    /// The gradients of the last pass, to be clipped or added to before [`apply`](TrainStep::apply).
    pub fn param_gradients_mut(&mut self) -> &mut ParamGradients<T> {
        &mut self.gradients
    }

    /// How many updates have been made.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

/// An error that names the first parameter with an infinite or NaN gradient.
fn check_finite<T: Float>(
    model: &(impl Parameters<T> + ?Sized),
    gradients: &ParamGradients<T>,
) -> Result<(), NonFinite> {
    if gradients.iter().all(all_finite) {
        return Ok(());
    }
    let (mut place, mut found) = (0, None);
    model.visit(&mut Path::default(), &mut |name, _| {
        if let Some(g) = gradients.get(place).filter(|g| found.is_none() && !all_finite(g)) {
            let value = g.iter().find(|x| !Float::is_finite(*x)).map_or(f64::NAN, Float::f64);
            found = Some(NonFinite { what: format!("the gradient of {name}"), value, origin: None });
        }
        place += 1;
    });
    found.map_or(Ok(()), Err)
}

fn all_finite<T: Float>(x: &Tensor<T>) -> bool {
    match x.as_slice() {
        // Whole blocks without a branch inside: the compiler makes vector code of it.
        Some(x) => x.chunks(256).all(|block| block.iter().fold(true, |finite, x| finite & x.is_finite())),
        None => x.iter().all(Float::is_finite),
    }
}

impl NonFinite {
    fn loss<T: Float>(value: T, tape: &Tape<T>) -> Self {
        let origin = tape.first_non_finite().map(|culprit| Origin { op: culprit.op().name(), line: culprit.line() });
        NonFinite { what: "the loss".into(), value: value.f64(), origin }
    }
}
