//! The inputs and results of a training pass as plain data, shared by recording and replay.

use super::error::StepError;
use crate::data::Fields;
use crate::fields::{Field, Name, Samples};
use crate::loss::{Loss, Parts};
use crate::optim::ParamGradients;
use crate::{Given, Model, Parameters, Pass, Vars};
use autograd::{Float, Gradients, Tensor, Var};

/// What a step differentiates: a loss recorded from a batch, with respect to parameters.
pub(super) struct Objective<'a, T: Float> {
    pub parameters: &'a dyn Parameters<T>,
    pub batch: &'a Samples<T>,
    pub record: &'a Record<'a, T>,
    /// The factors of the loss before it is differentiated, and of the gradients afterward, if it is scaled.
    pub scale: Option<[T; 2]>,
}

/// Records a loss on the tape of the pass.
pub(super) type Record<'r, T> =
    dyn for<'t> Fn(&Given<'t, T>, &mut Pass<'t, T>) -> Result<Recorded<'t, T>, StepError> + 'r;

/// A penalty that is added to a loss.
pub(super) type Penalty<'p, T> = dyn for<'t> Fn(&dyn Model<T>, &Pass<'t, T>) -> Option<Var<'t, T>> + 'p;

/// The variables of a recorded loss.
pub(super) struct Recorded<'t, T: Float> {
    pub outputs: Vars<'t, T>,
    pub parts: Parts<'t, T>,
    /// The loss without penalties, and with them.
    pub plain: Var<'t, T>,
    pub total: Var<'t, T>,
}

/// The loss of a model on a batch, plus a penalty.
pub(super) fn modeled<'t, T: Float>(
    (model, loss, penalty): (&dyn Model<T>, &dyn Loss<T>, &Penalty<'_, T>),
    given: &Given<'t, T>,
    pass: &mut Pass<'t, T>,
) -> Result<Recorded<'t, T>, StepError> {
    let outputs = pass.try_call(model, &given.inputs)?;
    let parts = loss.parts(&outputs, given)?;
    let plain = parts.total()?;
    let total = penalty(model, pass).map_or(plain, |penalty| plain + penalty);
    Ok(Recorded { outputs, parts, plain, total })
}

/// What is differentiated: the loss with penalties, times a scale if there is one. The scale and its inverse are constants
/// of the tape, so that a program can take others.
#[derive(Clone, Copy)]
pub(super) struct Root<'t, T: Float> {
    pub var: Var<'t, T>,
    pub scale: Option<[Var<'t, T>; 2]>,
}

impl<'t, T: Float> Root<'t, T> {
    pub(super) fn new(total: Var<'t, T>, scale: Option<[T; 2]>) -> Self {
        let scale = scale.map(|factors| factors.map(|factor| total.tape().constant(factor)));
        Root { var: scale.map_or(total, |[scale, _]| total * scale), scale }
    }

    /// The gradients of the loss itself.
    pub(super) fn gradients(self, x: &[Var<'t, T>]) -> autograd::Result<Vec<Var<'t, T>>> {
        let gradients = self.var.try_grad(x)?;
        Ok(match self.scale {
            Some([_, inverse]) => gradients.into_iter().map(|gradient| gradient * inverse).collect(),
            None => gradients,
        })
    }
}

/// The variables of a recorded pass.
pub(super) struct Recording<'a, 't, T: Float> {
    pub pass: &'a Pass<'t, T>,
    pub given: &'a Given<'t, T>,
    pub recorded: &'a Recorded<'t, T>,
    pub adjoints: &'a Gradients<T>,
    /// The total times the scale, which is differentiated, and the scale with its inverse.
    pub root: Root<'t, T>,
    /// Why it must not be replayed, if something read a value that depends on the batch or the model.
    pub read: Option<String>,
}

/// The result of a forward pass in training.
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::{data::Batch, layer::Linear, loss::{Mse, Target}, train::TrainStep};
/// let batch = Batch { inputs: tensor![[0.0]], targets: Target::Values(tensor![[1.0]]) };
/// let model = Linear::<f64>::new(1, 1, &mut Rng::new(0));
/// let outcome = TrainStep::new(0).gradients(&model, &Mse::new(), &batch)?;
/// assert_eq!(outcome.loss, (outcome.output.item() - 1.0).powi(2));
/// # Ok::<(), nn::train::StepError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome<T: Float> {
    /// The loss, before the update.
    pub loss: T,
    /// The model's output for the batch; the first one if there are several.
    pub output: Tensor<T>,
    /// All outputs with their names; unnamed ones are named by their positions.
    pub outputs: Fields<T>,
    /// The parts of the loss that have names, without their weights.
    pub parts: Vec<(Name, T)>,
    /// The loss with penalties.
    pub(super) total: T,
}

impl<T: Float> Outcome<T> {
    /// The outcome of a pass with these names of its parts and outputs, from values in this order: the loss with
    /// penalties and without, the parts, and the outputs.
    pub(super) fn new(
        parts: &mut dyn Iterator<Item = Name>,
        outputs: &mut dyn Iterator<Item = Name>,
        values: &mut dyn Iterator<Item = Tensor<T>>,
    ) -> autograd::Result<Self> {
        let mut next = || values.next().expect("a value for each part and output");
        let (total, loss) = (next().try_item()?, next().try_item()?);
        let parts = parts.map(|name| Ok((name, next().try_item()?))).collect::<autograd::Result<_>>()?;
        let mut all = Fields::new();
        for name in outputs {
            all = all.with(name, Field::Numbers(next()));
        }
        // A hand-written loss may have no outputs.
        let output = all.numbers(0).cloned().unwrap_or_else(|_| Tensor::scalar(loss));
        Ok(Outcome { loss, output, outputs: all, parts, total })
    }

    /// The part of the loss with this name, without its weight.
    ///
    /// ```
    /// use autograd::{Rng, tensor};
    /// use nn::{data::Batch, layer::Linear, loss::{Parts, Target, custom}, train::TrainStep};
    /// let batch = Batch { inputs: tensor![[1.0]], targets: Target::Values(tensor![[1.0]]) };
    /// let model = Linear::<f64>::new(1, 1, &mut Rng::new(0));
    /// let loss = custom(|outputs, _| Ok(Parts::new().part("size", 0.5, outputs.only()?.square().sum())));
    /// let outcome = TrainStep::new(0).gradients(&model, &loss, &batch)?;
    /// assert_eq!(outcome.part("size"), Some(2.0 * outcome.loss));
    /// # Ok::<(), nn::train::StepError>(())
    /// ```
    pub fn part(&self, name: &str) -> Option<T> {
        self.parts.iter().find(|(own, _)| own == name).map(|(_, value)| *value)
    }
}

impl<'t, T: Float> Recorded<'t, T> {
    /// A hand-written loss.
    pub(super) fn of(parts: Parts<'t, T>) -> autograd::Result<Self> {
        let total = parts.total()?;
        Ok(Recorded { outputs: Vars::new(), parts, plain: total, total })
    }

    /// The names of the parts and of the outputs.
    pub(super) fn names(&self) -> (Vec<Name>, Vec<Name>) {
        let parts = self.parts.names().map(|(name, _)| name.clone()).collect();
        (parts, self.outputs.vars().map(|(name, _)| name.clone()).collect())
    }

    /// The variables of an outcome.
    pub(super) fn vars(&self) -> impl Iterator<Item = Var<'t, T>> {
        let parts = self.parts.names().map(|(_, part)| part);
        [self.total, self.plain].into_iter().chain(parts).chain(self.outputs.vars().map(|(_, output)| output))
    }

    pub(super) fn outcome(&self) -> autograd::Result<Outcome<T>> {
        let mut parts = self.parts.names().map(|(name, _)| name.clone());
        let mut outputs = self.outputs.vars().map(|(name, _)| name.clone());
        Outcome::new(&mut parts, &mut outputs, &mut self.vars().map(Var::value))
    }
}

/// The results of a pass that the update needs.
pub(super) struct Swept<T: Float> {
    pub gradients: ParamGradients<T>,
    /// Keys of buffers with their new values.
    pub updates: Vec<(u64, Tensor<T>)>,
}

impl<T: Float> Swept<T> {
    pub(super) fn new() -> Self {
        Swept { gradients: ParamGradients::new(), updates: Vec::new() }
    }
}
