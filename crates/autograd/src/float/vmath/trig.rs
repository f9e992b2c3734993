//! Sine and cosine: `sin(n π + r) = (-1)^n sin r` with `|r| <= π/2`.

use super::lane::Lane;

/// `sin(x - k π)` with its sign flipped for odd `n`.
#[inline(always)]
fn sin_reduced<T: Lane>(x: T, k: T, n: T::Word) -> T {
    // The first difference is exact: a multiple of the last place of π, and smaller than π.
    let head = (-k).mul_add(T::PI[0], x);
    let near = (-k).mul_add(T::PI[1], head);
    let r = (-k).mul_add(T::PI[2], near);
    let a = r.abs();
    // The last part of π affects only the leading term: the other terms need not wait for it.
    let z = near * near;
    // Compute with |r| and restore the sign, because a sum of zeros of opposite sign would lose the sign of -0. The
    // result must not exceed 1 by rounding, or `1 - sin²` would be negative.
    let sin = (a * z).mul_add(z.polynomial_in_pairs(T::SIN_TAIL), a).at_most(T::from(1.0));
    sin.copysign(r.negate_if_odd(n))
}

#[inline(always)]
pub fn sin<T: Lane>(x: T) -> T {
    let (n, word) = x.nearest(T::FRAC_1_PI);
    sin_reduced(x, n, word)
}

/// `cos x = (-1)^n sin r` with `x = (n - ½) π + r`.
#[inline(always)]
pub fn cos<T: Lane>(x: T) -> T {
    let half = T::from(0.5);
    let (n, word) = x.mul_add(T::FRAC_1_PI, half).nearest(T::from(1.0));
    sin_reduced(x, n - half, word)
}
