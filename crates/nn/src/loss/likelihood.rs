//! Negative log-likelihood losses, and the Kullback-Leibler divergence.

use super::{Reduction, non_negative, number, positive, product, reduced, same_shape};
use crate::domain::Domain;
use autograd::{Error, Float, Result, Var};
use std::f64::consts::PI;

reduced! {
    /// The Kullback-Leibler divergence from log-probabilities; see [`kl_div`]. [`Reduction::BatchMean`] gives the
    /// divergence by its definition; the default mean also divides by the number of classes, as in PyTorch.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{KlDiv, Loss, Reduction, Target};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var([[0.5_f64.ln(), 0.5_f64.ln()]]);
    /// let loss = KlDiv::new().reduction(Reduction::BatchMean).loss(x, &Target::Values(tensor![[1.0, 0.0]]))?;
    /// assert_eq!(loss.item(), 2f64.ln());
    /// assert!(KlDiv::new().log_target(true).log_target);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[doc(alias = "KLDivLoss")]
    KlDiv {
        /// Whether targets are log-probabilities too. Defaults to false.
        log_target: bool = false
    }, kl_div_of as kl_div, Mean
}

reduced! {
    /// Negative log-likelihood of counts under Poisson distributions; see [`poisson_nll_loss`].
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Loss, PoissonNll, Target};
    /// let tape = Tape::<f64>::new();
    /// let counts = Target::Values(tensor![3.0]);
    /// assert_eq!(PoissonNll::new().loss(tape.var([0.0]), &counts)?.item(), 1.0);
    /// assert_eq!(PoissonNll::new().log_input(false).eps(0.0).loss(tape.var([1.0]), &counts)?.item(), 1.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[doc(alias = "PoissonNLLLoss")]
    PoissonNll {
        /// The meaning of the outputs, and the included terms.
        options: PoissonOptions = PoissonOptions::default()
    }, poisson_nll_loss, Mean
}

impl PoissonNll {
    /// Sets whether outputs are logarithms of rates rather than rates. Defaults to true.
    pub fn log_input(mut self, log_input: bool) -> Self {
        self.options.log_input = log_input;
        self
    }

    /// Sets whether to add Stirling's approximation of the term that does not depend on the outputs. Defaults to false.
    ///
    /// ```
    /// use nn::loss::PoissonNll;
    /// assert!(PoissonNll::new().full(true).options.full);
    /// ```
    pub fn full(mut self, full: bool) -> Self {
        self.options.full = full;
        self
    }

    /// Sets the number added to rates before taking the logarithm. Defaults to 1e-8.
    pub fn eps(mut self, eps: f64) -> Self {
        self.options.eps = eps;
        self
    }
}

/// The Kullback-Leibler divergence of probabilities `t` from log-probabilities `x`: `t (ln t - x)` for each element, 0
/// where `t` is 0, reduced. [`Reduction::BatchMean`] gives the divergence by its definition. For targets that are
/// log-probabilities, use [`kl_div_log_target`].
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, kl_div};
/// let tape = Tape::<f64>::new();
/// let (x, t) = (tape.var([[0.5_f64.ln(), 0.5_f64.ln()]]), tape.constant([[1.0, 0.0]]));
/// assert_eq!(kl_div(x, t, Reduction::BatchMean)?.item(), 2f64.ln());
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ, or a target is negative, infinite or NaN.
#[track_caller]
pub fn kl_div<'t, T: Float>(x: Var<'t, T>, t: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    kl_div_of(x, t, false, reduction)
}

/// [`kl_div`] with targets that are log-probabilities too: `eᵗ (t - x)` for each element, reduced.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, kl_div_log_target};
/// let tape = Tape::<f64>::new();
/// let (x, t) = (tape.var([[0.5_f64.ln(), 0.5_f64.ln()]]), tape.constant([[0.0, f64::MIN]]));
/// assert_eq!(kl_div_log_target(x, t, Reduction::BatchMean)?.item(), 2f64.ln());
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ, or a target is infinity or NaN. -inf is the logarithm of 0.
#[track_caller]
pub fn kl_div_log_target<'t, T: Float>(x: Var<'t, T>, t: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    kl_div_of(x, t, true, reduction)
}

#[track_caller]
fn kl_div_of<'t, T: Float>(x: Var<'t, T>, t: Var<'t, T>, log_target: bool, reduction: Reduction) -> Result<Var<'t, T>> {
    same_shape("kl_div", x, t)?;
    let domain = if log_target { Domain::Logarithm } else { Domain::NonNegative };
    let t = domain.check("kl_div", "targets", t)?;
    Ok(reduction.apply(if log_target {
        let p = t.exp();
        // Where the probability is 0, so is the term, regardless of the logarithms.
        p * p.equal(number(p, 0.0)).select(number(p, 0.0), t - x)
    } else {
        t * log_or_zero(t) - product(t, x)
    }))
}

/// ln t, or 0 where `t` is 0, for computing `t ln t`.
#[track_caller]
fn log_or_zero<T: Float>(t: Var<'_, T>) -> Var<'_, T> {
    t.equal(number(t, 0.0)).select(number(t, 1.0), t).ln()
}

/// Options of [`poisson_nll_loss`]. By default, outputs are log-rates, and terms that do not depend on them are
/// omitted.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{PoissonOptions, Reduction, poisson_nll_loss};
/// let tape = Tape::<f64>::new();
/// let rates = PoissonOptions { log_input: false, eps: 0.0, ..PoissonOptions::default() };
/// let loss = poisson_nll_loss(tape.var([1.0, 2.0]), tape.constant([5.0, 0.0]), rates, Reduction::Sum)?;
/// assert_eq!(loss.item(), 3.0);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoissonOptions {
    /// Whether outputs are logarithms of rates rather than rates. Defaults to true.
    pub log_input: bool,
    /// Whether to add Stirling's approximation of `ln t!` where `t > 1`, which does not change the gradient of the
    /// outputs.
    pub full: bool,
    /// Added to rates before taking the logarithm. Defaults to 1e-8.
    pub eps: f64,
}

impl Default for PoissonOptions {
    fn default() -> Self {
        PoissonOptions { log_input: true, full: false, eps: 1e-8 }
    }
}

/// Negative log-likelihood of counts `t` under Poisson distributions with rate `eˣ`: `eˣ - t x`, reduced. Without
/// `log_input` the rate is `x`: `x - t ln(x + ε)`.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{PoissonOptions, Reduction, poisson_nll_loss};
/// let tape = Tape::<f64>::new();
/// let x = tape.var([0.0, 0.0]);
/// let loss = poisson_nll_loss(x, tape.constant([1.0, 3.0]), PoissonOptions::default(), Reduction::Sum)?;
/// assert_eq!((loss.item(), loss.backward().wrt(x).to_vec()), (2.0, vec![0.0, -2.0]));
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ, a count is negative, infinite or NaN, or `ε` is.
#[track_caller]
pub fn poisson_nll_loss<'t, T: Float>(
    x: Var<'t, T>,
    t: Var<'t, T>,
    options: PoissonOptions,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    const OP: &str = "poisson_nll_loss";
    same_shape(OP, x, t)?;
    non_negative(OP, "eps", options.eps)?;
    let t = Domain::NonNegative.check(OP, "counts", t)?;
    let loss = if options.log_input {
        x.exp() - product(t, x)
    } else {
        let rate = x + T::of(options.eps);
        // t ln rate is 0 where both are 0, and so is its derivative.
        let nothing = t.equal(number(t, 0.0)) * rate.equal(number(t, 0.0));
        x - t * nothing.select(number(t, 1.0), rate).ln()
    };
    if !options.full {
        return Ok(reduction.apply(loss));
    }
    let many = t.gt(number(t, 1.0));
    let counts = many.select(t, number(t, 1.0));
    let stirling = counts * counts.ln() - counts + (counts * T::of(2.0 * PI)).ln() * T::of(0.5);
    Ok(reduction.apply(loss + many.select(stirling, number(t, 0.0))))
}

/// Options of [`gaussian_nll_loss`].
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{GaussianOptions, Reduction, gaussian_nll_loss};
/// let tape = Tape::<f64>::new();
/// let [mean, target, variance] = [3.0, 1.0, 1.0].map(|x| tape.constant([x]));
/// let loss = gaussian_nll_loss(mean, target, variance, GaussianOptions::default(), Reduction::Mean)?;
/// assert_eq!(loss.item(), 2.0); // ½ (ln 1 + 2² / 1)
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianOptions {
    /// Whether to add the constant `½ ln 2π`.
    pub full: bool,
    /// The lower bound of the variances. Defaults to 1e-6.
    pub eps: f64,
}

impl Default for GaussianOptions {
    fn default() -> Self {
        GaussianOptions { full: false, eps: 1e-6 }
    }
}

/// Negative log-likelihood of `t` under normal distributions with mean `x` and variance `v`: `½ (ln v + (x - t)² / v)`,
/// reduced. The variance has the shape of `x`, or one value per row: last axis 1 or missing. A variance below `ε`
/// counts as `ε`, with the derivative taken there, so that it can grow again.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{GaussianOptions, Reduction, gaussian_nll_loss};
/// let tape = Tape::<f64>::new();
/// let (x, t, v) = (tape.var([[1.0, 3.0]]), tape.constant([[0.0, 1.0]]), tape.var([1.0]));
/// assert_eq!(gaussian_nll_loss(x, t, v, GaussianOptions::default(), Reduction::Sum)?.item(), 2.5);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes are incompatible, a variance is negative, infinite or NaN, or `ε` is not positive and
/// finite.
#[track_caller]
pub fn gaussian_nll_loss<'t, T: Float>(
    x: Var<'t, T>,
    t: Var<'t, T>,
    variance: Var<'t, T>,
    options: GaussianOptions,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    const OP: &str = "gaussian_nll_loss";
    same_shape(OP, x, t)?;
    positive(OP, "eps", options.eps)?;
    let (shape, given) = (x.shape(), variance.shape());
    let rows = &shape[..shape.len().saturating_sub(1)];
    let variance = match given.as_slice() {
        v if v == shape.as_slice() => variance,
        v if v == rows => variance.try_unsqueeze(-1)?,
        [v @ .., 1] if v == rows => variance,
        v => {
            let hint = format!("variances must have the shape of the means, {shape:?}, or one value per row");
            return Err(Error::Shape { op: OP, shape: v.into(), hint });
        }
    };
    let variance = Domain::NonNegative.check(OP, "variances", variance)?;
    // A shift by a constant, so that the gradient passes as if nothing had been clamped.
    let lift = (-variance + T::of(options.eps)).relu().stop_gradient();
    let v = variance + lift;
    // The ratio before its square, which may be too large or too small.
    let loss = (v.ln() + ((x - t) / v.sqrt()).square()) * T::of(0.5);
    let rest = if options.full { 0.5 * (2.0 * PI).ln() } else { 0.0 };
    Ok(reduction.apply(loss + T::of(rest)))
}
