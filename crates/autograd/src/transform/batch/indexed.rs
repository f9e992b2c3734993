//! Ops that read integers. Integers that all samples share are used unchanged; per-sample integers have the axis of
//! samples in front.

use super::super::read::record;
use super::super::shapes::{self, ahead, joined};
use super::{Batched, Inputs, lined_up, moved, spans_ahead};
use crate::error::Result;
use crate::eval::integers::from_numbers;
use crate::float::Float;
use crate::op::{IntOp, Op};
use crate::tape::{Ints, Var};
use crate::tensor::Tensor;
use crate::value::{Index, Value};

/// The integers of an op: their values, and whether each sample has its own.
fn index<'t, T: Float>(op: &Op, x: Inputs<'_, 't, T>) -> (Index<Var<'t, T>>, bool) {
    match op.operands(x).1 {
        Some(node) => (Ints { var: node.var }.into(), node.batched),
        None => (op.index().expect("the op reads integers").clone().into(), false),
    }
}

/// The integers with an axis of the samples.
fn full<'t, T: Float>((index, own): (Index<Var<'t, T>>, bool), n: usize) -> Result<Index<Var<'t, T>>> {
    if own {
        return Ok(index);
    }
    let shape = ahead(n, index.values.shape());
    index.derive(IntOp::View(Box::new(Op::Expand { shape })))
}

fn reshaped<'t, T: Float>(index: Index<Var<'t, T>>, shape: &[usize]) -> Result<Index<Var<'t, T>>> {
    index.derive(IntOp::View(Box::new(Op::Reshape { shape: shape.into() })))
}

/// `take`, `gather`, their transposes, and integers as numbers.
pub(super) fn batch<'t, T: Float>(op: &Op, x: Inputs<'_, 't, T>, n: usize) -> Result<Var<'t, T>> {
    let (index, own) = index(op, x);
    match *op {
        Op::Take { axis, .. } if !own => index.apply(&x[0].var, |index| Op::Take { axis: axis + 1, index }),
        Op::Take { axis, .. } if !x[0].batched => {
            let y = index.apply(&x[0].var, |index| Op::Take { axis, index })?;
            Ok(to_front(y, axis, 0))
        }
        Op::Take { axis, .. } => {
            let (shape, picked) = (x[0].sample(), index.values.rank() - 1);
            let index = into_all(op.name(), index, shape[axis])?;
            let front = to_front(x[0].var, axis + 1, 1);
            let y = index.apply(&merged(front), |index| Op::Take { axis: 0, index })?;
            Ok(block_to(y, 1, picked, axis + 1))
        }
        Op::TakeAdd { axis, size, .. } if !own => {
            index.apply(&x[0].var, |index| Op::TakeAdd { axis: axis + 1, index, size })
        }
        Op::TakeAdd { axis, size, .. } => {
            let picked = index.values.rank() - 1;
            let index = into_all(op.name(), index, size)?;
            let front = block_to(x[0].full(n), axis + 1, picked, 1);
            let y = index.apply(&front, |index| Op::TakeAdd { axis: 0, index, size: n * size })?;
            let split = joined(&[&[n, size], &y.shape()[1..]]);
            Ok(block_to(y.reshape(&split), 1, 1, axis + 1))
        }
        Op::Gather { axis, .. } => {
            full((index, own), n)?.apply(&x[0].full(n), |index| Op::Gather { axis: axis + 1, index })
        }
        Op::GatherAdd { axis, size, .. } => {
            full((index, own), n)?.apply(&x[0].full(n), |index| Op::GatherAdd { axis: axis + 1, index, size })
        }
        Op::GatherFold { axis, fold, .. } => {
            let Index { values, node } = full((index, own), n)?;
            let inputs = [Some(x[0].full(n)), Some(x[1].full(n)), node];
            let inputs: Vec<Var<'t, T>> = inputs.into_iter().flatten().collect();
            record(Op::GatherFold { axis: axis + 1, index: values, fold }, &inputs)
        }
        Op::GatherOthers { axis, size, along, .. } => {
            let Index { values: index, node } = full((index, own), n)?;
            let inputs: Vec<Var<'t, T>> = x[..=along].iter().map(|x| x.full(n)).chain(node).collect();
            record(Op::GatherOthers { axis: axis + 1, index, size, along }, &inputs)
        }
        Op::Cast { .. } => Ok(Ints { var: x[0].var }.numbers()),
        ref other => unreachable!("{} does not pick elements", other.name()),
    }
}

/// Indices into an axis of each sample, as indices into that axis of all samples, one after another.
fn into_all<'t, T: Float>(op: &'static str, index: Index<Var<'t, T>>, size: usize) -> Result<Index<Var<'t, T>>> {
    index.derive(IntOp::Within { op, size })?.derive(IntOp::Joined { size })
}

/// The first two axes as one.
fn merged<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    let shape = x.shape();
    x.reshape(&ahead(shape[0] * shape[1], &shape[2..]))
}

/// Moves one axis to another place.
fn to_front<T: Float>(x: Var<'_, T>, from: usize, to: usize) -> Var<'_, T> {
    block_to(x, from, 1, to)
}

/// Moves `len` adjacent axes to another place, where the first of them ends up.
fn block_to<T: Float>(x: Var<'_, T>, from: usize, len: usize, to: usize) -> Var<'_, T> {
    let order = shapes::moved(x.rank(), from, len, to);
    if from == to { x } else { x.permute(&order) }
}

/// The cross-entropy of all rows of all samples.
pub(super) fn cross_entropy<'t, T: Float>(op: &Op, x: Inputs<'_, 't, T>, n: usize) -> Result<Var<'t, T>> {
    let shape = x[0].sample();
    let (rows, classes) = (shape[0], shape[1]);
    let labels = reshaped(full(index(op, x), n)?, &[n * rows])?;
    let scores = x[0].full(n).reshape(&[n * rows, classes]);
    let with_node = |mut inputs: Vec<Var<'t, T>>, op: Op| {
        inputs.extend(labels.node);
        record(op, &inputs)
    };
    let values = labels.values.clone();
    if let Op::CrossEntropy { .. } = op {
        let y: Var<T> = with_node(vec![scores], Op::CrossEntropy { labels: values })?;
        return Ok(y.reshape(&[n, rows]));
    }
    let g = x[1].full(n).reshape(&[n * rows]);
    let y: Var<T> = with_node(vec![scores, g], Op::CrossEntropyVjp { labels: values })?;
    Ok(y.reshape(&[n, rows, classes]))
}

/// Integers computed from integers or numbers of each sample.
pub(super) fn integers<'t, T: Float>(from: &IntOp, x: &Batched<'t, T>, n: usize) -> Result<Var<'t, T>> {
    let from = match from {
        IntOp::Given => unreachable!("it has no input"),
        IntOp::Whole | IntOp::Search { .. } | IntOp::FromEnd { .. } | IntOp::Within { .. } | IntOp::Labels { .. } => {
            from.clone()
        }
        IntOp::Place { fold, axes } => IntOp::Place { fold: *fold, axes: moved(*axes) },
        IntOp::Sort { axis, k, order } => IntOp::Sort { axis: axis + 1, k: *k, order: *order },
        IntOp::Ranked { axis, ranks } => IntOp::Ranked { axis: axis + 1, ranks: ranks.clone() },
        IntOp::Median { axis } => IntOp::Median { axis: axis + 1 },
        IntOp::Mode { axis } => IntOp::Mode { axis: axis + 1 },
        IntOp::Running { fold, axis } => IntOp::Running { fold: *fold, axis: axis + 1 },
        IntOp::View(op) => return Ok(view(op, Ints { var: x.var }, n)?.var),
        IntOp::LastWritten { .. } | IntOp::Joined { .. } | IntOp::Each { .. } => {
            IntOp::Each { n, from: Box::new(from.clone()) }
        }
    };
    if from.reads_integers() {
        return Ok(Ints { var: x.var }.derive(from)?.var);
    }
    let values: Tensor<i64> = from_numbers(&from, &x.var.peek())?;
    Value::try_apply(Op::Integers { from, values }, &[&x.var])
}

/// A view of the integers of each sample.
fn view<'t, T: Float>(op: &Op, x: Ints<'t, T>, n: usize) -> Result<Ints<'t, T>> {
    let view = |x: Ints<'t, T>, op| x.derive(IntOp::View(Box::new(op)));
    match op {
        Op::Reshape { shape } => view(x, Op::Reshape { shape: ahead(n, shape) }),
        Op::Permute { order } => view(x, Op::Permute { order: shapes::behind(order) }),
        Op::Slice { spans } => view(x, Op::Slice { spans: spans_ahead(n, spans) }),
        Op::Expand { shape } => {
            let lined_up = lined_up(&x.shape(), shape.len());
            view(view(x, Op::Reshape { shape: lined_up })?, Op::Expand { shape: ahead(n, shape) })
        }
        other => unreachable!("{} is no view", other.name()),
    }
}
