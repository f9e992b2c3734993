//! Transforms of functions, against one another and against the same thing done by hand.

mod custom;
#[cfg(feature = "linalg")]
mod implicit;
mod ode;
mod scan;
mod sparse;
mod taylor;
mod vmap;
