//! Normalisation of each sample by itself: the same in training and in use.

use crate::{Module, Param, Pass, functional, parameters};
use autograd::{Float, Tensor, Var};

/// Layer normalisation over the last axes; see [`functional::layer_norm`].
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Module, Pass, layer::LayerNorm};
/// let tape = Tape::<f64>::new();
/// let y = LayerNorm::new(&[2]).forward(tape.constant([[1.0, 3.0]]), &mut Pass::eval(&tape));
/// assert!((y.value().at(&[0, 1]) - 1.0).abs() < 1e-5);
/// ```
#[derive(Debug, Clone)]
pub struct LayerNorm<T: Float> {
    /// Of the shape of the normalised axes, or none.
    pub weight: Option<Param<T>>,
    /// Of the shape of the normalised axes, or none.
    pub bias: Option<Param<T>>,
    /// Added to the variance: 1e-5.
    pub eps: f64,
    shape: Box<[usize]>,
}

parameters! { impl[T: Float] Parameters<T> for LayerNorm<T> { weight, bias } }

impl<T: Float> LayerNorm<T> {
    /// For inputs that end with these axes: weight 1, bias 0.
    pub fn new(shape: &[usize]) -> Self {
        let (weight, bias) = (Param::new(Tensor::ones(shape)), Param::new(Tensor::zeros(shape)));
        LayerNorm { weight: Some(weight), bias: Some(bias), eps: 1e-5, shape: shape.into() }
    }

    /// The same layer without weight and bias.
    pub fn without_affine(self) -> Self {
        LayerNorm { weight: None, bias: None, ..self }
    }
}

impl<T: Float> Module<T> for LayerNorm<T> {
    /// # Panics
    /// If the input does not end with the layer's axes.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let (weight, bias) = (pass.optional(&self.weight), pass.optional(&self.bias));
        let y = pass.checked(self, functional::layer_norm(x, &self.shape, weight, bias, self.eps));
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("LayerNorm({:?})", self.shape)
    }
}

/// Root mean square normalisation over the last axes; see [`functional::rms_norm`].
#[derive(Debug, Clone)]
pub struct RmsNorm<T: Float> {
    /// Of the shape of the normalised axes, or none.
    pub weight: Option<Param<T>>,
    /// Added to the mean square: the type's machine epsilon unless set.
    pub eps: Option<f64>,
    shape: Box<[usize]>,
}

parameters! { impl[T: Float] Parameters<T> for RmsNorm<T> { weight } }

impl<T: Float> RmsNorm<T> {
    /// For inputs that end with these axes: weight 1.
    pub fn new(shape: &[usize]) -> Self {
        RmsNorm { weight: Some(Param::new(Tensor::ones(shape))), eps: None, shape: shape.into() }
    }
}

impl<T: Float> Module<T> for RmsNorm<T> {
    /// # Panics
    /// If the input does not end with the layer's axes.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = pass.checked(self, functional::rms_norm(x, &self.shape, pass.optional(&self.weight), self.eps));
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("RmsNorm({:?})", self.shape)
    }
}

/// Normalisation in groups of channels of `[N, C, …]`; see [`functional::group_norm`]. With a group for each channel it is
/// instance normalisation.
#[derive(Debug, Clone)]
pub struct GroupNorm<T: Float> {
    /// `[C]`, or none
    pub weight: Option<Param<T>>,
    /// `[C]`, or none
    pub bias: Option<Param<T>>,
    /// Added to the variance: 1e-5.
    pub eps: f64,
    groups: usize,
    channels: usize,
}

parameters! { impl[T: Float] Parameters<T> for GroupNorm<T> { weight, bias } }

impl<T: Float> GroupNorm<T> {
    /// For that many channels in groups of equal size: weight 1, bias 0.
    ///
    /// # Panics
    /// If the groups do not divide the channels.
    #[track_caller]
    pub fn new(groups: usize, channels: usize) -> Self {
        let divides = groups > 0 && channels.is_multiple_of(groups);
        assert!(divides, "GroupNorm: {groups} groups do not divide {channels} channels");
        let (weight, bias) = (Param::new(Tensor::ones(&[channels])), Param::new(Tensor::zeros(&[channels])));
        GroupNorm { weight: Some(weight), bias: Some(bias), eps: 1e-5, groups, channels }
    }

    /// The same layer without weight and bias.
    pub fn without_affine(self) -> Self {
        GroupNorm { weight: None, bias: None, ..self }
    }
}

impl<T: Float> Module<T> for GroupNorm<T> {
    /// # Panics
    /// If the input is not `[N, C, …]`.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let shape = x.shape();
        assert!(shape.get(1) == Some(&self.channels), "GroupNorm: {shape:?} has not {} channels", self.channels);
        let (weight, bias) = (pass.optional(&self.weight), pass.optional(&self.bias));
        let y = pass.checked(self, functional::group_norm(x, self.groups, weight, bias, self.eps));
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("GroupNorm({}, {})", self.groups, self.channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::check_module;
    use autograd::{Rng, Tape};

    #[test]
    fn derivatives_of_all_parameters() {
        let rng = &mut Rng::new(4);
        let x = Tensor::randn(&[2, 4, 3], rng);
        let mut random = |shape: &[usize]| Some(Param::new(Tensor::randn(shape, rng)));
        let (weight, bias) = (random(&[4, 3]), random(&[4, 3]));
        check_module(&mut LayerNorm { weight, bias, ..LayerNorm::new(&[4, 3]) }, &x);
        check_module(&mut RmsNorm { weight: random(&[3]), ..RmsNorm::new(&[3]) }, &x);
        let (weight, bias) = (random(&[4]), random(&[4]));
        check_module(&mut GroupNorm { weight, bias, ..GroupNorm::new(2, 4) }, &x);
        check_module(&mut GroupNorm::new(4, 4).without_affine(), &x);
    }

    #[test]
    #[should_panic(expected = "GroupNorm: [2, 3] has not 4 channels")]
    fn other_channels_panic() {
        let tape = Tape::<f64>::new();
        GroupNorm::new(2, 4).forward(tape.constant(Tensor::ones(&[2, 3])), &mut Pass::eval(&tape));
    }

    #[test]
    #[should_panic(expected = "LayerNorm([4]): layer_norm: shape [2, 3] does not fit")]
    fn other_axes_panic() {
        let tape = Tape::<f64>::new();
        LayerNorm::new(&[4]).forward(tape.constant(Tensor::ones(&[2, 3])), &mut Pass::eval(&tape));
    }
}
