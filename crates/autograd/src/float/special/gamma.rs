//! The logarithm of the gamma function and its derivative: branch-free, so that loops over them are vectorized. Every
//! argument is shifted by an integer to an interval around the zero of the function, where a polynomial times the
//! distance from that zero keeps all digits; beyond [`FAR`], Stirling's expansion takes over, and for negative numbers
//! Euler's reflection formula.

use super::polynomial;
use crate::float::vmath::Elementary;
use std::f64::consts::PI;

/// Asymptotic expansions in 1/x² are used from here on.
const FAR: f64 = 10.0;

/// The distance of `x` from the nearest integer, with its sign: exact.
#[inline(always)]
fn fraction(x: f64) -> f64 {
    x - x.round_ties_even()
}

/// The logarithm of |Γ(x)|.
#[inline(always)]
pub(crate) fn lgamma(x: f64) -> f64 {
    let a = x.abs();
    // Γ(a) = Γ(2 + t) times or over the product of the steps from 2 + t to a. The distance t from the zero at 2 is exact.
    let (below, tiny, far) = (a < 1.5, a < 0.5, a >= FAR);
    let mut y = if far { 2.0 } else { a };
    let mut product = if tiny { a * (a + 1.0) } else { a };
    let mut above = 1.0;
    for _ in 0..8 {
        let step = y >= 2.5;
        y = if step { y - 1.0 } else { y };
        above = if step { above * y } else { above };
    }
    product = if below | far { product } else { above };
    let t = if tiny {
        a
    } else if below {
        a - 1.0
    } else {
        y - 2.0
    };
    let ln = Elementary::ln(product);
    let near = t.mul_add(polynomial(2.0 * t, &LGAMMA), if below { -ln } else { ln });
    let z = 1.0 / a;
    let stirling = z.mul_add(polynomial(z * z, &STIRLING), HALF_LN_TAU) - 0.5 * ln;
    let positive = if far { a.mul_add(ln - 1.0, stirling) } else { near };
    let reflected = Elementary::ln(PI / (a * Elementary::sin(PI * fraction(a)).abs())) - positive;
    // Near 0 both signs agree, and the sine would underflow.
    let value = if (x < 0.0) & (a > 1e-17) { reflected } else { positive };
    if a == f64::INFINITY { a } else { value }
}

/// Γ'(x) / Γ(x).
#[inline(always)]
pub(crate) fn digamma(x: f64) -> f64 {
    let a = if x < 0.0 { 1.0 - x } else { x };
    // ψ(a) = ψ(y) + Σ 1/k over the steps from y to a, as one quotient.
    let (below, far) = (a < 1.0, a >= FAR);
    let mut y = if far {
        1.0
    } else if below {
        a + 1.0
    } else {
        a
    };
    let (mut above, mut under) = (0.0, 1.0);
    for _ in 0..8 {
        let step = y >= 2.0;
        y = if step { y - 1.0 } else { y };
        (above, under) = if step { (f64::mul_add(above, y, under), under * y) } else { (above, under) };
    }
    let steps = (if below { -1.0 } else { above }) / if below { a } else { under };
    let near = (y - ROOT[0] - ROOT[1]).mul_add(polynomial(2.0 * y - 3.0, &DIGAMMA), steps);
    let z = 1.0 / a;
    let stirling = Elementary::ln(a) - z.mul_add(z * polynomial(z * z, &DIGAMMA_FAR), 0.5 * z);
    let positive = if far { stirling } else { near };
    let angle = PI * fraction(x);
    let reflected = positive - PI * Elementary::cos(angle) / Elementary::sin(angle);
    // At the poles there is no limit; at 0 the sign of the zero decides.
    let reflected = if angle == 0.0 { f64::NAN } else { reflected };
    if x < 0.0 { reflected } else { positive }
}

/// ½ ln 2π
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;
/// The zero of digamma between 1 and 2, as an unevaluated sum.
const ROOT: [f64; 2] = [1.461_632_144_968_362_2, 9.549_995_429_965_697e-17];
/// B₂ₖ / (2k (2k - 1)), k = 1, 2, …
const STIRLING: [f64; 8] = [
    1.0 / 12.0,
    -1.0 / 360.0,
    1.0 / 1260.0,
    -1.0 / 1680.0,
    1.0 / 1188.0,
    -691.0 / 360_360.0,
    1.0 / 156.0,
    -3617.0 / 122_400.0,
];
/// B₂ₖ / 2k, k = 1, 2, …
const DIGAMMA_FAR: [f64; 8] =
    [1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0, 1.0 / 132.0, -691.0 / 32_760.0, 1.0 / 12.0, -3617.0 / 8160.0];
/// ln Γ(2 + t) / t in powers of 2t, for |t| ≤ ½.
const LGAMMA: [f64; 20] = [
    0.42278433509846713,
    0.1612335167120566,
    -0.016838075263299536,
    0.0025726010534730713,
    -0.0004615969392917596,
    9.032844783558553e-05,
    -1.863677987501598e-05,
    3.981793163166481e-06,
    -8.716982450984518e-07,
    1.942529474587772e-07,
    -4.387338974983724e-08,
    1.0013314167996967e-08,
    -2.3043112100202176e-09,
    5.339813130999916e-10,
    -1.2481202067269968e-10,
    2.923176066319201e-11,
    -6.566709534240663e-12,
    1.5491338158886129e-12,
    -5.116584685713687e-13,
    1.2167067542304562e-13,
];
/// ψ(y) / (y - root) in powers of 2y - 3, for y from 1 to 2.
const DIGAMMA: [f64; 24] = [
    0.9510558760318328,
    -0.21181371064073024,
    0.06013562106019684,
    -0.018550615381739702,
    0.005936795278301875,
    -0.0019350666647392832,
    0.0006368880303847901,
    -0.00021074841284590126,
    6.99501882655044e-05,
    -2.325823275895313e-05,
    7.741234441368395e-06,
    -2.578133701610713e-06,
    8.589062683365892e-07,
    -2.8621216825577647e-07,
    9.543261570760428e-08,
    -3.1807298477301726e-08,
    1.0528133851878114e-08,
    -3.509235492410718e-09,
    1.2466690231864029e-09,
    -4.1555064115551965e-10,
    8.748420037436287e-11,
    -2.9161179626023815e-11,
    2.916093601085364e-11,
    -9.720300404202244e-12,
];
