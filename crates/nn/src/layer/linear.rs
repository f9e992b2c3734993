//! Dense layers.

use super::uniform;
use crate::{Module, Param, Pass, parameters};
use autograd::{Float, Rng, Var};

/// A dense layer: `y = x Wᵀ + b`, with `W` of shape `[out, in]` as PyTorch stores it.
///
/// Input `[…, in]`, output `[…, out]`. New weights and biases are uniform on ±1/√in, as in PyTorch; see
/// [`init`](crate::init) for other distributions.
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
        let weight = uniform(&[outputs, inputs], inputs, rng);
        Linear { weight, bias: Some(uniform(&[outputs], inputs, rng)) }
    }

    /// The same layer without bias.
    ///
    /// ```
    /// use nn::layer::Linear;
    /// let layer = Linear::<f32>::new(3, 2, &mut autograd::Rng::new(0)).without_bias();
    /// assert_eq!(nn::names(&layer), ["weight"]);
    /// ```
    pub fn without_bias(self) -> Self {
        Linear { bias: None, ..self }
    }

    /// The output, without a separate line in a summary, for layers that contain this one.
    #[track_caller]
    pub(super) fn apply<'t>(&self, x: Var<'t, T>, pass: &Pass<'t, T>) -> Var<'t, T> {
        let inputs = self.weight.value().shape()[1];
        if x.shape().last() != Some(&inputs) {
            pass.refuse(self.describe(), misfit(inputs, &x.shape()));
        }
        let weight = pass.var(&self.weight);
        let y = if x.rank() == 2 { x.try_matmul_t(weight) } else { x.try_matmul(weight.t()) };
        let y = pass.checked(self, y);
        pass.optional(&self.bias).map_or(y, |bias| y + bias)
    }
}

/// Explains what is wrong with the last axis of an input, and what to do if its last axes would fit when flattened.
fn misfit(inputs: usize, shape: &[usize]) -> String {
    let flat =
        (1..shape.len()).any(|axis| shape[axis..].iter().try_fold(1, |n: usize, &d| n.checked_mul(d)) == Some(inputs));
    let hint = if flat { ": put `Flatten::new()` before this layer, which makes a row of each sample" } else { "" };
    match shape.last() {
        Some(size) => format!("the last axis of an input {shape:?} has size {size}, but must have {inputs}{hint}"),
        None => format!("the input is a scalar, but must have a last axis of size {inputs}"),
    }
}

impl<T: Float> Module<T> for Linear<T> {
    /// # Panics
    /// Panics if the last axis of the input does not have the layer's input size.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = self.apply(x, pass);
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        let shape = self.weight.value().shape();
        format!("Linear({}, {})", shape[1], shape[0])
    }
}

/// A bilinear layer: each output is computed from two inputs, `y[o] = aᵀ W[o] b + bias[o]`. Because of the two inputs
/// it is not a [`Module`]; [`join`](Bilinear::join) runs it. New weights and biases are uniform on ±1/√(size of the
/// first input).
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Pass, layer::Bilinear};
/// let layer = Bilinear::<f32>::new(3, 4, 2, &mut Rng::new(0));
/// let tape = Tape::new();
/// let (a, b) = (tape.constant(Tensor::ones(&[5, 3])), tape.constant(Tensor::ones(&[5, 4])));
/// assert_eq!(layer.join(a, b, &mut Pass::eval(&tape)).shape().as_slice(), [5, 2]);
/// ```
#[derive(Debug, Clone)]
pub struct Bilinear<T: Float> {
    /// `[out, in a, in b]`
    pub weight: Param<T>,
    /// `[out]`, or none
    pub bias: Option<Param<T>>,
}

parameters! { impl[T: Float] Parameters<T> for Bilinear<T> { weight, bias } }

impl<T: Float> Bilinear<T> {
    /// A layer with bias.
    pub fn new(inputs_a: usize, inputs_b: usize, outputs: usize, rng: &mut Rng) -> Self {
        let weight = uniform(&[outputs, inputs_a, inputs_b], inputs_a, rng);
        Bilinear { weight, bias: Some(uniform(&[outputs], inputs_a, rng)) }
    }

    /// The same layer without bias.
    ///
    /// ```
    /// use nn::layer::Bilinear;
    /// assert_eq!(nn::names(&Bilinear::<f32>::new(3, 4, 2, &mut autograd::Rng::new(0)).without_bias()), ["weight"]);
    /// ```
    pub fn without_bias(self) -> Self {
        Bilinear { bias: None, ..self }
    }

    /// The output for inputs `[…, in a]` and `[…, in b]`.
    ///
    /// # Panics
    /// Panics if the shapes are incompatible.
    #[track_caller]
    pub fn join<'t>(&self, a: Var<'t, T>, b: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        a.bilinear(b, pass.var(&self.weight), pass.optional(&self.bias).as_ref())
    }
}
