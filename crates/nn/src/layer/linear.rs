//! The dense layer.

use crate::{Module, Param, Pass, parameters};
use autograd::{Float, Rng, Tensor, Var};

/// A dense layer: `y = x Wᵀ + b`, with `W` of shape `[out, in]` as PyTorch stores it.
///
/// Input `[…, in]`, output `[…, out]`. New weights and biases are uniform on ±1/√in, as in PyTorch; see
/// [`init`](crate::init) for others.
///
/// ```
/// use autograd::{Rng, Tape};
/// use nn::{Module, Pass, layer::Linear};
/// let layer = Linear::<f32>::new(3, 2, &mut Rng::new(1));
/// let tape = Tape::new();
/// let y = layer.forward(tape.constant([[1.0f32, 2.0, 3.0]]), &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [1, 2]);
/// ```
#[derive(Debug, Clone)]
pub struct Linear<T: Float> {
    /// `[out, in]`
    pub weight: Param<T>,
    /// `[out]`, or none
    pub bias: Option<Param<T>>,
}

parameters! { impl[T: Float] Parameters<T> for Linear<T> { weight, bias } }

impl<T: Float> Linear<T> {
    /// A layer with bias.
    pub fn new(inputs: usize, outputs: usize, rng: &mut Rng) -> Self {
        let bound = T::of(1.0 / (inputs.max(1) as f64).sqrt());
        let mut uniform = |shape: &[usize]| Param::new((Tensor::rand(shape, rng) * T::of(2.0) - T::one()) * bound);
        Linear { weight: uniform(&[outputs, inputs]), bias: Some(uniform(&[outputs])) }
    }

    /// The same layer without bias.
    pub fn without_bias(self) -> Self {
        Linear { bias: None, ..self }
    }
}

impl<T: Float> Module<T> for Linear<T> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let weight = pass.var(&self.weight);
        let y = if x.rank() == 2 { x.matmul_t(weight) } else { x.matmul(weight.t()) };
        pass.note(self, pass.optional(&self.bias).map_or(y, |bias| y + bias))
    }

    fn describe(&self) -> String {
        let shape = self.weight.value().shape();
        format!("Linear({}, {})", shape[1], shape[0])
    }
}
