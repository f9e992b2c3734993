//! What a pass adds to an update: gradients times the count of their loss, so that the sum over shards divided by the
//! sum of counts is the gradient of the whole batch; and changes of buffers times the number of samples, likewise.

use crate::optim::ParamGradients;
use crate::train::objective::Swept;
use crate::{Parameters, Path};
use autograd::{Float, Tensor};

/// The number of shards, samples and so on that sums are made of.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::train) struct Counts {
    /// The sum of the counts of the losses.
    pub loss: f64,
    pub samples: f64,
    /// Whether a target counts.
    pub any: bool,
}

impl Counts {
    pub(in crate::train) fn add(&mut self, other: Counts) {
        let Counts { loss, samples, any } = other;
        *self = Counts { loss: self.loss + loss, samples: self.samples + samples, any: self.any || any && loss > 0.0 };
    }
}

/// Takes the result of a pass over a batch with these counts.
pub(in crate::train) fn taken<T: Float>(
    model: &dyn Parameters<T>,
    Swept { gradients, updates }: &mut Swept<T>,
    counts: Counts,
) -> ParamGradients<T> {
    let mut sum = std::mem::take(gradients);
    if counts.loss != 1.0 {
        sum.scale(counts.loss);
    }
    let (mut place, samples) = (0, T::of(counts.samples));
    model.visit(&mut Path::default(), &mut |_, param| {
        // A buffer may have several new values, the latest last.
        if let Some((_, new)) = updates.iter().rev().find(|(key, _)| *key == param.key()) {
            *sum.place_mut(place) = Some((new - param.value()) * samples);
        }
        place += 1;
    });
    updates.clear();
    sum
}

/// Leaves the mean of sums for the update.
pub(in crate::train) fn settle<T: Float>(
    model: &dyn Parameters<T>,
    mut sum: ParamGradients<T>,
    counts: Counts,
    Swept { gradients, updates }: &mut Swept<T>,
) {
    let (mut place, samples) = (0, T::of(counts.samples));
    updates.clear();
    model.visit(&mut Path::default(), &mut |_, param| {
        if param.is_buffer()
            && let Some(change) = sum.place_mut(place).take()
        {
            let change: Tensor<T> = change.map(|x| x / samples);
            updates.push((param.key(), param.value() + &change));
        }
        place += 1;
    });
    // A sum over no samples is 0, and so is its mean.
    if counts.loss > 0.0 && counts.loss != 1.0 {
        sum.scale(1.0 / counts.loss);
    }
    *gradients = sum;
}
