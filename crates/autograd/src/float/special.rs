//! Special functions of one `f64`, at nearly full precision: each a convergent series, an asymptotic expansion, or a
//! recurrence between the two. They are not vectorized; single precision is converted to `f64` and back.

use super::vmath::Elementary;
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
    let even = n % 2.0 == 0.0;
    if x < 0.0 {
        // By reflection. At the poles, only those of odd n have a limit.
        let fraction = x - x.round();
        if fraction == 0.0 {
            return if even { f64::NAN } else { f64::INFINITY };
        }
        let reflected = polygamma(1.0 - x, n);
        return (if even { reflected } else { -reflected }) - cotangent_derivative(fraction, n);
    }
    let sign = if even { -1.0 } else { 1.0 };
    sign * libm::tgamma(n + 1.0) * zeta(n + 1.0, x)
}

/// The highest order of a family of functions that are computed order by order.
const MOST: f64 = 1000.0;

/// The n-th derivative of π cot πx: πⁿ⁺¹ times a polynomial in the cotangent, by c′ = -(1 + c²). All coefficients of the
/// polynomial have one sign and belong to powers of one parity, so nothing cancels.
fn cotangent_derivative(x: f64, n: f64) -> f64 {
    let mut coefficients = vec![0.0, 1.0];
    for _ in 0..n.min(MOST) as usize {
        let mut next = vec![0.0; coefficients.len() + 1];
        for (k, &c) in coefficients.iter().enumerate().skip(1) {
            next[k - 1] -= k as f64 * c * PI;
            next[k + 1] -= k as f64 * c * PI;
        }
        coefficients = next;
    }
    PI * horner(&coefficients, 1.0 / (PI * x).tan())
}

/// Hurwitz zeta function ζ(s, x) = Σ (x + k)⁻ˢ for integer s ≥ 2 and x ≥ 0: the first terms, then the Euler-Maclaurin formula
/// for the rest.
fn zeta(s: f64, mut x: f64) -> f64 {
    const TERMS: usize = FAR as usize;
    // Cap the power to fit an `i32`; larger powers are 0 or infinite anyway.
    let (power, mut sum) = (s.min(1e9) as i32, 0.0);
    if x.is_infinite() {
        return 0.0;
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
    sum / ((2.0 * PI).sqrt() * x.sqrt())
}

/// Kₙ = n / (t + (n + 1) / (t + (n + 2) / (t + …))) with t = -x: from the continued fraction where it converges, and
/// elsewhere upward from K₁ = x + φ(x)/Φ(x).
pub(crate) fn mills_tail(x: f64, n: f64) -> f64 {
    const NEAR: f64 = -2.0;
    if !(1.0..=MOST).contains(&n) || n.fract() != 0.0 {
        return f64::NAN;
    }
    if x >= NEAR {
        return (1..n as usize).fold(x + Elementary::mills(x), |tail, k| k as f64 / tail + x);
    }
    let (t, deepest) = (-x, n + (400.0 / (x * x)).ceil() + 12.0);
    // Far down the fraction hardly changes from level to level: there it solves K = n / (t + K).
    let mut tail = 2.0 * deepest / (t + t.hypot(2.0 * deepest.sqrt()));
    let mut k = deepest;
    while k > n {
        k -= 1.0;
        tail = k / (t + tail);
    }
    tail
}

/// The spherical Bessel function jₙ(πx): the power series where its terms decrease, the upward recurrence beyond. The
/// angle is reduced before it is multiplied by π.
pub(crate) fn spherical(x: f64, n: f64) -> f64 {
    if !(0.0..=MOST).contains(&n) || n.fract() != 0.0 {
        return f64::NAN;
    }
    let u = PI * x.abs();
    let sign = if x < 0.0 && n % 2.0 == 1.0 { -1.0 } else { 1.0 };
    if u.is_infinite() {
        return if x.is_infinite() { 0.0 } else { sign * 0.0 };
    }
    if u < n + 2.0 {
        // uⁿ / (2n + 1)!! Σ (-u²/2)ᵏ / (k! (2n + 3) (2n + 5) …)
        let first = (1..=n as usize).fold(sign, |power, k| power * u / (2 * k + 1) as f64);
        let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
        while k < 100.0 && f64::abs(term) > 1e-18 {
            term *= -0.5 * u * u / (k * (2.0 * (n + k) + 1.0));
            sum += term;
            k += 1.0;
        }
        return if u.is_nan() { u } else { first * sum };
    }
    let nearest = x.abs().round_ties_even();
    let turn = if nearest % 2.0 == 0.0 { 1.0 } else { -1.0 };
    let (sin, cos) = (PI * (x.abs() - nearest)).sin_cos();
    let (mut before, mut at) = (turn * cos / u, turn * sin / u);
    for k in 0..n as usize {
        (before, at) = (at, (2 * k + 1) as f64 / u * at - before);
    }
    sign * at
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
