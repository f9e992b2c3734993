//! Adadelta.

use super::{Memory, Optimizer, ParamGradients, fraction, non_negative, zeros};
use crate::{Parameters, once};
use autograd::{Float, update};

/// Adadelta: step sizes adapt to previous steps, independent of the scale of the loss.
///
/// ```text
/// g ← g + λ θ                         weight decay λ
/// s ← ρ s + (1 - ρ) g²
/// d = g √(u + ε) / √(s + ε)
/// u ← ρ u + (1 - ρ) d²
/// θ ← θ - γ d                         learning rate γ
/// ```
///
/// Defaults are PyTorch's: `ρ = 0.9`, `ε = 1e-6`, no weight decay; the learning rate is usually 1. Source: Zeiler,
/// *ADADELTA: an adaptive learning rate method* (2012).
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{Adadelta, Optimizer, ParamGradients}};
/// let mut w = Param::new(tensor![1.0_f64]);
/// Adadelta::new(1.0).eps(0.0).step(&mut w, &ParamGradients::from_iter([Some(tensor![3.0])]));
/// assert_eq!(w.value(), &tensor![1.0]); // the first steps are as small as ε
/// ```
#[derive(Debug, Clone)]
pub struct Adadelta<T: Float> {
    rate: f64,
    rho: f64,
    eps: f64,
    weight_decay: f64,
    memory: Memory<T>,
}

impl<T: Float> Adadelta<T> {
    /// Adadelta with this learning rate; the paper uses 1.
    ///
    /// ```
    /// use nn::optim::{Optimizer, Adadelta};
    /// let optimizer = Adadelta::<f32>::new(1.0).rho(0.95).eps(1e-6).weight_decay(1e-4);
    /// assert_eq!(optimizer.learning_rate(), 1.0);
    /// ```
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        let rate = non_negative("Adadelta", "learning rate", rate);
        Adadelta { rate, rho: 0.9, eps: 1e-6, weight_decay: 0.0, memory: Memory::new(&["square_avg", "acc_delta"]) }
    }

    settings! {
        /// The decay rate of the running averages: `ρ`. Defaults to 0.9.
        ///
        /// # Panics
        /// Panics if `rho` is not in `[0, 1)`.
        rho: fraction("smoothing constant rho");

        /// Added under the square roots; it also sets the size of the first steps: `ε`. Defaults to 1e-6.
        ///
        /// # Panics
        /// Panics if `eps` is negative, infinite or NaN.
        eps: non_negative("eps");

        /// Weight decay `λ`: adds the gradient of `λ/2 · Σ θ²`. Defaults to 0.
        ///
        /// # Panics
        /// Panics if `weight_decay` is negative, infinite or NaN.
        weight_decay: non_negative("weight decay");
    }
}

impl<T: Float> Optimizer<T> for Adadelta<T> {
    rate_and_memory!();

    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        step(self, model, gradients)
    }
}

once! {
    fn step<T>(rule: &mut Adadelta<T>, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        let [rate, rho, new] = [rule.rate, rule.rho, 1.0 - rule.rho].map(T::of);
        let [eps, decay] = [rule.eps, rule.weight_decay].map(T::of);
        rule.memory.for_each(model, gradients, zeros, |p, g, _, [squares, steps]| {
            update(p, [squares, steps], g, |p, [s, u], g| {
                let g = g + decay * *p;
                *s = rho * *s + new * g * g;
                let d = (*u + eps).sqrt() / (*s + eps).sqrt() * g;
                *u = rho * *u + new * d * d;
                *p -= rate * d;
            });
        });
    }
}
