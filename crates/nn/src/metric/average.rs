//! One number for all classes: how their precisions, recalls and F1s are averaged.

use super::ConfusionMatrix;
use super::confusion::ratio;

/// How the numbers of the classes become one, in scikit-learn's words.
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
    /// That of class 1, of two classes.
    Binary,
    /// Samples of all classes are counted together; where every sample has one label, that is the accuracy.
    Micro,
    /// The mean over classes, each counting alike, however rare.
    Macro,
    /// The mean over classes, each counting by its samples.
    Weighted,
}

/// A class that nothing was taken for has no precision, and one without samples no recall: such a number is 0 in these
/// averages, as in scikit-learn, and classes that neither are there nor were predicted are left out. NaN of no samples.
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
    /// Of the samples taken for a class, the part that was of it, averaged.
    ///
    /// # Panics
    /// If [`Average::Binary`] is asked of other than two classes.
    #[track_caller]
    pub fn average_precision(&self, average: Average) -> f64 {
        self.average(average, |class| (self.count(class, class), self.predicted(class)))
    }

    /// Of the samples of a class, the part that was found, averaged.
    ///
    /// # Panics
    /// If [`Average::Binary`] is asked of other than two classes.
    #[track_caller]
    pub fn average_recall(&self, average: Average) -> f64 {
        self.average(average, |class| (self.count(class, class), self.actual(class)))
    }

    /// The harmonic mean of precision and recall, averaged.
    ///
    /// # Panics
    /// If [`Average::Binary`] is asked of other than two classes.
    #[track_caller]
    pub fn average_f1(&self, average: Average) -> f64 {
        self.average(average, |class| (2 * self.count(class, class), self.predicted(class) + self.actual(class)))
    }

    /// The average of a ratio that each class has.
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
                assert_eq!(classes, 2, "Average::Binary is for two classes: use Micro, Macro or Weighted");
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
