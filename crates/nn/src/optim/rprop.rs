//! Rprop.

use super::{Memory, Optimizer, ParamGradients, along, non_negative};
use crate::{Parameters, once};
use autograd::{Float, Tensor, update};

/// Rprop: uses only the signs of the gradients. A parameter's step size grows while the sign stays the same, and
/// shrinks when it changes.
///
/// ```text
/// same sign as before:    γ ← min(η₊ γ, γ₊)
/// sign has changed:       γ ← max(η₋ γ, γ₋),  g ← 0
/// θ ← θ - γ sign(g)
/// ```
///
/// Every parameter starts with the learning rate as its step size. Meant for full-batch gradients: signs change too
/// often between mini-batches. Defaults are PyTorch's: `η = (0.5, 1.2)`, step sizes in `[1e-6, 50]`; its default
/// learning rate is 0.01. Source: Riedmiller and Braun, *A direct adaptive method for faster backpropagation learning:
/// the RPROP algorithm* (1993), without backtracking.
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{Optimizer, ParamGradients, Rprop}};
/// let (mut w, mut rprop) = (Param::new(tensor![1.0_f64, 1.0]), Rprop::new(0.25).etas(0.5, 2.0));
/// rprop.step(&mut w, &ParamGradients::from_iter([Some(tensor![1e-3, -1e3])]));
/// assert_eq!(w.value(), &tensor![0.75, 1.25]);
/// rprop.step(&mut w, &ParamGradients::from_iter([Some(tensor![1e-3, 1e3])]));
/// assert_eq!(w.value(), &tensor![0.25, 1.25]);
/// ```
#[derive(Debug, Clone)]
pub struct Rprop<T: Float> {
    rate: f64,
    etas: (f64, f64),
    step_sizes: (f64, f64),
    memory: Memory<T>,
}

impl<T: Float> Rprop<T> {
    /// Rprop with this initial step size.
    ///
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        Rprop {
            rate: non_negative("Rprop", "learning rate", rate),
            etas: (0.5, 1.2),
            step_sizes: (1e-6, 50.0),
            memory: Memory::new(&["prev", "step_size"]),
        }
    }

    /// The factors of the step size when the sign changes and when it stays: `η₋, η₊`. Defaults to (0.5, 1.2).
    ///
    /// # Panics
    /// Panics unless `0 < η₋ < 1 < η₊`.
    #[track_caller]
    pub fn etas(mut self, minus: f64, plus: f64) -> Self {
        let fits = 0.0 < minus && minus < 1.0 && 1.0 < plus && plus.is_finite();
        assert!(fits, "Rprop: the etas must satisfy 0 < minus < 1 < plus, got {minus} and {plus}");
        self.etas = (minus, plus);
        self
    }

    /// The smallest and the largest step size: `γ₋, γ₊`. Defaults to (1e-6, 50).
    ///
    /// ```
    /// use nn::optim::Rprop;
    /// let rprop = Rprop::<f32>::new(0.01).etas(0.5, 1.1).step_sizes(1e-7, 1.0);
    /// # let _ = rprop;
    /// ```
    /// # Panics
    /// Panics unless `0 ≤ γ₋ ≤ γ₊`.
    #[track_caller]
    pub fn step_sizes(mut self, smallest: f64, largest: f64) -> Self {
        assert!(
            0.0 <= smallest && smallest <= largest,
            "Rprop: the step sizes must satisfy 0 <= smallest <= largest, got {smallest} and {largest}"
        );
        self.step_sizes = (smallest, largest);
        self
    }
}

impl<T: Float> Optimizer<T> for Rprop<T> {
    rate_and_memory!();

    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        step(self, model, gradients)
    }
}

once! {
    fn step<T>(rule: &mut Rprop<T>, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        let [minus, plus, smallest, largest, rate] =
            [rule.etas.0, rule.etas.1, rule.step_sizes.0, rule.step_sizes.1, rule.rate].map(T::of);
        // The previous gradient, and each element's step size.
        let first = |p: &Tensor<T>| [Tensor::zeros(p.shape()), Tensor::full(p.shape(), rate)];
        rule.memory.for_each(model, gradients, first, |p, g, _, [before, steps]| {
            // The loop captures its constants by value: borrowed ones would be read again after each write.
            update(p, [before, steps], g, move |p, [before, step], g| {
                let product = g * *before;
                let slower = if product < T::zero() { minus } else { T::one() };
                let factor = if product > T::zero() { plus } else { slower };
                *step = (*step * factor).max(smallest).min(largest);
                *before = if product < T::zero() { T::zero() } else { g };
                *p -= along(*before, *step);
            });
        });
    }
}
