//! [`Reduction`]: how losses are reduced to a scalar.

use super::{Targets, product};
use crate::domain::Domain;
use autograd::{Error, Float, Result, Shape, Var};

/// How the losses of the elements (or samples) are reduced to a scalar.
///
/// ```
/// use autograd::Tape;
/// use nn::loss::{Reduction, l1_loss};
/// let tape = Tape::<f64>::new();
/// let (y, t) = (tape.var([[1.0, 2.0], [3.0, 6.0]]), tape.constant([[0.0; 2]; 2]));
/// let reduced = |reduction| l1_loss(y, t, reduction).map(|loss| loss.item());
/// assert_eq!(reduced(Reduction::Mean)?, 3.0);
/// assert_eq!(reduced(Reduction::Sum)?, 12.0);
/// assert_eq!(reduced(Reduction::BatchMean)?, 6.0);
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// The mean, whose scale does not depend on the batch size. NaN if there are no losses; of class labels that are
    /// all ignored, 0.
    #[default]
    Mean,
    /// The sum.
    Sum,
    /// The sum divided by the number of samples (the size of the first axis). This is the definition of a divergence
    /// between distributions, where the mean would also divide by the number of classes.
    BatchMean,
    /// No reduction. For the functions only, since a [`Loss`](super::Loss) is a scalar.
    None,
}

impl Reduction {
    #[track_caller]
    pub(super) fn apply<T: Float>(self, losses: Var<'_, T>) -> Var<'_, T> {
        match self {
            Reduction::Mean => losses.mean(),
            Reduction::Sum => losses.sum(),
            Reduction::BatchMean => {
                let samples = losses.shape().first().copied().unwrap_or(1);
                losses.sum() * T::of(1.0 / samples as f64)
            }
            Reduction::None => losses,
        }
    }

    /// A reduced loss as the sum it was computed from and the number of summands; 0 and 0 if there are none.
    pub(super) fn sum_and_count(self, loss: f64, count: f64) -> (f64, f64) {
        match self {
            _ if count == 0.0 => (0.0, 0.0),
            Reduction::Sum | Reduction::None => (loss, count),
            Reduction::Mean | Reduction::BatchMean => (loss * count, count),
        }
    }

    /// Reduces the losses that a function computes with a given reduction. If samples have weights, the function does
    /// not reduce them, and each loss is first multiplied by the weight of its sample.
    #[track_caller]
    pub(super) fn weighing<'t, T: Float>(
        self,
        op: &'static str,
        targets: &Targets<'t, T>,
        losses: impl FnOnce(Reduction) -> Result<Var<'t, T>>,
    ) -> Result<Var<'t, T>> {
        let reduction = self.to_one(op)?;
        let Some(weights) = targets.weights() else { return losses(reduction) };
        let losses = losses(Reduction::None)?;
        // A weight of 0 leaves a sample out, even if its loss is infinite.
        Ok(reduction.apply(product(weights_over(op, weights, &losses.shape())?, losses)))
    }

    /// Returns `self`, or an error if it does not reduce to a scalar.
    pub(super) fn to_one(self, op: &'static str) -> Result<Reduction> {
        if self != Reduction::None {
            return Ok(self);
        }
        let hint = format!("a loss must be a scalar: use Reduction::Mean or Sum, or call the function {op}");
        Err(Error::Argument { op, hint })
    }
}

/// Weights `[samples]`, finite and at least 0, shaped to broadcast over losses `[samples, …]`.
#[track_caller]
pub(super) fn weights_over<'t, T: Float>(
    op: &'static str,
    weights: Var<'t, T>,
    losses: &[usize],
) -> Result<Var<'t, T>> {
    let given = weights.shape();
    if given.len() != 1 || losses.first() != given.first() {
        let hint = format!("expected one weight for each sample, for losses of shape {losses:?}");
        return Err(Error::Shape { op, shape: given.as_slice().into(), hint });
    }
    let mut shape = Shape::from(losses);
    shape[1..].fill(1);
    Domain::NonNegative.check(op, "sample weights", weights)?.try_reshape(&shape)
}
