//! Whole numbers among floating-point ones: indices in a batch, counts in a saved state.

/// The whole number that this is, if `f64` tells it from its neighbours.
pub(crate) fn whole(x: f64) -> Option<i64> {
    (x.fract() == 0.0 && x.abs() < 2f64.powi(53)).then_some(x as i64)
}

/// The count that this is.
pub(crate) fn count(x: f64) -> Option<usize> {
    whole(x).and_then(|whole| usize::try_from(whole).ok())
}
