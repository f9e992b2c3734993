//! Accuracy, top-k accuracy and perplexity of classifiers.

use super::{Rows, binary, check_threshold, decision};
use crate::loss::Target;
use autograd::{Error, Float, Result, Tensor};

/// The fraction of samples whose highest score is that of the correct class.
///
/// Scores `[N, classes, …]`, labels `[N, …]`.
///
/// ```
/// use autograd::tensor;
/// let scores = tensor![[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [f64::NAN, 0.5]];
/// assert_eq!(nn::metric::accuracy(&scores, &tensor![0_i64, 1, 1, 1])?, 0.5);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes do not match, no sample counts, or a label is out of range.
pub fn accuracy<T: Float>(scores: &Tensor<T>, labels: &Tensor<i64>) -> Result<f64> {
    share("accuracy", scores, hits(scores, labels)?)
}

/// The fraction of binary targets predicted correctly by comparing outputs with a threshold.
///
/// An output above the threshold means 1: use 0 for logits, 0.5 for probabilities. Targets are 0 or 1. NaN outputs
/// count as wrong.
///
/// ```
/// use autograd::tensor;
/// use nn::{loss::Target, metric::binary_accuracy};
/// let targets = Target::Values(tensor![[1.0], [0.0], [1.0]]);
/// assert_eq!(binary_accuracy(&tensor![[2.5], [0.5], [0.25]], &targets, 0.0)?, 2.0 / 3.0);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if there is not one output per target, none counts, a target is neither 0 nor 1, or the threshold is
/// NaN.
pub fn binary_accuracy<T: Float>(output: &Tensor<T>, target: &Target<T>, threshold: f64) -> Result<f64> {
    share("binary_accuracy", output, binary_hits(output, target, threshold)?)
}

/// The fraction of samples whose correct class is among the `k` highest scores.
///
/// Scores `[N, classes, …]`, labels `[N, …]`. Ties go to the first classes. A `k` above `classes` is the same as
/// `classes`.
///
/// ```
/// use autograd::tensor;
/// let scores = tensor![[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]];
/// let labels = tensor![1_i64, 0];
/// assert_eq!([1, 2, 3].map(|k| nn::metric::top_k_accuracy(&scores, &labels, k).unwrap()), [0.0, 0.5, 1.0]);
/// ```
/// # Errors
/// Returns an error if `k` is 0, the shapes do not match, no sample counts, or a label is out of range.
pub fn top_k_accuracy<T: Float>(scores: &Tensor<T>, labels: &Tensor<i64>, k: usize) -> Result<f64> {
    share("top_k_accuracy", scores, top_k_hits(scores, labels, k)?)
}

/// The perplexity: the exponential of the mean cross-entropy of logits `[N, classes, …]` and labels `[N, …]`.
///
/// It is the number of equally likely classes with the same uncertainty; 1 is best.
///
/// ```
/// use autograd::tensor;
/// let undecided = tensor![[0.0, 0.0, 0.0, 0.0], [7.0, 7.0, 7.0, 7.0]];
/// assert!((nn::metric::perplexity(&undecided, &tensor![2_i64, 0])? - 4.0).abs() < 1e-14);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if the shapes do not match, no sample counts, or a label is out of range.
pub fn perplexity<T: Float>(logits: &Tensor<T>, labels: &Tensor<i64>) -> Result<f64> {
    Ok(share("perplexity", logits, surprise(logits, labels)?)?.exp())
}

/// The mean from a sum over samples and their count.
fn share<T: Float>(op: &'static str, output: &Tensor<T>, (sum, count): (f64, f64)) -> Result<f64> {
    if count == 0.0 { Err(Error::Empty { op, shape: output.shape().into() }) } else { Ok(sum / count) }
}

/// The number of samples whose highest score is that of the correct class, and the number of samples.
pub(super) fn hits<T: Float>(scores: &Tensor<T>, labels: &Tensor<i64>) -> Result<(f64, f64)> {
    let rows = Rows::new("accuracy", scores, labels)?;
    Ok(counted(rows.iter(), |(row, label)| decision(row) == Some(*label)))
}

/// The number of targets predicted correctly by the threshold, and the number of targets.
pub(super) fn binary_hits<T: Float>(output: &Tensor<T>, target: &Target<T>, threshold: f64) -> Result<(f64, f64)> {
    check_threshold("binary_accuracy", threshold)?;
    let pairs = binary("binary_accuracy", output, target)?;
    Ok(counted(pairs.iter(), |(y, truth)| if *truth { *y > threshold } else { *y <= threshold }))
}

/// The number of samples whose correct class is among the `k` highest scores, and the number of samples.
pub(super) fn top_k_hits<T: Float>(scores: &Tensor<T>, labels: &Tensor<i64>, k: usize) -> Result<(f64, f64)> {
    const OP: &str = "top_k_accuracy";
    if k == 0 {
        return Err(Error::Argument { op: OP, hint: "k must be at least 1".into() });
    }
    let rows = Rows::new(OP, scores, labels)?;
    let among = |(row, label): &(&[T], usize)| {
        // Classes ranked before the label: those with higher scores, and earlier ones with equal scores.
        let before = |(class, x): &(usize, &T)| **x > row[*label] || **x == row[*label] && class < label;
        row.iter().all(|x| !x.f64().is_nan()) && row.iter().enumerate().filter(before).count() < k
    };
    Ok(counted(rows.iter(), among))
}

/// The sum of the cross-entropies of the samples that are not ignored, and their number.
pub(super) fn surprise<T: Float>(logits: &Tensor<T>, labels: &Tensor<i64>) -> Result<(f64, f64)> {
    let of = |(row, label): (&[T], usize)| {
        let largest = row.iter().fold(f64::NEG_INFINITY, |m, x| m.max(x.f64()));
        row.iter().map(|x| (x.f64() - largest).exp()).sum::<f64>().ln() + largest - row[label].f64()
    };
    let rows = Rows::new("perplexity", logits, labels)?;
    Ok(rows.iter().map(of).fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0)))
}

/// The number of correct samples, and the number of samples.
fn counted<S>(samples: impl Iterator<Item = S>, right: impl Fn(&S) -> bool) -> (f64, f64) {
    samples.fold((0.0, 0.0), |(sum, count), sample| (sum + f64::from(u8::from(right(&sample))), count + 1.0))
}
