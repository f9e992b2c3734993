//! Normalization of each sample separately. Only running statistics make training and eval mode differ.

use super::Running;
use crate::{Module, Param, Pass, functional, parameters};
use autograd::{Float, Tensor, Var};

/// The `eps` setting of normalization layers.
macro_rules! with_eps {
    ($($Layer:ident [$($D:ident)?];)*) => { $(
        impl<T: Float $(, const $D: usize)?> $Layer<T $(, $D)?> {
            /// Sets the value added to the variance for numerical stability.
            ///
            /// # Panics
            /// Panics if it is negative, infinite or NaN.
            #[track_caller]
            pub fn eps(self, eps: f64) -> Self {
                $crate::domain::or_panic($crate::domain::non_negative(stringify!($Layer), "eps", eps));
                $Layer { eps, ..self }
            }
        }
    )* };
}
pub(super) use with_eps;

with_eps! { LayerNorm []; GroupNorm []; InstanceNorm [D]; }

/// Layer normalization over the last axes; see [`functional::layer_norm`].
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
    /// Shaped like the normalized axes, or none
    pub weight: Option<Param<T>>,
    /// Shaped like the normalized axes, or none
    pub bias: Option<Param<T>>,
    /// Added to the variance for numerical stability. Defaults to 1e-5.
    pub eps: f64,
    shape: Box<[usize]>,
}

parameters! { impl[T: Float] Parameters<T> for LayerNorm<T> { weight, bias } }

impl<T: Float> LayerNorm<T> {
    /// A layer for inputs that end with these axes: weight 1, bias 0.
    pub fn new(shape: &[usize]) -> Self {
        let (weight, bias) = (Param::new(Tensor::ones(shape)), Param::new(Tensor::zeros(shape)));
        LayerNorm { weight: Some(weight), bias: Some(bias), eps: 1e-5, shape: shape.into() }
    }

    /// The same layer without weight and bias.
    ///
    /// ```
    /// assert_eq!(nn::parameter_count(&nn::layer::LayerNorm::<f32>::new(&[8]).eps(1e-6).without_affine()), 0);
    /// ```
    pub fn without_affine(self) -> Self {
        LayerNorm { weight: None, bias: None, ..self }
    }
}

impl<T: Float> Module<T> for LayerNorm<T> {
    /// # Panics
    /// Panics if the input does not end with the layer's axes.
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

/// Root mean square normalization over the last axes; see [`functional::rms_norm`].
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
    /// Shaped like the normalized axes, or none
    pub weight: Option<Param<T>>,
    /// Added to the mean square for numerical stability. Defaults to the type's machine epsilon.
    pub eps: Option<f64>,
    shape: Box<[usize]>,
}

parameters! { impl[T: Float] Parameters<T> for RmsNorm<T> { weight } }

impl<T: Float> RmsNorm<T> {
    /// A layer for inputs that end with these axes: weight 1.
    pub fn new(shape: &[usize]) -> Self {
        RmsNorm { weight: Some(Param::new(Tensor::ones(shape))), eps: None, shape: shape.into() }
    }
}

impl<T: Float> Module<T> for RmsNorm<T> {
    /// # Panics
    /// Panics if the input does not end with the layer's axes.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = pass.checked(self, functional::rms_norm(x, &self.shape, pass.optional(&self.weight), self.eps));
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("RmsNorm({:?})", self.shape)
    }
}

/// Normalization in groups of channels of `[N, C, …]`; see [`functional::group_norm`]. With one group per channel it is
/// instance normalization.
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
    /// Added to the variance for numerical stability. Defaults to 1e-5.
    pub eps: f64,
    groups: usize,
    channels: usize,
}

parameters! { impl[T: Float] Parameters<T> for GroupNorm<T> { weight, bias } }

impl<T: Float> GroupNorm<T> {
    /// A layer for the given number of channels in groups of equal size: weight 1, bias 0.
    ///
    /// # Panics
    /// Panics if the channels are not divisible into the groups.
    #[track_caller]
    pub fn new(groups: usize, channels: usize) -> Self {
        let divides = groups > 0 && channels.is_multiple_of(groups);
        assert!(divides, "GroupNorm: {channels} channels are not divisible into {groups} groups");
        let (weight, bias) = (Param::new(Tensor::ones(&[channels])), Param::new(Tensor::zeros(&[channels])));
        GroupNorm { weight: Some(weight), bias: Some(bias), eps: 1e-5, groups, channels }
    }

    /// The same layer without weight and bias.
    ///
    /// ```
    /// assert_eq!(nn::parameter_count(&nn::layer::GroupNorm::<f32>::new(2, 8).eps(1e-6).without_affine()), 0);
    /// ```
    pub fn without_affine(self) -> Self {
        GroupNorm { weight: None, bias: None, ..self }
    }
}

impl<T: Float> Module<T> for GroupNorm<T> {
    /// # Panics
    /// Panics if the input is not `[N, C, …]` with the layer's channels.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let shape = x.shape();
        let problem = || format!("expected {} channels, got shape {shape:?}", self.channels);
        pass.ensure(shape.get(1) == Some(&self.channels), "GroupNorm", problem);
        let (weight, bias) = (pass.optional(&self.weight), pass.optional(&self.bias));
        let y = pass.checked(self, functional::group_norm(x, self.groups, weight, bias, self.eps));
        pass.note(self, y)
    }

    fn describe(&self) -> String {
        format!("GroupNorm({}, {})", self.groups, self.channels)
    }
}

/// Normalizes each channel of each sample of `[N, C, …]` with `D` trailing axes separately; see
/// [`functional::instance_norm`]. Has no weight, bias or running statistics by default.
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
    /// Running means of the statistics of the training samples, used in eval mode; or none.
    pub running: Option<Running<T>>,
    /// Added to the variance for numerical stability. Defaults to 1e-5.
    pub eps: f64,
    /// The weight of each batch in the running statistics. Defaults to 0.1.
    pub momentum: f64,
    channels: usize,
}

/// [`InstanceNorm`] of `[N, C, L]`.
///
/// ```
/// use autograd::{Tape, Tensor};
/// use nn::{Module, Pass, layer::InstanceNorm1d};
/// let tape = Tape::<f32>::new();
/// let layer = InstanceNorm1d::new(3).with_affine().with_running().eps(1e-3);
/// let y = layer.forward(tape.constant(Tensor::ones(&[4, 3, 5])), &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [4, 3, 5]);
/// ```
pub type InstanceNorm1d<T> = InstanceNorm<T, 1>;
/// [`InstanceNorm`] of images `[N, C, H, W]`.
///
/// ```
/// use autograd::{Tape, Tensor};
/// use nn::{Module, Pass, layer::InstanceNorm2d};
/// let tape = Tape::<f32>::new();
/// let layer = InstanceNorm2d::new(3).with_affine().with_running().eps(1e-3);
/// let y = layer.forward(tape.constant(Tensor::ones(&[4, 3, 5, 5])), &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [4, 3, 5, 5]);
/// ```
pub type InstanceNorm2d<T> = InstanceNorm<T, 2>;
/// [`InstanceNorm`] of volumes `[N, C, D, H, W]`.
///
/// ```
/// use autograd::{Tape, Tensor};
/// use nn::{Module, Pass, layer::InstanceNorm3d};
/// let tape = Tape::<f32>::new();
/// let layer = InstanceNorm3d::new(3).with_affine().with_running().eps(1e-3);
/// let y = layer.forward(tape.constant(Tensor::ones(&[4, 3, 5, 5, 5])), &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [4, 3, 5, 5, 5]);
/// ```
pub type InstanceNorm3d<T> = InstanceNorm<T, 3>;

parameters! { impl[T: Float, const D: usize] Parameters<T> for InstanceNorm<T, D> { weight, bias, ..running } }

impl<T: Float, const D: usize> InstanceNorm<T, D> {
    /// A layer for the given number of channels.
    pub fn new(channels: usize) -> Self {
        InstanceNorm { weight: None, bias: None, running: None, eps: 1e-5, momentum: 0.1, channels }
    }

    /// The same layer with a learned weight, initially 1, and bias, initially 0.
    ///
    /// ```
    /// use nn::layer::InstanceNorm2d;
    /// let layer = InstanceNorm2d::<f32>::new(16).eps(1e-3).with_affine().with_running();
    /// assert_eq!(nn::parameter_count(&layer), 32);
    /// ```
    pub fn with_affine(self) -> Self {
        let shape = [self.channels];
        let (weight, bias) = (Param::new(Tensor::ones(&shape)), Param::new(Tensor::zeros(&shape)));
        InstanceNorm { weight: Some(weight), bias: Some(bias), ..self }
    }

    /// The same layer with running statistics, PyTorch's `track_running_stats`.
    pub fn with_running(self) -> Self {
        InstanceNorm { running: Some(Running::new(self.channels)), ..self }
    }

    /// Moves the running statistics toward the mean statistics of the samples.
    #[track_caller]
    fn follow<'t>(&self, running: &Running<T>, x: Var<'t, T>, pass: &mut Pass<'t, T>) {
        let (shape, m) = (x.shape(), self.momentum);
        pass.checked(self, functional::check_momentum("instance_norm", m));
        if shape[0] == 0 {
            return;
        }
        // Treat the channels of all samples as channels of a single sample.
        let spread = [&[1, shape[0] * shape[1]], &shape[2..]].concat();
        let (_, each) =
            pass.checked(self, functional::batch_normalized(x.reshape(&spread), None, None, None, self.eps));
        for (buffer, each) in [&running.mean, &running.var].into_iter().zip(each.into_iter().flatten()) {
            let batch = functional::representable(each.reshape(&shape[..2]).mean_axes(0));
            pass.update(buffer, pass.var(buffer) * T::of(1.0 - m) + batch * T::of(m));
        }
    }
}

impl<T: Float, const D: usize> Module<T> for InstanceNorm<T, D> {
    /// # Panics
    /// Panics if the input is not `[N, C, …]` with the layer's channels and `D` trailing axes.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let (shape, channels) = (x.shape(), self.channels);
        let fits = shape.len() == D + 2 && shape[1] == channels;
        let problem = || format!("expected input [N, {channels}, …] (trailing axes: {D}), got {shape:?}");
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
    use crate::layer::BatchNorm1d;
    use crate::test_support::check_module;
    use autograd::{Rng, Tape, tensor};

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

    /// Normalizations of s x are those of x for any s. The numbers are (x - mean) / √var and x / √(mean x²).
    #[test]
    fn rows_of_any_size_are_normalized() {
        fn check<T: Float>(scales: &[f64]) {
            let standard = [0.185_695_338_177_051_9, 0.557_086_014_531_155_7, 0.928_476_690_885_259_4];
            let rms = [0.365_148_371_670_110_8, 0.730_296_743_340_221_5, 1.095_445_115_010_332_2];
            for &s in scales {
                let tape = Tape::<T>::new();
                let x = tape.var(Tensor::from([[1.0, 2.0, 3.0, -4.0]]).map(|x| T::of(x * s)));
                let images = x.reshape(&[1, 1, 4]);
                let mut pass = Pass::train(&tape, Rng::new(0));
                InstanceNorm1d::new(1).with_running().forward(images, &mut pass);
                let batch = BatchNorm1d::new(1).eps(0.0).forward(x.reshape(&[4, 1]), &mut pass);
                let row = RmsNorm { eps: Some(0.0), ..RmsNorm::new(&[4]) }.forward(x, &mut pass);
                for (y, expected) in [(batch, standard), (row, rms)] {
                    let found = y.value().to_vec();
                    let close =
                        found.iter().zip(expected).all(|(y, e)| (y.f64() / e - 1.0).abs() < 8.0 * T::EPSILON.f64());
                    assert!(close, "{s:e}: {found:?}");
                    // The derivative is that at s = 1, divided by s.
                    let slope = y.reshape(&[4]).gather(0, tensor![1_i64]).sum().backward().wrt(x).to_vec();
                    let sum: f64 = slope.iter().zip([1.0, 2.0, 3.0, -4.0]).map(|(d, x)| d.f64() * s * x).sum();
                    assert!(sum.abs() < 1e-5 && slope[1].f64() * s > 0.1, "{s:e}: {slope:?}");
                }
                assert!(pass.updates().all(|(_, value)| value.value().iter().all(Float::is_finite)), "{s:e}");
            }
        }
        check::<f32>(&[1.0, 1e19, 1e30, 1e36, 1e-25]);
        check::<f64>(&[1.0, 1e160, 1e300, 1e-170]);
    }

    #[test]
    fn no_rows_are_normalized_to_no_rows() {
        let tape = Tape::<f64>::new();
        let mut pass = Pass::train(&tape, Rng::new(0));
        let layer = InstanceNorm1d::new(2).with_running();
        assert_eq!(layer.forward(tape.var(Tensor::zeros(&[0, 2, 3])), &mut pass).shape().as_slice(), [0, 2, 3]);
        let x = tape.var(Tensor::zeros(&[0, 4]));
        let y = RmsNorm::new(&[4]).forward(x, &mut pass);
        assert_eq!(y.sum().backward().wrt(x).shape(), [0, 4]);
        assert!(pass.updates().next().is_none(), "no samples, no statistics");
        assert!(functional::batch_normalized(x, None, None, None, 1e-5).is_err(), "no value, no variance");
    }

    #[test]
    #[should_panic(expected = "GroupNorm: expected 4 channels, got shape [2, 3]")]
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
