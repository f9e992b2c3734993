//! Adamax.

use super::decay::Decay;
use super::moments::{Moments, bias_corrections};
use super::{Memory, Optimizer, ParamGradients, fraction, non_negative, zeros};
use crate::{Parameters, once};
use autograd::{Float, update};

/// Adamax: [`Adam`](super::Adam) with a decaying maximum of the gradients instead of their root mean square.
///
/// ```text
/// g ← g + λ θ                                 weight decay λ
/// m ← m + (1 - β₁) (g - m)
/// u ← max(β₂ u, |g| + ε)
/// θ ← θ - γ/(1 - β₁ᵗ) · m / u                 at the t-th step, learning rate γ
/// ```
///
/// Defaults: `β = (0.9, 0.999)`, `ε = 1e-8`, no weight decay; the paper and PyTorch use a learning rate of 2e-3.
/// Source: Kingma and Ba, *Adam: a method for stochastic optimization* (2015).
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{Adamax, Optimizer, ParamGradients}};
/// let mut w = Param::new(tensor![1.0_f64]);
/// Adamax::new(0.1).step(&mut w, &ParamGradients::from_iter([Some(tensor![-5.0])]));
/// assert!((w.value().at(&[0]) - 1.1).abs() < 1e-9);
/// ```
#[derive(Debug, Clone)]
pub struct Adamax<T: Float> {
    rate: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    memory: Memory<T>,
}

impl<T: Float> Adamax<T> {
    /// Adamax with this learning rate.
    ///
    /// ```
    /// use nn::optim::{Optimizer, Adamax};
    /// let optimizer = Adamax::<f32>::new(1e-3).betas(0.9, 0.99).eps(1e-7).weight_decay(1e-4);
    /// assert_eq!(optimizer.learning_rate(), 1e-3);
    /// ```
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        Adamax {
            rate: non_negative("Adamax", "learning rate", rate),
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            memory: Memory::new(&["exp_avg", "exp_inf"]),
        }
    }

    betas! {
        /// The decay rates of the running average and of the maximum: `β₁, β₂`. Defaults to (0.9, 0.999).
    }

    settings! {
        /// Added to the magnitude of each gradient for numerical stability: `ε`. Defaults to 1e-8.
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

impl<T: Float> Optimizer<T> for Adamax<T> {
    rate_and_memory!();

    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        step(self, model, gradients)
    }
}

once! {
    fn step<T>(rule: &mut Adamax<T>, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        let eps = T::of(rule.eps);
        let moments = Moments::new(rule.betas, Decay::<T>::new(false, rule.weight_decay, rule.rate));
        rule.memory.for_each(model, gradients, zeros, |p, g, step, [m, u]| {
            let size = T::of(rule.rate / bias_corrections(rule.betas, step).0);
            update(p, [m, u], g, |p, [m, u], g| {
                let g = moments.average(p, m, g);
                moments.maximum(u, g.abs() + eps);
                *p -= size * *m / *u;
            });
        });
    }
}
