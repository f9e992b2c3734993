//! Distributions: samples, log-probabilities, entropies and divergences, recorded on a tape. Their random numbers are
//! [noise](crate::Noise) of a [`Pass`](crate::Pass): they depend only on its seed, and each replayed step draws new
//! ones.
//!
//! A distribution has the shape of its parameters, and its elements are independent; a categorical one has its classes along
//! the last axis. `sample` returns a constant. `rsample` returns a function of the parameters and of noise, so that
//! derivatives flow through the sample (Kingma and Welling, *Auto-encoding variational Bayes*, 2014).
//!
//! ```
//! use autograd::{Rng, Tape};
//! use nn::{Pass, distribution::Normal};
//! let tape = Tape::<f64>::new();
//! let (mean, std) = (tape.var([0.0, 1.0]), tape.var([1.0, 0.5]));
//! let p = Normal::new(mean, std)?;
//! let x = p.rsample(&mut Pass::train(&tape, Rng::new(1)));
//! let gradients = x.sum().backward();
//! assert_eq!(gradients.wrt(mean).to_vec(), [1.0, 1.0]);
//! assert_eq!(p.kl(&Normal::standard(&tape))?.value().at(&[0]), 0.0);
//! # Ok::<(), autograd::Error>(())
//! ```

mod bernoulli;
mod categorical;
mod normal;

pub use bernoulli::Bernoulli;
pub use categorical::{Categorical, gumbel_softmax};
pub use normal::Normal;

#[cfg(test)]
mod tests;

use autograd::{Float, Var};

/// `x y`, which is 0 where `x` is 0, for any `y`: `x` is a probability, and `y` a logarithm or the difference of two, which
/// may be infinite or undefined.
fn weighed<'t, T: Float>(x: Var<'t, T>, y: Var<'t, T>) -> Var<'t, T> {
    let zero = x.full_like(0.0);
    let some = x.is_ne(T::zero());
    some.choose(x * some.choose(y, zero), zero)
}
