//! Reverse-mode automatic differentiation on a Wengert tape, and neural networks on top of it. This crate re-exports
//! both parts: [`autograd`] is the engine, [`nn`] the neural networks, and the [`prelude`] contains what most programs
//! need of both.
//!
//! ```
//! use wengert::prelude::*;
//!
//! let tape = Tape::<f64>::new();
//! let x = tape.var(3.0);
//! let y = x * x + x.sin();
//! assert_eq!(y.backward().wrt(x).item(), 6.0 + 3f64.cos());
//! ```

#![forbid(unsafe_code)]

pub use autograd;
pub use nn;
#[cfg(feature = "scalar")]
pub use scalar;

/// The items that most programs need: `use wengert::prelude::*`.
pub mod prelude {
    pub use autograd::prelude::*;
    pub use nn::prelude::*;
}

/// Runs the README's code as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Runs the code of docs/training.md as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/training.md")]
struct Training;

/// Runs the code of docs/transforms.md as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/transforms.md")]
struct Transforms;

/// Runs the code of docs/tour.md as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/tour.md")]
struct Tour;

/// Runs the code of docs/pictures.md as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/pictures.md")]
struct Pictures;
