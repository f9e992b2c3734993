//! An encoder and a decoder.

use super::{TransformerDecoder, TransformerEncoder, TransformerOptions};
use crate::init::{Init, initialize};
use crate::layer::Masks;
use crate::{Pass, parameters};
use autograd::{Float, Rng, Var};

/// The transformer (Vaswani et al., *Attention is all you need*, 2017). An encoder reads a source. A decoder attends to the
/// encoder's output and computes a vector for each position of a target. Source and target are sequences of vectors: an
/// [`Embedding`](crate::layer::Embedding) and an encoding of positions come first, and a [`Linear`](crate::layer::Linear) that
/// scores words comes last. Names, layouts and initial weights match PyTorch's.
///
/// ```
/// use autograd::{Rng, Tape, Tensor, tensor};
/// use nn::{Pass, layer::{Transformer, TransformerMasks, TransformerOptions}};
/// let options = TransformerOptions { feedforward: 16, batch_first: true, ..Default::default() };
/// let model = Transformer::<f32>::new([1, 2], 8, 2, options, &mut Rng::new(0)); // of one and of two layers
/// let tape = Tape::new();
/// let (source, target) = (tape.constant(Tensor::ones(&[2, 5, 8])), tape.constant(Tensor::ones(&[2, 3, 8])));
/// // A position of the target does not see later ones, and nothing sees the positions after the end of a source.
/// let masks = TransformerMasks::causal().source_lengths(tape.integers(tensor![5_i64, 2]), 5);
/// let y = model.run([source, target], masks, &mut Pass::eval(&tape));
/// assert_eq!(y.shape().as_slice(), [2, 3, 8]);
/// ```
#[derive(Debug, Clone)]
pub struct Transformer<T: Float> {
    /// Reads the source.
    pub encoder: TransformerEncoder<T>,
    /// Computes the output for the target.
    pub decoder: TransformerDecoder<T>,
}

parameters! { impl[T: Float] Parameters<T> for Transformer<T> { encoder, decoder } }

/// Which positions of source and target a [`Transformer`] may attend to.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::layer::TransformerMasks;
/// let tape = Tape::<f64>::new();
/// let masks = TransformerMasks::causal().source_lengths(tape.integers(tensor![3_i64, 1]), 3);
/// assert!(masks.target.causal && masks.target.keys.is_none());
/// assert_eq!(masks.memory.keys.unwrap().value(), masks.source.keys.unwrap().value());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TransformerMasks<'t, T: Float> {
    /// Among the positions of the source.
    pub source: Masks<'t, T>,
    /// Among the positions of the target.
    pub target: Masks<'t, T>,
    /// From the positions of the target to those of the source.
    pub memory: Masks<'t, T>,
}

impl<T: Float> Default for TransformerMasks<'_, T> {
    fn default() -> Self {
        TransformerMasks { source: Masks::default(), target: Masks::default(), memory: Masks::default() }
    }
}

impl<'t, T: Float> TransformerMasks<'t, T> {
    /// Masks with which a position of the target attends only to positions up to its own.
    pub fn causal() -> Self {
        TransformerMasks { target: Masks::causal(), ..TransformerMasks::default() }
    }

    /// These masks, restricted to the positions of each source before its length: `lengths` is `[batch]`, and the sources
    /// have `positions` positions.
    #[track_caller]
    pub fn source_lengths(self, lengths: autograd::Ints<'t, T>, positions: usize) -> Self {
        let [source, memory] = [self.source, self.memory].map(|masks| masks.lengths(lengths, positions));
        TransformerMasks { source, memory, ..self }
    }
}

impl<T: Float> Transformer<T> {
    /// A transformer with this many layers of the encoder and of the decoder, whose width is divided among the heads. Both
    /// stacks end with a normalization. As in PyTorch, all matrices are drawn by Xavier's rule.
    ///
    /// # Panics
    /// Panics if the width is not divisible by the number of heads, or the dropout probability is not in `[0, 1]`.
    #[track_caller]
    pub fn new(layers: [usize; 2], width: usize, heads: usize, options: TransformerOptions, rng: &mut Rng) -> Self {
        let mut encoder = TransformerEncoder::new(layers[0], width, heads, options, rng);
        let mut decoder = TransformerDecoder::new(layers[1], width, heads, options, rng);
        encoder.norm = Some(options.norm(width));
        decoder.norm = Some(options.norm(width));
        let mut model = Transformer { encoder, decoder };
        initialize(&mut model, rng, |_, shape| (shape.len() > 1).then(|| Init::xavier_uniform(1.0)));
        model
    }

    /// The output for each position of the target.
    ///
    /// # Panics
    /// Panics if the shapes are incompatible.
    #[track_caller]
    pub fn run<'t>(
        &self,
        [source, target]: [Var<'t, T>; 2],
        masks: TransformerMasks<'t, T>,
        pass: &mut Pass<'t, T>,
    ) -> Var<'t, T> {
        let memory = self.encoder.encode(source, masks.source, pass);
        self.decoder.decode(target, memory, masks.target, masks.memory, pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Parameters, Path};

    /// The bound of Xavier's rule is reached but not exceeded, regardless of the layers' initial values.
    #[test]
    fn all_matrices_begin_by_xaviers_rule() {
        let options = TransformerOptions { feedforward: 96, ..TransformerOptions::default() };
        let model = Transformer::<f64>::new([1, 1], 32, 4, options, &mut Rng::new(0));
        let mut matrices = 0;
        model.visit(&mut Path::default(), &mut |name, param| {
            if let &[rows, columns] = param.value().shape() {
                let reached = param.value().abs().max().item() / (6.0 / (rows + columns) as f64).sqrt();
                assert!(reached > 0.99 && reached <= 1.0, "{name}: {reached}");
                matrices += 1;
            }
        });
        assert_eq!(matrices, 4 + 6);
    }
}
