//! The losses of classifiers, [`CrossEntropy`] and [`Nll`], with their settings.

use super::cross_entropy::{ClassOptions, cross_entropy_with, nll_loss, soft_cross_entropy_with};
use super::{IGNORED, Loss, Reduction, Target};
use autograd::{Float, Result, Var};

/// Losses of classes, with what both may be told.
macro_rules! of_classes {
    ($(#[$doc:meta])* $Name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $Name {
            /// How much each class counts. A mean divides by the weights of the labels that there are.
            pub weight: Option<Vec<f64>>,
            /// Samples with this label count nowhere: [`IGNORED`], as in PyTorch.
            pub ignore_index: i64,
            /// The part of each target that is spread evenly over all classes: 0.
            label_smoothing: f64,
            /// How samples become one number.
            pub reduction: Reduction,
        }

        impl $Name {
            /// Of classes that count alike, averaged.
            pub fn new() -> Self {
                $Name { weight: None, ignore_index: IGNORED, label_smoothing: 0.0, reduction: Reduction::Mean }
            }

            /// How much each class counts.
            pub fn weight(self, weight: &[f64]) -> Self {
                $Name { weight: Some(weight.to_vec()), ..self }
            }

            /// Samples with this label count nowhere. Of the negative ones, data sets hold [`IGNORED`] alone.
            pub fn ignore_index(self, ignore_index: i64) -> Self {
                $Name { ignore_index, ..self }
            }

            /// The same loss, made one number in another way.
            pub fn reduction(self, reduction: Reduction) -> Self {
                $Name { reduction, ..self }
            }

            fn options<T: Float>(&self, target: &Target<T>) -> ClassOptions<T> {
                ClassOptions {
                    weight: self.weight.as_ref().map(|weight| weight.iter().map(|&w| T::of(w)).collect()),
                    sample_weight: target.weights().cloned(),
                    ignore_index: self.ignore_index,
                    label_smoothing: self.label_smoothing,
                }
            }
        }

        impl $Name {
            /// What a mean divides by: the labels that are not ignored, each by the weight of its class; samples, where
            /// targets are soft or the reduction says so.
            fn count<T: Float>(&self, target: &Target<T>) -> f64 {
                let Target::Labels(labels) = target.unweighted() else { return target.len() as f64 };
                if self.reduction == Reduction::BatchMean {
                    return target.len() as f64;
                }
                let weight = |label: i64| self.weight.as_ref().map_or(1.0, |w| w.get(label as usize).copied().unwrap_or(0.0));
                labels.iter().filter(|label| *label != self.ignore_index).map(weight).sum()
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
    /// Cross-entropy on logits `[rows, classes]`: `ln Σ eˣ - x[label]` for labels `[rows]`, averaged over the rows. One
    /// fused op: no probability is formed, and no score is too large. Further axes, `[rows, classes, …]`, have a label each.
    ///
    /// For soft targets, `Target::Values` of the shape of the logits with rows that sum to 1, it is `-Σ t · log_softmax(x)`.
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
    CrossEntropy
}

impl CrossEntropy {
    /// The part of each target that is spread evenly over all classes (Szegedy et al., 2016).
    pub fn label_smoothing(self, label_smoothing: f64) -> Self {
        CrossEntropy { label_smoothing, ..self }
    }
}

of_classes! {
    /// The negative logarithm of each right class's probability, of log-probabilities: what follows a log-softmax; see
    /// [`nll_loss`].
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Loss, Nll, Target};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var([[-1.0, -2.0], [-3.0, -4.0]]);
    /// assert_eq!(Nll::new().loss(x, &Target::Labels(tensor![1_i64, 0]))?.item(), 2.5);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    Nll
}

impl<T: Float> Loss<T> for CrossEntropy {
    #[track_caller]
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>> {
        const OP: &str = "cross_entropy";
        let (reduction, options) = (self.reduction.to_one(OP)?, self.options(target));
        if let Target::Labels(labels) = target.unweighted() {
            return cross_entropy_with(output, labels, &options, reduction);
        }
        let t = output.tape().constant(target.values(OP)?.clone());
        soft_cross_entropy_with(output, t, &options, reduction)
    }

    describe_as_debugged!();

    fn sum_and_count(&self, loss: f64, target: &Target<T>) -> (f64, f64) {
        self.reduction.sum_and_count(loss, self.count(target))
    }
}

impl<T: Float> Loss<T> for Nll {
    #[track_caller]
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>> {
        nll_loss(output, target.labels("nll_loss")?, &self.options(target), self.reduction.to_one("nll_loss")?)
    }

    describe_as_debugged!();

    fn sum_and_count(&self, loss: f64, target: &Target<T>) -> (f64, f64) {
        self.reduction.sum_and_count(loss, self.count(target))
    }
}
