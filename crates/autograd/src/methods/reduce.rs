//! Statistics, norms, running folds. All but a few are composed of ops, so that their derivatives are right to any order.

use super::order::Numbers;
use crate::error::{Error, Result};
use crate::float::{Float, Real};
use crate::op::{Binary, Fold, Op, Unary};
use crate::tensor::layout::reduced_shape;
use crate::tensor::{AxisSet, Tensor};
use crate::value::Value;

/// A fold with a parameter: over all axes, over some, over some kept, and fallible.
macro_rules! statistic {
    ($($(#[$doc:meta])* $name:ident, $axes:ident, $keep:ident, $try:ident ($arg:ident) $example:literal = $all:literal, $rows:literal
        |$this:ident, $set:ident, $kept:ident| $body:block)*) => { $(
        $(#[$doc])*
        /// Over all elements; the result has rank 0.
        ///
        /// ```
        #[doc = concat!("let y: f64 = autograd::tensor![[1.0, 2.0], [3.0, 4.0]].", stringify!($name), "(", $example, ").item();")]
        #[doc = concat!("assert!((y - ", $all, ").abs() < 1e-14);")]
        /// ```
        #[track_caller]
        pub fn $name(&self, $arg: f64) -> Self {
            or_panic(self.$try($arg, .., false))
        }

        $(#[$doc])*
        /// Over some axes (`1`, `-1`, `[0, 2]`), which the result no longer has.
        ///
        /// ```
        #[doc = concat!("let rows: Vec<f64> = autograd::tensor![[1.0, 2.0], [3.0, 4.0]].", stringify!($axes), "(", $example, ", 1).to_vec();")]
        #[doc = concat!("let expected: [f64; 2] = ", $rows, ";")]
        /// assert!(rows.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14));
        /// ```
        /// # Panics
        #[doc = concat!("If an axis is out of range or named twice; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $axes(&self, $arg: f64, axes: impl Into<Axes>) -> Self {
            or_panic(self.$try($arg, axes, false))
        }

        $(#[$doc])*
        /// Over some axes, which stay with size 1, so that the result broadcasts against the operand.
        ///
        /// # Panics
        #[doc = concat!("If an axis is out of range or named twice; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $keep(&self, $arg: f64, axes: impl Into<Axes>) -> Self {
            or_panic(self.$try($arg, axes, true))
        }

        $(#[$doc])*
        /// Over some axes, kept with size 1 or dropped; an error if an axis is out of range or named twice.
        #[track_caller]
        pub fn $try(&self, $arg: f64, axes: impl Into<Axes>, $kept: bool) -> Result<Self> {
            let ($this, $set) = (self, axes.into().resolve(stringify!($name), &Value::shape(self))?);
            $body
        }
    )* };
}

macro_rules! reduce_methods {
    () => {
        statistic! {
            /// The variance Σ (x - mean)² / (n - correction): with 1 the unbiased estimate, with 0 the mean square.
            var, var_axes, var_keep, try_var(correction) "1.0" = "5.0 / 3.0", "[0.5, 0.5]" |x, axes, keep| {
                let (centered, n) = reduce::centered(x, axes, correction);
                Ok(Value::div(&Value::reduce(&centered.square(), Fold::Sum, axes, keep), &n))
            }
            /// The standard deviation, the root of the variance; its derivative where all elements are equal is 0.
            std, std_axes, std_keep, try_std(correction) "0.0" = "1.25f64.sqrt()", "[0.5, 0.5]" |x, axes, keep| {
                let (centered, n) = reduce::centered(x, axes, correction);
                Ok(Value::div(&reduce::norm(&centered, 2.0, axes, keep)?, &n.sqrt()))
            }
            /// The p-norm (Σ |x|ᵖ)^(1/p), without overflow or underflow on the way: Euclid's for 2, the largest and the
            /// smallest magnitude for ±infinity, the number of elements that are not 0 for 0. Its derivative at 0 is 0.
            norm, norm_axes, norm_keep, try_norm(p) "2.0" = "30f64.sqrt()", "[5f64.sqrt(), 5.0]" |x, axes, keep| {
                reduce::norm(x, p, axes, keep)
            }
        }

        twins! {
            /// Running sums along an axis: x₀, x₀ + x₁, …
            ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![1.0, 2.0, 3.0].cumsum(0), tensor![1.0, 3.0, 6.0]);
        /// ```
        cumsum, try_cumsum(axis: isize) |x| {
                let axis = resolve_axis("cumsum", axis, &Value::shape(x))?;
                Value::try_apply(Op::CumSum { axis, reverse: false }, &[x])
            }

            /// Running products along an axis: x₀, x₀·x₁, … Their derivatives are exact where elements are 0.
            ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![1.0, 2.0, 3.0].cumprod(0), tensor![1.0, 2.0, 6.0]);
        /// ```
        cumprod, try_cumprod(axis: isize) |x| {
                let axis = resolve_axis("cumprod", axis, &Value::shape(x))?;
                Ok(crate::op::scan::products(x, axis))
            }

            /// Running ln Σ eˣ along an axis, without overflow.
            ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![1e5, 0.0, 2e5].logcumsumexp(0), tensor![1e5, 1e5, 2e5]);
        /// ```
        logcumsumexp, try_logcumsumexp(axis: isize) |x| {
                let axis = resolve_axis("logcumsumexp", axis, &Value::shape(x))?;
                Value::try_apply(Op::LogCumSumExp { axis }, &[x])
            }

            /// e⁻ˣ / Σ e⁻ˣ along an axis: the softmax of -x.
            ///
        /// ```
        /// # use autograd::tensor;
        /// assert_eq!(tensor![-1e5, 0.0].softmin(0), tensor![1.0, 0.0]);
        /// ```
        softmin, try_softmin(axis: isize) |x| {
                Value::unary(x, Unary::Neg).try_softmax(axis)
            }
        }
    };
}
pub(super) use {reduce_methods, statistic};

/// x less its mean, and `n - correction`, not below 0.
#[track_caller]
pub(super) fn centered<T: Float, V: Value<T>>(x: &V, axes: AxisSet, correction: f64) -> (V, V) {
    let n: f64 = axes.iter().map(|i| x.shape()[i] as f64).product();
    (x.sub(&x.reduce(Fold::Mean, axes, true)), x.number(T::of((n - correction).max(0.0))))
}

/// The p-norm over the axes.
#[track_caller]
pub(super) fn norm<T: Float, V: Numbers<T>>(x: &V, p: f64, axes: AxisSet, keep: bool) -> Result<V> {
    let number = |c: f64| x.number(T::of(c));
    let magnitude = || x.unary(Unary::Abs);
    let fold = |x: V, fold| V::try_apply(Op::Reduce { fold, axes, keep }, &[&x]);
    match p {
        _ if p.is_nan() => Err(Error::Argument { op: "norm", hint: "the order must be a number".into() }),
        0.0 => fold(number(1.0).sub(&x.eq(&number(0.0))), Fold::Sum),
        1.0 => fold(magnitude(), Fold::Sum),
        f64::INFINITY => fold(magnitude(), Fold::Max),
        f64::NEG_INFINITY => fold(magnitude(), Fold::Min),
        _ => {
            // The norm of x is s times that of x / s whatever the s, which therefore is a constant to all derivatives.
            let scale = x.constant(scale(&x.numbers(), p, axes)?);
            let unit = x.div(&scale);
            let pow = |x: &V, p: f64| V::apply(Op::Binary(Binary::Pow), &[x, &number(p)]);
            let powers = if p == 2.0 { unit.unary(Unary::Square) } else { pow(&unit.unary(Unary::Abs), p) };
            let sum = powers.reduce(Fold::Sum, axes, true);
            // The root is steep at 0: a norm of 0 is set, not computed, and so is its derivative.
            let nothing = sum.eq(&number(0.0));
            let sum = nothing.select(&number(1.0), &sum);
            let root = if p == 2.0 { sum.unary(Unary::Sqrt) } else { pow(&sum, 1.0 / p) };
            Ok(nothing.select(&number(0.0), &root).mul(&scale).reshape(&reduced_shape(&x.shape(), axes, keep)))
        }
    }
}

/// The power of two at the magnitude that rules the p-norm: dividing by it is exact.
fn scale<T: Float>(x: &Tensor<T>, p: f64, axes: AxisSet) -> Result<Tensor<T>> {
    if x.is_empty() {
        return Ok(Tensor::scalar(T::one()));
    }
    let fold = if p > 0.0 { Fold::Max } else { Fold::Min };
    let ruling = Tensor::try_apply(Op::Reduce { fold, axes, keep: true }, &[&x.unary(Unary::Abs)])?;
    Ok(ruling.map(|m| {
        let exponent = f64::from_bits(m.f64().to_bits() & f64::INFINITY.to_bits());
        let usable = Real::gt(m, T::zero()) != T::zero() && m.is_finite();
        if usable { T::of(exponent.max(f64::MIN_POSITIVE)) } else { T::one() }
    }))
}
