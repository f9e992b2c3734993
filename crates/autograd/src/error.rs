//! The one error type: which operation, which shapes, and what to do about it.
//!
//! Every fallible operation comes twice. The plain form panics with the error's text and the line of the caller,
//! since a wrong shape is a mistake in the program; its `try_` twin returns the error.

/// The result of a fallible operation of this crate.
pub type Result<V, E = Error> = std::result::Result<V, E>;

/// What went wrong in an operation, with the shapes at hand.
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
    /// Two shapes that NumPy's rules cannot broadcast together.
    #[error("{op}: shapes {a:?} and {b:?} do not broadcast: from the last axis on, sizes must agree or one must be 1")]
    Broadcast {
        /// The operation.
        op: &'static str,
        /// Shape of the first operand.
        a: Box<[usize]>,
        /// Shape of the second operand.
        b: Box<[usize]>,
    },
    /// Inner dimensions (or batch dimensions) of a matrix product that do not fit.
    #[error("matmul: shapes {a:?} and {b:?} do not fit: {hint}")]
    MatMul {
        /// Shape of the first operand, as multiplied.
        a: Box<[usize]>,
        /// Shape of the second operand, as multiplied.
        b: Box<[usize]>,
        /// What to do.
        hint: &'static str,
    },
    /// A shape that the operation cannot take.
    #[error("{op}: shape {shape:?} does not fit: {hint}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// The offending shape.
        shape: Box<[usize]>,
        /// What to do.
        hint: String,
    },
    /// An axis that the tensor does not have, or named twice.
    #[error("{op}: axis {axis} is out of range or named twice for shape {shape:?} (rank {}): use -{0} to {last}",
        shape.len(), last = shape.len() as isize - 1)]
    Axis {
        /// The operation.
        op: &'static str,
        /// The axis as given.
        axis: isize,
        /// The shape it was meant for.
        shape: Box<[usize]>,
    },
    /// A reduction without an identity element over an empty axis.
    #[error("{op}: the reduced axes of shape {shape:?} are empty, and {op} of nothing has no value")]
    Empty {
        /// The operation.
        op: &'static str,
        /// The offending shape.
        shape: Box<[usize]>,
    },
    /// An index (a label, a row) past the end of its axis.
    #[error("{op}: index {index} at position {position} is out of range for size {size}: use 0 to {size} - 1")]
    Index {
        /// The operation.
        op: &'static str,
        /// The index as given.
        index: i64,
        /// Where it stands in the flattened index tensor.
        position: usize,
        /// The size of the indexed axis.
        size: usize,
    },
    /// A `Var` or `Gradients` of another tape, or of a tape cleared since.
    #[error(
        "{op}: this Var belongs to another tape (or to this one before it was cleared): record all operands on one tape"
    )]
    Foreign {
        /// The operation.
        op: &'static str,
    },
    /// A derivative was asked of something that is not one number.
    #[error(
        "{op}: the output has shape {shape:?}, and only a single number has a gradient: reduce it (sum, mean) or give a cotangent"
    )]
    NotScalar {
        /// The operation.
        op: &'static str,
        /// Shape of the output.
        shape: Box<[usize]>,
    },
    /// More elements than memory can address, or has room for.
    #[error("{op}: shape {shape:?} has more elements than memory has room for")]
    TooLarge {
        /// The operation.
        op: &'static str,
        /// The shape asked for.
        shape: Box<[usize]>,
    },
    /// A matrix that the operation cannot invert or factorise.
    #[error("{op}: {hint}")]
    Singular {
        /// The operation.
        op: &'static str,
        /// What the matrix lacks.
        hint: &'static str,
    },
    /// Something an operation needs and did not get.
    #[error("{op}: {hint}")]
    Argument {
        /// The operation.
        op: &'static str,
        /// What to do.
        hint: String,
    },
}

/// The value, or a panic with the error's text at the caller's line.
#[track_caller]
pub(crate) fn or_panic<V>(result: Result<V>) -> V {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
