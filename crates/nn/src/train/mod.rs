//! Training: a [`TrainStep`] runs forward, loss, backward and update on one batch; a [`Trainer`] repeats it over
//! epochs, like Keras' `fit`, until the last epoch or until training stops improving. This module depends on data,
//! losses and optimizers only through their traits.
//!
//! ```
//! use autograd::{Rng, tensor};
//! use nn::{data::TensorDataset, layer::Linear, loss::{Mse, Target}, optim::Sgd, train::Trainer};
//!
//! // y = 2 x - 1
//! let inputs = tensor![[0.0], [1.0], [2.0], [3.0]];
//! let data = TensorDataset::new(inputs, Target::Values(tensor![[-1.0], [1.0], [3.0], [5.0]]))?;
//! let mut model = Linear::<f64>::new(1, 1, &mut Rng::new(0));
//! let history = Trainer::new(Mse::new(), Sgd::new(0.1)).epochs(1000).batch_size(2).tolerance(1e-12).fit(&mut model, &data)?;
//! assert!(history.epochs.len() < 1000, "it converges early");
//! assert!((model.weight.value().item() - 2.0).abs() < 1e-4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Replay
//!
//! The trainer records the step once for each batch shape, compiles it, and replays the program from then on. Results
//! are bit-identical, without the cost of recording. The batch, targets, parameters, buffers and the random numbers of
//! dropout are inputs of the program, and learning rates apply outside it; the settings of layers, loss and penalties
//! are frozen. The second batch of a shape runs both ways, and the program is used only if every bit agrees. The check
//! is repeated at the start of an epoch if the program has run at least 32 times since the last one. Steps that cannot
//! be compiled, or that compute outside the tape, run recorded, and a [note](History::notes) in the history says why.

mod callback;
mod checkpoint;
mod compared;
mod engine;
mod error;
mod evaluate;
mod finite;
mod fit;
mod history;
mod monitor;
mod objective;
mod part;
mod progress;
mod rates;
mod replay;
mod run;
mod scaling;
mod settings;
mod step;
mod stopping;
mod team;
mod trace;
mod trained;
mod trainer;

pub use crate::metric::Metric;
pub use autograd::Origin;
pub use callback::{Callback, CallbackResult, Moment};
pub use checkpoint::{CheckpointError, Checkpoints};
pub use error::{NonFinite, StepError, TrainError};
pub use evaluate::{Evaluation, evaluate, predict, predict_fields};
pub use history::{Epoch, History, Measured, Stop};
pub use monitor::Monitor;
pub use objective::Outcome;
pub use part::{PartTrainer, each_in_one};
pub use rates::{LrCurve, LrRange};
pub use scaling::LossScaling;
pub use settings::{Clip, Settings};
pub use step::TrainStep;
pub use stopping::EarlyStopping;
pub use team::Sharing;
pub use trainer::Trainer;
