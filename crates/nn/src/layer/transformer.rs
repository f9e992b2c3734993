//! The transformer: its encoder here, and then its decoder, and both together.

mod decoder;
mod whole;

pub use decoder::{DecoderCache, TransformerDecoder, TransformerDecoderLayer};
pub use whole::{Transformer, TransformerMasks};

use super::{Activation, Dropout, KeyValues, LayerNorm, Linear, Masks, MultiheadAttention};
use crate::{Module, Pass, parameters};
use autograd::{Float, Rng, Var};

/// Options of the layers of a [`Transformer`], with PyTorch's defaults. Set some of them and fill in the rest with `..`.
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
    /// The base of the [rotary encoding](MultiheadAttention::rotary) of positions in self-attention. Defaults to none.
    pub rotary: Option<f64>,
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
            rotary: None,
        }
    }
}

impl TransformerOptions {
    /// Attention with these settings, without a rotary encoding.
    #[track_caller]
    fn attention<T: Float>(&self, width: usize, heads: usize, rng: &mut Rng) -> MultiheadAttention<T> {
        let attention = MultiheadAttention::new(width, heads, rng).dropout(self.dropout);
        if self.batch_first { attention.batch_first() } else { attention }
    }

    /// Attention of positions to each other, with these settings.
    #[track_caller]
    fn self_attention<T: Float>(&self, width: usize, heads: usize, rng: &mut Rng) -> MultiheadAttention<T> {
        let attention = self.attention(width, heads, rng);
        match self.rotary {
            Some(base) => attention.rotary(base),
            None => attention,
        }
    }

    #[track_caller]
    fn norm<T: Float>(&self, width: usize) -> LayerNorm<T> {
        LayerNorm::new(&[width]).eps(self.eps)
    }
}

/// Settings that the blocks of a layer share: where they normalize, and their dropout.
#[derive(Debug, Clone, Copy)]
struct Blocks {
    activation: Activation,
    dropout: Dropout,
    norm_first: bool,
}

impl Blocks {
    #[track_caller]
    fn new(options: &TransformerOptions) -> Self {
        let TransformerOptions { activation, norm_first, .. } = *options;
        Blocks { activation, dropout: Dropout::new(options.dropout), norm_first }
    }

    /// The input of a block.
    #[track_caller]
    fn input<'t, T: Float>(&self, x: Var<'t, T>, norm: &LayerNorm<T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        if self.norm_first { norm.forward(x, pass) } else { x }
    }

    /// The sum of `x` and a block's output `y`.
    #[track_caller]
    fn sum<'t, T: Float>(&self, [x, y]: [Var<'t, T>; 2], norm: &LayerNorm<T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let sum = x + self.dropout.apply(y, pass);
        if self.norm_first { sum } else { norm.forward(sum, pass) }
    }

    /// The block of two dense layers.
    #[track_caller]
    fn dense<'t, T: Float>(
        &self,
        x: Var<'t, T>,
        [first, second]: [&Linear<T>; 2],
        norm: &LayerNorm<T>,
        pass: &mut Pass<'t, T>,
    ) -> Var<'t, T> {
        let y = self.input(x, norm, pass);
        let wide = first.forward(y, pass);
        let hidden = pass.checked(&self.activation, self.activation.try_apply(wide));
        let y = second.forward(self.dropout.apply(hidden, pass), pass);
        self.sum([x, y], norm, pass)
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
    blocks: Blocks,
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
        TransformerEncoderLayer {
            self_attn: options.self_attention(width, heads, rng),
            linear1: Linear::new(width, options.feedforward, rng),
            linear2: Linear::new(options.feedforward, width, rng),
            norm1: options.norm(width),
            norm2: options.norm(width),
            blocks: Blocks::new(&options),
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
        let y = self.blocks.input(x, &self.norm1, pass);
        let y = self.self_attn.attend([y, y, y], masks, pass);
        self.dense(self.blocks.sum([x, y], &self.norm1, pass), pass)
    }

    /// The output for new positions, which attend causally to the previous ones: see
    /// [`attend_after`](MultiheadAttention::attend_after).
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Pass, layer::{KeyValues, TransformerEncoderLayer, TransformerOptions}};
    /// let options = TransformerOptions { batch_first: true, ..Default::default() };
    /// let layer = TransformerEncoderLayer::<f32>::new(8, 2, options, &mut Rng::new(0));
    /// let (tape, mut before) = (Tape::new(), KeyValues::new());
    /// let x = tape.constant(Tensor::ones(&[1, 3, 8]));
    /// layer.encode_after(x, &mut before, &mut Pass::eval(&tape));
    /// assert_eq!(before.len(), 3);
    /// ```
    /// # Panics
    /// Panics if the shapes are incompatible.
    #[track_caller]
    pub fn encode_after<'t>(&self, x: Var<'t, T>, before: &mut KeyValues<T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let y = self.blocks.input(x, &self.norm1, pass);
        let y = self.self_attn.attend_after(y, before, pass);
        self.dense(self.blocks.sum([x, y], &self.norm1, pass), pass)
    }

    #[track_caller]
    fn dense<'t>(&self, x: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        self.blocks.dense(x, [&self.linear1, &self.linear2], &self.norm2, pass)
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
        let norm = options.norm_first.then(|| options.norm(width));
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
        normalized(x, &self.norm, pass)
    }

    /// The output for new positions, which attend causally to the previous ones. `before` has one entry per layer: see
    /// [`attend_after`](MultiheadAttention::attend_after).
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Pass, layer::{KeyValues, Masks, TransformerEncoder, TransformerOptions}};
    /// let (rng, options) = (&mut Rng::new(0), TransformerOptions { batch_first: true, ..Default::default() });
    /// let (encoder, tape) = (TransformerEncoder::<f64>::new(2, 8, 2, options, rng), Tape::new());
    /// let (mut pass, mut before) = (Pass::eval(&tape), vec![KeyValues::new(); 2]);
    /// let x = tape.constant(Tensor::randn(&[1, 3, 8], rng));
    /// encoder.encode_after(x.slice(1, ..2), &mut before, &mut pass);
    /// let last = encoder.encode_after(x.slice(1, 2..), &mut before, &mut pass);
    /// let whole = encoder.encode(x, Masks::causal(), &mut pass);
    /// assert!((last - whole.slice(1, 2..)).value().abs().max().item() < 1e-14);
    /// ```
    /// # Panics
    /// Panics if the shapes are incompatible, or there is not one entry per layer.
    #[track_caller]
    pub fn encode_after<'t>(&self, x: Var<'t, T>, before: &mut [KeyValues<T>], pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let (layers, entries) = (self.layers.len(), before.len());
        assert!(
            layers == entries,
            "encode_after: there must be one entry for each of the {layers} layers, not {entries}"
        );
        let mut x = x;
        for (layer, before) in self.layers.iter().zip(before) {
            x = layer.encode_after(x, before, pass);
        }
        normalized(x, &self.norm, pass)
    }
}

/// The output of a stack of layers.
#[track_caller]
fn normalized<'t, T: Float>(x: Var<'t, T>, norm: &Option<LayerNorm<T>>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
    match norm {
        Some(norm) => norm.forward(x, pass),
        None => x,
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
