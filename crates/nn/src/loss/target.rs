//! [`Target`]: the targets of a loss as data, and [`Targets`], the same on the tape of a pass.

use crate::fields::{FieldVar, ONLY_TARGET, Vars};
pub use autograd::op::IGNORED;
use autograd::{Error, Float, IntoTensor, Ints, Result, Tape, Tensor, Var};

/// The targets of a loss: values or class labels, with or without sample weights.
///
/// ```
/// use autograd::tensor;
/// use nn::loss::Target;
/// let target = Target::<f32>::Labels(tensor![2_i64, 0, 1]);
/// assert_eq!((target.len(), target.labels("docs")?.at(&[0])), (3, 2));
/// assert!(target.values("docs").is_err());
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Target<T: Float> {
    /// Values, with the shape of the output.
    Values(Tensor<T>),
    /// The correct class of each row, `[rows]`, or of each position, `[rows, …]`; [`IGNORED`] where there is none.
    Labels(Tensor<i64>),
    /// Targets with a weight for each sample; see [`weighted`](Target::weighted).
    Weighted {
        /// The targets without the weights.
        targets: Box<Target<T>>,
        /// The weight of each sample, `[samples]`.
        weights: Tensor<T>,
    },
}

impl<T: Float> Target<T> {
    /// The same targets with a weight for each sample, `[samples]`: Keras' `sample_weight`. Every loss of this crate
    /// multiplies the loss of a sample by its weight. A mean still divides by the number of samples (or by the weights
    /// of their classes), so that a weight of 1 changes nothing and a weight of 0 leaves a sample out. Metrics ignore
    /// the weights.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::{Loss, Mse, Target};
    /// let tape = Tape::<f64>::new();
    /// let target = Target::Values(tensor![0.0, 0.0]).weighted(tensor![0.5, 3.0]);
    /// assert_eq!(Mse::new().loss(tape.var([2.0, 1.0]), &target)?.item(), (0.5 * 4.0 + 3.0 * 1.0) / 2.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn weighted(self, weights: impl IntoTensor<T>) -> Self {
        let targets = match self {
            Target::Weighted { targets, .. } => targets,
            plain => Box::new(plain),
        };
        Target::Weighted { targets, weights: weights.into_tensor() }
    }

    /// The weight of each sample, if the targets are weighted.
    pub fn weights(&self) -> Option<&Tensor<T>> {
        match self {
            Target::Weighted { weights, .. } => Some(weights),
            _ => None,
        }
    }

    /// The targets without the weights.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::loss::Target;
    /// let target = Target::Values(tensor![1.0, 2.0]).weighted(tensor![0.5, 1.0]);
    /// assert_eq!(target.unweighted(), &Target::Values(tensor![1.0, 2.0]));
    /// assert_eq!((target.weights(), target.shape(), target.is_empty()), (Some(&tensor![0.5, 1.0]), [2].as_slice(), false));
    /// ```
    pub fn unweighted(&self) -> &Target<T> {
        match self {
            Target::Weighted { targets, .. } => targets,
            plain => plain,
        }
    }

    /// The targets on a tape, where a [`Loss`](super::Loss) reads them.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::Target;
    /// let (tape, target) = (Tape::<f64>::new(), Target::Values(tensor![1.0]).weighted(tensor![2.0]));
    /// assert_eq!(target.on(&tape).weights().unwrap().value(), tensor![2.0]);
    /// ```
    #[track_caller]
    pub fn on<'t>(&self, tape: &'t Tape<T>) -> Targets<'t, T> {
        let kind = match self.unweighted() {
            Target::Labels(labels) => Kind::Labels(tape.integers(labels.clone())),
            Target::Values(values) => Kind::Values(tape.constant(values.clone())),
            Target::Weighted { .. } => unreachable!("weights are not nested"),
        };
        Targets { kind, weights: self.weights().map(|weights| tape.constant(weights.clone())) }
    }

    /// The shape of the targets.
    pub fn shape(&self) -> &[usize] {
        match self {
            Target::Values(t) => t.shape(),
            Target::Labels(t) => t.shape(),
            Target::Weighted { targets, .. } => targets.shape(),
        }
    }

    /// Number of samples: the size of the first axis.
    pub fn len(&self) -> usize {
        self.shape().first().copied().unwrap_or(1)
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values.
    ///
    /// # Errors
    /// Returns an error if these are labels. `op` names the caller in the error.
    pub fn values(&self, op: &'static str) -> Result<&Tensor<T>> {
        match self.unweighted() {
            Target::Values(values) => Ok(values),
            _ => Err(not_values(op)),
        }
    }

    /// The class labels.
    ///
    /// # Errors
    /// Returns an error if these are values. `op` names the caller in the error.
    pub fn labels(&self, op: &'static str) -> Result<&Tensor<i64>> {
        match self.unweighted() {
            Target::Labels(labels) => Ok(labels),
            _ => Err(not_labels(op)),
        }
    }
}

/// The targets of a loss on the tape of its output. They are inputs when a training step is replayed, so a loss computes
/// with them on the tape, and does not read their values.
///
/// ```
/// use autograd::{Tape, tensor};
/// use nn::loss::Target;
/// let (tape, target) = (Tape::<f64>::new(), Target::Values(tensor![1.0, 2.0]));
/// assert_eq!(target.on(&tape).values("docs")?.value(), tensor![1.0, 2.0]);
/// assert!(target.on(&tape).labels("docs").is_err());
/// # Ok::<(), autograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Targets<'t, T: Float> {
    kind: Kind<'t, T>,
    weights: Option<Var<'t, T>>,
}

#[derive(Debug, Clone, Copy)]
enum Kind<'t, T: Float> {
    Values(Var<'t, T>),
    Labels(Ints<'t, T>),
}

impl<'t, T: Float> Targets<'t, T> {
    /// A target of a batch. Booleans are the values 0 and 1.
    pub(super) fn of(target: FieldVar<'t, T>, weights: Option<Var<'t, T>>) -> Self {
        let kind = match target {
            FieldVar::Numbers(values) => Kind::Values(values),
            FieldVar::Integers(labels) => Kind::Labels(labels),
            FieldVar::Booleans(mask) => Kind::Values(mask.indicator()),
        };
        Targets { kind, weights }
    }

    /// The only target of a batch.
    pub(super) fn vars(&self) -> Vars<'t, T> {
        let target = match self.kind {
            Kind::Values(values) => FieldVar::Numbers(values),
            Kind::Labels(labels) => FieldVar::Integers(labels),
        };
        Vars::one(ONLY_TARGET, target)
    }

    /// The values.
    ///
    /// # Errors
    /// Returns an error if these are labels. `op` names the caller in the error.
    pub fn values(&self, op: &'static str) -> Result<Var<'t, T>> {
        match self.kind {
            Kind::Values(values) => Ok(values),
            Kind::Labels(_) => Err(not_values(op)),
        }
    }

    /// The class labels.
    ///
    /// # Errors
    /// Returns an error if these are values. `op` names the caller in the error.
    pub fn labels(&self, op: &'static str) -> Result<Ints<'t, T>> {
        match self.kind {
            Kind::Labels(labels) => Ok(labels),
            Kind::Values(_) => Err(not_labels(op)),
        }
    }

    /// The weight of each sample, `[samples]`, if the targets are weighted.
    ///
    /// ```
    /// use autograd::{Tape, tensor};
    /// use nn::loss::Target;
    /// let (tape, target) = (Tape::<f64>::new(), Target::Values(tensor![1.0]).weighted(tensor![2.0]));
    /// assert_eq!(target.on(&tape).weights().unwrap().value(), tensor![2.0]);
    /// ```
    pub fn weights(&self) -> Option<Var<'t, T>> {
        self.weights
    }
}

fn not_values(op: &'static str) -> Error {
    let hint = "expected values, but the targets are class labels: use Target::Values, or CrossEntropy for classes";
    Error::Argument { op, hint: hint.into() }
}

fn not_labels(op: &'static str) -> Error {
    let hint = "expected class labels, but the targets are values: use Target::Labels, or Mse for values";
    Error::Argument { op, hint: hint.into() }
}
