//! The Bernoulli distribution.

use super::weighed;
use crate::domain::Domain;
use crate::{Noise, Pass};
use autograd::{Float, Result, Var};

/// A Bernoulli distribution: 1 with probability `p = sigmoid(logit)`, otherwise 0.
///
/// ```
/// use autograd::{Rng, Tape, tensor};
/// use nn::{Pass, distribution::Bernoulli};
/// let tape = Tape::<f64>::new();
/// let p = Bernoulli::from_logits(tape.var([0.0, 1e3, -1e3]));
/// assert_eq!(p.log_prob(tape.constant([1.0, 1.0, 0.0]))?.value(), tensor![-2f64.ln(), 0.0, 0.0]);
/// let x = p.sample(&mut Pass::train(&tape, Rng::new(0))).value();
/// assert_eq!((x.at(&[1]), x.at(&[2])), (1.0, 0.0));
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Bernoulli<'t, T: Float> {
    logits: Var<'t, T>,
}

impl<'t, T: Float> Bernoulli<'t, T> {
    /// The distribution with these logits.
    pub fn from_logits(logits: Var<'t, T>) -> Self {
        Bernoulli { logits }
    }

    /// The distribution with these probabilities. The derivative with respect to a probability of 0 or 1, whose logit is
    /// infinite, is 0.
    ///
    /// ```
    /// use nn::distribution::Bernoulli;
    /// let tape = autograd::Tape::<f64>::new();
    /// let p = Bernoulli::from_probs(tape.var([0.25]));
    /// assert!((p.probs().item() - 0.25).abs() < 1e-15 && (p.logits().item() + 3f64.ln()).abs() < 1e-15);
    /// ```
    #[track_caller]
    pub fn from_probs(probs: Var<'t, T>) -> Self {
        let certain = probs.is_eq(T::zero()) | probs.is_eq(T::one());
        let inside = certain.choose(probs.full_like(0.5), probs);
        Bernoulli { logits: certain.choose(probs.stop_gradient().logit(), inside.logit()) }
    }

    /// The probabilities of 1.
    #[track_caller]
    pub fn probs(&self) -> Var<'t, T> {
        self.logits.sigmoid()
    }

    /// The logits.
    pub fn logits(&self) -> Var<'t, T> {
        self.logits
    }

    /// A sample, as a constant.
    #[track_caller]
    pub fn sample(&self, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let uniform = pass.noise(&self.logits.shape(), Noise::Uniform);
        self.probs().is_gt(uniform).indicator()
    }

    /// The logarithm of the probability of `x`, by element: `x ln p + (1 - x) ln(1 - p)`, also between 0 and 1.
    ///
    /// # Errors
    /// Returns an error if the shapes do not broadcast, or `x` is not in [0, 1].
    #[track_caller]
    pub fn log_prob(&self, x: Var<'t, T>) -> Result<Var<'t, T>> {
        let shape = x.try_add(self.logits)?.shape();
        let x = Domain::Unit.check("Bernoulli::log_prob", "values", x)?;
        let (x, logits) = (x.try_broadcast_to(&shape)?, self.logits.try_broadcast_to(&shape)?);
        Ok(weighed(x, logits.log_sigmoid()) + weighed(-x + T::one(), (-logits).log_sigmoid()))
    }

    /// The entropy, by element: `-p ln p - (1 - p) ln(1 - p)`.
    ///
    /// ```
    /// use nn::distribution::Bernoulli;
    /// let tape = autograd::Tape::<f64>::new();
    /// assert_eq!(Bernoulli::from_logits(tape.var(0.0)).entropy().item(), 2f64.ln());
    /// ```
    #[track_caller]
    pub fn entropy(&self) -> Var<'t, T> {
        let [yes, no] = [self.logits, -self.logits];
        -weighed(yes.sigmoid(), yes.log_sigmoid()) - weighed(no.sigmoid(), no.log_sigmoid())
    }

    /// The Kullback–Leibler divergence `KL(self ‖ q)`, by element: `p ln(p / p_q) + (1 - p) ln((1 - p) / (1 - p_q))`.
    ///
    /// ```
    /// use nn::distribution::Bernoulli;
    /// let tape = autograd::Tape::<f64>::new();
    /// let p = Bernoulli::from_logits(tape.var([0.5, -1.0]));
    /// assert_eq!(p.kl(&p)?.value().to_vec(), [0.0, 0.0]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error if the shapes do not broadcast.
    #[track_caller]
    pub fn kl(&self, q: &Self) -> Result<Var<'t, T>> {
        let shape = self.logits.try_add(q.logits)?.shape();
        let (p, q) = (self.logits.try_broadcast_to(&shape)?, q.logits.try_broadcast_to(&shape)?);
        let part = |p: Var<'t, T>, q: Var<'t, T>| weighed(p.sigmoid(), p.log_sigmoid() - q.log_sigmoid());
        Ok(part(p, q) + part(-p, -q))
    }
}
