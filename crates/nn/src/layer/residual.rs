//! Residual connections.

use crate::{Module, Pass, parameters};
use autograd::{Error, Float, Var};

/// A residual connection, `x + inner(x)`: the inner layer learns a difference, and gradients can bypass it (He et al.,
/// 2016).
///
/// ```
/// use autograd::{Rng, Tape, tensor};
/// use nn::{Module, Pass, layer::{Activation, Linear, Residual, Sequential}};
/// let rng = &mut Rng::new(0);
/// let block = Residual::new(Sequential::<f32>::new().then(Linear::new(2, 2, rng)).then(Activation::Relu));
/// assert_eq!(nn::names::<f32>(&block), ["inner.0.weight", "inner.0.bias"]);
/// let tape = Tape::new();
/// let y = Residual::new(Activation::Relu).forward(tape.constant([1.0f32, -1.0]), &mut Pass::eval(&tape));
/// assert_eq!(y.value(), tensor![2.0f32, -1.0]);
/// ```
#[derive(Debug, Clone)]
pub struct Residual<M> {
    /// The layer that the connection bypasses.
    pub inner: M,
}

parameters! { impl[T: Float, M: crate::Parameters<T>] Parameters<T> for Residual<M> { inner } }

impl<M> Residual<M> {
    /// A residual connection around a layer that keeps the shape of its input.
    pub fn new(inner: M) -> Self {
        Residual { inner }
    }
}

impl<T: Float, M: Module<T>> Module<T> for Residual<M> {
    /// # Panics
    /// Panics if the output of the inner layer does not have the shape of its input.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = self.inner.forward(x, pass);
        let (from, to) = (x.shape(), y.shape());
        let same = if from == to {
            Ok(())
        } else {
            let hint = format!("the inner layer must keep the shape of its input, {from:?}");
            Err(Error::Shape { op: "residual", shape: to.as_slice().into(), hint })
        };
        pass.checked(self, same);
        pass.note(self, x + y)
    }

    fn describe(&self) -> String {
        format!("Residual({})", self.inner.describe())
    }

    fn fold(&mut self) -> usize {
        self.inner.fold()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Linear;
    use crate::test_support::check_module;
    use autograd::{Rng, Tape, Tensor};

    #[test]
    fn derivatives_go_both_ways() {
        let rng = &mut Rng::new(1);
        check_module(&mut Residual::new(Linear::new(3, 3, rng)), &Tensor::randn(&[2, 3], rng));
    }

    #[test]
    #[should_panic(expected = "Residual(Linear(3, 1)): residual: shape [2, 1] does not fit: the inner layer must keep")]
    fn nothing_is_broadcast() {
        let tape = Tape::<f64>::new();
        let block = Residual::new(Linear::new(3, 1, &mut Rng::new(0)));
        block.forward(tape.constant(Tensor::ones(&[2, 3])), &mut Pass::eval(&tape));
    }
}
