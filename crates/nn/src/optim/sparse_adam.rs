//! SparseAdam: Adam for tables in which few rows have gradients.

use super::moments::bias_corrections;
use super::{Memory, Optimizer, ParamGradients, fraction, non_negative, zeros};
use crate::{Parameters, once};
use autograd::{Float, update};

/// Adam that updates only the rows that have a gradient, and their averages: for [`Embedding::sparse`].
///
/// ```text
/// m ← m + (1 - β₁) (g - m)
/// v ← v + (1 - β₂) (g² - v)
/// θ ← θ - γ √(1 - β₂ᵗ)/(1 - β₁ᵗ) · m / (√v + ε)     at the t-th step, learning rate γ, for the rows of g
/// ```
///
/// Unlike under [`Adam`](super::Adam), a row does not move and its averages do not decay while it has no gradient; `t` counts
/// the steps of the whole table; and `ε` is not divided by the bias correction. A gradient of all rows updates all of them.
/// Defaults: `β = (0.9, 0.999)`, `ε = 1e-8`. PyTorch's rule of this name.
///
/// [`Embedding::sparse`]: crate::layer::Embedding::sparse
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::{data::{Fields, Samples}, layer::Embedding, loss::Parts, optim::SparseAdam, train::TrainStep};
/// let mut words = Embedding::<f32>::new(50_000, 4, &mut Rng::new(0)).sparse();
/// let before = words.weight.value().deep_copy();
/// let (mut step, mut adam) = (TrainStep::new(0), SparseAdam::new(0.1));
/// let batch = Samples::unlabeled(Fields::new().with("words", tensor![7_i64, 40_000]));
/// step.gradients_by(&words, &batch, |given, pass| Ok(words.lookup(given.inputs.integers("words")?, pass).sum().into()))?;
/// step.apply(&mut words, &mut adam);
/// let moved = (words.weight.value() - &before).abs();
/// assert_eq!((moved.at(&[8, 0]), moved.at(&[7, 0]) > 0.09), (0.0, true));
/// # Ok::<(), nn::train::StepError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SparseAdam<T: Float> {
    rate: f64,
    betas: (f64, f64),
    eps: f64,
    memory: Memory<T>,
}

impl<T: Float> SparseAdam<T> {
    /// SparseAdam with this learning rate.
    ///
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        SparseAdam {
            rate: non_negative("SparseAdam", "learning rate", rate),
            betas: (0.9, 0.999),
            eps: 1e-8,
            memory: Memory::new(&["exp_avg", "exp_avg_sq"]).by_rows(),
        }
    }

    betas! {
        /// The decay rates of the two running averages: `β₁, β₂`. Defaults to (0.9, 0.999).
        ///
        /// ```
        /// use nn::optim::SparseAdam;
        /// let adam = SparseAdam::<f32>::new(1e-3).betas(0.9, 0.99).eps(1e-7);
        /// # let _ = adam;
        /// ```
    }

    settings! {
        /// Added to the denominator for numerical stability: `ε`. Defaults to 1e-8.
        ///
        /// # Panics
        /// Panics if `eps` is negative, infinite or NaN.
        eps: non_negative("eps");
    }
}

impl<T: Float> Optimizer<T> for SparseAdam<T> {
    rate_and_memory!();

    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        step(self, model, gradients)
    }
}

once! {
    fn step<T>(rule: &mut SparseAdam<T>, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        let [new1, new2, eps] = [1.0 - rule.betas.0, 1.0 - rule.betas.1, rule.eps].map(T::of);
        rule.memory.for_each(model, gradients, zeros, |p, g, step, [m, v]| {
            let (first, second) = bias_corrections(rule.betas, step);
            let size = T::of(rule.rate * second.sqrt() / first);
            update(p, [m, v], g, move |p, [m, v], g| {
                *m += new1 * (g - *m);
                *v += new2 * (g * g - *v);
                *p -= size * *m / (v.sqrt() + eps);
            });
        });
    }
}
