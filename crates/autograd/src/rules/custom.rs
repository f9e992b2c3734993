//! User-defined ops: a value on tensors, and derivatives written once for every kind of value.

use super::Cotangents;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::tensor::Tensor;
use crate::value::Value;

/// A user-defined op; apply it to variables with [`Var::custom`](crate::Var::custom).
///
/// The rules are generic over [`Value`]: they compute numbers when derivatives are needed as numbers, and record when
/// derivatives will be differentiated again. They may use only the operations of `Value`.
///
/// ```
/// use autograd::{Cotangents, Float, Result, Rule, Tape, Tensor, Value, Var, tensor};
///
/// /// y = x³
/// struct Cube;
/// impl<T: Float> Rule<T> for Cube {
///     fn name(&self) -> &'static str { "cube" }
///     fn forward(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>> { Ok(x[0] * x[0] * x[0]) }
///     fn vjp<V: Value<T>>(&self, x: &[&V], _y: &V, g: &V) -> Cotangents<V> {
///         [Some(g.mul(x[0]).mul(x[0]).scale(3.0))].into_iter().collect()
///     }
///     fn jvp<V: Value<T>>(&self, x: &[&V], _y: &V, t: &[Option<&V>]) -> Result<Option<V>> {
///         Ok(t[0].map(|t| t.mul(x[0]).mul(x[0]).scale(3.0)))
///     }
/// }
/// let tape = Tape::<f64>::new();
/// let x = tape.var(tensor![2.0]);
/// let y = Var::custom(Cube, &[x]).sum();
/// assert_eq!(y.backward().wrt(x), tensor![12.0]); // 3x²
/// assert_eq!(y.jvp(&[(x, tensor![1.0])]).item(), 12.0); // the same in forward mode
/// let dy = y.grad(&[x])[0];
/// assert_eq!(dy.sum().backward().wrt(x), tensor![12.0]); // 6x
/// ```
pub trait Rule<T: Float>: Send + Sync + 'static {
    /// The op's name, for errors and printed tapes.
    fn name(&self) -> &'static str;

    /// Returns the value, or an error if the operands do not fit.
    fn forward(&self, x: &[&Tensor<T>]) -> Result<Tensor<T>>;

    /// Returns the cotangents of the inputs `x`, given the output `y` and its cotangent `g`; `None` where none flows.
    fn vjp<V: Value<T>>(&self, x: &[&V], y: &V, g: &V) -> Cotangents<V>
    where
        Self: Sized;

    /// Returns the tangent of the output, given those of the inputs (`None` where zero). Needed only for forward mode.
    fn jvp<V: Value<T>>(&self, x: &[&V], y: &V, t: &[Option<&V>]) -> Result<Option<V>>
    where
        Self: Sized,
    {
        let _ = (x, y, t);
        let hint = format!("the op `{}` has no forward rule: implement Rule::jvp for it", self.name());
        Err(Error::Argument { op: "jvp", hint })
    }
}
