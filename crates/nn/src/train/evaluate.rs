//! Inference and evaluation: the outputs of a model, and its loss and metrics on held-out data.

use super::callback::mean_loss;
use super::error::TrainError;
use crate::data::{DataError, DataLoader, Dataset};
use crate::loss::Loss;
use crate::metric::Metric;
use crate::once;
use crate::{Module, Pass};
use autograd::{Tape, Tensor};

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
}

impl Evaluation {
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
        let Some(&samples) = inputs.shape().first() else {
            let hint = "inputs need a batch axis: unsqueeze(0) turns one sample into a batch of one";
            return Err(DataError::from(autograd::Error::Argument { op: "predict", hint: hint.into() }).into());
        };
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
        model: &dyn Module<T>,
        loss: &dyn Loss<T>,
        metrics: &[Metric<T>],
        data: &dyn Dataset<T>,
        batch_size: usize,
    ) -> Result<Evaluation, TrainError> {
        let loader = DataLoader::new(data, batch_size)?;
        let mut tape = Tape::new();
        let mut measures: Vec<_> = metrics.iter().map(Metric::start).collect();
        let (mut total, mut samples) = (0.0, 0.0);
        for batch in loader.epoch(0) {
            let batch = batch?;
            tape.clear();
            let output = Pass::eval(&tape).try_forward(model, tape.constant(batch.inputs))?;
            let value = loss.loss(output, &batch.targets).and_then(|loss| loss.value().try_item());
            let (sum, count) = loss.sum_and_count(value.map_err(TrainError::Evaluation)?.f64(), &batch.targets);
            (total, samples) = (total + sum, samples + count);
            let output = output.value();
            let mut noted = measures.iter_mut().map(|measure| measure.add(&output, &batch.targets));
            noted.try_for_each(|noted| noted).map_err(TrainError::Evaluation)?;
        }
        let metrics = measures.iter().map(|measure| measure.value()).collect();
        Ok(Evaluation { loss: mean_loss(total, samples), metrics })
    }
}
