//! Adam, whose rule is also that of AdamW.

use super::decay::Decay;
use super::moments::{Moments, bias_corrections};
use super::{Memory, Optimizer, ParamGradients, fraction, non_negative, zeros};
use crate::{Parameters, once};
use autograd::{Float, update};

/// Adam: running averages of the gradient and of its square, with bias correction.
///
/// ```text
/// g ← g + λ θ                                 weight decay λ, through the gradient, unlike AdamW
/// m ← m + (1 - β₁) (g - m)
/// v ← β₂ v + (1 - β₂) g²                      AMSGrad: v̂ ← max(v̂, v) replaces v below
/// θ ← θ - γ/(1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)     at the t-th step, learning rate γ
/// ```
///
/// Defaults: `β = (0.9, 0.999)`, `ε = 1e-8`, no weight decay, no AMSGrad; the paper and PyTorch use a learning rate of
/// 1e-3. Sources: Kingma and Ba, *Adam: a method for stochastic optimization* (2015); Reddi, Kale and Kumar, *On the
/// convergence of Adam and beyond* (2018).
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{Adam, Optimizer, ParamGradients}};
/// let mut w = Param::new(tensor![1.0_f64, 1.0]);
/// Adam::new(0.1).step(&mut w, &ParamGradients::from_iter([Some(tensor![1e-3, -1e3])]));
/// // The first step is γ, however large the gradient.
/// assert!((w.value().at(&[0]) - 0.9).abs() < 1e-5 && (w.value().at(&[1]) - 1.1).abs() < 1e-5);
/// ```
#[derive(Debug, Clone)]
pub struct Adam<T: Float> {
    rate: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
    amsgrad: bool,
    memory: Memory<T>,
}

impl<T: Float> Adam<T> {
    /// Adam with this learning rate.
    ///
    /// ```
    /// use nn::optim::{Optimizer, Adam};
    /// let optimizer = Adam::<f32>::new(1e-3).betas(0.9, 0.99).eps(1e-7).weight_decay(1e-4);
    /// assert_eq!(optimizer.learning_rate(), 1e-3);
    /// ```
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        Adam {
            rate: non_negative("Adam", "learning rate", rate),
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            amsgrad: false,
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

        /// Weight decay `λ`: adds the gradient of `λ/2 · Σ θ²`, which is averaged and scaled like the rest of the
        /// gradient. [`AdamW`](super::AdamW) keeps it out of the averages. Defaults to 0.
        ///
        /// # Panics
        /// Panics if `weight_decay` is negative, infinite or NaN.
        weight_decay: non_negative("weight decay");
    }

    /// Uses decoupled weight decay, as AdamW does.
    pub(super) fn decoupled(mut self) -> Self {
        self.decoupled = true;
        self
    }

    /// Divides by the root of the largest average square so far (AMSGrad), so that the scaling never increases again.
    ///
    /// ```
    /// use nn::optim::Adam;
    /// let adam = Adam::<f32>::new(1e-3).betas(0.9, 0.99).amsgrad(true);
    /// # let _ = adam;
    /// ```
    pub fn amsgrad(self, amsgrad: bool) -> Self {
        let names: &[_] = &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"];
        Adam { amsgrad, memory: Memory::new(if amsgrad { names } else { &names[..2] }), ..self }
    }
}

impl<T: Float> Optimizer<T> for Adam<T> {
    rate_and_memory!();

    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        step(self, model, gradients)
    }
}

once! {
    fn step<T>(rule: &mut Adam<T>, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        let (decay, eps) = (Decay::<T>::new(rule.decoupled, rule.weight_decay, rule.rate), T::of(rule.eps));
        let moments = Moments::new(rule.betas, decay);
        let moved = |step: i32| {
            let (first, second) = bias_corrections(rule.betas, step);
            let (size, correction) = (T::of(rule.rate / first), T::of(second.sqrt()));
            move |p: &mut T, m: T, v: T| *p -= size * m / (v.sqrt() / correction + eps)
        };
        if rule.amsgrad {
            rule.memory.for_each(model, gradients, zeros, |p, g, step, [m, v, largest]| {
                let moved = moved(step);
                update(p, [m, v, largest], g, move |p, [m, v, largest], g| {
                    moments.averages(p, m, v, g);
                    *largest = largest.max(*v);
                    moved(p, *m, *largest);
                });
            });
        } else {
            rule.memory.for_each(model, gradients, zeros, |p, g, step, [m, v]| {
                let moved = moved(step);
                update(p, [m, v], g, move |p, [m, v], g| {
                    moments.averages(p, m, v, g);
                    moved(p, *m, *v);
                });
            });
        }
    }
}
