//! [`Reduction`]: how many losses become one number.

use super::Target;
use autograd::{Error, Float, Result, Shape, Tape, Tensor, Var};

/// How the losses of the elements (or samples) become one number.
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
    /// Their mean: the size of the batch does not change the scale. NaN over nothing.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Their sum, divided by the number of samples (the size of the first axis): what a divergence between distributions
    /// is, where the mean would also divide by the number of classes.
    BatchMean,
    /// They stay as they are: for the functions only, since a [`Loss`](super::Loss) is one number.
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

    /// A reduced loss as the sum that it was made of and the number of summands; nothing, of nothing.
    pub(super) fn sum_and_count(self, loss: f64, count: f64) -> (f64, f64) {
        match self {
            _ if count == 0.0 => (0.0, 0.0),
            Reduction::Sum | Reduction::None => (loss, count),
            Reduction::Mean | Reduction::BatchMean => (loss * count, count),
        }
    }

    /// One number of the losses that a function gives when it is told how to reduce them: where samples have weights, it
    /// leaves them as they are, and each counts as much as its sample.
    #[track_caller]
    pub(super) fn weighing<'t, T: Float>(
        self,
        op: &'static str,
        target: &Target<T>,
        losses: impl FnOnce(Reduction) -> Result<Var<'t, T>>,
    ) -> Result<Var<'t, T>> {
        let reduction = self.to_one(op)?;
        let Some(weights) = target.weights() else { return losses(reduction) };
        let losses = losses(Reduction::None)?;
        Ok(reduction.apply(losses * weights_over(op, weights, &losses.shape(), losses.tape())?))
    }

    /// This, or an error if it does not give one number.
    pub(super) fn to_one(self, op: &'static str) -> Result<Reduction> {
        if self != Reduction::None {
            return Ok(self);
        }
        let hint = format!("a loss is one number: use Reduction::Mean or Sum, or call the function {op}");
        Err(Error::Argument { op, hint })
    }
}

/// Weights `[samples]` on the tape, in a shape that broadcasts over losses `[samples, …]`.
#[track_caller]
pub(super) fn weights_over<'t, T: Float>(
    op: &'static str,
    weights: &Tensor<T>,
    losses: &[usize],
    tape: &'t Tape<T>,
) -> Result<Var<'t, T>> {
    if weights.rank() != 1 || losses.first() != weights.shape().first() {
        let hint = format!("there must be one weight for each sample, and the losses have shape {losses:?}");
        return Err(Error::Shape { op, shape: weights.shape().into(), hint });
    }
    let mut shape = Shape::from(losses);
    shape[1..].fill(1);
    tape.constant(weights.clone()).try_reshape(&shape)
}
