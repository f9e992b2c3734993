//! The errors of this crate.

use std::panic::Location;

/// The result of a fallible operation of this crate.
///
/// ```
/// /// The slope of x² at a point, along a direction that may not be finite.
/// fn slope(x: f64, along: f64) -> scalar::Result<f64> {
///     let x = scalar::Dual::try_moving(x, [along])?;
///     Ok((x * x).tangent[0])
/// }
/// assert_eq!(slope(3.0, 1.0), Ok(6.0));
/// assert!(slope(3.0, f64::NAN).is_err());
/// ```
pub type Result<V, E = Error> = std::result::Result<V, E>;

/// A scalar that is used where that is not allowed.
///
/// ```
/// use scalar::{Dual, Error};
/// let error = Dual::<f64, 2>::try_variable(1.0, 2).unwrap_err();
/// assert_eq!(error, Error::Direction { direction: 2, directions: 2 });
/// assert!(error.to_string().contains("directions count from 0"));
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A direction that a dual number does not have.
    #[error(
        "Dual: direction {direction} of a number with {directions}: directions count from 0; for more of them, use a \
         Dual<T, N> with a larger N"
    )]
    Direction {
        /// The direction as given.
        direction: usize,
        /// The number of directions.
        directions: usize,
    },
    /// A tangent that is infinite or NaN.
    #[error("Dual: the seed {seed} of direction {direction} is not finite: a tangent is a velocity, usually 0 or 1")]
    Seed {
        /// The direction.
        direction: usize,
        /// The tangent, printed.
        seed: String,
    },
    /// A scope opened within another one.
    #[error(
        "Scope: this thread records a scope of the same number type already, which was opened at {opened}: end that one \
         first, or differentiate the inner function with Dual numbers"
    )]
    Nested {
        /// Where the other scope was opened.
        opened: &'static Location<'static>,
    },
    /// A recorded number outside the scope that recorded it.
    #[error(
        "Rec: this number belongs to a scope that has ended, or to another thread: use it inside its own scope only, and \
         take plain numbers out of a scope: `x.value`, or the gradient"
    )]
    Stale,
    /// A scope with more operations than can be numbered.
    #[error(
        "Scope: more than 2³² - 2 operations in one scope: split the computation, or differentiate it with Dual numbers"
    )]
    Full,
}

/// The value, or a panic with the text of the error at the caller's line.
#[track_caller]
#[inline]
pub(crate) fn or_panic<V>(result: Result<V>) -> V {
    match result {
        Ok(value) => value,
        Err(error) => raise(error),
    }
}

/// Panics with the text of the error.
#[track_caller]
#[cold]
#[inline(never)]
pub(crate) fn raise(error: Error) -> ! {
    panic!("{error}")
}
