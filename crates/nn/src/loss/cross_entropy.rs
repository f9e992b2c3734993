//! Cross-entropy and its options: class and sample weights, labels to ignore, smoothing.

use super::{IGNORED, Reduction, class_weights, classes_last, label_shape, product, weights_over};
use crate::domain::Domain;
use autograd::{Error, Float, Index, Ints, Result, Shape, Tensor, Var};

/// Options of the classification losses.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::loss::{ClassOptions, Reduction, nll_loss};
/// let tape = Tape::<f64>::new();
/// let options = ClassOptions { weight: Some(tensor![1.0, 3.0]), ignore_index: 2, ..ClassOptions::default() };
/// let logs = tape.var([[-1.0, -2.0], [-5.0, -4.0], [-9.0, -9.0]]);
/// // (1 · 1 + 3 · 4) / (1 + 3)
/// assert_eq!(nll_loss(logs, &tensor![0_i64, 1, 2], &options, Reduction::Mean)?.item(), 3.25);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClassOptions<T: Float> {
    /// The weight of each class, `[classes]`. A mean divides by the total weight of the labels present.
    pub weight: Option<Tensor<T>>,
    /// The weight of each sample, `[N]`. A mean divides as if all weights were 1.
    pub sample_weight: Option<Tensor<T>>,
    /// Samples with this label are ignored. Defaults to [`IGNORED`], as in PyTorch.
    pub ignore_index: i64,
    /// The fraction of each target that is spread evenly over all classes. Defaults to 0. Source: Szegedy et al.,
    /// *Rethinking the Inception architecture* (2016).
    pub label_smoothing: f64,
}

impl<T: Float> Default for ClassOptions<T> {
    fn default() -> Self {
        ClassOptions { weight: None, sample_weight: None, ignore_index: IGNORED, label_smoothing: 0.0 }
    }
}

impl<T: Float> ClassOptions<T> {
    fn check(&self, op: &'static str, classes: usize) -> Result<()> {
        if !(0.0..=1.0).contains(&self.label_smoothing) {
            let hint = format!("label_smoothing must be in [0, 1], got {}", self.label_smoothing);
            return Err(Error::Argument { op, hint });
        }
        class_weights(op, self.weight.as_ref(), classes)
    }
}

/// Multiplies losses `[n]` of the rows of `shape` by the weights of the samples they belong to.
#[track_caller]
fn counting<'t, T: Float>(
    op: &'static str,
    losses: Var<'t, T>,
    shape: &Shape,
    weights: Option<Var<'t, T>>,
) -> Result<Var<'t, T>> {
    let Some(weights) = weights else { return Ok(losses) };
    let weights = weights_over(op, weights, shape)?.try_broadcast_to(shape)?;
    Ok(product(weights.reshape(&[shape.iter().product()]), losses))
}

/// Cross-entropy of logits `[N, classes]` against the correct class of each row, `ln Σ eˣ - x[label]`, reduced. With
/// further axes, `[N, classes, …]`, each position has its own label, `[N, …]`; logits `[classes]` have one.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::loss::{Reduction, cross_entropy};
/// let tape = Tape::<f64>::new();
/// // Two samples of three places each, undecided between two classes.
/// let scores = tape.var(autograd::Tensor::zeros(&[2, 2, 3]));
/// let loss = cross_entropy(scores, &tensor![[0_i64, 1, 0], [1, 1, -100]], Reduction::Sum)?;
/// assert!((loss.item() - 5.0 * 2f64.ln()).abs() < 1e-14);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes are incompatible, or a label is neither in `0..classes` nor -100, which is ignored.
#[track_caller]
pub fn cross_entropy<'t, T: Float>(
    x: Var<'t, T>,
    labels: impl Into<Index<Var<'t, T>>>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    cross_entropy_with(x, labels, &ClassOptions::default(), reduction)
}

/// [`cross_entropy`] with class weights `w`, label smoothing, or samples to ignore:
/// `-(1 - ε) w[label] log_softmax(x)[label] - ε / classes · Σ w · log_softmax(x)`.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::loss::{ClassOptions, Reduction, cross_entropy_with};
/// let tape = Tape::<f64>::new();
/// let x = tape.var([[0.0, 0.0], [5.0, 1.0]]);
/// let options = ClassOptions { label_smoothing: 0.5, ..ClassOptions::default() };
/// let loss = cross_entropy_with(x, &tensor![1_i64, -100], &options, Reduction::Mean)?;
/// assert!((loss.item() - 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error under the same conditions as [`cross_entropy`], or if there is not one weight per class, a weight is
/// negative, infinite or NaN, or the smoothing is not in `[0, 1]`.
#[track_caller]
pub fn cross_entropy_with<'t, T: Float>(
    x: Var<'t, T>,
    labels: impl Into<Index<Var<'t, T>>>,
    options: &ClassOptions<T>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    let weights = options.sample_weight.as_ref().map(|weights| x.tape().constant(weights.clone()));
    entropy_by_label(x, labels.into().on(x.tape()), options, weights, reduction)
}

/// [`cross_entropy_with`] for labels and weights of samples that are on the tape.
#[track_caller]
pub(super) fn entropy_by_label<'t, T: Float>(
    x: Var<'t, T>,
    labels: Ints<'t, T>,
    options: &ClassOptions<T>,
    weights: Option<Var<'t, T>>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    let rows = Labeled::new("cross_entropy", x, labels, options)?;
    let mut losses = rows.x.try_cross_entropy(rows.labels(IGNORED)?)?;
    if let Some(w) = &options.weight {
        losses = losses * rows.weigh(w)?;
    }
    if options.label_smoothing > 0.0 {
        let (spread, known) = (T::of(options.label_smoothing), rows.known()?);
        let logs = known.unsqueeze(1).try_select(rows.x, x.tape().constant(T::zero()))?.try_log_softmax(1)?;
        let logs = options.weight.as_ref().map_or(logs, |w| logs * x.tape().constant(w.clone()));
        let all = logs.sum_axes(1) * known;
        losses = losses * (T::one() - spread) - all * (spread / T::of(rows.classes as f64));
    }
    rows.reduce(losses, options, weights, reduction)
}

/// Negative log-likelihood of the correct classes, `-w[label] x[label]`, of log-probabilities `x`, reduced. The shapes
/// are those of [`cross_entropy`]. `label_smoothing` is ignored.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::loss::{ClassOptions, Reduction, nll_loss};
/// let tape = Tape::<f64>::new();
/// let x = tape.var([[-1.0, -2.0], [-3.0, -4.0]]);
/// assert_eq!(nll_loss(x, &tensor![1_i64, 0], &ClassOptions::default(), Reduction::Mean)?.item(), 2.5);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error under the same conditions as [`cross_entropy_with`].
#[track_caller]
pub fn nll_loss<'t, T: Float>(
    x: Var<'t, T>,
    labels: impl Into<Index<Var<'t, T>>>,
    options: &ClassOptions<T>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    let weights = options.sample_weight.as_ref().map(|weights| x.tape().constant(weights.clone()));
    nll_by_label(x, labels.into().on(x.tape()), options, weights, reduction)
}

/// [`nll_loss`] for labels and weights of samples that are on the tape.
#[track_caller]
pub(super) fn nll_by_label<'t, T: Float>(
    x: Var<'t, T>,
    labels: Ints<'t, T>,
    options: &ClassOptions<T>,
    weights: Option<Var<'t, T>>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    let rows = Labeled::new("nll_loss", x, labels, options)?;
    let column = rows.labels(0)?.reshape(&[rows.x.shape()[0], 1]);
    let losses = -rows.x.try_gather(1, column)?.squeeze(1);
    let mut losses = rows.known()?.try_select(losses, x.tape().constant(T::zero()))?;
    if let Some(w) = &options.weight {
        losses = losses * rows.weigh(w)?;
    }
    rows.reduce(losses, options, weights, reduction)
}

/// Rows `[n, classes]` with one label each. Everything that depends on the labels is computed on the tape, so that
/// replays can use other labels; ignored rows have the loss 0 and do not influence the result.
struct Labeled<'t, T: Float> {
    op: &'static str,
    x: Var<'t, T>,
    classes: usize,
    ignored: i64,
    /// The label of each row, `[n]`.
    given: Ints<'t, T>,
    /// The shape of the labels.
    shape: Shape,
}

impl<'t, T: Float> Labeled<'t, T> {
    #[track_caller]
    fn new(op: &'static str, x: Var<'t, T>, labels: Ints<'t, T>, options: &ClassOptions<T>) -> Result<Self> {
        let (x, shape) = rows_of(op, x)?;
        let &[n, classes] = x.shape().as_slice() else { unreachable!("rows have two axes") };
        if labels.shape() != shape {
            let hint = format!("expected one label per row of logits, {shape:?}");
            return Err(Error::Shape { op, shape: labels.shape().as_slice().into(), hint });
        }
        options.check(op, classes)?;
        Ok(Labeled { op, x, classes, ignored: options.ignore_index, given: labels.reshape(&[n]), shape })
    }

    /// The labels, with `by` in place of the ignored one.
    #[track_caller]
    fn labels(&self, by: i64) -> Result<Ints<'t, T>> {
        self.given.try_labels(self.op, self.classes, self.ignored, by)
    }

    /// The number that belongs to the class of each row; 0 for ignored rows.
    #[track_caller]
    fn look_up(&self, of_class: impl Fn(usize) -> T) -> Result<Var<'t, T>> {
        let classes = self.classes;
        let numbers = Tensor::from_fn(&[classes + 1], |at| if at[0] < classes { of_class(at[0]) } else { T::zero() });
        self.x.tape().constant(numbers).try_take(0, self.labels(classes as i64)?)
    }

    /// The weight of the class of each row.
    #[track_caller]
    fn weigh(&self, w: &Tensor<T>) -> Result<Var<'t, T>> {
        self.look_up(|class| w.at(&[class]))
    }

    /// 1 for each row, 0 for ignored rows.
    #[track_caller]
    fn known(&self) -> Result<Var<'t, T>> {
        self.look_up(|_| T::one())
    }

    #[track_caller]
    fn reduce(
        &self,
        losses: Var<'t, T>,
        options: &ClassOptions<T>,
        weights: Option<Var<'t, T>>,
        reduction: Reduction,
    ) -> Result<Var<'t, T>> {
        let losses = counting(self.op, losses, &self.shape, weights)?;
        Ok(match reduction {
            Reduction::None => losses.reshape(&self.shape),
            Reduction::Sum => losses.sum(),
            Reduction::BatchMean => losses.sum() * T::of(1.0 / self.shape.first().copied().unwrap_or(1) as f64),
            Reduction::Mean => {
                let count = match &options.weight {
                    Some(w) => self.weigh(w)?,
                    None => self.known()?,
                };
                // If no label counts, the mean is 0; if all classes of the labels have the weight 0, it is the sum that
                // smoothing contributes from the other classes.
                let (count, [zero, one]) = (count.sum(), [T::zero(), T::one()].map(|c| losses.tape().constant(c)));
                losses.sum() / count.equal(zero).select(one, count)
            }
        })
    }
}

/// Logits `[N, classes, …]` or `[classes]` as rows `[n, classes]`, and the shape without the classes.
#[track_caller]
fn rows_of<'t, T: Float>(op: &'static str, x: Var<'t, T>) -> Result<(Var<'t, T>, Shape)> {
    let (labels, classes) = label_shape(op, &x.shape())?;
    Ok(match x.rank() {
        1 => (x.unsqueeze(0), labels),
        2 => (x, labels),
        rank => (x.permute(&classes_last(rank)).reshape(&[labels.iter().product(), classes]), labels),
    })
}

/// Cross-entropy of logits `[N, classes, …]` against probabilities of the same shape (such as another network's
/// output), `-Σ t · log_softmax(x)`, reduced.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, soft_cross_entropy};
/// let tape = Tape::<f64>::new();
/// let loss = soft_cross_entropy(tape.var([[0.0, 0.0]]), tape.constant([[0.25, 0.75]]), Reduction::Mean)?;
/// assert!((loss.item() - 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ, there is no axis, or a target is NaN or not in `[0, 1]`.
#[track_caller]
pub fn soft_cross_entropy<'t, T: Float>(x: Var<'t, T>, t: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    soft_cross_entropy_with(x, t, &ClassOptions::default(), reduction)
}

/// [`soft_cross_entropy`] with class weights, or with smoothed targets: `t (1 - ε) + ε / classes` replaces `t`. A mean
/// divides by the number of rows, regardless of the weights.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::loss::{ClassOptions, Reduction, soft_cross_entropy_with};
/// let tape = Tape::<f64>::new();
/// let options = ClassOptions { weight: Some(tensor![4.0, 0.0]), ..ClassOptions::default() };
/// let (x, t) = (tape.var([[0.0, 0.0]]), tape.constant([[0.25, 0.75]]));
/// assert!((soft_cross_entropy_with(x, t, &options, Reduction::Mean)?.item() - 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error under the same conditions as [`soft_cross_entropy`], or if there is not one weight per class, a weight
/// is negative, infinite or NaN, or the smoothing is not in `[0, 1]`.
#[track_caller]
pub fn soft_cross_entropy_with<'t, T: Float>(
    x: Var<'t, T>,
    t: Var<'t, T>,
    options: &ClassOptions<T>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    let weights = options.sample_weight.as_ref().map(|weights| x.tape().constant(weights.clone()));
    entropy_of(x, t, options, weights, reduction)
}

/// [`soft_cross_entropy_with`] for weights of samples that are on the tape.
#[track_caller]
pub(super) fn entropy_of<'t, T: Float>(
    x: Var<'t, T>,
    t: Var<'t, T>,
    options: &ClassOptions<T>,
    weights: Option<Var<'t, T>>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    const OP: &str = "cross_entropy";
    if x.shape() != t.shape() {
        let hint = format!(
            "targets of this kind are one probability for each output, {:?}; class labels are `Target::Labels`",
            x.shape()
        );
        return Err(Error::Shape { op: OP, shape: t.shape().as_slice().into(), hint });
    }
    let ((x, shape), (mut t, _)) = (rows_of(OP, x)?, rows_of(OP, t)?);
    let classes = x.shape()[1];
    options.check(OP, classes)?;
    t = Domain::Unit.check(OP, "targets", t)?;
    if options.label_smoothing > 0.0 {
        let spread = options.label_smoothing;
        t = t * T::of(1.0 - spread) + T::of(spread / classes as f64);
    }
    if let Some(weight) = &options.weight {
        t = t * x.tape().constant(weight.clone());
    }
    let losses = counting(OP, -product(t, x.log_softmax(1)).sum_axes(1), &shape, weights)?;
    Ok(if reduction == Reduction::None { losses.reshape(&shape) } else { reduction.apply(losses) })
}
