//! The reverse-mode rules of structured ops: they map the cotangent `g` of the output to the cotangents of the inputs.
//! They are written once over [`Value`], so that the same arm computes (on tensors) and records (on variables). No rule
//! uses `Tensor` directly.

use super::{Cotangents, attention, conv, groups, layer_norm, pairwise, recurrent, rows, scan};
use crate::float::Float;
use crate::op::{Fold, Op, Unary, family};
use crate::tensor::layout::reduced_shape;
use crate::tensor::view::Span;
use crate::tensor::{AxisSet, Shape};
use crate::value::Value;
use smallvec::smallvec;
use std::sync::Arc;

/// The cotangents of the inputs `x` of `op`, whose output is `y` with cotangent `g`, for the inputs where `wants`
/// holds.
pub(crate) fn vjp<T: Float, V: Value<T>>(
    op: &Op,
    x: &[&V],
    y: &V,
    g: &V,
    wants: &dyn Fn(usize) -> bool,
) -> Cotangents<V> {
    match op {
        Op::Leaf | Op::Const | Op::StopGradient => smallvec![None],
        Op::Unary(_) | Op::Binary(_) => unreachable!("the sweep looks these up in the table"),
        Op::Select => {
            let zero = g.number(T::zero());
            let side = |i: usize, chosen: V| wants(i).then(|| chosen.sum_to(&x[i].shape()));
            smallvec![None, side(1, x[0].select(g, &zero)), side(2, x[0].select(&zero, g))]
        }
        Op::Reduce { fold, axes, keep } => {
            let kept = reduced_shape(&x[0].shape(), *axes, true);
            let wide = |v: &V| if *keep { v.clone() } else { v.reshape(&kept) }.expand(&x[0].shape());
            let n: f64 = axes.iter().map(|i| x[0].shape()[i] as f64).product();
            smallvec![Some(match fold {
                Fold::Sum => wide(g),
                Fold::Mean => wide(&g.scale(1.0 / n)),
                Fold::Norm | Fold::Prod | Fold::Max | Fold::Min | Fold::LogSumExp => {
                    weights(*fold, x[0], &wide(y), *axes).chosen(&wide(g))
                }
            })]
        }
        family!(rows) => rows::vjp(op, x, y, g, wants),
        family!(layer_norm) => layer_norm::vjp(op, x, y, g, wants),
        family!(attention) => attention::vjp(op, x, g, wants),
        family!(scan) => scan::vjp(op, x, y, g, wants),
        family!(recurrent) => recurrent::vjp(op, x, y, g, wants),
        // Y = A·B gives Ā = Ḡ·Bᵀ and B̄ = Aᵀ·Ḡ; transposed operands change only the flags, never the data.
        // Their derivatives are products of the same precision.
        Op::MatMul { ta, tb, precision } => {
            let product = |a: &V, b: &V, ta, tb| a.matmul_in(*precision, b, ta, tb);
            let a_bar = || if *ta { product(x[1], g, *tb, true) } else { product(g, x[1], false, !tb) };
            let b_bar = || if *tb { product(g, x[0], true, *ta) } else { product(x[0], g, !ta, false) };
            smallvec![wants(0).then(|| a_bar().sum_to(&x[0].shape())), wants(1).then(|| b_bar().sum_to(&x[1].shape()))]
        }
        #[cfg(feature = "linalg")]
        Op::Linalg(factor) => super::linalg::vjp(*factor, x, y, g),
        #[cfg(not(feature = "linalg"))]
        Op::Linalg(factor) => unreachable!("the shape rule rejects {factor:?} without the feature `linalg`"),
        #[cfg(feature = "fft")]
        Op::Fourier(transform) => smallvec![Some(super::fourier::vjp(*transform, x[0], g))],
        #[cfg(not(feature = "fft"))]
        Op::Fourier(t) => unreachable!("the shape rule rejects {t:?} without the feature `fft`"),
        Op::Pairwise(f) => pairwise::vjp(*f, x, y, g, wants),
        Op::Reshape { .. } => smallvec![Some(g.reshape(&x[0].shape()))],
        Op::Expand { .. } => smallvec![Some(g.sum_to(&x[0].shape()))],
        Op::Permute { order } => smallvec![Some(g.permute(&inverse(order)))],
        Op::Slice { spans } => smallvec![Some(V::apply(Op::Place { spans: spans.clone(), shape: x[0].shape() }, &[g]))],
        Op::Place { spans, .. } => smallvec![Some(V::apply(Op::Slice { spans: spans.clone() }, &[g]))],
        Op::Concat { axis } => {
            let mut start = 0;
            let parts = x.iter().enumerate().map(|(i, part)| {
                let mut spans = Span::whole(&part.shape());
                spans[*axis].start = if spans[*axis].len == 0 { 0 } else { start };
                start += spans[*axis].len;
                wants(i).then(|| V::apply(Op::Slice { spans }, &[g]))
            });
            parts.collect()
        }
        Op::Integers { .. } | Op::Cast { .. } => smallvec![None],
        Op::Take { axis, index } => {
            let (axis, index, size) = (*axis, index.clone(), x[0].shape()[*axis]);
            smallvec![Some(indexed(Op::TakeAdd { axis, index, size }, g, x))]
        }
        Op::TakeAdd { axis, index, .. } => {
            smallvec![Some(indexed(Op::Take { axis: *axis, index: index.clone() }, g, x))]
        }
        Op::Gather { axis, index } => {
            let (axis, index, size) = (*axis, index.clone(), x[0].shape()[*axis]);
            smallvec![Some(indexed(Op::GatherAdd { axis, index, size }, g, x))]
        }
        Op::GatherAdd { axis, index, .. } => {
            smallvec![Some(indexed(Op::Gather { axis: *axis, index: index.clone() }, g, x))]
        }
        Op::GatherFold { axis, index, fold } => groups::vjp((*axis, index, *fold), x, y, g, wants),
        Op::GatherOthers { .. } => groups::others_vjp(op, x, g, wants),
        family!(conv) => conv::vjp(op, x, g, wants),
        Op::MaxPool { panes } => smallvec![None, Some(V::apply(Op::MaxUnpool { panes: panes.clone() }, &[x[0], g]))],
        Op::MaxUnpool { panes } => smallvec![None, Some(V::apply(Op::MaxPool { panes: panes.clone() }, &[x[0], g]))],
        Op::Map { axis, map } => {
            smallvec![Some(V::apply(Op::Map { axis: *axis, map: Arc::new(map.transposed()) }, &[g]))]
        }
        Op::Custom { .. } => unreachable!("the sweep calls the user's rule"),
    }
}

/// Applies an op to `v`, with the integers of an op whose inputs are `x`: one number, then their node if there is one.
pub(super) fn indexed<T: Float, V: Value<T>>(op: Op, v: &V, x: &[&V]) -> V {
    match x.get(1) {
        Some(integers) => V::apply(op, &[v, integers]),
        None => V::apply(op, &[v]),
    }
}

/// The derivative of a fold with respect to each element: its row of the Jacobian.
pub(crate) enum Weights<V> {
    /// A share of `1 / ties` where the mask holds. This is a selection: the other elements are not multiplied by 0.
    Chosen { mask: V, ties: V },
    /// A weight for each element.
    Shares(V),
}

/// The weights of the nonlinear folds; `y` is the result, broadcast to the shape of `x`.
pub(crate) fn weights<T: Float, V: Value<T>>(fold: Fold, x: &V, y: &V, axes: AxisSet) -> Weights<V> {
    match fold {
        Fold::Max | Fold::Min => {
            let mask = x.eq(y);
            let ties = mask.reduce(Fold::Sum, axes, true);
            Weights::Chosen { mask, ties }
        }
        Fold::Norm => {
            let (nothing, zero) = (y.eq(&y.number(T::zero())), y.number(T::zero()));
            Weights::Shares(nothing.select(&zero, &x.div(&nothing.select(&y.number(T::one()), y))))
        }
        Fold::Prod => Weights::Shares(scan::products_of_others(x, axes)),
        // exp(x - y) is the softmax. Its limits for an infinite y are 1 where x is +inf, and 0 elsewhere.
        Fold::LogSumExp => {
            let (zero, infinity) = (y.number(T::zero()), y.number(T::INFINITY));
            let beyond = y.unary(Unary::Abs).eq(&infinity);
            Weights::Shares(beyond.select(&x.eq(&infinity), &beyond.select(&zero, &x.sub(y)).exp()))
        }
        Fold::Sum | Fold::Mean => unreachable!("the rules of linear folds do not weigh elements"),
    }
}

impl<V> Weights<V> {
    /// Each element's share of `g`.
    pub(crate) fn chosen<T: Float>(&self, g: &V) -> V
    where
        V: Value<T>,
    {
        match self {
            // The other elements get 0 / ties, which is 0, but NaN if the result is NaN, since no element equals it.
            Weights::Chosen { mask, ties } => mask.select(&g.div(ties), &ties.number(T::zero()).div(ties)),
            Weights::Shares(p) => g.mul(p),
        }
    }
}

/// The inverse of a permutation.
pub(crate) fn inverse(order: &[usize]) -> Shape {
    let mut inverse: Shape = order.into();
    order.iter().enumerate().for_each(|(i, &axis)| inverse[axis] = i);
    inverse
}
