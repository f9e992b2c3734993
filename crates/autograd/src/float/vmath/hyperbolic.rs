//! Hyperbolic functions and their inverses, each computed from the exponential or logarithm that avoids cancellation.

use super::exp::{half_exp, half_exp_m1};
use super::lane::Lane;
use super::log::{ln, ln_1p};

/// Half of `e^|x| - e^-|x|`: near zero from `h = (e^|x| - 1) / 2` as `h + h / (1 + 2h)`.
#[inline(always)]
pub fn sinh<T: Lane>(x: T) -> T {
    let (a, one) = (x.abs(), T::from(1.0));
    let h = half_exp_m1(a.at_most(one));
    let e = half_exp(a);
    let near = h + h / (one + (h + h));
    let far = e - T::from(0.25) / e;
    // Where the result rounds to x: preserves the bits of subnormals.
    let value = if a < T::EPSILON { a } else { near };
    (if a < one { value } else { far }).copysign(x)
}

#[inline(always)]
pub fn cosh<T: Lane>(x: T) -> T {
    let e = half_exp(x.abs());
    e + T::from(0.25) / e
}

/// `ln(x + √(x² + 1))`, and `ln 2x` where the root rounds to `x`.
#[inline(always)]
pub fn asinh<T: Lane>(x: T) -> T {
    let (a, one) = (x.abs(), T::from(1.0));
    let square = a * a;
    let near = ln_1p(a + square / (one + (square + one).sqrt()));
    (if square * T::EPSILON > one { ln(a) + T::LN_2[0] } else { near }).copysign(x)
}

/// `ln(x + √(x² - 1))` for `x >= 1`, accurate near 1, and `ln 2x` where the root rounds to `x`.
#[inline(always)]
pub fn acosh<T: Lane>(x: T) -> T {
    let t = x - T::from(1.0);
    let near = ln_1p(t + t.sqrt() * (t + T::from(2.0)).sqrt());
    if x * x * T::EPSILON > T::from(1.0) { ln(x) + T::LN_2[0] } else { near }
}

/// `½ ln((1 + x) / (1 - x))`
#[inline(always)]
pub fn atanh<T: Lane>(x: T) -> T {
    let a = x.abs();
    (T::from(0.5) * ln_1p((a + a) / (T::from(1.0) - a))).copysign(x)
}
