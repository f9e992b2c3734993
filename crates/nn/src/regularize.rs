//! Penalties on large weights, as terms to add to a loss. They are recorded on the tape, which computes their
//! gradients.
//!
//! ```
//! use autograd::Tape;
//! use nn::{Param, Pass, layer::Linear, regularize};
//! let layer = Linear { weight: Param::new([[1.0, -2.0]]), bias: None };
//! let tape = Tape::<f64>::new();
//! let pass = Pass::eval(&tape);
//! assert_eq!((regularize::l1(&layer, &pass).item(), regularize::l2(&layer, &pass).item()), (3.0, 5.0));
//! ```

use crate::{Parameters, Pass, Path};
use autograd::{Float, Tensor, Var};

/// `Σ |w|` over the model's [weights](is_weight), with derivative `sign w`. Adding `λ · l1` to a loss makes weights
/// sparse.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Param, Pass, layer::Linear, regularize};
/// let layer = Linear { weight: Param::new(tensor![[1.0, -2.0]]), bias: Some(Param::new(tensor![7.0])) };
/// let tape = Tape::<f64>::new();
/// let pass = Pass::eval(&tape);
/// let penalty = regularize::l1(&layer, &pass);
/// assert_eq!(penalty.item(), 3.0);
/// assert_eq!(penalty.backward().wrt(pass.var(&layer.weight)), tensor![[1.0, -1.0]]);
/// ```
#[track_caller]
pub fn l1<'t, T: Float>(model: &(impl Parameters<T> + ?Sized), pass: &Pass<'t, T>) -> Var<'t, T> {
    penalty(model, pass, is_weight, |w| w.abs().sum())
}

/// `Σ w²` over the model's [weights](is_weight), without a factor ½, with derivative `2 w`. Adding `λ · l2` to a loss
/// keeps weights small. With plain gradient descent, an optimizer's weight decay of `2 λ` does the same, but to all
/// parameters.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Param, Pass, layer::Linear, regularize};
/// let layer = Linear { weight: Param::new(tensor![[1.0, -2.0]]), bias: Some(Param::new(tensor![7.0])) };
/// let tape = Tape::<f64>::new();
/// let pass = Pass::eval(&tape);
/// let penalty = regularize::l2(&layer, &pass);
/// assert_eq!(penalty.item(), 5.0);
/// assert_eq!(penalty.backward().wrt(pass.var(&layer.weight)), tensor![[2.0, -4.0]]);
/// ```
#[track_caller]
pub fn l2<'t, T: Float>(model: &(impl Parameters<T> + ?Sized), pass: &Pass<'t, T>) -> Var<'t, T> {
    penalty(model, pass, is_weight, |w| w.square().sum())
}

/// The sum of `term(w)` over the trainable parameters whose names `choose` accepts; 0 if there are none. [`l1`] and
/// [`l2`] are built on it.
///
/// ```
/// use autograd::{Rng, Tape};
/// use nn::{Pass, layer::Linear, regularize};
/// let layers = vec![Linear::<f64>::new(3, 3, &mut Rng::new(0)), Linear::new(3, 1, &mut Rng::new(1))];
/// let tape = Tape::new();
/// // How far the first layer's matrix is from the identity.
/// let eye = tape.constant(autograd::Tensor::eye(3));
/// let only = regularize::penalty(&layers, &Pass::eval(&tape), |name| name == "0.weight", |w| (w - eye).square().sum());
/// assert!(only.item() > 0.0);
/// ```
#[track_caller]
pub fn penalty<'t, T: Float>(
    model: &(impl Parameters<T> + ?Sized),
    pass: &Pass<'t, T>,
    choose: impl Fn(&str) -> bool,
    term: impl Fn(Var<'t, T>) -> Var<'t, T>,
) -> Var<'t, T> {
    let mut total: Option<Var<'t, T>> = None;
    model.visit(&mut Path::default(), &mut |name, param| {
        if param.is_trainable() && choose(name) {
            let term = term(pass.var(param));
            total = Some(total.map_or(term, |total| total + term));
        }
    });
    total.unwrap_or_else(|| pass.tape().constant(Tensor::scalar(T::zero())))
}

/// Whether a parameter of this name is a weight rather than a bias: true if the last part of the name contains
/// `weight`, and for the parameters from which a [normalized layer](crate::layer::WeightNorm) computes its weight.
///
/// ```
/// use nn::regularize::is_weight;
/// assert!(["weight", "encoder.0.weight", "rnn.weight_ih_l0", "in_proj_weight"].into_iter().all(is_weight));
/// assert!(is_weight("0.parametrizations.weight.original1"));
/// assert!(!["bias", "weighted.bias"].into_iter().any(is_weight));
/// ```
pub fn is_weight(name: &str) -> bool {
    let mut parts = name.rsplit('.');
    let last = parts.next().unwrap_or_default();
    last.contains("weight") || last.starts_with("original") && parts.next() == Some("weight")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Linear;
    use autograd::{Rng, Tape};

    /// Layers that compute their weight from other parameters include its name in their names.
    #[test]
    fn what_a_weight_follows_from_is_a_weight() {
        use crate::layer::{SpectralNorm, WeightNorm};
        let rng = &mut Rng::new(0);
        let inner = Linear::<f64>::new(2, 3, rng);
        let squares = inner.weight.value().square().sum().item();
        let tape = Tape::new();
        let pass = Pass::eval(&tape);
        assert!((l2(&SpectralNorm::new(inner.clone(), rng), &pass).item() - squares).abs() < 1e-14);
        // The squares of the norms sum to the same.
        assert!((l2(&WeightNorm::new(inner), &pass).item() - 2.0 * squares).abs() < 1e-14);
    }

    #[test]
    fn frozen_weights_and_models_without_weights_cost_nothing() {
        let mut model = vec![Linear::<f64>::new(2, 3, &mut Rng::new(0)), Linear::new(3, 1, &mut Rng::new(1))];
        let sum = |l: &Linear<f64>| l.weight.value().iter().map(|w| w * w).sum::<f64>();
        let tape = Tape::new();
        let all = l2(&model, &Pass::eval(&tape)).item();
        assert!((all - sum(&model[0]) - sum(&model[1])).abs() < 1e-14);
        model[0].weight.set_trainable(false);
        assert!((l2(&model, &Pass::eval(&tape)).item() - sum(&model[1])).abs() < 1e-14);
        assert_eq!(l1(&Vec::<Linear<f64>>::new(), &Pass::eval(&tape)).item(), 0.0);
    }
}
