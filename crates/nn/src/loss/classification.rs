//! The classification losses, [`CrossEntropy`] and [`Nll`], with their settings.

use super::cross_entropy::{ClassOptions, entropy_by_label, entropy_of, nll_by_label};
use super::{IGNORED, Loss, Reduction, Target, Targets};
use autograd::{Float, Result, Var};

/// Classification losses, with the settings they share.
macro_rules! of_classes {
    ($(#[$doc:meta])* $Name:ident $({ $(#[$field_doc:meta])* $field:ident })?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $Name {
            /// The weight of each class. A mean divides by the total weight of the labels present.
            pub weight: Option<Vec<f64>>,
            /// Samples with this label are ignored. Defaults to [`IGNORED`], as in PyTorch.
            pub ignore_index: i64,
            $($(#[$field_doc])* pub $field: f64,)?
            /// How the losses of the samples are reduced.
            pub reduction: Reduction,
        }

        impl $Name {
            /// With equal class weights, averaged.
            pub fn new() -> Self {
                $Name { weight: None, ignore_index: IGNORED, $($field: 0.0,)? reduction: Reduction::Mean }
            }

            /// Sets the weight of each class.
            ///
            /// ```
            /// use nn::loss::Reduction;
            #[doc = concat!("let loss = nn::loss::", stringify!($Name), "::new().weight(&[1.0, 5.0]).ignore_index(0);")]
            /// assert_eq!(loss.reduction(Reduction::Sum).ignore_index, 0);
            /// ```
            pub fn weight(self, weight: &[f64]) -> Self {
                $Name { weight: Some(weight.to_vec()), ..self }
            }

            /// Sets the label to ignore. The only negative label that data sets accept is [`IGNORED`].
            pub fn ignore_index(self, ignore_index: i64) -> Self {
                $Name { ignore_index, ..self }
            }

            $($(#[$field_doc])*
            pub fn $field(self, $field: f64) -> Self {
                $Name { $field, ..self }
            })?

            /// Sets the reduction.
            pub fn reduction(self, reduction: Reduction) -> Self {
                $Name { reduction, ..self }
            }

            fn options<T: Float>(&self, label_smoothing: f64) -> ClassOptions<T> {
                ClassOptions {
                    weight: self.weight.as_ref().map(|weight| weight.iter().map(|&w| T::of(w)).collect()),
                    sample_weight: None,
                    ignore_index: self.ignore_index,
                    label_smoothing,
                }
            }
        }

        impl $Name {
            /// The divisor of a mean: the labels that are not ignored, weighted by class, or the number of samples if
            /// targets are soft or the reduction is `BatchMean`.
            fn count<T: Float>(&self, target: &Target<T>) -> f64 {
                let Target::Labels(labels) = target.unweighted() else { return target.len() as f64 };
                if self.reduction == Reduction::BatchMean {
                    return target.len() as f64;
                }
                labels.iter().map(|label| self.weight_of(label)).sum()
            }

            /// The weight of a label's class, 0 if the label is ignored.
            fn weight_of(&self, label: i64) -> f64 {
                match &self.weight {
                    _ if label == self.ignore_index => 0.0,
                    Some(weight) => usize::try_from(label).ok().and_then(|class| weight.get(class).copied()).unwrap_or(0.0),
                    None => 1.0,
                }
            }

            /// Whether a sample has a weight, and one of its labels as well.
            fn any_counts<T: Float>(&self, target: &Target<T>) -> bool {
                let is_weighted = |sample: usize| {
                    target.weights().and_then(|weights| weights.get(&[sample])).is_none_or(|weight| weight != T::zero())
                };
                let Target::Labels(labels) = target.unweighted() else { return (0..target.len()).any(is_weighted) };
                let labels_of_sample = (labels.len() / target.len().max(1)).max(1);
                let counts = |(i, label)| self.weight_of(label) != 0.0 && is_weighted(i / labels_of_sample);
                labels.iter().enumerate().any(counts)
            }
        }

        impl Default for $Name {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}

of_classes! {
    /// Cross-entropy of logits `[rows, classes]`: `ln Σ eˣ - x[label]` for labels `[rows]`, averaged over the rows. One
    /// fused op: it does not form probabilities, and no logit is too large. With further axes, `[rows, classes, …]`,
    /// each position has its own label.
    ///
    /// For soft targets, `Target::Values` with the shape of the logits and rows that sum to 1, it is
    /// `-Σ t · log_softmax(x)`.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{CrossEntropy, Loss, Target};
    /// let tape = Tape::<f64>::new();
    /// let scores = tape.var([[0.0, 0.0], [1e5, -1e5]]);
    /// let labels = Target::Labels(tensor![0_i64, 1]);
    /// assert_eq!(CrossEntropy::new().loss(scores, &labels)?.item(), (2f64.ln() + 2e5) / 2.0);
    /// let loss = CrossEntropy::new().weight(&[3.0, 1.0]).ignore_index(1).label_smoothing(0.5);
    /// assert!((loss.loss(scores, &labels)?.item() - 5.0 / 6.0 * 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[doc(alias = "CrossEntropyLoss")]
    CrossEntropy {
        /// The fraction of each target that is spread evenly over all classes (Szegedy et al., 2016). Defaults to 0.
        label_smoothing
    }
}

of_classes! {
    /// Negative log-likelihood of the correct classes. Takes log-probabilities, such as the output of a log-softmax;
    /// see [`nll_loss`](super::nll_loss).
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Loss, Nll, Target};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var([[-1.0, -2.0], [-3.0, -4.0]]);
    /// assert_eq!(Nll::new().loss(x, &Target::Labels(tensor![1_i64, 0]))?.item(), 2.5);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    #[doc(alias = "NLLLoss")]
    Nll
}

impl<T: Float> Loss<T> for CrossEntropy {
    #[track_caller]
    fn record<'t>(&self, output: Var<'t, T>, targets: &Targets<'t, T>) -> Result<Var<'t, T>> {
        const OP: &str = "cross_entropy";
        let (reduction, options) = (self.reduction.to_one(OP)?, self.options(self.label_smoothing));
        match targets.labels(OP) {
            Ok(labels) => entropy_by_label(output, labels, &options, targets.weights(), reduction),
            Err(_) => entropy_of(output, targets.values(OP)?, &options, targets.weights(), reduction),
        }
    }

    describe_as_debugged!();

    fn sum_and_count(&self, loss: f64, target: &Target<T>) -> (f64, f64) {
        self.reduction.sum_and_count(loss, self.count(target))
    }

    fn counts(&self, target: &Target<T>) -> bool {
        self.any_counts(target)
    }
}

impl<T: Float> Loss<T> for Nll {
    #[track_caller]
    fn record<'t>(&self, output: Var<'t, T>, targets: &Targets<'t, T>) -> Result<Var<'t, T>> {
        const OP: &str = "nll_loss";
        let (labels, reduction) = (targets.labels(OP)?, self.reduction.to_one(OP)?);
        nll_by_label(output, labels, &self.options(0.0), targets.weights(), reduction)
    }

    describe_as_debugged!();

    fn sum_and_count(&self, loss: f64, target: &Target<T>) -> (f64, f64) {
        self.reduction.sum_and_count(loss, self.count(target))
    }

    fn counts(&self, target: &Target<T>) -> bool {
        self.any_counts(target)
    }
}
