//! Special functions of one `f64`, at nearly full precision: each a convergent series, an asymptotic expansion, or a
//! recurrence between the two. They are not vectorized; single precision is converted to `f64` and back.

use std::f64::consts::PI;

/// B₂ₖ / (2k)!, k = 1, 2, …: the coefficients of the Euler-Maclaurin formula.
const BERNOULLI: [f64; 8] = [
    1.0 / 12.0,
    -1.0 / 720.0,
    1.0 / 30_240.0,
    -1.0 / 1_209_600.0,
    1.0 / 47_900_160.0,
    -691.0 / 1_307_674_368_000.0,
    1.0 / 74_724_249_600.0,
    -3617.0 / 10_670_622_842_880_000.0,
];

/// Asymptotic expansions in 1/x² are used from here on, recurrences below.
const FAR: f64 = 12.0;

/// a - b trunc(a / b): the remainder with the sign of a. A fused multiply-add gives it exactly as long as the integer
/// part of the quotient is exactly representable.
#[inline(always)]
pub(crate) fn fmod(a: f64, b: f64) -> f64 {
    let q = (a / b).trunc();
    if q.abs() < 2f64.powi(51) && b.is_finite() {
        let r = (-q).mul_add(b, a);
        // The division may have rounded the quotient up to the next integer.
        let r = if r != 0.0 && (r < 0.0) != (a < 0.0) { r + b.copysign(a) } else { r };
        r.copysign(a)
    } else {
        far_fmod(a, b)
    }
}

/// A separate function, because the compiler would otherwise evaluate it for every number before selecting.
#[cold]
#[inline(never)]
fn far_fmod(a: f64, b: f64) -> f64 {
    a % b
}

/// a - b ⌊a / b⌋: the remainder with the sign of b.
#[inline(always)]
pub(crate) fn remainder(a: f64, b: f64) -> f64 {
    let r = fmod(a, b);
    if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
}

/// The logarithm of |Γ(x)|.
pub(crate) fn lgamma(x: f64) -> f64 {
    if x == f64::NEG_INFINITY { f64::INFINITY } else { libm::lgamma(x) }
}

/// Γ'(x) / Γ(x): by reflection for x < 0, otherwise by recurrence up to where Stirling's expansion is accurate.
pub(crate) fn digamma(x: f64) -> f64 {
    if x == 0.0 {
        return f64::NEG_INFINITY.copysign(-x);
    }
    if x < 0.0 {
        // The angle is reduced before it is multiplied by π; at the poles the result is NaN.
        let fraction = x - x.round();
        return if fraction == 0.0 { f64::NAN } else { digamma(1.0 - x) - PI / (PI * fraction).tan() };
    }
    // Near its root the function is small: the Taylor polynomial about the root avoids cancellation there.
    const ROOT: f64 = 1.461_632_144_968_362_2;
    if (x - ROOT).abs() < 0.02 {
        let t = x - ROOT - 9.549_995_429_965_697e-17;
        return (1..=8)
            .rev()
            .fold(0.0, |sum, k| (sum + polygamma(ROOT, f64::from(k)) / libm::tgamma(f64::from(k + 1))) * t);
    }
    let (mut sum, mut x) = (0.0, x);
    while x < FAR {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let z = 1.0 / (x * x);
    // B₂ₖ / 2k = (2k - 1)! times the coefficients above.
    let tail =
        horner(&[1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0, 1.0 / 132.0, -691.0 / 32_760.0, 1.0 / 12.0], z);
    sum + x.ln() - 0.5 / x - z * tail
}

/// The n-th derivative of digamma: (-1)ⁿ⁺¹ n! ζ(n + 1, x). NaN unless n is an integer ≥ 0.
pub(crate) fn polygamma(x: f64, n: f64) -> f64 {
    if n == 0.0 {
        return digamma(x);
    }
    if n < 0.0 || n.fract() != 0.0 {
        return f64::NAN;
    }
    let sign = if n % 2.0 == 0.0 { -1.0 } else { 1.0 };
    sign * libm::tgamma(n + 1.0) * zeta(n + 1.0, x)
}

/// Hurwitz zeta function ζ(s, x) = Σ (x + k)⁻ˢ for integer s ≥ 2: the first terms, then the Euler-Maclaurin formula
/// for the rest.
fn zeta(s: f64, mut x: f64) -> f64 {
    const TERMS: usize = FAR as usize;
    // Cap the power to fit an `i32`; larger powers are 0 or infinite anyway.
    let (power, mut sum) = (s.min(1e9) as i32, 0.0);
    if x.is_infinite() {
        return if x > 0.0 { 0.0 } else { f64::NAN };
    }
    if x < -1e6 {
        return f64::NAN; // so far left the sum cannot resolve the distance to the poles
    }
    while x < 0.0 {
        sum += x.powi(-power);
        x += 1.0;
    }
    if x < FAR {
        let terms: [f64; TERMS] = inverse_powers(std::array::from_fn(|k| x + k as f64), power);
        sum += terms.iter().rev().sum::<f64>();
        x += FAR;
    }
    // Compute x⁻ˢ from x⁻ˢ⁺¹, not the other way round: for large x only the larger of the two is above 0.
    let (z, [last]) = (1.0 / (x * x), inverse_powers([x], power - 1));
    let first = last / x;
    let mut term = s * first / x;
    let mut tail = last / (s - 1.0) + 0.5 * first;
    for (k, b) in BERNOULLI.iter().enumerate() {
        tail += b * term;
        let j = s + 2.0 * k as f64;
        term *= (j + 1.0) * (j + 2.0) * z;
    }
    sum + tail
}

/// x⁻ⁿ of several numbers in parallel, by repeated squaring.
#[inline(always)]
fn inverse_powers<const N: usize>(x: [f64; N], mut n: i32) -> [f64; N] {
    let (mut base, mut power) = (x.map(|x| 1.0 / x), [1.0; N]);
    while n > 0 {
        if n % 2 == 1 {
            power.iter_mut().zip(base).for_each(|(p, b)| *p *= b);
        }
        base = base.map(|b| b * b);
        n /= 2;
    }
    power
}

/// e⁻|ˣ| I₀(x).
pub(crate) fn i0e(x: f64) -> f64 {
    bessel_e(0, x.abs())
}

/// e⁻|ˣ| I₁(x).
pub(crate) fn i1e(x: f64) -> f64 {
    bessel_e(1, x.abs()).copysign(x)
}

/// e⁻ˣ Iₙ(x) for x ≥ 0: the power series, whose terms are all positive, then the asymptotic expansion.
fn bessel_e(n: u32, x: f64) -> f64 {
    if x.is_infinite() {
        return 0.0;
    }
    if x < 30.0 {
        let mut term = (0.5 * x).powi(n as i32);
        let (mut sum, mut k) = (term, 1.0);
        while term > sum * 1e-17 {
            term *= 0.25 * x * x / (k * (k + f64::from(n)));
            sum += term;
            k += 1.0;
        }
        return if x.is_nan() { x } else { sum * (-x).exp() };
    }
    let mu = f64::from(4 * n * n);
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..=24 {
        let odd = f64::from(2 * k - 1);
        term *= -(mu - odd * odd) / (f64::from(k) * 8.0 * x);
        sum += term;
    }
    sum / (2.0 * PI * x).sqrt()
}

/// Evaluates the polynomial with these coefficients, lowest power first.
fn horner(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::LN_2;

    /// Reference values with 17 digits.
    #[test]
    fn known_values() {
        const EULER: f64 = 0.577_215_664_901_532_9;
        let close = |a: f64, b: f64| assert!((a - b).abs() <= 4e-15 * b.abs().max(1e-3), "{a:e} {b:e}");
        close(digamma(1.0), -EULER);
        close(digamma(0.5), -EULER - 2.0 * LN_2);
        // The reflection loses digits to cancellation, but the absolute error stays small.
        close(1.0 + digamma(-0.5), 3.0 - EULER - 2.0 * LN_2);
        close(1.0 + digamma(1.47), 1.0 + digamma(2.47) - 1.0 / 1.47);
        close(polygamma(1.0, 1.0), PI * PI / 6.0);
        close(polygamma(0.5, 1.0), PI * PI / 2.0);
        close(polygamma(1e200, 1.0), 1e-200);
        close(polygamma(1.0, 2.0), -2.0 * 1.202_056_903_159_594_2);
        close(i0e(1.0), 1.266_065_877_752_008_4 / 1f64.exp());
        close(i1e(-1.0), -0.565_159_103_992_485 / 1f64.exp());
    }

    #[test]
    fn what_remains_is_exact() {
        let special = [0.0, 5e-324, 1e-310, 0.1, 1.0, 3.0, 1e16, 1e300, f64::MAX, f64::INFINITY, f64::NAN];
        // Just below integer quotients, where the division rounds up to them.
        let units = [0.1, 0.7, 3.3, 1e-161, 3e-200, 7e-300];
        let near = (1..300).flat_map(|k| units.map(|b| (f64::from(k) * b).next_down()));
        let numbers: Vec<f64> = special.into_iter().chain(near).flat_map(|x| [x, -x]).collect();
        for &a in &numbers {
            for b in special.into_iter().chain(units).chain([1.0 - f64::EPSILON]).flat_map(|x| [x, -x]) {
                let (r, exact) = (fmod(a, b), a % b);
                assert!(
                    r.to_bits() == exact.to_bits() || r.is_nan() && exact.is_nan(),
                    "{a:e} % {b:e}: {r:e}, {exact:e}"
                );
            }
        }
    }

    #[test]
    fn branches_meet() {
        let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-13 * b.abs(), "{a:e} {b:e}");
        for n in [0, 1] {
            close(bessel_e(n, 30.0 - 1e-14), bessel_e(n, 30.0));
        }
    }
}
