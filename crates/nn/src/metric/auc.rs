//! The area under the receiver operating characteristic curve: how well scores separate one class from the rest.

use super::{Measure, Rows, binary};
use crate::loss::Target;
use crate::number::count;
use autograd::{Float, Result, Tensor};

/// Computes the area under the receiver operating characteristic curve (ROC AUC).
///
/// This is the probability that a sample of the class scores higher than one of another class, where ties count half
/// (Mann and Whitney, 1947).
///
/// ```text
/// AUC = (Σ ranks of the positives - P (P + 1) / 2) / (P N)         P positives, N negatives, ties share their mean rank
/// ```
///
/// If there are as many outputs as targets, each 0 or 1, the outputs are the scores of one class. For scores `[N,
/// classes, …]` and labels `[N, …]`, each class is compared with the rest, and the result is the mean over classes.
/// Scores of a class are ranked across samples, so pass probabilities if the logits of different rows are not
/// comparable. A class with no samples, or with all of them, has no area and is skipped. Returns NaN if none is left or
/// a score is NaN.
///
/// ```
/// use autograd::tensor;
/// use nn::{loss::Target, metric::roc_auc};
/// let scores = tensor![0.1, 0.4, 0.35, 0.8];
/// assert_eq!(roc_auc(&scores, &Target::Values(tensor![0.0, 0.0, 1.0, 1.0]))?, 0.75);
/// assert_eq!(roc_auc(&tensor![0.5, 0.5], &Target::Labels(tensor![0_i64, 1]))?, 0.5);
/// # Ok::<(), autograd::Error>(())
/// ```
/// # Errors
/// Returns an error if outputs and targets do not match, a label is out of range, or a binary target is neither 0 nor
/// 1.
#[doc(alias = "roc_auc_score")]
pub fn roc_auc<T: Float>(output: &Tensor<T>, target: &Target<T>) -> Result<f64> {
    let mut auc = Auc::default();
    auc.add(output, target)?;
    Ok(Measure::<T>::value(&auc))
}

/// All scores and labels so far.
#[derive(Default)]
pub(super) struct Auc {
    /// The number of scores per sample; 0 before the first.
    columns: usize,
    scores: Vec<f64>,
    /// The class of each sample; 1 or 0 if there is a single column.
    labels: Vec<usize>,
}

impl<T: Float> Measure<T> for Auc {
    fn add(&mut self, output: &Tensor<T>, target: &Target<T>) -> Result<()> {
        const OP: &str = "roc_auc";
        let (columns, scores, labels) = match target.unweighted() {
            Target::Labels(labels) if labels.len() != output.len() => {
                let rows = Rows::new(OP, output, labels)?;
                let scores: Vec<f64> = rows.iter().flat_map(|(row, _)| row.iter().map(|x| x.f64())).collect();
                (rows.classes, scores, rows.iter().map(|(_, label)| label).collect::<Vec<_>>())
            }
            _ => {
                let (scores, truth): (_, Vec<bool>) = binary(OP, output, target)?.into_iter().unzip();
                (1, scores, truth.into_iter().map(usize::from).collect())
            }
        };
        if self.columns != 0 && self.columns != columns {
            let hint = format!("previous batches had {} scores per sample, but this one has {columns}", self.columns);
            return Err(super::mismatch(OP, output.shape(), hint));
        }
        self.columns = columns;
        self.labels.extend(labels);
        self.scores.extend(scores);
        Ok(())
    }

    fn value(&self) -> f64 {
        if self.labels.is_empty() || self.scores.iter().any(|score| score.is_nan()) {
            return f64::NAN;
        }
        let positive = |class: usize, label: usize| if self.columns == 1 { label == 1 } else { label == class };
        let of = |class: usize| {
            let scores = self.scores.iter().skip(class).step_by(self.columns);
            area(scores.zip(&self.labels).map(|(score, label)| (*score, positive(class, *label))).collect())
        };
        let areas: Vec<f64> = (0..self.columns).filter_map(of).collect();
        areas.iter().sum::<f64>() / areas.len() as f64
    }

    fn state(&self) -> Vec<f64> {
        let head = [self.columns as f64, self.labels.len() as f64];
        head.into_iter()
            .chain(self.labels.iter().map(|label| *label as f64))
            .chain(self.scores.iter().copied())
            .collect()
    }

    fn restore(&mut self, state: &[f64]) -> bool {
        let &[columns, samples, ref rest @ ..] = state else { return false };
        let (Some(columns), Some(samples)) = (count(columns), count(samples)) else { return false };
        if samples.checked_mul(columns).and_then(|scores| scores.checked_add(samples)) != Some(rest.len()) {
            return false;
        }
        let (labels, scores) = rest.split_at(samples);
        let label = |label: &f64| count(*label).filter(|label| *label < columns.max(2));
        let Some(labels) = labels.iter().map(label).collect() else { return false };
        *self = Auc { columns, scores: scores.to_vec(), labels };
        true
    }

    fn merge(&mut self, state: &[f64]) -> bool {
        let mut other = Auc::default();
        let fits = Measure::<T>::restore(&mut other, state) && (self.columns == other.columns || other.columns == 0);
        match self.columns {
            0 => Measure::<T>::restore(self, state),
            _ if fits => {
                self.labels.extend(other.labels);
                self.scores.extend(other.scores);
                true
            }
            _ => false,
        }
    }
}

/// The area for scores of positive and negative samples; `None` if all are in one class. Ranks are integers, doubled to
/// represent the mean ranks of ties, so the result does not depend on the order of the samples.
fn area(mut samples: Vec<(f64, bool)>) -> Option<f64> {
    samples.sort_by(|a, b| a.0.partial_cmp(&b.0).expect("no NaN"));
    let (mut below, mut twice_ranks, mut positives) = (0u128, 0u128, 0u128);
    for tied in samples.chunk_by(|a, b| a.0 == b.0) {
        let (of_them, size) = (tied.iter().filter(|(_, positive)| *positive).count() as u128, tied.len() as u128);
        twice_ranks += of_them * (2 * below + size + 1);
        positives += of_them;
        below += size;
    }
    let pairs = positives * (below - positives);
    (pairs > 0).then(|| (twice_ranks - positives * (positives + 1)) as f64 / (2 * pairs) as f64)
}
