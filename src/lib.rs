//! Reverse-mode automatic differentiation on a Wengert tape, and neural networks on top of it. This crate only puts the
//! two together: [`autograd`] is the engine, [`nn`] the networks, and the [`prelude`] what most programs need of both.
//!
//! ```
//! use wengert::prelude::*;
//!
//! let tape = Tape::<f64>::new();
//! let x = tape.var(3.0);
//! let y = x * x + x.sin();
//! assert_eq!(y.backward().wrt(x).item(), 6.0 + 3f64.cos());
//! ```

pub use autograd;
pub use nn;

/// What most programs need: `use wengert::prelude::*`.
pub mod prelude {
    pub use autograd::prelude::*;
    pub use nn::prelude::*;
}

/// The README's programs are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The programs of the page on training, too.
#[cfg(doctest)]
#[doc = include_str!("../docs/training.md")]
struct Training;

/// And those of the tour.
#[cfg(doctest)]
#[doc = include_str!("../docs/tour.md")]
struct Tour;
