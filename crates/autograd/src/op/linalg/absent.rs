//! Without the feature `linalg` the shape rule rejects every factorization, so that nobody gets here: neither the rules
//! nor the evaluation are compiled.

use super::Factor;
use crate::float::Float;
use crate::op::vjp::Cotangents;
use crate::tensor::Tensor;
use crate::value::Value;

const REJECTED: &str = "the shape rule rejects factorizations without the feature `linalg`";

impl Factor {
    pub(crate) fn eval<T: Float>(self, _: &[&Tensor<T>], _: &[usize]) -> Tensor<T> {
        unreachable!("{REJECTED}: {self:?}")
    }

    pub(crate) fn vjp<T: Float, V: Value<T>>(self, _: &[&V], _: &V, _: &V) -> Cotangents<V> {
        unreachable!("{REJECTED}: {self:?}")
    }

    pub(crate) fn jvp<T: Float, V: Value<T>>(self, _: &[&V], _: &V, _: &[Option<&V>]) -> Option<V> {
        unreachable!("{REJECTED}: {self:?}")
    }
}
