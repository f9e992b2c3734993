//! Metrics: how good a model is, as numbers for people to read. Nothing here is differentiated.
//!
//! Each comes twice: as a function of all outputs and their targets at once, as [`accuracy`], and as a [`Metric`], which
//! takes them batch by batch and comes to the same number. One rule serves both.
//!
//! Scores are what a classifier puts out: logits or probabilities `[…, classes]`, the largest one decides, the first of
//! equals. A row with a NaN decides for nothing: it counts as wrong.

mod auc;
mod average;
mod classes;
mod confusion;
mod counted;
mod measure;
mod regression;

pub use auc::roc_auc;
pub use average::Average;
pub use classes::{accuracy, binary_accuracy, perplexity, top_k_accuracy};
pub use confusion::ConfusionMatrix;
pub use counted::Decision;
pub use measure::{Measure, Metric};
pub use regression::{mean_absolute_error, mean_squared_error, r2, root_mean_squared_error};

use autograd::{Error, Float, Result, Tensor};

/// The rows of scores `[…, classes]`, in order, and the number of classes.
fn rows<T: Float>(op: &'static str, scores: &Tensor<T>, labels: &[usize]) -> Result<(Tensor<T>, usize)> {
    let (classes, rows) = match scores.shape().split_last() {
        Some((&classes @ 1.., rows)) => (classes, rows),
        _ => return Err(mismatch(op, scores.shape(), "scores need a last axis of at least one class".into())),
    };
    if rows != labels {
        let hint = format!("labels of shape {labels:?} need scores of that shape and one axis more");
        return Err(mismatch(op, scores.shape(), hint));
    }
    Ok((scores.contiguous(), classes))
}

/// The class that each row of scores decides for, none where one of them is NaN; and the number of classes.
fn decisions<T: Float>(op: &'static str, scores: &Tensor<T>, labels: &[usize]) -> Result<(Vec<Option<usize>>, usize)> {
    let (scores, classes) = rows(op, scores, labels)?;
    let best = |row: &[T]| {
        let first_largest = |best: usize, i: usize| if row[i] > row[best] { i } else { best };
        let numbers = row.iter().all(|x| !x.f64().is_nan());
        numbers.then(|| (0..classes).fold(0, first_largest))
    };
    Ok((scores.as_slice().expect("contiguous").chunks_exact(classes).map(best).collect(), classes))
}

fn check_labels(op: &'static str, labels: &Tensor<i64>, size: usize) -> Result<()> {
    let inside = |label: i64| usize::try_from(label).is_ok_and(|label| label < size);
    match labels.iter().enumerate().find(|(_, label)| !inside(*label)) {
        Some((position, index)) => Err(Error::Index { op, index, position, size }),
        None => Ok(()),
    }
}

fn mismatch(op: &'static str, shape: &[usize], hint: String) -> Error {
    Error::Shape { op, shape: shape.into(), hint }
}

#[cfg(test)]
mod tests;
