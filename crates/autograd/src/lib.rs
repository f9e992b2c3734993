//! Reverse-mode automatic differentiation on a Wengert tape of tensors.
//!
//! Record a computation on a [`Tape`] with [`Var`]s, then compute derivatives of the result, of any order:
//!
//! ```
//! use autograd::prelude::*;
//!
//! let tape = Tape::<f64>::new();
//! let x = tape.var(tensor![1.0, 2.0, 3.0]);
//! let y = (x * x.sin()).sum();
//!
//! let dy = y.backward().wrt(x); // numbers: sin x + x cos x
//! assert!((dy.at(&[0]) - (1f64.sin() + 1f64.cos())).abs() < 1e-15);
//!
//! let dy = y.grad(&[x])[0]; // the same, recorded: differentiate again
//! let d2y = dy.sum().backward().wrt(x); // 2 cos x - x sin x
//! assert!((d2y.at(&[0]) - (2.0 * 1f64.cos() - 1f64.sin())).abs() < 1e-14);
//! ```
//!
//! The layers of the crate, in the order data flows: [`Tensor`] holds numbers; kernels loop over them; an
//! [`Op`](op::Op) is plain data that says what a node does, and its [rules](op) say how derivatives pass through it; a
//! [`Value`] is anything that ops apply to; the [`Tape`] lists the ops that were applied; the sweeps
//! ([`Var::backward`], [`Var::grad`], [`Var::jvp`]) walk that list. [`gradcheck`] checks a gradient against finite
//! differences.

// Says on docs.rs which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod check;
mod checkpoint;
mod draw;
mod error;
mod eval;
mod explain;
pub mod float;
#[cfg(any(feature = "argmin", feature = "faer", feature = "nalgebra", feature = "ndarray"))]
mod interop;
#[allow(unsafe_code, reason = "instruction sets, and loops whose bounds are checked once instead of at each element")]
mod kernel;
mod methods;
pub mod op;
mod operators;
mod profile;
mod program;
mod rules;
mod sweep;
mod tape;
mod tensor;
pub mod transform;
mod value;

pub use check::gradcheck;
pub use checkpoint::{checkpoint, try_checkpoint};
pub use error::{Error, Result};
pub use explain::{Break, Cause, Contribution, Contributions, Disconnected, Drawing, Explanation, Origin};
pub use float::{Element, Float, Nested, Precision, Shape, Strides};
pub use kernel::random::Rng;
pub use kernel::threads::{set_threads, threads};
pub use kernel::update::{Slope, update};
#[cfg(feature = "linalg")]
pub use methods::Triangle;
pub use methods::{
    Align, Attention, Between, Bounds, Compared, Conv, Dims, Pad, Pool, Resize, Scatter, Target, Unique,
};
#[cfg(feature = "fft")]
pub use methods::{Fft, FftNorm};
pub use op::symbol::derivative_table;
pub use op::{Insert, Order};
pub use profile::{Profile, ProfileRow};
pub use program::{Compiled, Draft, Program, compile};
pub use rules::{Cotangents, Rule};
pub use sweep::Gradients;
pub use tape::{Ints, Mask, Tape, Var};
pub use tensor::recycle::set_pool_limit;
pub use tensor::view::Span;
pub use tensor::{Axes, AxisSet, IntoTensor, Rows, Tensor};
pub use value::{Condition, Index, Value};

/// Items for the crate `nn` and the benches only; not part of the public interface.
#[doc(hidden)]
pub mod internals {
    pub use crate::draw::text::xml;
    pub use crate::float::{Once, once};
    pub use crate::kernel::threads::for_each as fork;
    pub use crate::sweep::lookups;
    pub use crate::tape::{Placed, first_read, placed, sketched, watch};
}

/// The items that most programs need: `use autograd::prelude::*`.
pub mod prelude {
    pub use crate::transform::{grad, hessian, jacobian, value_and_grad, vmap};
    pub use crate::{Float, Gradients, Program, Rng, Tape, Tensor, Var, compile, gradcheck, tensor};
}
