//! Neural networks on wengert's tape: layers, losses, optimizers, data and training, with names from PyTorch and Keras.

// Says on docs.rs which items need a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[macro_use]
mod describe;

pub mod clip;
pub mod data;
pub mod decode;
pub mod distributed;
pub mod distribution;
mod domain;
mod fields;
pub mod functional;
mod hook;
pub mod infer;
pub mod init;
pub mod io;
pub mod layer;
pub mod loss;
pub mod metric;
mod module;
mod number;
pub mod optim;
mod param;
mod parameters;
mod pass;
mod picture;
mod pipeline;
pub mod plot;
pub mod regularize;
pub mod report;
pub mod schedule;
mod summary;
#[cfg(test)]
mod test_support;
pub mod train;

pub(crate) use autograd::internals::once;
pub use fields::{FieldVar, Given, Vars};
pub use io::{load, load_matching, load_state_dict, save, save_with_notes, state_dict};
pub use module::{ChannelMap, LayerError, Model, Module, Tied};
pub use param::Param;
pub use parameters::{Parameters, Path, names, parameter_count};
pub use pass::{Mode, Noise, Pass, apply_updates};
pub use pipeline::{Pipeline, PipelineError, Predictions};
pub use summary::{Row, Summary, summary, summary_of};

/// The items most programs need: `use nn::prelude::*`.
pub mod prelude {
    pub use crate::data::{
        Batch, Columns, CsvOptions, DataLoader, Dataset, FieldDataset, Fields, Gap, Samples, Scaler, TensorDataset,
        digits,
    };
    pub use crate::infer::Predictor;
    pub use crate::layer::{
        Activation, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, Dropout, Embedding, Flatten, Gru, LayerNorm,
        Linear, Lstm, Masks, MaxPool2d, Mlp, MultiheadAttention, RecurrentOptions, Residual, Sequential,
        TransformerEncoderLayer, TransformerOptions,
    };
    pub use crate::loss::{
        Bce, BceWithLogits, CrossEntropy, HalfSquared, Huber, L1, Loss, Mse, Parts, SmoothL1, Target,
    };
    pub use crate::metric::{Average, ConfusionMatrix, Metric};
    pub use crate::optim::{
        Adagrad, Adam, AdamW, Lbfgs, Lion, NAdam, Optimizer, ParamGradients, ParamGroups, RmsProp, Sgd,
    };
    pub use crate::plot::{Figure, HeatMap, Images, Panels, Plot};
    pub use crate::schedule::{CosineAnnealing, ExponentialDecay, LinearRamp, OneCycle, Sequence, StepDecay};
    pub use crate::train::{Checkpoints, EarlyStopping, History, TrainStep, Trainer};
    pub use crate::{Mode, Model, Module, Param, Parameters, Pass, Pipeline, Vars, parameters};
}
