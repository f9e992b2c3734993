//! RAdam.

use super::decay::Decay;
use super::moments::{Moments, bias_corrections};
use super::{Memory, Optimizer, ParamGradients, fraction, non_negative, zeros};
use crate::{Parameters, once};
use autograd::{Float, update};

/// RAdam: rectified [`Adam`](super::Adam).
///
/// While the average square covers too few gradients to divide by, steps follow the average gradient alone; then they
/// approach Adam's.
///
/// ```text
/// g ← g + λ θ                                 weight decay λ; decoupled: θ ← θ - γ λ θ
/// m ← m + (1 - β₁) (g - m),   m̂ = m / (1 - β₁ᵗ)
/// v ← β₂ v + (1 - β₂) g²
/// ρ∞ = 2/(1 - β₂) - 1,   ρ = ρ∞ - 2 t β₂ᵗ/(1 - β₂ᵗ)
/// r = √((ρ - 4)(ρ - 2) ρ∞ / ((ρ∞ - 4)(ρ∞ - 2) ρ))
/// θ ← θ - γ r m̂ √(1 - β₂ᵗ) / (√v + ε)         if ρ > 5, learning rate γ
/// θ ← θ - γ m̂                                 else
/// ```
///
/// Defaults: `β = (0.9, 0.999)`, `ε = 1e-8`, no weight decay; PyTorch's default learning rate is 1e-3. Source: Liu et
/// al., *On the variance of the adaptive learning rate and beyond* (2020).
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{Optimizer, ParamGradients, RAdam}};
/// let mut w = Param::new(tensor![1.0_f64]);
/// RAdam::new(0.1).step(&mut w, &ParamGradients::from_iter([Some(tensor![5.0])]));
/// assert!((w.value().at(&[0]) - 0.5).abs() < 1e-12); // plain descent at first
/// ```
#[derive(Debug, Clone)]
pub struct RAdam<T: Float> {
    rate: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
    memory: Memory<T>,
}

impl<T: Float> RAdam<T> {
    /// RAdam with this learning rate.
    ///
    /// ```
    /// use nn::optim::{Optimizer, RAdam};
    /// let optimizer = RAdam::<f32>::new(1e-3).betas(0.9, 0.99).eps(1e-7).weight_decay(0.01).decoupled_weight_decay(true);
    /// assert_eq!(optimizer.learning_rate(), 1e-3);
    /// ```
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        RAdam {
            rate: non_negative("RAdam", "learning rate", rate),
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            memory: Memory::new(&["exp_avg", "exp_avg_sq"]),
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

/// The factor of the corrected average before the division by the root; `None` while the average square is unreliable.
fn rectification(beta2: f64, steps: i32) -> Option<f64> {
    let kept = beta2.powi(steps);
    let longest = 2.0 / (1.0 - beta2) - 1.0;
    let length = longest - 2.0 * f64::from(steps) * kept / (1.0 - kept);
    let ratio = (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length);
    (length > 5.0).then(|| (ratio * (1.0 - kept)).sqrt())
}

impl<T: Float> Optimizer<T> for RAdam<T> {
    rate_and_memory!();

    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        step(self, model, gradients)
    }
}

once! {
    fn step<T>(rule: &mut RAdam<T>, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        let (decay, eps) = (Decay::<T>::new(rule.decoupled, rule.weight_decay, rule.rate), T::of(rule.eps));
        let moments = Moments::new(rule.betas, decay);
        rule.memory.for_each(model, gradients, zeros, |p, g, step, [m, v]| {
            let rectified = rectification(rule.betas.1, step);
            let size = T::of(rule.rate / bias_corrections(rule.betas, step).0 * rectified.unwrap_or(1.0));
            match rectified {
                Some(_) => update(p, [m, v], g, |p, [m, v], g| {
                    moments.averages(p, m, v, g);
                    *p -= size * *m / (v.sqrt() + eps);
                }),
                None => update(p, [m, v], g, |p, [m, v], g| {
                    moments.averages(p, m, v, g);
                    *p -= size * *m;
                }),
            }
        });
    }
}
