//! Losses: how wrong an output is, as one number to be made small.

use autograd::{Float, Tensor, Var};

/// What an output should have been.
#[derive(Debug, Clone, PartialEq)]
pub enum Target<T: Float> {
    /// Numbers, of the shape of the output.
    Values(Tensor<T>),
    /// The right class of each row: `[rows]`.
    Labels(Tensor<i64>),
}

impl<T: Float> Target<T> {
    /// Number of samples: the size of the first axis.
    pub fn len(&self) -> usize {
        match self {
            Target::Values(t) => t.shape().first().copied().unwrap_or(1),
            Target::Labels(t) => t.len(),
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How wrong an output is.
pub trait Loss<T: Float>: Send {
    /// The loss as a single number on the tape, averaged over the samples.
    ///
    /// # Errors
    /// If the target does not fit the output: another shape, labels where values are needed, a label out of range.
    fn loss<'t>(&self, output: Var<'t, T>, target: &Target<T>) -> autograd::Result<Var<'t, T>>;
}
