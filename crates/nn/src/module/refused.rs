//! Input that a layer cannot take: how the layer reports it from any depth inside a network, and who receives the
//! report.
//!
//! [`Module::forward`] returns a plain variable, so that a custom layer is a formula: `x + inner(x).tanh()`. Such a
//! formula has no way to return early when `inner` refuses `x`. It cannot continue with a placeholder value either: no
//! shape suits every formula (`x + …` needs that of `x`, `reshape` that of the layer's output), and a formula that
//! fails on the placeholder would hide the refusal. The only way out is to unwind. So a refusal unwinds, and this file
//! contains the whole mechanism: [`refuse`](Pass::refuse) starts it with the [`LayerError`] as its payload, and
//! [`Pass::try_forward`] ends it. Nothing in between may catch it, and no state outside the payload refers to it.
//! Without a `try_forward` to end it, a refusal is an ordinary panic with the same text.

use crate::{Module, Pass};
use autograd::{Float, Var};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Input that a layer cannot take.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Pass, layer::Linear};
/// let (tape, layer) = (Tape::<f32>::new(), Linear::new(3, 2, &mut Rng::new(0)));
/// let error = Pass::eval(&tape).try_forward(&layer, tape.constant(Tensor::ones(&[1, 4]))).unwrap_err();
/// assert_eq!(error.to_string(), format!("Linear(3, 2): {}", error.problem));
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{layer}: {problem}")]
pub struct LayerError {
    /// The layer's description.
    pub layer: String,
    /// What is wrong with its input.
    pub problem: String,
}

autograd::debug_as_display!(LayerError);

impl<'t, T: Float> Pass<'t, T> {
    /// The output of a model, or an error if one of its layers cannot take the input: samples of other sizes, an index
    /// out of range.
    ///
    /// A layer at any depth rejects its input by [`checked`](Pass::checked); that needs panics that unwind, Cargo's
    /// default. [`Module::forward`], called directly, panics with the same text.
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Pass, layer::{Linear, Sequential}};
    /// let model = Sequential::<f64>::new().then(Linear::new(2, 1, &mut Rng::new(0)));
    /// let tape = Tape::new();
    /// let refused = Pass::eval(&tape).try_forward(&model, tape.constant(Tensor::ones(&[4, 3]))).unwrap_err();
    /// assert_eq!(refused.layer, "Linear(2, 1)");
    /// ```
    /// # Errors
    /// Returns the input that a layer rejected.
    ///
    /// # Panics
    /// If a layer does so without `checked`.
    pub fn try_forward<M: Module<T> + ?Sized>(&mut self, model: &M, x: Var<'t, T>) -> Result<Var<'t, T>, LayerError> {
        self.catching(|pass| model.forward(x, pass))
    }

    /// The result of `f`, or the input that a layer in it rejected.
    pub(crate) fn catching<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> Result<R, LayerError> {
        let outer = std::mem::replace(&mut self.caught, true);
        // The pass is never in an inconsistent state: its lists only grow.
        let outcome = catch_unwind(AssertUnwindSafe(|| f(self)));
        self.caught = outer;
        outcome.map_err(|panic| match panic.downcast::<LayerError>() {
            Ok(refused) => *refused,
            Err(other) => resume_unwind(other),
        })
    }

    /// The output of a layer whose type is not known here. A refusal panics at the caller's line, which is not
    /// available to `forward` through the trait object.
    #[track_caller]
    pub(crate) fn through(&mut self, layer: &dyn Module<T>, x: Var<'t, T>) -> Var<'t, T> {
        if self.caught {
            return layer.forward(x, self);
        }
        match self.try_forward(layer, x) {
            Ok(y) => y,
            Err(refused) => panic!("{refused}"),
        }
    }

    /// Returns what a layer computed. An error ends the whole pass and names the layer:
    /// [`try_forward`](Pass::try_forward) returns it; otherwise, it is a panic. Use it for invalid input from outside.
    ///
    /// ```
    /// use autograd::{Tape, Var};
    /// use nn::{Module, Pass, parameters};
    /// /// The first half of the features times the second.
    /// struct Gate;
    /// parameters! { impl Parameters<f64> for Gate {} }
    /// impl Module<f64> for Gate {
    ///     fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
    ///         let halves = pass.checked(self, x.try_reshape(&[x.shape()[0], 2, x.shape()[1] / 2]));
    ///         halves.prod_axes(1)
    ///     }
    /// }
    /// let tape = Tape::new();
    /// let mut pass = Pass::eval(&tape);
    /// assert_eq!(pass.try_forward(&Gate, tape.constant([[1.0, 2.0, 3.0, 4.0]])).unwrap().value().to_vec(), [3.0, 8.0]);
    /// assert!(pass.try_forward(&Gate, tape.constant([[1.0, 2.0, 3.0]])).unwrap_err().to_string().starts_with("Gate: "));
    /// ```
    /// # Panics
    /// On an error, unless `try_forward` waits for it.
    #[track_caller]
    pub fn checked<V, M: Module<T> + ?Sized>(&self, layer: &M, result: autograd::Result<V>) -> V {
        match result {
            Ok(value) => value,
            // Not in a closure, which would be the caller.
            Err(error) => self.refuse(layer.describe(), error.to_string()),
        }
    }

    /// [`checked`](Pass::checked) of a condition.
    #[track_caller]
    pub(crate) fn ensure(&self, fits: bool, layer: impl Display, problem: impl FnOnce() -> String) {
        if !fits {
            self.refuse(layer.to_string(), problem());
        }
    }

    /// Rejects the input of a layer.
    #[track_caller]
    pub(crate) fn refuse(&self, layer: String, problem: String) -> ! {
        let error = LayerError { layer, problem };
        if !self.caught {
            panic!("{error}");
        }
        // Unlike `panic!`, without a message on standard error, since `try_forward` catches it.
        resume_unwind(Box::new(error))
    }
}
