//! Algebraic simplification. Every rewrite here preserves the bits, up to the sign of a zero and what depends on it.

use super::builder::Builder;
use super::graph::{Def, Graph, Line};
use crate::error::Result;
use crate::op::{Binary, Fold, Op, Unary};
use crate::tape::Inputs;
use crate::tensor::Shape;
use crate::tensor::layout::broadcast;
use crate::tensor::view::Span;
use smallvec::smallvec;

/// A rule for binary functions: a simpler node equivalent to the function of `inputs`, whose result has the shape of
/// the given number.
type Rule = fn(&mut Builder, Binary, &Inputs, u32, Line) -> Result<Option<u32>>;

/// The rules for binary functions, in the order in which they are tried.
const BINARY: &[Rule] = &[identities, signs, permuted];

/// A node equivalent to `op`, if there is a simpler one; otherwise `op` and `inputs` may still be simplified in place.
pub(super) fn simplify(
    b: &mut Builder,
    op: &mut Op,
    inputs: &mut Inputs,
    shape: u32,
    line: Line,
) -> Result<Option<u32>> {
    let g = &b.graph;
    Ok(match op {
        Op::StopGradient => Some(inputs[0]),
        Op::Unary(Unary::Neg) => match negated(g, inputs[0]) {
            None => opposite(b, inputs[0], line)?,
            bare => bare,
        },
        Op::Binary(f) => {
            unexpand(g, inputs, shape);
            for rule in BINARY {
                if let Some(simpler) = rule(b, *f, inputs, shape, line)? {
                    return Ok(Some(simpler));
                }
            }
            None
        }
        Op::Select => {
            unexpand(g, inputs, shape);
            None
        }
        // A mean becomes a sum and a division, so that later stages only handle sums.
        Op::Reduce { fold: Fold::Mean, axes, keep } => {
            let from = g.shape(inputs[0]);
            let n: usize = axes.iter().map(|i| from[i]).product();
            let sum = b.push(Op::Reduce { fold: Fold::Sum, axes: *axes, keep: *keep }, inputs.clone(), line)?;
            let n = b.scalar(n as f64, line);
            Some(b.push(Op::Binary(Binary::Div), smallvec![sum, n], line)?)
        }
        // Of two consecutive ones, only the second determines the result.
        Op::Reshape { .. } => {
            skip(g, inputs, |op| matches!(op, Op::Reshape { .. }));
            (g.node(inputs[0]).shape == shape).then_some(inputs[0])
        }
        Op::Expand { .. } => {
            skip(g, inputs, |op| matches!(op, Op::Expand { .. }));
            (g.node(inputs[0]).shape == shape).then_some(inputs[0])
        }
        Op::Permute { order } => {
            if let Some((first, input)) = permutation(g, inputs[0]) {
                *order = order.iter().map(|&i| first[i]).collect();
                inputs[0] = input;
            }
            order.iter().enumerate().all(|(i, &axis)| i == axis).then_some(inputs[0])
        }
        Op::Slice { spans } => {
            let whole = |(span, &size): (&Span, &usize)| span.start == 0 && span.len == size && span.step == 1;
            if spans.iter().zip(g.shape(inputs[0])).all(whole) {
                return Ok(Some(inputs[0]));
            }
            // The slice reads back exactly what was placed there.
            match g.structured(inputs[0]) {
                Some(Op::Place { spans: placed, .. }) if placed == spans => Some(g.inputs(inputs[0])[0]),
                _ => None,
            }
        }
        Op::MatMul { ta, tb, .. } => {
            absorb_transpose(g, &mut inputs[0], ta);
            absorb_transpose(g, &mut inputs[1], tb);
            None
        }
        _ => None,
    })
}

/// Replaces the first input by that input's own first input if its op satisfies `kind`.
fn skip(g: &Graph, inputs: &mut Inputs, kind: fn(&Op) -> bool) {
    if g.structured(inputs[0]).is_some_and(kind) {
        inputs[0] = g.inputs(inputs[0])[0];
    }
}

/// The order and the input of a permutation.
fn permutation(g: &Graph, id: u32) -> Option<(&Shape, u32)> {
    match g.structured(id) {
        Some(Op::Permute { order }) => Some((order, g.inputs(id)[0])),
        _ => None,
    }
}

/// Removes expansions before elementwise functions, which broadcast their operands themselves.
fn unexpand(g: &Graph, inputs: &mut Inputs, shape: u32) {
    for k in 0..inputs.len() {
        let Some(Op::Expand { .. }) = g.structured(inputs[k]) else { continue };
        let mut with = inputs.clone();
        with[k] = g.inputs(inputs[k])[0];
        let joined = with.iter().try_fold(Shape::new(), |s, &i| broadcast("", &s, g.shape(i)));
        if joined.is_ok_and(|joined| joined == *g.shapes.get(shape)) {
            *inputs = with;
        }
    }
}

/// Simplifies products and quotients with 1, and sums and differences with 0.
fn identities(b: &mut Builder, f: Binary, inputs: &Inputs, shape: u32, _: Line) -> Result<Option<u32>> {
    let g = &b.graph;
    let [x, y] = [inputs[0], inputs[1]];
    let is = |id: u32, c: f64| g.uniform(id) == Some(c);
    let same = match f {
        Binary::Mul if is(y, 1.0) => x,
        Binary::Mul if is(x, 1.0) => y,
        Binary::Div if is(y, 1.0) => x,
        Binary::Add | Binary::Sub if is(y, 0.0) => x,
        Binary::Add if is(x, 0.0) => y,
        _ => return Ok(None),
    };
    Ok((g.node(same).shape == shape).then_some(same))
}

/// The input of a negation.
fn negated(g: &Graph, id: u32) -> Option<u32> {
    matches!(g.node(id).def, Def::Unary(Unary::Neg)).then(|| g.inputs(id)[0])
}

/// The negation of a difference becomes the reversed difference; of a product with a constant, the product with the
/// negated constant.
fn opposite(b: &mut Builder, id: u32, line: Line) -> Result<Option<u32>> {
    let g = &b.graph;
    let &[x, y] = g.inputs(id) else { return Ok(None) };
    match g.node(id).def {
        Def::Binary(Binary::Sub) => b.push(Op::Binary(Binary::Sub), smallvec![y, x], line).map(Some),
        Def::Binary(Binary::Mul) => {
            let single = |c: u32| g.is_const(c) && g.is_number(c);
            let (x, c) = match (single(y), single(x)) {
                (true, _) => (x, y),
                (false, true) => (y, x),
                (false, false) => return Ok(None),
            };
            let c = b.push(Op::Unary(Unary::Neg), smallvec![c], line)?;
            b.push(Op::Binary(Binary::Mul), smallvec![x, c], line).map(Some)
        }
        _ => Ok(None),
    }
}

/// A sum absorbs the sign of an operand by becoming a difference; a product passes the sign on to its readers.
fn signs(b: &mut Builder, f: Binary, inputs: &Inputs, shape: u32, line: Line) -> Result<Option<u32>> {
    let g = &b.graph;
    let [x, y] = [inputs[0], inputs[1]];
    // A sign stays with an operand that is smaller than the result.
    let (f, x, y, odd) = match (f, negated(g, x), negated(g, y)) {
        (Binary::Add, _, Some(y)) => (Binary::Sub, x, y, false),
        (Binary::Add, Some(x), None) => (Binary::Sub, y, x, false),
        (Binary::Sub, _, Some(y)) => (Binary::Add, x, y, false),
        (Binary::Mul | Binary::Div, Some(x), Some(y)) => (f, x, y, false),
        (Binary::Mul | Binary::Div, Some(bare), None) if g.node(x).shape == shape => (f, bare, y, true),
        (Binary::Mul | Binary::Div, None, Some(bare)) if g.node(y).shape == shape => (f, x, bare, true),
        _ => return Ok(None),
    };
    let bare = b.push(Op::Binary(f), smallvec![x, y], line)?;
    if odd { b.push(Op::Unary(Unary::Neg), smallvec![bare], line).map(Some) } else { Ok(Some(bare)) }
}

/// A binary function of two arrays with the same permutation is computed before the permutation. The products that form
/// the cotangent of a transposed matrix can then be summed as they are computed.
fn permuted(b: &mut Builder, f: Binary, inputs: &Inputs, _: u32, line: Line) -> Result<Option<u32>> {
    let g = &b.graph;
    let (Some((order, x)), Some((second, y))) = (permutation(g, inputs[0]), permutation(g, inputs[1])) else {
        return Ok(None);
    };
    if order != second || !g.same_shape(x, y) {
        return Ok(None);
    }
    let order = order.clone();
    let together = b.push(Op::Binary(f), smallvec![x, y], line)?;
    b.push(Op::Permute { order }, smallvec![together], line).map(Some)
}

/// A matrix product absorbs the transposition of an operand into its flag.
fn absorb_transpose(g: &Graph, input: &mut u32, flag: &mut bool) {
    let Some((order, straight)) = permutation(g, *input) else { return };
    let n = order.len();
    if n >= 2 && order[n - 1] == n - 2 && order[n - 2] == n - 1 && (0..n - 2).all(|i| order[i] == i) {
        (*input, *flag) = (straight, !*flag);
    }
}
