//! NAdam.

use super::{Optimizer, ParamGradients, Places, for_each_gradient, fraction, non_negative, zeros_like};
use crate::{Parameters, Path};
use autograd::{Float, Tensor, update};

/// NAdam: [`Adam`](super::Adam) with Nesterov's momentum, which grows from step to step.
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
/// Defaults: `β = (0.9, 0.999)`, `ε = 1e-8`, `ψ = 0.004`, no weight decay; PyTorch's rate is 2e-3. Source: Dozat, *Incorporating
/// Nesterov momentum into Adam* (2016).
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
    moments: Places<Moments<T>>,
    path: Path,
}

#[derive(Debug, Clone)]
struct Moments<T: Float> {
    steps: i32,
    /// Π of all momenta so far.
    product: f64,
    m: Tensor<T>,
    v: Tensor<T>,
}

impl<T: Float> NAdam<T> {
    /// NAdam with this learning rate.
    ///
    /// # Panics
    /// If the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        NAdam {
            rate: non_negative("learning rate", rate),
            betas: (0.9, 0.999),
            eps: 1e-8,
            momentum_decay: 0.004,
            weight_decay: 0.0,
            decoupled: false,
            moments: Places::new(),
            path: Path::default(),
        }
    }

    betas! {
        /// How much of the two averages is kept from step to step: `β₁, β₂`.
    }

    settings! {
        /// What is added to the root, lest it be 0: `ε`.
        ///
        /// # Panics
        /// If it is negative, infinite or NaN.
        eps: non_negative("eps");

        /// How fast the momentum nears `β₁`: `ψ`.
        ///
        /// # Panics
        /// If it is negative, infinite or NaN.
        momentum_decay: non_negative("momentum decay");

        /// Draws every parameter towards 0: `λ`.
        ///
        /// # Panics
        /// If it is negative, infinite or NaN.
        weight_decay: non_negative("weight decay");
    }

    /// Whether decay acts on parameters by itself, as in [`AdamW`](super::AdamW), rather than through the gradient.
    pub fn decoupled_weight_decay(mut self, decoupled: bool) -> Self {
        self.decoupled = decoupled;
        self
    }
}

impl<T: Float> Optimizer<T> for NAdam<T> {
    learning_rate!();

    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        let (beta1, beta2) = self.betas;
        let (l2, keep) =
            if self.decoupled { (0.0, 1.0 - self.rate * self.weight_decay) } else { (self.weight_decay, 1.0) };
        let [l2, keep, eps] = [l2, keep, self.eps].map(T::of);
        let [new1, kept2, new2] = [1.0 - beta1, beta2, 1.0 - beta2].map(T::of);
        let momentum = |t: i32| beta1 * (1.0 - 0.5 * 0.96f64.powf(f64::from(t) * self.momentum_decay));
        for_each_gradient(model, gradients, &mut self.path, |place, param, g| {
            let first = || Moments { steps: 0, product: 1.0, m: zeros_like(param), v: zeros_like(param) };
            let Moments { steps, product, m, v } = self.moments.at(place, first);
            *steps = steps.saturating_add(1);
            let (now, next) = (momentum(*steps), momentum(steps.saturating_add(1)));
            *product *= now;
            let of_gradient = T::of(self.rate * (1.0 - now) / (1.0 - *product));
            let of_average = T::of(self.rate * next / (1.0 - *product * next));
            let correction = T::of(1.0 - beta2.powi(*steps));
            update(param.value_mut(), [m, v], g, |p, [m, v], g| {
                *p *= keep;
                let g = g + l2 * *p;
                *m += new1 * (g - *m);
                *v = kept2 * *v + new2 * g * g;
                let divisor = (*v / correction).sqrt() + eps;
                *p -= (of_gradient * g + of_average * *m) / divisor;
            });
        });
    }
}
