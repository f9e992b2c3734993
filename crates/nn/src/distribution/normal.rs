//! The normal distribution.

use crate::{Noise, Pass};
use autograd::{Float, Result, Tape, Tensor, Var};

/// A normal distribution with mean `μ` and standard deviation `σ`.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::distribution::Normal;
/// let tape = Tape::<f64>::new();
/// let p = Normal::new(tape.var([0.0, 3.0]), tape.var(2.0))?;
/// let density = p.log_prob(tape.constant([0.0, 3.0]))?.exp();
/// let expected = 1.0 / (2.0 * (2.0 * std::f64::consts::PI).sqrt());
/// assert!((density.value() - tensor![expected, expected]).abs().max().item() < 1e-15);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Normal<'t, T: Float> {
    mean: Var<'t, T>,
    std: Var<'t, T>,
}

impl<'t, T: Float> Normal<'t, T> {
    /// The distribution with this mean and standard deviation, which broadcast.
    ///
    /// # Errors
    /// Returns an error if the shapes do not broadcast.
    #[track_caller]
    pub fn new(mean: Var<'t, T>, std: Var<'t, T>) -> Result<Self> {
        mean.try_add(std)?;
        Ok(Normal { mean, std })
    }

    /// Mean 0 and standard deviation 1, of any shape.
    pub fn standard(tape: &'t Tape<T>) -> Self {
        Normal { mean: tape.constant(Tensor::scalar(T::zero())), std: tape.constant(Tensor::scalar(T::one())) }
    }

    /// `μ`
    ///
    /// ```
    /// use nn::distribution::Normal;
    /// let tape = autograd::Tape::<f64>::new();
    /// let p = Normal::standard(&tape);
    /// assert_eq!((p.mean().item(), p.std().item()), (0.0, 1.0));
    /// ```
    pub fn mean(&self) -> Var<'t, T> {
        self.mean
    }

    /// `σ`
    pub fn std(&self) -> Var<'t, T> {
        self.std
    }

    /// A sample, as a constant.
    ///
    /// ```
    /// use autograd::{Rng, Tape};
    /// use nn::{Pass, distribution::Normal};
    /// let tape = Tape::<f64>::new();
    /// let p = Normal::new(tape.var([0.0, 0.0]), tape.var(1.0))?;
    /// let [a, b] = [0, 0].map(|seed| p.sample(&mut Pass::train(&tape, Rng::new(seed))).value());
    /// assert_eq!(a, b); // of one seed
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn sample(&self, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        self.rsample(pass).stop_gradient()
    }

    /// A sample as a function of the parameters: `μ + σ ε` with standard normal `ε`.
    ///
    /// ```
    /// use autograd::{Rng, Tape, tensor};
    /// use nn::{Pass, distribution::Normal};
    /// let tape = Tape::<f64>::new();
    /// let mean = tape.var([1.0, 2.0]);
    /// let x = Normal::new(mean, tape.var(0.5))?.rsample(&mut Pass::train(&tape, Rng::new(0)));
    /// assert_eq!(x.sum().backward().wrt(mean), tensor![1.0, 1.0]); // the samples move with the mean
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[track_caller]
    pub fn rsample(&self, pass: &mut Pass<'t, T>) -> Var<'t, T> {
        let shape = autograd::Value::shape(&(self.mean + self.std));
        self.mean + self.std * pass.noise(&shape, Noise::Normal)
    }

    /// The logarithm of the density at `x`, by element: `-((x - μ)/σ)²/2 - ln σ - ln √(2π)`.
    ///
    /// # Errors
    /// Returns an error if the shapes do not broadcast.
    #[track_caller]
    pub fn log_prob(&self, x: Var<'t, T>) -> Result<Var<'t, T>> {
        let apart = x.try_sub(self.mean)?.try_div(self.std)?;
        Ok(apart.square() * T::of(-0.5) - self.std.ln() - T::of(LN_ROOT_TAU))
    }

    /// The entropy, by element: `½ + ln √(2π) + ln σ`.
    ///
    /// ```
    /// use nn::distribution::Normal;
    /// let entropy = Normal::standard(&autograd::Tape::<f64>::new()).entropy().item();
    /// assert!((entropy - 1.4189385332046727).abs() < 1e-15);
    /// ```
    #[track_caller]
    pub fn entropy(&self) -> Var<'t, T> {
        self.std.ln() + self.mean.full_like(0.5 + LN_ROOT_TAU)
    }

    /// The Kullback–Leibler divergence `KL(self ‖ q)`, by element:
    /// `ln(σ_q / σ) + (σ² + (μ - μ_q)²) / (2 σ_q²) - ½`. The shapes broadcast.
    ///
    /// ```
    /// use autograd::Tape;
    /// use nn::distribution::Normal;
    /// let tape = Tape::<f64>::new();
    /// let p = Normal::new(tape.var([0.0, 1.0]), tape.var(1.0))?;
    /// assert_eq!(p.kl(&Normal::standard(&tape))?.value().to_vec(), [0.0, 0.5]);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error if the shapes do not broadcast.
    #[doc(alias = "kl_divergence")]
    #[track_caller]
    pub fn kl(&self, q: &Self) -> Result<Var<'t, T>> {
        let ratio = self.std.try_div(q.std)?;
        let apart = self.mean.try_sub(q.mean)?.try_div(q.std)?;
        let twice = ratio.square().try_add(apart.square())? - T::one();
        Ok(twice * T::of(0.5) - ratio.ln())
    }
}

/// ln √(2π)
const LN_ROOT_TAU: f64 = 0.918_938_533_204_672_8;
