//! Averages of precision, recall and F1 over classes.

use super::ConfusionMatrix;
use super::tally::Tally;

/// How to average values over classes, in scikit-learn's terms.
///
/// ```
/// use autograd::tensor;
/// use nn::metric::{Average, ConfusionMatrix};
/// let mut matrix = ConfusionMatrix::new(2);
/// matrix.add_labels(&tensor![0_i64, 0, 1, 0], &tensor![0_i64, 0, 1, 1])?;
/// let recall = [Average::Binary, Average::Micro, Average::Macro].map(|average| matrix.average_recall(average));
/// assert_eq!(recall, [0.5, 0.75, 0.75]);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Average {
    /// The value of class 1 of two classes.
    Binary,
    /// Counts the samples of all classes together. If every sample has one label, this is the accuracy.
    Micro,
    /// The unweighted mean over classes, however rare.
    Macro,
    /// The mean over classes, weighted by their number of samples.
    Weighted,
}

/// Averages over classes. A class that is never predicted has no precision, and one without samples has no recall: such
/// a value counts as 0, as in scikit-learn. Classes that are neither present nor predicted are skipped. Returns NaN if
/// there are no samples.
///
/// ```
/// use autograd::tensor;
/// use nn::metric::{Average, ConfusionMatrix};
/// let mut matrix = ConfusionMatrix::new(3);
/// matrix.add_labels(&tensor![0_i64, 2, 1, 0, 0, 1], &tensor![0_i64, 1, 2, 0, 1, 2])?;
/// let precision = [Average::Micro, Average::Macro, Average::Weighted].map(|average| matrix.average_precision(average));
/// assert_eq!(precision, [1.0 / 3.0, 2.0 / 9.0, 2.0 / 9.0]);
/// # Ok::<(), autograd::Error>(())
/// ```
impl ConfusionMatrix {
    /// The average precision: of the samples predicted as a class, the fraction that belongs to it.
    ///
    /// # Panics
    /// Panics for [`Average::Binary`] unless there are two classes.
    #[track_caller]
    pub fn average_precision(&self, average: Average) -> f64 {
        Tally::of(self).precision(average)
    }

    /// The average recall: of the samples of a class, the fraction predicted as it.
    ///
    /// # Panics
    /// Panics for [`Average::Binary`] unless there are two classes.
    #[track_caller]
    pub fn average_recall(&self, average: Average) -> f64 {
        Tally::of(self).recall(average)
    }

    /// The average F1: the harmonic mean of precision and recall of each class.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::metric::{Average, ConfusionMatrix};
    /// let mut matrix = ConfusionMatrix::new(2);
    /// matrix.add_labels(&tensor![0_i64, 0, 1, 0], &tensor![0_i64, 0, 1, 1])?;
    /// assert_eq!(matrix.average_precision(Average::Binary), 1.0);
    /// assert_eq!(matrix.average_recall(Average::Binary), 0.5);
    /// assert_eq!(matrix.average_f1(Average::Binary), 2.0 / 3.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    /// # Panics
    /// Panics for [`Average::Binary`] unless there are two classes.
    #[track_caller]
    pub fn average_f1(&self, average: Average) -> f64 {
        Tally::of(self).f1(average)
    }
}
