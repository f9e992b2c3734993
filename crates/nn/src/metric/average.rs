//! Averages of precision, recall and F1 over classes.

use super::ConfusionMatrix;
use super::confusion::ratio;

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

/// Averages over classes. A class that is never predicted has no precision, and one without samples no recall: such a
/// value counts as 0, as in scikit-learn. Classes that are neither present nor predicted are skipped. Returns NaN if
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
        self.average(average, |class| (self.count(class, class), self.predicted(class)))
    }

    /// The average recall: of the samples of a class, the fraction predicted as it.
    ///
    /// # Panics
    /// Panics for [`Average::Binary`] unless there are two classes.
    #[track_caller]
    pub fn average_recall(&self, average: Average) -> f64 {
        self.average(average, |class| (self.count(class, class), self.actual(class)))
    }

    /// The average F1: the harmonic mean of precision and recall of each class.
    ///
    /// # Panics
    /// Panics for [`Average::Binary`] unless there are two classes.
    #[track_caller]
    pub fn average_f1(&self, average: Average) -> f64 {
        self.average(average, |class| (2 * self.count(class, class), self.predicted(class) + self.actual(class)))
    }

    /// The average over classes of the ratio that `of` returns as numerator and denominator.
    #[track_caller]
    fn average(&self, average: Average, of: impl Fn(usize) -> (u64, u64)) -> f64 {
        let value = |class| {
            let (part, whole) = of(class);
            ratio(part, whole).unwrap_or(0.0)
        };
        let present = || (0..self.classes()).filter(|class| self.predicted(*class) + self.actual(*class) > 0);
        let mean = |weight: &dyn Fn(usize) -> f64| {
            let total: f64 = present().map(weight).sum();
            present().map(|class| weight(class) * value(class)).sum::<f64>() / total
        };
        match average {
            Average::Binary => {
                let classes = self.classes();
                assert_eq!(classes, 2, "Average::Binary requires two classes: use Micro, Macro or Weighted");
                if self.samples() == 0 { f64::NAN } else { value(1) }
            }
            Average::Micro => {
                let sum = |(a, b): (u64, u64), (part, whole): (u64, u64)| (a + part, b + whole);
                let (part, whole) = (0..self.classes()).map(of).fold((0, 0), sum);
                ratio(part, whole).unwrap_or(f64::NAN)
            }
            Average::Macro => mean(&|_| 1.0),
            Average::Weighted => mean(&|class| self.actual(class) as f64),
        }
    }
}
