//! The error type of this crate. An error names the operation and the shapes, and says what to do.
//!
//! Every fallible operation has two forms. The plain form panics with the text of the error at the caller's line,
//! since a wrong shape is a programming error; its `try_` counterpart returns the error.

/// The result of a fallible operation of this crate.
pub type Result<V, E = Error> = std::result::Result<V, E>;

/// The error of an operation, with the shapes involved.
///
/// ```
/// use autograd::{tensor, Error};
/// let error = tensor![1.0, 2.0].try_add(tensor![1.0, 2.0, 3.0]).unwrap_err();
/// assert!(matches!(error, Error::Broadcast { .. }));
/// assert!(error.to_string().contains("[2]") && error.to_string().contains("[3]"));
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes that cannot be broadcast together by NumPy's rules.
    #[error("{op}: shapes {a:?} and {b:?} do not broadcast: aligned at the last axis, sizes must match or be 1")]
    Broadcast {
        /// The operation.
        op: &'static str,
        /// Shape of the first operand.
        a: Box<[usize]>,
        /// Shape of the second operand.
        b: Box<[usize]>,
    },
    /// A matrix product whose inner dimensions or batch dimensions are incompatible.
    #[error("matmul: shapes {a:?} and {b:?} are incompatible: {hint}")]
    MatMul {
        /// Shape of the first operand, as used in the product.
        a: Box<[usize]>,
        /// Shape of the second operand, as used in the product.
        b: Box<[usize]>,
        /// What to do.
        hint: &'static str,
    },
    /// A shape that the operation does not accept.
    #[error("{op}: shape {shape:?} does not fit: {hint}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// The offending shape.
        shape: Box<[usize]>,
        /// What to do.
        hint: String,
    },
    /// An axis that the tensor does not have, or that is given twice.
    #[error("{op}: axis {axis} is out of range or given twice for shape {shape:?} (rank {}): use -{0} to {last}",
        shape.len(), last = shape.len() as isize - 1)]
    Axis {
        /// The operation.
        op: &'static str,
        /// The axis as given.
        axis: isize,
        /// The shape that the axis refers to.
        shape: Box<[usize]>,
    },
    /// A reduction over empty axes that has no identity element.
    #[error("{op}: the reduced axes of shape {shape:?} are empty, and {op} of no elements is undefined")]
    Empty {
        /// The operation.
        op: &'static str,
        /// The offending shape.
        shape: Box<[usize]>,
    },
    /// An index (a label, a row) that is out of range for its axis.
    #[error("{op}: index {index} at position {position} is out of range for size {size}: it must be in 0..{size}")]
    Index {
        /// The operation.
        op: &'static str,
        /// The index as given.
        index: i64,
        /// Its position in the flattened index tensor.
        position: usize,
        /// The size of the indexed axis.
        size: usize,
    },
    /// A `Var` or `Gradients` that belongs to another tape, or to a tape that has been cleared.
    #[error(
        "{op}: this Var belongs to another tape (or to this one before it was cleared): record all operands on one tape"
    )]
    Foreign {
        /// The operation.
        op: &'static str,
    },
    /// A derivative of an output that is not a scalar.
    #[error(
        "{op}: the output has shape {shape:?}, but only a scalar has a gradient: reduce it (sum, mean) or pass a cotangent"
    )]
    NotScalar {
        /// The operation.
        op: &'static str,
        /// Shape of the output.
        shape: Box<[usize]>,
    },
    /// A shape with more elements than can be addressed or than fit in memory.
    #[error("{op}: shape {shape:?} has more elements than fit in memory")]
    TooLarge {
        /// The operation.
        op: &'static str,
        /// The requested shape.
        shape: Box<[usize]>,
    },
    /// A matrix that the operation cannot invert or factorize.
    #[error("{op}: {hint}")]
    Singular {
        /// The operation.
        op: &'static str,
        /// Which property the matrix lacks.
        hint: &'static str,
    },
    /// An argument that is missing or not valid.
    #[error("{op}: {hint}")]
    Argument {
        /// The operation.
        op: &'static str,
        /// What to do.
        hint: String,
    },
}

/// Returns the value, or panics with the text of the error at the caller's line.
#[track_caller]
pub(crate) fn or_panic<V>(result: Result<V>) -> V {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
