//! Adagrad.

use super::{Memory, Optimizer, ParamGradients, non_negative};
use crate::{Parameters, once};
use autograd::{Float, Tensor, update};

/// Adagrad: divides each gradient by the root of the sum of its squares so far.
///
/// ```text
/// g ← g + λ θ                         weight decay λ
/// s ← s + g²                          s = s₀ at first
/// θ ← θ - γ/(1 + (t - 1) η) · g / (√s + ε)      at the t-th step, learning rate γ, its decay η
/// ```
///
/// Defaults are PyTorch's: `η = 0`, `s₀ = 0`, `ε = 1e-10`, no weight decay; its default learning rate is 0.01. Source:
/// Duchi, Hazan and Singer, *Adaptive subgradient methods for online learning and stochastic optimization* (2011).
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{Adagrad, Optimizer, ParamGradients}};
/// let mut w = Param::new(tensor![1.0_f64, 1.0]);
/// Adagrad::new(0.1).step(&mut w, &ParamGradients::from_iter([Some(tensor![1e-3, -1e3])]));
/// // The first step is γ, however large the gradient.
/// assert!((w.value().at(&[0]) - 0.9).abs() < 1e-6 && (w.value().at(&[1]) - 1.1).abs() < 1e-6);
/// ```
#[derive(Debug, Clone)]
pub struct Adagrad<T: Float> {
    rate: f64,
    rate_decay: f64,
    initial_accumulator_value: f64,
    eps: f64,
    weight_decay: f64,
    memory: Memory<T>,
}

impl<T: Float> Adagrad<T> {
    /// Adagrad with this learning rate.
    ///
    /// ```
    /// use nn::optim::{Optimizer, Adagrad};
    /// let optimizer = Adagrad::<f32>::new(0.01).rate_decay(1e-3).initial_accumulator_value(0.1).eps(1e-10).weight_decay(1e-4);
    /// assert_eq!(optimizer.learning_rate(), 0.01);
    /// ```
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        Adagrad {
            rate: non_negative("Adagrad", "learning rate", rate),
            rate_decay: 0.0,
            initial_accumulator_value: 0.0,
            eps: 1e-10,
            weight_decay: 0.0,
            memory: Memory::new(&["sum"]).by_rows(),
        }
    }

    settings! {
        /// The decay of the learning rate: `η`, PyTorch's `lr_decay`. Defaults to 0.
        ///
        /// # Panics
        /// Panics if `rate_decay` is negative, infinite or NaN.
        rate_decay: non_negative("decay of the learning rate");

        /// The initial value of the sum of squares: `s₀`. Defaults to 0.
        ///
        /// # Panics
        /// Panics if `initial_accumulator_value` is negative, infinite or NaN.
        initial_accumulator_value: non_negative("initial accumulator value");

        /// Added to the denominator for numerical stability: `ε`. Defaults to 1e-10.
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

impl<T: Float> Optimizer<T> for Adagrad<T> {
    rate_and_memory!();

    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        step(self, model, gradients)
    }
}

once! {
    fn step<T>(rule: &mut Adagrad<T>, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        if rule.weight_decay != 0.0 {
            gradients.refuse_rows("Adagrad with weight decay");
        }
        let [eps, decay, first] = [rule.eps, rule.weight_decay, rule.initial_accumulator_value].map(T::of);
        let first = |p: &Tensor<T>| [Tensor::full(p.shape(), first)];
        rule.memory.for_each(model, gradients, first, |p, g, step, [sum]| {
            let rate = T::of(rule.rate / (1.0 + f64::from(step - 1) * rule.rate_decay));
            update(p, [sum], g, |p, [s], g| {
                let g = g + decay * *p;
                *s += g * g;
                *p -= rate * g / (s.sqrt() + eps);
            });
        });
    }
}
