//! The two moments that Adam and its variants keep of a parameter's gradients: a running average, and a running average
//! of the squares. How a rule uses them is up to that rule.

use super::decay::Decay;
use autograd::Float;

/// Updates the moments of one element. A rule holds one for a whole step, since nothing in it depends on the parameter.
#[derive(Clone, Copy)]
pub(super) struct Moments<T> {
    decay: Decay<T>,
    new1: T,
    kept2: T,
    new2: T,
}

impl<T: Float> Moments<T> {
    pub(super) fn new(betas: (f64, f64), decay: Decay<T>) -> Self {
        let [new1, kept2, new2] = [1.0 - betas.0, betas.1, 1.0 - betas.1].map(T::of);
        Moments { decay, new1, kept2, new2 }
    }

    /// Weight decay, then `m ← m + (1 - β₁) (g - m)`. Returns the gradient with the decay in it.
    #[inline(always)]
    pub(super) fn average(self, p: &mut T, m: &mut T, g: T) -> T {
        let g = self.decay.apply(p, g);
        *m += self.new1 * (g - *m);
        g
    }

    /// [`average`](Moments::average), then `v ← β₂ v + (1 - β₂) g²`.
    #[inline(always)]
    pub(super) fn averages(self, p: &mut T, m: &mut T, v: &mut T, g: T) -> T {
        let g = self.average(p, m, g);
        *v = self.kept2 * *v + self.new2 * g * g;
        g
    }

    /// Adamax's second moment, a maximum that decays: `u ← max(β₂ u, x)`.
    #[inline(always)]
    pub(super) fn maximum(self, u: &mut T, x: T) {
        *u = (self.kept2 * *u).max(x);
    }
}

/// The bias corrections after `step` steps, since the moments start at 0: `1 - β₁ᵗ` and `1 - β₂ᵗ`, to divide them by.
pub(super) fn bias_corrections(betas: (f64, f64), step: i32) -> (f64, f64) {
    (1.0 - betas.0.powi(step), 1.0 - betas.1.powi(step))
}
