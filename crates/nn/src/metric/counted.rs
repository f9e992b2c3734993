//! Metrics of decisions: those that a [`ConfusionMatrix`] of all batches knows.

use super::{ConfusionMatrix, Measure, confusion::OP};
use crate::loss::Target;
use autograd::{Float, Result, Tensor};

/// How outputs become classes.
///
/// ```
/// use autograd::tensor;
/// use nn::{loss::Target, metric::{ConfusionMatrix, Decision, Metric}};
/// let precision = |matrix: &ConfusionMatrix| matrix.precision(1).unwrap_or(f64::NAN);
/// let mut measure = Metric::<f64>::counted("precision", Decision::Above(0.5), precision).start();
/// measure.add(&tensor![[0.9], [0.8], [0.2]], &Target::Values(tensor![[1.0], [0.0], [1.0]]))?;
/// assert_eq!(measure.value(), 0.5);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision {
    /// The largest of the scores `[N, classes, …]`, against labels `[N, …]`.
    Largest,
    /// Class 1 if the one output is above this (0 for logits, 0.5 for probabilities), else 0, against targets of 0 and 1.
    Above(f64),
}

/// A number of the confusion matrix of all batches. How many classes there are, the first one shows.
pub(super) struct Counted<F> {
    decision: Decision,
    of: F,
    matrix: Option<ConfusionMatrix>,
}

impl<F> Counted<F> {
    pub(super) fn new(decision: Decision, of: F) -> Self {
        Counted { decision, of, matrix: None }
    }
}

impl<T: Float, F: Fn(&ConfusionMatrix) -> f64 + Send> Measure<T> for Counted<F> {
    fn add(&mut self, output: &Tensor<T>, target: &Target<T>) -> Result<()> {
        match self.decision {
            Decision::Largest => {
                let labels = target.labels(OP)?;
                if let Some(matrix) = &mut self.matrix {
                    return matrix.add_scores(output, labels);
                }
                self.matrix = Some(ConfusionMatrix::from_scores(output, labels)?);
                Ok(())
            }
            Decision::Above(threshold) => {
                self.matrix.get_or_insert_with(|| ConfusionMatrix::new(2)).add_binary(output, target, threshold)
            }
        }
    }

    fn value(&self) -> f64 {
        self.matrix.as_ref().map_or(f64::NAN, &self.of)
    }

    fn state(&self) -> Vec<f64> {
        self.matrix.as_ref().map(ConfusionMatrix::state).unwrap_or_default()
    }

    fn restore(&mut self, state: &[f64]) -> bool {
        self.matrix = ConfusionMatrix::from_state(state);
        self.matrix.is_some() || state.is_empty()
    }
}
