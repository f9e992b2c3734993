//! Scalars. [`Element`] is any type that a tensor may hold, [`Float`] is a type that can be differentiated, and
//! [`Real`] is the algebra that the derivative table is written in, so that one rule serves numbers, recorded
//! variables and symbols.
//!
//! Rules are written over [`E<S>`], which gives `Real` its infix operators: `g * (1.0 - y * y)`.
//!
//! ```
//! use autograd::{Float, Tensor};
//! /// The mean, in either precision.
//! fn mean<T: Float>(x: &Tensor<T>) -> f64 {
//!     x.iter().map(|x| x.f64()).sum::<f64>() / x.len() as f64
//! }
//! assert_eq!((mean(&Tensor::from([1.0f32, 2.0])), mean(&Tensor::from([1.0f64, 2.0]))), (1.5, 1.5));
//! ```

mod nested;
mod once;
mod precision;
pub(crate) mod special;
mod store;
pub(crate) mod vmath;

pub use nested::Nested;
pub(crate) use nested::Nesting;
pub use once::{Once, once};
pub use precision::Precision;
use std::fmt::{Debug, Display};
use std::ops::{Add, Div, Mul, Neg, Sub};
pub(crate) use store::Few;
pub use store::{Array, Pool, Pooled, Shape, Strides, Viewed};
use vmath::Elementary;
pub(crate) use vmath::TANH_CORE;

/// An element type of tensors: `f32`, `f64`, `i64` or `bool`.
///
/// ```
/// use autograd::{Element, Tensor};
/// fn first<T: Element>(x: &Tensor<T>) -> Option<T> {
///     x.iter().next()
/// }
/// assert_eq!((first(&autograd::tensor![2.5]), <f64 as Element>::NAME), (Some(2.5), "f64"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an element of a tensor",
    label = "not an element",
    note = "the elements are `f32`, `f64`, `i64` or `bool`"
)]
pub trait Element:
    Copy + Default + PartialEq + PartialOrd + Debug + Display + Send + Sync + Pooled + Viewed + 'static
{
    /// The name of the type, such as `f64`.
    #[doc(alias = "dtype")]
    const NAME: &'static str;
    /// An integer with the same order as the elements: both zeros are equal, and NaN is largest, with all bits set. For
    /// `f32`, the upper half is sufficient.
    #[doc(hidden)]
    fn rank(self) -> u64;
}

/// The bits of a number, in the order of the numbers: the larger a negative number, the smaller its bits.
macro_rules! ordered {
    ($x:ident: $Bits:ident) => {{
        let bits = ($x + 0.0).to_bits();
        let negative = (bits >> ($Bits::BITS - 1)).wrapping_neg();
        if $x.is_nan() { $Bits::MAX } else { bits ^ (negative | 1 << ($Bits::BITS - 1)) }
    }};
}

macro_rules! elements { ($($t:ident: |$x:ident| $rank:expr;)*) => { $(
    impl Element for $t {
        const NAME: &'static str = stringify!($t);
        #[inline(always)]
        fn rank(self) -> u64 {
            let $x = self;
            $rank
        }
    }
)* } }
elements! {
    f32: |x| u64::from(ordered!(x: u32)) << 32 | u64::from(u32::MAX);
    f64: |x| ordered!(x: u64);
    i64: |x| x as u64 ^ 1 << 63;
    bool: |x| u64::from(x);
}

/// A floating-point type that can be differentiated: `f32` or `f64`.
///
/// ```
/// use autograd::Float;
/// fn half<T: Float>() -> T { T::of(0.5) }
/// assert_eq!(half::<f32>() + 1.0, 1.5);
/// assert!(half::<f64>().f64() == 0.5 && half::<f32>().is_finite() && !half::<f32>().is_nan());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a number that can be differentiated: that takes `f32` or `f64`",
    label = "not `f32` or `f64`",
    note = "integers, such as labels and indices, are tensors of `i64`: `tensor![2_i64, 0]`; `Tape::integers` puts them on a tape"
)]
pub trait Float: Element + Real + Elementary + num_traits::NumAssign + Neg<Output = Self> + Nested<Self> {
    /// Positive infinity.
    const INFINITY: Self;
    /// NaN.
    const NAN: Self;
    /// Distance from 1 to the next larger number.
    const EPSILON: Self;
    /// The value of this type nearest to `c`.
    fn of(c: f64) -> Self;
    /// Converts this number to `f64`.
    fn f64(self) -> f64;
    /// Whether the number is neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Whether the number is NaN.
    fn is_nan(self) -> bool;
    /// A function that is [compiled once](once), at this type.
    #[doc(hidden)]
    fn once<F: Once>() -> F::At<Self>;
}

/// The algebra of the derivative table: the operations that a rule may use. `f32`, `f64`, [`Var`](crate::Var) and the
/// symbols that print the rules implement it.
///
/// ```
/// use autograd::{Tape, float::Real};
/// /// x³ of a number or of a variable.
/// fn cube<S: Real>(x: S) -> S {
///     x.mul(x).mul(x)
/// }
/// let tape = Tape::<f64>::new();
/// let x = tape.var(2.0);
/// assert_eq!((cube(2.0), (x * x * x).item()), (8.0, 8.0));
/// ```
pub trait Real: Copy {
    /// The constant `c`, on the tape of `self` if it has one.
    fn lit(self, c: f64) -> Self;
    /// self + b
    fn add(self, b: Self) -> Self;
    /// self - b
    fn sub(self, b: Self) -> Self;
    /// self * b
    fn mul(self, b: Self) -> Self;
    /// self / b
    fn div(self, b: Self) -> Self;
    /// self ^ b
    fn pow(self, b: Self) -> Self;
    /// The larger of the two; NaN if either is NaN.
    fn max(self, b: Self) -> Self;
    /// The smaller of the two; NaN if either is NaN.
    fn min(self, b: Self) -> Self;
    /// 1 where self > b, else 0.
    fn gt(self, b: Self) -> Self;
    /// 1 where self >= b, else 0.
    fn ge(self, b: Self) -> Self;
    /// 1 where self == b, else 0.
    fn eq(self, b: Self) -> Self;
    /// -self
    fn neg(self) -> Self;
    /// e ^ self
    fn exp(self) -> Self;
    /// e ^ self - 1, accurate near 0
    fn exp_m1(self) -> Self;
    /// 2 ^ self
    fn exp2(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Logarithm to base 2.
    fn log2(self) -> Self;
    /// Logarithm to base 10.
    fn log10(self) -> Self;
    /// ln(1 + self), accurate near 0
    fn ln_1p(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Cube root, also of a negative number.
    fn cbrt(self) -> Self;
    /// Sine of an angle in radians.
    fn sin(self) -> Self;
    /// Cosine of an angle in radians.
    fn cos(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// 1 / cosh(self)²
    fn sech2(self) -> Self;
    /// 1 / (1 + e ^ -self)
    fn sigmoid(self) -> Self;
    /// ln(1 + e ^ self)
    fn softplus(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// Hyperbolic sine.
    fn sinh(self) -> Self;
    /// Hyperbolic cosine.
    fn cosh(self) -> Self;
    /// Inverse sine.
    fn asin(self) -> Self;
    /// Inverse cosine.
    fn acos(self) -> Self;
    /// Inverse tangent.
    fn atan(self) -> Self;
    /// Inverse hyperbolic sine.
    fn asinh(self) -> Self;
    /// Inverse hyperbolic cosine.
    fn acosh(self) -> Self;
    /// Inverse hyperbolic tangent.
    fn atanh(self) -> Self;
    /// The largest integer not above self.
    fn floor(self) -> Self;
    /// The smallest integer not below self.
    fn ceil(self) -> Self;
    /// The nearest integer; ties round to even.
    fn round(self) -> Self;
    /// The integer part, rounded toward 0.
    fn trunc(self) -> Self;
    /// -1, 0 or 1; NaN for NaN.
    fn sign(self) -> Self;
    /// The error function 2/√π ∫₀ˣ exp(-t²) dt.
    fn erf(self) -> Self;
    /// 1 - erf(self), accurate in the tail.
    fn erfc(self) -> Self;
    /// exp(self²) erfc(self)
    fn erfcx(self) -> Self;
    /// Inverse of erf.
    fn erfinv(self) -> Self;
    /// ln |Γ|
    fn lgamma(self) -> Self;
    /// (ln Γ)′
    fn digamma(self) -> Self;
    /// Cumulative distribution function of the standard normal distribution.
    fn ndtr(self) -> Self;
    /// Logarithm of the cumulative distribution function of the standard normal distribution.
    fn log_ndtr(self) -> Self;
    /// Density over distribution function of the standard normal distribution: the inverse of Mills' ratio at -self.
    fn mills(self) -> Self;
    /// exp(-|x|) I₀(x), where I₀ is a modified Bessel function.
    fn i0e(self) -> Self;
    /// exp(-|x|) I₁(x), where I₁ is a modified Bessel function.
    fn i1e(self) -> Self;
    /// tanh′ of self, where b is tanh of self: 1 - b² for |b| up to 1 - 2⁻¹⁰, beyond that sech² of self, which stays
    /// accurate where tanh saturates.
    fn tanh_slope(self, b: Self) -> Self;
    /// The angle of the point (b, self).
    fn atan2(self, b: Self) -> Self;
    /// √(self² + b²), without overflow.
    fn hypot(self, b: Self) -> Self;
    /// self / √(self² + b²), without overflow; 0 at the origin.
    fn versor(self, b: Self) -> Self;
    /// Remainder of self / b, with the sign of self.
    fn fmod(self, b: Self) -> Self;
    /// Remainder of self / b, with the sign of b.
    fn remainder(self, b: Self) -> Self;
    /// The magnitude of self with the sign of b.
    fn copysign(self, b: Self) -> Self;
    /// The b-th derivative of digamma.
    fn polygamma(self, b: Self) -> Self;
    /// b / (-self + (b + 1) / (-self + …)), a tail of the continued fraction of [`mills`](Real::mills).
    fn mills_tail(self, b: Self) -> Self;
    /// The spherical Bessel function of order b at π self.
    fn spherical(self, b: Self) -> Self;
    /// `a` where the mask self is not 0, else `b`. A selection, never a multiplication by zero.
    fn select(self, a: Self, b: Self) -> Self;
}

macro_rules! float {
    ($($t:ident $at:ident)*) => { $(
        impl Real for $t {
            #[inline(always)] fn lit(self, c: f64) -> $t { c as $t }
            #[inline(always)] fn add(self, b: $t) -> $t { self + b }
            #[inline(always)] fn sub(self, b: $t) -> $t { self - b }
            #[inline(always)] fn mul(self, b: $t) -> $t { self * b }
            #[inline(always)] fn div(self, b: $t) -> $t { self / b }
            #[inline(always)] fn pow(self, b: $t) -> $t { Elementary::powf(self, b) }
            // Two selections in sequence rather than one three-way choice, which would compile to branches. A
            // comparison alone would lose a NaN on its left.
            #[inline(always)] fn max(self, b: $t) -> $t { let most = if self > b { self } else { b }; if self.is_nan() { self } else { most } }
            #[inline(always)] fn min(self, b: $t) -> $t { let least = if self < b { self } else { b }; if self.is_nan() { self } else { least } }
            #[inline(always)] fn gt(self, b: $t) -> $t { (self > b) as u8 as $t }
            #[inline(always)] fn ge(self, b: $t) -> $t { (self >= b) as u8 as $t }
            #[inline(always)] fn eq(self, b: $t) -> $t { (self == b) as u8 as $t }
            #[inline(always)] fn neg(self) -> $t { -self }
            #[inline(always)] fn exp(self) -> $t { Elementary::exp(self) }
            #[inline(always)] fn exp_m1(self) -> $t { Elementary::exp_m1(self) }
            #[inline(always)] fn exp2(self) -> $t { Elementary::exp2(self) }
            #[inline(always)] fn ln(self) -> $t { Elementary::ln(self) }
            #[inline(always)] fn log2(self) -> $t { Elementary::log2(self) }
            #[inline(always)] fn log10(self) -> $t { Elementary::log10(self) }
            #[inline(always)] fn ln_1p(self) -> $t { Elementary::ln_1p(self) }
            #[inline(always)] fn sqrt(self) -> $t { $t::sqrt(self) }
            #[inline(always)] fn cbrt(self) -> $t { libm::cbrt(self as f64) as $t }
            #[inline(always)] fn sin(self) -> $t { Elementary::sin(self) }
            #[inline(always)] fn cos(self) -> $t { Elementary::cos(self) }
            #[inline(always)] fn tanh(self) -> $t { Elementary::tanh(self) }
            #[inline(always)] fn sech2(self) -> $t { Elementary::sech2(self) }
            #[inline(always)] fn sigmoid(self) -> $t { Elementary::sigmoid(self) }
            #[inline(always)] fn softplus(self) -> $t { Elementary::softplus(self) }
            #[inline(always)] fn abs(self) -> $t { $t::abs(self) }
            #[inline(always)] fn sinh(self) -> $t { Elementary::sinh(self) }
            #[inline(always)] fn cosh(self) -> $t { Elementary::cosh(self) }
            #[inline(always)] fn asin(self) -> $t { Elementary::asin(self) }
            #[inline(always)] fn acos(self) -> $t { Elementary::acos(self) }
            #[inline(always)] fn atan(self) -> $t { Elementary::atan(self) }
            #[inline(always)] fn asinh(self) -> $t { Elementary::asinh(self) }
            #[inline(always)] fn acosh(self) -> $t { Elementary::acosh(self) }
            #[inline(always)] fn atanh(self) -> $t { Elementary::atanh(self) }
            #[inline(always)] fn floor(self) -> $t { $t::floor(self) }
            #[inline(always)] fn ceil(self) -> $t { $t::ceil(self) }
            #[inline(always)] fn round(self) -> $t { $t::round_ties_even(self) }
            #[inline(always)] fn trunc(self) -> $t { $t::trunc(self) }
            #[inline(always)] fn sign(self) -> $t { if self > 0.0 { 1.0 } else if self < 0.0 { -1.0 } else { self } }
            #[inline(always)] fn erf(self) -> $t { Elementary::erf(self) }
            #[inline(always)] fn erfc(self) -> $t { Elementary::erfc(self) }
            #[inline(always)] fn erfcx(self) -> $t { Elementary::erfcx(self) }
            #[inline(always)] fn erfinv(self) -> $t { Elementary::erfinv(self) }
            #[inline(always)] fn lgamma(self) -> $t { special::lgamma(self as f64) as $t }
            #[inline(always)] fn digamma(self) -> $t { special::digamma(self as f64) as $t }
            #[inline(always)] fn ndtr(self) -> $t { Elementary::ndtr(self) }
            // Computed in double precision: rounding x/√2 to a narrower type would be visible in the tail.
            #[inline(always)] fn log_ndtr(self) -> $t { Elementary::log_ndtr(self as f64) as $t }
            #[inline(always)] fn mills(self) -> $t { Elementary::mills(self as f64) as $t }
            #[inline(always)] fn i0e(self) -> $t { special::i0e(self as f64) as $t }
            #[inline(always)] fn i1e(self) -> $t { special::i1e(self as f64) as $t }
            #[inline(always)] fn tanh_slope(self, b: $t) -> $t { Elementary::tanh_slope(self, b) }
            #[inline(always)] fn atan2(self, b: $t) -> $t { Elementary::atan2(self, b) }
            #[inline(always)] fn hypot(self, b: $t) -> $t { Elementary::hypot(self, b) }
            #[inline(always)] fn versor(self, b: $t) -> $t { Elementary::versor(self, b) }
            #[inline(always)] fn fmod(self, b: $t) -> $t { special::fmod(self as f64, b as f64) as $t }
            #[inline(always)] fn remainder(self, b: $t) -> $t { special::remainder(self as f64, b as f64) as $t }
            #[inline(always)] fn copysign(self, b: $t) -> $t { $t::copysign(self, b) }
            #[inline(always)] fn polygamma(self, b: $t) -> $t { special::polygamma(self as f64, b as f64) as $t }
            #[inline(always)] fn mills_tail(self, b: $t) -> $t { special::mills_tail(self as f64, b as f64) as $t }
            #[inline(always)] fn spherical(self, b: $t) -> $t { special::spherical(self as f64, b as f64) as $t }
            #[inline(always)] fn select(self, a: $t, b: $t) -> $t { if self != 0.0 { a } else { b } }
        }
        impl Float for $t {
            const INFINITY: $t = $t::INFINITY;
            const NAN: $t = $t::NAN;
            const EPSILON: $t = $t::EPSILON;
            #[inline(always)] fn of(c: f64) -> $t { c as $t }
            #[inline(always)] fn f64(self) -> f64 { self as f64 }
            #[inline(always)] fn is_finite(self) -> bool { self.is_finite() }
            #[inline(always)] fn is_nan(self) -> bool { self.is_nan() }
            #[inline(always)] fn once<F: Once>() -> F::At<$t> { F::$at() }
        }
    )* };
}
float!(f32 single f64 double);

/// A [`Real`] with infix operators, so that a rule reads like mathematics: `-g * y / b`, `1.0 - y * y`.
///
/// ```
/// use autograd::float::{E, Real};
/// /// 1 / (1 + x²), as it is written.
/// fn runge<S: Real>(x: S) -> S {
///     let x = E(x);
///     (1.0 / (1.0 + x * x)).0
/// }
/// assert_eq!(runge(2.0), 0.2);
/// ```
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct E<S>(pub S);

macro_rules! infix {
    ($($Trait:ident $f:ident)*) => { $(
        impl<S: Real> $Trait for E<S> {
            type Output = E<S>;
            #[inline(always)] fn $f(self, b: E<S>) -> E<S> { E(self.0.$f(b.0)) }
        }
        impl<S: Real> $Trait<f64> for E<S> {
            type Output = E<S>;
            #[inline(always)] fn $f(self, b: f64) -> E<S> { E(self.0.$f(self.0.lit(b))) }
        }
        impl<S: Real> $Trait<E<S>> for f64 {
            type Output = E<S>;
            #[inline(always)] fn $f(self, b: E<S>) -> E<S> { E(b.0.lit(self).$f(b.0)) }
        }
    )* };
}
infix!(Add add Sub sub Mul mul Div div);

impl<S: Real> Neg for E<S> {
    type Output = E<S>;
    #[inline(always)]
    fn neg(self) -> E<S> {
        E(self.0.neg())
    }
}

/// Passes the names of [`Real`]'s methods and of the corresponding rows to another macro, after the `given` tokens.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_real {
    ($callback:ident $(, $($given:tt)*)?) => {
        $callback! {
            $($($given)*)?
            unary: neg Neg, exp Exp, exp_m1 ExpM1, exp2 Exp2, ln Ln, log2 Log2, log10 Log10, ln_1p Ln1p, sqrt Sqrt, cbrt Cbrt, sin Sin, cos Cos, tanh Tanh, sech2 Sech2,
                   sigmoid Sigmoid, softplus Softplus, abs Abs,
                   sinh Sinh, cosh Cosh, asin Asin, acos Acos, atan Atan, asinh Asinh, acosh Acosh, atanh Atanh, floor Floor, ceil Ceil, round Round, trunc Trunc, sign Sign, erf Erf, erfc Erfc, erfcx Erfcx, erfinv ErfInv, lgamma Lgamma, digamma Digamma, ndtr Ndtr, log_ndtr LogNdtr, mills Mills, i0e I0e, i1e I1e;
            binary: add Add, sub Sub, mul Mul, div Div, pow Pow, max Maximum, min Minimum, gt Gt, ge Ge, eq Eq,
                    tanh_slope TanhSlope, atan2 Atan2, hypot Hypot, versor Versor, fmod Fmod, remainder Remainder, copysign Copysign, polygamma Polygamma, mills_tail MillsTail, spherical Spherical;
        }
    };
}
#[doc(hidden)]
pub use __for_real as for_real;

macro_rules! forward {
    (unary: $($u:ident $U:ident),*; binary: $($b:ident $B:ident),*;) => {
        #[allow(missing_docs, clippy::should_implement_trait, reason = "as in `Real`, whose methods these are")]
        impl<S: Real> E<S> {
            $( #[inline(always)] pub fn $u(self) -> E<S> { E(self.0.$u()) } )*
            $( #[inline(always)] pub fn $b(self, b: E<S>) -> E<S> { E(self.0.$b(b.0)) } )*
            #[inline(always)] pub fn select(self, a: E<S>, b: E<S>) -> E<S> { E(self.0.select(a.0, b.0)) }
        }
    };
}

for_real!(forward);

impl<S: Real> E<S> {
    /// `self` where `c > 0`, else 0.
    #[inline(always)]
    pub fn where_pos(self, c: E<S>) -> E<S> {
        self.only(c.gt(c.lit(0.0)))
    }

    /// `self` where the mask `c` holds, else 0.
    #[inline(always)]
    pub fn only(self, c: E<S>) -> E<S> {
        c.select(self, self.lit(0.0))
    }

    /// 0 where the mask `c` holds, else `self`.
    #[inline(always)]
    pub fn unless(self, c: E<S>) -> E<S> {
        c.select(self.lit(0.0), self)
    }

    /// `self` where it is at most 0, else 0. Used for the argument of an exponential whose result is selected only
    /// there, so that it does not overflow elsewhere.
    #[inline(always)]
    pub fn left(self) -> E<S> {
        self.unless(self.gt(self.lit(0.0)))
    }

    /// `c` where `mask` holds, else `self`.
    #[inline(always)]
    pub fn or_where(self, mask: E<S>, c: f64) -> E<S> {
        mask.select(self.lit(c), self)
    }

    /// 1 where self <= b, else 0.
    #[inline(always)]
    pub fn le(self, b: E<S>) -> E<S> {
        b.ge(self)
    }

    /// The constant `c`.
    #[inline(always)]
    pub fn lit(self, c: f64) -> E<S> {
        E(self.0.lit(c))
    }
}
