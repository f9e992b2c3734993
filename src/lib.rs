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

// Says on docs.rs which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

pub use autograd;
pub use nn;
#[cfg(feature = "scalar")]
pub use scalar;
#[cfg(feature = "mpi")]
pub use wengert_mpi as mpi;

/// The items that most programs need, and the two crates by name: `use wengert::prelude::*`.
///
/// ```
/// use wengert::prelude::*;
/// let model = Mlp::new(&[4, 3]).build::<f32>();
/// assert_eq!(nn::names(&model), ["0.weight", "0.bias"]);
/// let threads = autograd::threads();
/// # assert!(threads > 0);
/// ```
pub mod prelude {
    pub use crate::{autograd, nn};
    pub use autograd::prelude::*;
    pub use nn::prelude::*;
}

/// Runs the README's code as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

/// Runs the code of these pages of docs/ as tests.
macro_rules! pages {
    ($($page:ident)*) => {$(
        #[cfg(doctest)]
        #[doc = include_str!(concat!("../docs/", stringify!($page), ".md"))]
        mod $page {}
    )*};
}

// In the order of docs/SUMMARY.md. tests/documents.rs checks that no page with code is missing.
pages! {
    six_steps forward_pass activations losses delta_rules chain_rule descent regularization batch_norm schedules graphs
    stability initialization workflow solutions
    coming_from training distributed layers data transforms pictures
    architecture adding_an_op
}
