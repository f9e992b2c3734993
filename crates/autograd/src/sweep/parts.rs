//! Cotangents of parts: of slices and of elements picked by index. Padding each with zeros and adding it to the others
//! would record n arrays of the full size for n parts. The parts of a value therefore wait until all have arrived.
//! Adjacent slices are then concatenated, and many other parts are added by one op.
//!
//! The sums have the order of a sweep over tensors, which adds each part in place when it arrives.

use crate::eval::integers::part;
use crate::float::Float;
use crate::op::Op;
use crate::tape::Var;
use crate::tensor::view::Span;
use crate::tensor::{Shape, Tensor};
use crate::value::Value;
use std::collections::{BTreeMap, HashMap};

/// Number of parts of a value that are added one by one if they overlap.
const FEW: usize = 64;

/// The op that picks a part, and the cotangent of the part.
type Part<'t, T> = (Op, Var<'t, T>);

/// The parts that wait, by the value that they are parts of.
pub(super) struct Parts<'t, T: Float>(HashMap<u32, Waiting<'t, T>>);

/// Parts of one value.
pub(super) struct Waiting<'t, T: Float> {
    parts: Vec<Part<'t, T>>,
    /// The axis and, by start, the ranges of slices that do not overlap: where each ends, and which part it is.
    apart: Option<(usize, Ranges)>,
    /// Number of parts that have arrived, including those that no longer wait.
    count: usize,
}

type Ranges = BTreeMap<usize, (usize, usize)>;

impl<T: Float> Default for Parts<'_, T> {
    fn default() -> Self {
        Parts(HashMap::new())
    }
}

impl<'t, T: Float> Parts<'t, T> {
    /// Whether the part of value `id` that `op` picks can wait: slices do, and other parts if there are many.
    pub(super) fn waits(&self, id: u32, op: &Op) -> bool {
        matches!(op, Op::Slice { .. }) || self.0.get(&id).is_some_and(|waiting| waiting.count >= FEW)
    }

    /// Whether the parts of value `id` must be added to the others of its cotangent before the next one comes, so that
    /// elements that both have are summed in order. With many parts, that would take too long.
    pub(super) fn settles(&self, id: u32, op: &Op, shape: &[usize]) -> bool {
        let fits = |waiting: &Waiting<T>| waiting.parts.is_empty() || waiting.joined(op, shape).is_some();
        self.0.get(&id).is_some_and(|waiting| waiting.count < FEW && !fits(waiting))
    }

    /// Counts a part that does not wait.
    pub(super) fn count(&mut self, id: u32) {
        self.0.entry(id).or_insert_with(Waiting::new).count += 1;
    }

    /// Keeps the cotangent `g` of the part of value `id` that `op` picks.
    pub(super) fn keep(&mut self, id: u32, op: &Op, g: Var<'t, T>, shape: &[usize]) {
        let waiting = self.0.entry(id).or_insert_with(Waiting::new);
        let joined = waiting.joined(op, shape);
        waiting.apart = match (joined, waiting.apart.take()) {
            (Some((axis, span)), Some((_, mut ranges))) => {
                ranges.insert(span.start, (span.start + span.len, waiting.parts.len()));
                Some((axis, ranges))
            }
            _ => None,
        };
        waiting.parts.push((op.clone(), g));
        waiting.count += 1;
    }

    /// The parts that wait for value `id`, which no longer do.
    pub(super) fn take(&mut self, id: u32) -> Option<Waiting<'t, T>> {
        let waiting = self.0.get_mut(&id).filter(|waiting| !waiting.parts.is_empty())?;
        let count = waiting.count;
        Some(std::mem::replace(waiting, Waiting { count, ..Waiting::new() }))
    }
}

impl<'t, T: Float> Waiting<'t, T> {
    fn new() -> Self {
        Waiting { parts: Vec::new(), apart: Some((0, Ranges::new())), count: 0 }
    }

    /// The axis and span of a slice that does not overlap any waiting part; `None` if it overlaps one or is of another
    /// kind.
    fn joined(&self, op: &Op, shape: &[usize]) -> Option<(usize, Span)> {
        let Op::Slice { spans } = op else { return None };
        let (axis, ranges) = self.apart.as_ref()?;
        let partial = |i: &usize| spans[*i] != Span { start: 0, len: shape[*i], step: 1 };
        let mut others = (0..shape.len()).filter(partial);
        let (along, None) = (others.next()?, others.next()) else { return None };
        let span = spans[along];
        let free = ranges.range(..span.start + span.len).next_back().is_none_or(|(_, &(end, _))| end <= span.start);
        let fits = span.len > 0 && (span.step == 1 || span.len == 1) && free && (ranges.is_empty() || along == *axis);
        fits.then_some((along, span))
    }

    /// The sum of the parts of a value of the given shape, each padded with zeros.
    pub(super) fn sum(self, shape: &[usize]) -> Var<'t, T> {
        match (&self.parts[..], self.apart) {
            ([(Op::Slice { spans }, g)], _) => {
                Var::apply(Op::Place { spans: spans.clone(), shape: shape.into() }, &[g])
            }
            (parts, Some((axis, ranges))) => side_by_side(shape, axis, &ranges, parts),
            (parts, None) => added_up(shape, parts),
        }
    }
}

/// Slices along an axis, concatenated with zeros between them.
fn side_by_side<'t, T: Float>(shape: &[usize], axis: usize, ranges: &Ranges, parts: &[Part<'t, T>]) -> Var<'t, T> {
    let (mut pieces, mut at) = (Vec::with_capacity(parts.len() + 1), 0);
    let gap = |from: usize, to: usize| {
        let mut zeros = Shape::from(shape);
        zeros[axis] = to - from;
        (to > from).then(|| Value::constant(&parts[0].1, Tensor::zeros(&zeros)))
    };
    for (&start, &(end, k)) in ranges {
        pieces.extend(gap(at, start));
        pieces.push(parts[k].1);
        at = end;
    }
    pieces.extend(gap(at, shape[axis]));
    Var::apply(Op::Concat { axis }, &pieces.iter().collect::<Vec<_>>())
}

/// The sum of parts that may overlap.
fn added_up<'t, T: Float>(shape: &[usize], parts: &[Part<'t, T>]) -> Var<'t, T> {
    let size = shape.iter().product();
    let places = Tensor::<i64>::from((0..size as i64).collect::<Vec<_>>()).as_shape(shape);
    let index: Vec<i64> = parts.iter().flat_map(|(op, _)| part(op, &places)).collect();
    let flat: Vec<Var<T>> = parts.iter().map(|(_, g)| Value::reshape(g, &[g.shape().iter().product()])).collect();
    let all = Var::apply(Op::Concat { axis: 0 }, &flat.iter().collect::<Vec<_>>());
    Value::reshape(&Var::apply(Op::TakeAdd { axis: 0, index: index.into(), size }, &[&all]), shape)
}
