//! RMSprop.

use super::{Memory, Optimizer, ParamGradients, fraction, non_negative, zeros};
use crate::io::{StateDict, StateError};
use crate::{Parameters, once};
use autograd::{Float, update};

/// RMSprop: divides each gradient by its running root mean square.
///
/// ```text
/// g ← g + λ θ                     weight decay λ
/// s ← α s + (1 - α) g²
/// d = g / (√s + ε)
/// b ← μ b + d                     momentum μ; without it b = d
/// θ ← θ - γ b                     learning rate γ
///
/// centered: the running variance v replaces s
/// v ← α (v + (1 - α) (g - a)²)
/// a ← a + (1 - α) (g - a)
/// ```
///
/// The variance is `s - a²`, without the difference of two rounded numbers, which may be negative. A centered state of
/// PyTorch, which holds `s`, can be loaded.
///
/// Defaults are PyTorch's: `α = 0.99`, `ε = 1e-8`, no momentum, not centered, no weight decay; its default learning
/// rate is 0.01. (Keras adds `ε` under the root and defaults to `α = 0.9`.) Sources: Tieleman and Hinton, *Lecture 6.5
/// - rmsprop* (2012); the centered form: Graves, *Generating sequences with recurrent neural networks* (2013).
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{Optimizer, ParamGradients, RmsProp}};
/// let mut w = Param::new(tensor![1.0, 1.0]);
/// let gradients = ParamGradients::from_iter([Some(tensor![1e-3, 1e3])]);
/// RmsProp::new(0.01).alpha(0.75).step(&mut w, &gradients);
/// // The first step is γ / √(1 - α), however large the gradient.
/// assert!(w.value().iter().all(|w: f64| (w - 0.98).abs() < 1e-6));
/// ```
#[derive(Debug, Clone)]
pub struct RmsProp<T: Float> {
    rate: f64,
    alpha: f64,
    eps: f64,
    momentum: f64,
    centered: bool,
    weight_decay: f64,
    memory: Memory<T>,
}

impl<T: Float> RmsProp<T> {
    /// RMSprop with this learning rate.
    ///
    /// ```
    /// use nn::optim::{Optimizer, RmsProp};
    /// let optimizer = RmsProp::<f32>::new(0.01).alpha(0.9).momentum(0.9).centered(true).eps(1e-7).weight_decay(1e-4);
    /// assert_eq!(optimizer.learning_rate(), 0.01);
    /// ```
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        let rate = non_negative("RmsProp", "learning rate", rate);
        RmsProp {
            rate,
            alpha: 0.99,
            eps: 1e-8,
            momentum: 0.0,
            centered: false,
            weight_decay: 0.0,
            memory: Memory::new(&["square_avg"]),
        }
    }

    settings! {
        /// The decay rate of the running averages: `α`. Defaults to 0.99.
        ///
        /// # Panics
        /// Panics if `alpha` is not in `[0, 1)`.
        alpha: fraction("smoothing constant alpha");

        /// Added to the denominator for numerical stability: `ε`. Defaults to 1e-8.
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

    /// The fraction of the last step that is kept: `μ`. Defaults to 0.
    ///
    /// # Panics
    /// Panics if `momentum` is negative, infinite or NaN.
    #[track_caller]
    pub fn momentum(self, momentum: f64) -> Self {
        RmsProp { momentum: non_negative("RmsProp", "momentum", momentum), ..self }.reminded()
    }

    /// Whether to divide by the standard deviation of the gradients rather than their root mean square. Defaults to
    /// `false`.
    pub fn centered(self, centered: bool) -> Self {
        RmsProp { centered, ..self }.reminded()
    }

    /// Sets up the state that these settings need.
    fn reminded(mut self) -> Self {
        self.memory = Memory::new(match (self.centered, self.momentum > 0.0) {
            (false, false) => &["square_avg"],
            (false, true) => &["square_avg", "momentum_buffer"],
            (true, false) => &[VARIANCE, MEAN],
            (true, true) => &[VARIANCE, MEAN, "momentum_buffer"],
        });
        self
    }
}

/// The name of the variance in a state, `v`.
const VARIANCE: &str = "grad_var";
/// The name of the mean gradient in a state, `a`.
const MEAN: &str = "grad_avg";
/// PyTorch's name of the mean square, `s`.
const SQUARE: &str = "square_avg";

/// A centered state with `max(s - a², 0)` in place of each `s`, as PyTorch stores it.
fn with_variances(state: &StateDict) -> StateDict {
    let mut converted = StateDict::new();
    for (name, tensor) in state.iter() {
        let prefix = name.strip_suffix(SQUARE).filter(|prefix| prefix.is_empty() || prefix.ends_with('.'));
        let mean = prefix.and_then(|prefix| state.get(&format!("{prefix}{MEAN}")));
        match (prefix, mean) {
            (Some(prefix), Some(mean)) if mean.shape() == tensor.shape() => {
                let (s, a) = (tensor.to::<f64>(), mean.to::<f64>());
                converted.insert(format!("{prefix}{VARIANCE}"), (s - a.square()).relu());
            }
            _ => {
                converted.insert(name, tensor.clone());
            }
        }
    }
    converted
}

impl<T: Float> Optimizer<T> for RmsProp<T> {
    rate_and_memory!(@rate);

    fn state(&self, model: &dyn Parameters<T>) -> StateDict {
        self.memory.state(model)
    }

    fn load_state(&mut self, model: &dyn Parameters<T>, state: &StateDict) -> Result<(), StateError> {
        if self.centered {
            self.memory.load_state(model, &with_variances(state))
        } else {
            self.memory.load_state(model, state)
        }
    }

    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        step(self, model, gradients)
    }
}

once! {
    fn step<T>(rule: &mut RmsProp<T>, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        let [rate, momentum, decay] = [rule.rate, rule.momentum, rule.weight_decay].map(T::of);
        let [alpha, new, eps] = [rule.alpha, 1.0 - rule.alpha, rule.eps].map(T::of);
        // The lines of the formula, which the four variants below combine. Each captures its constants by value: the
        // compiler would assume that borrowed ones change with the loop's writes, and would not vectorize.
        let decayed = move |p: T, g: T| g + decay * p;
        let divided = move |g: T, s: &mut T| {
            *s = alpha * *s + new * g * g;
            g / (s.sqrt() + eps)
        };
        let divided_centered = move |g: T, v: &mut T, a: &mut T| {
            let apart = g - *a;
            *v = alpha * (*v + new * apart * apart);
            *a += new * apart;
            g / (v.sqrt() + eps)
        };
        let moved = move |b: &mut T, d: T| {
            *b = momentum * *b + d;
            *b
        };
        let memory = &mut rule.memory;
        match (rule.centered, rule.momentum > 0.0) {
            (false, false) => memory.for_each(model, gradients, zeros, |p, g, _, [s]| {
                update(p, [s], g, move |p, [s], g| *p -= rate * divided(decayed(*p, g), s));
            }),
            (false, true) => memory.for_each(model, gradients, zeros, |p, g, _, [s, b]| {
                update(p, [s, b], g, move |p, [s, b], g| *p -= rate * moved(b, divided(decayed(*p, g), s)));
            }),
            (true, false) => memory.for_each(model, gradients, zeros, |p, g, _, [v, a]| {
                update(p, [v, a], g, move |p, [v, a], g| *p -= rate * divided_centered(decayed(*p, g), v, a));
            }),
            (true, true) => memory.for_each(model, gradients, zeros, |p, g, _, [v, a, b]| {
                update(p, [v, a, b], g, move |p, [v, a, b], g| {
                    *p -= rate * moved(b, divided_centered(decayed(*p, g), v, a));
                });
            }),
        }
    }
}
