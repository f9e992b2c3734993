//! Cotangents of parts: of slices and of elements picked by index. Each would be written among zeros and added to the
//! others, so n parts of one value would record n arrays of its size. Beyond the first few, the parts of a value wait until
//! all have come, and are added by one op.

use crate::eval::integers::part;
use crate::float::Float;
use crate::op::Op;
use crate::tape::Var;
use crate::tensor::Tensor;
use crate::value::Value;
use std::collections::HashMap;

/// Number of parts of a value whose cotangents are added one by one. Programs join as many adjacent ones.
const FEW: usize = 64;

/// What picks a part, and the cotangent of the part.
type Part<'t, T> = (Op, Var<'t, T>);

/// The number of parts so far and those that wait, by the value that they are parts of.
pub(super) struct Parts<'t, T: Float>(HashMap<u32, (usize, Vec<Part<'t, T>>)>);

impl<T: Float> Default for Parts<'_, T> {
    fn default() -> Self {
        Parts(HashMap::new())
    }
}

impl<'t, T: Float> Parts<'t, T> {
    /// Keeps the cotangent `g` of a part of value `id`, unless there are only few.
    pub(super) fn keep(&mut self, id: u32, op: &Op, g: Var<'t, T>) -> bool {
        let (count, waiting) = self.0.entry(id).or_default();
        *count += 1;
        let many = *count > FEW;
        if many {
            waiting.push((op.clone(), g));
        }
        many
    }

    /// The cotangents kept for value `id`.
    pub(super) fn take(&mut self, id: u32) -> Option<Vec<Part<'t, T>>> {
        if self.0.is_empty() {
            return None;
        }
        self.0.remove(&id).map(|(_, waiting)| waiting).filter(|waiting| !waiting.is_empty())
    }
}

/// The sum of parts of an array of the given shape, each written among zeros.
pub(super) fn sum<'t, T: Float>(shape: &[usize], parts: &[Part<'t, T>]) -> Var<'t, T> {
    let size = shape.iter().product();
    let places = Tensor::<i64>::from((0..size as i64).collect::<Vec<_>>()).as_shape(shape);
    let index: Vec<i64> = parts.iter().flat_map(|(op, _)| part(op, &places)).collect();
    let flat: Vec<Var<T>> = parts.iter().map(|(_, g)| Value::reshape(g, &[g.shape().iter().product()])).collect();
    let all = Var::apply(Op::Concat { axis: 0 }, &flat.iter().collect::<Vec<_>>());
    Value::reshape(&Var::apply(Op::TakeAdd { axis: 0, index: index.into(), size }, &[&all]), shape)
}
