//! Losses of classes: cross-entropies.

use super::{Loss, Target, beside, reduced};
use autograd::{Float, Result, Var};

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

reduced! {
    /// Binary cross-entropy of probabilities in `[0, 1]`: `-(t ln y + (1 - t) ln(1 - y))`, averaged. Logarithms are cut at
    /// -100, as in PyTorch. On scores rather than probabilities, [`BceWithLogits`] is exact where this one is cut.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Bce, Loss, Target};
    /// let tape = Tape::<f64>::new();
    /// let loss = Bce::new().loss(tape.var([0.5]), &Target::Values(tensor![1.0]))?;
    /// assert_eq!(loss.item(), 2f64.ln());
    /// # Ok::<(), autograd::Error>(())
    /// ```
    Bce, Mean
}

reduced! {
    /// Binary cross-entropy of scores, of which the sigmoid is the probability: `max(x, 0) - x t + ln(1 + e^-|x|)`, averaged.
    /// Computed as `softplus(x) - x t`, which is the same and never overflows.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{BceWithLogits, Loss, Target};
    /// let tape = Tape::<f64>::new();
    /// let loss = BceWithLogits::new().loss(tape.var([-1e5]), &Target::Values(tensor![1.0]))?;
    /// assert_eq!(loss.item(), 1e5);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    BceWithLogits, Mean
}

impl<T: Float> Loss<T> for CrossEntropy {
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>> {
        let rows = match target {
            Target::Labels(labels) => output.try_cross_entropy(labels)?,
            Target::Values(_) => {
                let t = beside("cross_entropy", output, target)?;
                -(t * output.try_log_softmax(-1)?).try_sum(-1, false)?
            }
        };
        Ok(self.reduction.apply(rows))
    }
}

impl<T: Float> Loss<T> for Bce {
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>> {
        let t = beside("bce", output, target)?;
        let least = output.tape().constant(T::of(-100.0));
        let log = |p: Var<'t, T>| p.ln().maximum(least);
        Ok(self.reduction.apply(-(t * log(output) + (-t + T::one()) * log(-output + T::one()))))
    }
}

impl<T: Float> Loss<T> for BceWithLogits {
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> Result<Var<'t, T>> {
        let t = beside("bce_with_logits", output, target)?;
        Ok(self.reduction.apply(output.softplus() - output * t))
    }
}
