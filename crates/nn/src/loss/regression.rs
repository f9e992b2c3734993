//! Regression losses: squared and absolute errors, and combinations of the two.

use super::{Reduction, positive, reduced, same_shape};
use autograd::{Float, Result, Tensor, Var};

reduced! {
    /// Mean squared error, `mean (y - t)²` over all elements. Output and target have the same shape.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Loss, Mse, Target};
    /// let tape = Tape::<f64>::new();
    /// let y = tape.var([1.0, 2.0]);
    /// let loss = Mse::new().loss(y, &Target::Values(tensor![0.0, 4.0]))?;
    /// assert_eq!((loss.item(), loss.backward().wrt(y)), (2.5, tensor![1.0, -2.0]));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[doc(alias = "MSELoss")]
    Mse, mse_loss, Mean
}

reduced! {
    /// Half the squared error, `½ Σ (y - t)²`: the loss of textbook derivations, whose derivative is simply `y - t`.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{HalfSquared, Loss, Target};
    /// let tape = Tape::<f64>::new();
    /// let y = tape.var([1.0, 2.0]);
    /// let loss = HalfSquared::new().loss(y, &Target::Values(tensor![0.0, 4.0]))?;
    /// assert_eq!((loss.item(), loss.backward().wrt(y)), (2.5, tensor![1.0, -2.0]));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    HalfSquared, half_squared_loss, Sum
}

reduced! {
    /// The mean absolute error, `mean |y - t|`; see [`l1_loss`].
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{L1, Loss, Target};
    /// let tape = Tape::<f64>::new();
    /// assert_eq!(L1::new().loss(tape.var([1.0, 2.0]), &Target::Values(tensor![0.0, 5.0]))?.item(), 2.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[doc(alias = "L1Loss")]
    L1, l1_loss, Mean
}

reduced! {
    /// Quadratic near 0 and linear farther out; see [`smooth_l1_loss`].
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Loss, SmoothL1, Target};
    /// let tape = Tape::<f64>::new();
    /// let loss = SmoothL1::new().beta(2.0).loss(tape.var([1.0, 6.0]), &Target::Values(tensor![0.0, 1.0]))?;
    /// assert_eq!(loss.item(), (0.25 + 4.0) / 2.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[doc(alias = "SmoothL1Loss")]
    SmoothL1 {
        /// The error at which the loss changes from quadratic to linear. Defaults to 1.
        beta: f64 = 1.0
    }, smooth_l1_loss, Mean
}

reduced! {
    /// Quadratic near 0 and linear farther out; see [`huber_loss`].
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Huber, Loss, Reduction, Target};
    /// let tape = Tape::<f64>::new();
    /// let loss = Huber::new().delta(2.0).reduction(Reduction::Sum);
    /// assert_eq!(loss.loss(tape.var([1.0, 6.0]), &Target::Values(tensor![0.0, 1.0]))?.item(), 0.5 + 8.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[doc(alias = "HuberLoss")]
    Huber {
        /// The error at which the loss changes from quadratic to linear. Defaults to 1.
        delta: f64 = 1.0
    }, huber_loss, Mean
}

/// The squared error `(y - t)²` of each element, reduced.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, mse_loss};
/// let tape = Tape::<f64>::new();
/// let (y, t) = (tape.var([1.0, 4.0]), tape.constant([0.0, 1.0]));
/// assert_eq!(mse_loss(y, t, Reduction::Mean)?.item(), 5.0);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ.
#[track_caller]
pub fn mse_loss<'t, T: Float>(y: Var<'t, T>, t: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    same_shape("mse_loss", y, t)?;
    Ok(reduction.apply((y - t).square()))
}

/// Half the squared error `½ (y - t)²` of each element, reduced.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, half_squared_loss};
/// let tape = Tape::<f64>::new();
/// let (y, t) = (tape.var([1.0, 4.0]), tape.constant([0.0, 1.0]));
/// assert_eq!(half_squared_loss(y, t, Reduction::Mean)?.item(), 2.5);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ.
#[track_caller]
pub fn half_squared_loss<'t, T: Float>(y: Var<'t, T>, t: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    same_shape("half_squared_loss", y, t)?;
    Ok(reduction.apply((y - t).square()) * T::of(0.5))
}

/// The absolute error `|y - t|` of each element, reduced; its derivative is 0 where they are equal.
///
/// # Errors
/// Returns an error if the shapes differ.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, l1_loss};
/// let tape = Tape::<f64>::new();
/// assert_eq!(l1_loss(tape.var([1.0, -2.0]), tape.constant([0.0, 2.0]), Reduction::Mean)?.item(), 2.5);
/// # Ok::<(), autograd::Error>(())
/// ```
#[track_caller]
pub fn l1_loss<'t, T: Float>(y: Var<'t, T>, t: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    same_shape("l1_loss", y, t)?;
    Ok(reduction.apply((y - t).abs()))
}

/// Quadratic near 0 and linear farther out: `½ (y - t)² / β` where `|y - t| < β`, else `|y - t| - ½ β`, reduced. With
/// `β = 0` it is [`l1_loss`]. Source: Girshick, *Fast R-CNN* (2015).
///
/// # Errors
/// Returns an error if the shapes differ, or `β` is negative, infinite or NaN.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, smooth_l1_loss};
/// let tape = Tape::<f64>::new();
/// assert_eq!(smooth_l1_loss(tape.var([0.5, -3.0]), tape.constant([0.0, 0.0]), 1.0, Reduction::Sum)?.item(), 2.625);
/// # Ok::<(), autograd::Error>(())
/// ```
#[track_caller]
pub fn smooth_l1_loss<'t, T: Float>(
    y: Var<'t, T>,
    t: Var<'t, T>,
    beta: f64,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    same_shape("smooth_l1_loss", y, t)?;
    if beta == 0.0 {
        return l1_loss(y, t, reduction);
    }
    positive("smooth_l1_loss", "beta", beta)?;
    Ok(reduction.apply(bend(y - t, beta, 1.0 / beta, 1.0)))
}

/// Quadratic near 0 and linear farther out: `½ (y - t)²` where `|y - t| < δ`, else `δ (|y - t| - ½ δ)`, reduced: `δ`
/// times [`smooth_l1_loss`]. Source: Huber, *Robust estimation of a location parameter* (1964).
///
/// # Errors
/// Returns an error if the shapes differ, or `δ` is not positive and finite.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, huber_loss};
/// let tape = Tape::<f64>::new();
/// assert_eq!(huber_loss(tape.var([1.0, -3.0]), tape.constant([0.0, 0.0]), 2.0, Reduction::Sum)?.item(), 4.5);
/// # Ok::<(), autograd::Error>(())
/// ```
#[track_caller]
pub fn huber_loss<'t, T: Float>(y: Var<'t, T>, t: Var<'t, T>, delta: f64, reduction: Reduction) -> Result<Var<'t, T>> {
    same_shape("huber_loss", y, t)?;
    positive("huber_loss", "delta", delta)?;
    Ok(reduction.apply(bend(y - t, delta, 1.0, delta)))
}

/// `½ curvature · d²` where `|d| < end`, else `slope · (|d| - ½ end)`.
#[track_caller]
fn bend<T: Float>(d: Var<'_, T>, end: f64, curvature: f64, slope: f64) -> Var<'_, T> {
    let (size, number) = (d.abs(), |c: f64| d.tape().constant(Tensor::scalar(T::of(c))));
    // Only small differences are squared: the derivative of the square of an infinite difference would be 0 · ∞. NaN counts
    // as small, so that its derivative is NaN.
    let far = size.ge(number(end));
    let short = far.select(number(0.0), d);
    far.select((size - T::of(0.5 * end)) * T::of(slope), short.square() * T::of(0.5 * curvature))
}
