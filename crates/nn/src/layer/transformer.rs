//! The transformer encoder.

use super::{Activation, Dropout, LayerNorm, Linear, Masks, MultiheadAttention};
use crate::{Module, Pass, parameters};
use autograd::{Float, Rng, Var};

/// Options of a [`TransformerEncoderLayer`], with PyTorch's defaults. Set some of them and fill in the rest with `..`.
///
/// ```
/// use nn::layer::TransformerOptions;
/// let small = TransformerOptions { feedforward: 64, norm_first: true, ..TransformerOptions::default() };
/// assert_eq!((small.dropout, small.eps), (0.1, 1e-5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransformerOptions {
    /// The number of units between the two dense layers. Defaults to 2048.
    pub feedforward: usize,
    /// The activation between them. Defaults to ReLU.
    pub activation: Activation,
    /// The probability of dropping attention weights, hidden units and the outputs of both blocks in training. Defaults
    /// to 0.1.
    pub dropout: f64,
    /// Whether to normalize the inputs of attention and dense layers, rather than the sums after them. Defaults to
    /// false.
    pub norm_first: bool,
    /// Whether inputs and outputs are `[batch, length, width]` rather than `[length, batch, width]`. Defaults to false.
    pub batch_first: bool,
    /// Added to variances for numerical stability. Defaults to 1e-5.
    pub eps: f64,
}

impl Default for TransformerOptions {
    fn default() -> Self {
        TransformerOptions {
            feedforward: 2048,
            activation: Activation::Relu,
            dropout: 0.1,
            norm_first: false,
            batch_first: false,
            eps: 1e-5,
        }
    }
}

/// Self-attention and two dense layers, each with a residual connection and layer normalization (Vaswani et al., 2017).
/// Names, layouts and initial weights match PyTorch's.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Module, Pass, layer::{Activation, Masks, TransformerEncoderLayer, TransformerOptions}};
/// let options = TransformerOptions {
///     feedforward: 24, activation: Activation::Gelu, batch_first: true, ..Default::default()
/// };
/// let layer = TransformerEncoderLayer::<f32>::new(12, 3, options, &mut Rng::new(0));
/// let tape = Tape::new();
/// let mut pass = Pass::eval(&tape);
/// let x = tape.constant(Tensor::ones(&[2, 7, 12]));
/// assert_eq!(layer.forward(x, &mut pass).shape().as_slice(), [2, 7, 12]);
/// assert_eq!(layer.encode(x, Masks::causal(), &mut pass).shape().as_slice(), [2, 7, 12]);
/// ```
#[derive(Debug, Clone)]
pub struct TransformerEncoderLayer<T: Float> {
    /// The self-attention.
    pub self_attn: MultiheadAttention<T>,
    /// `[feedforward, width]`
    pub linear1: Linear<T>,
    /// `[width, feedforward]`
    pub linear2: Linear<T>,
    /// The normalization of the attention block.
    pub norm1: LayerNorm<T>,
    /// The normalization of the dense block.
    pub norm2: LayerNorm<T>,
    activation: Activation,
    dropout: Dropout,
    norm_first: bool,
}

parameters! { impl[T: Float] Parameters<T> for TransformerEncoderLayer<T> {
    self_attn, linear1, linear2, norm1, norm2
} }

impl<T: Float> TransformerEncoderLayer<T> {
    /// A layer of the given width, divided among the heads.
    ///
    /// # Panics
    /// Panics if the width is not divisible by the number of heads, or the dropout probability is not in `[0, 1]`.
    #[track_caller]
    pub fn new(width: usize, heads: usize, options: TransformerOptions, rng: &mut Rng) -> Self {
        let attention = MultiheadAttention::new(width, heads, rng).dropout(options.dropout);
        let norm = || LayerNorm::new(&[width]).eps(options.eps);
        TransformerEncoderLayer {
            self_attn: if options.batch_first { attention.batch_first() } else { attention },
            linear1: Linear::new(width, options.feedforward, rng),
            linear2: Linear::new(options.feedforward, width, rng),
            norm1: norm(),
            norm2: norm(),
            activation: options.activation,
            dropout: Dropout::new(options.dropout),
            norm_first: options.norm_first,
        }
    }

    /// The output for `x`, whose positions attend to each other as the masks allow.
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Pass, layer::{Masks, TransformerEncoderLayer, TransformerOptions}};
    /// let layer = TransformerEncoderLayer::<f32>::new(8, 2, TransformerOptions::default(), &mut Rng::new(0));
    /// let tape = Tape::new();
    /// let x = tape.constant(Tensor::ones(&[4, 3, 8]));
    /// assert_eq!(layer.encode(x, Masks::causal(), &mut Pass::eval(&tape)).shape().as_slice(), [4, 3, 8]);
    /// ```
    /// # Panics
    /// Panics if the shapes are incompatible.
    #[track_caller]
    pub fn encode<'t>(&self, x: Var<'t, T>, masks: Masks<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        if self.norm_first {
            let y = self.norm1.forward(x, pass);
            let x = x + self.attention(y, masks, pass);
            let y = self.norm2.forward(x, pass);
            x + self.dense(y, pass)
        } else {
            let y = x + self.attention(x, masks, pass);
            let x = self.norm1.forward(y, pass);
            let y = x + self.dense(x, pass);
            self.norm2.forward(y, pass)
        }
    }

    #[track_caller]
    fn attention<'t>(&self, x: Var<'t, T>, masks: Masks<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = self.self_attn.attend([x, x, x], masks, pass);
        self.dropout.apply(y, pass)
    }

    #[track_caller]
    fn dense<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let wide = self.linear1.forward(x, pass);
        let hidden = pass.checked(&self.activation, self.activation.try_apply(wide));
        let y = self.linear2.forward(self.dropout.apply(hidden, pass), pass);
        self.dropout.apply(y, pass)
    }
}

impl<T: Float> Module<T> for TransformerEncoderLayer<T> {
    /// # Panics
    /// Panics if the input does not have the layer's width.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        self.encode(x, Masks::default(), pass)
    }
}

/// A stack of encoder layers, with a final normalization if they normalize their inputs (`norm_first`).
///
/// ```
/// use autograd::Rng;
/// use nn::layer::{TransformerEncoder, TransformerOptions};
/// let options = TransformerOptions { feedforward: 16, norm_first: true, ..Default::default() };
/// let model = TransformerEncoder::<f32>::new(6, 8, 2, options, &mut Rng::new(0));
/// let names = nn::names(&model);
/// assert_eq!((names[0].as_str(), names.last().unwrap().as_str()), ("layers.0.self_attn.in_proj_weight", "norm.bias"));
/// ```
#[derive(Debug, Clone)]
pub struct TransformerEncoder<T: Float> {
    /// The layers, in order.
    pub layers: Vec<TransformerEncoderLayer<T>>,
    /// The normalization after the last layer, or none.
    pub norm: Option<LayerNorm<T>>,
}

parameters! { impl[T: Float] Parameters<T> for TransformerEncoder<T> { layers, norm } }

impl<T: Float> TransformerEncoder<T> {
    /// A stack of `layers` layers, each with independent initial weights (PyTorch starts with copies of one layer).
    ///
    /// # Panics
    /// Panics under the same conditions as [`TransformerEncoderLayer::new`].
    #[track_caller]
    pub fn new(layers: usize, width: usize, heads: usize, options: TransformerOptions, rng: &mut Rng) -> Self {
        let layers = (0..layers).map(|_| TransformerEncoderLayer::new(width, heads, options, rng)).collect();
        let norm = options.norm_first.then(|| LayerNorm::new(&[width]).eps(options.eps));
        TransformerEncoder { layers, norm }
    }

    /// The output for `x`, whose positions attend to each other as the masks allow.
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Pass, layer::{Masks, TransformerEncoder, TransformerOptions}};
    /// let encoder = TransformerEncoder::<f32>::new(2, 8, 2, TransformerOptions::default(), &mut Rng::new(0));
    /// let tape = Tape::new();
    /// let x = tape.constant(Tensor::ones(&[4, 3, 8]));
    /// assert_eq!(encoder.encode(x, Masks::causal(), &mut Pass::eval(&tape)).shape().as_slice(), [4, 3, 8]);
    /// ```
    /// # Panics
    /// Panics if the shapes are incompatible.
    #[track_caller]
    pub fn encode<'t>(&self, x: Var<'t, T>, masks: Masks<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let mut x = x;
        for layer in &self.layers {
            x = layer.encode(x, masks, pass);
        }
        match &self.norm {
            Some(norm) => norm.forward(x, pass),
            None => x,
        }
    }
}

impl<T: Float> Module<T> for TransformerEncoder<T> {
    /// # Panics
    /// Panics if the input does not have the layers' width.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        self.encode(x, Masks::default(), pass)
    }
}
