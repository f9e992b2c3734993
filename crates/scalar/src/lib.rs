//! Number types that differentiate generic Rust code. A function that takes any `S: num_traits::Float` (or nalgebra's
//! `RealField`, with the feature `nalgebra`) is differentiated by calling it with one of these numbers:
//!
//! | type | mode | for |
//! |---|---|---|
//! | [`Dual<T, N>`](Dual) | forward, `N` directions | functions of few variables; Jacobians |
//! | [`Dual2<T>`](Dual2), [`HyperDual<T, N>`](HyperDual) | forward, twice | second derivatives, Hessians |
//! | [`Taylor<T, K>`](Taylor) | forward, `K` coefficients | derivatives of high order along a line |
//! | [`Rec<T>`](Rec) | reverse | one result of many variables |
//!
//! ```
//! use num_traits::Float;
//! use scalar::{Dual, HyperDual, Rec};
//!
//! fn rosenbrock<S: Float>(x: S, y: S) -> S {
//!     let hundred = S::from(100.0).unwrap();
//!     hundred * (y - x * x).powi(2) + (S::one() - x).powi(2)
//! }
//!
//! let at = [2.0, 3.0];
//! let (f, df) = scalar::gradient(|[x, y]: [Dual<f64, 2>; 2]| rosenbrock(x, y), at);
//! assert_eq!((f, df), (101.0, [802.0, -200.0]));
//! let (_, df) = scalar::record(|x: &[Rec<f64>]| rosenbrock(x[0], x[1]), &at);
//! assert_eq!(df, [802.0, -200.0]);
//! let (_, _, d2f) = scalar::hessian(|[x, y]: [HyperDual<f64, 2>; 2]| rosenbrock(x, y), at);
//! assert_eq!(d2f, [[3602.0, -800.0], [-800.0, 200.0]]);
//! ```
//!
//! All derivatives are rows of the table of elementwise functions in `autograd`
//! ([`autograd::op::row`]), evaluated at numbers; what is not in `num_traits` (`erf`, `lgamma`, `sigmoid`, …) is in the
//! trait [`Real`], which all of these types implement.
//!
//! Comparisons, casts and rounding act on the value, so a number that is cast to an integer or to `f64` and back is a
//! constant.

#![warn(missing_docs)]
#![deny(unsafe_code)]

#[cfg(feature = "approx")]
mod approx;
mod derivatives;
mod drop_in;
mod dual;
mod error;
#[cfg(feature = "nalgebra")]
mod nalgebra;
mod number;
mod rec;
mod tape;
mod taylor;

pub use autograd::float::Real;
pub use derivatives::{derivative, gradient, hessian, jacobian, second_derivative};
pub use dual::{Dual, Dual2, HyperDual};
pub use error::{Error, Result};
pub use number::Scalar;
pub use rec::{Rec, Scope, record};
pub use tape::Recorded;
pub use taylor::{Taylor, taylor};
