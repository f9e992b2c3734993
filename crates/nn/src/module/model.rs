//! [`Model`]: a network with any number of inputs and outputs.

use super::{LayerError, Module};
use crate::{Parameters, Pass, Vars};
use autograd::{Float, Result};

/// A network with any number of inputs and outputs: the general form of a [`Module`], which has one of each. Every
/// module is a model, so code that trains models also trains modules.
///
/// Inputs are found by name or position. They are numbers, integers (as `Ints` on the tape) or booleans (as a `Mask`).
/// Outputs are one variable, a tuple, or variables with names.
///
/// ```
/// use autograd::{Result, Rng, Tape, tensor};
/// use nn::{Model, Pass, Vars, data::Fields, layer::Embedding, parameters};
///
/// /// The rating of an item by a user: ⟨u, i⟩.
/// struct TwoTower { users: Embedding<f32>, items: Embedding<f32> }
///
/// parameters! { impl Parameters<f32> for TwoTower { users, items } }
///
/// impl Model<f32> for TwoTower {
///     fn call<'t>(&self, inputs: &Vars<'t, f32>, pass: &mut Pass<'t, f32>) -> Result<Vars<'t, f32>> {
///         let user = self.users.lookup(inputs.integers("user")?, pass);
///         let item = self.items.lookup(inputs.integers("item")?, pass);
///         Ok((user * item).sum_axes(1).into())
///     }
/// }
/// let rng = &mut Rng::new(0);
/// let model = TwoTower { users: Embedding::new(9, 4, rng), items: Embedding::new(5, 4, rng) };
/// let tape = Tape::new();
/// let inputs = Fields::new().with("user", tensor![8_i64, 0]).with("item", tensor![1_i64, 4]).on(&tape);
/// let ratings = model.call(&inputs, &mut Pass::eval(&tape))?.only()?;
/// assert_eq!(ratings.shape().as_slice(), [2]);
/// # Ok::<(), autograd::Error>(())
/// ```
///
/// [`Trainer`](crate::train::Trainer) feeds it from a data set of [`Samples`](crate::data::Samples); a loss that reads
/// several outputs is a [`Custom`](crate::loss::Custom) one, or a [`WeightedSum`](crate::loss::WeightedSum).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model for numbers of type `{T}`",
    label = "not a model",
    note = "a model of one input and one output implements `Module<{T}>`, any other `Model<{T}>`"
)]
pub trait Model<T: Float>: Parameters<T> + Send {
    /// The outputs for these inputs, recorded on the tape of the pass.
    ///
    /// # Errors
    /// Returns an error if an input is missing, or is of another type.
    fn call<'t>(&self, inputs: &Vars<'t, T>, pass: &mut Pass<'t, T>) -> Result<Vars<'t, T>>;
}

#[diagnostic::do_not_recommend]
impl<T: Float, M: Module<T>> Model<T> for M {
    fn call<'t>(&self, inputs: &Vars<'t, T>, pass: &mut Pass<'t, T>) -> Result<Vars<'t, T>> {
        Ok(self.forward(inputs.only()?, pass).into())
    }
}

impl<'t, T: Float> Pass<'t, T> {
    /// The outputs of a model, or an error if the model or one of its layers cannot take the inputs:
    /// [`try_forward`](Pass::try_forward) for any number of inputs and outputs.
    ///
    /// ```
    /// use autograd::{Rng, Tape, tensor};
    /// use nn::{Pass, data::Fields, layer::Linear};
    /// let (model, tape) = (Linear::<f64>::new(2, 1, &mut Rng::new(0)), Tape::new());
    /// let inputs = Fields::new().with("x", tensor![[1.0, 2.0]]).with("mask", tensor![true]).on(&tape);
    /// let error = Pass::eval(&tape).try_call(&model, &inputs).unwrap_err().to_string();
    /// assert!(error.contains("expected one input, got 2: `x` (numbers [1, 2]), `mask` (booleans [1])"), "{error}");
    /// ```
    /// # Errors
    /// Returns the input that the model or a layer rejected.
    ///
    /// # Panics
    /// If a layer panics.
    pub fn try_call(
        &mut self,
        model: &(impl Model<T> + ?Sized),
        inputs: &Vars<'t, T>,
    ) -> std::result::Result<Vars<'t, T>, LayerError> {
        let refused = |problem: autograd::Error| LayerError { layer: "the model".into(), problem: problem.to_string() };
        let outputs = self.catching(|pass| model.call(inputs, pass).map_err(refused));
        outputs.and_then(|outputs| outputs).map_err(|mut error| {
            if inputs.len() > 1 && !error.problem.contains(&inputs.told()) {
                error.problem += &format!("; the inputs are {}", inputs.told());
            }
            error
        })
    }
}
