//! Training errors, and where they occurred.

use super::checkpoint::CheckpointError;
use crate::LayerError;
use crate::data::DataError;
use crate::distributed::CollectiveError;
use autograd::Origin;
use std::fmt::{self, Display, Formatter};

/// Why training failed. The model keeps the parameters of the last successful step.
///
/// ```
/// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Sgd, train::{TrainError, Trainer}};
/// let mut narrow = Mlp::new(&[63, 10]).build();
/// let error = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1)).fit(&mut narrow, &digits()).unwrap_err();
/// let TrainError::Layer { epoch: 1, batch: 1, cause } = error else { panic!("{error}") };
/// assert_eq!(cause.layer, "Linear(63, 10)");
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The data is empty or cannot be read, or the batch size is 0.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Validation samples and training samples have different inputs, or inputs of different shapes.
    #[error("validation samples have {validation}, but training samples have {training}: they must agree")]
    Validation {
        /// The inputs of one training sample.
        training: String,
        /// The inputs of one validation sample.
        validation: String,
    },
    /// The optimizer searches for its steps, and the settings do not allow that.
    #[error("the optimizer evaluates the loss at several points: {problem}")]
    Search {
        /// Which setting is wrong, and what to do.
        problem: String,
    },
    /// The model has no parameter to train.
    #[error(
        "the model has nothing to train: none of its {parameters} parameters is trainable; Param::set_trainable(true) \
         thaws one, and `parameters!` must list the fields of a layer of your own"
    )]
    NothingToTrain {
        /// Number of frozen parameters.
        parameters: usize,
    },
    /// The settings of the optimizer do not fit each other or the model.
    #[error("the optimizer cannot train this model: {problem}")]
    Optimizer {
        /// What is wrong.
        problem: String,
    },
    /// The loss or a gradient became infinite or NaN.
    #[error(
        "epoch {epoch}, batch {batch}: {cause}. The model keeps the parameters from before this batch; {}",
        cause.advice()
    )]
    NonFinite {
        /// The epoch, from 1.
        epoch: usize,
        /// The batch within the epoch, from 1.
        batch: usize,
        /// What was not finite, and which operation produced it.
        cause: NonFinite,
    },
    /// The loss of a batch could not be computed: for example, targets do not match the output, or a label is out of
    /// range.
    #[error("epoch {epoch}, batch {batch}: {cause}")]
    Loss {
        /// The epoch, from 1.
        epoch: usize,
        /// The batch within the epoch, from 1.
        batch: usize,
        /// The error that the loss returned.
        cause: autograd::Error,
    },
    /// A layer could not take a batch: for example, samples do not have the sizes the model expects, an index is out of
    /// range, or a batch has one sample where the layer needs more.
    #[error("epoch {epoch}, batch {batch}: {cause}")]
    Layer {
        /// The epoch, from 1.
        epoch: usize,
        /// The batch within the epoch, from 1.
        batch: usize,
        /// Which layer, and why.
        cause: LayerError,
    },
    /// A layer could not take its input outside training.
    #[error("in eval mode: {0}")]
    Use(#[from] LayerError),
    /// The loss or a metric could not be computed outside training.
    #[error("evaluation: {0}")]
    Evaluation(autograd::Error),
    /// Early stopping or a schedule monitors a metric that is not measured.
    #[error("{who} watches {name}, which is not measured: add it with Trainer::metric, or watch a loss")]
    Unmeasured {
        /// What monitors it.
        who: &'static str,
        /// The metric.
        name: String,
    },
    /// The ranks cannot share the work with these settings.
    #[error("the work cannot be shared: {problem}")]
    Sharing {
        /// Which setting is wrong, and what to do.
        problem: String,
    },
    /// The ranks of a distributed run do not have the same settings, model, data or weights.
    #[error("the ranks must do the same: {problem}")]
    Ranks {
        /// What differs, on which rank.
        problem: String,
    },
    /// Another rank of a distributed run has failed.
    #[error("rank {rank} failed: {problem}")]
    Rank {
        /// The rank.
        rank: usize,
        /// Its error.
        problem: String,
    },
    /// The ranks of a distributed run cannot communicate.
    #[error(transparent)]
    Collective(#[from] CollectiveError),
    /// A callback failed.
    #[error("a callback failed: {0}")]
    Callback(Box<dyn std::error::Error + Send + Sync>),
    /// A checkpoint could not be written or resumed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

autograd::debug_as_display!(TrainError);

/// Why a single step failed.
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::{data::Batch, layer::Linear, loss::{Mse, Target}, optim::Sgd, train::{StepError, TrainStep}};
/// let batch = Batch { inputs: tensor![[f64::NAN]], targets: Target::Values(tensor![[1.0]]) };
/// let mut model = Linear::new(1, 1, &mut Rng::new(0));
/// let error = TrainStep::new(0).run(&mut model, &Mse::new(), &mut Sgd::new(0.1), &batch).unwrap_err();
/// assert_eq!(error.to_string(), "the input `x` is NaN in sample 0 of the batch, counted from 0");
/// assert!(matches!(error, StepError::NonFinite(cause) if cause.sample == Some(0)));
/// ```
#[derive(Clone, PartialEq, thiserror::Error)]
pub enum StepError {
    /// The loss or a gradient became infinite or NaN.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
    /// A layer could not take the batch.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The loss could not be computed.
    #[error(transparent)]
    Loss(#[from] autograd::Error),
}

autograd::debug_as_display!(StepError);

impl StepError {
    /// Adds the position in training to the error.
    pub(super) fn at(self, epoch: usize, batch: usize) -> TrainError {
        match self {
            StepError::NonFinite(cause) => TrainError::NonFinite { epoch, batch, cause },
            StepError::Layer(cause) => TrainError::Layer { epoch, batch, cause },
            StepError::Loss(cause) => TrainError::Loss { epoch, batch, cause },
        }
    }
}

/// A value that should be finite but is not.
///
/// ```
/// use nn::train::NonFinite;
/// let what = "the norm of the gradients".into();
/// let norm = NonFinite { what, value: f64::INFINITY, sample: None, origin: None };
/// assert_eq!(norm.to_string(), "the norm of the gradients is inf");
/// ```
#[derive(Clone, PartialEq)]
pub struct NonFinite {
    /// Which value: `the loss`, `the gradient of 0.weight`.
    pub what: String,
    /// Infinity or NaN.
    pub value: f64,
    /// The sample of the batch, counted from 0, if the value is part of the data.
    pub sample: Option<usize>,
    /// The first operation whose result was not finite in the forward pass, or whose derivative was not finite in the
    /// backward pass, if there is one.
    pub origin: Option<Box<Origin>>,
}

autograd::debug_as_display!(NonFinite);

impl std::error::Error for NonFinite {}

impl NonFinite {
    /// What to try.
    fn advice(&self) -> &'static str {
        match self.sample {
            Some(_) => "remove such samples from the data, or replace the value",
            None => "a smaller learning rate or gradient clipping may help",
        }
    }
}

impl Display for NonFinite {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{} is {}", self.what, self.value)?;
        if let Some(sample) = self.sample {
            write!(f, " in sample {sample} of the batch, counted from 0")?;
        }
        self.origin.as_ref().map_or(Ok(()), |origin| write!(f, ", first produced by {origin}"))
    }
}
