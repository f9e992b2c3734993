//! Losses that require the scores of correct classes to exceed those of wrong classes by a margin, and related losses
//! for samples with several classes.

use super::{Loss, Reduction, Target, Targets, class_weights, finite, reduced, same_shape};
use crate::domain::Domain;
use autograd::{Error, Float, Index, Result, Tensor, Var};

/// Multi-class margin loss: the score of the correct class should exceed every other by a margin; see
/// [`multi_margin_loss`].
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::loss::{Loss, MultiMargin, Target};
/// let tape = Tape::<f64>::new();
/// let x = tape.var([[0.5, 1.0, 0.25]]);
/// let label = Target::Labels(tensor![1_i64]);
/// assert_eq!(MultiMargin::new().loss(x, &label)?.item(), (0.5 + 0.25) / 3.0);
/// assert_eq!(MultiMargin::new().p(2).margin(0.5).loss(x, &label)?.item(), 0.0);
/// # Ok::<(), autograd::Error>(())
/// ```
#[doc(alias = "MultiMarginLoss")]
#[derive(Debug, Clone, PartialEq)]
pub struct MultiMargin {
    /// The power of each shortfall, 1 or 2. Defaults to 1.
    pub p: i32,
    /// By how much the correct class's score should exceed the others. Defaults to 1.
    pub margin: f64,
    /// The weight of the samples of each class. Defaults to equal weights.
    pub weight: Option<Vec<f64>>,
    /// How the losses of the samples are reduced.
    pub reduction: Reduction,
}

impl MultiMargin {
    /// With `p = 1` and a margin of 1, averaged.
    ///
    /// ```
    /// use nn::loss::{MultiMargin, Reduction};
    /// let loss = MultiMargin::new().p(2).margin(0.5).weight(&[1.0, 2.0]).reduction(Reduction::Sum);
    /// assert_eq!((loss.p, loss.margin, loss.reduction), (2, 0.5, Reduction::Sum));
    /// ```
    pub fn new() -> Self {
        MultiMargin { p: 1, margin: 1.0, weight: None, reduction: Reduction::Mean }
    }

    /// Sets the power of each shortfall: 1, or 2 to square it.
    pub fn p(self, p: i32) -> Self {
        MultiMargin { p, ..self }
    }

    /// Sets the margin.
    pub fn margin(self, margin: f64) -> Self {
        MultiMargin { margin, ..self }
    }

    /// Sets the weight of the samples of each class.
    pub fn weight(self, weight: &[f64]) -> Self {
        MultiMargin { weight: Some(weight.to_vec()), ..self }
    }

    /// Sets the reduction.
    pub fn reduction(self, reduction: Reduction) -> Self {
        MultiMargin { reduction, ..self }
    }
}

impl Default for MultiMargin {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Float> Loss<T> for MultiMargin {
    #[track_caller]
    fn record<'t>(&self, output: Var<'t, T>, targets: &Targets<'t, T>) -> Result<Var<'t, T>> {
        const OP: &str = "multi_margin_loss";
        let labels = targets.labels(OP)?;
        let weight = self.weight.as_ref().map(|weight| weight.iter().map(|&w| T::of(w)).collect::<Tensor<T>>());
        self.reduction.weighing(OP, targets, |reduction| {
            multi_margin_loss(output, labels, self.p, self.margin, weight.as_ref(), reduction)
        })
    }

    describe_as_debugged!();

    fn sum_and_count(&self, loss: f64, target: &Target<T>) -> (f64, f64) {
        self.reduction.sum_and_count(loss, target.len() as f64)
    }
}

/// Multi-class margin loss of scores `[N, classes]`, where that of the correct class should be the largest by a margin,
/// reduced over the samples: `w[y] / classes · Σ_{j ≠ y} max(0, margin - x[y] + x[j])ᵖ`. Source: Crammer and Singer,
/// *On the algorithmic implementation of multiclass kernel-based vector machines* (2001).
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::loss::{Reduction, multi_margin_loss};
/// let tape = Tape::<f64>::new();
/// let scores = tape.var([[2.0, 1.5, 0.0, 0.0]]);
/// assert_eq!(multi_margin_loss(scores, &tensor![0_i64], 1, 1.0, None, Reduction::Mean)?.item(), 0.5 / 4.0);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes are incompatible, a label is not in `0..classes`, `p` is neither 1 nor 2, the margin is
/// not finite, or a weight is negative, infinite or NaN.
#[track_caller]
pub fn multi_margin_loss<'t, T: Float>(
    x: Var<'t, T>,
    labels: impl Into<Index<Var<'t, T>>>,
    p: i32,
    margin: f64,
    weight: Option<&Tensor<T>>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    const OP: &str = "multi_margin_loss";
    let &[samples, classes] = x.shape().as_slice() else {
        let hint = "scores must be [N, classes]".into();
        return Err(Error::Shape { op: OP, shape: x.shape().as_slice().into(), hint });
    };
    let labels = labels.into().on(x.tape());
    if *labels.shape() != [samples] {
        let hint = format!("expected one label for each of the {samples} samples");
        return Err(Error::Shape { op: OP, shape: labels.shape().as_slice().into(), hint });
    }
    let labels = labels.try_within(OP, classes)?;
    if !matches!(p, 1 | 2) {
        return Err(Error::Argument { op: OP, hint: format!("p must be 1 or 2, got {p}") });
    }
    finite(OP, "margin", margin)?;
    class_weights(OP, weight, classes)?;
    let column = labels.reshape(&[samples, 1]);
    let mut short = (x - x.try_gather(1, column)? + T::of(margin)).relu();
    if p == 2 {
        short = short.square();
    }
    // The correct class falls short of itself by the whole margin, which must not count.
    let mut losses = (short.sum_axes(1) - short.gather(1, column).squeeze(1)) * T::of(1.0 / classes as f64);
    if let Some(weight) = weight {
        losses = losses * x.tape().constant(weight.clone()).take(0, labels);
    }
    Ok(reduction.apply(losses))
}

reduced! {
    /// Multi-label margin loss: every correct class of a sample, of which there may be several, should score higher
    /// than every wrong class by 1. Targets have the shape of the scores, 1 for correct classes and 0 for wrong ones;
    /// see [`multi_label_margin_loss`].
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Loss, MultiLabelMargin, Target};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var([[0.1, 0.2, 0.4, 0.8]]);
    /// let loss = MultiLabelMargin::new().loss(x, &Target::Values(tensor![[1.0, 0.0, 0.0, 1.0]]))?;
    /// assert!((loss.item() - 0.25 * (1.1 + 1.3 + 0.4 + 0.6)).abs() < 1e-15);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[doc(alias = "MultiLabelMarginLoss")]
    MultiLabelMargin, multi_label_margin_loss, Mean
}

reduced! {
    /// Binary cross-entropy with a sigmoid for each class, averaged over the classes of a sample; see
    /// [`multi_label_soft_margin_loss`].
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Loss, MultiLabelSoftMargin, Target};
    /// let tape = Tape::<f64>::new();
    /// let loss = MultiLabelSoftMargin::new().loss(tape.var([[0.0, 0.0]]), &Target::Values(tensor![[1.0, 0.0]]))?;
    /// assert_eq!(loss.item(), 2f64.ln());
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[doc(alias = "MultiLabelSoftMarginLoss")]
    MultiLabelSoftMargin, multi_label_soft_margin_loss, Mean
}

/// Multi-label margin loss of scores `[N, classes]`, where those of correct classes (`t = 1`) should exceed those of
/// wrong ones (`t = 0`) by 1, reduced over the samples: `Σ_{i right} Σ_{j wrong} max(0, 1 - x[i] + x[j]) / classes`.
/// PyTorch lists the correct classes of a sample by index; here they are marked with 1, as in every other multi-label
/// loss.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, multi_label_margin_loss};
/// let tape = Tape::<f64>::new();
/// let (scores, right) = (tape.var([[2.0, 1.5]]), tape.constant([[1.0, 0.0]]));
/// assert_eq!(multi_label_margin_loss(scores, right, Reduction::Mean)?.item(), 0.5 / 2.0);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ or are not `[N, classes]`, or a target is neither 0 nor 1.
#[track_caller]
pub fn multi_label_margin_loss<'t, T: Float>(x: Var<'t, T>, t: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    let classes = classes_of("multi_label_margin_loss", x, t)?;
    let t = Domain::Binary.check("multi_label_margin_loss", "targets", t)?;
    // [N, right, wrong]: the shortfall of each pair of a right and a wrong class, 0 for other pairs.
    let short = (x.unsqueeze(1) - x.unsqueeze(2) + T::one()).relu();
    let pairs = t.unsqueeze(2) * (-t.unsqueeze(1) + T::one());
    Ok(reduction.apply((short * pairs).sum_axes([1, 2]) * T::of(1.0 / classes)))
}

/// Binary cross-entropy of the logits `[N, classes]`, as in [`bce_with_logits_loss`](super::bce_with_logits_loss),
/// averaged over the classes and then reduced over the samples.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, multi_label_soft_margin_loss};
/// let tape = Tape::<f64>::new();
/// let (scores, right) = (tape.var([[0.0, 0.0]]), tape.constant([[1.0, 0.0]]));
/// assert_eq!(multi_label_soft_margin_loss(scores, right, Reduction::Mean)?.item(), 2f64.ln());
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes differ or are not `[N, classes]`, or a target is NaN or not in `[0, 1]`.
#[track_caller]
pub fn multi_label_soft_margin_loss<'t, T: Float>(
    x: Var<'t, T>,
    t: Var<'t, T>,
    reduction: Reduction,
) -> Result<Var<'t, T>> {
    let classes = classes_of("multi_label_soft_margin_loss", x, t)?;
    let losses = super::bce_with_logits_loss(x, t, Reduction::None)?;
    Ok(reduction.apply(losses.sum_axes(1) * T::of(1.0 / classes)))
}

/// The number of classes, if both are `[N, classes]`.
fn classes_of<T: Float>(op: &'static str, x: Var<'_, T>, t: Var<'_, T>) -> Result<f64> {
    same_shape(op, x, t)?;
    match x.shape().as_slice() {
        &[_, classes] => Ok(classes as f64),
        shape => Err(Error::Shape { op, shape: shape.into(), hint: "scores must be [N, classes]".into() }),
    }
}
