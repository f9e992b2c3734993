//! Inference and evaluation: the outputs of a model, and its loss and metrics on held-out data.

use super::callback::Sums;
use super::error::TrainError;
use super::objective::Recorded;
use crate::data::{DataError, DataLoader, Dataset, Field, Fields, Samples};
use crate::fields::each;
use crate::loss::Loss;
use crate::metric::Metric;
use crate::once;
use crate::{Model, Module, Pass};
use autograd::{Float, Tape, Tensor};

/// The loss and metrics of a model on a data set.
///
/// ```
/// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, metric::Metric, optim::Sgd, train::Trainer};
/// let trainer = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1)).metric(Metric::accuracy());
/// let found = trainer.evaluate(&Mlp::new(&[64, 10]).build(), &digits())?;
/// assert!(found.loss > 1.0 && found.metric() == Some(found.metrics[0]));
/// # Ok::<(), nn::train::TrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Mean loss per sample, independent of batch size and reduction: see [`Loss::sum_and_count`]. 0 if no target counts.
    pub loss: f64,
    /// The metrics, in the order requested.
    pub metrics: Vec<f64>,
    /// The parts of the loss that have names, without their weights.
    pub parts: Vec<(String, f64)>,
}

impl Evaluation {
    pub(super) fn of<T: Float>(sums: &Sums<T>, loss: &dyn Loss<T>) -> Self {
        let metrics = sums.measures.iter().map(|measure| measure.value()).collect();
        Evaluation { loss: sums.mean_loss(loss), metrics, parts: sums.mean_parts() }
    }

    /// The first metric, if any was requested.
    pub fn metric(&self) -> Option<f64> {
        self.metrics.first().copied()
    }
}

once! {
    /// Computes the model's outputs in eval mode, in batches to bound memory.
    ///
    /// ```
    /// use autograd::{Rng, Tensor};
    /// let model = nn::layer::Linear::<f32>::new(3, 2, &mut Rng::new(0));
    /// let outputs = nn::train::predict(&model, &Tensor::zeros(&[10, 3]), 4)?;
    /// assert_eq!(outputs.shape(), [10, 2]);
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    /// # Errors
    /// Returns an error if the batch size is 0, the inputs are a scalar and so have no batch axis, or a layer cannot take
    /// them.
    pub fn predict<T>(
        model: &dyn Module<T>,
        inputs: &Tensor<T>,
        batch_size: usize,
    ) -> Result<Tensor<T>, TrainError> {
        if batch_size == 0 {
            return Err(DataError::BatchSize.into());
        }
        let samples = batch_axis(inputs.shape())?;
        let mut tape = Tape::new();
        let mut forward = |from: usize, to: usize| -> Result<Tensor<T>, TrainError> {
            tape.clear();
            let x = tape.constant(inputs.slice_axis(0, from..to));
            Ok(Pass::eval(&tape).try_forward(model, x)?.value())
        };
        if samples <= batch_size {
            return forward(0, samples);
        }
        let starts = (0..samples).step_by(batch_size);
        let outputs: Result<Vec<Tensor<T>>, _> = starts.map(|from| forward(from, samples.min(from + batch_size))).collect();
        Ok(Tensor::concat(&outputs?, 0))
    }

    /// Computes the outputs of a model with any number of inputs and outputs in eval mode, in batches to bound memory.
    ///
    /// ```
    /// use autograd::{Rng, Tensor};
    /// let model = nn::layer::Linear::<f32>::new(3, 2, &mut Rng::new(0));
    /// let inputs = nn::data::Fields::new().with("x", Tensor::<f32>::zeros(&[10, 3]));
    /// let outputs = nn::train::predict_fields(&model, &inputs, 4)?;
    /// assert_eq!(outputs.numbers(0)?.shape(), [10, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    /// # Errors
    /// Returns an error if the batch size is 0, the inputs do not have the same number of rows, or the model cannot take
    /// them.
    pub fn predict_fields<T>(
        model: &dyn Model<T>,
        inputs: &Fields<T>,
        batch_size: usize,
    ) -> Result<Fields<T>, TrainError> {
        if batch_size == 0 {
            return Err(DataError::BatchSize.into());
        }
        let first = inputs.get(0).ok_or(DataError::Empty)?;
        let samples = batch_axis(first.shape())?;
        if let Some((name, field)) = inputs.iter().find(|(_, field)| field.shape().first() != Some(&samples)) {
            return Err(DataError::Rows { name: name.to_owned(), field: field.to_string(), samples }.into());
        }
        let (mut tape, mut parts) = (Tape::new(), Vec::<(String, Vec<Tensor<T>>)>::new());
        for from in (0..samples.max(1)).step_by(batch_size) {
            let to = samples.min(from + batch_size);
            tape.clear();
            let part = inputs.map(|field| each!(field, x =>> x.slice_axis(0, from..to)));
            let outputs = Pass::eval(&tape).try_call(model, &part.on(&tape))?;
            for (place, (name, output)) in outputs.vars().enumerate() {
                if parts.len() == place {
                    parts.push((name.to_string(), Vec::new()));
                }
                parts[place].1.push(output.value());
            }
        }
        let join = |all: Fields<T>, (name, parts): (String, Vec<Tensor<T>>)| {
            all.with(name, Field::Numbers(Tensor::concat(&parts, 0)))
        };
        Ok(parts.into_iter().fold(Fields::new(), join))
    }
}

/// Number of samples of inputs of this shape.
fn batch_axis(shape: &[usize]) -> Result<usize, TrainError> {
    shape.first().copied().ok_or_else(|| {
        let hint = "inputs need a batch axis: unsqueeze(0) turns one sample into a batch of one";
        DataError::from(autograd::Error::Argument { op: "predict", hint: hint.into() }).into()
    })
}

once! {
    /// Computes the loss and metrics of a model on a data set, in eval mode.
    ///
    /// ```
    /// use autograd::{Rng, tensor};
    /// use nn::{data::TensorDataset, loss::{Mse, Target}, metric::Metric};
    /// let data = TensorDataset::new(tensor![[1.0], [2.0]], Target::Values(tensor![[0.0], [0.0]]))?;
    /// let model = nn::layer::Linear::<f64>::new(1, 1, &mut Rng::new(0));
    /// let found = nn::train::evaluate(&model, &Mse::new(), &[Metric::root_mean_squared_error()], &data, 32)?;
    /// assert!((found.loss - found.metrics[0].powi(2)).abs() < 1e-15);
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    /// # Errors
    /// Returns an error if the batch size is 0, the data is empty or cannot be read, a layer cannot take it, or the targets
    /// do not fit the outputs.
    pub fn evaluate<T>(
        model: &dyn Model<T>,
        loss: &dyn Loss<T>,
        metrics: &[Metric<T>],
        data: &dyn Dataset<T>,
        batch_size: usize,
    ) -> Result<Evaluation, TrainError> {
        let loader = DataLoader::new(data, batch_size)?;
        let mut tape = Tape::new();
        let mut sums = Sums::new(metrics);
        for samples in loader.epoch_samples(0) {
            add_batch(model, loss, metrics, &samples?, &mut tape, &mut sums)?;
        }
        Ok(Evaluation::of(&sums, loss))
    }
}

/// Adds the loss and metrics of a batch in eval mode.
pub(super) fn add_batch<T: Float>(
    model: &dyn Model<T>,
    loss: &dyn Loss<T>,
    metrics: &[Metric<T>],
    samples: &Samples<T>,
    tape: &mut Tape<T>,
    sums: &mut Sums<T>,
) -> Result<(), TrainError> {
    tape.clear();
    let given = samples.on(tape);
    let outputs = Pass::eval(tape).try_call(model, &given.inputs)?;
    let outcome = loss.parts(&outputs, &given).and_then(|parts| {
        let plain = parts.total()?;
        Recorded { outputs, parts, plain, total: plain }.outcome()
    });
    outcome.and_then(|outcome| sums.add(loss, metrics, &outcome, samples)).map_err(TrainError::Evaluation)
}
