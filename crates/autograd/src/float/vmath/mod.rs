//! Elementary functions written so that a plain loop over a slice vectorizes.
//!
//! The standard library's `exp`, `tanh`, ... are opaque calls: a loop over them processes one element at a time. Here
//! each function is straight-line arithmetic (selects, never branches), so the compiler can compute a whole register
//! of elements at once. All functions follow the same three steps:
//!
//! 1. *Range reduction* maps the argument to a short interval with an exact identity: `x = n ln 2 + r` for the
//!    exponential, `x = 2^n (1 + f)` for the logarithm, `x = n π + r` for the sine. The constant `ln 2` or `π` is
//!    stored as a sum of two or three floats, so that the subtraction is accurate (Cody and Waite, *Software Manual
//!    for the Elementary Functions*, 1980).
//! 2. A *minimax polynomial* (Remez) is evaluated on that interval by Horner's rule.
//! 3. *Reconstruction* inverts the identity, mostly by editing exponent bits. The leading term of the series is added
//!    last, so that its rounding error dominates.
//!
//! Every fused operation is an explicit `mul_add` and nothing depends on the lane width, so an element has the same
//! bits in a vector, in the scalar tail and in a debug build. Without the `fma` target feature, `mul_add` is a library
//! call: slow, with the same bits. The same algorithm serves both widths; `lane.rs` lists what a width must provide,
//! and `f32.rs` and `f64.rs` provide it. This module is independent of tensors, strides and threads.
//!
//! Error bounds are in units in the last place (ulp) of the exact result.

mod arc;
mod erf;
mod exp;
mod f32;
mod f64;
mod hyperbolic;
mod lane;
mod log;
mod pow;
#[cfg(test)]
mod tests;
mod trig;

pub use exp::TANH_CORE;
use lane::Lane;

/// Declares the functions and the module that computes each.
macro_rules! elementary {
    ($($(#[doc = $doc:literal])* $f:ident($x:ident $(, $y:ident)?) = $room:ident;)*) => {
        /// Elementary functions of one float, branch-free and bitwise reproducible.
        ///
        /// On a concrete `f32` or `f64`, the inherent method of the standard library takes precedence over a trait
        /// method, so call these from generic code (`fn f<T: Elementary>(x: T) -> T { x.tanh() }`) or by path
        /// (`Elementary::tanh(x)`).
        ///
        /// NaN arguments give NaN results, except as documented for [`powf`](Elementary::powf) and
        /// [`hypot`](Elementary::hypot).
        pub trait Elementary: Copy {
            /// Largest magnitude for which the error bounds of [`sin`](Elementary::sin) and [`cos`](Elementary::cos)
            /// hold.
            const TRIG_LIMIT: Self;
            $($(#[doc = $doc])* fn $f(self $(, $y: Self)?) -> Self;)*
        }

        impl<T: Lane> Elementary for T {
            const TRIG_LIMIT: T = <T as Lane>::TRIG_LIMIT;
            $(#[inline(always)] fn $f(self $(, $y: T)?) -> T { $room::$f(self $(, $y)?) })*
        }
    };
}

elementary! {
    /// `e^x`, within 1 ulp. Overflows to infinity; underflows gradually, through the subnormals.
    exp(x) = exp;
    /// `e^x - 1`, within 2 ulp, including near zero; keeps the sign of zero.
    exp_m1(x) = exp;
    /// `2^x`, within 1 ulp; overflows and underflows like `exp`.
    exp2(x) = exp;
    /// Natural logarithm, within 1 ulp, including subnormals; `ln 0 = -∞`, NaN below zero.
    ln(x) = log;
    /// Logarithm to base 2, within 1 ulp, exact for powers of 2.
    log2(x) = log;
    /// Logarithm to base 10, within 1 ulp, exact for powers of 10.
    log10(x) = log;
    /// `ln(1 + x)`, within 2 ulp, including near zero; keeps the sign of zero, `-∞` at `-1`, NaN below.
    ln_1p(x) = log;
    /// Sine of `x` radians, within 2 ulp for `|x| <= TRIG_LIMIT`; unspecified beyond, NaN at the infinities.
    sin(x) = trig;
    /// Cosine of `x` radians, within 2 ulp for `|x| <= TRIG_LIMIT`; unspecified beyond, NaN at the infinities.
    cos(x) = trig;
    /// `tanh x = (e^2x - 1) / (e^2x + 1)`, within 3 ulp, including near zero; keeps the sign of zero.
    tanh(x) = exp;
    /// `1 / cosh² x`, within 5 ulp, including subnormal results.
    sech2(x) = exp;
    /// `1 / cosh² x` for `y = tanh x`: `1 - y²` where `y` has enough digits for that, else [`sech2`](Elementary::sech2).
    tanh_slope(x, y) = exp;
    /// Hyperbolic sine, within 3 ulp, including near zero; keeps the sign of zero.
    sinh(x) = hyperbolic;
    /// Hyperbolic cosine, within 2 ulp.
    cosh(x) = hyperbolic;
    /// Inverse hyperbolic sine, within 3 ulp, including near zero; keeps the sign of zero.
    asinh(x) = hyperbolic;
    /// Inverse hyperbolic cosine, within 3 ulp; NaN below 1.
    acosh(x) = hyperbolic;
    /// Inverse hyperbolic tangent, within 3 ulp, including near zero; infinite at `±1`, NaN beyond.
    atanh(x) = hyperbolic;
    /// Inverse sine, from `-π/2` to `π/2`, within 3 ulp; NaN beyond `±1`; keeps the sign of zero.
    asin(x) = arc;
    /// Inverse cosine, from 0 to `π`, within 3 ulp; NaN beyond `±1`.
    acos(x) = arc;
    /// Inverse tangent, from `-π/2` to `π/2`, within 2 ulp; keeps the sign of zero.
    atan(x) = arc;
    /// The angle of the point `(x, self)`, from `-π` to `π`, within 3 ulp; zeros and infinities as in IEEE 754.
    atan2(y, x) = arc;
    /// `√(x² + y²)`, within 2 ulp, without overflow or underflow; infinite if either argument is, even if the other is
    /// NaN.
    hypot(x, y) = arc;
    /// `x / √(x² + y²)`, within 3 ulp, without overflow or underflow; 0 at the origin, and the limit if one argument is
    /// infinite.
    versor(x, y) = arc;
    /// Logistic function `1 / (1 + e^-x)`, within 4 ulp, including subnormal results for very negative `x`.
    sigmoid(x) = exp;
    /// `ln(1 + e^x)`, within 3 ulp, including subnormal results for very negative `x`.
    softplus(x) = log;
    /// Error function `2/√π ∫₀ˣ e^-t² dt`, within 2 ulp; keeps the sign of zero.
    erf(x) = erf;
    /// `1 - erf x`, within 5 ulp, including subnormal results for large `x`.
    erfc(x) = erf;
    /// Scaled complementary error function `e^x² erfc x`, within 5 ulp; it decreases slowly where `erfc` vanishes.
    erfcx(x) = erf;
    /// Inverse of `erf`, within 4 ulp; infinite at `±1`, NaN beyond.
    erfinv(x) = erf;
    /// `(1 + erf(x/√2)) / 2`, the standard normal distribution function, within 6 ulp, including subnormal results.
    ndtr(x) = erf;
    /// `ln((1 + erf(x/√2)) / 2)`, the logarithm of the standard normal distribution function, within 4 ulp.
    log_ndtr(x) = erf;
    /// `φ(x) / Φ(x)`, the density of the standard normal distribution over its distribution function, within 8 ulp.
    mills(x) = erf;
    /// `x^p`, within 2 ulp, with the special cases of IEEE 754 `pow`: `x^0 = 1` and `1^p = 1` for every `x` and `p`,
    /// including NaN; for negative finite `x`, an integer `p` determines the sign and any other `p` gives NaN.
    powf(x, p) = pow;
}
