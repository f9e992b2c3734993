//! The sweeps over a tape: backward from an output to the nodes it depends on, forward along the order of recording.
//! Each is written once for numbers and recorded values, and does not know the rules of individual ops.

mod backward;
mod forward;
mod gradients;
mod links;
mod numbers;
mod parts;
mod source;
mod swept;
#[cfg(feature = "linalg")]
mod ties;

pub(crate) use backward::sweep;
pub use gradients::{Gradients, lookups};
pub(crate) use links::{passed_on, slopes};
pub(crate) use source::Source;
pub(crate) use swept::Swept;
