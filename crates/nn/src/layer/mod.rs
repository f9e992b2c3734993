//! Layers: what a network is built from.

mod linear;

pub use linear::Linear;
