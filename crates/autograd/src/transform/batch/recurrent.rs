//! Recurrent layers of samples: with weights that all samples share, the samples are further sequences; with weights of each
//! sample, there is one op per sample.

use super::super::shapes::moved;
use super::windows::{merged, split};
use super::{Batched, Inputs, vars};
use crate::error::Result;
use crate::float::Float;
use crate::op::Op;
use crate::tape::Var;
use crate::value::Value;

/// A recurrent layer, or its cotangents.
pub(super) fn batch<'t, T: Float>(op: &Op, x: Inputs<'_, 't, T>, n: usize) -> Result<Var<'t, T>> {
    let (inputs, output) = sequences(op);
    let apply = |x: &[Var<'t, T>]| Value::try_apply(op.clone(), &x.iter().collect::<Vec<_>>());
    let axis = |k: usize| inputs.get(k).copied().unwrap_or(Some(0));
    if x.iter().enumerate().any(|(k, x)| axis(k).is_none() && x.batched) {
        let sample = |x: &Batched<'t, T>, i| if x.batched { x.var.index_axis(0, i as isize) } else { x.var };
        let each = (0..n).map(|i| apply(&vars(x, |x| sample(x, i))));
        return Var::try_stack(&each.collect::<Result<Vec<_>>>()?, 0);
    }
    let mut joined = Vec::with_capacity(x.len());
    for (k, x) in x.iter().enumerate() {
        joined.push(match axis(k) {
            Some(axis) => {
                let all = x.full(n);
                merged(all.permute(&moved(all.rank(), 0, 1, axis)), axis)
            }
            None => x.var,
        });
    }
    let y = split(apply(&joined)?, output, n);
    Ok(y.permute(&moved(y.rank(), output, 1, 0)))
}

/// The axis of the sequences in each input, which a weight does not have, and in the output. In the inputs that are not listed,
/// the parts of the initial state, it is the first.
fn sequences(op: &Op) -> (&'static [Option<usize>], usize) {
    match op {
        Op::RecurrentTrace { .. } => (&[Some(1), None, None, Some(0)], 2),
        Op::Recurrent { .. } => (&[Some(2), Some(1), None, None, Some(0)], 2),
        Op::RecurrentVjp { .. } => (&[Some(2), None, Some(0), Some(2), Some(1), None], 1),
        other => unreachable!("{} is no recurrent layer", other.name()),
    }
}
