//! NAdam.

use super::decay::Decay;
use super::moments::{Moments, bias_corrections};
use super::{Memory, Optimizer, ParamGradients, fraction, non_negative, zeros};
use crate::{Parameters, once};
use autograd::{Float, Tensor, update};

/// NAdam: [`Adam`](super::Adam) with Nesterov momentum, which increases from step to step.
///
/// ```text
/// g ← g + λ θ                                 weight decay λ; decoupled: θ ← θ - γ λ θ
/// m ← m + (1 - β₁) (g - m)
/// v ← β₂ v + (1 - β₂) g²
/// μₜ = β₁ (1 - ½ · 0.96^(t ψ)),   Πₜ = μ₁ μ₂ … μₜ           momentum decay ψ
/// d = √(v / (1 - β₂ᵗ)) + ε
/// θ ← θ - γ (1 - μₜ)/(1 - Πₜ) · g / d - γ μₜ₊₁/(1 - Πₜ₊₁) · m / d      at the t-th step, learning rate γ
/// ```
///
/// Defaults: `β = (0.9, 0.999)`, `ε = 1e-8`, `ψ = 0.004`, no weight decay; PyTorch's default learning rate is 2e-3.
/// Source: Dozat, *Incorporating Nesterov momentum into Adam* (2016).
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{NAdam, Optimizer, ParamGradients}};
/// let mut w = Param::new(tensor![1.0_f64]);
/// NAdam::new(0.1).step(&mut w, &ParamGradients::from_iter([Some(tensor![5.0])]));
/// assert!(w.value().at(&[0]) < 0.9);
/// ```
#[derive(Debug, Clone)]
pub struct NAdam<T: Float> {
    rate: f64,
    betas: (f64, f64),
    eps: f64,
    momentum_decay: f64,
    weight_decay: f64,
    decoupled: bool,
    memory: Memory<T>,
}

impl<T: Float> NAdam<T> {
    /// NAdam with this learning rate.
    ///
    /// ```
    /// use nn::optim::{Optimizer, NAdam};
    /// let optimizer = NAdam::<f32>::new(1e-3).betas(0.9, 0.99).momentum_decay(4e-3).eps(1e-7).weight_decay(0.01).decoupled_weight_decay(true);
    /// assert_eq!(optimizer.learning_rate(), 1e-3);
    /// ```
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        NAdam {
            rate: non_negative("NAdam", "learning rate", rate),
            betas: (0.9, 0.999),
            eps: 1e-8,
            momentum_decay: 0.004,
            weight_decay: 0.0,
            decoupled: false,
            memory: Memory::new(&["exp_avg", "exp_avg_sq", "mu_product"]).with_scalar("mu_product"),
        }
    }

    betas! {
        /// The decay rates of the two running averages: `β₁, β₂`. Defaults to (0.9, 0.999).
    }

    settings! {
        /// Added to the denominator for numerical stability: `ε`. Defaults to 1e-8.
        ///
        /// # Panics
        /// Panics if `eps` is negative, infinite or NaN.
        eps: non_negative("eps");

        /// How fast the momentum approaches `β₁`: `ψ`. Defaults to 0.004.
        ///
        /// # Panics
        /// Panics if `momentum_decay` is negative, infinite or NaN.
        momentum_decay: non_negative("momentum decay");

        /// Weight decay `λ`. Defaults to 0.
        ///
        /// # Panics
        /// Panics if `weight_decay` is negative, infinite or NaN.
        weight_decay: non_negative("weight decay");
    }

    /// Whether weight decay is decoupled, as in [`AdamW`](super::AdamW), rather than part of the gradient. Defaults to
    /// `false`.
    pub fn decoupled_weight_decay(mut self, decoupled: bool) -> Self {
        self.decoupled = decoupled;
        self
    }
}

impl<T: Float> Optimizer<T> for NAdam<T> {
    rate_and_memory!();

    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        step(self, model, gradients)
    }
}

once! {
    fn step<T>(rule: &mut NAdam<T>, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        let (decay, eps) = (Decay::<T>::new(rule.decoupled, rule.weight_decay, rule.rate), T::of(rule.eps));
        let moments = Moments::new(rule.betas, decay);
        let momentum = |t: i32| rule.betas.0 * (1.0 - 0.5 * 0.96f64.powf(f64::from(t) * rule.momentum_decay));
        let first = |p: &Tensor<T>| {
            let [m, v] = zeros(p);
            [m, v, Tensor::scalar(T::one())]
        };
        rule.memory.for_each(model, gradients, first, |p, g, step, [m, v, product]| {
            let (now, next) = (momentum(step), momentum(step.saturating_add(1)));
            let all = product.item().f64() * now;
            product.make_mut()[0] = T::of(all);
            let of_gradient = T::of(rule.rate * (1.0 - now) / (1.0 - all));
            let of_average = T::of(rule.rate * next / (1.0 - all * next));
            let correction = T::of(bias_corrections(rule.betas, step).1);
            update(p, [m, v], g, |p, [m, v], g| {
                let g = moments.averages(p, m, v, g);
                let divisor = (*v / correction).sqrt() + eps;
                *p -= (of_gradient * g + of_average * *m) / divisor;
            });
        });
    }
}
