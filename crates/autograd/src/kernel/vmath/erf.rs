//! The error function.

use super::exp::exp;
use super::lane::Lane;

/// `a + a P(a²)` below 1, and `1 - e^G(a)` above, where `G` approximates `ln erfc a`.
///
/// Above 1, `erfc a <= 0.16`: an error in `e^G` weighs a sixth or less of itself in the result.
#[inline(always)]
pub fn erf<T: Lane>(x: T) -> T {
    let one = T::from(1.0);
    let a = x.abs().at_most(T::ERF_MAX);
    let small = a.mul_add((a * a).polynomial(T::ERF_SMALL), a);
    let large = one - exp((a - one).polynomial(T::LN_ERFC));
    (if a < one { small } else { large }).copysign(x)
}
