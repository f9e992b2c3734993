//! Averaged stochastic gradient descent.

use super::{Memory, Optimizer, ParamGradients, non_negative, zeros};
use crate::{Parameters, once};
use autograd::{Float, update};

/// Averaged stochastic gradient descent: plain descent with a decaying learning rate, and an average of the parameters
/// along the way, which converges faster than the parameters do.
///
/// ```text
/// g ← g + λ θ                              weight decay λ
/// η = γ / (1 + l γ (t - 1))^α              at the t-th step, learning rate γ
/// θ ← (1 - l η) θ - η g
/// a ← a + (θ - a) / max(1, t - 1 - t₀)     the average, θ itself until step t₀ + 2
/// ```
///
/// Defaults are PyTorch's: `l = 1e-4`, `α = 0.75`, `t₀ = 1e6`, no weight decay; its default learning rate is 0.01. The
/// averages are in the [state](Optimizer::state) as `ax`. A new rate takes effect at once; in PyTorch, one step later.
/// Source: Polyak and Juditsky, *Acceleration of stochastic approximation by averaging* (1992).
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{Asgd, Optimizer, ParamGradients}};
/// let (mut w, mut asgd) = (Param::new(tensor![1.0]), Asgd::new(0.5).lambd(0.0).t0(0.0));
/// for g in [1.0, -1.0, 1.0] {
///     asgd.step(&mut w, &ParamGradients::from_iter([Some(tensor![g])]));
/// }
/// // The values are 0.5, 1 and 0.5; the average restarts at the second.
/// assert_eq!((w.value(), asgd.state(&w).get("ax").unwrap().to::<f64>()), (&tensor![0.5], tensor![0.75]));
/// ```
#[derive(Debug, Clone)]
pub struct Asgd<T: Float> {
    rate: f64,
    lambd: f64,
    alpha: f64,
    t0: f64,
    weight_decay: f64,
    memory: Memory<T>,
}

impl<T: Float> Asgd<T> {
    /// Averaged stochastic gradient descent with this learning rate.
    ///
    /// ```
    /// use nn::optim::{Optimizer, Asgd};
    /// let optimizer = Asgd::<f32>::new(0.01).lambd(1e-4).alpha(0.75).t0(1e6).weight_decay(1e-4);
    /// assert_eq!(optimizer.learning_rate(), 0.01);
    /// ```
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        Asgd {
            rate: non_negative("Asgd", "learning rate", rate),
            lambd: 1e-4,
            alpha: 0.75,
            t0: 1e6,
            weight_decay: 0.0,
            memory: Memory::new(&["ax"]),
        }
    }

    settings! {
        /// Controls the decay of the learning rate and of the parameters: `l`. Defaults to 1e-4.
        ///
        /// # Panics
        /// Panics if `lambd` is negative, infinite or NaN.
        lambd: non_negative("lambd");

        /// The exponent of the decay of the learning rate: `α`. Defaults to 0.75.
        ///
        /// # Panics
        /// Panics if `alpha` is negative, infinite or NaN.
        alpha: non_negative("alpha");

        /// The step at which averaging begins: `t₀`. Defaults to 1e6.
        ///
        /// # Panics
        /// Panics if `t0` is negative, infinite or NaN.
        t0: non_negative("t0");

        /// Weight decay `λ`: adds the gradient of `λ/2 · Σ θ²`. Defaults to 0.
        ///
        /// # Panics
        /// Panics if `weight_decay` is negative, infinite or NaN.
        weight_decay: non_negative("weight decay");
    }
}

impl<T: Float> Optimizer<T> for Asgd<T> {
    rate_and_memory!();

    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        step(self, model, gradients)
    }
}

once! {
    fn step<T>(rule: &mut Asgd<T>, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        let decay = T::of(rule.weight_decay);
        rule.memory.for_each(model, gradients, zeros, |p, g, step, [ax]| {
            let before = f64::from(step - 1);
            let eta = rule.rate / (1.0 + rule.lambd * rule.rate * before).powf(rule.alpha);
            let part = 1.0 / f64::max(1.0, before - rule.t0);
            // Until averaging begins, multiplying by 0 resets the average exactly, without a rounding residue.
            let [kept, keep, eta, part] = [(part < 1.0) as i32 as f64, 1.0 - rule.lambd * eta, eta, part].map(T::of);
            update(p, [ax], g, |p, [a], g| {
                let g = g + decay * *p;
                *p = keep * *p - eta * g;
                *a *= kept;
                *a += part * (*p - *a);
            });
        });
    }
}
