//! The exponential and its relatives: `e^x = 2^n e^r` with `x = n ln 2 + r` and `|r| <= ln 2 / 2`.

use super::lane::Lane;

/// `x = n ln 2 + r + low`, where `low` is the rounding error of `r`.
#[inline(always)]
fn reduce<T: Lane>(x: T) -> (T::Word, T, T) {
    let (n, word) = x.nearest(T::LOG2_E);
    // Exact: the result is a multiple of the last place of ln 2, and smaller than ln 2.
    let head = (-n).mul_add(T::LN_2[0], x);
    let r = (-n).mul_add(T::LN_2[1], head);
    let low = (-n).mul_add(T::LN_2[1], head - r);
    (word, r, low)
}

/// `e^r - 1` for `|r| <= ln 2 / 2`.
#[inline(always)]
fn series<T: Lane>(r: T) -> T {
    (r * r).mul_add(r.polynomial(T::EXP_TAIL), r)
}

/// `e^(x + low)` for a correction `|low|` far below 1.
#[inline(always)]
pub fn exp_sum<T: Lane>(x: T, low: T) -> T {
    let (vanishes, x) = vanishing(x, T::EXP_MIN);
    let (n, r, _) = reduce(x.at_most(T::EXP_MAX));
    let power = (T::from(1.0) + series(r + low)).ldexp(n);
    if vanishes { T::from(0.0) } else { power }
}

/// `e^(x + low) factor` for `x <= 0` not far beyond where the power underflows, rounded once.
#[inline(always)]
pub fn exp_times<T: Lane>(x: T, low: T, factor: T) -> T {
    let (n, r, _) = reduce(x);
    let (lifted, back) = T::lifted_exp2(n);
    (T::from(1.0) + series(r + low)) * lifted * (factor * back)
}

/// Whether `x` is so small that its power is 0, and the exponent to compute with. Multiplying until the product
/// underflows would take a hundred times as long as any other exponential.
#[inline(always)]
fn vanishing<T: Lane>(x: T, least: T) -> (bool, T) {
    let vanishes = x < least;
    (vanishes, if vanishes { T::from(0.0) } else { x })
}

/// `e^x / 2`, which stays finite for an `x` larger by ln 2 than `e^x` does.
#[inline(always)]
pub fn half_exp<T: Lane>(x: T) -> T {
    let (n, r, _) = reduce(x.at_least(T::EXP_MIN).at_most(T::EXP_MAX + T::from(1.0)));
    let half = T::from(0.5);
    half.mul_add(series(r), half).ldexp(n)
}

/// `2^x`: the fractional part of `x` is exact before it is multiplied by `ln 2`.
#[inline(always)]
pub fn exp2<T: Lane>(x: T) -> T {
    let (vanishes, x) = vanishing(x, T::EXP_MIN * T::LOG2_E);
    let x = x.at_most(T::EXP_MAX * T::LOG2_E);
    let (n, word) = x.nearest(T::from(1.0));
    let power = (T::from(1.0) + series((x - n) * T::LN_2[0])).ldexp(word);
    if vanishes { T::from(0.0) } else { power }
}

#[inline(always)]
pub fn exp<T: Lane>(x: T) -> T {
    exp_sum(x, T::from(-0.0))
}

/// `(e^x - 1) / 2` for `x >= -2 TANH_MAX`, as `p (r + tail) + (p - ½)` with `p = 2^n / 2`.
///
/// The large terms `p r` and `p - ½` are added first and the small one last, so two roundings remain.
#[inline(always)]
pub fn half_exp_m1<T: Lane>(x: T) -> T {
    let (n, r, low) = reduce(x);
    let p = T::half_exp2(n);
    let tail = (r * r).mul_add(r.polynomial(T::EXP_TAIL), low);
    p.mul_add(tail, p.mul_add(r, p - T::from(0.5)))
}

#[inline(always)]
pub fn exp_m1<T: Lane>(x: T) -> T {
    let half = half_exp_m1(x.at_least(T::from(-2.0) * T::TANH_MAX).at_most(T::EXP_MAX));
    // Where e^x - 1 rounds to x: preserves the sign of zero and the bits of subnormals.
    if x.abs() < T::EPSILON * T::from(0.25) { x } else { half + half }
}

/// `numerator / (1 + u)` for `u >= 0`, without the rounding error of `1 + u`: one Newton step from the rounded
/// quotient, with a remainder that includes what the sum lost.
#[inline(always)]
fn over_one_plus<T: Lane>(numerator: T, u: T) -> T {
    let one = T::from(1.0);
    let sum = one + u;
    let lost = u - (sum - one);
    let reciprocal = one / sum;
    let quotient = numerator * reciprocal;
    let remainder = (-quotient).mul_add(lost, (-quotient).mul_add(sum, numerator));
    remainder.mul_add(reciprocal, quotient)
}

/// With `t = (e^2|x| - 1) / 2`, `tanh |x| = t / (1 + t)`.
#[inline(always)]
pub fn tanh<T: Lane>(x: T) -> T {
    let a = x.abs().at_most(T::TANH_MAX);
    let t = half_exp_m1(a + a);
    over_one_plus(t, t).copysign(x)
}

/// `e^-|x|`, which cannot overflow.
#[inline(always)]
pub fn decay<T: Lane>(x: T) -> T {
    exp_times((-x.abs()).at_least(T::EXP_MIN), T::from(-0.0), T::from(1.0))
}

/// Computed from `u = e^-|x|`: `1 / (1 + u)` for `x >= 0` and `u / (1 + u)` for `x < 0`.
#[inline(always)]
pub fn sigmoid<T: Lane>(x: T) -> T {
    let u = decay(x);
    over_one_plus(if x < T::from(0.0) { u } else { T::from(1.0) }, u)
}

/// `4u / (1 + u)²` with `u = e^-2|x|`: accurate where `1 - tanh² x` loses its digits.
#[inline(always)]
pub fn sech2<T: Lane>(x: T) -> T {
    let a = x.abs();
    let u = decay(a + a);
    let half = T::from(2.0) / (T::from(1.0) + u);
    u * half * half
}

/// The largest `|tanh x|` whose square can be subtracted from 1 without losing too many digits; x is about 3.8 there.
pub const TANH_CORE: f32 = 1.0 - 1.0 / 1024.0;

/// Where `y = tanh x` is close to ±1, `1 - y²` would cancel. This is the only function here with a branch: loops handle
/// the usual case separately.
#[inline(always)]
pub fn tanh_slope<T: Lane>(x: T, y: T) -> T {
    if y.abs() > T::from(TANH_CORE) { tail(x) } else { T::from(1.0) - y * y }
}

#[cold]
#[inline(never)]
fn tail<T: Lane>(x: T) -> T {
    sech2(x)
}
