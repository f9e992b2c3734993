//! The pieces of work that are timed, here and in other engines (`benches/peers/`): the same shapes and formulas.
//!
//! What is computed stands apart from how: an [`Objective`] is recorded by one function, and a [`Gradient`], a
//! [`Training`] step or a [`HessianVector`] product is made of any objective. `tests/benchmarks.rs` checks them all
//! against finite differences, at small sizes.

#![allow(dead_code, reason = "each program that includes this uses a part of it")]

pub mod bundle;
pub mod engine;
pub mod functions;
pub mod gaussian;
pub mod hand;
pub mod items;
pub mod language;
pub mod networks;

pub use engine::{Evaluation, Gradient, HessianVector, Objective, Training, Work};
