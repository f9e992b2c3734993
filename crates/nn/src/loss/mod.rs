//! Losses: how wrong an output is, as one number to be made small.
//!
//! Each comes twice. The function, as [`mse_loss`], takes variables on both sides, is differentiable in both, and gives one
//! number or, with [`Reduction::None`], all of them. The type, as [`Mse`], is a [`Loss`]: what training asks for. What takes
//! more than an output and a target ([`cosine_embedding_loss`], [`margin_ranking_loss`], [`triplet_margin_loss`],
//! [`gaussian_nll_loss`]) is a function only, for steps recorded by hand.

mod binary;
mod classification;
mod likelihood;
mod margin;
mod multi_margin;
mod regression;

pub use binary::{
    Bce, BceWithLogits, bce_loss, bce_with_logits_loss, pos_weighted_bce_with_logits_loss, weighted_bce_loss,
};
pub use classification::{
    ClassOptions, CrossEntropy, Nll, cross_entropy, cross_entropy_with, nll_loss, soft_cross_entropy,
    soft_cross_entropy_with,
};
pub use likelihood::{GaussianOptions, KlDiv, PoissonNll, PoissonOptions, gaussian_nll_loss, kl_div, poisson_nll_loss};
pub use margin::{
    HingeEmbedding, SoftMargin, TripletOptions, cosine_embedding_loss, hinge_embedding_loss, margin_ranking_loss,
    soft_margin_loss, triplet_margin_loss,
};
pub use multi_margin::{
    MultiLabelMargin, MultiLabelSoftMargin, MultiMargin, multi_label_margin_loss, multi_label_soft_margin_loss,
    multi_margin_loss,
};
pub use regression::{
    HalfSquared, Huber, L1, Mse, SmoothL1, half_squared_loss, huber_loss, l1_loss, mse_loss, smooth_l1_loss,
};

use crate::describe::type_name;
use autograd::{Error, Float, Result, Shape, Tape, Tensor, Var};

/// The label of a sample that counts nowhere, in losses, metrics and data sets: PyTorch's.
pub const IGNORED: i64 = -100;

/// What an output should have been.
///
/// ```
/// use autograd::tensor;
/// use nn::loss::Target;
/// let target = Target::<f32>::Labels(tensor![2_i64, 0, 1]);
/// assert_eq!((target.len(), target.labels("docs")?.at(&[0])), (3, 2));
/// assert!(target.values("docs").is_err());
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Target<T: Float> {
    /// Numbers, of the shape of the output.
    Values(Tensor<T>),
    /// The right class of each row, `[rows]`, or of each place, `[rows, …]`; [`IGNORED`] where none counts.
    Labels(Tensor<i64>),
    /// Targets of samples that do not count alike: see [`weighted`](Target::weighted).
    Weighted {
        /// What the outputs should have been.
        targets: Box<Target<T>>,
        /// How much each sample counts, `[samples]`.
        weights: Tensor<T>,
    },
}

impl<T: Float> Target<T> {
    /// The same targets of samples that count as much as these weights say, `[samples]`: what Keras calls `sample_weight`.
    /// Every loss of this crate multiplies the loss of a sample by its weight. A mean still divides by the number of
    /// samples (or by the weights of their classes), so that a weight of 1 changes nothing and one of 0 leaves a
    /// sample out; metrics count all samples alike.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Loss, Mse, Target};
    /// let tape = Tape::<f64>::new();
    /// let target = Target::Values(tensor![0.0, 0.0]).weighted(tensor![0.5, 3.0]);
    /// assert_eq!(Mse::new().loss(tape.var([2.0, 1.0]), &target)?.item(), (0.5 * 4.0 + 3.0 * 1.0) / 2.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn weighted(self, weights: impl Into<Tensor<T>>) -> Self {
        let targets = match self {
            Target::Weighted { targets, .. } => targets,
            plain => Box::new(plain),
        };
        Target::Weighted { targets, weights: weights.into() }
    }

    /// How much each sample counts, if not all count alike.
    pub fn weights(&self) -> Option<&Tensor<T>> {
        match self {
            Target::Weighted { weights, .. } => Some(weights),
            _ => None,
        }
    }

    /// What the outputs should have been, without weights.
    pub fn unweighted(&self) -> &Target<T> {
        match self {
            Target::Weighted { targets, .. } => targets,
            plain => plain,
        }
    }

    /// The sizes of what the outputs should have been.
    pub fn shape(&self) -> &[usize] {
        match self {
            Target::Values(t) => t.shape(),
            Target::Labels(t) => t.shape(),
            Target::Weighted { targets, .. } => targets.shape(),
        }
    }

    /// A copy that shares no memory.
    pub(crate) fn deep_copy(&self) -> Self {
        match self {
            Target::Values(values) => Target::Values(values.deep_copy()),
            Target::Labels(labels) => Target::Labels(labels.deep_copy()),
            Target::Weighted { targets, weights } => targets.deep_copy().weighted(weights.deep_copy()),
        }
    }

    /// Number of samples: the size of the first axis.
    pub fn len(&self) -> usize {
        self.shape().first().copied().unwrap_or(1)
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers.
    ///
    /// # Errors
    /// If these are labels; `op` is who wanted numbers.
    pub fn values(&self, op: &'static str) -> Result<&Tensor<T>> {
        match self.unweighted() {
            Target::Values(values) => Ok(values),
            _ => Err(Error::Argument {
                op,
                hint: "the targets are class labels, and numbers are needed: use Target::Values".into(),
            }),
        }
    }

    /// The class labels.
    ///
    /// # Errors
    /// If these are numbers; `op` is who wanted labels.
    pub fn labels(&self, op: &'static str) -> Result<&Tensor<i64>> {
        match self.unweighted() {
            Target::Labels(labels) => Ok(labels),
            _ => Err(Error::Argument {
                op,
                hint: "the targets are numbers, and class labels are needed: use Target::Labels".into(),
            }),
        }
    }
}

/// How wrong an output is.
///
/// ```
/// use autograd::{Float, Tape, Var, tensor};
/// use nn::loss::{Loss, Target};
///
/// /// ln cosh (y - t), averaged: squares near 0, absolute values far from it.
/// struct LogCosh;
/// impl<T: Float> Loss<T> for LogCosh {
///     fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> autograd::Result<Var<'t, T>> {
///         let t = output.tape().constant(target.values("log_cosh")?.clone());
///         Ok(output.try_sub(t)?.cosh().ln().mean())
///     }
/// }
/// let tape = Tape::<f64>::new();
/// assert_eq!(LogCosh.loss(tape.var([1.0]), &Target::Values(tensor![1.0]))?.item(), 0.0);
/// # Ok::<(), autograd::Error>(())
/// ```
pub trait Loss<T: Float>: Send {
    /// The loss as a single number on the tape.
    ///
    /// # Errors
    /// If the target does not fit the output: another shape, labels where values are needed, a label out of range.
    #[track_caller]
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>>;

    /// What tells it from other losses: its name and its settings. A checkpoint keeps it, and is not resumed by another one.
    /// Unless written, the name of the type; functions are not told apart.
    ///
    /// ```
    /// use nn::loss::{CrossEntropy, Loss};
    /// assert!(Loss::<f32>::describe(&CrossEntropy::new()).contains("label_smoothing: 0.0"));
    /// ```
    fn describe(&self) -> String {
        type_name::<Self>()
    }

    /// The loss of a batch as a sum and the number of its summands, so that batches of any sizes make one mean: what
    /// training reports, and what it weighs accumulated gradients by. Unless written, the loss is taken for the mean of all
    /// samples. The losses here count what their means divide by: samples, labels that are not ignored, or the weights of
    /// their classes; where they sum, the mean of the same.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Loss, Mse, Reduction, Target};
    /// let (tape, loss) = (Tape::<f64>::new(), Mse::new().reduction(Reduction::Sum));
    /// let target = Target::Values(tensor![0.0, 0.0]);
    /// let both = loss.loss(tape.var([1.0, 3.0]), &target)?.item();
    /// assert_eq!(loss.sum_and_count(both, &target), (10.0, 2.0));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    fn sum_and_count(&self, loss: f64, target: &Target<T>) -> (f64, f64) {
        Reduction::Mean.sum_and_count(loss, target.len() as f64)
    }
}

/// Any function of output and target is a loss: one with settings of its own, or a sum of several.
///
/// ```
/// use autograd::{Tape, Var, tensor};
/// use nn::loss::{Loss, Reduction, Target, huber_loss};
/// fn steady<'t>(y: Var<'t, f64>, target: &Target<f64>) -> autograd::Result<Var<'t, f64>> {
///     huber_loss(y, y.tape().constant(target.values("huber_loss")?.clone()), 0.5, Reduction::Mean)
/// }
/// let tape = Tape::new();
/// let y = tape.var([1.0]);
/// assert_eq!(steady.loss(y, &Target::Values(tensor![0.0]))?.item(), 0.375);
/// # Ok::<(), autograd::Error>(())
/// ```
impl<T: Float, F> Loss<T> for F
where
    F: for<'t> Fn(Var<'t, T>, &Target<T>) -> Result<Var<'t, T>> + Send,
{
    #[track_caller]
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>> {
        self(output, target)
    }

    fn describe(&self) -> String {
        "a function".to_owned()
    }
}

/// How the losses of the elements (or samples) become one number.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, l1_loss};
/// let tape = Tape::<f64>::new();
/// let (y, t) = (tape.var([[1.0, 2.0], [3.0, 6.0]]), tape.constant([[0.0; 2]; 2]));
/// let reduced = |reduction| l1_loss(y, t, reduction).map(|loss| loss.item());
/// assert_eq!(reduced(Reduction::Mean)?, 3.0);
/// assert_eq!(reduced(Reduction::Sum)?, 12.0);
/// assert_eq!(reduced(Reduction::BatchMean)?, 6.0);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Their mean: the size of the batch does not change the scale. NaN over nothing.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Their sum, divided by the number of samples (the size of the first axis): what a divergence between distributions
    /// is, where the mean would also divide by the number of classes.
    BatchMean,
    /// They stay as they are: for the functions only, since a [`Loss`] is one number.
    None,
}

impl Reduction {
    #[track_caller]
    fn apply<T: Float>(self, losses: Var<'_, T>) -> Var<'_, T> {
        match self {
            Reduction::Mean => losses.mean(),
            Reduction::Sum => losses.sum(),
            Reduction::BatchMean => {
                let samples = losses.shape().first().copied().unwrap_or(1);
                losses.sum() * T::of(1.0 / samples as f64)
            }
            Reduction::None => losses,
        }
    }

    /// A reduced loss as the sum that it was made of and the number of summands; nothing, of nothing.
    fn sum_and_count(self, loss: f64, count: f64) -> (f64, f64) {
        match self {
            _ if count == 0.0 => (0.0, 0.0),
            Reduction::Sum | Reduction::None => (loss, count),
            Reduction::Mean | Reduction::BatchMean => (loss * count, count),
        }
    }

    /// One number of the losses that a function gives when it is told how to reduce them: where samples have weights, it
    /// leaves them as they are, and each counts as much as its sample.
    #[track_caller]
    fn weighing<'t, T: Float>(
        self,
        op: &'static str,
        target: &Target<T>,
        losses: impl FnOnce(Reduction) -> Result<Var<'t, T>>,
    ) -> Result<Var<'t, T>> {
        let reduction = self.to_one(op)?;
        let Some(weights) = target.weights() else { return losses(reduction) };
        let losses = losses(Reduction::None)?;
        Ok(reduction.apply(losses * weights_over(op, weights, &losses.shape(), losses.tape())?))
    }

    /// This, or an error if it does not give one number.
    fn to_one(self, op: &'static str) -> Result<Reduction> {
        if self != Reduction::None {
            return Ok(self);
        }
        let hint = format!("a loss is one number: use Reduction::Mean or Sum, or call the function {op}");
        Err(Error::Argument { op, hint })
    }
}

/// Weights `[samples]` on the tape, in a shape that broadcasts over losses `[samples, …]`.
#[track_caller]
fn weights_over<'t, T: Float>(
    op: &'static str,
    weights: &Tensor<T>,
    losses: &[usize],
    tape: &'t Tape<T>,
) -> Result<Var<'t, T>> {
    if weights.rank() != 1 || losses.first() != weights.shape().first() {
        let hint = format!("there must be one weight for each sample, and the losses have shape {losses:?}");
        return Err(Error::Shape { op, shape: weights.shape().into(), hint });
    }
    let mut shape = Shape::from(losses);
    shape[1..].fill(1);
    tape.constant(weights.clone()).try_reshape(&shape)
}

/// The shape of the labels for scores `[N, classes, …]`, or `[classes]` of a single sample, and the number of classes.
pub(crate) fn label_shape(op: &'static str, scores: &[usize]) -> Result<(Shape, usize)> {
    let mut labels = Shape::from(scores);
    match labels.len() {
        0 => Err(Error::Shape { op, shape: [].into(), hint: "scores must be [N, classes, …] or [classes]".into() }),
        rank => {
            let classes = labels.remove(usize::from(rank > 1));
            Ok((labels, classes))
        }
    }
}

/// The order of the axes that puts the classes of `[N, classes, …]` last.
pub(crate) fn classes_last(rank: usize) -> Vec<usize> {
    (0..rank.min(1)).chain(2..rank).chain((rank > 1).then_some(1)).collect()
}

/// An error unless target and output have one shape: broadcasting would hide a mistake.
fn same_shape<T: Float>(op: &'static str, output: Var<'_, T>, target: Var<'_, T>) -> Result<()> {
    if output.shape() == target.shape() {
        return Ok(());
    }
    let hint = format!("the target must have the shape of the output, {:?}", output.shape());
    Err(Error::Shape { op, shape: target.shape().as_slice().into(), hint })
}

/// An error unless a setting is above 0.
fn positive(op: &'static str, name: &str, x: f64) -> Result<()> {
    if x > 0.0 { Ok(()) } else { Err(Error::Argument { op, hint: format!("{name} must be above 0, and it is {x}") }) }
}

/// Defines a loss against numbers, with its settings and a reduction, from a function of output, target, settings and
/// reduction.
macro_rules! reduced {
    ($(#[$doc:meta])* $Name:ident $({ $($(#[$field_doc:meta])* $field:ident: $Field:ty = $value:expr),* })?, $function:ident, $default:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $Name {
            $($($(#[$field_doc])* pub $field: $Field,)*)?
            /// How elements become one number.
            pub reduction: $crate::loss::Reduction,
        }

        impl $Name {
            /// With the usual settings and reduction.
            pub fn new() -> Self {
                $Name { $($($field: $value,)*)? reduction: $crate::loss::Reduction::$default }
            }

            $($(
                $(#[$field_doc])*
                pub fn $field(self, $field: $Field) -> Self {
                    $Name { $field, ..self }
                }
            )*)?

            /// The same loss, made one number in another way.
            pub fn reduction(self, reduction: $crate::loss::Reduction) -> Self {
                #[allow(clippy::needless_update)]
                $Name { reduction, ..self }
            }
        }

        impl Default for $Name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<T: Float> $crate::loss::Loss<T> for $Name {
            #[track_caller]
            fn loss<'t>(&self, output: Var<'t, T>, target: &$crate::loss::Target<T>) -> Result<Var<'t, T>> {
                const OP: &str = stringify!($function);
                let values = output.tape().constant(target.values(OP)?.clone());
                self.reduction.weighing(OP, target, |r| $function(output, values, $($(self.$field,)*)? r))
            }

            describe_as_debugged!();

            fn sum_and_count(&self, loss: f64, target: &$crate::loss::Target<T>) -> (f64, f64) {
                self.reduction.sum_and_count(loss, target.len() as f64)
            }
        }
    };
}
use reduced;

#[cfg(test)]
mod tests;
