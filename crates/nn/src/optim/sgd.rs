//! Stochastic gradient descent, with or without momentum.

use super::decay::Decay;
use super::{Memory, Optimizer, ParamGradients, non_negative, zeros};
use crate::domain::or_panic;
use crate::{Parameters, once};
use autograd::{Float, update};

/// Stochastic gradient descent:
///
/// ```text
/// g ← g + λ θ                     weight decay λ; decoupled: θ ← θ - γ λ θ
/// v ← μ v + (1 - τ) g             momentum μ, dampening τ; v = g at the first step
/// g ← v,  or  g + μ v             Nesterov
/// θ ← θ - γ g                     learning rate γ
/// ```
///
/// All settings except the learning rate default to 0 or off. Momentum has PyTorch's form, in which a new learning rate
/// immediately scales the whole step. Sources: Polyak, *Some methods of speeding up the convergence of iteration
/// methods* (1964); Sutskever, Martens, Dahl and Hinton, *On the importance of initialization and momentum in deep
/// learning* (2013).
///
/// For a table with [gradients by rows](crate::Param::set_by_rows), only the rows with a gradient are read and written;
/// with momentum, all rows that have had a gradient, since they keep moving. The results are those of dense gradients.
///
/// ```
/// use autograd::tensor;
/// use nn::{Param, optim::{Optimizer, ParamGradients, Sgd}};
/// let mut w = Param::new(tensor![1.0_f64]);
/// let mut sgd = Sgd::new(0.1).momentum(0.5);
/// for _ in 0..2 {
///     sgd.step(&mut w, &ParamGradients::from_iter([Some(tensor![2.0])]));
/// }
/// // 1 - 0.1 · 2 - 0.1 · (0.5 · 2 + 2)
/// assert!((w.value().at(&[0]) - 0.5).abs() < 1e-15);
/// ```
#[derive(Debug, Clone)]
pub struct Sgd<T: Float> {
    rate: f64,
    momentum: f64,
    dampening: f64,
    nesterov: bool,
    weight_decay: f64,
    decoupled: bool,
    memory: Memory<T>,
}

impl<T: Float> Sgd<T> {
    /// Plain gradient descent with this learning rate.
    ///
    /// # Panics
    /// Panics if the rate is negative, infinite or NaN.
    #[track_caller]
    pub fn new(rate: f64) -> Self {
        let rate = non_negative("Sgd", "learning rate", rate);
        let memory = Memory::uncounted(&[]).by_rows();
        Sgd { rate, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0, decoupled: false, memory }
    }

    settings! {
        /// Weight decay `λ`: adds the gradient of `λ/2 · Σ θ²`. Defaults to 0.
        ///
        /// # Panics
        /// Panics if `weight_decay` is negative, infinite or NaN.
        weight_decay: non_negative("weight decay");
    }

    /// Whether weight decay is decoupled, `θ ← (1 - γ λ) θ`, rather than part of the gradient, where momentum
    /// accumulates it. Defaults to `false`. Source: Loshchilov and Hutter, *Decoupled weight decay regularization*
    /// (2019), SGDW.
    pub fn decoupled_weight_decay(mut self, decoupled: bool) -> Self {
        self.decoupled = decoupled;
        self
    }

    /// The fraction of the last step that is kept: `μ`, commonly 0.9. Defaults to 0.
    ///
    /// # Panics
    /// Panics if `momentum` is negative, infinite or NaN.
    #[track_caller]
    pub fn momentum(self, momentum: f64) -> Self {
        let momentum = non_negative("Sgd", "momentum", momentum);
        let memory = match momentum > 0.0 {
            true => Memory::uncounted(&["momentum_buffer"]).by_rows_so_far(),
            false => Memory::uncounted(&[]).by_rows(),
        };
        Sgd { momentum, memory, ..self }
    }

    /// The fraction of each gradient after the first that is left out of the velocity: `τ`. Defaults to 0.
    ///
    /// # Panics
    /// Panics if `dampening` is infinite or NaN.
    #[track_caller]
    pub fn dampening(mut self, dampening: f64) -> Self {
        assert!(dampening.is_finite(), "Sgd: the dampening must be finite, got {dampening}");
        self.dampening = dampening;
        self
    }

    /// Nesterov momentum: looks one step of velocity ahead. `step` panics unless momentum is above 0 and dampening is
    /// 0.
    ///
    /// ```
    /// use nn::optim::Sgd;
    /// let sgd = Sgd::<f32>::new(0.1).momentum(0.9).nesterov(true).decoupled_weight_decay(true).weight_decay(1e-4);
    /// # let _ = sgd;
    /// ```
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.nesterov = nesterov;
        self
    }
}

impl<T: Float> Optimizer<T> for Sgd<T> {
    rate_and_memory!();

    fn check(&self, _: &dyn Parameters<T>) -> Result<(), String> {
        let &Sgd { nesterov, momentum, dampening, .. } = self;
        if !nesterov || momentum > 0.0 && dampening == 0.0 {
            return Ok(());
        }
        let needs = "Sgd: Nesterov momentum requires momentum above 0 and no dampening";
        Err(format!("{needs}, got {momentum} and {dampening}"))
    }

    /// # Panics
    /// Panics if Nesterov momentum has no momentum or is dampened, a gradient does not have the shape of its parameter, or
    /// weight decay is combined with gradients by rows.
    #[track_caller]
    fn step(&mut self, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        step(self, model, gradients)
    }
}

once! {
    fn step<T>(rule: &mut Sgd<T>, model: &mut dyn Parameters<T>, gradients: &ParamGradients<T>) {
        or_panic(rule.check(&*model));
        if rule.weight_decay != 0.0 {
            gradients.refuse_rows("Sgd with weight decay");
        }
        let [rate, momentum] = [rule.rate, rule.momentum].map(T::of);
        let decay = Decay::<T>::new(rule.decoupled, rule.weight_decay, rule.rate);
        if rule.momentum == 0.0 {
            return rule.memory.for_each(model, gradients, zeros, |p, g, _, []| {
                update(p, [], g, |p, [], g| {
                    let g = decay.apply(p, g);
                    *p -= rate * g;
                });
            });
        }
        rule.memory.for_each(model, gradients, zeros, |p, g, step, [v]| {
            let kept = T::of(if step > 1 { 1.0 - rule.dampening } else { 1.0 });
            // Select the variant before the loop, so that the loop has no branch.
            if rule.nesterov {
                update(p, [v], g, |p, [v], g| {
                    let g = decay.apply(p, g);
                    *v = momentum * *v + g;
                    *p -= rate * (g + momentum * *v);
                });
            } else {
                update(p, [v], g, |p, [v], g| {
                    let g = decay.apply(p, g);
                    *v = momentum * *v + kept * g;
                    *p -= rate * *v;
                });
            }
        });
    }
}
