//! Elementary functions written so that a plain loop over a slice vectorises.
//!
//! The standard library's `exp`, `tanh`, ... are opaque calls: a loop over them runs one element at a time. Here each
//! function is straight-line arithmetic (selects, never branches), so the compiler can compute a whole register of
//! elements at once. They all follow the same three steps:
//!
//! 1. *Range reduction* brings the argument into a short interval with an exact identity: `x = n ln 2 + r` for the
//!    exponential, `x = 2^n (1 + f)` for the logarithm, `x = n π + r` for the sine. The constant `ln 2` or `π` is
//!    held as a sum of two or three floats, so that the subtraction loses nothing (Cody and Waite, *Software Manual for
//!    the Elementary Functions*, 1980).
//! 2. A *polynomial* of least maximal error (Remez) is evaluated on that interval by Horner's rule.
//! 3. *Reconstruction* undoes the identity, mostly by editing exponent bits; the leading term of the series is added
//!    last, so that its rounding is nearly the only one that counts.
//!
//! Every fused operation is an explicit `mul_add` and nothing depends on the lane width, so an element has the same bits
//! in a vector, in the scalar tail and in a debug build. Without the `fma` target feature `mul_add` is a library
//! call: slow, same bits. The one algorithm serves both widths; `lane.rs` lists what a width must provide, and
//! `f32.rs` and `f64.rs` provide it. This room knows nothing of tensors, strides or threads.
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

use lane::Lane;

/// Declares the functions and says where each is computed.
macro_rules! elementary {
    ($($(#[doc = $doc:literal])* $f:ident($x:ident $(, $y:ident)?) = $room:ident;)*) => {
        /// Elementary functions of one float, branch-free and bitwise reproducible.
        ///
        /// On a concrete `f32` or `f64` the inherent method of the standard library wins over a trait method, so call these
        /// from generic code (`fn f<T: Elementary>(x: T) -> T { x.tanh() }`) or by their path (`Elementary::tanh(x)`).
        ///
        /// NaN in gives NaN out, except where [`powf`](Elementary::powf) and [`hypot`](Elementary::hypot) say otherwise.
        pub trait Elementary: Copy {
            /// Largest magnitude for which [`sin`](Elementary::sin) and [`cos`](Elementary::cos) keep their bound.
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
    /// `e^x - 1`, within 2 ulp, near zero too; keeps the sign of zero.
    exp_m1(x) = exp;
    /// `2^x`, within 1 ulp; overflows and underflows as `exp`.
    exp2(x) = exp;
    /// Natural logarithm, within 1 ulp, subnormals included; `ln 0 = -∞`, NaN below zero.
    ln(x) = log;
    /// Logarithm to base 2, within 1 ulp, exact for powers of 2.
    log2(x) = log;
    /// Logarithm to base 10, within 1 ulp, exact for powers of 10.
    log10(x) = log;
    /// `ln(1 + x)`, within 2 ulp, near zero too; keeps the sign of zero, `-∞` at `-1`, NaN below.
    ln_1p(x) = log;
    /// Sine of `x` radians, within 2 ulp for `|x| <= TRIG_LIMIT`; unspecified beyond, NaN at the infinities.
    sin(x) = trig;
    /// Cosine of `x` radians, within 2 ulp for `|x| <= TRIG_LIMIT`; unspecified beyond, NaN at the infinities.
    cos(x) = trig;
    /// `tanh x = (e^2x - 1) / (e^2x + 1)`, within 3 ulp, near zero too; keeps the sign of zero.
    tanh(x) = exp;
    /// Hyperbolic sine, within 3 ulp, near zero too; keeps the sign of zero.
    sinh(x) = hyperbolic;
    /// Hyperbolic cosine, within 2 ulp.
    cosh(x) = hyperbolic;
    /// Inverse hyperbolic sine, within 3 ulp, near zero too; keeps the sign of zero.
    asinh(x) = hyperbolic;
    /// Inverse hyperbolic cosine, within 3 ulp; NaN below 1.
    acosh(x) = hyperbolic;
    /// Inverse hyperbolic tangent, within 3 ulp, near zero too; infinite at `±1`, NaN beyond.
    atanh(x) = hyperbolic;
    /// The angle between `-π/2` and `π/2` with this sine, within 3 ulp; NaN beyond `±1`; keeps the sign of zero.
    asin(x) = arc;
    /// The angle between 0 and `π` with this cosine, within 3 ulp; NaN beyond `±1`.
    acos(x) = arc;
    /// The angle between `-π/2` and `π/2` with this tangent, within 2 ulp; keeps the sign of zero.
    atan(x) = arc;
    /// The angle of the point `(x, self)`, from `-π` to `π`, within 3 ulp; with the zeros and infinities of IEEE 754.
    atan2(y, x) = arc;
    /// `√(x² + y²)`, within 2 ulp, without overflow or underflow; infinite beside an infinity, even for NaN.
    hypot(x, y) = arc;
    /// Logistic function `1 / (1 + e^-x)`, within 4 ulp, down to the subnormals on the far left.
    sigmoid(x) = exp;
    /// `ln(1 + e^x)`, within 3 ulp, down to the subnormals on the far left.
    softplus(x) = log;
    /// Error function `2/√π ∫₀ˣ e^-t² dt`, within 2 ulp; keeps the sign of zero.
    erf(x) = erf;
    /// `1 - erf x`, within 5 ulp, down to the subnormals on the far right.
    erfc(x) = erf;
    /// `e^x² erfc x`, within 5 ulp: what is left of `erfc` on the right when its fall is taken out.
    erfcx(x) = erf;
    /// The inverse of `erf`, within 4 ulp; infinite at `±1`, NaN beyond.
    erfinv(x) = erf;
    /// `ln((1 + erf(x/√2)) / 2)`, the logarithm of the normal distribution function, within 4 ulp.
    log_ndtr(x) = erf;
    /// `x^p`, within 2 ulp, with the special cases of IEEE 754 `pow`: `x^0 = 1` and `1^p = 1` for every `x` and `p`,
    /// NaN included; a negative finite `x` takes its sign from an integer `p` and gives NaN for any other.
    powf(x, p) = pow;
}
