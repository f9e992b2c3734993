//! [`Sampler`]: the choice of the next token from scores.

use crate::domain::{non_negative, or_panic};
use autograd::{Error, Float, Result, Rng, Tensor};

/// How the next token is chosen from scores: the most likely one, or at random with the probabilities
/// `softmax(scores / temperature)`, optionally only among the most likely ones.
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::decode::Sampler;
/// let (scores, rng) = (tensor![0f64, 3f64.ln()], &mut Rng::new(0));
/// let draws = (0..1000).filter(|_| Sampler::new(1.0).draw(&scores, rng) == Ok(1)).count();
/// assert!((700..800).contains(&draws)); // three of four
/// assert_eq!(Sampler::greedy().draw(&scores, rng)?, 1);
/// assert_eq!(Sampler::new(1.0).top_k(1).draw(&scores, rng)?, 1);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    temperature: f64,
    top_k: usize,
}

impl Sampler {
    /// Always the token with the highest score; ties go to the first. It draws no random numbers.
    pub fn greedy() -> Self {
        Sampler { temperature: 0.0, top_k: 1 }
    }

    /// Scores are divided by the temperature: below 1, likely tokens become more likely; as it approaches 0, sampling
    /// becomes [`greedy`](Sampler::greedy).
    ///
    /// # Panics
    /// Panics if the temperature is negative, infinite or NaN.
    #[track_caller]
    pub fn new(temperature: f64) -> Self {
        or_panic(non_negative("Sampler", "the temperature", temperature));
        Sampler { temperature, top_k: usize::MAX }
    }

    /// Only the `k` tokens with the highest scores; ties go to the first.
    ///
    /// # Panics
    /// Panics if `k` is 0.
    #[track_caller]
    pub fn top_k(self, k: usize) -> Self {
        assert!(k > 0, "Sampler: top_k must be at least 1, got 0");
        Sampler { top_k: k, ..self }
    }

    /// Chooses a token, given the scores of all tokens.
    ///
    /// # Errors
    /// Returns an error if there are no scores, all are -inf, or one is infinite or NaN.
    pub fn draw<T: Float>(&self, scores: &Tensor<T>, rng: &mut Rng) -> Result<usize> {
        self.choose(&scores.iter().map(|score| score.f64()).collect::<Vec<f64>>(), rng)
    }

    fn choose(&self, scores: &[f64], rng: &mut Rng) -> Result<usize> {
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !highest.is_finite() || scores.iter().any(|score| score.is_nan()) {
            let hint = format!("scores must be numbers below infinity, and one above -inf; the highest is {highest}");
            return Err(Error::Argument { op: "Sampler", hint });
        }
        let likeliest = super::highest(scores, self.top_k);
        if self.temperature == 0.0 {
            return Ok(likeliest[0]);
        }
        let weight = |&at: &usize| ((scores[at] - highest) / self.temperature).exp();
        let weights: Vec<f64> = likeliest.iter().map(weight).collect();
        let mut left = rng.uniform() * weights.iter().sum::<f64>();
        let drawn = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        Ok(likeliest[drawn.unwrap_or(0)]) // rounding may leave a remainder
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::tensor;

    #[test]
    fn tokens_come_as_often_as_their_probabilities_say() {
        let scores = tensor![1.0, -1.0, 0.5, 2.0, f64::NEG_INFINITY, 0.5];
        for (sampler, kept) in [(Sampler::new(1.0), 5), (Sampler::new(0.6), 5), (Sampler::new(1.5).top_k(3), 3)] {
            // Of the two equal scores, the first is kept.
            let kept = [3, 0, 2, 5, 1].into_iter().take(kept).collect::<Vec<usize>>();
            let weight = |at: usize| (scores.at(&[at]) / sampler.temperature).exp();
            let whole: f64 = kept.iter().map(|&at| weight(at)).sum();
            let (mut counts, rng, draws) = ([0; 6], &mut Rng::new(3), 40_000);
            (0..draws).for_each(|_| counts[sampler.draw(&scores, rng).unwrap()] += 1);
            for at in 0..6 {
                let p = if kept.contains(&at) { weight(at) / whole } else { 0.0 };
                let off = (counts[at] as f64 - draws as f64 * p).abs();
                assert!(off <= 4.0 * (draws as f64 * p * (1.0 - p)).sqrt(), "{sampler:?}, {at}: {counts:?}");
            }
        }
    }

    #[test]
    fn greedy_is_the_limit_of_low_temperatures() {
        let rng = &mut Rng::new(0);
        let scores = Tensor::<f32>::randn(&[50], rng);
        let best = scores.argmax(0).item() as usize;
        for sampler in [Sampler::greedy(), Sampler::new(0.0), Sampler::new(1e-9), Sampler::new(5.0).top_k(1)] {
            assert_eq!(sampler.draw(&scores, rng), Ok(best));
        }
        assert_eq!(Sampler::greedy().draw(&tensor![0.0, 1.0, 1.0], rng), Ok(1), "the first of equals");
    }

    #[test]
    fn scores_that_give_no_probabilities_are_refused() {
        for bad in [vec![], vec![1.0, f64::NAN], vec![f64::NEG_INFINITY; 2], vec![0.0, f64::INFINITY], vec![f64::NAN]] {
            for sampler in [Sampler::greedy(), Sampler::new(0.7).top_k(1)] {
                let error = sampler.draw(&Tensor::new(&[bad.len()], bad.clone()), &mut Rng::new(0)).unwrap_err();
                assert!(error.to_string().contains("scores must be numbers"), "{bad:?}: {error}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "the temperature must")]
    fn a_negative_temperature_is_refused() {
        Sampler::new(-1.0);
    }
}
