//! The forward-mode rules of structured ops: they map the tangents of the inputs to the tangent of the output. Most of
//! these ops are linear, and a linear op is its own derivative.

use super::vjp::{indexed, weights};
use super::{attention, groups, layer_norm, pairwise, recurrent, rows, scan};
use crate::float::Float;
use crate::op::{Fold, Op, family};
use crate::tensor::layout::reduced_shape;
use crate::value::Value;

/// The tangent of the output `y` of `op`, given the tangents `t` of the inputs `x` (`None` where zero).
pub(crate) fn jvp<T: Float, V: Value<T>>(op: &Op, x: &[&V], y: &V, t: &[Option<&V>]) -> Option<V> {
    let first = t.first().copied().flatten();
    match op {
        Op::Leaf | Op::Const | Op::StopGradient => None,
        Op::Unary(_) | Op::Binary(_) => unreachable!("the sweep looks these up in the table"),
        Op::Select => {
            let zero = x[0].number(T::zero());
            (t[1].is_some() || t[2].is_some())
                .then(|| x[0].select(t[1].unwrap_or(&zero), t[2].unwrap_or(&zero)).expand(&y.shape()))
        }
        Op::Reduce { fold: fold @ (Fold::Norm | Fold::Prod | Fold::Max | Fold::Min | Fold::LogSumExp), axes, keep } => {
            first.map(|t| {
                let kept = reduced_shape(&x[0].shape(), *axes, true);
                let wide = y.reshape(&kept).expand(&x[0].shape());
                weights(*fold, x[0], &wide, *axes).chosen(t).reduce(Fold::Sum, *axes, *keep)
            })
        }
        family!(rows) => rows::jvp(op, x, y, t),
        family!(layer_norm) => layer_norm::jvp(op, x, y, t),
        family!(attention) => attention::jvp(op, x, t),
        family!(scan) => scan::jvp(op, x, y, t),
        family!(recurrent) => recurrent::jvp(op, x, t),
        // Linear in each operand.
        Op::MatMul { .. } | Op::Conv { .. } | Op::ConvTranspose { .. } | Op::ConvWeight { .. } => {
            let a = t[0].map(|t| V::apply(op.clone(), &[t, x[1]]));
            let b = t[1].map(|t| V::apply(op.clone(), &[x[0], t]));
            match (a, b) {
                (Some(a), Some(b)) => Some(a.add(&b)),
                (a, b) => a.or(b),
            }
        }
        #[cfg(feature = "linalg")]
        Op::Linalg(factor) => super::linalg::jvp(*factor, x, y, t),
        #[cfg(not(feature = "linalg"))]
        Op::Linalg(factor) => unreachable!("the shape rule rejects {factor:?} without the feature `linalg`"),
        Op::Pairwise(f) => pairwise::jvp(*f, x, y, t),
        Op::MaxPool { .. } | Op::MaxUnpool { .. } => t[1].map(|t| V::apply(op.clone(), &[x[0], t])),
        Op::Concat { .. } => first.or(t.iter().copied().flatten().next()).map(|some| {
            let zeros: Vec<V> = x.iter().map(|x| some.number(T::zero()).expand(&x.shape())).collect();
            let parts: Vec<&V> = t.iter().zip(&zeros).map(|(t, zero)| t.unwrap_or(zero)).collect();
            V::apply(op.clone(), &parts)
        }),
        Op::Reduce { .. }
        | Op::Fourier(_)
        | Op::Reshape { .. }
        | Op::Expand { .. }
        | Op::Permute { .. }
        | Op::Slice { .. }
        | Op::Place { .. }
        | Op::Map { .. } => first.map(|t| V::apply(op.clone(), &[t])),
        Op::Take { .. } | Op::TakeAdd { .. } | Op::Gather { .. } | Op::GatherAdd { .. } => {
            first.map(|t| indexed(op.clone(), t, x))
        }
        Op::GatherFold { axis, index, fold } => groups::jvp((*axis, index, *fold), x, y, t),
        Op::GatherOthers { .. } => groups::others_jvp(op, x, t),
        Op::Integers { .. } | Op::Cast { .. } => None,
        Op::Custom { .. } => unreachable!("the sweep calls the user's rule"),
    }
}
