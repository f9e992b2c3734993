//! Cross-entropy and its options: class and sample weights, labels to ignore, smoothing.

use super::{IGNORED, Reduction, classes_last, label_shape, same_shape, weights_over};
use autograd::{Error, Float, Result, Shape, Tensor, Var};

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
        match &self.weight {
            Some(weight) if weight.shape() != [classes] => {
                let hint = format!("expected one weight for each of the {classes} classes");
                Err(Error::Shape { op, shape: weight.shape().into(), hint })
            }
            _ => Ok(()),
        }
    }

    /// Multiplies losses `[n]` of rows by the weights of the samples they belong to. `shape` is the shape of all rows,
    /// of which only those in `kept` have a loss.
    #[track_caller]
    fn counting<'t>(
        &self,
        op: &'static str,
        losses: Var<'t, T>,
        shape: &Shape,
        kept: Option<&Tensor<i64>>,
    ) -> Result<Var<'t, T>> {
        let Some(weights) = &self.sample_weight else { return Ok(losses) };
        let weights = weights_over(op, weights, shape, losses.tape())?.try_broadcast_to(shape)?;
        let weights = weights.reshape(&[shape.iter().product()]);
        Ok(losses * kept.map_or(weights, |kept| weights.take(0, kept)))
    }
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
pub fn cross_entropy<'t, T: Float>(x: Var<'t, T>, labels: &Tensor<i64>, reduction: Reduction) -> Result<Var<'t, T>> {
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
/// Returns an error under the same conditions as [`cross_entropy`], or if there is not one weight per class, or the
/// smoothing is not in `[0, 1]`.
#[track_caller]
pub fn cross_entropy_with<'t, T: Float>(
    x: Var<'t, T>,
    labels: &Tensor<i64>,
    options: &ClassOptions<T>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    let spread = T::of(options.label_smoothing);
    by_label("cross_entropy", x, labels, options, reduction, |rows, labels, weights| {
        let mut loss = rows.try_cross_entropy(labels)?;
        if let Some(w) = &weights {
            loss = loss * w.take(0, labels);
        }
        if options.label_smoothing > 0.0 {
            let logs = rows.try_log_softmax(1)?;
            let all = weights.map_or(logs, |w| logs * w).sum_axes(1);
            loss = loss * (T::one() - spread) - all * (spread / T::of(rows.shape()[1] as f64));
        }
        Ok(loss)
    })
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
    labels: &Tensor<i64>,
    options: &ClassOptions<T>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    let options = ClassOptions { label_smoothing: 0.0, ..options.clone() };
    by_label("nll_loss", x, labels, &options, reduction, |rows, labels, weights| {
        let loss = -rows.try_gather(1, &column(labels))?.squeeze(1);
        Ok(weights.map_or(loss, |w| loss * w.take(0, labels)))
    })
}

/// Labels `[n]` as `[n, 1]`.
pub(super) fn column(labels: &Tensor<i64>) -> Tensor<i64> {
    Tensor::new(&[labels.len(), 1], labels.to_vec())
}

/// The losses of rows `[n, classes]`, one label each, restored to the shape of the labels and reduced. Ignored rows are
/// removed first, so that nothing in them has any influence.
#[track_caller]
fn by_label<'t, T: Float>(
    op: &'static str,
    x: Var<'t, T>,
    labels: &Tensor<i64>,
    options: &ClassOptions<T>,
    reduction: Reduction,
    losses: impl Fn(Var<'t, T>, &Tensor<i64>, Option<Var<'t, T>>) -> Result<Var<'t, T>>,
) -> Result<Var<'t, T>> {
    let (rows, shape) = rows_of(op, x)?;
    let classes = rows.shape()[1];
    if labels.shape() != shape.as_slice() {
        let hint = format!("expected one label per row of logits, {shape:?}");
        return Err(Error::Shape { op, shape: labels.shape().into(), hint });
    }
    options.check(op, classes)?;
    let ignored = |label: i64| label == options.ignore_index;
    let bad = |&(_, label): &(usize, i64)| !ignored(label) && usize::try_from(label).map_or(true, |l| l >= classes);
    if let Some((position, index)) = labels.iter().enumerate().find(bad) {
        return Err(Error::Index { op, index, position, size: classes });
    }
    let weights = options.weight.as_ref().map(|w| x.tape().constant(w.clone()));
    let reduced = |losses: Var<'t, T>, labels: &Tensor<i64>| match (reduction, weights) {
        (Reduction::Mean, Some(w)) => losses.sum() / w.take(0, labels).sum(),
        _ => reduction.apply(losses),
    };
    if !labels.iter().any(ignored) {
        let flat = if labels.rank() == 1 { labels.clone() } else { labels.iter().collect() };
        let losses = options.counting(op, losses(rows, &flat, weights)?, &shape, None)?;
        let losses = if reduction == Reduction::None { losses.reshape(&shape) } else { losses };
        return Ok(reduced(losses, &flat));
    }
    let kept: Tensor<i64> = (0..).zip(labels.iter()).filter(|(_, label)| !ignored(*label)).map(|(i, _)| i).collect();
    let labels_kept: Tensor<i64> = labels.iter().filter(|label| !ignored(*label)).collect();
    let losses = losses(rows.try_take(0, &kept)?, &labels_kept, weights)?;
    let losses = options.counting(op, losses, &shape, Some(&kept))?;
    match reduction {
        Reduction::None => {
            // Ignored rows take a zero appended after the last loss.
            let zero = x.tape().constant(Tensor::zeros(&[1]));
            let mut next = 0..;
            let place = |label: i64| if ignored(label) { kept.len() as i64 } else { next.next().expect("endless") };
            let places: Tensor<i64> = labels.iter().map(place).collect();
            Ok(Var::concat(&[losses, zero], 0).take(0, &places).reshape(&shape))
        }
        Reduction::BatchMean => Ok(losses.sum() * T::of(1.0 / shape.first().copied().unwrap_or(1) as f64)),
        _ => Ok(reduced(losses, &labels_kept)),
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
/// Returns an error if the shapes differ, or there is no axis.
#[track_caller]
pub fn soft_cross_entropy<'t, T: Float>(x: Var<'t, T>, t: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    soft_cross_entropy_with(x, t, &ClassOptions::default(), reduction)
}

/// [`soft_cross_entropy`] with class weights, or with smoothed targets: `t (1 - ε) + ε / classes` replaces `t`. A mean
/// divides by the number of rows, whatever the weights.
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
/// Returns an error under the same conditions as [`soft_cross_entropy`], or if there is not one weight per class, or
/// the smoothing is not in `[0, 1]`.
#[track_caller]
pub fn soft_cross_entropy_with<'t, T: Float>(
    x: Var<'t, T>,
    t: Var<'t, T>,
    options: &ClassOptions<T>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    const OP: &str = "cross_entropy";
    same_shape(OP, x, t)?;
    let ((x, shape), (mut t, _)) = (rows_of(OP, x)?, rows_of(OP, t)?);
    let classes = x.shape()[1];
    options.check(OP, classes)?;
    if options.label_smoothing > 0.0 {
        let spread = options.label_smoothing;
        t = t * T::of(1.0 - spread) + T::of(spread / classes as f64);
    }
    if let Some(weight) = &options.weight {
        t = t * x.tape().constant(weight.clone());
    }
    let losses = options.counting(OP, -(t * x.log_softmax(1)).sum_axes(1), &shape, None)?;
    Ok(if reduction == Reduction::None { losses.reshape(&shape) } else { reduction.apply(losses) })
}
