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

/// What most programs need: `use nn::prelude::*`.
pub mod prelude {
    pub use crate::loss::{Loss, Target};
    pub use crate::optim::{Optimizer, ParamGradients};
    pub use crate::{Mode, Module, Param, Parameters, Pass, parameters};
}
