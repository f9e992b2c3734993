//! Losses that enforce a margin between examples that belong together and examples that do not.

use super::{Reduction, number, reduced, same_shape};
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
/// Returns an error if the shapes are incompatible.
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
    let dot = (a * b).try_sum(-1, Dims::Drop)?;
    same_shape(OP, dot, y)?;
    // PyTorch's epsilon, added under the root.
    let square = |x: Var<'t, T>| x.square().sum_axes(-1) + T::of(1e-12);
    let cosine = dot / (square(a) * square(b)).sqrt();
    let (alike, apart) = (-cosine + T::one(), (cosine - T::of(margin)).relu());
    let other = y.equal(number(y, -1.0)).select(apart, number(y, 0.0));
    Ok(reduction.apply(y.equal(number(y, 1.0)).select(alike, other)))
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
/// Returns an error if the shapes differ.
#[track_caller]
pub fn margin_ranking_loss<'t, T: Float>(
    a: Var<'t, T>,
    b: Var<'t, T>,
    y: Var<'t, T>,
    margin: f64,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    same_shape("margin_ranking_loss", a, b)?;
    same_shape("margin_ranking_loss", a, y)?;
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
/// Returns an error if the shapes differ.
#[track_caller]
pub fn hinge_embedding_loss<'t, T: Float>(
    x: Var<'t, T>,
    y: Var<'t, T>,
    margin: f64,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    same_shape("hinge_embedding_loss", x, y)?;
    let (near, far) = (y.equal(number(y, 1.0)), y.equal(number(y, -1.0)));
    let zero = number(y, 0.0);
    let short = (-x + T::of(margin)).relu();
    Ok(reduction.apply(near.select(zero, short) + far.select(zero, x)))
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
/// Returns an error if the shapes differ.
#[track_caller]
pub fn soft_margin_loss<'t, T: Float>(x: Var<'t, T>, y: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    same_shape("soft_margin_loss", x, y)?;
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
/// Returns an error if the shapes differ, there is no axis, or `p` or the margin is not positive.
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
    super::positive(OP, "p", options.p)?;
    super::positive(OP, "margin", options.margin)?;
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
