//! [`Tally`]: for each class, how many samples belong to it, were predicted as it, and both. Precision, recall and F1
//! need nothing else, and unlike a [`ConfusionMatrix`] it stays small for thousands of classes.

use super::confusion::ratio;
use super::{Average, ConfusionMatrix, OP, Rows, binary, check_threshold, decision, mismatch};
use crate::loss::Target;
use crate::number::count;
use autograd::{Float, Result, Tensor};

/// Counts of predictions by class.
pub(super) trait Counts: Sized + Send {
    /// Empty counts for this many classes, at least 1.
    fn of_classes(classes: usize) -> Self;

    /// Number of classes.
    fn classes(&self) -> usize;

    /// Adds a sample: its prediction, if it has one, and its class.
    fn add_sample(&mut self, predicted: Option<usize>, actual: usize);

    /// All counts as numbers.
    fn state(&self) -> Vec<f64>;

    /// The inverse of [`state`](Counts::state); `None` for numbers that are not valid counts.
    fn from_state(state: &[f64]) -> Option<Self>;

    /// Adds the predictions of scores `[N, classes, …]` for labels `[N, …]`, or nothing if they do not match.
    fn add_scores_of<T: Float>(&mut self, scores: &Tensor<T>, labels: &Tensor<i64>) -> Result<()> {
        let rows = Rows::new(OP, scores, labels)?;
        if rows.classes != self.classes() {
            return Err(mismatch(OP, scores.shape(), format!("expected scores of {} classes", self.classes())));
        }
        rows.iter().for_each(|(row, label)| self.add_sample(decision(row), label));
        Ok(())
    }

    /// The counts of the predictions of scores `[N, classes, …]` for labels `[N, …]`.
    fn of_scores<T: Float>(scores: &Tensor<T>, labels: &Tensor<i64>) -> Result<Self> {
        let mut counts = Self::of_classes(Rows::new(OP, scores, labels)?.classes);
        counts.add_scores_of(scores, labels)?;
        Ok(counts)
    }

    /// Adds binary predictions to counts of two classes, or nothing if outputs and targets do not match.
    fn add_outputs_of<T: Float>(&mut self, output: &Tensor<T>, target: &Target<T>, threshold: f64) -> Result<()> {
        check_threshold(OP, threshold)?;
        for (y, truth) in binary(OP, output, target)? {
            self.add_sample((!y.is_nan()).then(|| usize::from(y > threshold)), usize::from(truth));
        }
        Ok(())
    }
}

/// The counts of each class.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tally(Vec<Class>);

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Class {
    /// Samples of the class that were predicted as it.
    hits: u64,
    predicted: u64,
    actual: u64,
}

impl Counts for Tally {
    fn of_classes(classes: usize) -> Self {
        Tally(vec![Class::default(); classes])
    }

    fn classes(&self) -> usize {
        self.0.len()
    }

    fn add_sample(&mut self, predicted: Option<usize>, actual: usize) {
        self.0[actual].actual += 1;
        if let Some(predicted) = predicted {
            self.0[predicted].predicted += 1;
            self.0[actual].hits += u64::from(predicted == actual);
        }
    }

    fn state(&self) -> Vec<f64> {
        self.0.iter().flat_map(|c| [c.hits, c.predicted, c.actual]).map(|n| n as f64).collect()
    }

    fn from_state(state: &[f64]) -> Option<Self> {
        let (classes, []) = state.as_chunks() else { return None };
        let class = |[hits, predicted, actual]: &[f64; 3]| {
            let [hits, predicted, actual] = [count(*hits)?, count(*predicted)?, count(*actual)?].map(|n| n as u64);
            (hits <= predicted.min(actual)).then_some(Class { hits, predicted, actual })
        };
        let classes: Vec<Class> = classes.iter().map(class).collect::<Option<_>>()?;
        // Ensures that sums of the counts do not overflow.
        classes.iter().try_fold(0, |sum: u64, c| sum.checked_add(c.predicted)?.checked_add(c.actual))?;
        // Wrong predictions of a class are missed samples of other classes.
        let missed: u64 = classes.iter().map(|c| c.actual - c.hits).sum();
        let consistent = classes.iter().all(|c| c.predicted - c.hits <= missed - (c.actual - c.hits));
        (consistent && !classes.is_empty()).then_some(Tally(classes))
    }
}

impl Tally {
    pub(super) fn of(matrix: &ConfusionMatrix) -> Self {
        let class = |c| Class { hits: matrix.count(c, c), predicted: 0, actual: matrix.actual(c) };
        let mut classes: Vec<Class> = (0..matrix.classes()).map(class).collect();
        for actual in 0..classes.len() {
            classes.iter_mut().enumerate().for_each(|(c, class)| class.predicted += matrix.count(actual, c));
        }
        Tally(classes)
    }

    #[track_caller]
    pub(super) fn precision(&self, average: Average) -> f64 {
        self.average(average, |class| (class.hits, class.predicted))
    }

    #[track_caller]
    pub(super) fn recall(&self, average: Average) -> f64 {
        self.average(average, |class| (class.hits, class.actual))
    }

    #[track_caller]
    pub(super) fn f1(&self, average: Average) -> f64 {
        self.average(average, |class| (2 * class.hits, class.predicted + class.actual))
    }

    /// The average over classes of the ratio that `of` returns as numerator and denominator.
    #[track_caller]
    fn average(&self, average: Average, of: fn(&Class) -> (u64, u64)) -> f64 {
        let value = |class: &Class| {
            let (part, whole) = of(class);
            ratio(part, whole).unwrap_or(0.0)
        };
        let present = || self.0.iter().filter(|class| class.predicted + class.actual > 0);
        let mean = |weight: fn(&Class) -> f64| {
            let total: f64 = present().map(weight).sum();
            present().map(|class| weight(class) * value(class)).sum::<f64>() / total
        };
        match average {
            Average::Binary => {
                let [_, positive] = self.0.as_slice() else {
                    panic!("Average::Binary requires two classes, got {}: use Micro, Macro or Weighted", self.0.len())
                };
                if self.0.iter().all(|class| class.actual == 0) { f64::NAN } else { value(positive) }
            }
            Average::Micro => {
                let sum = |(a, b): (u64, u64), (part, whole): (u64, u64)| (a + part, b + whole);
                let (part, whole) = self.0.iter().map(of).fold((0, 0), sum);
                ratio(part, whole).unwrap_or(f64::NAN)
            }
            Average::Macro => mean(|_| 1.0),
            Average::Weighted => mean(|class| class.actual as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;
    use autograd::Rng;

    /// A square table of 100,000 classes would take 80 GB.
    #[test]
    fn many_classes_take_little_memory_and_time() {
        let (classes, samples) = (100_000, 8);
        let rng = &mut Rng::new(1);
        let labels: Vec<i64> = (0..samples).map(|_| rng.below(classes) as i64).collect();
        let scores = Tensor::from_fn(&[samples, classes], |i| f32::from(i[1] as i64 == labels[i[0]] && i[0] != 3));
        for metric in [Metric::f1(Average::Micro), Metric::precision(Average::Micro), Metric::recall(Average::Weighted)]
        {
            let mut measure = metric.start();
            measure.add(&scores, &Target::Labels(labels.clone().into())).unwrap();
            let mut restored = metric.start();
            assert!(restored.restore(&measure.state()));
            assert_eq!((restored.value(), measure.state().len()), (7.0 / 8.0, 3 * classes));
        }
    }

    #[test]
    fn matrix_and_tally_agree() {
        let rng = &mut Rng::new(2);
        let (scores, labels) = (Tensor::<f64>::randn(&[200, 7], rng), (0..200).map(|i| i * i % 7).collect());
        let matrix = ConfusionMatrix::from_scores(&scores, &labels).unwrap();
        assert_eq!(Tally::of(&matrix), Tally::of_scores(&scores, &labels).unwrap());
        for class in 0..7 {
            let Class { hits, predicted, actual } = Tally::of(&matrix).0[class];
            assert_eq!(
                (hits, predicted, actual),
                (matrix.count(class, class), matrix.predicted(class), matrix.actual(class))
            );
        }
    }
}
