//! Lion.

use super::{Memory, Optimizer, ParamGradients, along, fraction, non_negative, zeros};
use crate::{Parameters, once};
use autograd::{Float, update};

/// Lion: moves every parameter by the learning rate, in the direction of the sign of an averaged gradient.
///
/// It keeps one value per parameter, half as many as [`Adam`](super::Adam).
///
/// ```text
/// θ ← θ - γ (sign(β₁ m + (1 - β₁) g) + λ θ)       weight decay λ, learning rate γ
/// m ← β₂ m + (1 - β₂) g
/// ```
///
/// Defaults are the paper's: `β = (0.9, 0.99)`, no weight decay; its learning rates are a third to a tenth of Adam's.
/// Source: Chen et al., *Symbolic discovery of optimization algorithms* (2023).
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{Lion, Optimizer, ParamGradients}};
/// let mut w = Param::new(tensor![1.0_f64, 1.0, 1.0]);
/// Lion::new(0.25).step(&mut w, &ParamGradients::from_iter([Some(tensor![1e-3, -1e3, 0.0])]));
/// assert_eq!(w.value(), &tensor![0.75, 1.25, 1.0]);
/// ```
#[derive(Debug, Clone)]
pub struct Lion<T: Float> {
    rate: f64,
    betas: (f64, f64),
    weight_decay: f64,
    memory: Memory<T>,
}

impl<T: Float> Lion<T> {
    /// Lion with this learning rate.
    ///
    /// ```
    /// use nn::optim::{Optimizer, Lion};
    /// let optimizer = Lion::<f32>::new(1e-4).betas(0.95, 0.98).weight_decay(0.1);
    /// assert_eq!(optimizer.learning_rate(), 1e-4);
    /// ```
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        let rate = non_negative("Lion", "learning rate", rate);
        Lion { rate, betas: (0.9, 0.99), weight_decay: 0.0, memory: Memory::uncounted(&["exp_avg"]) }
    }

    betas! {
        /// The weight of the average in a step, and its decay rate: `β₁, β₂`. Defaults to (0.9, 0.99).
    }

    settings! {
        /// Weight decay `λ`: each step shrinks parameters by a fraction `γ λ`. Defaults to 0.
        ///
        /// # Panics
        /// Panics if `weight_decay` is negative, infinite or NaN.
        weight_decay: non_negative("weight decay");
    }
}

impl<T: Float> Optimizer<T> for Lion<T> {
    rate_and_memory!();

    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        step(self, model, gradients)
    }
}

once! {
    fn step<T>(rule: &mut Lion<T>, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        let [rate, keep] = [rule.rate, 1.0 - rule.rate * rule.weight_decay].map(T::of);
        let [kept1, new1] = [rule.betas.0, 1.0 - rule.betas.0].map(T::of);
        let [kept2, new2] = [rule.betas.1, 1.0 - rule.betas.1].map(T::of);
        rule.memory.for_each(model, gradients, zeros, |p, g, _, [m]| {
            update(p, [m], g, |p, [m], g| {
                let direction = kept1 * *m + new1 * g;
                *m = kept2 * *m + new2 * g;
                *p = keep * *p - along(direction, rate);
            });
        });
    }
}
