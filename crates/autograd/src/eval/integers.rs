//! The integers of an [`IntOp`]: positions found from numbers, and integers from integers.

use super::{around, flat};
use crate::error::{Error, Result};
use crate::float::{Few, Float, once};
use crate::kernel::index::{self, within};
use crate::kernel::order::{Sought, first_place, inserted, positions};
use crate::kernel::scan;
use crate::op::shape::{check_index, check_range};
use crate::op::{Fold, Insert, IntOp, Op, Order};
use crate::tensor::layout::{Odometer, reduced_shape, room, row_major};
use crate::tensor::{AxisSet, Shape, Tensor};

once! {
    /// The integers of an op that reads numbers.
    pub(crate) fn from_numbers<T>(op: &IntOp, x: &Tensor<T>) -> Result<Tensor<i64>> {
        match op {
            IntOp::Whole => Ok(x.map(whole)),
            IntOp::Place { fold, axes } => place(*fold, x, *axes),
            IntOp::Sort { axis, k, order } => {
                let descending = *order == Order::Descending;
                Ok(rows(x, *axis, *k, Sought::First, descending))
            }
            IntOp::Ranked { axis, ranks } => Ok(rows(x, *axis, ranks.len(), Sought::Ranked(ranks), false)),
            IntOp::Median { axis } => one(op.name(), x, *axis, Sought::Median),
            IntOp::Mode { axis } => one(op.name(), x, *axis, Sought::Mode),
            IntOp::Running { fold: Fold::Min, axis } => Ok(running(x, *axis, |a, b| a < b)),
            IntOp::Running { axis, .. } => Ok(running(x, *axis, |a, b| a > b)),
            IntOp::Search { sorted, insert } => Ok(search(x, *sorted, *insert)),
            IntOp::Given
            | IntOp::View(_)
            | IntOp::FromEnd { .. }
            | IntOp::Within { .. }
            | IntOp::Labels { .. }
            | IntOp::LastWritten { .. }
            | IntOp::Joined { .. }
            | IntOp::Each { .. } => unreachable!("{} does not read numbers", op.name()),
        }
    }
}

/// The integers of an op that reads integers.
pub(crate) fn from_integers(op: &IntOp, x: &Tensor<i64>) -> Result<Tensor<i64>> {
    match op {
        IntOp::View(op) => Ok(match &**op {
            Op::Reshape { shape } => x.as_shape(shape),
            Op::Expand { shape } => x.broadcast_view(shape),
            Op::Permute { order } => x.permuted(order),
            Op::Slice { spans } => x.spans(spans),
            other => unreachable!("{} is no view", other.name()),
        }),
        IntOp::FromEnd { size } => Ok(from_end(x, *size)),
        IntOp::Within { op, size } => check_index(op, x, *size).map(|()| x.clone()),
        IntOp::Labels { op, classes, ignored, by } => {
            if x.as_slice().is_some_and(|all| within(all, *classes)) && !(0..*classes as i64).contains(ignored) {
                return Ok(x.clone());
            }
            check_range(op, x, *classes, Some(*ignored))?;
            Ok(x.map(|label| if label == *ignored { *by } else { label }))
        }
        IntOp::LastWritten { axis, x: to, src } => last_written(*axis, x, to, src),
        IntOp::Joined { size } => {
            let row: usize = x.shape()[1..].iter().product();
            let joined = |(k, i): (usize, i64)| (k / row.max(1) * size) as i64 + i;
            Ok(Tensor::new(x.shape(), x.iter().enumerate().map(joined).collect()))
        }
        IntOp::Each { n, from } => each(*n, from, x),
        IntOp::Given
        | IntOp::Whole
        | IntOp::Place { .. }
        | IntOp::Sort { .. }
        | IntOp::Ranked { .. }
        | IntOp::Median { .. }
        | IntOp::Mode { .. }
        | IntOp::Running { .. }
        | IntOp::Search { .. } => unreachable!("{} does not read integers", op.name()),
    }
}

/// The integers that an op picks from `x`, in row-major order.
pub(crate) fn part(op: &Op, x: &Tensor<i64>) -> Vec<i64> {
    match op {
        Op::Slice { spans } => x.spans(spans).to_vec(),
        Op::Take { axis, index } => {
            let dims @ [outer, _, inner] = around(x.shape(), *axis);
            let mut out = vec![0; outer * index.len() * inner];
            index::take(flat(&x.contiguous()), dims, flat(&index.contiguous()), &mut out);
            out
        }
        Op::Gather { axis, index } => {
            let [_, size, inner] = around(x.shape(), *axis);
            let mut out = vec![0; index.len()];
            let dims = [size, index.shape()[*axis], inner];
            index::gather(flat(&x.contiguous()), dims, flat(&index.contiguous()), &mut out);
            out
        }
        other => unreachable!("{} does not pick a part", other.name()),
    }
}

/// The results for each of `n` rows, stacked.
fn each(n: usize, from: &IntOp, x: &Tensor<i64>) -> Result<Tensor<i64>> {
    let rows = (0..n).map(|i| from_integers(from, &x.slice_axis(0, i..i + 1).as_shape(&x.shape()[1..])));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let shape: Shape = std::iter::once(n).chain(rows.first().map_or(&[][..], |row| row.shape()).iter().copied()).few();
    Ok(Tensor::new(&shape, rows.iter().flat_map(Tensor::to_vec).collect()))
}

/// An integral number as an `i64`. Any other number, and a number so large that the type cannot distinguish it from the
/// next integer, gives `i64::MIN`, which is not a valid index.
fn whole<T: Float>(x: T) -> i64 {
    let (x, most) = (x.f64(), 2.0 / T::EPSILON.f64());
    if x.fract() == 0.0 && x.abs() < most { x as i64 } else { i64::MIN }
}

/// The index with negative values counted from the end of an axis of the given size. Values that are out of range are
/// kept, so that the error shows them as they were given.
fn from_end(index: &Tensor<i64>, size: usize) -> Tensor<i64> {
    if index.as_slice().is_some_and(|all| within(all, size)) {
        return index.clone();
    }
    let size = size as i64;
    index.map(|i| if (-size..0).contains(&i) { i + size } else { i })
}

/// For each position of `x`, the index of its element after scattering (the last one written), counted through `x`
/// followed by `src`.
fn last_written(axis: usize, index: &Tensor<i64>, x: &[usize], src: &[usize]) -> Result<Tensor<i64>> {
    check_index("scatter", index, x[axis])?;
    let n = room("scatter", x)?;
    let (mut places, sources) = (row_major(x), row_major(src));
    let along = std::mem::take(&mut places[axis]);
    Ok(Tensor::build(&[n], |out| {
        out.iter_mut().enumerate().for_each(|(i, place)| *place = i as i64);
        let mut walk = Odometer::new(index.shape(), [&places, &sources], [0, n as isize]);
        for i in index.iter() {
            let [place, source] = walk.offsets();
            out[(place + along * i as isize) as usize] = source as i64;
            walk.advance();
        }
    }))
}

/// The places of the last elements of each row among its first `sorted` ones.
fn search<T: Float>(x: &Tensor<T>, sorted: usize, insert: Insert) -> Tensor<i64> {
    let mut shape: Shape = x.shape().into();
    let width = shape.last_mut().expect("it has rows");
    let row = std::mem::replace(width, *width - sorted);
    Tensor::build(&shape, |out| {
        if !out.is_empty() {
            inserted(flat(&x.contiguous()), [row, sorted], insert == Insert::After, out);
        }
    })
}

/// The index of the first largest or smallest element, counted through the axes in row-major order; the axes are kept
/// with size 1.
fn place<T: Float>(fold: Fold, x: &Tensor<T>, axes: AxisSet) -> Result<Tensor<i64>> {
    let shape = reduced_shape(x.shape(), axes, true);
    if axes.iter().any(|i| x.shape()[i] == 0) {
        let op = IntOp::Place { fold, axes }.name();
        return Err(Error::Empty { op, shape: x.shape().into() });
    }
    let best = super::eval(&Op::Reduce { fold, axes, keep: true }, &[x], &shape);
    let start = axes.iter().next().unwrap_or(x.rank());
    let end = start + axes.iter().count();
    // Axes that are not adjacent are moved last and merged into one.
    let (x, dims) = if axes.iter().eq(start..end) {
        (x.contiguous(), [&x.shape()[..start], &x.shape()[start..end], &x.shape()[end..]].map(|s| s.iter().product()))
    } else {
        let order: Shape = (0..x.rank()).filter(|&i| !axes.contains(i)).chain(axes.iter()).few();
        let n: usize = axes.iter().map(|i| x.shape()[i]).product();
        (x.permuted(&order).contiguous(), [x.len() / n.max(1), n, 1])
    };
    Ok(Tensor::build(&shape, |out| {
        if !out.is_empty() {
            first_place(flat(&x), dims, flat(&best.contiguous()), out);
        }
    }))
}

/// One index per row along an axis.
fn one<T: Float>(op: &'static str, x: &Tensor<T>, axis: usize, sought: Sought<'_>) -> Result<Tensor<i64>> {
    if x.shape()[axis] == 0 {
        return Err(Error::Empty { op, shape: x.shape().into() });
    }
    Ok(rows(x, axis, 1, sought, false))
}

/// The index of the best element up to each position (the last of equal ones); a NaN is best.
fn running<T: Float>(x: &Tensor<T>, axis: usize, better: fn(T, T) -> bool) -> Tensor<i64> {
    let source = x.contiguous();
    let beats = |best: T, x: T| !x.is_nan() && (best.is_nan() || better(best, x));
    Tensor::build(x.shape(), |out| {
        if !out.is_empty() {
            scan::running_best(flat(&source), around(x.shape(), axis), beats, out);
        }
    })
}

/// Finds positions along any axis, `k` for each row.
fn rows<T: Float>(x: &Tensor<T>, axis: usize, k: usize, sought: Sought<'_>, descending: bool) -> Tensor<i64> {
    // Swap the axis with the last one and back: swapping twice is the identity.
    let mut order: Shape = (0..x.rank()).few();
    order.swap(axis, x.rank() - 1);
    let rows = x.permuted(&order).contiguous();
    let n = x.shape()[axis];
    let mut shape: Shape = rows.shape().into();
    shape[x.rank() - 1] = k;
    Tensor::build(&shape, |out| {
        if !out.is_empty() {
            positions(sought, flat(&rows), [n, k], descending, out);
        }
    })
    .permuted(&order)
}
