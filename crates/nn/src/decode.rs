//! Decoding: from scores of the next token to sequences. It knows scores and random numbers, but no models.
//!
//! ```
//! use autograd::{Rng, tensor};
//! use nn::decode::Sampler;
//! let (scores, rng) = (tensor![0.5, 2.0, 1.0], &mut Rng::new(0));
//! assert_eq!(Sampler::greedy().draw(&scores, rng)?, 1);
//! assert_ne!(Sampler::new(0.8).top_k(2).draw(&scores, rng)?, 0);
//! # Ok::<(), autograd::Error>(())
//! ```

mod beam;
mod sampler;

pub use beam::{Beam, BeamSearch};
pub use sampler::Sampler;

use autograd::{Order, Tensor};

/// The indices of the `k` highest scores (or of all, if there are fewer), highest first; ties go to the first.
fn highest(scores: &[f64], k: usize) -> Vec<usize> {
    let (_, places) = Tensor::new(&[scores.len()], scores.to_vec()).topk(k.min(scores.len()), 0, Order::Descending);
    places.iter().map(|place| place as usize).collect()
}
