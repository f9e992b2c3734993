//! A user's rule on a tape: behind a pointer, with its generic methods at the two values that the sweeps need.

use super::Var;
use crate::error::Result;
use crate::float::Float;
use crate::rules::{Cotangents, Rule};
use crate::tensor::Tensor;

/// An object-safe [`Rule`]: its generic methods, instantiated for tensors and for variables.
pub trait DynRule<T: Float>: Send + Sync {
    #[doc(hidden)]
    fn rule_name(&self) -> &'static str;
    #[doc(hidden)]
    fn compute(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>>;
    #[doc(hidden)]
    fn vjp_computed(&self, x: &[&Tensor<T>], y: &Tensor<T>, g: &Tensor<T>) -> Cotangents<Tensor<T>>;
    #[doc(hidden)]
    fn vjp_recorded<'t>(&self, x: &[&Var<'t, T>], y: &Var<'t, T>, g: &Var<'t, T>) -> Cotangents<Var<'t, T>>;
    #[doc(hidden)]
    fn jvp_computed(&self, x: &[&Tensor<T>], y: &Tensor<T>, t: &[Option<&Tensor<T>>]) -> Result<Option<Tensor<T>>>;
    #[doc(hidden)]
    fn jvp_recorded<'t>(
        &self,
        x: &[&Var<'t, T>],
        y: &Var<'t, T>,
        t: &[Option<&Var<'t, T>>],
    ) -> Result<Option<Var<'t, T>>>;
    /// Whether [`record`](DynRule::record) can record the value as ops of the inputs.
    #[doc(hidden)]
    fn records(&self) -> bool {
        false
    }
    #[doc(hidden)]
    fn record<'t>(&self, _x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
        unreachable!("{} records no value", self.rule_name())
    }
    /// The value for `n` samples along the first axis of the inputs that are `batched`, by a custom batching rule.
    #[doc(hidden)]
    fn map<'t>(&self, _x: &[Var<'t, T>], _batched: &[bool], _n: usize) -> Option<Result<Var<'t, T>>> {
        None
    }
}

/// Implements [`DynRule`] for a [`Rule`].
pub(crate) struct Written<R>(pub(crate) R);

impl<T: Float, R: Rule<T>> DynRule<T> for Written<R> {
    fn rule_name(&self) -> &'static str {
        self.0.name()
    }
    fn compute(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        self.0.forward(x)
    }
    fn vjp_computed(&self, x: &[&Tensor<T>], y: &Tensor<T>, g: &Tensor<T>) -> Cotangents<Tensor<T>> {
        self.0.vjp(x, y, g)
    }
    fn vjp_recorded<'t>(&self, x: &[&Var<'t, T>], y: &Var<'t, T>, g: &Var<'t, T>) -> Cotangents<Var<'t, T>> {
        self.0.vjp(x, y, g)
    }
    fn jvp_computed(&self, x: &[&Tensor<T>], y: &Tensor<T>, t: &[Option<&Tensor<T>>]) -> Result<Option<Tensor<T>>> {
        self.0.jvp(x, y, t)
    }
    fn jvp_recorded<'t>(
        &self,
        x: &[&Var<'t, T>],
        y: &Var<'t, T>,
        t: &[Option<&Var<'t, T>>],
    ) -> Result<Option<Var<'t, T>>> {
        self.0.jvp(x, y, t)
    }
}
