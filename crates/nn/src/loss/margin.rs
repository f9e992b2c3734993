//! Losses that enforce a margin between examples that belong together and examples that do not.

use super::{Reduction, finite, non_negative, number, positive, reduced, same_shape};
use crate::domain::Domain;
use crate::functional::over_norm;
use autograd::{Dims, Error, Float, Result, Var};

reduced! {
    /// Hinge loss on distances, which should be small where the target is 1, and at least a margin where it is -1; see
    /// [`hinge_embedding_loss`].
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{HingeEmbedding, Loss, Target};
    /// let tape = Tape::<f64>::new();
    /// let loss = HingeEmbedding::new().margin(2.0).loss(tape.var([0.5, 0.5]), &Target::Values(tensor![1.0, -1.0]))?;
    /// assert_eq!(loss.item(), 1.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[doc(alias = "HingeEmbeddingLoss")]
    HingeEmbedding {
        /// The smallest acceptable distance of dissimilar pairs. Defaults to 1.
        margin: f64 = 1.0
    }, hinge_embedding_loss, Mean
}

reduced! {
    /// Logistic loss on scores that should have the sign of the target, 1 or -1; see [`soft_margin_loss`].
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Loss, SoftMargin, Target};
    /// let tape = Tape::<f64>::new();
    /// assert_eq!(SoftMargin::new().loss(tape.var([0.0]), &Target::Values(tensor![1.0]))?.item(), 2f64.ln());
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[doc(alias = "SoftMarginLoss")]
    SoftMargin, soft_margin_loss, Mean
}

/// Cosine loss on pairs of rows that should be similar (`y = 1`) or not (`y = -1`): with `c` the cosine of the angle
/// between them, `1 - c` or `max(0, c - margin)`, reduced. Rows are the last axis of `a` and `b`, `[N, D]` or `[D]`;
/// `y` is `[N]` or a scalar.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, cosine_embedding_loss};
/// let tape = Tape::<f64>::new();
/// let (a, b) = (tape.var([[1.0, 0.0], [1.0, 0.0]]), tape.var([[0.0, 2.0], [3.0, 0.0]]));
/// let loss = cosine_embedding_loss(a, b, tape.constant([1.0, -1.0]), 0.25, Reduction::None)?;
/// assert!((loss.value().at(&[0]) - 1.0).abs() < 1e-9 && (loss.value().at(&[1]) - 0.75).abs() < 1e-9);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes are incompatible, `y` is neither 1 nor -1, or the margin is not finite.
#[track_caller]
pub fn cosine_embedding_loss<'t, T: Float>(
    a: Var<'t, T>,
    b: Var<'t, T>,
    y: Var<'t, T>,
    margin: f64,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    const OP: &str = "cosine_embedding_loss";
    same_shape(OP, a, b)?;
    finite(OP, "margin", margin)?;
    let y = Domain::Sign.check(OP, "targets", y)?;
    // PyTorch's epsilon of 1e-12 under the root. Each row is divided by its own length: products of squares overflow.
    let unit = |x: Var<'t, T>| over_norm(x, 2.0, -1, 1e-6, |norm, eps| norm.hypot(eps));
    let cosine = (unit(a)? * unit(b)?).try_sum(-1, Dims::Drop)?;
    same_shape(OP, cosine, y)?;
    let (alike, apart) = (-cosine + T::one(), (cosine - T::of(margin)).relu());
    Ok(reduction.apply(y.equal(number(y, 1.0)).select(alike, apart)))
}

/// Ranking loss on pairs of scores, the first of which should be higher (`y = 1`) or lower (`y = -1`) by a margin:
/// `max(0, margin - y (a - b))`, reduced.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, margin_ranking_loss};
/// let tape = Tape::<f64>::new();
/// let (a, b, y) = (tape.var([2.0, 2.0]), tape.var([1.0, 1.0]), tape.constant([1.0, -1.0]));
/// assert_eq!(margin_ranking_loss(a, b, y, 0.5, Reduction::Sum)?.item(), 1.5);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ, `y` is neither 1 nor -1, or the margin is not finite.
#[track_caller]
pub fn margin_ranking_loss<'t, T: Float>(
    a: Var<'t, T>,
    b: Var<'t, T>,
    y: Var<'t, T>,
    margin: f64,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    const OP: &str = "margin_ranking_loss";
    same_shape(OP, a, b)?;
    same_shape(OP, a, y)?;
    finite(OP, "margin", margin)?;
    let y = Domain::Sign.check(OP, "targets", y)?;
    Ok(reduction.apply((-y * (a - b) + T::of(margin)).relu()))
}

/// Hinge loss on distances that should be small (`y = 1`) or at least a margin (`y = -1`): `x` or `max(0, margin - x)`,
/// reduced.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, hinge_embedding_loss};
/// let tape = Tape::<f64>::new();
/// let loss = hinge_embedding_loss(tape.var([0.5, 0.75]), tape.constant([1.0, -1.0]), 1.0, Reduction::Sum)?;
/// assert_eq!(loss.item(), 0.75);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ, `y` is neither 1 nor -1, or the margin is not finite.
#[track_caller]
pub fn hinge_embedding_loss<'t, T: Float>(
    x: Var<'t, T>,
    y: Var<'t, T>,
    margin: f64,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    const OP: &str = "hinge_embedding_loss";
    same_shape(OP, x, y)?;
    finite(OP, "margin", margin)?;
    let y = Domain::Sign.check(OP, "targets", y)?;
    let short = (-x + T::of(margin)).relu();
    Ok(reduction.apply(y.equal(number(y, 1.0)).select(x, short)))
}

/// Logistic loss on scores that should have the sign of `y`: `ln(1 + e^(-y x))`, without overflow, reduced.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, soft_margin_loss};
/// let tape = Tape::<f64>::new();
/// let loss = soft_margin_loss(tape.var([0.0, 1e5]), tape.constant([1.0, -1.0]), Reduction::Sum)?;
/// assert_eq!(loss.item(), 2f64.ln() + 1e5);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ, or `y` is neither 1 nor -1.
#[track_caller]
pub fn soft_margin_loss<'t, T: Float>(x: Var<'t, T>, y: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    same_shape("soft_margin_loss", x, y)?;
    let y = Domain::Sign.check("soft_margin_loss", "targets", y)?;
    Ok(reduction.apply((-y * x).softplus()))
}

/// Options of [`triplet_margin_loss`].
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, TripletOptions, triplet_margin_loss};
/// let tape = Tape::<f64>::new();
/// let rows = [[0.0, 0.0], [3.0, 0.0], [0.0, 1.0]].map(|x| tape.constant([x]));
/// let options = TripletOptions { margin: 0.5, eps: 0.0, ..TripletOptions::default() };
/// assert_eq!(triplet_margin_loss(rows, options, Reduction::Mean)?.item(), 3.0 - 1.0 + 0.5);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TripletOptions {
    /// How much farther from the anchor the wrong row must be than the right one. Defaults to 1.
    pub margin: f64,
    /// The order of the norm that measures distances. Defaults to 2.
    pub p: f64,
    /// Added to each difference to keep the norm differentiable. Defaults to 1e-6.
    pub eps: f64,
    /// Whether to measure the wrong row's distance to the right row instead of the anchor where it is smaller. Defaults
    /// to false.
    pub swap: bool,
}

impl Default for TripletOptions {
    fn default() -> Self {
        TripletOptions { margin: 1.0, p: 2.0, eps: 1e-6, swap: false }
    }
}

/// Triplet loss on rows `[anchor, right, wrong]`, where the right (positive) row should be closer to the anchor than
/// the wrong (negative) one by a margin: `max(0, margin + d(a, r) - d(a, w))` with `d(x, y) = ‖x - y + ε‖ₚ` over the
/// last axis, reduced. Source: Balntas, Riba, Ponsa and Mikolajczyk, *Learning local feature descriptors with triplets*
/// (2016).
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, TripletOptions, triplet_margin_loss};
/// let tape = Tape::<f64>::new();
/// let rows = [tape.var([[0.0, 0.0]]), tape.var([[3.0, 4.0]]), tape.var([[0.0, 2.0]])];
/// let loss = triplet_margin_loss(rows, TripletOptions::default(), Reduction::Mean)?;
/// assert!((loss.item() - 4.0).abs() < 1e-5);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ, there is no axis, `p` is not positive, the margin is not positive and finite, or
/// `ε` is negative, infinite or NaN.
#[track_caller]
pub fn triplet_margin_loss<'t, T: Float>(
    rows: [Var<'t, T>; 3],
    options: TripletOptions,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    const OP: &str = "triplet_margin_loss";
    let [anchor, right, wrong] = rows;
    same_shape(OP, anchor, right)?;
    same_shape(OP, anchor, wrong)?;
    // The norm of infinite order is the largest difference.
    if options.p != f64::INFINITY {
        positive(OP, "p", options.p)?;
    }
    positive(OP, "margin", options.margin)?;
    non_negative(OP, "eps", options.eps)?;
    if anchor.rank() == 0 {
        return Err(Error::Shape {
            op: OP,
            shape: Box::new([]),
            hint: "rows must have at least one axis to take distances along".into(),
        });
    }
    let distance = |a: Var<'t, T>, b: Var<'t, T>| (a - b + T::of(options.eps)).try_norm(options.p, -1, Dims::Drop);
    let (near, mut far) = (distance(anchor, right)?, distance(anchor, wrong)?);
    if options.swap {
        far = far.minimum(distance(right, wrong)?);
    }
    Ok(reduction.apply((near - far + T::of(options.margin)).relu()))
}
