//! The loss of classifiers: cross-entropy.

use super::{Loss, Reduction, Target, reduced, same_shape};
use autograd::{Error, Float, Result, Tensor, Var};

reduced! {
    /// Cross-entropy on logits `[rows, classes]`: `ln Σ eˣ - x[label]` for labels `[rows]`, averaged over the rows. One
    /// fused op: no probability is formed, and no score is too large.
    ///
    /// For soft targets, `Target::Values` of the shape of the logits with rows that sum to 1, it is `-Σ t · log_softmax(x)`.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{CrossEntropy, Loss, Target};
    /// let tape = Tape::<f64>::new();
    /// let scores = tape.var([[0.0, 0.0], [1e5, -1e5]]);
    /// let loss = CrossEntropy::new().loss(scores, &Target::Labels(tensor![0_i64, 1]))?;
    /// assert_eq!(loss.item(), (2f64.ln() + 2e5) / 2.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    CrossEntropy, Mean
}

impl<T: Float> Loss<T> for CrossEntropy {
    #[track_caller]
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>> {
        let reduction = self.reduction.to_one("cross_entropy")?;
        match target {
            Target::Labels(labels) => cross_entropy(output, labels, reduction),
            Target::Values(t) => soft_cross_entropy(output, output.tape().constant(t.clone()), reduction),
        }
    }
}

/// Cross-entropy of each row of logits `[rows, classes]` against its label, reduced.
///
/// # Errors
/// If the logits are no matrix, there is not one label per row, or a label is not in `0..classes`.
#[track_caller]
pub fn cross_entropy<'t, T: Float>(x: Var<'t, T>, labels: &Tensor<i64>, reduction: Reduction) -> Result<Var<'t, T>> {
    Ok(reduction.apply(x.try_cross_entropy(labels)?))
}

/// Cross-entropy of each row of logits `[rows, classes]` against probabilities of the same shape (smoothed labels, or
/// another network's output), reduced.
///
/// # Errors
/// If the logits are no matrix, or the shapes differ.
#[track_caller]
pub fn soft_cross_entropy<'t, T: Float>(x: Var<'t, T>, t: Var<'t, T>, reduction: Reduction) -> Result<Var<'t, T>> {
    same_shape("cross_entropy", x, t)?;
    if x.rank() != 2 {
        let hint = "scores must be [rows, classes]".into();
        return Err(Error::Shape { op: "cross_entropy", shape: x.shape().as_slice().into(), hint });
    }
    Ok(reduction.apply(-(t * x.log_softmax(1)).sum_axes(1)))
}
