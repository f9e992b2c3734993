//! Shape inference: maps an op and the shapes of its inputs to the shape of its output, or an error.

use super::windows::{alike, mapped, picked};
use super::{Fold, IGNORED, Op, family};
use crate::error::{Error, Result};
use crate::float::Few;
use crate::kernel::index::within;
use crate::tensor::layout::{broadcast, count, reduced_shape, room};
use crate::tensor::view::Span;
use crate::tensor::{Shape, Tensor};

/// Returns the shape of the result, or an error if the operands do not fit.
pub(crate) fn infer(op: &Op, x: &[&[usize]]) -> Result<Shape> {
    infer_from(op, x, false)
}

/// Like [`infer`], but `some` operands are enough: those that the value is computed from.
pub(crate) fn infer_from(op: &Op, x: &[&[usize]], some: bool) -> Result<Shape> {
    let name = op.name();
    let (x, node) = op.operands(x);
    if let (Some(node), Some(integers)) = (node, op.index())
        && **node != *integers.shape()
    {
        return mismatch(name, node, format!("the integers have shape {:?}", integers.shape()));
    }
    let computed = some && op.enough() == Some(x.len());
    if !computed && op.arity().is_some_and(|n| n != x.len()) {
        let hint = format!("it takes {} inputs, but {} were given", op.arity().unwrap_or_default(), x.len());
        return Err(Error::Argument { op: name, hint });
    }
    match op {
        Op::Leaf | Op::Const | Op::StopGradient => Ok(x[0].into()),
        Op::Unary(_) => checked(name, x[0].into()),
        Op::Binary(_) => checked(name, broadcast(name, x[0], x[1])?),
        Op::Select => checked(name, broadcast(name, &broadcast(name, x[0], x[1])?, x[2])?),
        Op::Reduce { fold, axes, keep } => {
            if let Some(axis) = axes.iter().find(|&i| i >= x[0].len()) {
                return Err(Error::Axis { op: name, axis: axis as isize, shape: x[0].into() });
            }
            let empty = axes.iter().any(|i| x[0][i] == 0);
            if empty && matches!(fold, Fold::Max | Fold::Min) {
                return Err(Error::Empty { op: name, shape: x[0].into() });
            }
            checked(name, reduced_shape(x[0], *axes, *keep))
        }
        Op::Softmax { axis }
        | Op::LogSoftmax { axis }
        | Op::Standardize { axis, .. }
        | Op::CumSum { axis, .. }
        | Op::LogCumSumExp { axis } => {
            size_of_axis(name, *axis, x[0])?;
            checked(name, x[0].into())
        }
        Op::Recurrence { axis, .. }
        | Op::SoftmaxVjp { axis }
        | Op::LogSoftmaxVjp { axis }
        | Op::StandardizeVjp { axis, .. } => {
            size_of_axis(name, *axis, x[0])?;
            if x[0] == x[1] {
                checked(name, x[0].into())
            } else {
                mismatch(name, x[1], format!("both inputs must have shape {:?}", x[0]))
            }
        }
        Op::LayerNorm { axis, .. } | Op::LayerNormVjp { axis, .. } | Op::LayerNormSums { axis, .. } => {
            layer_norm(op, *axis, x)
        }
        Op::Attention { .. } | Op::AttentionVjp { .. } => attention(op, x),
        Op::CrossEntropy { labels } | Op::CrossEntropyVjp { labels } => {
            let &[rows, classes] = x[0] else {
                const HINT: &str =
                    "scores must have shape [rows, classes]; nn::loss::cross_entropy also takes [rows, classes, …]";
                return mismatch(name, x[0], HINT);
            };
            if labels.shape() != [rows] {
                return mismatch(
                    name,
                    x[0],
                    format!("there must be one label per row, but the labels have shape {:?}", labels.shape()),
                );
            }
            check_labels(name, labels, classes)?;
            match x {
                [_] => Ok([rows].as_slice().into()),
                [_, [numbers]] if *numbers == rows => checked(name, x[0].into()),
                [_, other, ..] => mismatch(name, other, format!("there must be one number per row: [{rows}]")),
                [] => unreachable!("it has inputs"),
            }
        }
        Op::Integers { values, .. } | Op::Cast { values } => checked(name, values.shape().into()),
        family!(recurrent) => super::recurrent::shape(op, x),
        Op::MatMul { ta, tb, .. } => matmul(x[0], x[1], *ta, *tb),
        Op::Linalg(factor) => checked(name, factor.shape(x)?),
        Op::Fourier(transform) => transform.shape(x[0]),
        Op::Pairwise(f) => f.shape(x),
        Op::Reshape { shape } => {
            if count(name, shape)? == count(name, x[0])? {
                // If a view is not possible, the elements are copied.
                checked(name, shape.clone())
            } else {
                mismatch(name, x[0], another_count(x[0], shape))
            }
        }
        Op::Expand { shape } => {
            if broadcast(name, x[0], shape)? == *shape {
                count(name, shape)?; // a view needs no memory
                Ok(shape.clone())
            } else {
                mismatch(name, x[0], format!("it does not broadcast to {shape:?}"))
            }
        }
        Op::Permute { order } => permute(name, order, x[0]),
        Op::Slice { spans } => {
            check_spans(name, spans, x[0])?;
            Ok(spans.iter().map(|s| s.len).collect())
        }
        Op::Place { spans, shape } => {
            check_spans(name, spans, shape)?;
            let part: Shape = spans.iter().map(|s| s.len).few();
            if part.as_slice() == x[0] {
                checked(name, shape.clone())
            } else {
                mismatch(name, x[0], format!("the target slice has shape {part:?}"))
            }
        }
        Op::Concat { axis } => concat(name, *axis, x),
        Op::Take { axis, index } => {
            check_index(name, index, size_of_axis(name, *axis, x[0])?)?;
            let (before, after) = (&x[0][..*axis], &x[0][axis + 1..]);
            checked(name, before.iter().chain(index.shape()).chain(after).copied().collect())
        }
        Op::TakeAdd { axis, index, size } => {
            let tail = axis.saturating_add(index.rank());
            if x[0].len() < tail || x[0][*axis..tail] != *index.shape() {
                return mismatch(
                    name,
                    x[0],
                    format!("axes {axis}..{tail} must have the shape of the index, {:?}", index.shape()),
                );
            }
            check_index(name, index, *size)?;
            checked(name, x[0][..*axis].iter().chain([size]).chain(&x[0][tail..]).copied().collect())
        }
        Op::Gather { axis, index } => {
            check_index(name, index, size_of_axis(name, *axis, x[0])?)?;
            agrees(name, index.shape(), *axis, x[0])?;
            Ok(index.shape().into())
        }
        Op::GatherAdd { axis, index, size } => {
            if x[0] != index.shape() {
                return mismatch(name, x[0], format!("it must have the shape of the index, {:?}", index.shape()));
            }
            size_of_axis(name, *axis, x[0])?;
            check_index(name, index, *size)?;
            let mut shape: Shape = x[0].into();
            shape[*axis] = *size;
            checked(name, shape)
        }
        Op::GatherFold { axis, index, fold } => {
            alike(name, x[1], index.shape())?;
            check_index(name, index, size_of_axis(name, *axis, x[0])?)?;
            agrees(name, index.shape(), *axis, x[0])?;
            if !matches!(fold, Fold::Prod | Fold::Max | Fold::Min) {
                let hint = format!("elements are combined by Prod, Max or Min, not by {fold:?}");
                return Err(Error::Argument { op: name, hint });
            }
            Ok(x[0].into())
        }
        Op::GatherOthers { axis, index, size, .. } => {
            x.iter().try_for_each(|x| alike(name, x, index.shape()))?;
            size_of_axis(name, *axis, x[0])?;
            check_index(name, index, *size)?;
            checked(name, x[0].into())
        }
        Op::Conv { geometry } => geometry.output(name, x[0], x[1]),
        Op::ConvTranspose { geometry, size } => geometry.input(name, x[0], x[1], size),
        Op::ConvWeight { geometry } => geometry.weight(name, x[0], x[1]),
        Op::MaxPool { panes } => {
            alike(name, x[1], x[0])?;
            picked(name, panes, x[0])
        }
        Op::MaxUnpool { panes } => {
            alike(name, x[1], &picked(name, panes, x[0])?)?;
            Ok(x[0].into())
        }
        Op::Map { axis, map } => mapped(name, *axis, map, x[0]),
        Op::Custom { .. } => Err(Error::Argument { op: name, hint: "a user-defined op runs only on its tape".into() }),
    }
}

/// Says how many elements a reshape would lose or gain, and which last size would keep them all.
fn another_count(from: &[usize], to: &[usize]) -> String {
    // An empty shape may have axes whose product is beyond the type.
    let size = |shape: &[usize]| shape.iter().fold(1, |n: usize, &d| n.saturating_mul(d));
    let (n, m) = (size(from), size(to));
    let hint = format!("it has {n} elements, but {to:?} has {m}");
    match to {
        [rest @ .., _] if n > 0 && size(rest) > 0 && n.is_multiple_of(size(rest)) => {
            format!("{hint}; with {:?}, all of them fit", [rest, &[n / size(rest)]].concat())
        }
        _ => format!("{hint}; a reshape keeps all elements"),
    }
}

/// An index must have the sizes of an array on all other axes.
fn agrees(op: &'static str, index: &[usize], axis: usize, x: &[usize]) -> Result<()> {
    if index.len() == x.len() && (0..x.len()).all(|i| i == axis || index[i] == x[i]) {
        return Ok(());
    }
    mismatch(op, x, format!("the index, of shape {index:?}, must agree on all axes except {axis}"))
}

pub(super) fn mismatch<V>(op: &'static str, shape: &[usize], hint: impl Into<String>) -> Result<V> {
    Err(Error::Shape { op, shape: shape.into(), hint: hint.into() })
}

/// Returns the shape, or an error if its elements do not fit in memory.
pub(super) fn checked(op: &'static str, shape: Shape) -> Result<Shape> {
    room(op, &shape)?;
    Ok(shape)
}

fn size_of_axis(op: &'static str, axis: usize, shape: &[usize]) -> Result<usize> {
    shape.get(axis).copied().ok_or_else(|| Error::Axis { op, axis: axis as isize, shape: shape.into() })
}

/// Returns an error unless all integers are indices of an axis of the given size.
pub(crate) fn check_index(op: &'static str, index: &Tensor<i64>, size: usize) -> Result<()> {
    check_range(op, index, size, None)
}

/// Returns an error unless all labels are those of classes, or ignored.
pub(crate) fn check_labels(op: &'static str, labels: &Tensor<i64>, classes: usize) -> Result<()> {
    check_range(op, labels, classes, Some(IGNORED))
}

/// Returns an error unless all integers are indices of an axis of the given size, or `allowed`.
pub(crate) fn check_range(op: &'static str, index: &Tensor<i64>, size: usize, allowed: Option<i64>) -> Result<()> {
    if index.as_slice().is_some_and(|all| within(all, size)) {
        return Ok(());
    }
    let outside = |i: i64| !(0..size as i64).contains(&i) && Some(i) != allowed;
    match index.iter().enumerate().find(|&(_, i)| outside(i)) {
        None => Ok(()),
        Some((position, index)) => Err(Error::Index { op, index, position, size }),
    }
}

fn check_spans(op: &'static str, spans: &[Span], shape: &[usize]) -> Result<()> {
    let inside = |s: &Span, size: usize| {
        let Some(steps) = s.len.checked_sub(1) else { return true };
        let way = isize::try_from(steps).ok().and_then(|steps| steps.checked_mul(s.step));
        let last = way.and_then(|way| s.start.checked_add_signed(way));
        s.step != 0 && s.start < size && last.is_some_and(|last| last < size)
    };
    if spans.len() == shape.len() && spans.iter().zip(shape).all(|(s, &size)| inside(s, size)) {
        return Ok(());
    }
    mismatch(op, shape, format!("the spans {spans:?} are out of bounds"))
}

fn permute(op: &'static str, order: &[usize], shape: &[usize]) -> Result<Shape> {
    let mut seen: Shape = order.into();
    seen.sort_unstable();
    if !seen.iter().copied().eq(0..shape.len()) {
        return mismatch(op, shape, format!("the order {order:?} must name each axis exactly once"));
    }
    Ok(order.iter().map(|&i| shape[i]).collect())
}

fn concat(op: &'static str, axis: usize, x: &[&[usize]]) -> Result<Shape> {
    let Some(first) = x.first() else {
        return Err(Error::Argument { op, hint: "there is nothing to concatenate: pass at least one tensor".into() });
    };
    size_of_axis(op, axis, first)?;
    let mut shape: Shape = (*first).into();
    for &other in &x[1..] {
        let fits = other.len() == first.len() && (0..first.len()).all(|i| i == axis || other[i] == first[i]);
        if !fits {
            return mismatch(op, other, format!("it must agree with {first:?} on all axes except {axis}"));
        }
        shape[axis] = shape[axis].checked_add(other[axis]).ok_or(Error::TooLarge { op, shape: other.into() })?;
    }
    checked(op, shape)
}

/// The shape of a layer normalization or of its cotangents. Each input has either the full shape or that of the
/// normalized axes.
fn layer_norm(op: &Op, axis: usize, x: &[&[usize]]) -> Result<Shape> {
    let name = op.name();
    size_of_axis(name, axis, x[0])?;
    let (whole, normalized) = (x[0], &x[0][axis..]);
    let expected: &[&[usize]] = match op {
        Op::LayerNorm { .. } => &[whole, normalized, normalized],
        Op::LayerNormVjp { .. } => &[whole, normalized, whole],
        _ => &[whole, whole],
    };
    match x.iter().zip(expected).find(|(x, expected)| x != expected) {
        Some((x, expected)) => mismatch(name, x, format!("expected {expected:?} for an input of shape {whole:?}")),
        None if matches!(op, Op::LayerNormSums { .. }) => {
            checked(name, std::iter::once(2).chain(normalized.iter().copied()).collect())
        }
        None => checked(name, whole.into()),
    }
}

/// The shape of attention or of its cotangents.
fn attention(op: &Op, x: &[&[usize]]) -> Result<Shape> {
    let name = op.name();
    let (x, g) = match (op, x) {
        (Op::AttentionVjp { .. }, [x @ .., g]) => (x, Some(g)),
        _ => (x, None),
    };
    let (q, k, v, mask) = match x {
        [q, k, v] => (q, k, v, None),
        [q, k, v, mask] => (q, k, v, Some(mask)),
        _ => {
            let hint = format!("it takes queries, keys, values and perhaps a mask, but {} inputs were given", x.len());
            return Err(Error::Argument { op: name, hint });
        }
    };
    let &[ref batch @ .., queries, width] = *q else {
        return mismatch(name, q, "queries must be […, positions, width]");
    };
    let fits = |x: &[usize], last: Option<usize>| {
        x.len() == q.len() && x.starts_with(batch) && last.is_none_or(|last| x[q.len() - 1] == last)
    };
    if !fits(k, Some(width)) {
        return mismatch(name, k, format!("keys must be […, positions, {width}], with the leading axes of {q:?}"));
    }
    let keys = k[q.len() - 2];
    if !fits(v, None) || v[q.len() - 2] != keys {
        return mismatch(name, v, format!("values must be […, {keys}, width], with the leading axes of {q:?}"));
    }
    let values = v[q.len() - 1];
    let with = |last: [usize; 2]| -> Shape { batch.iter().copied().chain(last).collect() };
    if let Some(mask) = mask {
        let scores = with([queries, keys]);
        if broadcast(name, mask, &scores)? != scores {
            return mismatch(name, mask, format!("a mask must broadcast to the scores, {scores:?}"));
        }
    }
    let y = with([queries, values]);
    let Some(g) = g else { return checked(name, y) };
    if **g != *y {
        return mismatch(name, g, format!("the cotangent must have shape {y:?}"));
    }
    let parts = [count(name, &q[batch.len()..])?, count(name, &k[batch.len()..])?, count(name, &v[batch.len()..])?];
    let all = parts.iter().try_fold(0usize, |sum, &part| sum.checked_add(part));
    let all = all.ok_or(Error::TooLarge { op: name, shape: (*q).into() })?;
    checked(name, batch.iter().copied().chain([all]).collect())
}

fn matmul(a: &[usize], b: &[usize], ta: bool, tb: bool) -> Result<Shape> {
    let error = |hint| Error::MatMul { a: a.into(), b: b.into(), hint };
    let (&[.., ra, ca], &[.., rb, cb]) = (a, b) else {
        return Err(error("both operands need at least two axes"));
    };
    let (m, k) = if ta { (ca, ra) } else { (ra, ca) };
    let (l, n) = if tb { (cb, rb) } else { (rb, cb) };
    if k != l {
        return Err(error(match (ta, tb) {
            (false, false) if ca == cb => {
                "the columns of the first operand must equal the rows of the second; matmul_t multiplies by the second \
                 transposed, and would fit"
            }
            (false, false) if ra == rb => {
                "the columns of the first operand must equal the rows of the second; the first transposed (`t()`) would fit"
            }
            (false, true) => "both operands must have as many columns: the second is multiplied transposed",
            (true, false) => "both operands must have as many rows: the first is multiplied transposed",
            _ => "the columns of the first operand must equal the rows of the second",
        }));
    }
    let batch = broadcast("matmul", &a[..a.len() - 2], &b[..b.len() - 2]);
    let mut shape = batch.map_err(|_| error("the leading axes must broadcast"))?;
    shape.extend([m, n]);
    checked("matmul", shape)
}

/// Python's slicing rules for one axis: negative indices count from the end, and out-of-range indices are clipped.
pub(crate) fn python_span(size: usize, start: Option<isize>, stop: Option<isize>, step: isize) -> Option<Span> {
    if step == 0 {
        return None;
    }
    let n = size as isize;
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let clip = |i: isize| (if i < 0 { i.saturating_add(n) } else { i }).clamp(low, high);
    let start = start.map_or(if step > 0 { low } else { high }, clip);
    let stop = stop.map_or(if step > 0 { high } else { low }, clip);
    let distance = if step > 0 { stop - start } else { start - stop };
    let len = if distance <= 0 { 0 } else { (distance as usize - 1) / step.unsigned_abs() + 1 };
    Some(Span { start: if len == 0 { 0 } else { start as usize }, len, step })
}
