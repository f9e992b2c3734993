//! What the rest of the crate must know about an op, apart from its meaning: one exhaustive list, so that a new op
//! cannot be forgotten.

use super::{Binary, Factor, Fold, IGNORED, IntOp, Op, Unary};
use crate::tensor::Tensor;

/// The facts of an op.
pub(crate) struct Facts {
    /// The op's name, as in its method and its errors.
    pub(crate) name: &'static str,
    /// The number of inputs, without the node of integers; `None` if the op takes any number.
    pub(crate) arity: Option<usize>,
    /// Whether cotangents flow through the op.
    pub(crate) differentiable: bool,
    /// Whether the result is the input's memory, looked at in another way.
    pub(crate) view: bool,
}

impl Facts {
    const fn op(name: &'static str, arity: usize) -> Facts {
        Facts { name, arity: Some(arity), differentiable: true, view: false }
    }

    const fn any(name: &'static str) -> Facts {
        Facts { arity: None, ..Facts::op(name, 0) }
    }

    const fn view(name: &'static str) -> Facts {
        Facts { view: true, ..Facts::op(name, 1) }
    }

    const fn constant(self) -> Facts {
        Facts { differentiable: false, ..self }
    }
}

/// What the integers of an op must be: indices of an axis of this size, if it is given, or the ignored label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) size: Option<usize>,
    pub(crate) ignored: Option<i64>,
}

/// The integer tensor (indices or labels) of an op, as a shared or mutable reference like `$op`.
macro_rules! integers {
    ($op:expr) => {
        match $op {
            Op::Take { index, .. }
            | Op::TakeAdd { index, .. }
            | Op::Gather { index, .. }
            | Op::GatherAdd { index, .. }
            | Op::GatherFold { index, .. }
            | Op::GatherOthers { index, .. }
            | Op::CrossEntropy { labels: index }
            | Op::CrossEntropyVjp { labels: index }
            | Op::Cast { values: index } => Some(index),
            Op::Leaf
            | Op::Const
            | Op::StopGradient
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Select
            | Op::Reduce { .. }
            | Op::Softmax { .. }
            | Op::SoftmaxVjp { .. }
            | Op::LogSoftmax { .. }
            | Op::LogSoftmaxVjp { .. }
            | Op::Standardize { .. }
            | Op::StandardizeVjp { .. }
            | Op::LayerNorm { .. }
            | Op::LayerNormVjp { .. }
            | Op::LayerNormSums { .. }
            | Op::Attention { .. }
            | Op::AttentionVjp { .. }
            | Op::CumSum { .. }
            | Op::LogCumSumExp { .. }
            | Op::Recurrence { .. }
            | Op::RecurrentTrace { .. }
            | Op::Recurrent { .. }
            | Op::RecurrentVjp { .. }
            | Op::MatMul { .. }
            | Op::Linalg(_)
            | Op::Fourier(_)
            | Op::Pairwise(_)
            | Op::Reshape { .. }
            | Op::Expand { .. }
            | Op::Permute { .. }
            | Op::Slice { .. }
            | Op::Place { .. }
            | Op::Concat { .. }
            | Op::Conv { .. }
            | Op::ConvTranspose { .. }
            | Op::ConvWeight { .. }
            | Op::MaxPool { .. }
            | Op::MaxUnpool { .. }
            | Op::Map { .. }
            | Op::Integers { .. }
            | Op::Custom { .. } => None,
        }
    };
}

impl Op {
    /// The facts of the op.
    pub(crate) fn facts(&self) -> Facts {
        match self {
            Op::Leaf => Facts::view("leaf"),
            Op::Const => Facts::view("constant").constant(),
            Op::StopGradient => Facts::view("stop_gradient").constant(),
            Op::Unary(f) => Facts::op(f.name(), 1),
            Op::Binary(f) => Facts { differentiable: f.is_differentiable(), ..Facts::op(f.name(), 2) },
            Op::Select => Facts::op("select", 3),
            Op::Reduce { fold, .. } => Facts::op(fold.name(), 1),
            Op::Softmax { .. } => Facts::op("softmax", 1),
            Op::SoftmaxVjp { .. } => Facts::op("softmax_vjp", 2),
            Op::LogSoftmax { .. } => Facts::op("log_softmax", 1),
            Op::LogSoftmaxVjp { .. } => Facts::op("log_softmax_vjp", 2),
            Op::Standardize { .. } => Facts::op("standardize", 1),
            Op::StandardizeVjp { .. } => Facts::op("standardize_vjp", 2),
            Op::LayerNorm { .. } => Facts::op("layer_norm", 3),
            Op::LayerNormVjp { .. } => Facts::op("layer_norm_vjp", 3),
            Op::LayerNormSums { .. } => Facts::op("layer_norm_sums", 2),
            Op::Attention { .. } => Facts::any("attention"),
            Op::AttentionVjp { .. } => Facts::any("attention_vjp"),
            Op::CumSum { .. } => Facts::op("cumsum", 1),
            Op::LogCumSumExp { .. } => Facts::op("logcumsumexp", 1),
            Op::Recurrence { .. } => Facts::op("recurrence", 2),
            Op::RecurrentTrace { cell, .. } => Facts::op("recurrent_trace", 4 + cell.states()).constant(),
            Op::Recurrent { cell, .. } => Facts { view: true, ..Facts::op("recurrent", 5 + cell.states()) },
            Op::RecurrentVjp { cell, .. } => Facts::op("recurrent_vjp", 6 + cell.states()),
            Op::CrossEntropy { .. } => Facts::op("cross_entropy", 1),
            Op::CrossEntropyVjp { .. } => Facts::op("cross_entropy_vjp", 2),
            Op::Integers { from: IntOp::Given, .. } => Facts::op("integers", 0).constant(),
            Op::Integers { from, .. } => Facts::op(from.name(), 1).constant(),
            Op::Cast { .. } => Facts::op("cast", 0).constant(),
            Op::MatMul { .. } => Facts::op("matmul", 2),
            Op::Linalg(factor) => Facts { arity: factor.arity(), ..Facts::any(factor.name()) },
            Op::Fourier(transform) => Facts::op(transform.name(), 1),
            Op::Pairwise(f) => Facts::op(f.name(), f.arity()),
            Op::Reshape { .. } => Facts::view("reshape"),
            Op::Expand { .. } => Facts::view("expand"),
            Op::Permute { .. } => Facts::view("permute"),
            Op::Slice { .. } => Facts::view("slice"),
            Op::Place { .. } => Facts::op("place", 1),
            Op::Concat { .. } => Facts::any("concat"),
            Op::Take { .. } => Facts::op("take", 1),
            Op::TakeAdd { .. } => Facts::op("take_add", 1),
            Op::Gather { .. } => Facts::op("gather", 1),
            Op::GatherAdd { .. } => Facts::op("gather_add", 1),
            Op::GatherFold { .. } => Facts::op("gather_fold", 2),
            Op::GatherOthers { along, .. } => Facts::op("gather_others", 1 + along),
            Op::Conv { .. } => Facts::op("conv", 2),
            Op::ConvTranspose { .. } => Facts::op("conv_transpose", 2),
            Op::ConvWeight { .. } => Facts::op("conv_weight", 2),
            Op::MaxPool { .. } => Facts::op("max_pool", 2),
            Op::MaxUnpool { .. } => Facts::op("max_unpool", 2),
            Op::Map { .. } => Facts::op("map", 1),
            Op::Custom { .. } => Facts::any("custom"),
        }
    }

    /// The op's name, as in its method and its errors.
    ///
    /// ```
    /// let tape = autograd::Tape::<f64>::new();
    /// let op = tape.var([1.0, 2.0]).softmax(0).op();
    /// assert_eq!(op.name(), "softmax");
    /// ```
    pub fn name(&self) -> &'static str {
        self.facts().name
    }

    /// The number of inputs, without the node of integers; `None` if the op takes any number.
    pub(crate) fn arity(&self) -> Option<usize> {
        self.facts().arity
    }

    /// Whether cotangents flow through the op.
    pub(crate) fn is_differentiable(&self) -> bool {
        self.facts().differentiable
    }

    /// Whether the result is the input's memory, looked at in another way.
    pub(crate) fn is_view(&self) -> bool {
        self.facts().view
    }

    /// The integer tensor that the op holds, if it holds one: indices or labels.
    pub(crate) fn index(&self) -> Option<&Tensor<i64>> {
        integers!(self)
    }

    /// Like `index`, but mutable.
    pub(crate) fn index_mut(&mut self) -> Option<&mut Tensor<i64>> {
        integers!(self)
    }

    /// The op with zeros in place of its integers: its effect regardless of their values.
    ///
    /// ```
    /// use autograd::{op::Op, tensor};
    /// let take = |index| Op::Take { axis: 0, index };
    /// assert_eq!(take(tensor![2_i64, 1]).without_integers(), take(tensor![0_i64, 0]));
    /// ```
    pub fn without_integers(mut self) -> Op {
        let integers = match &mut self {
            Op::Integers { values, .. } => Some(values),
            op => op.index_mut(),
        };
        if let Some(integers) = integers {
            *integers = match integers.shape() {
                [] => Tensor::scalar(0),
                shape => Tensor::zeros(&[1]).broadcast_view(shape),
            };
        }
        self
    }

    /// What the op's integers must be, for inputs of the given shapes.
    pub(crate) fn index_range(&self, x: &[&[usize]]) -> Range {
        let below = |size: usize| Range { size: Some(size), ignored: None };
        match self {
            Op::Take { axis, .. } | Op::Gather { axis, .. } | Op::GatherFold { axis, .. } => below(x[0][*axis]),
            Op::TakeAdd { size, .. } | Op::GatherAdd { size, .. } | Op::GatherOthers { size, .. } => below(*size),
            Op::CrossEntropy { .. } | Op::CrossEntropyVjp { .. } => Range { ignored: Some(IGNORED), ..below(x[0][1]) },
            Op::Cast { .. } => Range { size: None, ignored: None },
            other => unreachable!("{} does not hold integers", other.name()),
        }
    }

    /// Whether the result has the values of a matrix, and its vectors.
    pub(crate) fn decomposes(&self) -> bool {
        matches!(self, Op::Linalg(Factor::Eigh | Factor::Svd))
    }

    /// The inputs that the value depends on; derivatives may depend on more.
    pub(crate) fn computed_from<'x, X>(&self, x: &'x [X]) -> &'x [X] {
        &x[..self.enough().map_or(x.len(), |n| n.min(x.len()))]
    }

    /// How many of the inputs the value depends on, if derivatives depend on more.
    pub(crate) fn enough(&self) -> Option<usize> {
        match self {
            Op::Linalg(factor) => factor.computed_from(),
            Op::Recurrent { .. } => Some(1),
            Op::RecurrentVjp { .. } => Some(4),
            _ => None,
        }
    }

    /// The inputs without the node of integers, and that node, if there is one.
    pub(crate) fn operands<'x, X>(&self, x: &'x [X]) -> (&'x [X], Option<&'x X>) {
        match self.arity() {
            Some(arity) if self.index().is_some() && x.len() > arity => (&x[..arity], x.get(arity)),
            _ => (x, None),
        }
    }
}

impl Fold {
    /// The name of the reduction, as in its method.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fold::Sum => "sum",
            Fold::Norm => "norm",
            Fold::Mean => "mean",
            Fold::Prod => "prod",
            Fold::Max => "max",
            Fold::Min => "min",
            Fold::LogSumExp => "logsumexp",
        }
    }
}

impl Unary {
    /// The function's name, as in its method.
    ///
    /// ```
    /// assert_eq!(autograd::op::Unary::Tanh.name(), "tanh");
    /// ```
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
            Unary::Sech2 => "sech2",
            Unary::Sigmoid => "sigmoid",
            Unary::Softplus => "softplus",
            Unary::Relu => "relu",
            Unary::Abs => "abs",
            Unary::Exp2 => "exp2",
            Unary::Log2 => "log2",
            Unary::Log10 => "log10",
            Unary::Cbrt => "cbrt",
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
            Unary::Mills => "mills",
            Unary::I0e => "i0e",
            Unary::I1e => "i1e",
        }
    }
}

impl Binary {
    /// The function's name, as in its method.
    ///
    /// ```
    /// assert_eq!(autograd::op::Binary::Mul.name(), "mul");
    /// ```
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
            Binary::TanhSlope => "tanh_slope",
            Binary::Versor => "versor",
            Binary::Logaddexp => "logaddexp",
            Binary::Fmod => "fmod",
            Binary::Remainder => "remainder",
            Binary::Copysign => "copysign",
            Binary::Xlogy => "xlogy",
            Binary::Xlog1py => "xlog1py",
            Binary::Fmax => "fmax",
            Binary::Fmin => "fmin",
            Binary::Polygamma => "polygamma",
            Binary::MillsTail => "mills_tail",
            Binary::Spherical => "spherical",
            Binary::Prelu => "prelu",
            Binary::Elu => "elu",
            Binary::Celu => "celu",
            Binary::Softshrink => "softshrink",
            Binary::Hardshrink => "hardshrink",
        }
    }
}
