//! [`ConfusionMatrix`]: which classes a classifier confuses.

use super::tally::Counts;
use super::{OP, labels_below, mismatch};
use crate::loss::Target;
use crate::number::count;
use autograd::{Float, Result, Tensor};
use std::fmt::{self, Display, Formatter};

/// Counts how often each class was predicted as each other class.
///
/// Rows are actual classes, columns are predicted classes. Counts accumulate over batches.
///
/// ```
/// use autograd::tensor;
/// use nn::metric::ConfusionMatrix;
/// let mut matrix = ConfusionMatrix::new(2);
/// matrix.add_labels(&tensor![0_i64, 0, 1, 1, 0], &tensor![0_i64, 0, 0, 1, 1])?;
/// assert_eq!((matrix.count(1, 0), matrix.accuracy()), (1, Some(0.6)));
/// let table = "
///    actual      0      1    recall
///         0      2      1     0.667
///         1      1      1     0.500
/// precision  0.667  0.500
///        F1  0.667  0.500     0.600 = accuracy
/// ";
/// assert_eq!(matrix.to_string(), table[1..]);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    /// `[classes, classes]`
    counts: Vec<u64>,
    /// For each actual class, the number of samples without a prediction because of a NaN.
    undecided: Vec<u64>,
}

impl ConfusionMatrix {
    /// An empty matrix.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::metric::ConfusionMatrix;
    /// let mut matrix = ConfusionMatrix::new(3);
    /// matrix.add_scores(&tensor![[0.1, 0.7, 0.2], [0.8, 0.1, 0.1]], &tensor![1_i64, 2])?; // one is right
    /// matrix.add_labels(&tensor![2_i64], &tensor![2_i64])?;
    /// assert_eq!((matrix.classes(), matrix.samples(), matrix.undecided()), (3, 3, 0));
    /// assert_eq!((matrix.count(2, 0), matrix.accuracy(), matrix.f1(1)), (1, Some(2.0 / 3.0), Some(1.0)));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Panics
    /// Panics if `classes` is 0 or its square overflows.
    #[track_caller]
    pub fn new(classes: usize) -> Self {
        let places = classes
            .checked_mul(classes)
            .filter(|n| *n > 0)
            .expect("ConfusionMatrix: classes must be at least 1 and its square must not overflow");
        ConfusionMatrix { classes, counts: vec![0; places], undecided: vec![0; classes] }
    }

    /// The confusion matrix of scores `[N, classes, …]` and labels `[N, …]`.
    ///
    /// ```
    /// use autograd::tensor;
    /// let matrix = nn::metric::ConfusionMatrix::from_scores(&tensor![[0.2, 0.8], [0.6, 0.4]], &tensor![1_i64, 1])?;
    /// assert_eq!(matrix.recall(1), Some(0.5));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error if the shapes do not match or a label is out of range.
    pub fn from_scores<T: Float>(scores: &Tensor<T>, labels: &Tensor<i64>) -> Result<Self> {
        Self::of_scores(scores, labels)
    }

    /// Adds the predictions of scores `[N, classes, …]` for labels `[N, …]`.
    ///
    /// # Errors
    /// Returns an error, and counts nothing, if the shapes do not match or a label is out of range.
    pub fn add_scores<T: Float>(&mut self, scores: &Tensor<T>, labels: &Tensor<i64>) -> Result<()> {
        self.add_scores_of(scores, labels)
    }

    /// Adds predicted labels for actual labels. A prediction of [`IGNORED`](crate::loss::IGNORED) is undecided.
    ///
    /// # Errors
    /// Returns an error, and counts nothing, if the shapes differ or a label is out of range.
    pub fn add_labels(&mut self, predicted: &Tensor<i64>, labels: &Tensor<i64>) -> Result<()> {
        if predicted.shape() != labels.shape() {
            return Err(mismatch(OP, predicted.shape(), format!("the labels have shape {:?}", labels.shape())));
        }
        let [predicted, labels] = [predicted, labels].map(|all| labels_below(OP, all, self.classes));
        let pairs = predicted?.into_iter().zip(labels?);
        pairs.for_each(|(predicted, label)| label.into_iter().for_each(|label| self.add_sample(predicted, label)));
        Ok(())
    }

    /// Adds binary predictions to a matrix of two classes: class 1 for outputs above the threshold, class 0 otherwise.
    ///
    /// Use 0 for logits, 0.5 for probabilities. There must be as many targets, each 0 or 1.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{loss::Target, metric::ConfusionMatrix};
    /// let mut matrix = ConfusionMatrix::new(2);
    /// matrix.add_binary(&tensor![[2.5], [-0.5], [0.1]], &Target::Values(tensor![[1.0], [0.0], [0.0]]), 0.0)?;
    /// assert_eq!((matrix.precision(1), matrix.recall(1)), (Some(0.5), Some(1.0)));
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Errors
    /// Returns an error, and counts nothing, if there is not one output per target or a target is neither 0 nor 1.
    ///
    /// # Panics
    /// Panics if the matrix does not have two classes.
    #[track_caller]
    pub fn add_binary<T: Float>(&mut self, output: &Tensor<T>, target: &Target<T>, threshold: f64) -> Result<()> {
        let classes = self.classes;
        assert!(classes == 2, "ConfusionMatrix: add_binary requires two classes, got {classes}: use add_scores");
        self.add_outputs_of(output, target, threshold)
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The number of samples of class `actual` that were predicted as class `predicted`.
    ///
    /// # Panics
    /// Panics if a class is out of range.
    #[track_caller]
    pub fn count(&self, actual: usize, predicted: usize) -> u64 {
        assert!(
            actual < self.classes && predicted < self.classes,
            "count: class indices must be below {}",
            self.classes
        );
        self.counts[actual * self.classes + predicted]
    }

    /// The number of samples.
    pub fn samples(&self) -> u64 {
        self.counts.iter().chain(&self.undecided).sum()
    }

    /// The number of samples without a prediction, because a score was NaN.
    pub fn undecided(&self) -> u64 {
        self.undecided.iter().sum()
    }

    /// The fraction of samples predicted correctly; `None` if there are no samples.
    pub fn accuracy(&self) -> Option<f64> {
        ratio((0..self.classes).map(|c| self.count(c, c)).sum(), self.samples())
    }

    /// Of the samples predicted as this class, the fraction that belongs to it; `None` if it was never predicted.
    pub fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.predicted(class))
    }

    /// Of the samples of this class, the fraction predicted as it; `None` if it has no samples.
    pub fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.actual(class))
    }

    /// The harmonic mean of precision and recall, `2 TP / (2 TP + FP + FN)`; `None` if the class is neither present nor
    /// predicted.
    pub fn f1(&self, class: usize) -> Option<f64> {
        ratio(2 * self.count(class, class), self.predicted(class) + self.actual(class))
    }

    /// The number of samples predicted as this class.
    pub(super) fn predicted(&self, class: usize) -> u64 {
        (0..self.classes).map(|actual| self.count(actual, class)).sum()
    }

    /// The number of samples of this class.
    pub(super) fn actual(&self, class: usize) -> u64 {
        (0..self.classes).map(|predicted| self.count(class, predicted)).sum::<u64>() + self.undecided[class]
    }
}

impl Counts for ConfusionMatrix {
    fn of_classes(classes: usize) -> Self {
        Self::new(classes)
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn add_sample(&mut self, predicted: Option<usize>, actual: usize) {
        match predicted {
            Some(predicted) => self.counts[actual * self.classes + predicted] += 1,
            None => self.undecided[actual] += 1,
        }
    }

    /// The table in row-major order, then the undecided counts.
    fn state(&self) -> Vec<f64> {
        self.counts.iter().chain(&self.undecided).map(|n| *n as f64).collect()
    }

    fn from_state(state: &[f64]) -> Option<Self> {
        let classes = state.len().isqrt();
        if classes == 0 || classes * (classes + 1) != state.len() {
            return None;
        }
        let mut counts = state.iter().map(|n| count(*n).map(|n| n as u64)).collect::<Option<Vec<u64>>>()?;
        // Ensures that sums of the counts do not overflow.
        counts.iter().try_fold(0, |sum: u64, n| sum.checked_add(2 * n))?;
        let undecided = counts.split_off(classes * classes);
        Some(ConfusionMatrix { classes, counts, undecided })
    }
}

/// Formats a table: a row for each actual class with its recall, a column for each predicted class with its precision
/// and F1. Undecided samples, if any, have a separate column.
impl Display for ConfusionMatrix {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let most = self.counts.iter().chain(&self.undecided).max().map_or(0, |n| n.to_string().len());
        let width = most.max("0.000".len()) + 2;
        let share = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.3}"));
        let lost = self.undecided() > 0;
        write!(f, "{:>9}", "actual")?;
        (0..self.classes).try_for_each(|c| write!(f, "{c:>width$}"))?;
        writeln!(f, "{}{:>10}", if lost { format!("{:>width$}", "NaN") } else { String::new() }, "recall")?;
        for actual in 0..self.classes {
            write!(f, "{actual:>9}")?;
            (0..self.classes).try_for_each(|p| write!(f, "{:>width$}", self.count(actual, p)))?;
            if lost {
                write!(f, "{:>width$}", self.undecided[actual])?;
            }
            writeln!(f, "{:>10}", share(self.recall(actual)))?;
        }
        write!(f, "{:>9}", "precision")?;
        (0..self.classes).try_for_each(|c| write!(f, "{:>width$}", share(self.precision(c))))?;
        write!(f, "\n{:>9}", "F1")?;
        (0..self.classes).try_for_each(|c| write!(f, "{:>width$}", share(self.f1(c))))?;
        let gap = if lost { width + 10 } else { 10 };
        writeln!(f, "{:>gap$} = accuracy", share(self.accuracy()))
    }
}

/// `part / whole`; `None` if `whole` is 0.
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::tensor;

    #[test]
    fn what_does_not_fit() {
        let mut matrix = ConfusionMatrix::new(2);
        assert!(matrix.add_labels(&tensor![0_i64, 5], &tensor![0_i64, 1]).is_err());
        assert!(matrix.add_labels(&tensor![0_i64, 1], &tensor![0_i64, -1]).is_err());
        assert!(matrix.add_scores(&tensor![[1.0, 2.0, 3.0]], &tensor![0_i64]).is_err());
        assert_eq!((matrix.samples(), matrix.accuracy()), (0, None));
    }

    #[test]
    fn confusion_with_and_without_a_decision() {
        let scores = tensor![[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [f64::NAN, 0.0, 9.0], [0.0, 5.0, 1.0]];
        let matrix = ConfusionMatrix::from_scores(&scores, &tensor![0_i64, 1, 1, 0]).unwrap();
        assert_eq!((matrix.samples(), matrix.undecided(), matrix.accuracy()), (4, 1, Some(0.5)));
        assert_eq!((matrix.precision(1), matrix.recall(1), matrix.f1(1)), (Some(0.5), Some(0.5), Some(0.5)));
        assert_eq!((matrix.precision(2), matrix.recall(2), matrix.f1(2)), (None, None, None));
        let table = matrix.to_string();
        assert!(table.lines().next().unwrap().contains("NaN"), "{table}");
        let ends: Vec<usize> = table.lines().take(4).map(str::len).collect();
        assert!(ends.iter().all(|end| *end == ends[0]) && table.contains(" = accuracy"), "{table}");
    }

    #[test]
    fn counts_add_up_over_batches() {
        let (predicted, labels) = (tensor![0_i64, 1, 2, 2, 1, 0], tensor![0_i64, 1, 1, 2, 2, 0]);
        let mut whole = ConfusionMatrix::new(3);
        whole.add_labels(&predicted, &labels).unwrap();
        let mut parts = ConfusionMatrix::new(3);
        for range in [0..2, 2..6] {
            parts.add_labels(&predicted.slice_axis(0, range.clone()), &labels.slice_axis(0, range)).unwrap();
        }
        assert_eq!(whole, parts);
    }
}
