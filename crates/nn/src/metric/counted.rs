//! Metrics computed from counts of predictions over all batches.

use super::tally::Counts;
use super::{Measure, OP, mismatch};
use crate::loss::Target;
use autograd::{Float, Result, Tensor};

/// How to turn outputs into classes.
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
    /// The argmax of the scores `[N, classes, …]`, for labels `[N, …]`.
    Largest,
    /// Class 1 if the single output is above this (0 for logits, 0.5 for probabilities), otherwise class 0, for targets
    /// 0 and 1.
    Above(f64),
}

/// A value computed from the counts of all batches. The first batch determines the number of classes.
pub(super) struct Counted<C, F> {
    decision: Decision,
    of: F,
    /// The number of classes that `of` requires, if it does.
    classes: Option<usize>,
    counts: Option<C>,
}

impl<C: Counts, F> Counted<C, F> {
    pub(super) fn new(decision: Decision, of: F) -> Self {
        Counted { decision, of, classes: None, counts: None }
    }

    /// The same, for this number of classes only.
    pub(super) fn of_classes(self, classes: Option<usize>) -> Self {
        Counted { classes, ..self }
    }
}

impl<T: Float, C: Counts, F: Fn(&C) -> f64 + Send> Measure<T> for Counted<C, F> {
    fn add(&mut self, output: &Tensor<T>, target: &Target<T>) -> Result<()> {
        match self.decision {
            Decision::Largest => {
                let labels = target.labels(OP)?;
                if let Some(counts) = &mut self.counts {
                    return counts.add_scores_of(output, labels);
                }
                let counts = C::of_scores(output, labels)?;
                if self.classes.is_some_and(|classes| classes != counts.classes()) {
                    let hint = "Average::Binary requires two classes: use Micro, Macro or Weighted".to_owned();
                    return Err(mismatch(OP, output.shape(), hint));
                }
                self.counts = Some(counts);
                Ok(())
            }
            Decision::Above(threshold) => {
                self.counts.get_or_insert_with(|| C::of_classes(2)).add_outputs_of(output, target, threshold)
            }
        }
    }

    fn value(&self) -> f64 {
        self.counts.as_ref().map_or(f64::NAN, &self.of)
    }

    fn state(&self) -> Vec<f64> {
        self.counts.as_ref().map(C::state).unwrap_or_default()
    }

    fn restore(&mut self, state: &[f64]) -> bool {
        let counts = C::from_state(state);
        let fits = counts.is_some() || state.is_empty();
        if fits {
            self.counts = counts;
        }
        fits
    }

    fn merge(&mut self, state: &[f64]) -> bool {
        let Some(counts) = &self.counts else { return Measure::<T>::restore(self, state) };
        let own = counts.state();
        let sum: Vec<f64> = own.iter().zip(state).map(|(a, b)| a + b).collect();
        // Other counts of as many classes, or none yet.
        state.is_empty() || own.len() == state.len() && Measure::<T>::restore(self, &sum)
    }
}
