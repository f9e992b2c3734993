//! What can go wrong in training, and where it did.

use super::checkpoint::CheckpointError;
use crate::LayerError;
use crate::data::DataError;
use autograd::Shape;
use std::fmt::{self, Display, Formatter};
use std::panic::Location;

/// Why training stopped before its end. The model keeps the parameters of the last step that went well.
///
/// ```
/// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Sgd, train::{TrainError, Trainer}};
/// let mut narrow = Mlp::new(&[63, 10]).build();
/// let error = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1)).fit(&mut narrow, &digits()).unwrap_err();
/// let TrainError::Layer { epoch: 1, batch: 1, cause } = error else { panic!("{error}") };
/// assert_eq!(cause.layer, "Linear(63, 10)");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Data that is empty or cannot be had, or a batch size of 0.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Validation samples of another shape than those to be learnt from.
    #[error("a validation sample has shape {validation:?} and a training sample {training:?}: they must agree")]
    Validation {
        /// The shape of one training sample.
        training: Shape,
        /// The shape of one validation sample.
        validation: Shape,
    },
    /// The loss or a gradient became infinite or NaN.
    #[error(
        "epoch {epoch}, batch {batch}: {cause}. The parameters are those before this batch; \
         a smaller learning rate or clipped gradients may help"
    )]
    NonFinite {
        /// The epoch, from 1.
        epoch: usize,
        /// The batch within the epoch, from 1.
        batch: usize,
        /// What was not finite, and where it came from.
        cause: NonFinite,
    },
    /// The loss of a batch could not be computed: targets of another shape than the output, a label out of range.
    #[error("epoch {epoch}, batch {batch}: {cause}")]
    Loss {
        /// The epoch, from 1.
        epoch: usize,
        /// The batch within the epoch, from 1.
        batch: usize,
        /// What the loss said.
        cause: autograd::Error,
    },
    /// A layer could not take a batch: samples of other sizes than the model's, an index that no table has, a batch of one
    /// sample where there must be more.
    #[error("epoch {epoch}, batch {batch}: {cause}")]
    Layer {
        /// The epoch, from 1.
        epoch: usize,
        /// The batch within the epoch, from 1.
        batch: usize,
        /// Which layer, and why.
        cause: LayerError,
    },
    /// A layer could not take its input outside of training.
    #[error("in use: {0}")]
    Use(#[from] LayerError),
    /// The loss or a metric could not be computed outside of training.
    #[error("evaluation: {0}")]
    Evaluation(autograd::Error),
    /// Early stopping or a schedule watches a metric that is not measured.
    #[error("{who} watches {name}, which is not measured: add it by Trainer::metric, or watch a loss")]
    Unmeasured {
        /// What watches it.
        who: &'static str,
        /// The metric.
        name: String,
    },
    /// A callback failed.
    #[error("a callback failed: {0}")]
    Callback(Box<dyn std::error::Error + Send + Sync>),
    /// A checkpoint could not be written or gone on from.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Why a single step could not be made.
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::{data::Batch, layer::Linear, loss::{Mse, Target}, optim::Sgd, train::{StepError, TrainStep}};
/// let batch = Batch { inputs: tensor![[f64::NAN]], targets: Target::Values(tensor![[1.0]]) };
/// let mut model = Linear::new(1, 1, &mut Rng::new(0));
/// let error = TrainStep::new(0).run(&mut model, &Mse::new(), &mut Sgd::new(0.1), &batch).unwrap_err();
/// assert!(matches!(error, StepError::NonFinite(cause) if cause.what == "the loss"));
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
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

impl StepError {
    /// The error with its place in the training.
    pub(super) fn at(self, epoch: usize, batch: usize) -> TrainError {
        match self {
            StepError::NonFinite(cause) => TrainError::NonFinite { epoch, batch, cause },
            StepError::Layer(cause) => TrainError::Layer { epoch, batch, cause },
            StepError::Loss(cause) => TrainError::Loss { epoch, batch, cause },
        }
    }
}

/// A number that should be finite and is not.
///
/// ```
/// let norm = nn::train::NonFinite { what: "the norm of the gradients".into(), value: f64::INFINITY, origin: None };
/// assert_eq!(norm.to_string(), "the norm of the gradients is inf");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct NonFinite {
    /// Which number: `the loss`, `the gradient of 0.weight`.
    pub what: String,
    /// Infinity or NaN.
    pub value: f64,
    /// The first operation of the forward pass whose result was not finite, or of the backward pass whose derivative was
    /// not, if there was one.
    pub origin: Option<Origin>,
}

/// An operation, and the line of the program that recorded it.
///
/// ```
/// use nn::train::{NonFinite, Origin};
/// let origin = Origin { op: "ln", line: std::panic::Location::caller(), derivative: true };
/// let text = NonFinite { what: "the gradient of w".into(), value: f64::NAN, origin: Some(origin) }.to_string();
/// assert!(text.starts_with("the gradient of w is NaN, first produced by the derivative of ln at "));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Origin {
    /// The name of the operation; a `leaf` is a parameter, a `constant` the data itself.
    pub op: &'static str,
    /// The line.
    pub line: &'static Location<'static>,
    /// Whether it is the operation's derivative that is not finite.
    pub derivative: bool,
}

impl std::error::Error for NonFinite {}

impl Display for NonFinite {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{} is {}", self.what, self.value)?;
        match self.origin {
            Some(Origin { op, line, derivative }) => {
                let of = if derivative { "the derivative of " } else { "" };
                write!(f, ", first produced by {of}{op} at {}:{}", line.file(), line.line())
            }
            None => Ok(()),
        }
    }
}
