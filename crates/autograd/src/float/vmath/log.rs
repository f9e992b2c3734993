//! The logarithm and its relatives: `ln x = n ln 2 + ln(1 + f)` with `x = 2^n (1 + f)` and `√½ <= 1 + f < √2`.

use super::exp::decay;
use super::lane::Lane;

/// `n ln 2 + ln(1 + f)`, with `ln(1 + f) = 2 atanh s` for `s = f / (2 + f)`.
///
/// Since `2s = f - s f`, the series `2s + s³ P(s²)` equals `f - (f²/2 - s (f²/2 + s² P))`: the leading term `f` is
/// exact and only the small remainder has the rounding error of the division (W. Kahan; FreeBSD msun `e_log.c` uses
/// this form).
#[inline(always)]
fn ln_reduced<T: Lane>(f: T, n: T) -> T {
    let s = f / (T::from(2.0) + f);
    let z = s * s;
    let half_square = T::from(0.5) * f * f;
    let series = z.mul_add(z.polynomial(T::ATANH_TAIL), half_square);
    let remainder = half_square - s.mul_add(series, n * T::LN_2[1]);
    n.mul_add(T::LN_2[0], f - remainder)
}

/// Returns `y = ln x` if `x` is positive and finite, otherwise the limits of the logarithm.
#[inline(always)]
fn with_limits<T: Lane>(x: T, y: T) -> T {
    let zero = T::from(0.0);
    let y = if x < T::INFINITY { y } else { x };
    let y = if x == zero { -T::INFINITY } else { y };
    if x < zero { T::NAN } else { y }
}

#[inline(always)]
pub fn ln<T: Lane>(x: T) -> T {
    // Multiplying by 2^64 makes every subnormal of either width normal.
    let two64 = T::from(18_446_744_073_709_551_616.0);
    let subnormal = x < T::MIN_POSITIVE;
    let (m, n) = (if subnormal { x * two64 } else { x }).frexp();
    let n = if subnormal { n - T::from(64.0) } else { n };
    with_limits(x, ln_reduced(m - T::from(1.0), n))
}

/// The result must be exact where it is an integer, so `ln x` and the factor are computed with twice the digits.
#[inline(always)]
pub fn log2<T: Lane>(x: T) -> T {
    with_limits(x, x.ln_times((std::f64::consts::LOG2_E, 2.0355273740931033e-17)))
}

#[inline(always)]
pub fn log10<T: Lane>(x: T) -> T {
    with_limits(x, x.ln_times((std::f64::consts::LOG10_E, 1.098319650216765e-17)))
}

/// `ln(1 + x)` for finite `x > -1`. The rounded `1 + x = 2^n m` only determines `n`; `f = 2^-n (1 + x) - 1` is then
/// computed from `x` itself by one fused operation, so that no digits of a small `x` are lost.
#[inline(always)]
fn ln_1p_finite<T: Lane>(x: T) -> T {
    let one = T::from(1.0);
    let (m, n) = (one + x).frexp();
    let (_, minus_n) = n.nearest(-one);
    let half = T::half_exp2(minus_n);
    let scale = half + half;
    let f = scale.mul_add(x, scale - one);
    // For large x the 1 is negligible, and 2^-n would be subnormal.
    let f = if x > T::from(1e30) { m - one } else { f };
    ln_reduced(f, n)
}

#[inline(always)]
pub fn ln_1p<T: Lane>(x: T) -> T {
    with_limits(T::from(1.0) + x, ln_1p_finite(x)).copysign(x)
}

/// `ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|)`, where the exponential cannot overflow.
#[inline(always)]
pub fn softplus<T: Lane>(x: T) -> T {
    let zero = T::from(0.0);
    let positive = if x > zero { x } else { zero };
    positive + ln_1p_finite(decay(x))
}
