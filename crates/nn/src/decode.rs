//! Decoding: from scores of what comes next to sequences. It knows scores and random numbers, and no model.
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
