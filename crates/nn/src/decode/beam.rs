//! [`BeamSearch`]: finds the most likely sequences, one step at a time.

use super::highest;
use crate::domain::{finite, or_panic};
use autograd::{Error, Float, Result, Tensor};

/// A sequence that a [`BeamSearch`] has found.
///
/// ```
/// use nn::decode::Beam;
/// let beam = Beam { tokens: vec![4, 2], log_probability: -0.5, parent: 0 };
/// assert_eq!(beam.tokens.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Beam {
    /// The tokens, including the end token if the sequence has ended.
    pub tokens: Vec<usize>,
    /// The log-probability: the sum of the log-probabilities of its tokens.
    pub log_probability: f64,
    /// The index of the sequence of the previous step that this one continues. A model with a state continues from this
    /// row of the state.
    pub parent: usize,
}

/// Beam search: extends several sequences at once by every token, and keeps the most likely ones. It can find sequences
/// whose first token is not the most likely one, which greedy search (a beam of width 1) misses. Sources: Lowerre, *The
/// HARPY speech recognition system* (1976); Sutskever, Vinyals and Le, *Sequence to sequence learning with neural networks*
/// (2014).
///
/// ```
/// use autograd::{Error, Tensor, tensor};
/// use nn::decode::BeamSearch;
/// // The likelier first token leads to a choice between equals, the other one to a safe second token.
/// let next = |beams: &[nn::decode::Beam]| {
///     let row = |beam: &nn::decode::Beam| match beam.tokens[..] {
///         [] => tensor![0.6f64, 0.4],
///         [0] => tensor![0.5, 0.5],
///         _ => tensor![0.9, 0.1],
///     };
///     Ok::<_, Error>(Tensor::stack(&beams.iter().map(row).collect::<Vec<_>>(), 0).ln())
/// };
/// let greedy = BeamSearch::new(1, 2).run(next)?;
/// let found = BeamSearch::new(2, 2).run(next)?;
/// assert_eq!((&greedy[0].tokens, &found[0].tokens), (&vec![0, 0], &vec![1, 0]));
/// assert!((greedy[0].log_probability.exp() - 0.3).abs() < 1e-12);
/// assert!((found[0].log_probability.exp() - 0.36).abs() < 1e-12);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BeamSearch {
    width: usize,
    most: usize,
    end: Option<usize>,
    length_penalty: f64,
}

impl BeamSearch {
    /// Keeps `width` sequences of at most `most` tokens.
    ///
    /// # Panics
    /// Panics if the width is 0.
    #[track_caller]
    pub fn new(width: usize, most: usize) -> Self {
        assert!(width > 0, "BeamSearch: the width must be at least 1, got 0");
        BeamSearch { width, most, end: None, length_penalty: 0.0 }
    }

    /// Sets the token that ends a sequence. A sequence that has ended keeps its place in the beam.
    ///
    /// ```
    /// use autograd::{Error, Tensor};
    /// use nn::decode::BeamSearch;
    /// let coin = |beams: &[nn::decode::Beam]| Ok::<_, Error>(Tensor::<f32>::zeros(&[beams.len(), 2]));
    /// let found = BeamSearch::new(3, 9).end(1).run(coin)?;
    /// assert_eq!(found.iter().map(|beam| beam.tokens.len()).collect::<Vec<_>>(), [1, 2, 9]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn end(self, token: usize) -> Self {
        BeamSearch { end: Some(token), ..self }
    }

    /// Compares sequences by `log p / length^penalty`. Defaults to 0, the plain log-probability, which favors short
    /// sequences. With 1, it is the mean over the tokens.
    ///
    /// ```
    /// let search = nn::decode::BeamSearch::new(4, 20).end(0).length_penalty(0.7);
    /// # let _ = search;
    /// ```
    /// # Panics
    /// Panics if it is infinite or NaN.
    #[track_caller]
    pub fn length_penalty(self, penalty: f64) -> Self {
        or_panic(finite("BeamSearch", "the length penalty", penalty));
        BeamSearch { length_penalty: penalty, ..self }
    }

    /// The sequences found, the best first.
    ///
    /// Each step calls `next` with the sequences that have not ended: in the first step, a single empty one. `next` returns the
    /// scores of the next token, `[sequences, tokens]`; the softmax of a row is the distribution of that token.
    ///
    /// # Errors
    /// Returns the error of `next`, or one if the scores do not have that shape, or are NaN or infinite.
    pub fn run<T: Float, E: From<Error>>(
        &self,
        mut next: impl FnMut(&[Beam]) -> std::result::Result<Tensor<T>, E>,
    ) -> std::result::Result<Vec<Beam>, E> {
        let mut live = vec![Beam { tokens: Vec::new(), log_probability: 0.0, parent: 0 }];
        let mut ended = Vec::new();
        for _ in 0..self.most {
            if live.is_empty() {
                break;
            }
            let scores = next(&live)?;
            live = self.extended(
                &live,
                scores.shape(),
                &scores.iter().map(|x| x.f64()).collect::<Vec<f64>>(),
                &mut ended,
            )?;
        }
        ended.append(&mut live);
        let ranks: Vec<f64> = ended.iter().map(|beam| self.rank(beam)).collect();
        Ok(highest(&ranks, ranks.len()).into_iter().map(|place| ended[place].clone()).collect())
    }

    /// The value by which sequences are compared.
    fn rank(&self, beam: &Beam) -> f64 {
        beam.log_probability / (beam.tokens.len() as f64).max(1.0).powf(self.length_penalty)
    }

    /// The most likely extensions that continue, as many as fit in the beam; those that end are added to `ended`.
    fn extended(&self, live: &[Beam], shape: &[usize], scores: &[f64], ended: &mut Vec<Beam>) -> Result<Vec<Beam>> {
        const OP: &str = "beam_search";
        let (rows, tokens) = match *shape {
            [rows, tokens] if rows == live.len() && tokens > 0 => (rows, tokens),
            _ => {
                let hint = format!("the scores must be [{}, tokens], a row for each sequence", live.len());
                return Err(Error::Shape { op: OP, shape: shape.into(), hint });
            }
        };
        let mut logs = Vec::with_capacity(rows * tokens);
        for (row, (beam, scores)) in live.iter().zip(scores.chunks(tokens)).enumerate() {
            let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let whole = highest + scores.iter().map(|score| (score - highest).exp()).sum::<f64>().ln();
            if !whole.is_finite() {
                let hint = format!("the scores of sequence {row} must be numbers below infinity, and one above -inf");
                return Err(Error::Argument { op: OP, hint });
            }
            logs.extend(scores.iter().map(|score| beam.log_probability + score - whole));
        }
        let mut on = Vec::with_capacity(self.width);
        for place in highest(&logs, self.width - ended.len()) {
            let (parent, token, log_probability) = (place / tokens, place % tokens, logs[place]);
            if log_probability == f64::NEG_INFINITY {
                break; // what is impossible is no sequence
            }
            let tokens = live[parent].tokens.iter().copied().chain([token]).collect();
            let to = if self.end == Some(token) { &mut *ended } else { &mut on };
            to.push(Beam { tokens, log_probability, parent });
        }
        Ok(on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::Rng;

    /// A random language of `tokens` tokens, each of which depends on the two before.
    fn language(tokens: usize, seed: u64) -> impl Fn(&[Beam]) -> Result<Tensor<f64>> {
        let table = Tensor::randn(&[tokens + 1, tokens + 1, tokens], &mut Rng::new(seed)) * 2.0;
        move |beams| {
            let before = |beam: &Beam, back: usize| beam.tokens.iter().rev().nth(back).map_or(tokens, |&token| token);
            let row = |beam: &Beam| {
                let at = [before(beam, 1), before(beam, 0)];
                (0..tokens).map(|token| table.at(&[at[0], at[1], token])).collect::<Vec<_>>()
            };
            Ok(Tensor::new(&[beams.len(), tokens], beams.iter().flat_map(row).collect()))
        }
    }

    /// All sequences of `length` tokens, or shorter ones that end with `end`, with the logarithms of their probabilities.
    fn all(next: &impl Fn(&[Beam]) -> Result<Tensor<f64>>, length: usize, end: Option<usize>) -> Vec<Beam> {
        let mut all = vec![Beam { tokens: vec![], log_probability: 0.0, parent: 0 }];
        for _ in 0..length {
            let mut longer = Vec::new();
            for beam in all {
                if !beam.tokens.is_empty() && beam.tokens.last().copied() == end {
                    longer.push(beam);
                    continue;
                }
                let logs = next(std::slice::from_ref(&beam)).unwrap().log_softmax(-1);
                longer.extend(logs.iter().enumerate().map(|(token, log)| Beam {
                    tokens: [&beam.tokens[..], &[token]].concat(),
                    log_probability: beam.log_probability + log,
                    parent: 0,
                }));
            }
            all = longer;
        }
        all
    }

    #[test]
    fn a_wide_beam_finds_the_best_of_all_sequences() {
        for (seed, end, penalty) in [(1, None, 0.0), (2, Some(2), 0.0), (3, Some(0), 1.0)] {
            let next = language(3, seed);
            let mut expected = all(&next, 4, end);
            expected.sort_by(|a, b| {
                let rank = |beam: &Beam| beam.log_probability / (beam.tokens.len() as f64).powf(penalty);
                rank(b).total_cmp(&rank(a))
            });
            let mut search = BeamSearch::new(81, 4).length_penalty(penalty);
            search.end = end;
            let found = search.run(next).unwrap();
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.tokens, expected.tokens, "seed {seed}");
                assert!((found.log_probability - expected.log_probability).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_beam_is_better_than_a_greedy_search() {
        let (mut better, mut sum) = (0, [0.0; 2]);
        for seed in 0..20 {
            let next = language(5, seed);
            let of = |width| BeamSearch::new(width, 8).run(&next).unwrap().remove(0);
            let (greedy, beam) = (of(1), of(4));
            let mut by_hand = Vec::new();
            for _ in 0..8 {
                let so_far = Beam { tokens: by_hand.clone(), log_probability: 0.0, parent: 0 };
                by_hand.push(next(&[so_far]).unwrap().argmax(-1).at(&[0]) as usize);
            }
            assert_eq!(greedy.tokens, by_hand, "a beam of width 1 is greedy");
            better += usize::from(beam.log_probability > greedy.log_probability + 1e-9);
            sum = [sum[0] + greedy.log_probability, sum[1] + beam.log_probability];
        }
        assert!(better >= 10 && sum[1] > sum[0] + 10.0, "{better} of 20, {sum:?}");
    }

    #[test]
    fn a_state_follows_the_parents() {
        let next = language(4, 7);
        let mut states: Vec<Vec<usize>> = vec![vec![]];
        let checked = |beams: &[Beam]| {
            if !beams[0].tokens.is_empty() {
                let last = |beam: &Beam| *beam.tokens.last().unwrap();
                states = beams.iter().map(|beam| [&states[beam.parent][..], &[last(beam)]].concat()).collect();
            }
            assert!(states.iter().zip(beams).all(|(state, beam)| *state == beam.tokens));
            next(beams)
        };
        assert_eq!(BeamSearch::new(3, 6).end(3).run(checked).unwrap().len(), 3);
    }

    #[test]
    fn scores_that_give_no_probabilities_are_refused() {
        for (scores, told) in [
            (Tensor::zeros(&[2, 3]), "shape [2, 3]"),
            (Tensor::zeros(&[1, 0]), "shape [1, 0]"),
            (Tensor::new(&[1, 2], vec![0.0, f64::NAN]), "scores of sequence 0"),
            (Tensor::full(&[1, 2], f64::NEG_INFINITY), "scores of sequence 0"),
        ] {
            let error = BeamSearch::new(2, 2).run(|_| Ok::<_, Error>(scores.clone())).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        let hidden = Tensor::new(&[1, 2], vec![0.0, f64::NEG_INFINITY]);
        let found = BeamSearch::new(2, 1).run(|_| Ok::<_, Error>(hidden.clone())).unwrap();
        assert_eq!(found.len(), 1, "what is impossible is no sequence");
    }
}
