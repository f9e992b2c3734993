//! The workloads that are timed, here and in other engines (`benches/peers/`), with the same shapes and formulas.
//!
//! The computation is separate from the way it is run: one function records an [`Objective`], and any objective gives a
//! [`Gradient`], a [`Training`] step or a [`HessianVector`] product. `tests/benchmarks.rs` checks them all against
//! finite differences, at small sizes.

#![allow(dead_code, reason = "each program that includes this uses a part of it")]

pub mod bundle;
pub mod engine;
pub mod functions;
pub mod gaussian;
pub mod hand;
pub mod inference;
pub mod items;
pub mod language;
pub mod loops;
pub mod networks;
pub mod points;
pub mod transforms;

pub use engine::{Evaluation, Gradient, HessianVector, Objective, Training, Work};
