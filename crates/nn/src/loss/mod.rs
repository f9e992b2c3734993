//! Losses: how wrong an output is, as a scalar to minimize.
//!
//! Each loss comes in two forms. The function, such as [`mse_loss`], takes variables for both output and target, is
//! differentiable in both, and returns a scalar or, with [`Reduction::None`], the loss of each element. The type, such
//! as [`Mse`], is a [`Loss`], which training requires. Losses that take more than an output and a target
//! ([`cosine_embedding_loss`], [`ctc_loss`], [`info_nce_loss`], [`margin_ranking_loss`], [`triplet_margin_loss`], [`gaussian_nll_loss`],
//! [`normal_kl`]) exist only as functions, for [`custom`] losses and hand-written training steps.
//!
//! ```
//! use autograd::{Tape, tensor};
//! use nn::loss::{CrossEntropy, Loss, Reduction, Target, mse_loss};
//! let tape = Tape::<f64>::new();
//! let (outputs, targets) = (tape.var([1.0, 2.0]), tape.constant([0.0, 4.0]));
//! assert_eq!(mse_loss(outputs, targets, Reduction::Mean)?.item(), 2.5);
//! let scores = tape.var([[0.0, 0.0]]);
//! assert_eq!(CrossEntropy::new().loss(scores, &Target::Labels(tensor![1_i64]))?.item(), 2f64.ln());
//! # Ok::<(), autograd::Error>(())
//! ```

mod binary;
mod classification;
mod contrast;
mod cross_entropy;
mod ctc;
mod likelihood;
mod margin;
mod multi_margin;
mod parts;
mod reduction;
mod regression;
mod several;
mod target;

pub use binary::{
    Bce, BceWithLogits, bce_loss, bce_with_logits_loss, pos_weighted_bce_with_logits_loss, weighted_bce_loss,
};
pub use classification::{CrossEntropy, Nll};
pub use contrast::{Dice, Focal, dice_loss, focal_loss, info_nce_loss, normal_kl};
pub use cross_entropy::{
    ClassOptions, cross_entropy, cross_entropy_with, nll_loss, soft_cross_entropy, soft_cross_entropy_with,
};
pub use ctc::{CtcOptions, ctc_loss};
pub use likelihood::{
    GaussianOptions, KlDiv, PoissonNll, PoissonOptions, gaussian_nll_loss, kl_div, kl_div_log_target, poisson_nll_loss,
};
pub use margin::{
    HingeEmbedding, SoftMargin, TripletOptions, cosine_embedding_loss, hinge_embedding_loss, margin_ranking_loss,
    soft_margin_loss, triplet_margin_loss,
};
pub use multi_margin::{
    MultiLabelMargin, MultiLabelSoftMargin, MultiMargin, multi_label_margin_loss, multi_label_soft_margin_loss,
    multi_margin_loss,
};
pub use parts::Parts;
pub use reduction::Reduction;
pub use regression::{
    HalfSquared, Huber, L1, Mse, SmoothL1, half_squared_loss, huber_loss, l1_loss, mse_loss, smooth_l1_loss,
};
pub use several::{Between, Custom, WeightedSum, between, custom};
pub use target::{IGNORED, Target, Targets};

use crate::describe::type_name;
use crate::domain::{finite, non_negative, positive};
use crate::fields::{Given, Samples, Vars};
use autograd::{Error, Float, Result, Shape, Tensor, Var};
use reduction::weights_over;

/// A loss: how wrong an output is.
///
/// ```
/// use autograd::{Float, Tape, Var, tensor};
/// use nn::loss::{Loss, Target, Targets};
///
/// /// ln cosh (y - t), averaged: squares near 0, absolute values far from it.
/// struct LogCosh;
/// impl<T: Float> Loss<T> for LogCosh {
///     fn record<'t>(&self, output: Var<'t, T>, targets: &Targets<'t, T>) -> autograd::Result<Var<'t, T>> {
///         Ok(output.try_sub(targets.values("log_cosh")?)?.cosh().ln().mean())
///     }
/// }
/// let tape = Tape::<f64>::new();
/// assert_eq!(LogCosh.loss(tape.var([1.0]), &Target::Values(tensor![1.0]))?.item(), 0.0);
/// # Ok::<(), autograd::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a loss for numbers of type `{T}`",
    label = "not a loss",
    note = "the losses of this crate are types: `Mse::new()` for the function `mse_loss`",
    note = "a function of yours is a loss if it is a `fn loss<'t>(y: Var<'t, {T}>, t: &Targets<'t, {T}>) -> Result<Var<'t, {T}>>`"
)]
pub trait Loss<T: Float>: Send {
    /// The loss as a scalar on the tape of the output and the targets.
    ///
    /// # Errors
    /// Returns an error if the targets do not fit the output: another shape, labels where values are needed, a label out
    /// of range.
    #[track_caller]
    fn record<'t>(&self, output: Var<'t, T>, targets: &Targets<'t, T>) -> Result<Var<'t, T>>;

    /// The loss for targets that are not on the tape yet.
    ///
    /// # Errors
    /// Same as [`record`](Loss::record).
    #[track_caller]
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>> {
        self.record(output, &target.on(output.tape()))
    }

    /// Identifies the loss by name and settings. A checkpoint stores this, and cannot be resumed with a different loss.
    /// Defaults to the name of the type; functions cannot be distinguished.
    ///
    /// ```
    /// use nn::loss::{CrossEntropy, Loss};
    /// assert!(Loss::<f32>::describe(&CrossEntropy::new()).contains("label_smoothing: 0.0"));
    /// ```
    fn describe(&self) -> String {
        type_name::<Self>()
    }

    /// The loss of a batch as a sum and the number of its summands, so that batches of any size combine into one mean.
    /// Training reports this mean, and weights accumulated gradients by the number. By default, the loss is taken to be
    /// the mean over all samples. The losses here count what their means divide by: samples, labels that are not
    /// ignored, or the weights of their classes. With a sum as the reduction, the count is the same.
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

    /// Whether any target counts: false if there is no sample, every sample has the weight 0, or every label is
    /// ignored. Then the loss does not depend on the output, and training skips the update.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::loss::{CrossEntropy, IGNORED, Loss, Mse, Target};
    /// let counts = |loss: &dyn Loss<f64>, target| loss.counts(&target);
    /// assert!(counts(&CrossEntropy::new(), Target::Labels(tensor![IGNORED, 2])));
    /// assert!(!counts(&CrossEntropy::new(), Target::Labels(tensor![IGNORED, IGNORED])));
    /// assert!(!counts(&Mse::new(), Target::Values(tensor![1.0, 2.0]).weighted(tensor![0.0, 0.0])));
    /// ```
    fn counts(&self, target: &Target<T>) -> bool {
        target.weights().map_or(!target.is_empty(), |weights| weights.iter().any(|w| w != T::zero()))
    }

    /// The loss of all outputs on a batch, with its parts. By default [`record`](Loss::record) of the only output and the
    /// only target. [`custom`] makes a loss of a function of this form.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::{data::{Fields, Samples}, loss::{Loss, Mse}};
    /// let tape = Tape::<f64>::new();
    /// let given = Samples::new(Fields::new(), Fields::new().with("height", tensor![2.0])).on(&tape);
    /// assert_eq!(Mse::new().parts(&tape.var([5.0]).into(), &given)?.total()?.item(), 9.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// Same as [`record`](Loss::record); also if there is not one output and one target.
    #[track_caller]
    fn parts<'t>(&self, outputs: &Vars<'t, T>, given: &Given<'t, T>) -> Result<Parts<'t, T>> {
        let (output, targets) = several::one_of_each(outputs, given)?;
        Ok(self.record(output, &targets)?.into())
    }

    /// [`sum_and_count`](Loss::sum_and_count) for a batch of any number of targets.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::data::{Fields, Samples};
    /// use nn::loss::{CrossEntropy, IGNORED, Loss, Mse, WeightedSum, between};
    /// let loss = WeightedSum::<f64>::new()
    ///     .part("class", 1.0, between(CrossEntropy::new(), "class", "kind"))
    ///     .part("size", 1.0, between(Mse::new(), "size", "size"));
    /// let targets = Fields::new().with("kind", tensor![1_i64, IGNORED]).with("size", tensor![0.5, 2.0]);
    /// let samples = Samples::new(Fields::new(), targets);
    /// assert_eq!(loss.sum_and_count_of(3.0, &samples), (6.0, 2.0)); // a mean over samples
    /// assert_eq!(loss.part_sum_and_count(0, 3.0, &samples), (3.0, 1.0)); // a mean over labels that count
    /// assert!(loss.counts_in(&samples));
    /// ```
    fn sum_and_count_of(&self, loss: f64, samples: &Samples<T>) -> (f64, f64) {
        Target::only(samples).map_or((0.0, 0.0), |target| self.sum_and_count(loss, &target))
    }

    /// [`sum_and_count_of`](Loss::sum_and_count_of) for the part at this place. By default as the whole.
    fn part_sum_and_count(&self, part: usize, loss: f64, samples: &Samples<T>) -> (f64, f64) {
        let _ = part;
        self.sum_and_count_of(loss, samples)
    }

    /// The loss of many batches from the means of its named parts, if that is not the mean over samples: the sum of a
    /// [`WeightedSum`], whose parts may count different samples. `None` by default.
    ///
    /// ```
    /// use nn::loss::{CrossEntropy, Loss, Mse, WeightedSum};
    /// let loss = WeightedSum::<f64>::new().part("class", 1.0, CrossEntropy::new()).part("size", 0.5, Mse::new());
    /// assert_eq!((loss.of_parts(&[2.0, 3.0]), Loss::<f64>::of_parts(&Mse::new(), &[])), (Some(3.5), None));
    /// ```
    fn of_parts(&self, parts: &[f64]) -> Option<f64> {
        let _ = parts;
        None
    }

    /// [`counts`](Loss::counts) for a batch of any number of targets.
    fn counts_in(&self, samples: &Samples<T>) -> bool {
        Target::only(samples).is_ok_and(|target| self.counts(&target))
    }
}

/// Any function of output and target is a loss, such as one with custom settings, or a sum of several losses.
///
/// ```
/// use autograd::{Tape, Var, tensor};
/// use nn::loss::{Loss, Reduction, Target, Targets, huber_loss};
/// fn steady<'t>(y: Var<'t, f64>, targets: &Targets<'t, f64>) -> autograd::Result<Var<'t, f64>> {
///     huber_loss(y, targets.values("huber_loss")?, 0.5, Reduction::Mean)
/// }
/// let tape = Tape::new();
/// let y = tape.var([1.0]);
/// assert_eq!(steady.loss(y, &Target::Values(tensor![0.0]))?.item(), 0.375);
/// # Ok::<(), autograd::Error>(())
/// ```
#[diagnostic::do_not_recommend]
impl<T: Float, F> Loss<T> for F
where
    F: for<'t> Fn(Var<'t, T>, &Targets<'t, T>) -> Result<Var<'t, T>> + Send,
{
    #[track_caller]
    fn record<'t>(&self, output: Var<'t, T>, targets: &Targets<'t, T>) -> Result<Var<'t, T>> {
        self(output, targets)
    }

    fn describe(&self) -> String {
        "a function".to_owned()
    }
}

/// The shape of the labels for logits `[N, classes, …]`, or `[classes]` of a single sample, and the number of classes.
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

/// The permutation that moves the classes of `[N, classes, …]` to the last axis.
pub(crate) fn classes_last(rank: usize) -> Vec<usize> {
    (0..rank.min(1)).chain(2..rank).chain((rank > 1).then_some(1)).collect()
}

/// Returns an error unless target and output have the same shape: broadcasting would hide a mistake.
fn same_shape<T: Float>(op: &'static str, output: Var<'_, T>, target: Var<'_, T>) -> Result<()> {
    if output.shape() == target.shape() {
        return Ok(());
    }
    let (from, to) = (output.shape(), target.shape());
    let size = |shape: &[usize]| shape.iter().fold(1, |n: usize, &d| n.saturating_mul(d));
    let hint = if size(&from) == size(&to) { ": reshape one of them" } else { "" };
    let hint = format!("the target must have the shape of the output, {from:?}{hint}");
    Err(Error::Shape { op, shape: to.as_slice().into(), hint })
}

/// A scalar constant on the tape of `x`.
fn number<'t, T: Float>(x: Var<'t, T>, c: f64) -> Var<'t, T> {
    x.tape().constant(Tensor::scalar(T::of(c)))
}

/// `factor · x`, but 0 where the factor is 0 and `x` is infinite, as in `t ln p` at `t = p = 0`.
#[track_caller]
fn product<'t, T: Float>(factor: Var<'t, T>, x: Var<'t, T>) -> Var<'t, T> {
    let nothing = factor.equal(number(x, 0.0)) * x.abs().equal(number(x, f64::INFINITY));
    factor * nothing.select(number(x, 0.0), x)
}

/// Returns an error unless there is one weight for each class, finite and at least 0.
fn class_weights<T: Float>(op: &'static str, weight: Option<&Tensor<T>>, classes: usize) -> Result<()> {
    let Some(weight) = weight else { return Ok(()) };
    if weight.shape() != [classes] {
        let hint = format!("expected one weight for each of the {classes} classes");
        return Err(Error::Shape { op, shape: weight.shape().into(), hint });
    }
    weight.iter().try_for_each(|w| non_negative(op, "the weight of a class", w.f64()))
}

/// Defines a loss on numeric targets, with its settings and a reduction, from a function of output, target, settings
/// and reduction. Errors name the function, or the one that follows `as`.
macro_rules! reduced {
    (@name $function:ident) => { stringify!($function) };
    (@name $function:ident $public:ident) => { stringify!($public) };
    ($(#[$doc:meta])* $Name:ident $({ $($(#[$field_doc:meta])* $field:ident: $Field:ty = $value:expr),* })?, $function:ident $(as $public:ident)?, $default:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $Name {
            $($($(#[$field_doc])* pub $field: $Field,)*)?
            /// How the losses of the elements are reduced.
            pub reduction: $crate::loss::Reduction,
        }

        impl $Name {
            /// With the default settings and reduction.
            pub fn new() -> Self {
                $Name { $($($field: $value,)*)? reduction: $crate::loss::Reduction::$default }
            }

            $($(
                $(#[$field_doc])*
                pub fn $field(self, $field: $Field) -> Self {
                    $Name { $field, ..self }
                }
            )*)?

            /// Sets the reduction.
            ///
            /// ```
            /// use nn::loss::Reduction;
            #[doc = concat!("let sum = nn::loss::", stringify!($Name), "::new().reduction(Reduction::Sum);")]
            /// assert_eq!(sum.reduction, Reduction::Sum);
            /// ```
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
            fn record<'t>(
                &self,
                output: Var<'t, T>,
                targets: &$crate::loss::Targets<'t, T>,
            ) -> Result<Var<'t, T>> {
                const OP: &str = $crate::loss::reduced!(@name $function $($public)?);
                let values = targets.values(OP)?;
                self.reduction.weighing(OP, targets, |r| $function(output, values, $($(self.$field,)*)? r))
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
