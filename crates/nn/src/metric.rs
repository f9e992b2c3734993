//! Metrics: measures of model quality for people to read. They are not differentiated.
//!
//! Each comes in two forms: as a function of all outputs and targets at once, such as [`accuracy`], and as a
//! [`Metric`], which processes them batch by batch with the same result. Both share one implementation.
//!
//! Scores are the outputs of a classifier: logits or probabilities `[N, classes, …]` for labels `[N, …]`, as for
//! losses, or `[classes]` for a single label. The prediction is the argmax; ties go to the first. A row with a NaN has
//! no prediction and counts as wrong. Samples with the label [`IGNORED`] are skipped, as in losses; see
//! [`Metric::ignoring`] for other labels.
//!
//! ```
//! use autograd::tensor;
//! use nn::metric::{accuracy, ConfusionMatrix};
//! let (scores, labels) = (tensor![[0.1, 0.9], [0.8, 0.2]], tensor![1_i64, 1]);
//! assert_eq!(accuracy(&scores, &labels)?, 0.5);
//! assert_eq!(ConfusionMatrix::from_scores(&scores, &labels)?.recall(1), Some(0.5));
//! # Ok::<(), autograd::Error>(())
//! ```

mod auc;
mod average;
mod classes;
mod confusion;
mod counted;
mod measure;
mod regression;
mod tally;

pub use auc::roc_auc;
pub use average::Average;
pub use classes::{accuracy, binary_accuracy, perplexity, top_k_accuracy};
pub use confusion::ConfusionMatrix;
pub use counted::Decision;
pub use measure::{Measure, Metric};
pub use regression::{mean_absolute_error, mean_squared_error, r2, root_mean_squared_error};

use crate::loss::{IGNORED, Target, classes_last, label_shape};
use autograd::{Error, Float, Result, Tensor};

/// The name in errors of what counts predictions.
const OP: &str = "ConfusionMatrix";

/// Scores and labels of all samples, row by row.
struct Rows<T: Float> {
    classes: usize,
    scores: Tensor<T>,
    /// `None` if a sample is ignored.
    labels: Vec<Option<usize>>,
}

impl<T: Float> Rows<T> {
    /// Scores `[N, classes, …]` and labels `[N, …]`, or `[classes]` and a single label.
    fn new(op: &'static str, scores: &Tensor<T>, labels: &Tensor<i64>) -> Result<Self> {
        let (expected, classes) = label_shape(op, scores.shape())?;
        if classes == 0 || labels.shape() != expected.as_slice() {
            let hint = format!("expected scores [N, classes, …] for labels [N, …], got labels {:?}", labels.shape());
            return Err(mismatch(op, scores.shape(), hint));
        }
        let scores = scores.permute(&classes_last(scores.rank())).contiguous();
        Ok(Rows { classes, scores, labels: labels_below(op, labels, classes)? })
    }

    /// The scores and the label of each sample that is not ignored.
    fn iter(&self) -> impl Iterator<Item = (&[T], usize)> {
        let rows = self.scores.as_slice().expect("contiguous").chunks_exact(self.classes);
        rows.zip(&self.labels).filter_map(|(row, label)| Some((row, (*label)?)))
    }
}

/// The argmax of a row of scores; ties go to the first. `None` if a score is NaN.
fn decision<T: Float>(row: &[T]) -> Option<usize> {
    let first_largest = |best: usize, i: usize| if row[i] > row[best] { i } else { best };
    row.iter().all(|x| !x.f64().is_nan()).then(|| (0..row.len()).fold(0, first_largest))
}

/// Validates labels below `size` and converts them to classes; `None` for ignored samples.
fn labels_below(op: &'static str, labels: &Tensor<i64>, size: usize) -> Result<Vec<Option<usize>>> {
    let class = |(position, index): (usize, i64)| match usize::try_from(index) {
        Ok(class) if class < size => Ok(Some(class)),
        _ if index == IGNORED => Ok(None),
        _ => Err(Error::Index { op, index, position, size }),
    };
    labels.iter().enumerate().map(class).collect()
}

/// Pairs of output and target, where each target is 0 or 1, without ignored ones.
fn binary<T: Float>(op: &'static str, output: &Tensor<T>, target: &Target<T>) -> Result<Vec<(f64, bool)>> {
    let (truth, ignored): (Vec<f64>, f64) = match target.unweighted() {
        Target::Labels(labels) => (labels.iter().map(|label| label as f64).collect(), IGNORED as f64),
        target => (target.values(op)?.iter().map(Float::f64).collect(), f64::NAN),
    };
    if truth.len() != output.len() {
        let hint = format!("expected one output for each of the {} targets", truth.len());
        return Err(mismatch(op, output.shape(), hint));
    }
    let counting = output.iter().zip(truth).filter(|(_, t)| *t != ignored);
    let pair = |(y, t): (T, f64)| match t == 0.0 || t == 1.0 {
        true => Ok((y.f64(), t == 1.0)),
        false => Err(Error::Argument { op, hint: format!("targets must be 0 or 1, got {t}") }),
    };
    counting.map(pair).collect()
}

/// Returns an error for a threshold that nothing exceeds or falls below.
fn check_threshold(op: &'static str, threshold: f64) -> Result<()> {
    let hint = || "the threshold must not be NaN".to_owned();
    if threshold.is_nan() { Err(Error::Argument { op, hint: hint() }) } else { Ok(()) }
}

fn mismatch(op: &'static str, shape: &[usize], hint: String) -> Error {
    Error::Shape { op, shape: shape.into(), hint }
}

#[cfg(test)]
mod tests;
