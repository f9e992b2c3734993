//! Special functions of one `f64`, at nearly full precision; single precision is converted to `f64` and back. Those of
//! [`gamma`] and [`bessel`] are branch-free. The others use a convergent series, an asymptotic expansion, or a recurrence
//! between the two, and are computed one at a time.

mod bessel;
mod gamma;
#[cfg(test)]
mod tests;

use super::vmath::Elementary;
pub(crate) use bessel::{i0e, i1e};
pub(crate) use gamma::{digamma, lgamma};
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
    let [zeta] = zetas(n + 1.0, [x]);
    polygamma_factor(n) * zeta
}

/// (-1)ⁿ⁺¹ n!
pub(crate) fn polygamma_factor(n: f64) -> f64 {
    let sign = if n % 2.0 == 0.0 { -1.0 } else { 1.0 };
    sign * libm::tgamma(n + 1.0)
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

/// The first terms of the zeta function.
const TERMS: usize = FAR as usize;
/// The number of arguments that [`zetas`] is fast for, and its maximum: loops this long are vectorized.
pub(crate) const MANY: usize = 64;

/// Hurwitz zeta function ζ(s, x) = Σ (x + k)⁻ˢ for integer s ≥ 2 and several x ≥ 0: the first terms, then the
/// Euler-Maclaurin formula for the rest.
#[inline(always)]
pub(crate) fn zetas<const N: usize>(s: f64, x: [f64; N]) -> [f64; N] {
    // Cap the power to fit an `i32`; larger powers are 0 or infinite anyway.
    let power = s.min(1e9) as i32;
    let (mut terms, mut rest) = ([[0.0; N]; TERMS], x);
    for (k, terms) in terms.iter_mut().enumerate() {
        for i in 0..N {
            terms[i] = x[i] + k as f64;
        }
    }
    inverse_powers(terms.as_flattened_mut(), power);
    let mut sum = [0.0; N];
    for terms in terms.iter().rev() {
        for i in 0..N {
            sum[i] += terms[i];
        }
    }
    for i in 0..N {
        let near = x[i] < FAR;
        sum[i] = if near { sum[i] } else { 0.0 };
        rest[i] = if near { x[i] + FAR } else { x[i] };
    }
    // Compute x⁻ˢ from x⁻ˢ⁺¹, not the other way round: for large x only the larger of the two is above 0.
    let mut last = rest;
    inverse_powers(&mut last, power - 1);
    for i in 0..N {
        let (x, last) = (rest[i], last[i]);
        let (z, first) = (1.0 / (x * x), last / x);
        let mut term = s * first / x;
        let mut tail = last / (s - 1.0) + 0.5 * first;
        for (k, b) in BERNOULLI.iter().enumerate() {
            tail += b * term;
            let j = s + 2.0 * k as f64;
            term *= (j + 1.0) * (j + 2.0) * z;
        }
        sum[i] = if x == f64::INFINITY { 0.0 } else { sum[i] + tail };
    }
    sum
}

/// Replaces each `x` by x⁻ⁿ, by repeated squaring.
#[inline(always)]
fn inverse_powers(x: &mut [f64], mut n: i32) {
    let mut squares = [0.0; MANY * TERMS];
    let squares = &mut squares[..x.len()];
    for i in 0..x.len() {
        squares[i] = 1.0 / x[i];
        x[i] = 1.0;
    }
    while n > 0 {
        let odd = n % 2 == 1;
        for i in 0..x.len() {
            x[i] *= if odd { squares[i] } else { 1.0 };
            squares[i] *= squares[i];
        }
        n /= 2;
    }
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

/// Evaluates the polynomial with these coefficients, lowest power first, in fused multiply-adds.
#[inline(always)]
fn polynomial<const N: usize>(x: f64, coefficients: &[f64; N]) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, &c| f64::mul_add(sum, x, c))
}

/// Evaluates the polynomial with these coefficients, lowest power first.
fn horner(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}
