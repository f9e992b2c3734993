//! Reductions, statistics, norms, cumulative reductions, softmax and related functions. A function without a dedicated
//! op is composed of ops, so its derivatives are correct to any order.

use crate::error::{Error, Result};
use crate::float::Float;
use crate::op::{Binary, Fold, Op, Unary};
use crate::tensor::AxisSet;
use crate::tensor::layout::reduced_shape;
use crate::value::Value;

/// What happens to the axes that a reduction reduces.
///
/// ```
/// use autograd::{Dims, tensor};
/// let x = tensor![[1.0, 2.0], [3.0, 4.0]];
/// assert_eq!(x.try_sum(1, Dims::Keep)?, tensor![[3.0], [7.0]]);
/// assert_eq!(x.try_sum(1, Dims::Drop)?, tensor![3.0, 7.0]);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dims {
    /// They are removed from the result.
    Drop,
    /// They are kept with size 1, so that the result broadcasts against the operand: `keepdim=True` in PyTorch.
    #[doc(alias = "keepdim")]
    #[doc(alias = "keepdims")]
    Keep,
}

impl Dims {
    /// Whether they are kept.
    pub(super) fn kept(self) -> bool {
        self == Dims::Keep
    }
}

/// A reduction with a parameter, which comes before the axes: over all axes, over some axes, over some axes kept, and
/// fallible.
macro_rules! statistic {
    ($($(#[$doc:meta])* $name:ident, $axes:ident, $keep:ident, $try:ident ($arg:ident) $example:literal = $all:literal, $rows:literal
        |$this:ident, $set:ident, $kept:ident| $body:block)*) => { $(
        $(#[$doc])*
        /// Reduces all elements; the result has rank 0.
        ///
        /// ```
        #[doc = concat!("let y: f64 = autograd::tensor![[1.0, 2.0], [3.0, 4.0]].", stringify!($name), "(", $example, ").item();")]
        #[doc = concat!("assert!((y - ", $all, ").abs() < 1e-14);")]
        /// ```
        #[track_caller]
        pub fn $name(&self, $arg: f64) -> Self {
            or_panic(self.$try($arg, .., Dims::Drop))
        }

        $(#[$doc])*
        /// Reduces the given axes (`1`, `-1`, `[0, 2]`), which are removed from the result.
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
            or_panic(self.$try($arg, axes, Dims::Drop))
        }

        $(#[$doc])*
        /// Reduces the given axes, which are kept with size 1, so that the result broadcasts against the operand.
        ///
        /// ```
        #[doc = concat!("let rows = autograd::tensor![[1.0, 2.0], [3.0, 4.0]].", stringify!($keep), "(", $example, ", 1);")]
        /// assert_eq!(rows.shape(), [2, 1]);
        /// ```
        /// # Panics
        #[doc = concat!("If an axis is out of range or named twice; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $keep(&self, $arg: f64, axes: impl Into<Axes>) -> Self {
            or_panic(self.$try($arg, axes, Dims::Keep))
        }

        $(#[$doc])*
        /// Reduces the given axes, kept with size 1 or dropped. Returns an error if an axis is out of range or
        /// named twice.
        #[track_caller]
        pub fn $try(&self, $arg: f64, axes: impl Into<Axes>, dims: Dims) -> Result<Self> {
            let ($this, $kept) = (self, dims.kept());
            let $set = axes.into().resolve(stringify!($name), &Value::shape(self))?;
            $body
        }
    )* };
}

macro_rules! reduce_methods {
    () => {
        fold! {
            /// Σ x.
            sum, sum_axes, sum_keep, try_sum = "10.0", "[3.0, 7.0]" |x, axes, keep| {
                reduce::fold(x, Fold::Sum, axes, keep)
            }
            /// The mean Σ x / n; NaN for no elements.
            mean, mean_axes, mean_keep, try_mean = "2.5", "[1.5, 3.5]" |x, axes, keep| {
                reduce::fold(x, Fold::Mean, axes, keep)
            }
            /// Π x; 1 for no elements. Its derivatives are exact where elements are 0.
            prod, prod_axes, prod_keep, try_prod = "24.0", "[2.0, 12.0]" |x, axes, keep| {
                reduce::fold(x, Fold::Prod, axes, keep)
            }
            /// The largest element; ties share the derivative evenly. An empty axis is an error.
            #[doc(alias = "amax")]
            max, max_axes, max_keep, try_max = "4.0", "[2.0, 4.0]" |x, axes, keep| {
                reduce::fold(x, Fold::Max, axes, keep)
            }
            /// The smallest element; ties share the derivative evenly. An empty axis is an error.
            #[doc(alias = "amin")]
            min, min_axes, min_keep, try_min = "1.0", "[1.0, 3.0]" |x, axes, keep| {
                reduce::fold(x, Fold::Min, axes, keep)
            }
            /// ln Σ eˣ, without overflow; -inf for no elements.
            logsumexp, logsumexp_axes, logsumexp_keep, try_logsumexp = "4.440189698561196", "[2.313261687518223, 4.313261687518223]" |x, axes, keep| {
                reduce::fold(x, Fold::LogSumExp, axes, keep)
            }
            /// Σ x over the elements that are not NaN; 0 if there are none. A NaN has derivative 0.
            #[doc(alias = "skipna")]
            nansum, nansum_axes, nansum_keep, try_nansum = "10.0", "[3.0, 7.0]" |x, axes, keep| {
                let (_, known) = reduce::known(x);
                reduce::fold(&known, Fold::Sum, axes, keep)
            }
            /// The mean of the elements that are not NaN; NaN if there are none. A NaN has derivative 0.
            #[doc(alias = "skipna")]
            nanmean, nanmean_axes, nanmean_keep, try_nanmean = "2.5", "[1.5, 3.5]" |x, axes, keep| {
                let (mask, known) = reduce::known(x);
                let sum = |x: &Self| reduce::fold(x, Fold::Sum, axes, keep);
                Value::try_binary(Binary::Div, &sum(&known)?, &sum(&mask)?)
            }
        }

        statistic! {
            /// The variance Σ (x - mean)² / (n - correction): 1 gives the unbiased estimate, 0 the mean square. If
            /// `n - correction` is not positive, it is infinite or, if all elements are equal, NaN, with derivative
            /// NaN.
            var, var_axes, var_keep, try_var(correction) "1.0" = "5.0 / 3.0", "[0.5, 0.5]" |x, axes, keep| {
                Ok(reduce::variance(x, correction, axes, keep))
            }
            /// The standard deviation, the square root of the variance. Its derivative is 0 where all elements are
            /// equal, but NaN where `n - correction` is not positive.
            std, std_axes, std_keep, try_std(correction) "0.0" = "1.25f64.sqrt()", "[0.5, 0.5]" |x, axes, keep| {
                reduce::deviation(x, correction, axes, keep)
            }
            /// The p-norm (Σ |x|ᵖ)^(1/p), without intermediate overflow or underflow: the Euclidean norm for 2, the
            /// largest and the smallest magnitude for ±infinity, the number of nonzero elements for 0. Its derivative
            /// at 0 is 0.
            #[doc(alias = "vector_norm")]
            norm, norm_axes, norm_keep, try_norm(p) "2.0" = "30f64.sqrt()", "[5f64.sqrt(), 5.0]" |x, axes, keep| {
                reduce::norm(x, p, axes, keep)
            }
        }

        twins! {
            /// Cumulative sum along an axis: x₀, x₀ + x₁, …
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0, 3.0].cumsum(0), tensor![1.0, 3.0, 6.0]);
            /// ```
            cumsum, try_cumsum(axis: isize) |x| {
                let axis = resolve_axis("cumsum", axis, &Value::shape(x))?;
                Value::try_apply(Op::CumSum { axis, reverse: false }, &[x])
            }

            /// Cumulative product along an axis: x₀, x₀·x₁, … Its derivatives are exact where elements are 0.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0, 3.0].cumprod(0), tensor![1.0, 2.0, 6.0]);
            /// ```
            cumprod, try_cumprod(axis: isize) |x| {
                let axis = resolve_axis("cumprod", axis, &Value::shape(x))?;
                Ok(crate::rules::products(x, axis))
            }

            /// Cumulative ln Σ eˣ along an axis, without overflow.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1e5, 0.0, 2e5].logcumsumexp(0), tensor![1e5, 1e5, 2e5]);
            /// ```
            logcumsumexp, try_logcumsumexp(axis: isize) |x| {
                let axis = resolve_axis("logcumsumexp", axis, &Value::shape(x))?;
                Value::try_apply(Op::LogCumSumExp { axis }, &[x])
            }

            /// eˣ / Σ eˣ along an axis, without overflow.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[0.0, 0.0], [1e5, 0.0]].softmax(1), tensor![[0.5, 0.5], [1.0, 0.0]]);
            /// ```
            softmax, try_softmax(axis: isize) |x| {
                let axis = resolve_axis("softmax", axis, &Value::shape(x))?;
                Value::try_apply(Op::Softmax { axis }, &[x])
            }

            /// x - ln Σ eˣ along an axis: the logarithm of the softmax, accurate where the softmax underflows.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1e5, 0.0].log_softmax(0), tensor![0.0, -1e5]);
            /// ```
            log_softmax, try_log_softmax(axis: isize) |x| {
                let axis = resolve_axis("log_softmax", axis, &Value::shape(x))?;
                Value::try_apply(Op::LogSoftmax { axis }, &[x])
            }

            /// (x - mean) / √(variance + ε) over the axes from `axis` to the last, where the variance is the mean
            /// square of x - mean: layer normalization without scale and shift. NaN where all elements are equal and ε
            /// is 0.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![[1.0, 3.0], [10.0, 30.0]].standardize(1, 0.0), tensor![[-1.0, 1.0], [-1.0, 1.0]]);
            /// ```
            standardize, try_standardize(axis: isize, eps: f64) |x| {
                let axis = resolve_axis("standardize", axis, &Value::shape(x))?;
                Value::try_apply(Op::Standardize { axis, eps }, &[x])
            }

            /// Layer normalization: the [standardization](Self::standardize) over the axes from `axis` on, times
            /// `weight` plus `bias`, which have the shape of these axes. Fused into one pass. Source: Ba, Kiros and
            /// Hinton, *Layer normalization* (2016).
            ///
            /// ```
            /// # use autograd::tensor;
            /// let (weight, bias) = (tensor![1.0, 2.0], tensor![0.0, 5.0]);
            /// let y = tensor![[1.0, 3.0], [10.0, 30.0]].layer_norm(1, &weight, &bias, 0.0);
            /// assert_eq!(y, tensor![[-1.0, 7.0], [-1.0, 7.0]]);
            /// ```
            layer_norm, try_layer_norm(axis: isize, weight: &Self, bias: &Self, eps: f64) |x| {
                let axis = resolve_axis("layer_norm", axis, &Value::shape(x))?;
                Value::try_apply(Op::LayerNorm { axis, eps }, &[x, weight, bias])
            }

            /// Cross-entropy of logits `[rows, classes]` with the label of each row: `ln Σ eˣ - x[label]`, one value
            /// per row. Fused and numerically stable: probabilities are never formed.
            ///
            /// ```
            /// # use autograd::tensor;
            /// let loss = tensor![[0.0, 0.0], [1e5, 0.0]].cross_entropy(&tensor![0_i64, 1]);
            /// assert_eq!(loss, tensor![2f64.ln(), 1e5]);
            /// ```
            cross_entropy, try_cross_entropy(labels: impl Into<Index<Self>>) |x| {
                labels.into().apply(x, |labels| Op::CrossEntropy { labels })
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

/// A reduction with a dedicated op.
#[track_caller]
pub(super) fn fold<T: Float, V: Value<T>>(x: &V, fold: Fold, axes: AxisSet, keep: bool) -> Result<V> {
    V::try_apply(Op::Reduce { fold, axes, keep }, &[x])
}

/// 1 where x is not NaN, else 0; and x with 0 in place of NaN.
#[track_caller]
pub(super) fn known<T: Float, V: Value<T>>(x: &V) -> (V, V) {
    let mask = x.eq(x);
    let known = mask.select(x, &x.number(T::zero()));
    (mask, known)
}

/// x minus its mean, and `n - correction`, but at least 0.
#[track_caller]
fn centered<T: Float, V: Value<T>>(x: &V, axes: AxisSet, correction: f64) -> (V, f64) {
    let n: f64 = axes.iter().map(|i| x.shape()[i] as f64).product();
    (x.sub(&x.reduce(Fold::Mean, axes, true)), (n - correction).max(0.0))
}

/// Σ (x - mean)² / (n - correction)
#[track_caller]
pub(super) fn variance<T: Float, V: Value<T>>(x: &V, correction: f64, axes: AxisSet, keep: bool) -> V {
    let (centered, n) = centered(x, axes, correction);
    centered.unary(Unary::Square).reduce(Fold::Sum, axes, keep).div(&x.number(T::of(n)))
}

/// The square root of the variance. It is computed as a norm, whose derivative is 0 where all elements are equal, but
/// only if the variance is defined.
#[track_caller]
pub(super) fn deviation<T: Float, V: Value<T>>(x: &V, correction: f64, axes: AxisSet, keep: bool) -> Result<V> {
    let (centered, n) = centered(x, axes, correction);
    if n > 0.0 {
        Ok(norm(&centered, 2.0, axes, keep)?.div(&x.number(T::of(n.sqrt()))))
    } else {
        Ok(variance(x, correction, axes, keep).unary(Unary::Sqrt))
    }
}

/// The p-norm over the axes.
#[track_caller]
pub(super) fn norm<T: Float, V: Value<T>>(x: &V, p: f64, axes: AxisSet, keep: bool) -> Result<V> {
    let number = |c: f64| x.number(T::of(c));
    let magnitude = || x.unary(Unary::Abs);
    let fold = |x: V, fold| V::try_apply(Op::Reduce { fold, axes, keep }, &[&x]);
    match p {
        _ if p.is_nan() => Err(Error::Argument { op: "norm", hint: "the order p must not be NaN".into() }),
        0.0 => fold(number(1.0).sub(&x.eq(&number(0.0))), Fold::Sum),
        1.0 => fold(magnitude(), Fold::Sum),
        f64::INFINITY => fold(magnitude(), Fold::Max),
        f64::NEG_INFINITY => fold(magnitude(), Fold::Min),
        2.0 => fold(x.clone(), Fold::Norm),
        _ if x.shape().contains(&0) => fold(x.clone(), Fold::Norm),
        _ => {
            let pow = |x: &V, p: f64| V::apply(Op::Binary(Binary::Pow), &[x, &number(p)]);
            // The norm of x is s times that of x / s for any s, so s is a constant in all derivatives. It is a power of
            // two, which divides exactly, near the element that dominates the norm.
            let ruling = magnitude().reduce(if p > 0.0 { Fold::Max } else { Fold::Min }, axes, true);
            let power = ruling.unary(Unary::Log2).unary(Unary::Floor).unary(Unary::Exp2);
            let above = |a: &V, b: f64| V::apply(Op::Binary(Binary::Gt), &[a, &number(b)]);
            let usable = above(&power, 0.0).mul(&above(&power.unary(Unary::Neg), f64::NEG_INFINITY));
            let scale = usable.select(&power, &number(1.0));
            let scale = V::apply(Op::StopGradient, &[&scale]);
            let size = x.div(&scale).unary(Unary::Abs);
            // Below p = 2, a derivative of some order is infinite at an element of 0: it counts as a constant.
            let powers = if (0.0..2.0).contains(&p) {
                let (zero, some) = (size.eq(&number(0.0)), number(1.0));
                zero.select(&number(0.0), &pow(&zero.select(&some, &size), p))
            } else {
                pow(&size, p)
            };
            let sum = powers.reduce(Fold::Sum, axes, true);
            // The derivative of the root is infinite at 0, so a norm of 0 is selected, not computed, and so is its
            // derivative.
            let nothing = sum.eq(&number(0.0));
            let root = pow(&nothing.select(&number(1.0), &sum), 1.0 / p);
            Ok(nothing.select(&number(0.0), &root).mul(&scale).reshape(&reduced_shape(&x.shape(), axes, keep)))
        }
    }
}
