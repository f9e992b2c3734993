//! Adam, and the rule that it shares with AdamW.

use super::{Optimizer, ParamGradients, Places, for_each_gradient, fraction, non_negative, zeros_like};
use crate::{Parameters, Path};
use autograd::{Float, Tensor, update};

/// Adam: running averages of the gradient and of its square, both corrected for having begun at 0.
///
/// ```text
/// g ← g + λ θ                                 weight decay λ, through the gradient; AdamW decays otherwise
/// m ← m + (1 - β₁) (g - m)
/// v ← β₂ v + (1 - β₂) g²                      AMSGrad: v̂ ← max(v̂, v) stands for v below
/// θ ← θ - γ/(1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)     at the t-th step, learning rate γ
/// ```
///
/// Defaults: `β = (0.9, 0.999)`, `ε = 1e-8`, no decay, no AMSGrad; the paper's and PyTorch's rate is 1e-3. Sources: Kingma
/// and Ba, *Adam: a method for stochastic optimization* (2015); Reddi, Kale and Kumar, *On the convergence of Adam and
/// beyond* (2018).
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{Adam, Optimizer, ParamGradients}};
/// let mut w = Param::new(tensor![1.0_f64, 1.0]);
/// Adam::new(0.1).step(&mut w, &ParamGradients::from_iter([Some(tensor![1e-3, -1e3])]));
/// // Large or small, a gradient makes the same first step: γ.
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
    moments: Places<Moments<T>>,
    path: Path,
}

#[derive(Debug, Clone)]
struct Moments<T: Float> {
    steps: i32,
    m: Tensor<T>,
    v: Tensor<T>,
    /// Where AMSGrad asks for it.
    largest_v: Option<Tensor<T>>,
}

impl<T: Float> Adam<T> {
    /// Adam with this learning rate.
    ///
    /// # Panics
    /// If the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        Adam {
            rate: non_negative("learning rate", rate),
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            amsgrad: false,
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

        /// Draws every parameter towards 0: `λ`, the gradient of `λ/2 · Σ θ²`, averaged and divided like any other part of
        /// the gradient. [`AdamW`](super::AdamW) keeps it out of the averages.
        ///
        /// # Panics
        /// If it is negative, infinite or NaN.
        weight_decay: non_negative("weight decay");
    }

    /// Decay as AdamW has it.
    pub(super) fn decoupled(mut self) -> Self {
        self.decoupled = true;
        self
    }

    /// Divides by the largest average square so far, so that steps never grow again.
    pub fn amsgrad(mut self, amsgrad: bool) -> Self {
        self.amsgrad = amsgrad;
        self
    }
}

impl<T: Float> Optimizer<T> for Adam<T> {
    learning_rate!();

    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        let (beta1, beta2) = self.betas;
        // Decay goes through the gradient (Adam) or shrinks the parameter by itself (AdamW).
        let (l2, keep) =
            if self.decoupled { (0.0, 1.0 - self.rate * self.weight_decay) } else { (self.weight_decay, 1.0) };
        let [l2, keep, eps] = [l2, keep, self.eps].map(T::of);
        let [new1, kept2, new2] = [1.0 - beta1, beta2, 1.0 - beta2].map(T::of);
        for_each_gradient(model, gradients, &mut self.path, |place, param, g| {
            let Moments { steps, m, v, largest_v } = self.moments.at(place, || Moments {
                steps: 0,
                m: zeros_like(param),
                v: zeros_like(param),
                largest_v: self.amsgrad.then(|| zeros_like(param)),
            });
            *steps = steps.saturating_add(1);
            let size = T::of(self.rate / (1.0 - beta1.powi(*steps)));
            let correction = T::of((1.0 - beta2.powi(*steps)).sqrt());

            let averaged = |p: &mut T, m: &mut T, v: &mut T, g: T| {
                *p *= keep;
                let g = g + l2 * *p;
                *m += new1 * (g - *m);
                *v = kept2 * *v + new2 * g * g;
            };
            let moved = |p: &mut T, m: T, v: T| *p -= size * m / (v.sqrt() / correction + eps);
            match largest_v {
                None => update(param.value_mut(), [m, v], g, |p, [m, v], g| {
                    averaged(p, m, v, g);
                    moved(p, *m, *v);
                }),
                Some(largest) => update(param.value_mut(), [m, v, largest], g, |p, [m, v, largest], g| {
                    averaged(p, m, v, g);
                    *largest = largest.max(*v);
                    moved(p, *m, *largest);
                }),
            }
        });
    }
}
