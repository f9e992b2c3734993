//! Forward mode as an algebra: values that carry their tangents along.

use super::{elementwise, jvp, rows};
use crate::error::Result;
use crate::float::{Few, Float};
use crate::op::{Op, Side};
use crate::tensor::{Shape, Tensor};
use crate::value::Value;
use smallvec::SmallVec;

/// A value with its tangent, which is `None` where it is zero. Results of operations on these values carry their
/// tangents.
#[derive(Clone)]
pub(super) struct Dual<V> {
    x: V,
    pub(super) t: Option<V>,
}

impl<V: Clone> Dual<V> {
    pub(super) fn new(x: &V, t: Option<&V>) -> Self {
        Dual { x: x.clone(), t: t.cloned() }
    }
}

impl<T: Float, V: Value<T>> Value<T> for Dual<V> {
    fn try_apply(op: Op, x: &[&Self]) -> Result<Self> {
        let t: SmallVec<[Option<&V>; 4]> = x.iter().map(|x| x.t.as_ref()).few();
        let x: SmallVec<[&V; 16]> = x.iter().map(|x| &x.x).few();
        let y = V::try_apply(op.clone(), &x)?;
        let t = match op {
            _ if t.iter().all(Option::is_none) => None,
            Op::Unary(f) => t[0].map(|t| elementwise::unary(f, x[0], &y, t)),
            Op::Binary(f) if !f.is_differentiable() => None,
            Op::Binary(f) => {
                let side = |side, i: usize| t[i].map(|t| elementwise::binary(f, side, [x[0], x[1], &y, t]));
                rows::add(side(Side::A, 0), side(Side::B, 1))
            }
            op => jvp(&op, &x, &y, &t),
        };
        Ok(Dual { x: y, t })
    }

    fn shape(&self) -> Shape {
        self.x.shape()
    }

    fn constant(&self, value: Tensor<T>) -> Self {
        Dual { x: self.x.constant(value), t: None }
    }
}
