//! Normalisation of each sample by itself: the same in training and in use.

use super::Running;
use crate::{Module, Param, Pass, functional, parameters};
use autograd::{Float, Tensor, Var};

/// The setting that all normalisations have.
macro_rules! with_eps {
    ($($Layer:ident [$($D:ident)?];)*) => { $(
        impl<T: Float $(, const $D: usize)?> $Layer<T $(, $D)?> {
            /// With this added to the variance.
            pub fn eps(self, eps: f64) -> Self {
                $Layer { eps, ..self }
            }
        }
    )* };
}
pub(super) use with_eps;

with_eps! { LayerNorm []; GroupNorm []; InstanceNorm [D]; }

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
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Module, Pass, layer::RmsNorm};
/// let tape = Tape::<f64>::new();
/// let y = RmsNorm::new(&[2]).forward(tape.constant([[3.0, -3.0]]), &mut Pass::eval(&tape));
/// assert!((y.value() - tensor![[1.0, -1.0]]).abs().max().item() < 1e-12);
/// ```
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
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Module, Pass, layer::GroupNorm};
/// let tape = Tape::<f64>::new();
/// let y = GroupNorm::new(2, 4).forward(tape.constant([[1.0, 3.0, 70.0, 50.0]]), &mut Pass::eval(&tape));
/// assert!((y.value() - tensor![[-1.0, 1.0, 1.0, -1.0]]).abs().max().item() < 1e-5);
/// ```
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
        let problem = || format!("{shape:?} has not {} channels", self.channels);
        pass.ensure(shape.get(1) == Some(&self.channels), "GroupNorm", problem);
        let (weight, bias) = (pass.optional(&self.weight), pass.optional(&self.bias));
        let y = pass.checked(self, functional::group_norm(x, self.groups, weight, bias, self.eps));
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("GroupNorm({}, {})", self.groups, self.channels)
    }
}

/// Each channel of each sample of `[N, C, …]`, with `D` more axes, normalised by itself; see [`functional::instance_norm`].
/// Without weight and bias, and without running statistics, unless told otherwise.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::{Module, Pass, layer::InstanceNorm1d};
/// let tape = Tape::<f64>::new();
/// let y = InstanceNorm1d::new(1).forward(tape.constant([[[1.0, 3.0]], [[10.0, 30.0]]]), &mut Pass::eval(&tape));
/// assert!((y.value() - tensor![[[-1.0, 1.0]], [[-1.0, 1.0]]]).abs().max().item() < 1e-5);
/// ```
#[derive(Debug, Clone)]
pub struct InstanceNorm<T: Float, const D: usize> {
    /// `[C]`, or none
    pub weight: Option<Param<T>>,
    /// `[C]`, or none
    pub bias: Option<Param<T>>,
    /// The mean statistics of the samples seen in training, which are used in eval mode; or none.
    pub running: Option<Running<T>>,
    /// Added to the variance: 1e-5.
    pub eps: f64,
    /// How far the running statistics move with each batch: 0.1.
    pub momentum: f64,
    channels: usize,
}

/// [`InstanceNorm`] of `[N, C, L]`.
pub type InstanceNorm1d<T> = InstanceNorm<T, 1>;
/// [`InstanceNorm`] of images `[N, C, H, W]`.
pub type InstanceNorm2d<T> = InstanceNorm<T, 2>;
/// [`InstanceNorm`] of volumes `[N, C, D, H, W]`.
pub type InstanceNorm3d<T> = InstanceNorm<T, 3>;

parameters! { impl[T: Float, const D: usize] Parameters<T> for InstanceNorm<T, D> { weight, bias, ..running } }

impl<T: Float, const D: usize> InstanceNorm<T, D> {
    /// For that many channels.
    pub fn new(channels: usize) -> Self {
        InstanceNorm { weight: None, bias: None, running: None, eps: 1e-5, momentum: 0.1, channels }
    }

    /// The same layer with weight 1 and bias 0, to be learned.
    pub fn with_affine(self) -> Self {
        let shape = [self.channels];
        let (weight, bias) = (Param::new(Tensor::ones(&shape)), Param::new(Tensor::zeros(&shape)));
        InstanceNorm { weight: Some(weight), bias: Some(bias), ..self }
    }

    /// The same layer with running statistics, PyTorch's `track_running_stats`.
    pub fn with_running(self) -> Self {
        InstanceNorm { running: Some(Running::new(self.channels)), ..self }
    }

    /// Moves the running statistics towards the mean ones of the samples.
    #[track_caller]
    fn follow<'t>(&self, running: &Running<T>, x: Var<'t, T>, pass: &mut Pass<'t, T>) {
        let (shape, m) = (x.shape(), self.momentum);
        // Channels of samples as so many channels of one.
        let spread = [&[1, shape[0] * shape[1]], &shape[2..]].concat();
        let (_, each) =
            pass.checked(self, functional::batch_normalized(x.reshape(&spread), None, None, None, self.eps));
        for (buffer, each) in [&running.mean, &running.var].into_iter().zip(each.into_iter().flatten()) {
            let batch = each.reshape(&shape[..2]).mean_axes(0);
            pass.update(buffer, pass.var(buffer) * T::of(1.0 - m) + batch * T::of(m));
        }
    }
}

impl<T: Float, const D: usize> Module<T> for InstanceNorm<T, D> {
    /// # Panics
    /// If the input is not `[N, C, …]` with `D` more axes.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let (shape, channels) = (x.shape(), self.channels);
        let fits = shape.len() == D + 2 && shape[1] == channels;
        let problem = || format!("the input must be [N, {channels}, …] with {D} more axes, not {shape:?}");
        pass.ensure(fits, format_args!("InstanceNorm{D}d"), problem);
        let (weight, bias) = (pass.optional(&self.weight), pass.optional(&self.bias));
        let y = match &self.running {
            Some(running) if !pass.is_training() => {
                let known = [&running.mean, &running.var].map(|r| pass.var(r));
                pass.checked(self, functional::batch_normalized(x, Some(known), weight, bias, self.eps)).0
            }
            running => {
                running.iter().for_each(|running| self.follow(running, x, pass));
                pass.checked(self, functional::instance_norm(x, weight, bias, self.eps))
            }
        };
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("InstanceNorm{D}d({})", self.channels)
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
        check_module(&mut InstanceNorm1d::new(4).with_affine(), &x);
        check_module(&mut InstanceNorm1d::new(4).with_running(), &x);
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
