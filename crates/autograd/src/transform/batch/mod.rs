//! The batching rules: what each op becomes when some of its inputs have an axis of samples in front. One op on all samples
//! replaces one op per sample. The match is exhaustive, so a new op fails to compile until it has a rule.

mod indexed;
mod recurrent;
mod windows;

use super::read::{self, Meaning, Step, record};
use super::rule::{Mapped, applied};
use super::shapes::{self, ahead, joined};
use crate::error::Result;
use crate::float::{Float, Precision};
use crate::op::{Factor, Fold, Op, family};
use crate::tape::{DynRule, Var};
use crate::tensor::view::{Span, Spans};
use crate::tensor::{AxisSet, Shape, Tensor};
use crate::value::Value;
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// A value of each sample: the samples along its first axis, or one value that all samples share.
#[derive(Clone, Copy)]
pub(super) struct Batched<'t, T: Float> {
    pub(super) var: Var<'t, T>,
    /// Whether its first axis is that of the samples.
    pub(super) batched: bool,
}

impl<'t, T: Float> Batched<'t, T> {
    /// The shape of one sample.
    pub(super) fn sample(&self) -> Shape {
        self.var.shape()[usize::from(self.batched)..].into()
    }

    /// The rank of one sample.
    fn rank(&self) -> usize {
        self.var.rank() - usize::from(self.batched)
    }

    /// The value with an axis of `n` samples.
    pub(super) fn full(&self, n: usize) -> Var<'t, T> {
        if self.batched { self.var } else { self.var.expand(&ahead(n, &self.var.shape())) }
    }

    /// The value with axes of size 1 behind that of the samples, so that it broadcasts against samples of this rank.
    fn lined_up(&self, rank: usize) -> Var<'t, T> {
        if !self.batched || self.rank() >= rank {
            return self.var;
        }
        self.var.reshape(&lined_up(&self.var.shape(), rank))
    }
}

/// A shape whose first axis is that of the samples, with axes of size 1 behind it so that the samples have this rank.
fn lined_up(shape: &[usize], rank: usize) -> Shape {
    let ones: Shape = smallvec![1; (rank + 1).saturating_sub(shape.len())];
    joined(&[&shape[..1], &ones, &shape[1..]])
}

/// The axes of samples as axes of the batch.
fn moved(axes: AxisSet) -> AxisSet {
    axes.iter().fold(AxisSet::default(), |set, i| set.with(i + 1))
}

fn spans_ahead(n: usize, spans: &[Span]) -> Spans {
    let mut all = SmallVec::from(spans);
    all.insert(0, Span { start: 0, len: n, step: 1 });
    all
}

/// The inputs of an op whose samples have an axis in front.
type Inputs<'x, 't, T> = &'x [Batched<'t, T>];

/// The meaning of a recording for `n` samples.
pub(super) struct Samples {
    pub(super) n: usize,
}

impl<'t, T: Float> Meaning<'t, T> for Samples {
    type Value = Batched<'t, T>;

    fn apply(&self, step: &Step<'_, T>, x: &[Batched<'t, T>], shape: &[usize]) -> Result<Batched<'t, T>> {
        let batched = x.iter().any(|x| x.batched);
        let var = match (&step.rule, batched) {
            (_, true) if self.n == 0 => x[0].var.tape.constant(Tensor::zeros(&ahead(0, shape))),
            (_, false) => read::apply(step, &vars(x, |x| x.var))?,
            (Some(rule), true) => by_rule(rule, step, x, self.n)?,
            (None, true) => batch(step.op, x, self.n)?,
        };
        Ok(Batched { var, batched })
    }

    fn shared(&self, var: Var<'t, T>) -> Batched<'t, T> {
        Batched { var, batched: false }
    }
}

/// A variable for each input.
fn vars<'t, T: Float>(x: Inputs<'_, 't, T>, var: impl Fn(&Batched<'t, T>) -> Var<'t, T>) -> Vec<Var<'t, T>> {
    let mut all = Vec::with_capacity(x.len());
    x.iter().for_each(|x| all.push(var(x)));
    all
}

/// Applies `op` to `n` samples, at least one of whose inputs is batched. The result is batched.
fn batch<'t, T: Float>(op: &Op, x: Inputs<'_, 't, T>, n: usize) -> Result<Var<'t, T>> {
    let apply = |op: Op, x: &[Var<'t, T>]| record(op, x);
    // The same op with its axes moved by one, on inputs that all have the axis of the samples.
    let behind = |op: Op| apply(op, &vars(x, |x| x.full(n)));
    match op {
        Op::Leaf | Op::Const | Op::StopGradient | Op::Unary(_) => apply(op.clone(), &[x[0].var]),
        Op::Binary(_) | Op::Select => {
            let rank = x.iter().map(Batched::rank).max().unwrap_or_default();
            apply(op.clone(), &vars(x, |x| x.lined_up(rank)))
        }
        Op::Reduce { fold, axes, keep } => behind(Op::Reduce { fold: *fold, axes: moved(*axes), keep: *keep }),
        Op::Softmax { axis } => behind(Op::Softmax { axis: axis + 1 }),
        Op::SoftmaxVjp { axis } => behind(Op::SoftmaxVjp { axis: axis + 1 }),
        Op::LogSoftmax { axis } => behind(Op::LogSoftmax { axis: axis + 1 }),
        Op::LogSoftmaxVjp { axis } => behind(Op::LogSoftmaxVjp { axis: axis + 1 }),
        Op::Standardize { axis, eps } => behind(Op::Standardize { axis: axis + 1, eps: *eps }),
        Op::StandardizeVjp { axis, eps } => behind(Op::StandardizeVjp { axis: axis + 1, eps: *eps }),
        family!(layer_norm) => layer_norm(op, x, n),
        // A mask broadcasts to the scores; all else has their leading axes.
        family!(attention) => {
            let (rank, takes) = (x[0].rank(), 3 + usize::from(matches!(op, Op::AttentionVjp { .. })));
            let mask = if x.len() > takes { 3 } else { x.len() };
            let at = |i: usize| if i == mask { x[i].lined_up(rank) } else { x[i].full(n) };
            apply(op.clone(), &(0..x.len()).map(at).collect::<Vec<_>>())
        }
        Op::CumSum { axis, reverse } => behind(Op::CumSum { axis: axis + 1, reverse: *reverse }),
        Op::LogCumSumExp { axis } => behind(Op::LogCumSumExp { axis: axis + 1 }),
        Op::Recurrence { axis, transposed } => behind(Op::Recurrence { axis: axis + 1, transposed: *transposed }),
        family!(recurrent) => recurrent::batch(op, x, n),
        Op::MatMul { ta, tb, precision } => matmul([*ta, *tb], *precision, &x[0], &x[1]),
        Op::Linalg(factor @ (Factor::Solve { .. } | Factor::TriangularSolve { .. }))
            if !x[0].batched && x[0].rank() == 2 =>
        {
            solve(*factor, &x[0], &x[1], n)
        }
        Op::Linalg(_) | Op::Fourier(_) | Op::Pairwise(_) => behind(op.clone()),
        Op::Reshape { shape } => behind(Op::Reshape { shape: ahead(n, shape) }),
        Op::Expand { shape } => apply(Op::Expand { shape: ahead(n, shape) }, &[x[0].lined_up(shape.len())]),
        Op::Permute { order } => behind(Op::Permute { order: shapes::behind(order) }),
        Op::Slice { spans } => behind(Op::Slice { spans: spans_ahead(n, spans) }),
        Op::Place { spans, shape } => behind(Op::Place { spans: spans_ahead(n, spans), shape: ahead(n, shape) }),
        Op::Concat { axis } => behind(Op::Concat { axis: axis + 1 }),
        Op::Map { axis, map } => behind(Op::Map { axis: axis + 1, map: map.clone() }),
        Op::MaxPool { .. } | Op::MaxUnpool { .. } => behind(op.clone()),
        family!(conv) => windows::conv(op, x, n),
        Op::Take { .. }
        | Op::TakeAdd { .. }
        | Op::Gather { .. }
        | Op::GatherAdd { .. }
        | Op::GatherFold { .. }
        | Op::GatherOthers { .. }
        | Op::Cast { .. } => indexed::batch(op, x, n),
        Op::CrossEntropy { .. } | Op::CrossEntropyVjp { .. } => indexed::cross_entropy(op, x, n),
        Op::Integers { from, .. } => indexed::integers(from, &x[0], n),
        Op::Custom { .. } => unreachable!("a user's rule has no batching rule"),
    }
}

/// A user's op: by its own batching rule, or by reading its recording for all samples, or else sample by sample.
fn by_rule<'t, T: Float>(
    rule: &Arc<dyn DynRule<T>>,
    step: &Step<'_, T>,
    x: Inputs<'_, 't, T>,
    n: usize,
) -> Result<Var<'t, T>> {
    let (all, batched) = (vars(x, |x| x.var), x.iter().map(|x| x.batched).collect::<Vec<_>>());
    match rule.map(&all, &batched, n) {
        Some(y) => y,
        None if rule.records() => applied(Mapped { rule: rule.clone(), batched }, &all),
        None => one_by_one(step, x, n),
    }
}

/// A user's op without a recording.
fn one_by_one<'t, T: Float>(step: &Step<'_, T>, x: Inputs<'_, 't, T>, n: usize) -> Result<Var<'t, T>> {
    let sample = |x: &Batched<'t, T>, i| if x.batched { x.var.index_axis(0, i as isize) } else { x.var };
    let each = (0..n).map(|i| read::apply(step, &vars(x, |x| sample(x, i))));
    Var::try_stack(&each.collect::<Result<Vec<Var<T>>>>()?, 0)
}

/// A matrix product. With a matrix that all samples share, it is one product for all samples where the rows of the samples
/// can be joined.
fn matmul<'t, T: Float>(
    [ta, tb]: [bool; 2],
    precision: Precision,
    a: &Batched<'t, T>,
    b: &Batched<'t, T>,
) -> Result<Var<'t, T>> {
    let (p, q) = (a.var.shape(), b.var.shape());
    let product = |a: &Var<'t, T>, b: &Var<'t, T>, ta, tb| Value::try_apply(Op::MatMul { ta, tb, precision }, &[a, b]);
    let matrix = |x: &Batched<'t, T>| !x.batched && x.rank() == 2;
    if matrix(b) && !ta {
        let rows = a.var.reshape(&[p[..p.len() - 1].iter().product(), p[p.len() - 1]]);
        let y = product(&rows, &b.var, false, tb)?;
        let columns = y.shape()[1];
        return Ok(y.reshape(&joined(&[&p[..p.len() - 1], &[columns]])));
    }
    if matrix(a) && !tb && q[q.len() - 1] == 1 {
        // a·b is (bᵀ·aᵀ)ᵀ, and transposing a column moves nothing.
        let columns = b.var.reshape(&[q[..q.len() - 2].iter().product(), q[q.len() - 2]]);
        let y = product(&columns, &a.var, false, !ta)?;
        let rows = y.shape()[1];
        return Ok(y.reshape(&joined(&[&q[..q.len() - 2], &[rows, 1]])));
    }
    let rank = a.rank().max(b.rank());
    product(&a.lined_up(rank), &b.lined_up(rank), ta, tb)
}

/// A solve with one matrix for all samples: the right-hand sides of all samples are columns of one.
fn solve<'t, T: Float>(factor: Factor, a: &Batched<'t, T>, b: &Batched<'t, T>, n: usize) -> Result<Var<'t, T>> {
    let b = b.full(n);
    let (rows, columns) = (b.shape()[1], b.shape()[2]);
    let joined = b.permute(&[1, 0, 2]).reshape(&[rows, n * columns]);
    let x = Var::try_apply(Op::Linalg(factor), &[&a.var, &joined])?;
    Ok(x.reshape(&[rows, n, columns]).permute(&[1, 0, 2]))
}

/// Layer normalization and its cotangents. Weights of each sample are applied one by one.
fn layer_norm<'t, T: Float>(op: &Op, x: Inputs<'_, 't, T>, n: usize) -> Result<Var<'t, T>> {
    let (Op::LayerNorm { axis, eps } | Op::LayerNormVjp { axis, eps } | Op::LayerNormSums { axis, eps }) = op else {
        unreachable!("{} is no layer normalization", op.name())
    };
    let (rank, axis, eps) = (x[0].rank(), axis + 1, *eps);
    let whole = x[0].full(n);
    let standard = || Value::try_apply(Op::Standardize { axis, eps }, &[&whole]);
    match op {
        Op::LayerNorm { .. } if !x[1].batched && !x[2].batched => {
            Value::try_apply(Op::LayerNorm { axis, eps }, &[&whole, &x[1].var, &x[2].var])
        }
        Op::LayerNorm { .. } => standard()?.try_mul(x[1].lined_up(rank))?.try_add(x[2].lined_up(rank)),
        Op::LayerNormVjp { .. } if !x[1].batched => {
            Value::try_apply(Op::LayerNormVjp { axis, eps }, &[&whole, &x[1].var, &x[2].full(n)])
        }
        Op::LayerNormVjp { .. } => {
            let g = x[2].full(n).try_mul(x[1].lined_up(rank))?;
            Value::try_apply(Op::StandardizeVjp { axis, eps }, &[&whole, &g])
        }
        _ => {
            let g = x[1].full(n);
            let axes = (1..axis).fold(AxisSet::default(), AxisSet::with);
            let sums = |x: Var<'t, T>| {
                let sum = x.reduce(Fold::Sum, axes, false);
                sum.reshape(&joined(&[&[n, 1], &sum.shape()[1..]]))
            };
            Value::try_apply(Op::Concat { axis: 1 }, &[&sums(standard()?.try_mul(g)?), &sums(g)])
        }
    }
}
