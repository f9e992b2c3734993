//! The causal language model.

use super::{
    Activation, Dropout, Embedding, Generation, LearnedEncoding, Linear, Masks, TransformerEncoder, TransformerOptions,
};
use crate::{Model, Pass, Vars, parameters};
use autograd::{Float, Ints, Result, Rng, Var};

/// How a [`CausalLm`] encodes the positions of tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Positions {
    /// Queries and keys are [rotated](crate::functional::rotary): there is no largest position.
    Rotary {
        /// The base of the angles, usually 10,000.
        base: f64,
    },
    /// A learned vector for each position is added to the tokens.
    Learned {
        /// The number of positions.
        most: usize,
    },
}

/// Options of a [`CausalLm`]. Set some of them and fill in the rest with `..`.
///
/// ```
/// use nn::layer::{CausalLmOptions, Positions};
/// let options = CausalLmOptions { layers: 2, positions: Positions::Learned { most: 64 }, ..Default::default() };
/// assert_eq!((options.heads, options.tied), (4, true));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CausalLmOptions {
    /// The number of blocks. Defaults to 4.
    pub layers: usize,
    /// The number of heads. Defaults to 4.
    pub heads: usize,
    /// The number of units between the two dense layers of a block. Defaults to four times the width, if it is `None`.
    pub feedforward: Option<usize>,
    /// The activation between them. Defaults to GELU.
    pub activation: Activation,
    /// How positions are encoded. Defaults to a rotary encoding with base 10,000.
    pub positions: Positions,
    /// Whether the output layer shares the weights of the embedding. Defaults to true.
    pub tied: bool,
    /// The probability of dropping embeddings, attention weights, hidden units, and the outputs of attention and of the
    /// dense layers. Defaults to 0.
    pub dropout: f64,
}

impl Default for CausalLmOptions {
    fn default() -> Self {
        CausalLmOptions {
            layers: 4,
            heads: 4,
            feedforward: None,
            activation: Activation::Gelu,
            positions: Positions::Rotary { base: 10_000.0 },
            tied: true,
            dropout: 0.0,
        }
    }
}

/// A causal language model, as in GPT-2 (Radford et al., *Language models are unsupervised multitask learners*, 2019):
/// tokens are embedded and pass through blocks of causal self-attention and dense layers, which normalize their inputs;
/// at each position, every token gets a score as the next one.
///
/// As a [`Model`] it takes one input, tokens as integers `[batch, length]`, and returns scores `[batch, tokens, length]`,
/// with the axis of classes where [`CrossEntropy`](crate::loss::CrossEntropy) expects it. Targets are the same tokens
/// shifted by one position. Pad sequences of different lengths at their ends: no position sees later ones, and targets of
/// -100 are ignored.
///
/// ```
/// use autograd::{Rng, Tensor, tensor};
/// use nn::{data::{Fields, Samples}, layer::{CausalLm, CausalLmOptions}, loss::CrossEntropy, optim::Adam, train::TrainStep};
/// let options = CausalLmOptions { layers: 1, heads: 2, ..Default::default() };
/// let mut model = CausalLm::<f32>::new(4, 16, options, &mut Rng::new(0));
/// // It learns to count.
/// let text = Samples::new(
///     Fields::new().with("tokens", tensor![[0_i64, 1, 2, 3, 0, 1]]),
///     Fields::new().with("next", tensor![[1_i64, 2, 3, 0, 1, 2]]),
/// );
/// let (mut step, mut adam) = (TrainStep::new(0).replaying(), Adam::new(0.01));
/// for _ in 0..100 {
///     step.run(&mut model, &CrossEntropy::new(), &mut adam, &text)?;
/// }
/// let written = model.generation().write(&[2], 5, nn::decode::Sampler::greedy(), &mut Rng::new(0))?;
/// assert_eq!(written, [3, 0, 1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CausalLm<T: Float> {
    /// The vectors of the tokens, initially normal with standard deviation 0.02.
    pub tokens: Embedding<T>,
    /// The vectors of the positions, if they are learned.
    pub positions: Option<LearnedEncoding<T>>,
    /// The blocks, and a normalization after them.
    pub blocks: TransformerEncoder<T>,
    /// The weights of the scores, unless they are the vectors of the tokens.
    pub head: Option<Linear<T>>,
    dropout: Dropout,
}

parameters! { impl[T: Float] Parameters<T> for CausalLm<T> { tokens, positions, blocks, head } }

impl<T: Float> CausalLm<T> {
    /// A model of `tokens` different tokens, as vectors of size `width`, which is divided among the heads.
    ///
    /// # Panics
    /// Panics if the width is not divisible by the number of heads, into even parts for a rotary encoding, or the dropout
    /// probability is not in `[0, 1]`.
    #[track_caller]
    pub fn new(tokens: usize, width: usize, options: CausalLmOptions, rng: &mut Rng) -> Self {
        let CausalLmOptions { layers, heads, activation, dropout, .. } = options;
        let (rotary, most) = match options.positions {
            Positions::Rotary { base } => (Some(base), None),
            Positions::Learned { most } => (None, Some(most)),
        };
        let block = TransformerOptions {
            feedforward: options.feedforward.unwrap_or(4 * width),
            activation,
            dropout,
            norm_first: true,
            batch_first: true,
            rotary,
            ..TransformerOptions::default()
        };
        let mut embedding = Embedding::new(tokens, width, rng);
        embedding.weight.set(embedding.weight.value() * T::of(0.02));
        CausalLm {
            tokens: embedding,
            positions: most.map(|most| LearnedEncoding::new(most, width, rng)),
            blocks: TransformerEncoder::new(layers, width, heads, block, rng),
            head: (!options.tied).then(|| Linear::new(width, tokens, rng).without_bias()),
            dropout: Dropout::new(dropout),
        }
    }

    /// The scores of each token as the next one, `[batch, length, tokens]`, for tokens `[batch, length]`.
    ///
    /// ```
    /// use autograd::{Rng, Tape, tensor};
    /// use nn::{Pass, layer::CausalLm};
    /// let (model, tape) = (CausalLm::<f32>::new(10, 8, Default::default(), &mut Rng::new(0)), Tape::new());
    /// let scores = model.scores(tape.integers(tensor![[3_i64, 1, 4]]), &mut Pass::eval(&tape));
    /// assert_eq!(scores.shape().as_slice(), [1, 3, 10]);
    /// ```
    /// # Panics
    /// Panics if a token or position is out of range.
    #[track_caller]
    pub fn scores<'t>(&self, tokens: Ints<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let x = self.embedded(tokens, 0, pass);
        let states = self.blocks.encode(x, Masks::causal(), pass);
        self.score(states, pass)
    }

    /// Starts the generation of a text by this model.
    pub fn generation(&self) -> Generation<'_, T> {
        Generation::new(self)
    }

    /// The vectors of tokens; the first is at position `from`.
    #[track_caller]
    pub(super) fn embedded<'t>(&self, tokens: Ints<'t, T>, from: usize, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let mut x = self.tokens.lookup(tokens, pass);
        if let Some(positions) = &self.positions {
            x = positions.encode_from(x, from, pass);
        }
        self.dropout.apply(x, pass)
    }

    /// The scores of states.
    #[track_caller]
    pub(super) fn score<'t>(&self, states: Var<'t, T>, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        match &self.head {
            Some(head) => head.apply(states, pass),
            None => states.matmul(pass.var(&self.tokens.weight).t()),
        }
    }
}

// For each type of numbers: for all of them at once, it would overlap with the implementation for modules.
macro_rules! models { ($($T:ty)+) => { $(
    impl Model<$T> for CausalLm<$T> {
        // Inline, so that only programs that use it compile it.
        #[inline]
        fn call<'t>(&self, inputs: &Vars<'t, $T>, pass: &mut Pass<'t, $T>) -> Result<Vars<'t, $T>> {
            Ok(self.scores(inputs.integers(0)?, pass).permute(&[0, 2, 1]).into())
        }
    }
)+ } }

models! { f32 f64 }
