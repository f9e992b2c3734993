//! AdamW: Adam with decoupled weight decay.

use super::{Adam, Optimizer, ParamGradients, fraction, non_negative};
use crate::Parameters;
use crate::io::{StateDict, StateError};
use autograd::Float;

/// Adam with decoupled weight decay: parameters shrink independently of the size of their gradients.
///
/// ```text
/// θ ← θ - γ λ θ                   weight decay λ, learning rate γ
/// then Adam's step, without decay
/// ```
///
/// Defaults: `λ = 0.01`, as in PyTorch; the rest as in [`Adam`]. Source: Loshchilov and Hutter, *Decoupled weight decay
/// regularization* (2019).
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{AdamW, Optimizer, ParamGradients}};
/// let mut w = Param::new(tensor![1.0, 2.0]);
/// AdamW::new(0.1).weight_decay(0.5).step(&mut w, &ParamGradients::from_iter([Some(tensor![0.0, 0.0])]));
/// assert_eq!(w.value(), &tensor![0.95, 1.9]); // no gradient: only the decay
/// ```
#[derive(Debug, Clone)]
pub struct AdamW<T: Float>(Adam<T>);

/// Errors name AdamW, not the Adam inside.
const NAME: &str = "AdamW";

impl<T: Float> AdamW<T> {
    /// AdamW with this learning rate.
    ///
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        AdamW(Adam::new(non_negative(NAME, "learning rate", rate)).decoupled().weight_decay(0.01))
    }

    /// The decay rates of the two running averages: `β₁, β₂`. Defaults to (0.9, 0.999).
    ///
    /// ```
    /// use nn::optim::AdamW;
    /// let adamw = AdamW::<f32>::new(1e-3).betas(0.9, 0.95).eps(1e-6).weight_decay(0.1).amsgrad(true);
    /// # let _ = adamw;
    /// ```
    /// # Panics
    /// Panics if either is not in `[0, 1)`.
    #[track_caller]
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        let betas = (fraction(NAME, "first beta", beta1), fraction(NAME, "second beta", beta2));
        AdamW(self.0.betas(betas.0, betas.1))
    }

    /// Added to the denominator for numerical stability: `ε`. Defaults to 1e-8.
    ///
    /// # Panics
    /// Panics if `eps` is negative, infinite or NaN.
    #[track_caller]
    pub fn eps(self, eps: f64) -> Self {
        AdamW(self.0.eps(non_negative(NAME, "eps", eps)))
    }

    /// Weight decay `λ`: each step shrinks parameters by a fraction `γ λ`. Defaults to 0.01.
    ///
    /// # Panics
    /// Panics if `weight_decay` is negative, infinite or NaN.
    #[track_caller]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        AdamW(self.0.weight_decay(non_negative(NAME, "weight decay", weight_decay)))
    }

    /// Divides by the root of the largest average square so far (AMSGrad), so that the scaling never increases again.
    pub fn amsgrad(self, amsgrad: bool) -> Self {
        AdamW(self.0.amsgrad(amsgrad))
    }
}

impl<T: Float> Optimizer<T> for AdamW<T> {
    #[track_caller]
    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        self.0.step(model, gradients);
    }

    fn learning_rate(&self) -> f64 {
        self.0.learning_rate()
    }

    #[track_caller]
    fn set_learning_rate(&mut self, rate: f64) {
        self.0.set_learning_rate(non_negative(NAME, "learning rate", rate));
    }

    describe_as_debugged!();

    fn state(&self, model: &dyn Parameters<T>) -> StateDict {
        self.0.state(model)
    }

    fn load_state(&mut self, model: &dyn Parameters<T>, state: &StateDict) -> Result<(), StateError> {
        self.0.load_state(model, state)
    }
}
