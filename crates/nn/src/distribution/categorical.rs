//! The categorical distribution, and its relaxation.

use super::weighed;
use crate::domain::Domain;
use crate::{Noise, Pass};
use autograd::{Dims, Error, Float, Index, Ints, Result, Tensor, Var};

/// A categorical distribution over classes, which are the last axis of its logits.
///
/// ```
/// use autograd::{Rng, Tape, tensor};
/// use nn::{Pass, distribution::Categorical};
/// let tape = Tape::<f64>::new();
/// let p = Categorical::from_logits(tape.var([[0.0, 0.0], [f64::NEG_INFINITY, 5.0]]))?;
/// let log_prob = p.log_prob(tensor![1_i64, 1])?;
/// assert_eq!(log_prob.value(), tensor![-2f64.ln(), 0.0]);
/// assert_eq!(p.sample(&mut Pass::train(&tape, Rng::new(3))).value().at(&[1]), 1);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Categorical<'t, T: Float> {
    /// The logarithms of the probabilities, which sum to 1.
    log_probs: Var<'t, T>,
}

impl<'t, T: Float> Categorical<'t, T> {
    /// The distribution with these logits: log-probabilities up to a constant. A logit may be -∞.
    ///
    /// # Errors
    /// Returns an error if there is no axis of classes.
    #[track_caller]
    pub fn from_logits(logits: Var<'t, T>) -> Result<Self> {
        Ok(Categorical { log_probs: logits.try_log_softmax(-1)? })
    }

    /// The distribution with these probabilities, which are divided by their sum.
    ///
    /// ```
    /// use nn::distribution::Categorical;
    /// let tape = autograd::Tape::<f64>::new();
    /// let p = Categorical::from_probs(tape.var([1.0, 3.0]))?;
    /// assert!((p.probs().value() - autograd::tensor![0.25, 0.75]).abs().max().item() < 1e-15);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error if there is no axis of classes, or a probability is negative, infinite or NaN.
    #[track_caller]
    pub fn from_probs(probs: Var<'t, T>) -> Result<Self> {
        let probs = Domain::NonNegative.check("Categorical::from_probs", "probabilities", probs)?;
        let some = probs.is_ne(T::zero());
        // The logarithm is read where it is finite, so that the derivative of its -∞ is 0, and not NaN.
        let logs = some.choose(some.choose(probs, probs.full_like(1.0)).ln(), probs.full_like(f64::NEG_INFINITY));
        Ok(Categorical { log_probs: logs.try_sub(probs.try_sum(-1, Dims::Keep)?.ln())? })
    }

    /// The probabilities.
    #[track_caller]
    pub fn probs(&self) -> Var<'t, T> {
        self.log_probs.exp()
    }

    /// The logarithms of the probabilities.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::distribution::Categorical;
    /// let tape = Tape::<f64>::new();
    /// let even = Categorical::from_logits(tape.var([1.0, 1.0]))?;
    /// assert_eq!(even.log_probs().value(), tensor![0.5_f64.ln(), 0.5_f64.ln()]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn log_probs(&self) -> Var<'t, T> {
        self.log_probs
    }

    /// A class for each row: the argmax of the logarithms plus [Gumbel noise](gumbel_softmax).
    #[track_caller]
    pub fn sample(&self, pass: &mut Pass<'t, T>) -> Ints<'t, T> {
        (self.log_probs + gumbel(&self.log_probs.shape(), pass)).argmax(-1)
    }

    /// The logarithm of the probability of a class for each row.
    ///
    /// # Errors
    /// Returns an error if there is not one class for each row, or one is out of range.
    #[track_caller]
    pub fn log_prob(&self, class: impl Into<Index<Var<'t, T>>>) -> Result<Var<'t, T>> {
        let class = class.into().on(self.log_probs.tape());
        let (mut shape, rows) = (class.shape(), self.log_probs.shape());
        if *shape != rows[..rows.len() - 1] {
            let hint = format!("there must be a class for each row of {:?}", rows.as_slice());
            return Err(Error::Shape { op: "Categorical::log_prob", shape: shape.as_slice().into(), hint });
        }
        shape.push(1);
        let class = class.reshape(&shape).try_within("Categorical::log_prob", rows[rows.len() - 1])?;
        self.log_probs.try_gather(-1, class)?.try_squeeze(-1)
    }

    /// The entropy of each row: `-Σ p ln p`.
    ///
    /// ```
    /// use nn::distribution::Categorical;
    /// let tape = autograd::Tape::<f64>::new();
    /// let entropy = Categorical::from_logits(tape.var([0.0, 0.0, f64::NEG_INFINITY]))?.entropy();
    /// assert!((entropy.item() - 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn entropy(&self) -> Var<'t, T> {
        -weighed(self.probs(), self.log_probs).sum_axes(-1)
    }

    /// The Kullback–Leibler divergence `KL(self ‖ q)` of each row: `Σ p ln(p / p_q)`.
    ///
    /// ```
    /// use nn::distribution::Categorical;
    /// let tape = autograd::Tape::<f64>::new();
    /// let (p, q) = (Categorical::from_probs(tape.var([1.0, 0.0]))?, Categorical::from_probs(tape.var([0.5, 0.5]))?);
    /// assert_eq!((p.kl(&q)?.item(), q.kl(&p)?.item()), (2f64.ln(), f64::INFINITY));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error if the shapes do not broadcast.
    #[track_caller]
    pub fn kl(&self, q: &Self) -> Result<Var<'t, T>> {
        let apart = self.log_probs.try_sub(q.log_probs)?;
        Ok(weighed(self.probs().try_broadcast_to(&apart.shape())?, apart).sum_axes(-1))
    }
}

/// Gumbel noise, `-ln(-ln u)` with uniform `u`: the argmax of logits plus such noise is distributed by the softmax of
/// the logits.
fn gumbel<'t, T: Float>(shape: &[usize], pass: &mut Pass<'t, T>) -> Var<'t, T> {
    let uniform = pass.noise(shape, Noise::Uniform);
    // Zero would be infinite.
    -(-uniform.maximum(pass.tape().constant(Tensor::scalar(T::EPSILON * T::EPSILON))).ln()).ln()
}

/// A sample of a categorical distribution through which derivatives flow: `softmax((logits + noise) / τ)` along the last
/// axis, with Gumbel noise. The lower the temperature `τ`, the closer it is to a one-hot vector. If `hard`, the value is the
/// one-hot vector of the argmax, and the derivative is that of the softmax (straight-through). Sources: Jang, Gu and Poole,
/// *Categorical reparameterization with Gumbel-softmax* (2017); Maddison, Mnih and Teh, *The concrete distribution* (2017).
///
/// ```
/// use autograd::{Rng, Tape};
/// use nn::{Pass, distribution::gumbel_softmax};
/// let (tape, rng) = (Tape::<f64>::new(), Rng::new(1));
/// let logits = tape.var([[0.0, 1.0, 2.0]]);
/// let soft = gumbel_softmax(logits, 0.5, false, &mut Pass::train(&tape, rng.clone()))?;
/// let hard = gumbel_softmax(logits, 0.5, true, &mut Pass::train(&tape, rng))?;
/// assert!((soft.sum().item() - 1.0).abs() < 1e-15 && hard.value().iter().all(|x| x == 0.0 || x == 1.0));
/// assert_eq!(hard.value().argmax(-1), soft.value().argmax(-1));
/// let slope = |y: autograd::Var<'_, f64>| (y * tape.constant([[1.0, 2.0, 3.0]])).sum().backward().wrt(logits);
/// assert_eq!(slope(hard), slope(soft));
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if there is no axis of classes, or the temperature is not positive and finite.
#[track_caller]
pub fn gumbel_softmax<'t, T: Float>(
    logits: Var<'t, T>,
    temperature: f64,
    hard: bool,
    pass: &mut Pass<'t, T>,
) -> Result<Var<'t, T>> {
    crate::domain::positive("gumbel_softmax", "temperature", temperature)?;
    let soft = ((logits + gumbel(&logits.shape(), pass)) * T::of(1.0 / temperature)).try_softmax(-1)?;
    if !hard {
        return Ok(soft);
    }
    let classes = soft.shape().last().copied().unwrap_or(1);
    let largest = soft.try_argmax(-1, Dims::Keep)?.numbers();
    let one_hot = largest.is_eq(pass.tape().constant(Tensor::<T>::arange(classes))).indicator();
    // The difference is 0, but not its derivative.
    Ok(one_hot + (soft - soft.stop_gradient()))
}
