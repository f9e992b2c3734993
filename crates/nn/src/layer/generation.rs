//! [`Generation`]: text generation by a causal language model.

use super::{CausalLm, KeyValues};
use crate::decode::Sampler;
use crate::{LayerError, Pass};
use autograd::{Float, Rng, Tape, Tensor};

/// A text, or a batch of texts of equal length, that a [`CausalLm`] reads and writes token by token. The keys and values
/// of all tokens are cached, so each new token costs one pass over one token.
///
/// ```
/// use autograd::{Rng, Tape, tensor};
/// use nn::{Pass, layer::CausalLm};
/// let (model, tape) = (CausalLm::<f64>::new(10, 8, Default::default(), &mut Rng::new(0)), Tape::new());
/// let mut generation = model.generation();
/// generation.read(&tensor![[3_i64, 1]])?;
/// let last = generation.read(&tensor![[4_i64]])?; // [1, 10], the scores of what follows 3, 1, 4
/// let whole = model.scores(tape.integers(tensor![[3_i64, 1, 4]]), &mut Pass::eval(&tape)).value();
/// assert!((last - whole.slice_axis(1, 2..3).squeeze(1)).abs().max().item() < 1e-14);
/// assert_eq!(generation.len(), 3);
/// # Ok::<(), nn::LayerError>(())
/// ```
pub struct Generation<'m, T: Float> {
    model: &'m CausalLm<T>,
    before: Vec<KeyValues<T>>,
    len: usize,
    tape: Tape<T>,
}

impl<'m, T: Float> Generation<'m, T> {
    pub(super) fn new(model: &'m CausalLm<T>) -> Self {
        let before = vec![KeyValues::new(); model.blocks.layers.len()];
        Generation { model, before, len: 0, tape: Tape::new() }
    }

    /// The number of tokens that were read.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads tokens `[batch, positions]`, and returns the scores of each token as the next one, `[batch, tokens]`.
    ///
    /// # Errors
    /// Returns an error if there are no tokens, the batch size differs from that of previous tokens, or a token or
    /// position is out of range. In that case, nothing is read.
    pub fn read(&mut self, tokens: &Tensor<i64>) -> Result<Tensor<T>, LayerError> {
        let (from, positions) = match *tokens.shape() {
            [_, positions] if positions > 0 => (self.len, positions),
            ref shape => {
                let problem = format!("tokens must be [batch, positions] with a position or more, not {shape:?}");
                return Err(LayerError { layer: "the model".into(), problem });
            }
        };
        let Generation { model, before, tape, len } = self;
        tape.clear();
        let scores = Pass::eval(tape).catching(|pass| {
            let x = model.embedded(pass.tape().integers(tokens.clone()), from, pass);
            let states = model.blocks.encode_after(x, before, pass);
            model.score(states.slice(1, positions - 1..).squeeze(1), pass).value()
        });
        match scores {
            Ok(_) => *len = from + positions,
            Err(_) => before.iter_mut().for_each(|before| before.truncate(from)),
        }
        scores
    }

    /// Keeps only the texts of the batch at these indices: see [`KeyValues::select`].
    ///
    /// ```
    /// use autograd::{Rng, Tensor, tensor};
    /// use nn::{decode::BeamSearch, layer::CausalLm};
    /// let model = CausalLm::<f64>::new(10, 8, Default::default(), &mut Rng::new(0));
    /// // The likeliest continuation of 3, 1 by four tokens that a beam of width 3 finds.
    /// let mut generation = model.generation();
    /// let found = BeamSearch::new(3, 4).run(|beams| -> Result<_, Box<dyn std::error::Error>> {
    ///     if generation.is_empty() {
    ///         return Ok(generation.read(&tensor![[3_i64, 1]])?);
    ///     }
    ///     generation.select(&beams.iter().map(|beam| beam.parent).collect::<Vec<_>>());
    ///     let last = beams.iter().map(|beam| beam.tokens[beam.tokens.len() - 1] as i64).collect();
    ///     Ok(generation.read(&Tensor::new(&[beams.len(), 1], last))?)
    /// })?;
    /// assert_eq!(found[0].tokens.len(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    /// # Panics
    /// Panics if an index is out of range; before anything is read, every index is.
    #[track_caller]
    pub fn select(&mut self, texts: &[usize]) {
        self.tape.clear();
        self.before.iter_mut().for_each(|before| before.select(texts));
    }

    /// Reads a prompt and writes `count` tokens after it. The sampler chooses each token from the scores, and the model then
    /// reads it, except for the last one: to continue the text, pass that token as the prompt of the next call.
    ///
    /// ```
    /// use autograd::Rng;
    /// use nn::{decode::Sampler, layer::CausalLm};
    /// let (model, rng) = (CausalLm::<f32>::new(10, 8, Default::default(), &mut Rng::new(0)), &mut Rng::new(1));
    /// let mut generation = model.generation();
    /// let written = generation.write(&[3, 1], 4, Sampler::new(0.8).top_k(3), rng)?;
    /// assert_eq!((written.len(), generation.len()), (4, 2 + 3));
    /// generation.write(&written[3..], 2, Sampler::new(0.8).top_k(3), rng)?; // goes on
    /// assert_eq!(generation.len(), 2 + 4 + 1);
    /// # Ok::<(), nn::LayerError>(())
    /// ```
    /// # Errors
    /// Returns an error if the prompt is empty, a token or position is out of range, or the scores are NaN.
    pub fn write(
        &mut self,
        prompt: &[usize],
        count: usize,
        sampler: Sampler,
        rng: &mut Rng,
    ) -> Result<Vec<usize>, LayerError> {
        let batch =
            |tokens: &[usize]| Tensor::new(&[1, tokens.len()], tokens.iter().map(|&token| token as i64).collect());
        let mut written = Vec::with_capacity(count);
        let mut scores = self.read(&batch(prompt))?;
        while written.len() < count {
            if let Some(&last) = written.last() {
                scores = self.read(&batch(&[last]))?;
            }
            let drawn = sampler.draw(&scores.squeeze(0), rng);
            written
                .push(drawn.map_err(|error| LayerError { layer: "the sampler".into(), problem: error.to_string() })?);
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Fields;
    use crate::decode::{Beam, BeamSearch};
    use crate::infer::Predictor;
    use crate::layer::{CausalLmOptions, Positions};
    use autograd::op::Op;
    use autograd::tensor;

    fn model(options: CausalLmOptions) -> CausalLm<f64> {
        let mut model = CausalLm::new(11, 12, CausalLmOptions { layers: 2, heads: 2, ..options }, &mut Rng::new(4));
        // Larger than at first, so that what is written is not always the same token.
        model.tokens.weight.set(model.tokens.weight.value() * 30.0);
        model
    }

    /// All kinds of positions and heads.
    fn kinds() -> [CausalLm<f64>; 3] {
        let learned = Positions::Learned { most: 40 };
        [
            model(CausalLmOptions::default()),
            model(CausalLmOptions { positions: learned, tied: false, ..Default::default() }),
            model(CausalLmOptions { positions: learned, dropout: 0.5, ..Default::default() }),
        ]
    }

    #[test]
    fn scores_do_not_depend_on_what_is_kept() {
        for model in kinds() {
            let tokens = Tensor::new(&[3, 37], (0..111).map(|i| (i * i + i / 5) as i64 % 11).collect());
            let tape = Tape::new();
            let whole = model.scores(tape.integers(tokens.clone()), &mut Pass::eval(&tape)).value();
            let mut generation = model.generation();
            for (from, to) in [(0, 1), (1, 8), (8, 9), (9, 10), (10, 33), (33, 34), (34, 37)] {
                let scores = generation.read(&tokens.slice_axis(1, from..to)).unwrap();
                let apart = (scores - whole.slice_axis(1, to - 1..to).squeeze(1)).abs().max().item();
                assert!(apart < 1e-12, "{from}..{to}: {apart}");
            }
            let mut rows = generation.before.clone();
            generation.select(&[2, 0]);
            rows[0].select(&[2, 0]);
            assert_eq!((generation.len(), rows[0].len()), (37, 37));
            let next = tensor![[1_i64, 5], [7, 2]];
            let scores = generation.read(&next).unwrap();
            let tokens = Tensor::<i64>::from_fn(&[2, 39], |at| match at[1] {
                old @ ..37 => tokens.at(&[2 - 2 * at[0], old]),
                new => next.at(&[at[0], new - 37]),
            });
            let whole = model.scores(tape.integers(tokens), &mut Pass::eval(&tape)).value();
            assert!((scores - whole.slice_axis(1, 38..39).squeeze(1)).abs().max().item() < 1e-12);
        }
    }

    #[test]
    fn what_is_written_is_what_scores_without_a_cache_say() {
        for model in kinds() {
            let written = model.generation().write(&[3, 1], 30, Sampler::greedy(), &mut Rng::new(0)).unwrap();
            let (mut text, tape) = (vec![3_i64, 1], Tape::new());
            for token in &written {
                let whole = tape.integers(Tensor::new(&[1, text.len()], text.clone()));
                let scores = model.scores(whole, &mut Pass::eval(&tape)).value();
                assert_eq!(scores.argmax(-1).at(&[0, text.len() - 1]), *token as i64);
                text.push(*token as i64);
            }
            let sampled = |seed| {
                let sampler = Sampler::new(2.0).top_k(5);
                model.generation().write(&[3, 1], 30, sampler, &mut Rng::new(seed)).unwrap()
            };
            assert!(sampled(1) == sampled(1) && sampled(1) != sampled(2));
        }
    }

    #[test]
    fn a_beam_with_a_cache_finds_what_a_beam_without_one_does() {
        for model in kinds() {
            let (search, tape) = (BeamSearch::new(3, 8).end(4), Tape::new());
            let whole = search.run(|beams| {
                let row = |beam: &Beam| [&[3, 1], &beam.tokens[..]].concat().into_iter().map(|token| token as i64);
                let (rows, length) = (beams.iter().flat_map(row).collect(), 2 + beams[0].tokens.len());
                let tokens = tape.integers(Tensor::new(&[beams.len(), length], rows));
                let scores = model.scores(tokens, &mut Pass::eval(&tape)).value();
                Ok::<_, autograd::Error>(scores.slice_axis(1, length - 1..length).squeeze(1))
            });
            let mut generation = model.generation();
            let cached = search.run(|beams| {
                if generation.is_empty() {
                    return Ok(generation.read(&tensor![[3_i64, 1]]).unwrap());
                }
                generation.select(&beams.iter().map(|beam| beam.parent).collect::<Vec<_>>());
                let last = beams.iter().map(|beam| beam.tokens[beam.tokens.len() - 1] as i64).collect();
                Ok::<_, autograd::Error>(generation.read(&Tensor::new(&[beams.len(), 1], last)).unwrap())
            });
            for (a, b) in whole.unwrap().iter().zip(&cached.unwrap()) {
                assert_eq!(a.tokens, b.tokens);
                assert!((a.log_probability - b.log_probability).abs() < 1e-11);
            }
        }
    }

    #[test]
    fn scores_are_compiled_for_prediction() {
        let ([model, ..], tape) = (kinds(), Tape::new());
        let tokens = tensor![[3_i64, 1, 4]];
        let scores = model.scores(tape.integers(tokens.clone()), &mut Pass::eval(&tape)).value();
        let found = Predictor::new(model).predict_fields(&Fields::new().with("tokens", tokens)).unwrap();
        assert_eq!(found.numbers(0).unwrap(), &scores.transpose(1, 2));
    }

    #[test]
    fn a_further_token_is_the_work_of_one() {
        let model = model(CausalLmOptions::default());
        let mut generation = model.generation();
        let mut elements = |tokens: usize| {
            generation.read(&Tensor::full(&[1, tokens], 3_i64)).unwrap();
            let computed = generation.tape.vars().filter(|var| !matches!(var.op(), Op::Const | Op::Leaf));
            computed.map(|var| var.shape().iter().product::<usize>()).sum::<usize>()
        };
        let one = elements(1);
        assert!(elements(30) > one);
        assert_eq!(elements(1), one, "after thirty others");
    }

    #[test]
    fn a_tied_head_is_a_single_parameter() {
        let [tied, untied, _] = kinds();
        assert!(!crate::names(&tied).contains(&"head.weight".to_owned()));
        assert!(crate::names(&untied).contains(&"head.weight".to_owned()));
        let tape = Tape::new();
        let tokens = tape.integers(tensor![[3_i64, 1, 4]]);
        let scores = tied.scores(tokens, &mut Pass::eval(&tape));
        let gradient = scores.sum().backward().wrt(tape.find(tied.tokens.weight.key()).unwrap());
        // Tokens that were not read have a gradient from their scores.
        assert!(gradient.slice_axis(0, 7..8).abs().max().item() > 0.0);
    }

    #[test]
    fn tokens_and_positions_that_are_not_there_are_refused_and_nothing_is_read() {
        let [rotary, learned, _] = kinds();
        let mut generation = learned.generation();
        generation.read(&Tensor::full(&[1, 39], 2_i64)).unwrap();
        for (tokens, told) in [
            (tensor![[1_i64, 1]], "at most 40 positions of width 12, and 39 came before"),
            (tensor![[11_i64]], "Embedding(11, 12)"),
            (tensor![[1_i64], [2]], "attend_after"),
            (tensor![1_i64], "tokens must be [batch, positions]"),
            (Tensor::full(&[1, 0], 1_i64), "tokens must be [batch, positions]"),
        ] {
            let error = generation.read(&tokens).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
            assert!(generation.before.iter().all(|before| before.len() == 39));
        }
        assert!(generation.read(&tensor![[1_i64]]).is_ok());
        let nothing = std::panic::catch_unwind(|| rotary.generation().select(&[0])).unwrap_err();
        assert!(nothing.downcast_ref::<&str>().is_some_and(|told| told.contains("no sequences yet")));
        assert!(rotary.generation().write(&[], 3, Sampler::greedy(), &mut Rng::new(0)).is_err());
    }
}
