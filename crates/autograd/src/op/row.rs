//! The rows of the elementwise table as types: [`UnaryRow`] and [`BinaryRow`] evaluate a value and its derivatives over any
//! algebra [`Real`](crate::float::Real).
//!
//! ```
//! use autograd::op::row::{Sin, UnaryRow};
//! let (x, y) = (0.5f64, 0.5f64.sin());
//! assert_eq!((Sin::value(x), Sin::cotangent(x, y, 1.0)), (y, 0.5f64.cos()));
//! ```

pub use super::elementwise::{binary_rows::*, unary_rows::*};
pub use super::table::{BinaryRow, UnaryRow};
