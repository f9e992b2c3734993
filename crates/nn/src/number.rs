//! Conversion of floating-point numbers to integers: indices in a batch, counts in a saved state. The range of the types.

use autograd::{Error, Float, Result};

/// Converts `x` to an integer, if it is one and `f64` distinguishes it from its neighbors.
pub(crate) fn whole(x: f64) -> Option<i64> {
    (x.fract() == 0.0 && x.abs() < 2f64.powi(53)).then_some(x as i64)
}

/// Converts `x` to a count, if it is a non-negative integer.
pub(crate) fn count(x: f64) -> Option<usize> {
    whole(x).and_then(|whole| usize::try_from(whole).ok())
}

/// The number up to which this type represents all integers.
pub(crate) fn exact<T: Float>() -> usize {
    (2.0 / T::EPSILON.f64()) as usize
}

/// Returns an error if there are more `things` than this type can count, since an op computes their positions in it.
pub(crate) fn countable<T: Float>(op: &'static str, things: &str, n: usize) -> Result<()> {
    let most = exact::<T>();
    if n <= most {
        return Ok(());
    }
    let hint = format!("the places of {n} {things} are computed in a type that tells at most {most} apart: use f64");
    Err(Error::Argument { op, hint })
}

/// The largest power of two that is at most `|x|`; for numbers below full precision, the smallest with full precision.
/// Dividing by it is exact.
pub(crate) fn power_of_two(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & f64::INFINITY.to_bits()).max(f64::MIN_POSITIVE)
}

/// The smallest positive number of the type with full precision.
pub(crate) fn smallest_normal<T: Float>() -> f64 {
    if T::EPSILON.f64() > f64::EPSILON { f32::MIN_POSITIVE.into() } else { f64::MIN_POSITIVE }
}
