//! The ops: what a node of the tape does, as plain data that can be printed, compared and executed again.
//!
//! An op that reads integers (indices or labels) holds them. If they are a value on the tape, the node that they come from
//! is the last input of the op, after those that its arity counts.
//!
//! An op does not depend on where it runs. Four tables define its meaning: its shape rule (`shape`), its value
//! (`eval`), its reverse rules (`elementwise`, `vjp`) and its forward rules (`elementwise`, `jvp`). Their matches
//! are exhaustive, so a new variant fails to compile until every table has an arm for it.
//!
//! ```
//! use autograd::{Tape, op::{Binary, Op, Unary}};
//! let tape = Tape::<f64>::new();
//! let (w, x) = (tape.var(2.0), tape.var(3.0));
//! let ops: Vec<Op> = [(w * x).tanh(), w * x].map(|y| y.op()).into();
//! assert_eq!(ops, [Op::Unary(Unary::Tanh), Op::Binary(Binary::Mul)]);
//! ```

mod conv;
mod cost;
pub(crate) mod elementwise;
pub(crate) mod facts;
pub(crate) mod formula;
mod fourier;
pub(crate) mod integers;
pub(crate) mod linalg;
mod pairwise;
pub(crate) mod recurrent;
pub mod row;
pub(crate) mod shape;
pub(crate) mod symbol;
mod table;
mod windows;
mod words;

use crate::float::Precision;
pub use crate::kernel::recurrent::Cell;
use crate::tensor::view::Spans;
use crate::tensor::{AxisSet, Shape, Tensor};
pub use conv::{Geometry, Window};
pub use cost::Cost;
pub use elementwise::{Binary, Unary};
pub use fourier::Transform;
pub use integers::{IGNORED, Insert, IntOp, Order};
pub use linalg::Factor;
pub use pairwise::Pairwise;
use std::sync::Arc;
pub use windows::{Panes, Sparse};

/// An operand of a binary function.
///
/// ```
/// use autograd::op::Side;
/// let name = |side: Side| if side == Side::A { "a" } else { "b" }; // of a / b
/// assert_eq!([Side::A, Side::B].map(name), ["a", "b"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first operand.
    A,
    /// The second operand.
    B,
}

/// In a set of operands as bits: the output. An input has the bit of its position; inputs from 30 on share one bit.
pub(crate) const OUTPUT: u32 = 1 << 31;

/// How a reduction combines the elements along its axes.
///
/// ```
/// use autograd::{Tape, op::{Fold, Op}};
/// let tape = Tape::<f64>::new();
/// let Op::Reduce { fold, axes, keep } = tape.var([[1.0, 2.0]]).sum_axes(1).op() else { unreachable!("a sum") };
/// assert_eq!((fold, axes.contains(1), keep), (Fold::Sum, true, false));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fold {
    /// Σ x
    Sum,
    /// √Σ x²
    Norm,
    /// Σ x / n
    Mean,
    /// Π x
    Prod,
    /// The largest element.
    Max,
    /// The smallest element.
    Min,
    /// ln Σ eˣ
    LogSumExp,
}

impl Fold {
    /// All folds.
    pub const ALL: &'static [Fold] =
        &[Fold::Sum, Fold::Norm, Fold::Mean, Fold::Prod, Fold::Max, Fold::Min, Fold::LogSumExp];
}

/// Defines `Op` and, from the same list, `Kind`: the variants without their data.
macro_rules! ops {
    ($($(#[$doc:meta])* $Op:ident $(($Data:ty))? $({ $($(#[$fdoc:meta])* $field:ident: $Field:ty),* })?;)*) => {
        /// What a node does with its inputs.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Op { $($(#[$doc])* $Op $(($Data))? $({ $($(#[$fdoc])* $field: $Field),* })?),* }

        /// The kind of an op, without its data. Tests and tables enumerate these.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $Op),* }

        impl Kind {
            /// All kinds of ops.
            pub const ALL: &'static [Kind] = &[$(Kind::$Op),*];
        }

        impl Op {
            /// The kind of this op.
            ///
            /// ```
            /// use autograd::{Tape, op::Kind};
            /// let tape = Tape::<f64>::new();
            /// assert_eq!(tape.var(2.0).exp().op().kind(), Kind::Unary);
            /// ```
            pub fn kind(&self) -> Kind {
                match self { $(ops!(@pattern $Op $(($Data))? $({ $($field),* })?) => Kind::$Op,)* }
            }
        }
    };
    (@pattern $Op:ident) => { Op::$Op };
    (@pattern $Op:ident ($Data:ty)) => { Op::$Op(_) };
    (@pattern $Op:ident { $($field:ident),* }) => { Op::$Op { .. } };
}

ops! {
    /// A variable, with respect to which derivatives are taken.
    Leaf;
    /// A constant. No derivative flows to it.
    Const;
    /// The identity, treated as a constant in differentiation.
    StopGradient;
    /// An elementwise function of one tensor.
    Unary(Unary);
    /// An elementwise function of two tensors, which broadcast.
    Binary(Binary);
    /// `mask ? a : b`, where a mask element is true if it is not 0. Inputs: mask, a, b, which broadcast.
    Select;
    /// Reduces axes, which are removed or kept with size 1.
    Reduce {
        /// How elements are combined.
        fold: Fold,
        /// The axes to reduce.
        axes: AxisSet,
        /// Whether the reduced axes are kept with size 1.
        keep: bool
    };
    /// eˣ / Σ eˣ along an axis.
    Softmax {
        /// The axis.
        axis: usize
    };
    /// Vector-Jacobian product of `Softmax`: y (g - Σ g y). Inputs: y, g.
    SoftmaxVjp {
        /// The axis.
        axis: usize
    };
    /// x - ln Σ eˣ along an axis.
    LogSoftmax {
        /// The axis.
        axis: usize
    };
    /// Vector-Jacobian product of `LogSoftmax`: g - eʸ Σ g. Inputs: y, g.
    LogSoftmaxVjp {
        /// The axis.
        axis: usize
    };
    /// (x - mean) / √(variance + ε) over the last axes, where the variance is the mean of (x - mean)².
    Standardize {
        /// The first normalized axis.
        axis: usize,
        /// ε
        eps: f64
    };
    /// Vector-Jacobian product of `Standardize`: (g - mean g - y mean(g y)) / √(variance + ε). Inputs: x, g.
    StandardizeVjp {
        /// The first normalized axis.
        axis: usize,
        /// ε
        eps: f64
    };
    /// Layer normalization z w + b, where z is x standardized over the last axes. Inputs: x, w, b; w and b have the
    /// shape of these axes.
    LayerNorm {
        /// The first normalized axis.
        axis: usize,
        /// ε
        eps: f64
    };
    /// Cotangent of the input x of `LayerNorm`: `StandardizeVjp` of x and w g. Inputs: x, w, g.
    LayerNormVjp {
        /// The first normalized axis.
        axis: usize,
        /// ε
        eps: f64
    };
    /// Cotangents of the inputs w and b of `LayerNorm`, stacked along a new first axis: Σ z g and Σ g over the other
    /// axes. Inputs: x, g.
    LayerNormSums {
        /// The first normalized axis.
        axis: usize,
        /// ε
        eps: f64
    };
    /// softmax(scale q kᵀ + mask) v. Inputs: queries q `[…, L, E]`, keys k `[…, S, E]`, values v `[…, S, V]`, and perhaps a
    /// mask that broadcasts to `[…, L, S]`.
    Attention {
        /// The factor of the scores q kᵀ.
        scale: f64,
        /// Whether a query attends only to keys up to its own position.
        causal: bool,
        /// The precision that operands of products are rounded to.
        precision: Precision
    };
    /// Cotangents of the inputs q, k and v of `Attention`, as one row `[…, L E + S E + S V]` for each head. Inputs: those of
    /// `Attention`, and g `[…, L, V]`.
    AttentionVjp {
        /// The factor of the scores q kᵀ.
        scale: f64,
        /// Whether a query attends only to keys up to its own position.
        causal: bool,
        /// The precision that operands of products are rounded to.
        precision: Precision
    };
    /// Cumulative sum along an axis.
    CumSum {
        /// The axis.
        axis: usize,
        /// Whether to accumulate from the last element to the first.
        reverse: bool
    };
    /// Cumulative ln Σ eˣ along an axis.
    LogCumSumExp {
        /// The axis.
        axis: usize
    };
    /// `y[k] = a[k] · y[k - 1] + b[k]` along an axis, starting from 0. Inputs: a, b, of the same shape. This is linear
    /// in b: a product with a triangular matrix that is computed from a and never formed.
    Recurrence {
        /// The axis.
        axis: usize,
        /// Whether to multiply by the transposed matrix: `y[k] = a[k + 1] · y[k + 1] + b[k]`.
        transposed: bool
    };
    /// All steps of a recurrent layer: the states at all positions, and what the backward steps read. No derivative
    /// flows through this op; its states are the value of [`Recurrent`](Op::Recurrent). Inputs: the contributions of the
    /// input `[time, batch, gates · hidden]`, the weights of the state `[gates · hidden, hidden]` and its bias
    /// `[gates · hidden]`, the lengths of the sequences `[batch]`, and the parts of the initial state, `[batch, hidden]`
    /// each.
    RecurrentTrace {
        /// How a step computes the next state.
        cell: Cell,
        /// Whether sequences are read from their end.
        reverse: bool
    };
    /// The states of a recurrent layer, `[parts, time + 1, batch, hidden]`; the initial one is at the end where the
    /// sequence starts. Inputs: their `RecurrentTrace`, which they are a part of, and its inputs, of which they are a
    /// function.
    Recurrent {
        /// How a step computes the next state.
        cell: Cell,
        /// Whether sequences are read from their end.
        reverse: bool
    };
    /// Cotangents of what the steps of `Recurrent` read, `[time + 1, batch, …]`: the contributions of the input, those
    /// of the state that are not just added to them, and in the last place the initial state. Inputs: the trace, the
    /// weights, the lengths and the cotangent of the states, from which it is computed; then the other inputs of
    /// `RecurrentTrace`.
    RecurrentVjp {
        /// How a step computes the next state.
        cell: Cell,
        /// Whether sequences are read from their end.
        reverse: bool
    };
    /// Integers: see [`IntOp`]. As numbers, they are NaN.
    Integers {
        /// How they are computed from the input.
        from: IntOp,
        /// The integers.
        values: Tensor<i64>
    };
    /// Integers as numbers.
    Cast {
        /// The integers.
        values: Tensor<i64>
    };
    /// ln Σ eˣ - `x[label]` for each row of a matrix; 0 for the rows labeled [`IGNORED`].
    CrossEntropy {
        /// The label of each row: the column of the correct class.
        labels: Tensor<i64>
    };
    /// Vector-Jacobian product of `CrossEntropy`: g (softmax(x) - onehot(label)), and 0 for ignored rows. Inputs: x
    /// `[rows, classes]`, g `[rows]`.
    CrossEntropyVjp {
        /// The label of each row: the column of the correct class.
        labels: Tensor<i64>
    };
    /// Matrix product over the last two axes; the leading axes broadcast.
    MatMul {
        /// Whether the first operand is transposed.
        ta: bool,
        /// Whether the second operand is transposed.
        tb: bool,
        /// The precision that operands are rounded to.
        precision: Precision
    };
    /// A linear solve, a factorization or a function of matrices, over the last two axes.
    Linalg(Factor);
    /// A discrete Fourier transform along the last axis of numbers, which are pairs along another axis if they are complex.
    Fourier(Transform);
    /// Distances between all rows of two matrices over the last two axes, and other functions of differences between
    /// rows.
    Pairwise(Pairwise);
    /// The same elements with another shape.
    Reshape {
        /// The new shape.
        shape: Shape
    };
    /// Broadcasts to a larger shape.
    Expand {
        /// The new shape.
        shape: Shape
    };
    /// Reorders the axes.
    Permute {
        /// Axis `i` of the result is axis `order[i]` of the input.
        order: Shape
    };
    /// A slice of each axis.
    Slice {
        /// The span of each axis.
        spans: Spans
    };
    /// Zeros of the given shape, with the input written to the elements that a slice with the same spans would read.
    Place {
        /// The span of each axis.
        spans: Spans,
        /// Shape of the result.
        shape: Shape
    };
    /// Concatenates the inputs along an axis.
    Concat {
        /// The axis.
        axis: usize
    };
    /// Selects slices along an axis by index: `x[index]` for axis 0.
    Take {
        /// The axis.
        axis: usize,
        /// The indices, whose axes replace the indexed axis.
        index: Tensor<i64>
    };
    /// The transpose of `Take`: adds slices into zeros by index.
    TakeAdd {
        /// The axis.
        axis: usize,
        /// The target index of each slice.
        index: Tensor<i64>,
        /// Size of the axis in the result.
        size: usize
    };
    /// Selects one element per index along an axis: `out[i, j] = x[index[i, j], j]` for axis 0.
    Gather {
        /// The axis.
        axis: usize,
        /// The indices, with the same rank as the input.
        index: Tensor<i64>
    };
    /// The transpose of `Gather`: adds elements into zeros by index.
    GatherAdd {
        /// The axis.
        axis: usize,
        /// The target index of each element.
        index: Tensor<i64>,
        /// Size of the axis in the result.
        size: usize
    };
    /// Combines elements with those of an array by index along an axis, as `GatherAdd` adds them. Inputs: the array, and the
    /// elements. Ties of extrema share the derivative evenly; an infinite extremum has none.
    GatherFold {
        /// The axis.
        axis: usize,
        /// The target index of each element.
        index: Tensor<i64>,
        /// How elements are combined: `Prod`, `Max` or `Min`.
        fold: Fold
    };
    /// For each element, the product of the other elements with the same index along an axis. With directions, the derivative
    /// of these products along all of them. Inputs: the elements, and the directions.
    GatherOthers {
        /// The axis.
        axis: usize,
        /// The index that each element belongs to.
        index: Tensor<i64>,
        /// Number of distinct indices.
        size: usize,
        /// Number of directions.
        along: usize
    };
    /// Convolution of an image `[n, channels, …]` with weights `[out, channels / groups, …]`.
    Conv {
        /// Windows and groups.
        geometry: Geometry
    };
    /// Derivative of `Conv` with respect to the image: transposed convolution. Inputs: cotangent, weights.
    ConvTranspose {
        /// The geometry of the convolution.
        geometry: Geometry,
        /// The spatial sizes of the image, which are ambiguous for strides above 1.
        size: Shape
    };
    /// Derivative of `Conv` with respect to the weights. Inputs: image, cotangent.
    ConvWeight {
        /// The geometry of the convolution.
        geometry: Geometry
    };
    /// For each window, the element of the second input at the argmax of the first input (the first of equal elements).
    /// Max pooling passes the same tensor as both inputs. Derivatives flow to the second input only.
    MaxPool {
        /// The windows over the last axes.
        panes: Panes
    };
    /// The transpose of `MaxPool` with respect to its second input: adds elements into zeros at the argmax of the first
    /// input.
    MaxUnpool {
        /// The windows over the last axes.
        panes: Panes
    };
    /// A linear map along an axis: `y[i] = Σ m[i, j] x[j]`.
    Map {
        /// The axis.
        axis: usize,
        /// The matrix.
        map: Arc<Sparse>
    };
    /// A user-defined op: the `id`-th rule of its tape.
    Custom {
        /// The index of the rule.
        id: u32
    };
}

/// Patterns of the ops of a family.
macro_rules! family {
    (rows) => {
        Op::Softmax { .. }
            | Op::SoftmaxVjp { .. }
            | Op::LogSoftmax { .. }
            | Op::LogSoftmaxVjp { .. }
            | Op::CrossEntropy { .. }
            | Op::CrossEntropyVjp { .. }
            | Op::Standardize { .. }
            | Op::StandardizeVjp { .. }
    };
    (layer_norm) => {
        Op::LayerNorm { .. } | Op::LayerNormVjp { .. } | Op::LayerNormSums { .. }
    };
    (attention) => {
        Op::Attention { .. } | Op::AttentionVjp { .. }
    };
    (scan) => {
        Op::CumSum { .. } | Op::LogCumSumExp { .. } | Op::Recurrence { .. }
    };
    (recurrent) => {
        Op::RecurrentTrace { .. } | Op::Recurrent { .. } | Op::RecurrentVjp { .. }
    };
    (conv) => {
        Op::Conv { .. } | Op::ConvTranspose { .. } | Op::ConvWeight { .. }
    };
}
pub(crate) use family;
