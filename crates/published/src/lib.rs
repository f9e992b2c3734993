//! Tests of the crate `scalar` on published crates that are generic over their numbers: nalgebra, euclid, num-complex,
//! levenberg-marquardt. `cargo run --release --example speed` measures it beside num-dual.

#![warn(missing_docs)]
#![deny(unsafe_code)]

/// Runs the code of docs/scalars.md as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/scalars.md")]
struct Page;
