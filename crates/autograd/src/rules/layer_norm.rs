//! Layer normalization `y = z w + b`, where `z` is the input standardized over the last axes. Its
//! cotangents are computed by two dedicated ops, one pass over memory each, which are also differentiable.

use super::Cotangents;
use super::rows::{Slope, add};
use crate::float::Float;
use crate::op::Op;
use crate::tensor::Shape;
use crate::tensor::view::{Span, Spans};
use crate::value::Value;
use smallvec::smallvec;

/// The cotangents of the inputs.
pub(crate) fn vjp<T: Float, V: Value<T>>(
    op: &Op,
    x: &[&V],
    y: &V,
    g: &V,
    wants: &dyn Fn(usize) -> bool,
) -> Cotangents<V> {
    match *op {
        // x̄ = S(x)(w ḡ), w̄ = Σ z ḡ, b̄ = Σ ḡ
        Op::LayerNorm { axis, eps } => {
            let x_bar = wants(0).then(|| V::apply(Op::LayerNormVjp { axis, eps }, &[x[0], x[1], g]));
            let sums = (wants(1) || wants(2)).then(|| V::apply(Op::LayerNormSums { axis, eps }, &[x[0], g]));
            let part = |i: usize| sums.as_ref().filter(|_| wants(i)).map(|sums| part(sums, i - 1));
            smallvec![x_bar, part(1), part(2)]
        }
        // S(x)(w t): linear in w and in t, with a symmetric matrix S(x).
        Op::LayerNormVjp { axis, eps } => {
            let ([x, w, t], slope) = ([x[0], x[1], x[2]], Slope { axis, eps });
            let s_g = (wants(1) || wants(2)).then(|| slope.of(x, g));
            let of = |i: usize, factor: &V| s_g.as_ref().filter(|_| wants(i)).map(|s_g| s_g.mul(factor));
            smallvec![
                wants(0).then(|| slope.bend(x, &t.mul(w), y, g)),
                of(1, t).map(|w_bar| w_bar.sum_to(&w.shape())),
                of(2, w)
            ]
        }
        // For the cotangent (u, v) of (Σ z t, Σ t): t̄ = z u + v, a layer normalization with weight u and bias v.
        Op::LayerNormSums { axis, eps } => {
            let u = part(g, 0);
            smallvec![
                wants(0).then(|| V::apply(Op::LayerNormVjp { axis, eps }, &[x[0], &u, x[1]])),
                wants(1).then(|| V::apply(Op::LayerNorm { axis, eps }, &[x[0], &u, &part(g, 1)]))
            ]
        }
        _ => unreachable!("not a layer normalization"),
    }
}

/// The tangent of the output.
pub(crate) fn jvp<T: Float, V: Value<T>>(op: &Op, x: &[&V], y: &V, t: &[Option<&V>]) -> Option<V> {
    match *op {
        Op::LayerNorm { axis, eps } => {
            let none = x[0].number(T::zero()).expand(&x[1].shape());
            let of_x = t[0].map(|t| Slope { axis, eps }.of(x[0], t).mul(x[1]));
            let [w, b] = [t[1], t[2]].map(|t| t.unwrap_or(&none));
            let of_w_b = || V::apply(Op::LayerNorm { axis, eps }, &[x[0], w, b]);
            add(of_x, (t[1].is_some() || t[2].is_some()).then(of_w_b))
        }
        Op::LayerNormVjp { axis, eps } => {
            let of_x = t[0].map(|t| Slope { axis, eps }.bend(x[0], &x[2].mul(x[1]), y, t));
            let of_w = t[1].map(|t| V::apply(op.clone(), &[x[0], t, x[2]]));
            let of_g = t[2].map(|t| V::apply(op.clone(), &[x[0], x[1], t]));
            add(add(of_x, of_w), of_g)
        }
        Op::LayerNormSums { axis, eps } => {
            let of_x = t[0].map(|t| {
                let moved = x[1].mul(&Slope { axis, eps }.of(x[0], t)).sum_to(&y.shape()[1..]);
                let (spans, shape, mut single) = (spans(&y.shape(), 0), y.shape(), y.shape());
                single[0] = 1;
                V::apply(Op::Place { spans, shape }, &[&moved.reshape(&single)])
            });
            add(of_x, t[1].map(|t| V::apply(op.clone(), &[x[0], t])))
        }
        _ => unreachable!("not a layer normalization"),
    }
}

/// The spans of one of two tensors stacked along axis 0.
fn spans(both: &[usize], which: usize) -> Spans {
    let span = |(i, &len): (usize, &usize)| match i {
        0 => Span { start: which, len: 1, step: 1 },
        _ => Span { start: 0, len, step: 1 },
    };
    both.iter().enumerate().map(span).collect()
}

/// One of two tensors stacked along axis 0.
fn part<T: Float, V: Value<T>>(both: &V, which: usize) -> V {
    let shape: Shape = both.shape();
    V::apply(Op::Slice { spans: spans(&shape, which) }, &[both]).reshape(&shape[1..])
}
