//! Powers: `x^p = e^(p ln x)` for positive `x`, and the special cases of IEEE 754 `pow` around it.
//!
//! A relative error in `p ln x` is multiplied by its magnitude, up to 745, so the logarithm must have ten more bits
//! than the result. For `f32`, an `f64` logarithm has them; for `f64`, it is an unevaluated sum of two numbers (Dekker
//! 1971).

use super::exp::exp_sum;
use super::lane::Lane;

#[inline(always)]
pub fn powf<T: Lane>(x: T, p: T) -> T {
    let (zero, half, one) = (T::from(0.0), T::from(0.5), T::from(1.0));
    let a = x.abs();
    let integer = p.trunc() == p;
    let odd = integer & ((p * half).trunc() != p * half);
    let negative = one.copysign(x) < zero;

    let power = a.pow_positive(p);
    let power = if (p == zero) | (a == one) { one } else { power };
    let power = if negative & odd { -power } else { power };
    // -∞ is excluded: with a non-integer exponent it behaves like the limit of even powers.
    let undefined = (x < zero) & (a < T::INFINITY) & !integer;
    let power = if undefined { T::NAN } else { power };
    // 1^NaN is 1 but (-1)^NaN is not, and x^0 is 1 for NaN x.
    if (p == zero) | (x == one) { one } else { power }
}

/// `x^p` in `f64`, through a logarithm of twice the precision.
#[inline(always)]
pub fn pow_positive_f64(x: f64, p: f64) -> f64 {
    let (high, low) = ln_double(x);
    let product = p * high;
    let rest = p.mul_add(high, -product) + p * low;
    // The rest matters only if the power is in range; far outside it, it may even be ∞ - ∞.
    let rest = if rest.abs() < 1e-3 { rest } else { 0.0 };
    exp_sum(product, rest)
}

/// `a + b` and its rounding error, for `|a| >= |b|` or `a = 0`.
#[inline(always)]
fn fast_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

/// `ln x` as a sum of two floats, with a relative error near 2^-65: the reduction of [`ln`](super::log::ln), and `2
/// atanh s = 2s (1 + s²/3 + s⁴ P(s²))` with all terms but the last in double-double precision.
#[inline(always)]
pub fn ln_double(x: f64) -> (f64, f64) {
    /// `(atanh s / s - 1 - s²/3) / s⁴` in powers of `s²`, for `|s| <= 3 - 2√2`.
    const ATANH_TAIL: &[f64] = &[
        0.20000000000001125,
        0.14285714285050047,
        0.1111111126004413,
        0.09090892167600247,
        0.0769337972684903,
        0.06628377798876521,
        0.06598503495368956,
    ];
    const THIRD: (f64, f64) = (1.0 / 3.0, 1.850371707708594e-17);
    /// 42 bits of `ln 2`, so that the product with an exponent is exact, and the rest.
    const LN_2: (f64, f64) = (0.6931471805598903, 5.497923018708371e-14);

    let subnormal = x < f64::MIN_POSITIVE;
    let (m, n) = (if subnormal { x * 18_446_744_073_709_551_616.0 } else { x }).frexp();
    let n = if subnormal { n - 64.0 } else { n };

    let f = m - 1.0;
    let (d, d_low) = fast_two_sum(2.0, f);
    let s = f / d;
    let s_low = (-s).mul_add(d_low, (-s).mul_add(d, f)) / d;

    let z = s * s;
    let z_low = s.mul_add(s, -z) + 2.0 * s * s_low;
    let third = z * THIRD.0;
    let third_low = z.mul_add(THIRD.0, -third) + z_low.mul_add(THIRD.0, z * THIRD.1);
    let (v, v_low) = fast_two_sum(third, (z * z).mul_add(z.polynomial(ATANH_TAIL), third_low));

    let product = s * v;
    let product_low = s.mul_add(v, -product) + s.mul_add(v_low, s_low * v);
    let (half, half_low) = fast_two_sum(s, product);
    let half_low = half_low + (product_low + s_low);

    let (high, low) = fast_two_sum(n * LN_2.0, 2.0 * half);
    let low = n.mul_add(LN_2.1, low + 2.0 * half_low);
    let (high, low) = fast_two_sum(high, low);

    let limit = if x == 0.0 { -f64::INFINITY } else { x };
    if (x > 0.0) & (x < f64::INFINITY) { (high, low) } else { (limit, 0.0) }
}
