//! Inverse trigonometric functions, and the hypotenuse.

use super::lane::Lane;

/// `arctan s` for `0 <= s <= 1`.
#[inline(always)]
fn arctan<T: Lane>(s: T) -> T {
    let z = s * s;
    (s * z).mul_add(z.polynomial(T::ATAN_TAIL), s)
}

/// `arcsin s` for `0 <= s <= ½`, given `z = s²`.
#[inline(always)]
fn arcsin<T: Lane>(s: T, z: T) -> T {
    (s * z).mul_add(z.polynomial(T::ASIN_TAIL), s)
}

/// `quarters π/2 + angle`, where π has two parts, so that the rounding error of π does not matter.
#[inline(always)]
fn turned<T: Lane>(quarters: T, angle: T) -> T {
    let half = T::from(0.5) * quarters;
    half.mul_add(T::PI[1], half * T::PI[0] + angle)
}

/// Above 1, uses the angle from the other axis: `π/2 - arctan(1/x)`.
#[inline(always)]
pub fn atan<T: Lane>(x: T) -> T {
    let (a, one) = (x.abs(), T::from(1.0));
    let steep = a > one;
    let angle = arctan(if steep { one / a } else { a });
    (if steep { turned(one, -angle) } else { angle }).copysign(x)
}

/// The angle of the point `(x, y)` from the nearer axis, rotated to the point's quadrant.
#[inline(always)]
pub fn atan2<T: Lane>(y: T, x: T) -> T {
    let (zero, one, two) = (T::from(0.0), T::from(1.0), T::from(2.0));
    let (a, b) = (y.abs(), x.abs());
    let (steep, left) = (a > b, one.copysign(x) < zero);
    let (less, more) = if steep { (b, a) } else { (a, b) };
    // On the diagonal this may be a quotient of two infinities, at the origin of two zeros.
    let slope = if less == more { one } else { less / more };
    let angle = arctan(if more == zero { zero } else { slope });
    let quarters = if steep {
        one
    } else if left {
        two
    } else {
        zero
    };
    let angle = turned(quarters, if steep != left { -angle } else { angle });
    // NaN fails every comparison, so the selections above would ignore it.
    if x.is_nan() | y.is_nan() { T::NAN } else { angle.copysign(y) }
}

/// `(p, far)` with `arcsin |x| = p`, or `π/2 - 2p` if `far`: the identity with `s = √((1 - |x|) / 2)` is exact.
#[inline(always)]
fn half_angle<T: Lane>(x: T) -> (T, bool) {
    let (a, half) = (x.abs(), T::from(0.5));
    let far = a > half;
    let z = if far { half * (T::from(1.0) - a) } else { a * a };
    (arcsin(if far { z.sqrt() } else { a }, z), far)
}

#[inline(always)]
pub fn asin<T: Lane>(x: T) -> T {
    let (p, far) = half_angle(x);
    (if far { turned(T::from(1.0), -(p + p)) } else { p }).copysign(x)
}

#[inline(always)]
pub fn acos<T: Lane>(x: T) -> T {
    let (zero, (p, far)) = (T::from(0.0), half_angle(x));
    let p = if far { p + p } else { p };
    let negative = x < zero;
    let quarters = match (far, negative) {
        (false, _) => T::from(1.0),
        (true, false) => zero,
        (true, true) => T::from(2.0),
    };
    turned(quarters, if far == negative { -p } else { p })
}

/// Both arguments are scaled to near 1 by the same power of two, which is exact.
#[inline(always)]
pub fn hypot<T: Lane>(x: T, y: T) -> T {
    let (x, y) = (x.abs(), y.abs());
    let (down, up) = (if x > y { x } else { y }).binade();
    let (a, b) = (x * down, y * down);
    let length = a.mul_add(a, b * b).sqrt() * up;
    if (x == T::INFINITY) | (y == T::INFINITY) { T::INFINITY } else { length }
}

/// The first component of the unit vector along `(x, y)`, scaled as in [`hypot`].
#[inline(always)]
pub fn versor<T: Lane>(x: T, y: T) -> T {
    let (zero, one) = (T::from(0.0), T::from(1.0));
    let (p, q) = (x.abs(), y.abs());
    let largest = if p > q { p } else { q };
    // The limits of infinite components: 1 for them, 0 for finite ones.
    let infinite = largest == T::INFINITY;
    let limit = |a: T| if a < T::INFINITY { zero } else { one };
    let (p, q) = if infinite & !x.is_nan() & !y.is_nan() { (limit(p), limit(q)) } else { (p, q) };
    let (down, _) = (if infinite { one } else { largest }).binade();
    let (a, b) = (p * down, q * down);
    let length = a.mul_add(a, b * b).sqrt();
    (if length == zero { zero } else { a / length }).copysign(x)
}
