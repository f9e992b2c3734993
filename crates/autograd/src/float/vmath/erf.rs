//! The error function, its complement, its inverse, the normal distribution function and its logarithm.
//!
//! For |x| < 1, the series of `erf` is used; above, `erfc a = e^-a² erfcx a` with a smooth, slowly decreasing `erfcx`
//! ("scaled").

use super::exp::{exp, exp_sum, exp_times};
use super::lane::Lane;
use super::log::{ln, ln_1p};

/// `erf x / x - 1` for `|x| <= 1`.
#[inline(always)]
fn series<T: Lane>(x: T) -> T {
    (x * x).polynomial(T::ERF_SERIES)
}

/// `e^a² erfc a` for `a >= 1`: `t P(1 - 4t)` with `t = 1 / (a + 2)`, which maps the half line to `[-⅓, 1)`.
#[inline(always)]
fn scaled<T: Lane>(a: T) -> T {
    let t = T::from(1.0) / (a + T::from(2.0));
    t * T::from(-4.0).mul_add(t, T::from(1.0)).polynomial(T::ERFCX)
}

/// `erfc a` for `a >= 1`. The square is computed in two parts, since the exponential would amplify its rounding error.
#[inline(always)]
fn tail<T: Lane>(a: T) -> T {
    let a = a.at_most(T::ERFC_MAX);
    let square = a * a;
    exp_sum(-square, -a.mul_add(a, -square)) * scaled(a)
}

#[inline(always)]
pub fn erf<T: Lane>(x: T) -> T {
    let (a, one) = (x.abs(), T::from(1.0));
    (if a < one { a.mul_add(series(a), a) } else { one - tail(a) }).copysign(x)
}

#[inline(always)]
pub fn erfc<T: Lane>(x: T) -> T {
    let (a, one) = (x.abs(), T::from(1.0));
    let (near, far) = ((-x).mul_add(series(x), one - x), tail(a));
    if a < one {
        near
    } else if x < T::from(0.0) {
        T::from(2.0) - far
    } else {
        far
    }
}

/// `e^x² erfc x`: `scaled(x)` for `x >= 1`, `2 e^x²` minus `scaled(-x)` for `x <= -1`, and the product in between.
#[inline(always)]
pub fn erfcx<T: Lane>(x: T) -> T {
    let (a, one) = (x.abs(), T::from(1.0));
    let square = a * a;
    let rest = a.mul_add(a, -square);
    // For large a the rest is NaN, or no longer a small correction; the power is infinite without it.
    let power = exp_sum(square, if rest.abs() < one { rest } else { T::from(0.0) });
    let (near, far) = (power * (-x).mul_add(series(x), one - x), scaled(a));
    if a < one {
        near
    } else if x < T::from(0.0) {
        power + power - far
    } else {
        far
    }
}

/// A starting value accurate to seven digits, in `w = -ln(1 - x²)` near the middle and in `√w` near the ends (after M.
/// Giles, *Approximating the erfinv function*, 2012), then one Halley step, which triples the number of digits. For
/// `|x| >= ½`, the residual compares `erfc` with `1 - |x|`, which is exact.
#[inline(always)]
pub fn erfinv<T: Lane>(x: T) -> T {
    const MIDDLE: [f32; 10] = [
        1.6536547,
        0.24015804,
        -0.006034274,
        -0.00074050226,
        0.0001872526,
        -1.3959592e-5,
        -1.5232218e-6,
        4.3558737e-7,
        -8.727895e-9,
        -5.059868e-9,
    ];
    const ENDS: [f32; 10] = [
        3.8397837,
        1.0094955,
        0.0012605403,
        -0.00088327687,
        0.00031997176,
        -9.2051065e-5,
        5.2271178e-5,
        -5.1028357e-5,
        2.4853662e-5,
        -4.272203e-6,
    ];
    let (a, one) = (x.abs(), T::from(1.0));
    let w = -ln((one - a) * (one + a));
    let middle = horner(MIDDLE, w - T::from(3.125));
    let ends = horner(ENDS, w.sqrt() - T::from(4.0));
    let y = a * if w < T::from(6.25) { middle } else { ends };
    let residual = if a < T::from(0.5) { erf(y) - a } else { (one - a) - erfc(y) };
    // One plus the first coefficient of the series is the slope at zero, 2/√π.
    let slope = (one + T::ERF_SERIES[0]) * exp(-y * y);
    let step = residual / slope;
    let y = y - step / y.mul_add(step, one);
    (if a == one { T::INFINITY } else { y }).copysign(x)
}

/// Evaluates a polynomial with single-precision coefficients, lowest power first.
#[inline(always)]
fn horner<T: Lane, const N: usize>(coefficients: [f32; N], x: T) -> T {
    coefficients.into_iter().rev().fold(T::from(0.0), |sum, c| sum.mul_add(x, T::from(c)))
}

/// `Φ(-a) = e^(-a²/2) s(a)` with a slowly decreasing `s`, for every `a >= 0`: near 0 the sum `1 - Φ(-a)` loses nothing. The
/// square is computed in two parts, since the exponential would amplify its rounding error.
#[inline(always)]
pub fn ndtr<T: Lane>(x: T) -> T {
    let (zero, one) = (T::from(0.0), T::from(1.0));
    let a = x.abs().at_most(T::NDTR_MAX);
    let half = a * T::from(0.5);
    let square = a * half;
    let [above, below] = T::NDTR;
    let tail = exp_times(-square, -a.mul_add(half, -square), a.polynomial(above) / a.polynomial(below));
    if x < zero { tail } else { one - tail }
}

/// With `b = |x| / √2`: `ln(1 - erfc(b) / 2)` on the right, `ln(erfcx(b) / 2) - x² / 2` on the left.
#[inline(always)]
pub fn log_ndtr<T: Lane>(x: T) -> T {
    let (half, one) = (T::from(0.5), T::from(1.0));
    let b = x.abs() * T::FRAC_1_SQRT_2;
    let from_scaled = half * scaled(b);
    let bounded = x.at_most(T::ERFC_MAX * T::from(1.5));
    let square = bounded * bounded;
    let beyond = exp_sum(-half * square, -half * bounded.mul_add(bounded, -square)) * from_scaled;
    let z = x * T::FRAC_1_SQRT_2;
    let within = half * (-z).mul_add(series(z), one - z);
    let right = ln_1p(-(if b < one { within } else { beyond }));
    if z <= -one { ln(from_scaled) - half * x * x } else { right }
}

/// `√(2/π) / erfcx(-x/√2)`; for positive `x`, where the quotient overflows, `√(2/π) e^(-x²/2) / erfc(-x/√2)`.
#[inline(always)]
pub fn mills<T: Lane>(x: T) -> T {
    let (zero, half, one) = (T::from(0.0), T::from(0.5), T::from(1.0));
    // One plus the first coefficient of the series is 2/√π.
    let density = (one + T::ERF_SERIES[0]) * T::FRAC_1_SQRT_2;
    let right = x.at_least(zero).at_most(T::ERFC_MAX * T::from(1.5));
    let square = right * right;
    let density_of_x = density * exp_sum(-half * square, -half * right.mul_add(right, -square));
    let right = density_of_x / erfc(-right * T::FRAC_1_SQRT_2);
    let left = density / erfcx(-x.at_most(zero) * T::FRAC_1_SQRT_2);
    if x > zero { right } else { left }
}
