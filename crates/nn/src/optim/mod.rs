//! Optimizers: rules that update parameters with their gradients. Each applies one formula to every parameter in a
//! single pass, in PyTorch's order of operations and with its defaults. Its state has the parameters' element type.
//!
//! With `θ` for a parameter, `g` for its gradient and `γ` for the learning rate, a training step is:
//!
//! ```
//! use autograd::{Rng, Tape, tensor};
//! use nn::{Module, Pass, layer::Linear, optim::{Adam, Optimizer, ParamGradients}};
//!
//! let mut model = Linear::<f64>::new(1, 1, &mut Rng::new(0));
//! let (mut tape, mut gradients, mut adam) = (Tape::new(), ParamGradients::new(), Adam::new(0.1));
//! let mut losses = Vec::new();
//! for _ in 0..200 {
//!     tape.clear();
//!     let y = model.forward(tape.constant([[1.0], [2.0], [3.0]]), &mut Pass::train(&tape, Rng::new(0)));
//!     let loss = (y - tape.constant([[1.0], [3.0], [5.0]])).square().mean(); // y = 2x - 1
//!     losses.push(loss.item());
//!     gradients.collect(&model, &tape, &mut loss.backward());
//!     adam.step(&mut model, &gradients);
//! }
//! assert!(losses[199] < 1e-3 * losses[0]);
//! ```

use crate::describe::{short_name, type_name};
use crate::io::{StateDict, StateError};
use crate::{Model, Parameters};
use autograd::Float;

/// The methods of [`Optimizer`] that all optimizers share: learning rate and state.
macro_rules! rate_and_memory {
    (@rate) => {
        fn learning_rate(&self) -> f64 {
            self.rate
        }

        #[track_caller]
        fn set_learning_rate(&mut self, rate: f64) {
            self.rate = $crate::optim::non_negative(std::any::type_name::<Self>(), "learning rate", rate);
        }

        describe_as_debugged!();
    };
    () => {
        rate_and_memory!(@rate);

        fn state(&self, model: &dyn $crate::Parameters<T>) -> $crate::io::StateDict {
            self.memory.state(model)
        }

        fn load_state(
            &mut self,
            model: &dyn $crate::Parameters<T>,
            state: &$crate::io::StateDict,
        ) -> Result<(), $crate::io::StateError> {
            self.memory.load_state(model, state)
        }
    };
}

/// Builder methods that set one value, validated by the function after the colon under the given name.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $check:ident($label:literal);)*) => { $(
        $(#[$doc])*
        #[track_caller]
        pub fn $name(mut self, $name: f64) -> Self {
            self.$name = $check(std::any::type_name::<Self>(), $label, $name);
            self
        }
    )* };
}

/// The builder method for the betas of two averages.
macro_rules! betas {
    ($(#[$doc:meta])*) => {
        $(#[$doc])*
        ///
        /// # Panics
        /// Panics if either is not in `[0, 1)`.
        #[track_caller]
        pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
            let optimizer = std::any::type_name::<Self>();
            self.betas = (fraction(optimizer, "first beta", beta1), fraction(optimizer, "second beta", beta2));
            self
        }
    };
}

mod adadelta;
mod adagrad;
mod adam;
mod adamax;
mod adamw;
mod asgd;
mod decay;
mod ema;
mod flat;
mod follow;
mod gradients;
mod groups;
mod lbfgs;
mod lion;
mod memory;
mod moments;
mod nadam;
mod radam;
mod rmsprop;
mod rprop;
mod sgd;
mod sparse_adam;
mod wolfe;

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::Adam;
pub use adamax::Adamax;
pub use adamw::AdamW;
pub use asgd::Asgd;
pub use ema::Ema;
pub use follow::follow;
pub use gradients::{ParamGradients, for_each_gradient};
pub use groups::{Names, ParamGroups};
pub use lbfgs::Lbfgs;
pub use lion::Lion;
pub use memory::{Memory, zeros};
pub use nadam::NAdam;
pub use radam::RAdam;
pub use rmsprop::RmsProp;
pub use rprop::Rprop;
pub use sgd::Sgd;
pub use sparse_adam::SparseAdam;

/// The loss of a model, whose gradients are collected.
pub type Evaluate<'e, T> = dyn FnMut(&dyn Model<T>, &mut ParamGradients<T>) -> f64 + 'e;

/// A rule that updates parameters with their gradients.
///
/// The state of a parameter is stored by the parameter's position in the model, so an optimizer serves one model from
/// its first step on.
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{Optimizer, ParamGradients, Sgd}};
/// let (mut w, mut sgd) = (Param::new(tensor![1.0]), Sgd::new(0.5));
/// sgd.step(&mut w, &ParamGradients::from_iter([Some(tensor![2.0])]));
/// assert_eq!(w.value(), &tensor![0.0]);
/// sgd.set_learning_rate(0.25);
/// sgd.step(&mut w, &ParamGradients::from_iter([Some(tensor![2.0])]));
/// assert_eq!(w.value(), &tensor![-0.5]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an optimizer for numbers of type `{T}`",
    label = "not an optimizer",
    note = "an optimizer comes with its learning rate: `Sgd::new(0.1)`, `Adam::new(1e-3)`"
)]
pub trait Optimizer<T: Float>: Send {
    /// Checks whether the settings fit each other and the model. A trainer calls it before the first step.
    ///
    /// ```
    /// use nn::{layer::Mlp, optim::{Optimizer, Sgd}};
    /// let model = Mlp::new(&[2, 1]).build::<f32>();
    /// assert!(Sgd::new(0.1).nesterov(true).check(&model).is_err_and(|problem| problem.contains("momentum above 0")));
    /// ```
    /// # Errors
    /// Returns what is wrong: see [`Sgd::nesterov`] and [`ParamGroups`].
    fn check(&self, model: &dyn Parameters<T>) -> Result<(), String> {
        let _ = model;
        Ok(())
    }

    /// Updates in place every trainable parameter of the model that has a gradient.
    ///
    /// # Panics
    /// Panics if a gradient does not have the shape of its parameter, or [`check`](Optimizer::check) fails.
    #[track_caller]
    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>);
    /// The current learning rate.
    fn learning_rate(&self) -> f64;
    /// Sets the learning rate, effective from the next step on. [Schedules](crate::schedule) use it.
    ///
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    fn set_learning_rate(&mut self, rate: f64);
    /// Calls `f` with each learning rate, which it may change: a single one, except for [`ParamGroups`].
    ///
    /// ```
    /// use nn::optim::{Optimizer, Sgd};
    /// let mut sgd = Sgd::<f32>::new(0.1);
    /// sgd.for_each_rate(&mut |rate| *rate /= 2.0);
    /// assert_eq!(sgd.learning_rate(), 0.05);
    /// ```
    fn for_each_rate(&mut self, f: &mut dyn FnMut(&mut f64)) {
        let mut rate = self.learning_rate();
        f(&mut rate);
        self.set_learning_rate(rate);
    }
    /// Whether an update needs the loss at several points, so that [`step`](Optimizer::step) is not enough: see
    /// [`search`](Optimizer::search). False for all but [`Lbfgs`].
    fn searches(&self) -> bool {
        false
    }

    /// Updates a model by evaluating its loss, with its gradients, at several points, for an optimizer that
    /// [searches](Optimizer::searches). `evaluate` returns NaN where the loss cannot be computed.
    ///
    /// ```
    /// use nn::{layer::Linear, optim::{Evaluate, Lbfgs, Optimizer, ParamGradients}};
    /// let mut model = Linear::<f64>::new(1, 1, &mut autograd::Rng::new(0)).without_bias();
    /// // (w - 3)², with its derivative
    /// let evaluate: &mut Evaluate<'_, f64> = &mut |model, gradients| {
    ///     let mut apart = 0.0;
    ///     model.visit(&mut nn::Path::default(), &mut |_, w| apart = w.value().item() - 3.0);
    ///     *gradients = ParamGradients::from_iter([Some(autograd::tensor![[2.0 * apart]])]);
    ///     apart * apart
    /// };
    /// let mut lbfgs: Box<dyn Optimizer<f64>> = Box::new(Lbfgs::new(1.0).line_search(true));
    /// lbfgs.search(&mut model, evaluate);
    /// assert!(lbfgs.searches() && (model.weight.value().item() - 3.0).abs() < 1e-6);
    /// ```
    /// # Panics
    /// Panics if this optimizer does not search.
    fn search(&mut self, model: &mut dyn Model<T>, evaluate: &mut Evaluate<'_, T>) {
        let _ = (model, evaluate);
        panic!("{} does not search: use Optimizer::step", self.describe());
    }

    /// Identifies the optimizer: its rule and its settings, including learning rates. A checkpoint stores it and cannot
    /// be resumed by a different optimizer. Defaults to the name of the type; a type that derives [`Debug`] can return
    /// more.
    ///
    /// ```
    /// use nn::optim::{Optimizer, Sgd};
    /// assert!(Sgd::<f32>::new(0.1).momentum(0.9).describe().starts_with("Sgd { rate: 0.1, momentum: 0.9, "));
    /// ```
    fn describe(&self) -> String {
        type_name::<Self>()
    }
    /// The state for the model's parameters, under PyTorch's names: `0.weight.exp_avg`, `0.weight.step`. Settings
    /// (learning rates, betas) are not included. [`Memory::state`] implements this.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::optim::{Adam, Optimizer, ParamGradients};
    /// let (mut model, mut adam) = (vec![nn::Param::new(tensor![1.0])], Adam::new(0.1));
    /// adam.step(&mut model, &ParamGradients::from_iter([Some(tensor![2.0])]));
    /// let state = adam.state(&model);
    /// assert_eq!(state.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["0.step", "0.exp_avg", "0.exp_avg_sq"]);
    /// let mut other = Adam::new(0.1);
    /// other.load_state(&model, &state)?; // continues like the first one
    /// # Ok::<(), nn::io::StateError>(())
    /// ```
    fn state(&self, model: &dyn Parameters<T>) -> StateDict;
    /// Restores what [`state`](Optimizer::state) returned.
    ///
    /// # Errors
    /// Returns an error that names all differences if the state does not match this optimizer and model. Nothing
    /// changes then.
    fn load_state(&mut self, model: &dyn Parameters<T>, state: &StateDict) -> Result<(), StateError>;
}

impl<T: Float, O: Optimizer<T> + ?Sized> Optimizer<T> for Box<O> {
    fn check(&self, model: &dyn Parameters<T>) -> Result<(), String> {
        (**self).check(model)
    }

    #[track_caller]
    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        (**self).step(model, gradients);
    }

    fn learning_rate(&self) -> f64 {
        (**self).learning_rate()
    }

    #[track_caller]
    fn set_learning_rate(&mut self, rate: f64) {
        (**self).set_learning_rate(rate);
    }

    fn for_each_rate(&mut self, f: &mut dyn FnMut(&mut f64)) {
        (**self).for_each_rate(f);
    }

    fn searches(&self) -> bool {
        (**self).searches()
    }

    fn search(&mut self, model: &mut dyn Model<T>, evaluate: &mut Evaluate<'_, T>) {
        (**self).search(model, evaluate);
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    fn state(&self, model: &dyn Parameters<T>) -> StateDict {
        (**self).state(model)
    }

    fn load_state(&mut self, model: &dyn Parameters<T>, state: &StateDict) -> Result<(), StateError> {
        (**self).load_state(model, state)
    }
}

/// A step of this size in the direction of `x`: 0 if `x` is 0, NaN if `x` is NaN. Selects between two values, so that a
/// loop over elements has no branch.
#[inline(always)]
fn along<T: Float>(x: T, size: T) -> T {
    let step = if x == T::zero() { x } else { size.copysign(x) };
    if x.is_nan() { x } else { step }
}

/// Checks that a hyperparameter is finite and at least 0.
#[track_caller]
fn non_negative(optimizer: &str, name: &str, x: f64) -> f64 {
    let fits = x >= 0.0 && x.is_finite();
    assert!(fits, "{}: the {name} must be finite and at least 0, got {x}", short_name(optimizer));
    x
}

/// Checks that the decay rate of an average is at least 0 and below 1.
#[track_caller]
fn fraction(optimizer: &str, name: &str, x: f64) -> f64 {
    let fits = (0.0..1.0).contains(&x);
    assert!(fits, "{}: the {name} must be at least 0 and below 1, got {x}", short_name(optimizer));
    x
}

#[cfg(test)]
mod tests;
