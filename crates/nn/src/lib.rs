//! Neural networks on wengert's tape: layers, losses, optimizers, data and training, in the words of PyTorch and Keras.

#![warn(missing_docs)]

pub mod clip;
pub mod data;
pub mod init;
pub mod layer;
pub mod loss;
pub mod metric;
mod module;
pub mod optim;
mod param;
pub mod plot;
pub mod regularize;
pub mod schedule;

pub use module::{Mode, Module, Parameters, Pass, Path, apply_updates, names, parameter_count};
pub use param::Param;
