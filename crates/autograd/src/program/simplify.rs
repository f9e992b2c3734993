//! Algebraic simplification. Every rewrite here preserves the bits, up to the sign of a zero and what depends on it.

use super::graph::{Act, Graph, Node};
use crate::float::Float;
use crate::op::{Binary, Fold, Op, Unary};
use crate::tape::Inputs;
use crate::tensor::layout::broadcast;
use crate::tensor::view::Span;
use crate::tensor::{Shape, Tensor};
use smallvec::{SmallVec, smallvec};
use std::panic::Location;

/// A node equivalent to `op`, if there is a simpler one; otherwise `op` and `inputs` may still be simplified in place.
pub(super) fn simplify<T: Float>(
    g: &mut Graph<T>,
    op: &mut Op,
    inputs: &mut Inputs,
    shape: &Shape,
    line: &'static Location<'static>,
) -> Option<u32> {
    match op {
        Op::StopGradient => Some(inputs[0]),
        Op::Unary(Unary::Neg) => negated(g, inputs[0]).or_else(|| opposite(g, inputs[0], line)),
        Op::Binary(b) => {
            let b = *b;
            unexpand(g, inputs, shape);
            binary(g, b, inputs, shape)
                .or_else(|| signs(g, b, inputs, shape, line))
                .or_else(|| pieces(g, b, inputs, line))
                .or_else(|| permuted(g, b, inputs, line))
        }
        Op::Select => {
            unexpand(g, inputs, shape);
            None
        }
        // A mean becomes a sum and a division, so that later stages only handle sums.
        Op::Reduce { fold: Fold::Mean, axes, keep } => {
            let from = g.shape(inputs[0]);
            let n: usize = axes.iter().map(|i| from[i]).product();
            let sum = Op::Reduce { fold: Fold::Sum, axes: *axes, keep: *keep };
            let sum = g.push(sum, inputs.clone(), line).ok()?;
            let n = g.constant(Tensor::scalar(T::of(n as f64)), line);
            (!shape.contains(&0)).then(|| g.push(Op::Binary(Binary::Div), smallvec![sum, n], line).ok())?
        }
        Op::Reshape { .. } | Op::Expand { .. } => {
            // Of two consecutive ones, only the second determines the result.
            let same = std::mem::discriminant(op);
            if let Some(first) = before(g, inputs[0], |before| std::mem::discriminant(before) == same) {
                inputs[0] = first;
            }
            (g.shape(inputs[0]) == shape).then_some(inputs[0])
        }
        Op::Permute { order } => {
            if let Act::Op(first) = &g.nodes[inputs[0] as usize].act
                && let Op::Permute { order: first } = &**first
            {
                *order = order.iter().map(|&i| first[i]).collect();
                inputs[0] = g.nodes[inputs[0] as usize].inputs[0];
            }
            order.iter().enumerate().all(|(i, &axis)| i == axis).then_some(inputs[0])
        }
        Op::Slice { spans } => {
            let whole = |(span, &size): (&Span, &usize)| span.start == 0 && span.len == size && span.step == 1;
            if spans.iter().zip(g.shape(inputs[0])).all(whole) {
                return Some(inputs[0]);
            }
            // The slice reads back exactly what was placed there.
            before(g, inputs[0], |op| matches!(op, Op::Place { spans: placed, .. } if placed == spans))
        }
        Op::MatMul { ta, tb } => {
            absorb_transpose(g, &mut inputs[0], ta);
            absorb_transpose(g, &mut inputs[1], tb);
            None
        }
        _ => None,
    }
}

/// The input of a node whose op satisfies `kind`.
fn before<T: Float>(g: &Graph<T>, id: u32, kind: impl Fn(&Op) -> bool) -> Option<u32> {
    let node = &g.nodes[id as usize];
    let found = match &node.act {
        Act::Op(op) => kind(op),
        Act::Unary(u) => kind(&Op::Unary(*u)),
        _ => false,
    };
    found.then(|| node.inputs[0])
}

/// Removes expansions before elementwise functions, which broadcast their operands themselves.
fn unexpand<T: Float>(g: &Graph<T>, inputs: &mut Inputs, shape: &Shape) {
    for k in 0..inputs.len() {
        let Some(narrow) = before(g, inputs[k], |op| matches!(op, Op::Expand { .. })) else { continue };
        let mut with = inputs.clone();
        with[k] = narrow;
        let joined = with.iter().try_fold(Shape::new(), |s, &i| broadcast("", &s, g.shape(i)));
        if joined.is_ok_and(|joined| joined == *shape) {
            *inputs = with;
        }
    }
}

/// Simplifies products and quotients with 1, and sums and differences with 0.
fn binary<T: Float>(g: &Graph<T>, b: Binary, inputs: &Inputs, shape: &Shape) -> Option<u32> {
    let [x, y] = [inputs[0], inputs[1]];
    let is = |id: u32, c: f64| g.uniform(id) == Some(T::of(c));
    let same = match b {
        Binary::Mul if is(y, 1.0) => x,
        Binary::Mul if is(x, 1.0) => y,
        Binary::Div if is(y, 1.0) => x,
        Binary::Add | Binary::Sub if is(y, 0.0) => x,
        Binary::Add if is(x, 0.0) => y,
        _ => return None,
    };
    (g.shape(same) == shape).then_some(same)
}

/// The input of a negation.
fn negated<T: Float>(g: &Graph<T>, id: u32) -> Option<u32> {
    before(g, id, |op| matches!(op, Op::Unary(Unary::Neg)))
}

/// The negation of a difference becomes the reversed difference; of a product with a constant, the product with the
/// negated constant.
fn opposite<T: Float>(g: &mut Graph<T>, id: u32, line: &'static Location<'static>) -> Option<u32> {
    let Node { act, inputs, .. } = &g.nodes[id as usize];
    let (act, [a, b]) = (act.clone(), inputs[..].try_into().ok()?);
    match act {
        Act::Binary(Binary::Sub) => g.push(Op::Binary(Binary::Sub), smallvec![b, a], line).ok(),
        Act::Binary(Binary::Mul) => {
            let single = |c: u32| g.is_const(c) && g.shape(c).iter().all(|&d| d == 1);
            let (x, c) = [(a, b), (b, a)].into_iter().find(|&(_, c)| single(c))?;
            let c = g.push(Op::Unary(Unary::Neg), smallvec![c], line).ok()?;
            g.push(Op::Binary(Binary::Mul), smallvec![x, c], line).ok()
        }
        _ => None,
    }
}

/// A sum absorbs the sign of an operand by becoming a difference; a product passes the sign on to its readers.
fn signs<T: Float>(
    g: &mut Graph<T>,
    b: Binary,
    inputs: &Inputs,
    shape: &Shape,
    line: &'static Location<'static>,
) -> Option<u32> {
    let [x, y] = [inputs[0], inputs[1]];
    let odd = matches!(b, Binary::Mul | Binary::Div) && (negated(g, x).is_some() != negated(g, y).is_some());
    // A sign stays with an operand that is smaller than the result.
    let (b, x, y) = match (b, negated(g, x), negated(g, y)) {
        (Binary::Add, _, Some(y)) => (Binary::Sub, x, y),
        (Binary::Add, Some(x), None) => (Binary::Sub, y, x),
        (Binary::Sub, _, Some(y)) => (Binary::Add, x, y),
        (Binary::Mul | Binary::Div, Some(x), Some(y)) => (b, x, y),
        (Binary::Mul | Binary::Div, Some(bare), None) if g.shape(x) == shape => (b, bare, y),
        (Binary::Mul | Binary::Div, None, Some(bare)) if g.shape(y) == shape => (b, x, bare),
        _ => return None,
    };
    let bare = g.push(Op::Binary(b), smallvec![x, y], line).ok()?;
    if odd { g.push(Op::Unary(Unary::Neg), smallvec![bare], line).ok() } else { Some(bare) }
}

/// The sum of adjacent pieces, each padded with zeros, becomes their concatenation. The cotangents of slices add up
/// this way.
fn pieces<T: Float>(g: &mut Graph<T>, b: Binary, inputs: &Inputs, line: &'static Location<'static>) -> Option<u32> {
    const MOST: usize = 64;
    if b != Binary::Add {
        return None;
    }
    let mut parts: SmallVec<[(Span, u32); 8]> = SmallVec::new();
    let (mut ahead, mut along): (SmallVec<[u32; 8]>, Option<(usize, usize)>) = (inputs.iter().copied().collect(), None);
    while let Some(id) = ahead.pop() {
        let node = &g.nodes[id as usize];
        match &node.act {
            Act::Binary(Binary::Add) if parts.len() + ahead.len() < MOST => ahead.extend(node.inputs.iter().copied()),
            Act::Op(op) => {
                let Op::Place { spans, shape } = &**op else { return None };
                let partial = |i: &usize| spans[*i].len != shape[*i];
                let axis = (0..shape.len()).find(partial)?;
                let other = (axis + 1..shape.len()).any(|i| partial(&i));
                if other || spans[axis].step != 1 || *along.get_or_insert((axis, shape[axis])) != (axis, shape[axis]) {
                    return None;
                }
                parts.push((spans[axis], node.inputs[0]));
            }
            _ => return None,
        }
    }
    parts.sort_by_key(|(span, _)| span.start);
    let (axis, size) = along?;
    let end = parts.iter().try_fold(0, |at, (span, _)| (span.start == at).then_some(at + span.len));
    if end != Some(size) {
        return None;
    }
    g.push(Op::Concat { axis }, parts.iter().map(|&(_, id)| id).collect(), line).ok()
}

/// A binary function of two arrays permuted alike is computed before the permutation. The products that form the
/// cotangent of a transposed matrix can then be summed as they are computed.
fn permuted<T: Float>(g: &mut Graph<T>, b: Binary, inputs: &Inputs, line: &'static Location<'static>) -> Option<u32> {
    let order = |id: u32| match &g.nodes[id as usize].act {
        Act::Op(op) => match &**op {
            Op::Permute { order } => Some((order, g.nodes[id as usize].inputs[0])),
            _ => None,
        },
        _ => None,
    };
    let ((first, x), (second, y)) = (order(inputs[0])?, order(inputs[1])?);
    if first != second || g.shape(x) != g.shape(y) {
        return None;
    }
    let order = first.clone();
    let together = g.push(Op::Binary(b), smallvec![x, y], line).ok()?;
    g.push(Op::Permute { order }, smallvec![together], line).ok()
}

/// A matrix product absorbs the transposition of an operand into its flag.
fn absorb_transpose<T: Float>(g: &Graph<T>, input: &mut u32, flag: &mut bool) {
    let swaps = |op: &Op| match op {
        Op::Permute { order } => {
            let n = order.len();
            n >= 2 && order[n - 1] == n - 2 && order[n - 2] == n - 1 && (0..n - 2).all(|i| order[i] == i)
        }
        _ => false,
    };
    if let Some(straight) = before(g, *input, swaps) {
        (*input, *flag) = (straight, !*flag);
    }
}
