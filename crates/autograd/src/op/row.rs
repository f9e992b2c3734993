//! The rows of the elementwise table as types: [`UnaryRow`] and [`BinaryRow`] evaluate a value and its derivatives over any
//! algebra [`Real`](crate::float::Real).
//!
//! ```
//! use autograd::op::row::{Sin, UnaryRow};
//! let (x, y) = (0.5f64, Sin::value(0.5));
//! assert!((y - x.sin()).abs() < 1e-15 && (Sin::cotangent(x, y, 2.0) - 2.0 * x.cos()).abs() < 1e-15);
//! ```

pub use super::elementwise::{binary_rows::*, unary_rows::*};
pub use super::table::{BinaryRow, UnaryRow};
