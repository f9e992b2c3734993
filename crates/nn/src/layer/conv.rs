//! Convolution and transposed convolution.

use super::spatial::{Sizes, brief, unusual};
use super::uniform;
use crate::{ChannelMap, Module, Param, Pass, parameters};
use autograd::{Conv, Error, Float, Pad, Result, Rng, Var};

/// The settings that convolution and transposed convolution share, except for their meanings.
macro_rules! common {
    ($($(#[$doc:meta])* $setting:ident;)*) => {
        /// A layer with bias, stride 1 and no padding. `kernel` is one size for all axes, or one for each.
        pub fn new(inputs: usize, outputs: usize, kernel: impl Sizes<D>, rng: &mut Rng) -> Self {
            Self::grouped(inputs, outputs, kernel, 1, rng)
        }

        /// The same layer without bias.
        pub fn without_bias(mut self) -> Self {
            self.bias = None;
            self
        }

        $(
            $(#[$doc])*
            pub fn $setting(mut self, $setting: impl Sizes<D>) -> Self {
                self.settings.$setting = $setting.sizes();
                self
            }
        )*
    };
}

/// Convolution of images `[N, in, …]` with `D` trailing axes (the batch axis is optional):
/// `y[n, o, i] = bias[o] + Σ weight[o, c, k] · x[n, c, i · stride + k · dilation - padding]`.
///
/// New weights and biases are uniform on ±1/√(in / groups · kernel), as in PyTorch.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::Conv2d};
/// let layer = Conv2d::<f32>::new(1, 6, 5, &mut Rng::new(0)).padding(2);
/// let tape = Tape::new();
/// let y = layer.forward(tape.constant(Tensor::zeros(&[8, 1, 28, 28])), &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [8, 6, 28, 28]);
/// assert_eq!(layer.describe(), "Conv2d(1, 6, 5, padding 2)");
/// ```
#[derive(Debug, Clone)]
pub struct Convolution<T: Float, const D: usize> {
    /// `[out, in / groups, kernel…]`
    pub weight: Param<T>,
    /// `[out]`, or none
    pub bias: Option<Param<T>>,
    settings: Conv<D>,
    same: bool,
    border: Pad,
    folded: bool,
}

/// [`Convolution`] along one axis, of `[N, in, L]`.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::Conv1d};
/// let tape = Tape::<f32>::new();
/// let x = tape.constant(Tensor::zeros(&[2, 3, 9]));
/// let y = Conv1d::new(3, 4, 3, &mut Rng::new(0)).forward(x, &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [2, 4, 7]);
/// ```
pub type Conv1d<T> = Convolution<T, 1>;
/// [`Convolution`] of images `[N, in, H, W]`.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::Conv2d};
/// let tape = Tape::<f32>::new();
/// let x = tape.constant(Tensor::zeros(&[2, 3, 9, 9]));
/// let y = Conv2d::new(3, 4, 3, &mut Rng::new(0)).forward(x, &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [2, 4, 7, 7]);
/// ```
pub type Conv2d<T> = Convolution<T, 2>;
/// [`Convolution`] of volumes `[N, in, D, H, W]`.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::Conv3d};
/// let tape = Tape::<f32>::new();
/// let x = tape.constant(Tensor::zeros(&[2, 3, 9, 9, 9]));
/// let y = Conv3d::new(3, 4, 3, &mut Rng::new(0)).forward(x, &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [2, 4, 7, 7, 7]);
/// ```
pub type Conv3d<T> = Convolution<T, 3>;

parameters! { impl[T: Float, const D: usize] Parameters<T> for Convolution<T, D> { weight, bias } }

impl<T: Float, const D: usize> Convolution<T, D> {
    common! {
        /// Sets the distance between adjacent positions of the kernel.
        stride;
        /// Sets the number of elements added on each side of the image, zeros unless [`border`](Self::border) is set.
        padding;
        /// Sets the distance between adjacent elements that the kernel reads.
        dilation;
    }

    /// Like [`new`](Self::new), with the channels in groups: each group of outputs sees only its own group of inputs.
    /// With as many groups as inputs, it is a depthwise convolution.
    ///
    /// ```
    /// use nn::{Module, layer::Conv2d};
    /// let depthwise = Conv2d::<f32>::grouped(8, 8, 3, 8, &mut autograd::Rng::new(0)).without_bias().stride(2).dilation(2);
    /// assert_eq!(depthwise.weight.value().shape(), [8, 1, 3, 3]);
    /// ```
    /// # Panics
    /// Panics if inputs and outputs are not divisible into the groups.
    #[track_caller]
    pub fn grouped(inputs: usize, outputs: usize, kernel: impl Sizes<D>, groups: usize, rng: &mut Rng) -> Self {
        let shape = weights("Conv", outputs, inputs, groups, kernel.sizes());
        let (weight, bias) = drawn(&shape, outputs, rng);
        let settings = Conv { groups, ..Conv::default() };
        Convolution { weight, bias, settings, same: false, border: Pad::Constant(0.0), folded: false }
    }

    /// Pads so that the image keeps its size at stride 1, PyTorch's `padding="same"`. If the padding is odd, the larger
    /// half follows the image.
    ///
    /// ```
    /// use autograd::{Pad, Rng, Tape, Tensor};
    /// use nn::{Module, Pass, layer::Conv2d};
    /// let layer = Conv2d::new(1, 4, 5, &mut Rng::new(0)).same().border(Pad::Reflect);
    /// let tape = Tape::<f32>::new();
    /// let y = layer.forward(tape.constant(Tensor::ones(&[1, 1, 28, 28])), &mut Pass::eval(&tape));
    /// assert_eq!(y.shape().as_slice(), [1, 4, 28, 28]);
    /// ```
    pub fn same(self) -> Self {
        Convolution { same: true, ..self }
    }

    /// Sets what the padding contains, PyTorch's `padding_mode`.
    pub fn border(self, border: Pad) -> Self {
        Convolution { border, ..self }
    }

    /// The padding before and after each axis.
    fn widths(&self) -> [[usize; 2]; D] {
        std::array::from_fn(|i| {
            let n = self.settings.padding[i];
            let reach = self.settings.dilation[i] * self.weight.value().shape()[2 + i].saturating_sub(1);
            if self.same { [reach / 2, reach - reach / 2] } else { [n, n] }
        })
    }

    /// The image, padded where the op itself cannot pad it, and the remaining settings.
    #[track_caller]
    fn bordered<'t>(&self, x: Var<'t, T>) -> Result<(Var<'t, T>, Conv<D>)> {
        if self.same && self.settings.stride != [1; D] {
            let hint = format!("padding that keeps the size requires stride 1, got {:?}", self.settings.stride);
            return Err(Error::Argument { op: "conv", hint });
        }
        let widths = self.widths();
        if self.border == Pad::Constant(0.0) && widths.iter().all(|[before, after]| before == after) {
            return Ok((x, Conv { padding: widths.map(|[n, _]| n), ..self.settings }));
        }
        let around = widths.map(|width| width.map(|n| n as isize));
        let pads = [vec![[0; 2]; x.rank().saturating_sub(D)], around.to_vec()].concat();
        Ok((x.try_pad(&pads, self.border)?, Conv { padding: [0; D], ..self.settings }))
    }

    /// Describes the settings that differ from their defaults.
    fn unusual(&self) -> String {
        let padding = if self.same { ", same".into() } else { unusual("padding", &self.settings.padding, 0) };
        let border = if self.border == Pad::Constant(0.0) { String::new() } else { format!(", {:?}", self.border) };
        moved(&self.settings) + &padding + &border
    }
}

/// Transposed convolution of images `[N, in, …]` with `D` trailing axes (the batch axis is optional). A stride enlarges
/// the image:
/// `y[n, o, i · stride + k · dilation - padding] += weight[c, o, k] · x[n, c, i]`, plus the bias.
///
/// New weights and biases are uniform on ±1/√(out / groups · kernel), as in PyTorch.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::ConvTranspose2d};
/// let layer = ConvTranspose2d::<f32>::new(8, 4, 3, &mut Rng::new(0)).stride(2).padding(1).output_padding(1);
/// let tape = Tape::new();
/// let y = layer.forward(tape.constant(Tensor::zeros(&[2, 8, 7, 7])), &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [2, 4, 14, 14]);
/// ```
#[derive(Debug, Clone)]
pub struct ConvolutionTranspose<T: Float, const D: usize> {
    /// `[in, out / groups, kernel…]`
    pub weight: Param<T>,
    /// `[out]`, or none
    pub bias: Option<Param<T>>,
    settings: Conv<D>,
    output_padding: [usize; D],
    folded: bool,
}

/// [`ConvolutionTranspose`] along one axis, of `[N, in, L]`.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::ConvTranspose1d};
/// let tape = Tape::<f32>::new();
/// let x = tape.constant(Tensor::zeros(&[2, 3, 7]));
/// let y = ConvTranspose1d::new(3, 4, 3, &mut Rng::new(0)).forward(x, &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [2, 4, 9]);
/// ```
pub type ConvTranspose1d<T> = ConvolutionTranspose<T, 1>;
/// [`ConvolutionTranspose`] of images `[N, in, H, W]`.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::ConvTranspose2d};
/// let tape = Tape::<f32>::new();
/// let x = tape.constant(Tensor::zeros(&[2, 3, 7, 7]));
/// let y = ConvTranspose2d::new(3, 4, 3, &mut Rng::new(0)).forward(x, &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [2, 4, 9, 9]);
/// ```
pub type ConvTranspose2d<T> = ConvolutionTranspose<T, 2>;
/// [`ConvolutionTranspose`] of volumes `[N, in, D, H, W]`.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::ConvTranspose3d};
/// let tape = Tape::<f32>::new();
/// let x = tape.constant(Tensor::zeros(&[2, 3, 7, 7, 7]));
/// let y = ConvTranspose3d::new(3, 4, 3, &mut Rng::new(0)).forward(x, &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [2, 4, 9, 9, 9]);
/// ```
pub type ConvTranspose3d<T> = ConvolutionTranspose<T, 3>;

parameters! { impl[T: Float, const D: usize] Parameters<T> for ConvolutionTranspose<T, D> { weight, bias } }

impl<T: Float, const D: usize> ConvolutionTranspose<T, D> {
    common! {
        /// Sets the distance between adjacent input elements in the output.
        stride;
        /// Sets the number of elements cut off at both ends of each axis.
        padding;
        /// Sets the distance between adjacent elements that the kernel writes.
        dilation;
    }

    /// Like [`new`](Self::new), with the channels in groups: each group of outputs sees only its own group of inputs.
    ///
    /// ```
    /// use nn::layer::ConvTranspose2d;
    /// let layer = ConvTranspose2d::<f32>::grouped(8, 4, 3, 2, &mut autograd::Rng::new(0)).without_bias().dilation(2);
    /// assert_eq!(layer.weight.value().shape(), [8, 2, 3, 3]);
    /// ```
    /// # Panics
    /// Panics if inputs and outputs are not divisible into the groups.
    #[track_caller]
    pub fn grouped(inputs: usize, outputs: usize, kernel: impl Sizes<D>, groups: usize, rng: &mut Rng) -> Self {
        let shape = weights("ConvTranspose", inputs, outputs, groups, kernel.sizes());
        let (weight, bias) = drawn(&shape, outputs, rng);
        let settings = Conv { groups, ..Conv::default() };
        ConvolutionTranspose { weight, bias, settings, output_padding: [0; D], folded: false }
    }

    /// Sets the number of elements added at the end of each axis. A convolution with a stride maps several sizes to the
    /// same one; this selects which of them to restore.
    pub fn output_padding(self, padding: impl Sizes<D>) -> Self {
        ConvolutionTranspose { output_padding: padding.sizes(), ..self }
    }

    /// Describes the settings that differ from their defaults.
    fn unusual(&self) -> String {
        moved(&self.settings)
            + &unusual("padding", &self.settings.padding, 0)
            + &unusual("output padding", &self.output_padding, 0)
    }
}

/// The shape of the weights, whose second axis is divided by the groups.
#[track_caller]
fn weights<const D: usize>(layer: &str, first: usize, second: usize, groups: usize, kernel: [usize; D]) -> Vec<usize> {
    let divides = groups > 0 && first.is_multiple_of(groups) && second.is_multiple_of(groups);
    assert!(divides, "{layer}{D}d: channels {first} and {second} are not divisible into {groups} groups");
    [&[first, second / groups], &kernel[..]].concat()
}

/// Weights of that shape and a bias, uniform on ±1/√fan.
fn drawn<T: Float>(shape: &[usize], outputs: usize, rng: &mut Rng) -> (Param<T>, Option<Param<T>>) {
    let fan = shape[1..].iter().product();
    (uniform(shape, fan, rng), Some(uniform(&[outputs], fan, rng)))
}

/// Applies a map to the output channels of the weights, which are reshaped to `view`, in which the channels lie along the
/// axes that `along` does not set to 1.
fn absorbed<T: Float>(
    (weight, bias): (&mut Param<T>, &mut Option<Param<T>>),
    view: &[usize],
    along: &[usize],
    map: &ChannelMap<T>,
) -> bool {
    if map.scale.shape() != [along.iter().product::<usize>()] {
        return false;
    }
    let shape = weight.value().shape().to_vec();
    let scaled = weight.value().reshape(view) * map.scale.reshape(along);
    weight.set(scaled.reshape(&shape));
    match bias {
        Some(bias) => bias.set(bias.value() * &map.scale + &map.shift),
        None => *bias = Some(Param::new(map.shift.clone())),
    }
    true
}

/// Describes stride, dilation and groups where they differ from their defaults.
fn moved<const D: usize>(settings: &Conv<D>) -> String {
    unusual("stride", &settings.stride, 1)
        + &unusual("dilation", &settings.dilation, 1)
        + &unusual("groups", &[settings.groups], 1)
}

/// Rejects an image without a batch axis if a map of channels was folded into the layer: without that axis, the map would
/// have applied to another axis.
#[track_caller]
fn batched<'t, T: Float>(layer: &impl Module<T>, folded: bool, x: Var<'t, T>, axes: usize, pass: &Pass<'t, T>) {
    if folded && x.rank() != axes + 2 {
        let shape = x.shape();
        let problem =
            format!("a normalization was folded into this layer, so its input needs a batch axis, got {shape:?}");
        pass.refuse(layer.describe(), problem);
    }
}

macro_rules! convolutions {
    ($($D:literal $conv:ident $transpose:ident;)*) => { $(
        impl<T: Float> Module<T> for Convolution<T, $D> {
            /// # Panics
            /// Panics if the input does not have the layer's channels and axes, or the kernel does not fit into it.
            #[track_caller]
            fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
                batched(self, self.folded, x, $D, pass);
                let (x, settings) = pass.checked(self, self.bordered(x));
                let (weight, bias) = (pass.var(&self.weight), pass.optional(&self.bias));
                let y = pass.checked(self, x.$conv(weight, bias.as_ref(), settings));
                pass.note(self, y)
            }

            fn describe(&self) -> String {
                let (shape, groups) = (self.weight.value().shape(), self.settings.groups);
                format!("Conv{}d({}, {}, {}{})", $D, shape[1] * groups, shape[0], brief(&shape[2..]), self.unusual())
            }

            fn absorb(&mut self, map: &ChannelMap<T>) -> bool {
                let outputs = self.weight.value().shape()[0];
                let rest = self.weight.value().len() / outputs.max(1);
                let done = absorbed((&mut self.weight, &mut self.bias), &[outputs, rest], &[outputs, 1], map);
                self.folded |= done;
                done
            }
        }

        impl<T: Float> Module<T> for ConvolutionTranspose<T, $D> {
            /// # Panics
            /// Panics if the input does not have the layer's channels and axes, or the padding removes the whole
            /// output.
            #[track_caller]
            fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
                batched(self, self.folded, x, $D, pass);
                let (weight, bias) = (pass.var(&self.weight), pass.optional(&self.bias));
                let y = x.$transpose(weight, bias.as_ref(), self.settings, self.output_padding);
                let y = pass.checked(self, y);
                pass.note(self, y)
            }

            fn describe(&self) -> String {
                let (shape, outputs) = (self.weight.value().shape(), self.weight.value().shape()[1] * self.settings.groups);
                format!("ConvTranspose{}d({}, {outputs}, {}{})", $D, shape[0], brief(&shape[2..]), self.unusual())
            }

            fn absorb(&mut self, map: &ChannelMap<T>) -> bool {
                let (shape, groups) = (self.weight.value().shape(), self.settings.groups);
                let (inputs, outputs) = (shape[0] / groups, shape[1]);
                let view = [groups, inputs, outputs, shape[2..].iter().product()];
                let done = absorbed((&mut self.weight, &mut self.bias), &view, &[groups, 1, outputs, 1], map);
                self.folded |= done;
                done
            }

            fn output_axis(&self) -> usize {
                1
            }
        }
    )* };
}

convolutions! {
    1 try_conv1d try_conv_transpose1d;
    2 try_conv2d try_conv_transpose2d;
    3 try_conv3d try_conv_transpose3d;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::check_module;
    use autograd::{Tape, Tensor};

    #[test]
    fn derivatives_of_all_parameters() {
        let rng = &mut Rng::new(3);
        let image = |shape: &[usize]| Tensor::randn(shape, &mut Rng::new(shape.len() as u64));
        check_module(&mut Conv1d::new(2, 3, 3, rng).stride(2).padding(1), &image(&[2, 2, 5]));
        check_module(&mut Conv2d::grouped(2, 4, [2, 3], 2, rng).same().without_bias(), &image(&[1, 2, 3, 4]));
        check_module(&mut Conv2d::new(1, 2, 3, rng).padding(1).border(Pad::Reflect), &image(&[2, 1, 3, 3]));
        check_module(&mut Conv3d::new(1, 2, 2, rng).dilation([1, 2, 1]), &image(&[1, 1, 2, 3, 3]));
        check_module(&mut ConvTranspose1d::new(2, 3, 3, rng).stride(2).output_padding(1), &image(&[2, 2, 3]));
        check_module(&mut ConvTranspose2d::grouped(4, 2, 3, 2, rng).padding(1), &image(&[1, 4, 2, 3]));
        check_module(&mut ConvTranspose3d::new(1, 2, 2, rng).without_bias(), &image(&[1, 1, 2, 2, 1]));
    }

    #[test]
    fn the_same_size_comes_out_for_any_kernel() {
        let (tape, rng) = (Tape::<f64>::new(), &mut Rng::new(0));
        for kernel in 1..6 {
            for border in [Pad::Constant(0.0), Pad::Reflect, Pad::Replicate, Pad::Circular] {
                let layer = Conv2d::new(1, 1, [kernel, 3], rng).dilation([1, 2]).same().border(border);
                let y = layer.forward(tape.constant(Tensor::ones(&[1, 6, 7])), &mut Pass::eval(&tape));
                assert_eq!(y.shape().as_slice(), [1, 6, 7]);
            }
        }
    }

    #[test]
    fn new_weights_keep_within_their_bound() {
        let layer = Conv2d::<f64>::grouped(8, 4, 3, 2, &mut Rng::new(0));
        let bound = 1.0 / (4.0f64 * 9.0).sqrt();
        let sizes = |x: &Tensor<f64>| x.abs().max().item();
        assert!(sizes(layer.weight.value()) <= bound && sizes(layer.weight.value()) > 0.9 * bound);
        assert!(sizes(layer.bias.unwrap().value()) <= bound);
    }

    #[test]
    #[should_panic(expected = "Conv2d(3, 4, 3): conv")]
    fn other_channels_panic() {
        let tape = Tape::<f64>::new();
        let layer = Conv2d::new(3, 4, 3, &mut Rng::new(0));
        layer.forward(tape.constant(Tensor::ones(&[1, 2, 8, 8])), &mut Pass::eval(&tape));
    }

    #[test]
    #[should_panic(expected = "Conv1d(1, 1, 3, stride 2, same): conv: padding that keeps the size requires stride 1")]
    fn a_stride_does_not_keep_the_size() {
        let tape = Tape::<f64>::new();
        let layer = Conv1d::new(1, 1, 3, &mut Rng::new(0)).same().stride(2);
        layer.forward(tape.constant(Tensor::ones(&[1, 1, 8])), &mut Pass::eval(&tape));
    }

    #[test]
    #[should_panic(expected = "Conv2d: channels 4 and 6 are not divisible into 3 groups")]
    fn groups_divide_the_channels() {
        Conv2d::<f32>::grouped(6, 4, 3, 3, &mut Rng::new(0));
    }
}
