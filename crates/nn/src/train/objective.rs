//! What goes into a pass of training and what comes out of it, in plain data: the common ground of recording and
//! replay.

use crate::data::Batch;
use crate::loss::{Loss, Targets};
use crate::optim::ParamGradients;
use crate::{Module, Pass};
use autograd::{Float, Tensor, Var};

/// What a step differentiates: the loss of a model on a batch, plus a penalty.
pub(super) struct Objective<'a, T: Float> {
    pub model: &'a dyn Module<T>,
    pub loss: &'a dyn Loss<T>,
    pub batch: &'a Batch<T>,
    pub penalty: &'a Penalty<'a, T>,
}

/// What is added to a loss.
pub(super) type Penalty<'p, T> = dyn for<'t> Fn(&dyn Module<T>, &Pass<'t, T>) -> Option<Var<'t, T>> + 'p;

/// The variables of a recorded pass.
pub(super) struct Recording<'a, 't, T: Float> {
    pub pass: &'a Pass<'t, T>,
    pub input: Var<'t, T>,
    pub targets: Targets<'t, T>,
    pub output: Var<'t, T>,
    /// The loss without penalties, and with them.
    pub plain: Var<'t, T>,
    pub total: Var<'t, T>,
    /// Why it must not be replayed, if something read a value that depends on the batch or the model.
    pub read: Option<String>,
}

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

/// What a pass leaves for the update.
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
