//! The two forms of weight decay in Adam and its variants.

use autograd::Float;

/// Weight decay through the gradient, `g ← g + λ θ`, where it is averaged and scaled like the rest of the gradient; or
/// decoupled, `θ ← θ - γ λ θ`. The unused form is the identity, so that a loop over elements has no branch.
#[derive(Clone, Copy)]
pub(super) struct Decay<T> {
    l2: T,
    keep: T,
}

impl<T: Float> Decay<T> {
    pub(super) fn new(decoupled: bool, weight_decay: f64, rate: f64) -> Self {
        let (l2, keep) = if decoupled { (0.0, 1.0 - rate * weight_decay) } else { (weight_decay, 1.0) };
        Decay { l2: T::of(l2), keep: T::of(keep) }
    }

    /// Shrinks a parameter if decay is decoupled, and returns the gradient to use.
    #[inline(always)]
    pub(super) fn apply(self, p: &mut T, g: T) -> T {
        *p *= self.keep;
        g + self.l2 * *p
    }
}
