//! [`Module`]: a layer, or a network of layers; [`Model`]: a network with any number of inputs and outputs. They must not
//! depend on any particular layer, nor on how they are trained.

mod model;
mod refused;
mod tied;

pub use model::Model;
pub use refused::LayerError;
pub use tied::Tied;

use crate::describe::type_name;
use crate::pass::Note;
use crate::{Pass, Path};
use autograd::{Float, Tensor, Var};

/// A layer, or a network of layers: a function of one variable that has parameters.
///
/// A custom layer takes a dozen lines. Its parameters have PyTorch-style names and are trained and saved like any
/// others:
///
/// ```
/// use autograd::{Rng, Tape, Var, tensor};
/// use nn::{Module, Param, Pass, layer::Linear, parameters};
///
/// /// y = x + scale · tanh(W x + b)
/// struct Residual { inner: Linear<f32>, scale: Param<f32> }
///
/// parameters! { impl Parameters<f32> for Residual { inner, scale } }
///
/// impl Module<f32> for Residual {
///     fn forward<'t>(&self, x: Var<'t, f32>, pass: &mut Pass<'t, f32>) -> Var<'t, f32> {
///         x + pass.var(&self.scale) * self.inner.forward(x, pass).tanh()
///     }
/// }
/// let model = Residual { inner: Linear::new(2, 2, &mut Rng::new(0)), scale: Param::new(tensor![1.0f32]) };
/// let tape = Tape::new();
/// let y = model.forward(tape.constant([[1.0f32, 2.0]]), &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [1, 2]);
/// assert_eq!(nn::names(&model), ["inner.weight", "inner.bias", "scale"]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer for numbers of type `{T}`",
    label = "not a layer",
    note = "activations are layers too: `Activation::Relu`; a layer of your own implements `Module<{T}>`"
)]
pub trait Module<T: Float>: Model<T> {
    /// The output for `x`, recorded on the tape of the pass.
    ///
    /// Each operation records the line of this function that called it. The layers of this crate are `#[track_caller]`,
    /// so that they record the line that called the layer. The trait method does not have the attribute, because it
    /// would apply to every custom layer too.
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T>;

    /// The layer's description in a summary. Defaults to the name of its type; better is the call that constructs it.
    ///
    /// ```
    /// use nn::{Module, layer::Linear};
    /// assert_eq!(Linear::<f32>::new(3, 2, &mut autograd::Rng::new(0)).describe(), "Linear(3, 2)");
    /// ```
    fn describe(&self) -> String {
        type_name::<Self>()
    }

    /// The affine map of each channel that this layer computes in eval mode, if it is one, like batch normalization.
    ///
    /// ```
    /// use nn::{Module, layer::{Activation, BatchNorm2d}};
    /// let map = BatchNorm2d::<f64>::new(3).eps(0.0).channel_map().unwrap();
    /// assert_eq!((map.scale.to_vec(), map.shift.to_vec()), (vec![1.0; 3], vec![0.0; 3]));
    /// assert!(Module::<f64>::channel_map(&Activation::Relu).is_none());
    /// ```
    fn channel_map(&self) -> Option<ChannelMap<T>> {
        None
    }

    /// Changes the parameters so that the layer also applies this map to its output, and returns true; or changes
    /// nothing and returns false, which is the default. [`Sequential::fold`](crate::layer::Sequential::fold) calls it.
    ///
    /// ```
    /// use autograd::{Rng, tensor};
    /// use nn::{ChannelMap, Module, layer::Conv2d};
    /// let mut layer = Conv2d::<f64>::new(1, 1, 1, &mut Rng::new(0)).without_bias();
    /// layer.weight.set(tensor![[[[3.0]]]]);
    /// assert!(layer.absorb(&ChannelMap { scale: tensor![2.0], shift: tensor![1.0] }));
    /// assert_eq!((layer.weight.value().item(), layer.bias.unwrap().value().item()), (6.0, 1.0));
    /// ```
    fn absorb(&mut self, map: &ChannelMap<T>) -> bool {
        let _ = map;
        false
    }

    /// Folds layers within this one: see [`Sequential::fold`](crate::layer::Sequential::fold). A layer that contains others
    /// calls theirs and returns the sum. Defaults to 0.
    ///
    /// ```
    /// use nn::{Module, layer::{BatchNorm2d, Conv2d, Residual, Sequential}};
    /// let conv = Conv2d::<f32>::new(4, 4, 3, &mut autograd::Rng::new(0)).same();
    /// let mut block = Residual::new(Sequential::new().then(conv).then(BatchNorm2d::new(4)));
    /// assert_eq!((block.fold(), block.inner.layers().len()), (1, 1));
    /// ```
    fn fold(&mut self) -> usize {
        0
    }

    /// The axis of the layer's weight along which its outputs lie: 0 by default, and 1 for a transposed convolution.
    /// [`SpectralNorm`](crate::layer::SpectralNorm) uses it.
    ///
    /// ```
    /// use nn::{Module, layer::{Conv2d, ConvTranspose2d}};
    /// let rng = &mut autograd::Rng::new(0);
    /// assert_eq!(Conv2d::<f32>::new(3, 4, 5, rng).output_axis(), 0);
    /// assert_eq!(ConvTranspose2d::<f32>::new(3, 4, 5, rng).output_axis(), 1);
    /// ```
    fn output_axis(&self) -> usize {
        0
    }
}

/// An affine map of each channel, `y = scale · x + shift`, where channels are the axis after the batch.
///
/// ```
/// let map = nn::ChannelMap { scale: autograd::tensor![2.0f32, 1.0], shift: autograd::tensor![0.0f32, 1.0] };
/// assert_eq!(map.scale.shape(), map.shift.shape());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelMap<T: Float> {
    /// `[C]`
    pub scale: Tensor<T>,
    /// `[C]`
    pub shift: Tensor<T>,
}

impl<'t, T: Float> Pass<'t, T> {
    /// Notes the output of a layer and returns it, after its [hooks](Pass::hook) are applied. End `forward` with this call
    /// to give the layer a line in a [summary](crate::summary), a box in a [picture](Pass::drawing), and hooks.
    ///
    /// ```
    /// use autograd::Var;
    /// use nn::{Module, Pass, parameters};
    /// /// Twice its input.
    /// struct Twice;
    /// parameters! { impl Parameters<f64> for Twice {} }
    /// impl Module<f64> for Twice {
    ///     fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
    ///         pass.note(self, x * 2.0)
    ///     }
    /// }
    /// assert_eq!(nn::summary(&Twice, &[3]).layers[0].layer, "Twice");
    /// ```
    pub fn note<M: Module<T> + ?Sized>(&mut self, layer: &M, output: Var<'t, T>) -> Var<'t, T> {
        let output = self.hooked(layer, output);
        if let Some(notes) = &mut self.notes {
            let (mut parameters, mut aliases) = (Vec::new(), Vec::new());
            layer.visit(&mut Path::default(), &mut |name, param| {
                let list = if param.is_alias() { &mut aliases } else { &mut parameters };
                list.push((param.key(), name.to_owned()));
            });
            // The first one says where the layer is in the model.
            parameters.append(&mut aliases);
            notes.push(Note { layer: layer.describe(), parameters, output: output.shape(), at: output.id() });
        }
        output
    }
}
