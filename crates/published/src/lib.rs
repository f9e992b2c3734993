//! Tests with published crates: the numbers of `scalar` in code that is generic over its numbers (nalgebra, euclid,
//! num-complex, levenberg-marquardt), and tensors beside the arrays of ndarray, nalgebra and faer, and in argmin.
//! `cargo run --release --example speed` measures the numbers beside num-dual.

#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod problems;

/// Runs the code of pages of the book as tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../docs/scalars.md")]
    struct Scalars;
    #[doc = include_str!("../../../docs/interop.md")]
    struct Interop;
}
