//! The decoder. Its positions attend to each other and to the memory, which is the output of an encoder for another sequence.

use super::{Blocks, TransformerOptions, normalized};
use crate::layer::{LayerNorm, Linear, Masks, MultiheadAttention};
use crate::{Pass, parameters};
use autograd::{Float, Rng, Var};

/// Self-attention, attention to a memory, and two dense layers, each with a residual connection and layer normalization
/// (Vaswani et al., 2017). Names, layouts and initial weights match PyTorch's.
///
/// ```
/// use autograd::{Rng, Tape, Tensor};
/// use nn::{Pass, layer::{Masks, TransformerDecoderLayer, TransformerOptions}};
/// let options = TransformerOptions { feedforward: 24, batch_first: true, ..Default::default() };
/// let layer = TransformerDecoderLayer::<f32>::new(12, 3, options, &mut Rng::new(0));
/// let tape = Tape::new();
/// let (x, memory) = (tape.constant(Tensor::ones(&[2, 7, 12])), tape.constant(Tensor::ones(&[2, 5, 12])));
/// let y = layer.decode(x, memory, Masks::causal(), Masks::default(), &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [2, 7, 12]);
/// ```
#[derive(Debug, Clone)]
pub struct TransformerDecoderLayer<T: Float> {
    /// The attention of positions to each other.
    pub self_attn: MultiheadAttention<T>,
    /// The attention to the memory.
    pub multihead_attn: MultiheadAttention<T>,
    /// `[feedforward, width]`
    pub linear1: Linear<T>,
    /// `[width, feedforward]`
    pub linear2: Linear<T>,
    /// The normalization of the block of self-attention.
    pub norm1: LayerNorm<T>,
    /// The normalization of the block of attention to the memory.
    pub norm2: LayerNorm<T>,
    /// The normalization of the dense block.
    pub norm3: LayerNorm<T>,
    blocks: Blocks,
}

parameters! { impl[T: Float] Parameters<T> for TransformerDecoderLayer<T> {
    self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3
} }

impl<T: Float> TransformerDecoderLayer<T> {
    /// A layer of the given width, divided among the heads.
    ///
    /// # Panics
    /// Panics if the width is not divisible by the number of heads, or the dropout probability is not in `[0, 1]`.
    #[track_caller]
    pub fn new(width: usize, heads: usize, options: TransformerOptions, rng: &mut Rng) -> Self {
        TransformerDecoderLayer {
            self_attn: options.self_attention(width, heads, rng),
            multihead_attn: options.attention(width, heads, rng),
            linear1: Linear::new(width, options.feedforward, rng),
            linear2: Linear::new(options.feedforward, width, rng),
            norm1: options.norm(width),
            norm2: options.norm(width),
            norm3: options.norm(width),
            blocks: Blocks::new(&options),
        }
    }

    /// The output for `x`, whose positions attend to each other as `masks` allow, and to the memory as `of_memory` allow.
    ///
    /// # Panics
    /// Panics if the shapes are incompatible.
    #[track_caller]
    pub fn decode<'t>(
        &self,
        x: Var<'t, T>,
        memory: Var<'t, T>,
        masks: Masks<'t, T>,
        of_memory: Masks<'t, T>,
        pass: &mut Pass<'t, T>,
    ) -> Var<'t, T> {
        let y = self.blocks.input(x, &self.norm1, pass);
        let y = self.self_attn.attend([y, y, y], masks, pass);
        let x = self.blocks.sum([x, y], &self.norm1, pass);
        let y = self.blocks.input(x, &self.norm2, pass);
        let y = self.multihead_attn.attend([y, memory, memory], of_memory, pass);
        let x = self.blocks.sum([x, y], &self.norm2, pass);
        self.blocks.dense(x, [&self.linear1, &self.linear2], &self.norm3, pass)
    }
}

/// A stack of decoder layers, with a final normalization if they normalize their inputs (`norm_first`).
///
/// ```
/// use autograd::{Rng, Tape, Tensor, tensor};
/// use nn::{Pass, layer::{Masks, TransformerDecoder, TransformerOptions}};
/// let decoder = TransformerDecoder::<f32>::new(2, 8, 2, TransformerOptions::default(), &mut Rng::new(0));
/// let tape = Tape::new();
/// let (x, memory) = (tape.constant(Tensor::ones(&[4, 2, 8])), tape.constant(Tensor::ones(&[3, 2, 8])));
/// // The first sequence that was read has three positions, the second one.
/// let of_memory = Masks::default().lengths(tape.integers(tensor![3_i64, 1]), 3);
/// let y = decoder.decode(x, memory, Masks::causal(), of_memory, &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [4, 2, 8]);
/// ```
#[derive(Debug, Clone)]
pub struct TransformerDecoder<T: Float> {
    /// The layers, in order.
    pub layers: Vec<TransformerDecoderLayer<T>>,
    /// The normalization after the last layer, or none.
    pub norm: Option<LayerNorm<T>>,
}

parameters! { impl[T: Float] Parameters<T> for TransformerDecoder<T> { layers, norm } }

impl<T: Float> TransformerDecoder<T> {
    /// A stack of `layers` layers, each with independent initial weights (PyTorch starts with copies of one layer).
    ///
    /// # Panics
    /// Panics under the same conditions as [`TransformerDecoderLayer::new`].
    #[track_caller]
    pub fn new(layers: usize, width: usize, heads: usize, options: TransformerOptions, rng: &mut Rng) -> Self {
        let layers = (0..layers).map(|_| TransformerDecoderLayer::new(width, heads, options, rng)).collect();
        let norm = options.norm_first.then(|| options.norm(width));
        TransformerDecoder { layers, norm }
    }

    /// The output for `x`, whose positions attend to each other as `masks` allow, and to the memory as `of_memory` allow.
    ///
    /// # Panics
    /// Panics if the shapes are incompatible.
    #[track_caller]
    pub fn decode<'t>(
        &self,
        x: Var<'t, T>,
        memory: Var<'t, T>,
        masks: Masks<'t, T>,
        of_memory: Masks<'t, T>,
        pass: &mut Pass<'t, T>,
    ) -> Var<'t, T> {
        let mut x = x;
        for layer in &self.layers {
            x = layer.decode(x, memory, masks, of_memory, pass);
        }
        normalized(x, &self.norm, pass)
    }
}
