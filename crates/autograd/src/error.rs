//! The error type of this crate. An error names the operation and the shapes, and says what to do.
//!
//! Every fallible operation has two forms. The plain form panics with the text of the error at the caller's line,
//! since a wrong shape is a programming error; its `try_` counterpart returns the error.

/// Makes `{:?}` of error types print their message instead of field names, since `unwrap` and a `main` that returns an
/// error print `{:?}`.
#[doc(hidden)]
#[macro_export]
macro_rules! debug_as_display {
    ($Error:ty) => {
        impl ::std::fmt::Debug for $Error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }
    };
}

pub(crate) use debug_as_display;

/// The result of a fallible operation of this crate.
///
/// ```
/// /// Cosine of the angle between two vectors.
/// fn cosine(a: &autograd::Tensor<f64>, b: &autograd::Tensor<f64>) -> autograd::Result<f64> {
///     Ok(a.try_matmul(b)?.item() / (a.square().sum().sqrt() * b.square().sum().sqrt()).item())
/// }
/// assert_eq!(cosine(&autograd::tensor![1.0, 0.0], &autograd::tensor![0.0, 2.0])?, 0.0);
/// # Ok::<(), autograd::Error>(())
/// ```
pub type Result<V, E = Error> = std::result::Result<V, E>;

/// The error of an operation, with the shapes involved.
///
/// ```
/// use autograd::{tensor, Error};
/// let error = tensor![1.0, 2.0].try_add(tensor![1.0, 2.0, 3.0]).unwrap_err();
/// assert!(matches!(error, Error::Broadcast { .. }));
/// assert!(error.to_string().contains("[2]") && error.to_string().contains("[3]"));
/// ```
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes that cannot be broadcast together by NumPy's rules.
    #[error(
        "{op}: shapes {a:?} and {b:?} do not broadcast: aligned at the last axis, sizes must match or be 1{}",
        aligned_at_the_first(a, b)
    )]
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
    #[error("{op}: axis {axis} {}", axis_fault(*axis, shape))]
    Axis {
        /// The operation.
        op: &'static str,
        /// The axis as given.
        axis: isize,
        /// The shape that the axis refers to.
        shape: Box<[usize]>,
    },
    /// A reduction over empty axes that has no identity element.
    #[error(
        "{op}: the reduced axes of shape {shape:?} are empty, and {op} of no elements is undefined: reduce only if \
        is_empty() is false, or along another axis"
    )]
    Empty {
        /// The operation.
        op: &'static str,
        /// The offending shape.
        shape: Box<[usize]>,
    },
    /// An index (a label, a row) that is out of range for its axis.
    #[error("{op}: index {index} at position {position} is out of range for size {size}: {}", valid_indices(op, *index, *size))]
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
    #[error("{op}: shape {shape:?} has more elements than fit in memory: compute it in smaller parts")]
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

debug_as_display!(Error);

/// A hint for two shapes that would broadcast if the shorter one were aligned with the first axis of the other: for
/// example, one number per row where one per column is expected.
fn aligned_at_the_first(a: &[usize], b: &[usize]) -> String {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let missing = long.len() - short.len();
    let aligned = missing > 0 && std::iter::zip(short, long).all(|(s, l)| s == l || *s == 1 || *l == 1);
    if !aligned {
        return String::new();
    }
    let column = [short, &vec![1; missing]].concat();
    format!("; {short:?} would fit as {column:?}: add axes at its end with unsqueeze(-1), or keep them in a reduction")
}

/// Why a shape does not have an axis, and which axes it has.
fn axis_fault(axis: isize, shape: &[usize]) -> String {
    match shape.len() as isize {
        0 => "is out of range for shape []: a scalar has no axes".into(),
        rank if (-rank..rank).contains(&axis) => format!("is given twice for shape {shape:?}: name each axis once"),
        1 => format!("is out of range for shape {shape:?}: its only axis is 0, or -1 from the end"),
        rank => format!("is out of range for shape {shape:?}: use 0 to {}, or -1 to -{rank} from the end", rank - 1),
    }
}

/// The operations whose negative indices count from the end. The others take labels or the rows of a table.
const FROM_THE_END: [&str; 7] =
    ["take", "gather", "index_axis", "index_add", "scatter", "scatter_add", "scatter_reduce"];

/// Which indices an axis has.
fn valid_indices(op: &str, index: i64, size: usize) -> String {
    if index == i64::MIN {
        return "it stands for a number that is not whole, or too large for its type to be exact".into();
    }
    let last = size.saturating_sub(1);
    match (size, FROM_THE_END.contains(&op)) {
        (0, _) => "there is nothing to index".into(),
        (1, true) => "its only index is 0, or -1 from the end".into(),
        (_, true) => format!("use 0 to {last}, or -1 to -{size} from the end"),
        (_, false) if index == size as i64 => format!("indices count from 0, so that the last one is {last}"),
        (1, false) => "the only index is 0".into(),
        (_, false) => format!("use 0 to {last}"),
    }
}

/// Returns the value, or panics with the text of the error at the caller's line.
#[track_caller]
pub(crate) fn or_panic<V>(result: Result<V>) -> V {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
