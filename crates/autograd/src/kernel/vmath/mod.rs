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

mod erf;
mod exp;
mod f32;
mod f64;
mod lane;
mod log;
mod pow;
#[cfg(test)]
mod tests;
mod trig;

use lane::Lane;

/// Elementary functions of one float, branch-free and bitwise reproducible.
///
/// On a concrete `f32` or `f64` the inherent method of the standard library wins over a trait method, so call these from
/// generic code (`fn f<T: Elementary>(x: T) -> T { x.tanh() }`) or by their path (`Elementary::tanh(x)`).
///
/// NaN in gives NaN out, except where [`powf`](Elementary::powf) says otherwise.
pub trait Elementary: Copy {
    /// Largest magnitude for which [`sin`](Elementary::sin) and [`cos`](Elementary::cos) keep their bound.
    const TRIG_LIMIT: Self;

    /// `e^x`, within 1 ulp. Overflows to infinity; underflows gradually, through the subnormals.
    fn exp(self) -> Self;

    /// `e^x - 1`, within 2 ulp, near zero too; keeps the sign of zero.
    fn exp_m1(self) -> Self;

    /// Natural logarithm, within 1 ulp, subnormals included; `ln 0 = -∞`, NaN below zero.
    fn ln(self) -> Self;

    /// `ln(1 + x)`, within 2 ulp, near zero too; keeps the sign of zero, `-∞` at `-1`, NaN below.
    fn ln_1p(self) -> Self;

    /// Sine of `x` radians, within 2 ulp for `|x| <= TRIG_LIMIT`; unspecified beyond, NaN at the infinities.
    fn sin(self) -> Self;

    /// Cosine of `x` radians, within 2 ulp for `|x| <= TRIG_LIMIT`; unspecified beyond, NaN at the infinities.
    fn cos(self) -> Self;

    /// `tanh x = (e^2x - 1) / (e^2x + 1)`, within 2 ulp, near zero too; keeps the sign of zero.
    fn tanh(self) -> Self;

    /// Logistic function `1 / (1 + e^-x)`, within 2 ulp, down to the subnormals on the far left.
    fn sigmoid(self) -> Self;

    /// `ln(1 + e^x)`, within 2 ulp, down to the subnormals on the far left.
    fn softplus(self) -> Self;

    /// Error function `2/√π ∫₀ˣ e^-t² dt`, within 2 ulp; keeps the sign of zero.
    fn erf(self) -> Self;

    /// `x^p`, within 2 ulp, with the special cases of IEEE 754 `pow`: `x^0 = 1` and `1^p = 1` for every `x` and `p`,
    /// NaN included; a negative finite `x` takes its sign from an integer `p` and gives NaN for any other.
    fn powf(self, p: Self) -> Self;
}

impl<T: Lane> Elementary for T {
    const TRIG_LIMIT: T = <T as Lane>::TRIG_LIMIT;

    #[inline(always)]
    fn exp(self) -> T {
        exp::exp(self)
    }
    #[inline(always)]
    fn exp_m1(self) -> T {
        exp::exp_m1(self)
    }
    #[inline(always)]
    fn ln(self) -> T {
        log::ln(self)
    }
    #[inline(always)]
    fn ln_1p(self) -> T {
        log::ln_1p(self)
    }
    #[inline(always)]
    fn sin(self) -> T {
        trig::sin(self)
    }
    #[inline(always)]
    fn cos(self) -> T {
        trig::cos(self)
    }
    #[inline(always)]
    fn tanh(self) -> T {
        exp::tanh(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> T {
        exp::sigmoid(self)
    }
    #[inline(always)]
    fn softplus(self) -> T {
        log::softplus(self)
    }
    #[inline(always)]
    fn erf(self) -> T {
        erf::erf(self)
    }
    #[inline(always)]
    fn powf(self, p: T) -> T {
        pow::powf(self, p)
    }
}
