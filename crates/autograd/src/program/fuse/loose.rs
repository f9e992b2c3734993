//! Values that clusters read but that are never stored, since they consist of contiguous parts of other values: slices,
//! concatenations and zero-padded values. Stencils read their neighbors this way.

use super::{Clusters, NONE};
use crate::op::Op;
use crate::program::graph::Graph;
use crate::program::hash::Map;
use crate::tensor::view::Span;

/// A contiguous part of a value that equals a contiguous part of another one, both in row-major order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::program) struct Part {
    /// The value that holds the elements, and the position of the first one.
    pub(in crate::program) input: u32,
    pub(in crate::program) from: usize,
    /// The position in the value that is read, and the number of elements.
    pub(in crate::program) start: usize,
    pub(in crate::program) len: usize,
}

/// The parts of a value, in order. Elements outside all parts are 0.
pub(in crate::program) type Parts = Vec<Part>;

/// The parts of each value that is not stored.
pub(super) type Loose = Map<u32, Parts>;

/// The maximum number of parts of a value, since each block checks all of them.
const MOST: usize = 8;

/// The parts of a node, if it consists of contiguous parts of its inputs.
fn parts(g: &Graph, id: u32) -> Option<Parts> {
    let (op, inputs) = (g.structured(id)?, g.inputs(id));
    if let Op::Place { spans, shape } = op {
        let (start, len) = stretch(spans, shape)?;
        return Some(vec![Part { input: inputs[0], from: 0, start, len }]);
    }
    if let Op::Slice { spans } = op {
        let (from, len) = stretch(spans, g.shape(inputs[0]))?;
        return Some(vec![Part { input: inputs[0], from, start: 0, len }]);
    }
    let Op::Concat { axis } = op else { return None };
    if inputs.len() > MOST || g.shape(id)[..*axis].iter().any(|&d| d != 1) {
        return None;
    }
    let mut parts = Parts::new();
    let mut start = 0;
    for &input in inputs {
        let len = g.size(input);
        parts.push(Part { input, from: 0, start, len });
        start += len;
    }
    Some(parts)
}

/// The place and number of the elements of a slice of a shape, if they are consecutive.
fn stretch(spans: &[Span], shape: &[usize]) -> Option<(usize, usize)> {
    let axis = spans.iter().zip(shape).position(|(span, &size)| span.len != size)?;
    let whole = |i: usize| spans[i].len == shape[i] && spans[i].step == 1;
    let stretch = (axis + 1..shape.len()).all(whole) && shape[..axis].iter().all(|&d| d == 1);
    let inner: usize = shape[axis + 1..].iter().product();
    let Span { start, len, step } = spans[axis];
    (stretch && (step == 1 || len == 1) && len > 0).then_some((start * inner, len * inner))
}

/// Whether a node is a zero-padded value.
pub(in crate::program) fn is_placed(g: &Graph, id: u32) -> bool {
    matches!(g.structured(id), Some(Op::Place { .. }))
}

/// Whether a node is a slice.
fn is_slice(g: &Graph, id: u32) -> bool {
    matches!(g.structured(id), Some(Op::Slice { .. }))
}

/// Whether keeping the parts of a value takes much more memory than the value.
fn keeps_more(g: &Graph, id: u32, parts: &Parts) -> bool {
    let mut kept = 0;
    for &Part { input, .. } in parts {
        kept += g.size(viewed(g, input));
    }
    parts.len() > 1 && kept > 2 * g.size(id)
}

/// The value that a view of views keeps in memory.
fn viewed(g: &Graph, mut id: u32) -> u32 {
    while g.structured(id).is_some_and(Op::is_view) {
        id = g.inputs(id)[0];
    }
    id
}

impl Clusters<'_> {
    /// Which nodes clusters read in parts: those without other readers. They are not computed, and their readers depend on
    /// the steps that compute their parts instead.
    pub(super) fn loosen(&mut self) -> Loose {
        let g = self.g;
        let mut loose = Loose::default();
        for id in g.ids() {
            if let Some(parts) = parts(g, id)
                && !keeps_more(g, id, &parts)
            {
                loose.insert(id, parts);
            }
        }
        for id in &g.outputs {
            loose.remove(id);
        }
        // Readers come before what they read.
        for id in g.ids().rev() {
            let (inner, elementwise) =
                (loose.contains_key(&id), g.is_elementwise(id) && !self.is_scalars(self.of[id as usize]));
            for &input in g.inputs(id) {
                let reads = if inner { is_slice(g, input) } else { elementwise && g.same_shape(id, input) };
                if !reads || g.is_number(input) {
                    loose.remove(&input);
                }
            }
        }
        for id in g.ids() {
            let Some(mut parts) = loose.get(&id).cloned() else { continue };
            for part in &mut parts {
                // A slice of a slice: the inner one has its final part already.
                if let Some(&[Part { input, from, .. }]) = loose.get(&part.input).map(|parts| &parts[..]) {
                    (part.input, part.from) = (input, part.from + from);
                }
            }
            self.detach(id, &parts);
            loose.insert(id, parts);
        }
        loose
    }

    /// Takes a node out of its cluster, to that of its parts if they have one.
    fn detach(&mut self, id: u32, parts: &Parts) {
        let of = self.of[parts[0].input as usize];
        let same = parts.iter().all(|part| self.of[part.input as usize] == of);
        self.list[self.of[id as usize] as usize] = None;
        self.of[id as usize] = if same { of } else { NONE };
    }
}
