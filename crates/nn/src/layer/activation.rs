//! Activations: the functions between the dense layers, without parameters.

use crate::{Module, Pass, parameters};
use autograd::{Float, Var};

/// A function applied between layers: a layer by itself, and a setting of [`Mlp`](super::Mlp).
///
/// At a kink the derivative is PyTorch's: 0 for `Relu`, the slope for `LeakyRelu`, `alpha` for `Elu`.
///
/// ```
/// use autograd::Tape;
/// use nn::layer::Activation;
/// let tape = Tape::<f64>::new();
/// let x = tape.constant([-2.0, 0.0, 3.0]);
/// assert_eq!(Activation::Relu.apply(x).value().to_vec(), [0.0, 0.0, 3.0]);
/// assert_eq!(Activation::LeakyRelu { slope: 0.1 }.apply(x).value().to_vec(), [-0.2, 0.0, 3.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// x: what a dense layer without activation does.
    Identity,
    /// max(x, 0)
    Relu,
    /// x where positive, `slope · x` elsewhere (Maas et al., 2013).
    LeakyRelu {
        /// PyTorch's is 0.01.
        slope: f64,
    },
    /// x where positive, `alpha · (eˣ - 1)` elsewhere (Clevert et al., 2015).
    Elu {
        /// The limit to the left is `-alpha`; with 1, the derivative has no jump.
        alpha: f64,
    },
    /// x · sigmoid(x), also called swish.
    Silu,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// ln(1 + eˣ), a smooth max(x, 0).
    Softplus,
    /// eˣ / Σ eˣ along an axis: positive numbers that sum to 1.
    Softmax {
        /// Which axis; -1 is the last.
        axis: isize,
    },
    /// The logarithm of the softmax, exact where that underflows.
    LogSoftmax {
        /// Which axis; -1 is the last.
        axis: isize,
    },
}

impl Activation {
    /// The function at `x`, of the same shape.
    ///
    /// # Panics
    /// If `x` lacks the axis of a softmax.
    #[track_caller]
    pub fn apply<T: Float>(self, x: Var<'_, T>) -> Var<'_, T> {
        let zero = || x.tape().constant(T::zero());
        match self {
            Activation::Identity => x,
            Activation::Relu => x.relu(),
            Activation::LeakyRelu { slope } => x.gt(zero()).select(x, x * T::of(slope)),
            Activation::Elu { alpha } => {
                let positive = x.gt(zero());
                // Large numbers are kept from exp_m1 too, not only from its result: they would overflow, and an
                // unchosen infinity times a cotangent of zero is NaN.
                let rest = positive.select(zero(), x);
                positive.select(x, rest.exp_m1() * T::of(alpha))
            }
            Activation::Silu => x * x.sigmoid(),
            Activation::Sigmoid => x.sigmoid(),
            Activation::Tanh => x.tanh(),
            Activation::Softplus => x.softplus(),
            Activation::Softmax { axis } => x.softmax(axis),
            Activation::LogSoftmax { axis } => x.log_softmax(axis),
        }
    }
}

parameters! { impl[T: Float] Parameters<T> for Activation {} }

impl<T: Float> Module<T> for Activation {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        pass.note(self, self.apply(x))
    }

    fn describe(&self) -> String {
        match self {
            Activation::LeakyRelu { slope } => format!("LeakyRelu({slope})"),
            Activation::Elu { alpha } => format!("Elu({alpha})"),
            Activation::Softmax { axis } => format!("Softmax({axis})"),
            Activation::LogSoftmax { axis } => format!("LogSoftmax({axis})"),
            plain => format!("{plain:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::check_module;
    use autograd::{Tape, tensor};

    const ALL: [Activation; 10] = [
        Activation::Identity,
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Elu { alpha: 1.5 },
        Activation::Silu,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Softplus,
        Activation::Softmax { axis: 1 },
        Activation::LogSoftmax { axis: -2 },
    ];

    /// The function and its first and second derivative, element by element.
    fn derivatives(f: Activation, x: &[f64]) -> [Vec<f64>; 3] {
        let tape = Tape::new();
        let x = tape.var(x.to_vec());
        let y = f.apply(x);
        let dy = y.sum().grad(&[x])[0];
        [y.value().to_vec(), dy.value().to_vec(), dy.sum().backward().wrt(x).to_vec()]
    }

    #[test]
    fn derivatives_are_right_to_second_order() {
        for mut f in ALL {
            check_module(&mut f, &tensor![[0.5, -1.2, 2.0], [-0.3, 0.9, -2.5]]);
        }
    }

    #[test]
    fn kinks_have_pytorchs_derivatives() {
        for zero in [0.0, -0.0] {
            assert_eq!(derivatives(Activation::Relu, &[zero])[1..], [[0.0], [0.0]]);
            assert_eq!(derivatives(Activation::LeakyRelu { slope: 0.25 }, &[zero])[1..], [[0.25], [0.0]]);
            assert_eq!(derivatives(Activation::Elu { alpha: 2.0 }, &[zero])[1..], [[2.0], [2.0]]);
            assert_eq!(derivatives(Activation::Silu, &[zero])[1..], [[0.5], [0.5]]);
        }
    }

    #[test]
    fn large_numbers_stay_finite() {
        let far = [-1e5, -800.0, 800.0, 1e5];
        for f in ALL.into_iter().filter(|f| !matches!(f, Activation::Softmax { .. } | Activation::LogSoftmax { .. })) {
            assert!(derivatives(f, &far).iter().flatten().all(|d| d.is_finite()), "{f:?}");
        }
        let [y, dy, ddy] = derivatives(Activation::Elu { alpha: 1.0 }, &far);
        assert_eq!((y, dy, ddy), (vec![-1.0, -1.0, 800.0, 1e5], vec![0.0, 0.0, 1.0, 1.0], vec![0.0; 4]));
        assert_eq!(derivatives(Activation::Silu, &far)[1], [0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn no_activation_hides_a_nan() {
        for f in ALL.into_iter().filter(|f| !matches!(f, Activation::Softmax { .. } | Activation::LogSoftmax { .. })) {
            assert!(derivatives(f, &[f64::NAN])[0][0].is_nan(), "{f:?}");
        }
    }
}
