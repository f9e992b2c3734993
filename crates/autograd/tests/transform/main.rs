//! Transforms of functions, against one another and against the same thing done by hand.

mod taylor;
mod vmap;
