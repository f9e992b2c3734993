//! The rows of the elementwise table as types: [`UnaryRow`] and [`BinaryRow`] evaluate a value and its derivatives over any
//! algebra [`Real`](crate::float::Real).

pub use super::elementwise::{binary_rows::*, unary_rows::*};
pub use super::table::{BinaryRow, UnaryRow};
