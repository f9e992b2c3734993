//! The ops: what a node of the tape does, as plain data that can be printed, compared and executed again.
//!
//! An op does not depend on where it runs. Four tables define its meaning: its shape rule (`shape`), its value
//! (`eval`), its reverse rules ([`elementwise`], `vjp`) and its forward rules ([`elementwise`], `jvp`). Their matches
//! are exhaustive, so a new variant fails to compile until every table has an arm for it.

pub(crate) mod blocks;
pub mod conv;
mod cost;
pub mod elementwise;
pub(crate) mod eval;
pub(crate) mod formula;
pub(crate) mod jvp;
pub(crate) mod layer_norm;
pub(crate) mod linalg;
pub(crate) mod number;
pub mod pool;
pub(crate) mod reads;
pub(crate) mod rows;
pub mod rule;
pub(crate) mod scan;
pub(crate) mod shape;
pub mod symbol;
mod table;
pub(crate) mod vjp;
mod windows;

use crate::tensor::view::Span;
use crate::tensor::{AxisSet, Shape, Tensor};
pub use conv::{Geometry, Window};
pub use cost::Cost;
pub use elementwise::{Binary, Unary};
pub use linalg::Factor;
pub use pool::{Panes, Sparse};
use smallvec::SmallVec;
use std::sync::Arc;

/// An operand of a binary function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first operand.
    A,
    /// The second operand.
    B,
}

/// How a reduction combines the elements along its axes.
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
    Where;
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
    /// ln Σ eˣ - `x[label]` for each row of a matrix.
    CrossEntropy {
        /// The label of each row: the column of the correct class.
        labels: Tensor<i64>
    };
    /// Vector-Jacobian product of `CrossEntropy`: g (softmax(x) - onehot(label)). Inputs: x `[rows, classes]`, g
    /// `[rows]`.
    CrossEntropyVjp {
        /// The label of each row: the column of the correct class.
        labels: Tensor<i64>
    };
    /// Matrix product over the last two axes; the leading axes broadcast.
    MatMul {
        /// Whether the first operand is transposed.
        ta: bool,
        /// Whether the second operand is transposed.
        tb: bool
    };
    /// A linear solve, a factorization or a function of matrices, over the last two axes.
    Linalg(Factor);
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
        spans: SmallVec<[Span; 4]>
    };
    /// Zeros of the given shape, with the input written to the elements that a slice with the same spans would read.
    Place {
        /// The span of each axis.
        spans: SmallVec<[Span; 4]>,
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
    /// Convolution of an image `[n, channels, …]` with weights `[out, channels / groups, …]`.
    Conv {
        /// Windows and groups.
        geometry: Geometry
    };
    /// Derivative of `Conv` with respect to the image: transposed convolution. Inputs: cotangent, weights.
    ConvInput {
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
    Pick {
        /// The windows over the last axes.
        panes: Panes
    };
    /// The transpose of `Pick` with respect to its second input: adds elements into zeros at the argmax of the first
    /// input.
    PickAdd {
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

/// The integer tensor (indices or labels) that an op holds, as a shared or mutable reference like `$op`.
macro_rules! integers {
    ($op:expr) => {
        match $op {
            Op::Take { index, .. }
            | Op::TakeAdd { index, .. }
            | Op::Gather { index, .. }
            | Op::GatherAdd { index, .. } => Some(index),
            Op::CrossEntropy { labels } | Op::CrossEntropyVjp { labels } => Some(labels),
            _ => None,
        }
    };
}

impl Op {
    /// The op's name, as in its method and its errors.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Leaf => "leaf",
            Op::Const => "constant",
            Op::StopGradient => "stop_gradient",
            Op::Unary(u) => u.name(),
            Op::Binary(b) => b.name(),
            Op::Where => "select",
            Op::Reduce { fold, .. } => match fold {
                Fold::Sum => "sum",
                Fold::Norm => "norm",
                Fold::Mean => "mean",
                Fold::Prod => "prod",
                Fold::Max => "max",
                Fold::Min => "min",
                Fold::LogSumExp => "logsumexp",
            },
            Op::Softmax { .. } => "softmax",
            Op::SoftmaxVjp { .. } => "softmax_vjp",
            Op::LogSoftmax { .. } => "log_softmax",
            Op::LogSoftmaxVjp { .. } => "log_softmax_vjp",
            Op::Standardize { .. } => "standardize",
            Op::StandardizeVjp { .. } => "standardize_vjp",
            Op::LayerNorm { .. } => "layer_norm",
            Op::LayerNormVjp { .. } => "layer_norm_vjp",
            Op::LayerNormSums { .. } => "layer_norm_sums",
            Op::CumSum { .. } => "cumsum",
            Op::LogCumSumExp { .. } => "logcumsumexp",
            Op::Recurrence { .. } => "recurrence",
            Op::CrossEntropy { .. } => "cross_entropy",
            Op::CrossEntropyVjp { .. } => "cross_entropy_vjp",
            Op::MatMul { .. } => "matmul",
            Op::Linalg(factor) => factor.name(),
            Op::Reshape { .. } => "reshape",
            Op::Expand { .. } => "expand",
            Op::Permute { .. } => "permute",
            Op::Slice { .. } => "slice",
            Op::Place { .. } => "place",
            Op::Concat { .. } => "concat",
            Op::Take { .. } => "take",
            Op::TakeAdd { .. } => "take_add",
            Op::Gather { .. } => "gather",
            Op::GatherAdd { .. } => "gather_add",
            Op::Conv { .. } => "conv",
            Op::ConvInput { .. } => "conv_transpose",
            Op::ConvWeight { .. } => "conv_weight",
            Op::Pick { .. } => "max_pool",
            Op::PickAdd { .. } => "max_unpool",
            Op::Map { .. } => "map",
            Op::Custom { .. } => "custom",
        }
    }

    /// The integer tensor that the op holds: indices or labels.
    pub(crate) fn index(&self) -> Option<&Tensor<i64>> {
        integers!(self)
    }

    /// Like `index`, but mutable.
    pub(crate) fn index_mut(&mut self) -> Option<&mut Tensor<i64>> {
        integers!(self)
    }

    /// The size of the axis that the op's integers index, for an input of the given shape.
    pub(crate) fn index_size(&self, input: &[usize]) -> usize {
        match self {
            Op::Take { axis, .. } | Op::Gather { axis, .. } => input[*axis],
            Op::TakeAdd { size, .. } | Op::GatherAdd { size, .. } => *size,
            Op::CrossEntropy { .. } | Op::CrossEntropyVjp { .. } => input[1],
            _ => unreachable!("the op does not hold integers"),
        }
    }

    /// The number of inputs; `None` if the op takes any number.
    pub(crate) fn arity(&self) -> Option<usize> {
        match self {
            Op::Concat { .. } | Op::Custom { .. } => None,
            Op::Binary(_)
            | Op::MatMul { .. }
            | Op::Conv { .. }
            | Op::ConvInput { .. }
            | Op::ConvWeight { .. }
            | Op::Pick { .. }
            | Op::PickAdd { .. }
            | Op::SoftmaxVjp { .. }
            | Op::LogSoftmaxVjp { .. }
            | Op::CrossEntropyVjp { .. }
            | Op::StandardizeVjp { .. }
            | Op::LayerNormSums { .. }
            | Op::Recurrence { .. } => Some(2),
            Op::Where | Op::LayerNorm { .. } | Op::LayerNormVjp { .. } => Some(3),
            Op::Linalg(factor) => Some(factor.arity()),
            _ => Some(1),
        }
    }

    /// Whether cotangents flow through the op.
    pub(crate) fn is_differentiable(&self) -> bool {
        match self {
            Op::Const | Op::StopGradient => false,
            Op::Binary(b) => b.is_differentiable(),
            _ => true,
        }
    }
}

impl Unary {
    /// The function's name, as in its method.
    pub fn name(self) -> &'static str {
        match self {
            Unary::Neg => "neg",
            Unary::Recip => "recip",
            Unary::Square => "square",
            Unary::Sqrt => "sqrt",
            Unary::Exp => "exp",
            Unary::ExpM1 => "exp_m1",
            Unary::Ln => "ln",
            Unary::Ln1p => "ln_1p",
            Unary::Sin => "sin",
            Unary::Cos => "cos",
            Unary::Tanh => "tanh",
            Unary::Sigmoid => "sigmoid",
            Unary::Softplus => "softplus",
            Unary::Relu => "relu",
            Unary::Abs => "abs",
            Unary::Exp2 => "exp2",
            Unary::Log2 => "log2",
            Unary::Log10 => "log10",
            Unary::Rsqrt => "rsqrt",
            Unary::Tan => "tan",
            Unary::Sinh => "sinh",
            Unary::Cosh => "cosh",
            Unary::Asin => "asin",
            Unary::Acos => "acos",
            Unary::Atan => "atan",
            Unary::Asinh => "asinh",
            Unary::Acosh => "acosh",
            Unary::Atanh => "atanh",
            Unary::Sign => "sign",
            Unary::Floor => "floor",
            Unary::Ceil => "ceil",
            Unary::Round => "round",
            Unary::Trunc => "trunc",
            Unary::LogSigmoid => "log_sigmoid",
            Unary::Relu6 => "relu6",
            Unary::Selu => "selu",
            Unary::Silu => "silu",
            Unary::Mish => "mish",
            Unary::Hardsigmoid => "hardsigmoid",
            Unary::Hardswish => "hardswish",
            Unary::Softsign => "softsign",
            Unary::Tanhshrink => "tanhshrink",
            Unary::Gelu => "gelu",
            Unary::GeluTanh => "gelu_tanh",
            Unary::Erf => "erf",
            Unary::Erfc => "erfc",
            Unary::Erfcx => "erfcx",
            Unary::ErfInv => "erfinv",
            Unary::Lgamma => "lgamma",
            Unary::Digamma => "digamma",
            Unary::Logit => "logit",
            Unary::Sinc => "sinc",
            Unary::Entr => "entr",
            Unary::Ndtr => "ndtr",
            Unary::LogNdtr => "log_ndtr",
            Unary::I0e => "i0e",
            Unary::I1e => "i1e",
        }
    }
}

impl Binary {
    /// The function's name, as in its method.
    pub fn name(self) -> &'static str {
        match self {
            Binary::Add => "add",
            Binary::Sub => "sub",
            Binary::Mul => "mul",
            Binary::Div => "div",
            Binary::Pow => "pow",
            Binary::Maximum => "maximum",
            Binary::Minimum => "minimum",
            Binary::Gt => "gt",
            Binary::Ge => "ge",
            Binary::Eq => "equal",
            Binary::Atan2 => "atan2",
            Binary::Hypot => "hypot",
            Binary::Logaddexp => "logaddexp",
            Binary::Fmod => "fmod",
            Binary::Remainder => "remainder",
            Binary::Copysign => "copysign",
            Binary::Xlogy => "xlogy",
            Binary::Xlog1py => "xlog1py",
            Binary::Fmax => "fmax",
            Binary::Fmin => "fmin",
            Binary::Polygamma => "polygamma",
            Binary::Prelu => "prelu",
            Binary::Elu => "elu",
            Binary::Celu => "celu",
            Binary::Softshrink => "softshrink",
            Binary::Hardshrink => "hardshrink",
        }
    }
}
