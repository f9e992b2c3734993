//! The derivative rules of structured ops, forward and reverse, and what reverse rules read. Written once over [`Value`],
//! so that the same arm computes (on tensors) and records (on variables): no rule mentions the tape.

mod attention;
mod conv;
mod custom;
mod dual;
#[cfg(feature = "linalg")]
mod eig;
pub(crate) mod elementwise;
#[cfg(feature = "fft")]
mod fourier;
mod groups;
mod jvp;
mod layer_norm;
#[cfg(feature = "linalg")]
mod linalg;
#[cfg(feature = "linalg")]
mod lu;
mod pairwise;
#[cfg(feature = "linalg")]
mod pinv;
mod reads;
mod recurrent;
mod rows;
mod scan;
#[cfg(feature = "linalg")]
mod spectrum;
mod vjp;

pub use custom::Rule;
pub(crate) use jvp::jvp;
pub(crate) use reads::reads;
pub(crate) use scan::products;
#[cfg(feature = "linalg")]
pub(crate) use spectrum::split;
pub(crate) use vjp::vjp;

use crate::float::{Few, Float};
use crate::tensor::Shape;
use crate::value::Value;
use smallvec::SmallVec;

/// One cotangent per input; `None` where none flows or none is requested.
pub type Cotangents<V> = SmallVec<[Option<V>; 3]>;

/// The transposes of the matrices in the last two axes.
pub(crate) fn t<T: Float, V: Value<T>>(x: &V) -> V {
    let rank = x.shape().len();
    let mut order: Shape = (0..rank).few();
    order.swap(rank - 2, rank - 1);
    x.permute(&order)
}
