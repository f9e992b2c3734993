//! What a node of the tape does, as plain data: it can be printed, compared and run again.
//!
//! An op knows nothing of where it runs. Four tables give it meaning, and no other place knows an op: its
//! shape rule (`shape`), its value (`eval`), its reverse rules ([`elementwise`], `vjp`) and its forward rules
//! ([`elementwise`], `jvp`). A new variant fails to compile at exactly the arms it lacks.

pub mod conv;
mod cost;
pub mod elementwise;
pub(crate) mod eval;
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

/// A side of a binary function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first operand.
    A,
    /// The second operand.
    B,
}

/// How a reduction folds its axes.
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
    /// Every fold.
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

        /// The ops without their data: what tests and tables enumerate.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $Op),* }

        impl Kind {
            /// Every kind of op.
            pub const ALL: &'static [Kind] = &[$(Kind::$Op),*];
        }

        impl Op {
            /// The op without its data.
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
    /// A variable: where derivatives end.
    Leaf;
    /// A constant: no derivative reaches it.
    Const;
    /// The same number with derivatives cut off.
    StopGradient;
    /// A row of the table of one-tensor functions.
    Unary(Unary);
    /// A row of the table of two-tensor functions; the operands broadcast.
    Binary(Binary);
    /// `mask ? a : b`, inputs mask, a, b; all broadcast. The mask counts where it is not 0.
    Where;
    /// Folds axes away, or to size 1.
    Reduce {
        /// How.
        fold: Fold,
        /// Which axes.
        axes: AxisSet,
        /// Whether they stay with size 1.
        keep: bool
    };
    /// eˣ / Σ eˣ along an axis.
    Softmax {
        /// Which axis.
        axis: usize
    };
    /// The cotangent of what `Softmax` made y of, from that of y: y (g - Σ g y), inputs y, g.
    SoftmaxVjp {
        /// Which axis.
        axis: usize
    };
    /// x - ln Σ eˣ along an axis.
    LogSoftmax {
        /// Which axis.
        axis: usize
    };
    /// The cotangent of what `LogSoftmax` made y of, from that of y: g - eʸ Σ g, inputs y, g.
    LogSoftmaxVjp {
        /// Which axis.
        axis: usize
    };
    /// (x - mean) / √(variance + ε) over the last axes, the variance being the mean of the squares of x - mean.
    Standardize {
        /// The first of these axes.
        axis: usize,
        /// ε
        eps: f64
    };
    /// The cotangent of what `Standardize` made y of, from that of y: (g - mean g - y mean(g y)) / √(variance + ε),
    /// inputs x, g.
    StandardizeVjp {
        /// The first of these axes.
        axis: usize,
        /// ε
        eps: f64
    };
    /// Layer normalization z w + b, with z the standardization of x over the last axes; inputs x, w, b, the latter two of
    /// these axes alone.
    LayerNorm {
        /// The first of these axes.
        axis: usize,
        /// ε
        eps: f64
    };
    /// The cotangent of the x of `LayerNorm`, from that of its value: what `StandardizeVjp` gives of x and w g, inputs
    /// x, w, g.
    LayerNormVjp {
        /// The first of these axes.
        axis: usize,
        /// ε
        eps: f64
    };
    /// The cotangents of the w and b of `LayerNorm`, one after the other: Σ z g and Σ g over the other axes, inputs x, g.
    LayerNormSums {
        /// The first of these axes.
        axis: usize,
        /// ε
        eps: f64
    };
    /// Running sums along an axis.
    CumSum {
        /// Which axis.
        axis: usize,
        /// Whether the sums run from the last element backwards.
        reverse: bool
    };
    /// ln Σ eˣ of each element and those before it.
    LogCumSumExp {
        /// Which axis.
        axis: usize
    };
    /// `y[k] = a[k] · y[k - 1] + b[k]` along an axis, with nothing before the first: inputs a, b of one shape. It is
    /// linear in b: a triangular matrix made from a, which is never formed.
    Recurrence {
        /// Which axis.
        axis: usize,
        /// Whether that matrix is transposed: `y[k] = a[k + 1] · y[k + 1] + b[k]`.
        transposed: bool
    };
    /// ln Σ eˣ - `x[label]` for each row of a matrix.
    CrossEntropy {
        /// The right column of each row.
        labels: Tensor<i64>
    };
    /// The cotangent of what `CrossEntropy` judges, from one of a number per row: g (softmax(x) - 1 at the label), inputs
    /// x `[rows, classes]`, g `[rows]`.
    CrossEntropyVjp {
        /// The right column of each row.
        labels: Tensor<i64>
    };
    /// Products of matrices, the last two axes; the axes before them broadcast.
    MatMul {
        /// Whether the first operand is transposed.
        ta: bool,
        /// Whether the second operand is transposed.
        tb: bool
    };
    /// A solution, a factorization or a function of matrices, the last two axes.
    Linalg(Factor);
    /// The same elements under another shape.
    Reshape {
        /// The new shape.
        shape: Shape
    };
    /// Repeated to a shape it broadcasts to.
    Expand {
        /// The new shape.
        shape: Shape
    };
    /// Axes in another order.
    Permute {
        /// Axis `i` of the result is axis `order[i]` of the input.
        order: Shape
    };
    /// Part of each axis.
    Slice {
        /// The part, axis by axis.
        spans: SmallVec<[Span; 4]>
    };
    /// Zeros of the given shape with the input put where a slice with the same spans would read it.
    Place {
        /// The part, axis by axis.
        spans: SmallVec<[Span; 4]>,
        /// Shape of the result.
        shape: Shape
    };
    /// Inputs one after the other along an axis.
    Concat {
        /// Which axis.
        axis: usize
    };
    /// Whole slices of an axis by index: `x[index]` for axis 0.
    Take {
        /// Which axis.
        axis: usize,
        /// Its axes take the place of the indexed one.
        index: Tensor<i64>
    };
    /// The transpose of `Take`: slices added into zeros by index.
    TakeAdd {
        /// Which axis.
        axis: usize,
        /// Where each slice goes.
        index: Tensor<i64>,
        /// Size of the axis in the result.
        size: usize
    };
    /// One element per index along an axis: `out[i, j] = x[index[i, j], j]` for axis 0.
    Gather {
        /// Which axis.
        axis: usize,
        /// As many axes as the input.
        index: Tensor<i64>
    };
    /// The transpose of `Gather`: elements added into zeros by index.
    GatherAdd {
        /// Which axis.
        axis: usize,
        /// Where each element goes.
        index: Tensor<i64>,
        /// Size of the axis in the result.
        size: usize
    };
    /// Convolution of an image `[n, channels, …]` with weights `[out, channels / groups, …]`.
    Conv {
        /// Windows and groups.
        geometry: Geometry
    };
    /// The derivative of `Conv` for its image, of cotangent and weights: transposed convolution.
    ConvInput {
        /// Of the convolution.
        geometry: Geometry,
        /// The image's sizes: strides leave several possible.
        size: Shape
    };
    /// The derivative of `Conv` for its weights, of image and cotangent.
    ConvWeight {
        /// Of the convolution.
        geometry: Geometry
    };
    /// Where the first input has the first largest element of each window, the element of the second: a pooling by
    /// largest elements, for both inputs the same. The derivative is that of the second; the choice has none.
    Pick {
        /// The windows, on the last axes.
        panes: Panes
    };
    /// The transpose of `Pick` for its second input: elements added into zeros where the first has the largest.
    PickAdd {
        /// The windows, on the last axes.
        panes: Panes
    };
    /// A linear map along an axis: `y[i] = Σ m[i, j] x[j]`.
    Map {
        /// Which axis.
        axis: usize,
        /// The matrix.
        map: Arc<Sparse>
    };
    /// A user's own op: the `id`-th rule of its tape.
    Custom {
        /// Which rule.
        id: u32
    };
}

/// The integers that an op holds, shared or to be changed as the op is.
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
    /// The op's name as its method and its errors spell it.
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

    /// The integers it holds: which elements it reads or where they go.
    pub(crate) fn index(&self) -> Option<&Tensor<i64>> {
        integers!(self)
    }

    /// The same, to be exchanged.
    pub(crate) fn index_mut(&mut self) -> Option<&mut Tensor<i64>> {
        integers!(self)
    }

    /// The size of the axis that its integers point into, for an input of that shape.
    pub(crate) fn index_size(&self, input: &[usize]) -> usize {
        match self {
            Op::Take { axis, .. } | Op::Gather { axis, .. } => input[*axis],
            Op::TakeAdd { size, .. } | Op::GatherAdd { size, .. } => *size,
            Op::CrossEntropy { .. } | Op::CrossEntropyVjp { .. } => input[1],
            _ => unreachable!("it holds no integers"),
        }
    }

    /// How many inputs the op takes; `None` where that is up to the caller.
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

    /// Whether cotangents flow through the op at all.
    pub(crate) fn is_differentiable(&self) -> bool {
        match self {
            Op::Const | Op::StopGradient => false,
            Op::Binary(b) => b.is_differentiable(),
            _ => true,
        }
    }
}

impl Unary {
    /// The function's name as its method spells it.
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
    /// The function's name as its method spells it.
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
