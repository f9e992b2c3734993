//! Training: a [`TrainStep`] is forward, loss, backward and update on one batch; a [`Trainer`] repeats it over epochs, in
//! the spirit of Keras' `fit`, until the epochs are over or nothing improves. This room knows data, losses and optimizers
//! by their traits alone.
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
//! assert!(history.epochs.len() < 1000, "it converges before");
//! assert!((model.weight.value().item() - 2.0).abs() < 1e-4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Replay
//!
//! The trainer records the step once for each shape of batch, compiles it, and replays the program from then on: the same bits,
//! without recording. Batch, targets, parameters, buffers, what dropout drops and the rates are inputs; the settings of
//! layers, loss and penalties are frozen. The second batch of a shape runs both ways, and the program is used only if every bit
//! agreed; so does one at the begin of an epoch, if the program has run 32 times since. What cannot be compiled, or computes beside the tape, runs recorded, and a [note](History::notes) in the history
//! says why.

mod callback;
mod checkpoint;
mod error;
mod evaluate;
mod finite;
mod history;
mod monitor;
mod progress;
mod replay;
mod run;
mod settings;
mod step;
mod stopping;
mod trainer;

pub use crate::metric::Metric;
pub use callback::{Callback, CallbackResult, Moment};
pub use checkpoint::{CheckpointError, Checkpoints};
pub use error::{NonFinite, Origin, StepError, TrainError};
pub use evaluate::{Evaluation, evaluate, predict};
pub use history::{Epoch, History, Measured, Stop};
pub use monitor::Monitor;
pub use step::{Outcome, TrainStep};
pub use stopping::EarlyStopping;
pub use trainer::Trainer;
