//! Transforms: functions of functions. Each takes a user's function of variables, records it, and reinterprets the
//! recording: as its derivatives of any order, as the function on many samples at once, or as its power series.
//!
//! | transform | result | cost |
//! |---|---|---|
//! | [`grad`], [`value_and_grad`] | gradients of a scalar function | one recording, one sweep |
//! | [`vjp`], [`linearize`] | the value, and a linear map that can be called many times | one recording; a sweep per call |
//! | [`jvp`] | the value and one directional derivative | one recording, one sweep |
//! | [`jacobian`] | all derivatives of all outputs | one recording, one sweep for all rows or columns together |
//! | [`hessian`], [`hvp`], [`laplacian`], [`divergence`] | second derivatives and traces | one gradient, one sweep for all directions together |
//! | [`vmap`], [`per_sample_grad`] | a function, or gradients, of each sample | one recording; every op once, on all samples |
//! | [`per_sample_norm`], [`clipped_grad`] | norms of each sample's gradient, sums of clipped ones | one gradient of the batch; two |
//! | [`sparsity`], [`SparseJacobian`], [`SparseHessian`] | sparse derivatives | one recording; per point, one sweep for all colors |
//! | [`root`], [`fixed_point`], [`argmin`] | solutions of equations, differentiable | the solver; one linear solve per sweep |
//! | [`odeint`], [`odeint_adjoint`] | the solution of a differential equation, differentiable | that of its steps, twice in the backward pass |
//! | [`scan`], [`fold`], [`while_loop`] | a loop as one node | one more forward computation in the backward pass |
//! | [`custom_vjp`], [`custom_jvp`] | a function with a derivative of your own | that of the closures |
//! | [`custom_vjp_saving`] | the same, from values that the function saved | that of the closures |
//! | [`taylor`] | derivatives up to order n along a direction | one recording; O(n²) |
//!
//! Inputs are tensors, references to tensors, or variables. For variables the result is recorded on their tape, so that it can be
//! differentiated again, compiled, or transformed again. The functions are those of [`gradcheck`](crate::gradcheck),
//! [`compile`](crate::compile()) and [`checkpoint`](crate::checkpoint()). Every transform has a `try_` form that returns
//! errors; the plain form panics with the same text.
//!
//! ```
//! use autograd::{Var, tensor, transform::{hessian, vmap}};
//! fn f<'t>(x: &[Var<'t, f64>]) -> Var<'t, f64> {
//!     x[0].square().sum() * x[0].sum()
//! }
//! assert_eq!(hessian(f, &[tensor![1.0, 2.0]])[0][0], tensor![[10.0, 6.0], [6.0, 14.0]]);
//! assert_eq!(vmap(f, &[Some(0)], &[tensor![[1.0, 2.0], [3.0, 4.0]]]), tensor![15.0, 175.0]);
//! let traces = vmap(|x| hessian(f, &[x[0]])[0][0].trace(), &[Some(0)], &[tensor![[1.0, 2.0], [3.0, 4.0]]]);
//! assert_eq!(traces, tensor![24.0, 56.0]);
//! ```

mod anew;
mod batch;
mod choice;
mod custom;
mod derivatives;
mod hook;
mod implicit;
mod jacobian;
mod krylov;
mod linearized;
mod ode;
mod ode_adjoint;
mod per_sample;
mod point;
mod read;
mod rule;
mod scan;
mod shapes;
mod sparse;
mod taylor;
mod trace;
mod vmap;
mod while_loop;

pub use choice::{Choice, Mode};
pub use custom::*;
pub use derivatives::*;
pub use implicit::*;
pub use jacobian::*;
pub use ode::{Steps, odeint, try_odeint};
pub use ode_adjoint::{odeint_adjoint, try_odeint_adjoint};
pub use per_sample::*;
pub use point::Point;
pub use scan::{fold, scan, try_fold, try_scan};
pub use sparse::{Pattern, SparseHessian, SparseJacobian, sparsity};
pub use taylor::{taylor, try_taylor};
pub use trace::*;
pub use vmap::*;
pub use while_loop::{try_while_loop, while_loop};
