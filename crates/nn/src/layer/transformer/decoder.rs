//! The decoder. Its positions attend to each other and to the memory, which is the output of an encoder for another sequence.

use super::{Blocks, TransformerOptions, normalized};
use crate::layer::{KeyValues, LayerNorm, Linear, Masks, MultiheadAttention};
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

    /// The output for new positions: see [`TransformerDecoder::decode_after`].
    #[track_caller]
    fn decode_after<'t>(
        &self,
        x: Var<'t, T>,
        Decoded { memory, before }: &mut Decoded<T>,
        of_memory: Masks<'t, T>,
        pass: &mut Pass<'t, T>,
    ) -> Var<'t, T> {
        let from = before.len();
        let y = self.blocks.input(x, &self.norm1, pass);
        let y = self.self_attn.attend_after(y, before, pass);
        let x = self.blocks.sum([x, y], &self.norm1, pass);
        let y = self.blocks.input(x, &self.norm2, pass);
        let y = self.multihead_attn.attend_to(y, from, memory, of_memory, pass);
        let x = self.blocks.sum([x, y], &self.norm2, pass);
        self.blocks.dense(x, [&self.linear1, &self.linear2], &self.norm3, pass)
    }
}

/// The keys and values of a layer: of the memory, and of the positions so far.
#[derive(Debug, Clone)]
struct Decoded<T: Float> {
    memory: KeyValues<T>,
    before: KeyValues<T>,
}

/// The cached keys and values of the layers of a [`TransformerDecoder`] for the memory and for earlier positions: see
/// [`decode_after`](TransformerDecoder::decode_after).
///
/// ```
/// use autograd::{Rng, Tape, Tensor, tensor};
/// use nn::{Pass, layer::{DecoderCache, Masks, TransformerDecoder, TransformerOptions}};
/// let (rng, options) = (&mut Rng::new(0), TransformerOptions { batch_first: true, ..Default::default() });
/// let (decoder, tape) = (TransformerDecoder::<f64>::new(2, 8, 2, options, rng), Tape::new());
/// let mut pass = Pass::eval(&tape);
/// let [x, memory] = [4, 3].map(|length| tape.constant(Tensor::randn(&[2, length, 8], rng)));
/// let mut cache: DecoderCache<f64> = decoder.start(memory, &pass);
/// assert!(cache.is_empty());
/// let y = decoder.decode_after(x, &mut cache, Masks::default(), &mut pass);
/// // Swap the two sequences, and decode their last position again.
/// cache.truncate(3);
/// cache.select(&[1, 0]);
/// assert_eq!(cache.len(), 3);
/// let [x, y] = [x, y].map(|x| x.take(0, tensor![1_i64, 0]).slice(1, 3..));
/// let again = decoder.decode_after(x, &mut cache, Masks::default(), &mut pass);
/// assert!((again - y).value().abs().max().item() < 1e-14);
/// ```
#[derive(Debug, Clone)]
pub struct DecoderCache<T: Float> {
    layers: Vec<Decoded<T>>,
}

impl<T: Float> DecoderCache<T> {
    /// The number of positions.
    pub fn len(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.before.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all positions but the first `len`: see [`KeyValues::truncate`].
    pub fn truncate(&mut self, len: usize) {
        self.layers.iter_mut().for_each(|layer| layer.before.truncate(len));
    }

    /// Keeps only the sequences of the batch at these indices, such as those with which a search continues, together with
    /// their memories.
    ///
    /// # Panics
    /// Panics if an index is out of range.
    #[track_caller]
    pub fn select(&mut self, sequences: &[usize]) {
        for Decoded { memory, before } in &mut self.layers {
            memory.select(sequences);
            if !before.is_empty() {
                before.select(sequences);
            }
        }
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

    /// The keys and values of a memory, to decode step by step with [`decode_after`](Self::decode_after).
    ///
    /// # Panics
    /// Panics if the memory does not have the layers' width.
    #[track_caller]
    pub fn start<'t>(&self, memory: Var<'t, T>, pass: &Pass<'t, T>) -> DecoderCache<T> {
        let kept = |layer: &TransformerDecoderLayer<T>| Decoded {
            memory: layer.multihead_attn.keys_of(memory, pass),
            before: KeyValues::new(),
        };
        DecoderCache { layers: self.layers.iter().map(kept).collect() }
    }

    /// The output for new positions, which attend causally to the previous ones: equal to the last positions of
    /// [`decode`](Self::decode) with causal masks, at the cost of the new ones only. The keys and values of the memory
    /// were computed [once](Self::start), and those of `x` are appended to the cache. They are tensors, not variables: no
    /// derivative reaches them.
    ///
    /// ```
    /// use autograd::{Rng, Tape, Tensor};
    /// use nn::{Pass, layer::{Masks, TransformerDecoder, TransformerOptions}};
    /// let (rng, options) = (&mut Rng::new(0), TransformerOptions { batch_first: true, ..Default::default() });
    /// let (decoder, tape) = (TransformerDecoder::<f64>::new(2, 8, 2, options, rng), Tape::new());
    /// let mut pass = Pass::eval(&tape);
    /// let [x, memory] = [4, 3].map(|length| tape.constant(Tensor::randn(&[1, length, 8], rng)));
    /// let mut cache = decoder.start(memory, &pass);
    /// decoder.decode_after(x.slice(1, ..3), &mut cache, Masks::default(), &mut pass);
    /// let last = decoder.decode_after(x.slice(1, 3..), &mut cache, Masks::default(), &mut pass);
    /// let whole = decoder.decode(x, memory, Masks::causal(), Masks::default(), &mut pass);
    /// assert!((last - whole.slice(1, 3..)).value().abs().max().item() < 1e-14);
    /// assert_eq!(cache.len(), 4);
    /// ```
    /// # Panics
    /// Panics if the shapes are incompatible, or the cache belongs to a decoder with another number of layers.
    #[track_caller]
    pub fn decode_after<'t>(
        &self,
        x: Var<'t, T>,
        cache: &mut DecoderCache<T>,
        of_memory: Masks<'t, T>,
        pass: &mut Pass<'t, T>,
    ) -> Var<'t, T> {
        let (layers, kept) = (self.layers.len(), cache.layers.len());
        assert!(layers == kept, "decode_after: the decoder has {layers} layers, but the cache is of {kept}");
        let mut x = x;
        for (layer, kept) in self.layers.iter().zip(&mut cache.layers) {
            x = layer.decode_after(x, kept, of_memory, pass);
        }
        normalized(x, &self.norm, pass)
    }
}
