//! Activation functions.

use crate::domain::{finite, non_negative, or_panic, positive};
use crate::init::Nonlinearity;
use crate::{Module, Pass, parameters};
use autograd::{Error, Float, Result, Var};

/// Defines the activations: name, settings as in PyTorch, and the function of `x`.
macro_rules! activations {
    ($($(#[$doc:meta])* $Name:ident $({ $($(#[$field_doc:meta])* $field:ident: $Field:ty = $default:expr),* })? => |$x:ident| $y:expr;)*) => {
        /// An activation function: a layer by itself, and a setting of [`Mlp`](super::Mlp). Each is also a method of
        /// variables, whose documentation covers its edge cases.
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
        #[non_exhaustive]
        pub enum Activation { $($(#[$doc])* $Name $({ $($(#[$field_doc])* $field: $Field),* })?),* }

        impl Activation {
            /// Every activation, with PyTorch's settings.
            pub const ALL: &'static [Activation] = &[$(Activation::$Name $({ $($field: $default),* })?),*];

            /// Its name, without its settings.
            ///
            /// ```
            /// assert_eq!(nn::layer::Activation::Relu.name(), "Relu");
            /// ```
            pub fn name(self) -> &'static str {
                match self { $(Activation::$Name $({ $($field: _),* })? => stringify!($Name)),* }
            }

            /// Applies the function to `x`. The result has the same shape, except for `Glu`, which halves an axis.
            ///
            /// # Panics
            /// Panics under the conditions under which [`try_apply`](Activation::try_apply) returns an error.
            #[track_caller]
            pub fn apply<T: Float>(self, x: Var<'_, T>) -> Var<'_, T> {
                or_panic(self.try_apply(x))
            }

            /// [`apply`](Activation::apply), which returns an error.
            ///
            /// # Errors
            /// Returns an error if `x` does not have the axis of a softmax, or not of an even size for `Glu`, or a setting
            /// is invalid: NaN, an infinite slope or alpha, an alpha of 0 for `Celu`, a lambda below 0, a `min` above
            /// `max`, or a `beta` that is not positive and finite.
            #[track_caller]
            pub fn try_apply<T: Float>(self, x: Var<'_, T>) -> Result<Var<'_, T>> {
                self.check()?;
                Ok(match self { $(Activation::$Name $({ $($field),* })? => { let $x = x; $y }),* })
            }

            /// The settings, in order.
            fn settings(self) -> Vec<f64> {
                match self { $(Activation::$Name $({ $($field),* })? => vec![$($($field as f64),*)?]),* }
            }
        }
    };
}

activations! {
    /// x: a dense layer without activation.
    Identity => |x| x;
    /// max(x, 0)
    Relu => |x| x.relu();
    /// min(max(x, 0), 6)
    Relu6 => |x| x.relu6();
    /// x where positive, `slope · x` elsewhere (Maas et al., 2013).
    LeakyRelu {
        /// The slope for negative x. PyTorch's default is 0.01.
        slope: f64 = 0.01
    } => |x| x.leaky_relu(slope);
    /// x where positive, `alpha · (eˣ - 1)` elsewhere (Clevert et al., 2015).
    Elu {
        /// The limit for x → -∞ is `-alpha`. With 1, the derivative has no jump.
        alpha: f64 = 1.0
    } => |x| x.elu(alpha);
    /// x where positive, `alpha · (e^(x / alpha) - 1)` elsewhere: its derivative has no jump.
    Celu {
        /// The limit for x → -∞ is `-alpha`.
        alpha: f64 = 1.0
    } => |x| x.try_celu(alpha)?;
    /// λ · elu(x) with the λ and α that preserve mean 0 and variance 1 (Klambauer et al., 2017).
    Selu => |x| x.selu();
    /// x Φ(x), with Φ the normal distribution function (Hendrycks and Gimpel, 2016).
    Gelu => |x| x.gelu();
    /// The tanh approximation of `Gelu`.
    GeluTanh => |x| x.gelu_tanh();
    /// x · sigmoid(x), also called swish.
    Silu => |x| x.silu();
    /// x · tanh(softplus(x))
    Mish => |x| x.mish();
    /// 1 / (1 + e⁻ˣ)
    Sigmoid => |x| x.sigmoid();
    /// ln(1 / (1 + e⁻ˣ))
    LogSigmoid => |x| x.log_sigmoid();
    /// Hyperbolic tangent.
    Tanh => |x| x.tanh();
    /// x clamped to `[min, max]`.
    Hardtanh {
        /// The lower bound. PyTorch's default is -1.
        min: f64 = -1.0,
        /// The upper bound. PyTorch's default is 1.
        max: f64 = 1.0
    } => |x| x.hardtanh(min, max);
    /// The line x/6 + ½, clamped to `[0, 1]`.
    Hardsigmoid => |x| x.hardsigmoid();
    /// x · hardsigmoid(x)
    Hardswish => |x| x.hardswish();
    /// x, but 0 where |x| ≤ `lambda`.
    Hardshrink {
        /// The threshold. PyTorch's default is 0.5.
        lambda: f64 = 0.5
    } => |x| x.hardshrink(number(x, lambda));
    /// x moved toward 0 by `lambda`, and 0 where |x| ≤ `lambda`.
    Softshrink {
        /// The threshold. PyTorch's default is 0.5.
        lambda: f64 = 0.5
    } => |x| x.softshrink(number(x, lambda));
    /// x - tanh x
    Tanhshrink => |x| x.tanhshrink();
    /// ln(1 + eˣ), a smooth max(x, 0).
    Softplus => |x| x.softplus();
    /// `ln(1 + e^(beta · x)) / beta`, and x itself where `beta · x` is above the threshold.
    SoftplusWith {
        /// The sharpness of the bend. PyTorch's default is 1.
        beta: f64 = 1.0,
        /// PyTorch's default is 20.
        threshold: f64 = 20.0
    } => |x| x.softplus_with(beta, threshold);
    /// x / (1 + |x|)
    Softsign => |x| x.softsign();
    /// x where x > `threshold`, else `value`.
    Threshold {
        /// PyTorch has no default.
        threshold: f64 = 0.0,
        /// PyTorch has no default.
        value: f64 = 0.0
    } => |x| x.threshold(threshold, value);
    /// eˣ / Σ eˣ along an axis: positive numbers that sum to 1.
    Softmax {
        /// The axis; -1 is the last.
        axis: isize = -1
    } => |x| x.try_softmax(axis)?;
    /// The softmax of -x.
    Softmin {
        /// The axis; -1 is the last.
        axis: isize = -1
    } => |x| (-x).try_softmax(axis)?;
    /// The logarithm of the softmax, exact where the softmax itself underflows.
    LogSoftmax {
        /// The axis; -1 is the last.
        axis: isize = -1
    } => |x| x.try_log_softmax(axis)?;
    /// The first half of an axis times the sigmoid of the second (Dauphin et al., 2017).
    Glu {
        /// The axis; -1 is the last.
        axis: isize = -1
    } => |x| x.try_glu(axis)?;
}

/// The nonlinearity for weight initialization: [`Nonlinearity::gain`] gives the gain of each activation. Activations
/// that behave like max(x, 0) far from 0 count as ReLU, and those without a specific gain as linear.
///
/// ```
/// use nn::{init::Nonlinearity, layer::Activation};
/// assert_eq!(Nonlinearity::from(Activation::Gelu).gain(), 2f64.sqrt());
/// assert_eq!(Nonlinearity::from(Activation::Tanh).gain(), 5.0 / 3.0);
/// ```
impl From<Activation> for Nonlinearity {
    fn from(activation: Activation) -> Self {
        use Activation::*;
        match activation {
            Relu | Relu6 | Elu { .. } | Celu { .. } | Gelu | GeluTanh | Silu | Mish | Hardswish => Nonlinearity::Relu,
            Softplus | SoftplusWith { .. } => Nonlinearity::Relu,
            LeakyRelu { slope } => Nonlinearity::LeakyRelu(slope),
            Selu => Nonlinearity::Selu,
            Tanh => Nonlinearity::Tanh,
            Sigmoid => Nonlinearity::Sigmoid,
            _ => Nonlinearity::Linear,
        }
    }
}

impl Activation {
    /// Returns an error if a setting is invalid.
    fn check(self) -> Result<()> {
        match self {
            Activation::LeakyRelu { slope } => finite("leaky_relu", "slope", slope),
            Activation::Elu { alpha } => finite("elu", "alpha", alpha),
            Activation::Celu { alpha } => finite("celu", "alpha", alpha),
            Activation::Hardshrink { lambda } => non_negative("hardshrink", "lambda", lambda),
            Activation::Softshrink { lambda } => non_negative("softshrink", "lambda", lambda),
            Activation::SoftplusWith { beta, threshold } => {
                positive("softplus", "beta", beta)?;
                ordered("softplus", [f64::NEG_INFINITY, threshold])
            }
            Activation::Hardtanh { min, max } => ordered("hardtanh", [min, max]),
            Activation::Threshold { threshold, value } => {
                ordered("threshold", [f64::NEG_INFINITY, threshold])?;
                ordered("threshold", [f64::NEG_INFINITY, value])
            }
            _ => Ok(()),
        }
    }
}

/// Returns an error if a bound is NaN or exceeds the next.
fn ordered(op: &'static str, [min, max]: [f64; 2]) -> Result<()> {
    let hint = || format!("bounds must be numbers, min <= max, got {min} and {max}");
    if min <= max { Ok(()) } else { Err(Error::Argument { op, hint: hint() }) }
}

/// A scalar constant on the tape of `x`.
#[track_caller]
fn number<T: Float>(x: Var<'_, T>, c: f64) -> Var<'_, T> {
    x.tape().constant(T::of(c))
}

parameters! { impl[T: Float] Parameters<T> for Activation {} }

impl<T: Float> Module<T> for Activation {
    /// # Panics
    /// Panics under the same conditions as [`apply`](Activation::apply).
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = pass.checked(self, self.try_apply(x));
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        let settings: Vec<String> = self.settings().iter().map(f64::to_string).collect();
        if settings.is_empty() { self.name().into() } else { format!("{}({})", self.name(), settings.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::check_module;
    use autograd::{Tape, tensor};

    const PLAIN: fn(&&Activation) -> bool = |f| {
        use Activation::{Glu, LogSoftmax, Softmax, Softmin};
        !matches!(f, Softmax { .. } | LogSoftmax { .. } | Softmin { .. } | Glu { .. })
    };

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
        let x = tensor![[0.55, -1.2, 2.0, 7.0], [-0.3, 0.9, -2.5, -4.0]];
        for f in Activation::ALL {
            check_module(&mut f.clone(), &x);
        }
        check_module(&mut Activation::LogSoftmax { axis: -2 }, &x);
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
    #[should_panic(expected = "softshrink: lambda must be finite and at least 0, got -0.5")]
    fn nothing_shrinks_by_less_than_nothing() {
        derivatives(Activation::Softshrink { lambda: -0.5 }, &[1.0]);
    }

    #[test]
    fn an_input_without_the_axis_is_an_error_of_the_layer() {
        let tape = Tape::<f64>::new();
        let x = tape.constant([[1.0, 2.0, 3.0]]);
        for f in [Activation::Softmax { axis: 7 }, Activation::LogSoftmax { axis: 7 }, Activation::Glu { axis: -1 }] {
            let refused = Pass::eval(&tape).try_forward(&f, x).unwrap_err();
            assert!(refused.layer == Module::<f64>::describe(&f) && f.try_apply(x).is_err(), "{refused}");
        }
    }

    #[test]
    #[should_panic(expected = "celu: alpha must not be 0")]
    fn celu_needs_a_limit() {
        derivatives(Activation::Celu { alpha: 0.0 }, &[1.0]);
    }

    #[test]
    fn large_numbers_stay_finite() {
        let far = [-1e5, -800.0, 800.0, 1e5];
        for &f in Activation::ALL.iter().filter(PLAIN) {
            assert!(derivatives(f, &far).iter().flatten().all(|d| d.is_finite()), "{f:?}");
        }
        let [y, dy, ddy] = derivatives(Activation::Elu { alpha: 1.0 }, &far);
        assert_eq!((y, dy, ddy), (vec![-1.0, -1.0, 800.0, 1e5], vec![0.0, 0.0, 1.0, 1.0], vec![0.0; 4]));
        assert_eq!(derivatives(Activation::Silu, &far)[1], [0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn settings_are_described() {
        let describe = |f: Activation| Module::<f32>::describe(&f);
        assert_eq!(describe(Activation::Relu), "Relu");
        assert_eq!(describe(Activation::Softmax { axis: -1 }), "Softmax(-1)");
        assert_eq!(describe(Activation::Hardtanh { min: -1.0, max: 2.5 }), "Hardtanh(-1, 2.5)");
    }

    #[test]
    fn no_activation_hides_a_nan() {
        for &f in Activation::ALL.iter().filter(PLAIN) {
            assert!(derivatives(f, &[f64::NAN])[0][0].is_nan(), "{f:?}");
        }
    }
}
