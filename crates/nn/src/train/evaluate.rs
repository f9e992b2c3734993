//! A model in use: what it says, and how well it does on data it does not learn from.

use super::error::TrainError;
use crate::data::{DataError, DataLoader, Dataset};
use crate::loss::{Loss, Target};
use crate::{Module, Pass, metric};
use autograd::{Float, Tape, Tensor};

/// How well a model does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// The mean loss of a sample.
    pub loss: f64,
    /// The metric, if one was asked for.
    pub metric: Option<f64>,
}

/// A number for people to read that says how good outputs are: a function of [`metric`] with its name.
///
/// ```
/// use nn::train::Metric;
/// let worst = Metric::<f64> {
///     name: "worst",
///     rises: false,
///     of: |output, target| Ok((output - target.values("worst")?).abs().max().item()),
/// };
/// assert_eq!((worst.name, Metric::<f64>::accuracy().name), ("worst", "accuracy"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Metric<T: Float> {
    /// What it is called.
    pub name: &'static str,
    /// Whether more is better.
    pub rises: bool,
    /// The number for some outputs and their targets.
    pub of: fn(&Tensor<T>, &Target<T>) -> autograd::Result<f64>,
}

impl<T: Float> Metric<T> {
    /// The part of the labels that the outputs get right; see [`metric::accuracy`].
    pub fn accuracy() -> Self {
        Metric { name: "accuracy", rises: true, of: |y, t| metric::accuracy(y, t.labels("accuracy")?) }
    }

    /// The mean absolute error; see [`metric::mean_absolute_error`].
    pub fn mean_absolute_error() -> Self {
        let name = "mean_absolute_error";
        Metric { name, rises: false, of: |y, t| metric::mean_absolute_error(y, t.values("mean_absolute_error")?) }
    }

    /// The coefficient of determination; see [`metric::r2`].
    pub fn r2() -> Self {
        Metric { name: "r2", rises: true, of: |y, t| metric::r2(y, t.values("r2")?) }
    }
}

/// What the model says to each input, in eval mode, computed in batches to bound the memory.
///
/// ```
/// use autograd::{Rng, Tensor};
/// let model = nn::layer::Linear::<f32>::new(3, 2, &mut Rng::new(0));
/// let outputs = nn::train::predict(&model, &Tensor::zeros(&[10, 3]), 4)?;
/// assert_eq!(outputs.shape(), [10, 2]);
/// # Ok::<(), nn::train::TrainError>(())
/// ```
/// # Errors
/// If the batch size is 0, or the inputs are a single number and so have no first axis.
///
/// # Panics
/// If the inputs do not fit the model, as [`Module::forward`] does.
pub fn predict<T: Float>(
    model: &dyn Module<T>,
    inputs: &Tensor<T>,
    batch_size: usize,
) -> Result<Tensor<T>, TrainError> {
    if batch_size == 0 {
        return Err(DataError::BatchSize.into());
    }
    let Some(&samples) = inputs.shape().first() else {
        let hint = "inputs need an axis of samples: unsqueeze(0) makes one sample a batch of one";
        return Err(DataError::from(autograd::Error::Argument { op: "predict", hint: hint.into() }).into());
    };
    let mut tape = Tape::new();
    let mut forward = |from: usize, to: usize| {
        tape.clear();
        let mut pass = Pass::eval(&tape);
        model.forward(tape.constant(inputs.slice_axis(0, from..to)), &mut pass).value()
    };
    if samples <= batch_size {
        return Ok(forward(0, samples));
    }
    let starts = (0..samples).step_by(batch_size);
    let outputs: Vec<Tensor<T>> = starts.map(|from| forward(from, samples.min(from + batch_size))).collect();
    Ok(Tensor::concat(&outputs, 0))
}

/// Loss and metric of a model on data, in eval mode. The metric sees all outputs at once.
///
/// ```
/// use autograd::{Rng, tensor};
/// use nn::{data::TensorDataset, loss::{Mse, Target}};
/// let data = TensorDataset::new(tensor![[1.0], [2.0]], Target::Values(tensor![[0.0], [0.0]]))?;
/// let model = nn::layer::Linear::<f64>::new(1, 1, &mut Rng::new(0));
/// let found = nn::train::evaluate(&model, &Mse::new(), None, &data, 32)?;
/// let outputs = nn::train::predict(&model, data.inputs(), 32)?;
/// assert!((found.loss - outputs.square().mean().item()).abs() < 1e-15);
/// # Ok::<(), nn::train::TrainError>(())
/// ```
/// # Errors
/// If the batch size is 0, the data is empty or cannot be read, or the targets do not fit the outputs.
///
/// # Panics
/// If the inputs do not fit the model, as [`Module::forward`] does.
pub fn evaluate<T: Float>(
    model: &dyn Module<T>,
    loss: &dyn Loss<T>,
    metric: Option<Metric<T>>,
    data: &dyn Dataset<T>,
    batch_size: usize,
) -> Result<Evaluation, TrainError> {
    let loader = DataLoader::new(data, batch_size)?;
    let mut tape = Tape::new();
    let (mut total, mut outputs, mut targets) = (0.0, Vec::new(), Vec::new());
    for batch in loader.epoch(0) {
        let batch = batch?;
        tape.clear();
        let output = model.forward(tape.constant(batch.inputs), &mut Pass::eval(&tape));
        let mean = loss.loss(output, &batch.targets).and_then(|loss| loss.value().try_item());
        total += mean.map_err(TrainError::Evaluation)?.f64() * batch.targets.len() as f64;
        if metric.is_some() {
            outputs.push(output.value());
            targets.push(batch.targets);
        }
    }
    let measured = metric.map(|metric| (metric.of)(&Tensor::try_concat(&outputs, 0)?, &joined(&targets)?));
    let metric = measured.transpose().map_err(TrainError::Evaluation)?;
    Ok(Evaluation { loss: total / data.len() as f64, metric })
}

/// The targets of several batches as those of one.
fn joined<T: Float>(targets: &[Target<T>]) -> autograd::Result<Target<T>> {
    if let [one] = targets {
        return Ok(one.clone());
    }
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for target in targets {
        match target {
            Target::Values(v) => values.push(v.clone()),
            Target::Labels(l) => labels.extend(l.iter()),
        }
    }
    Ok(if labels.is_empty() {
        Target::Values(Tensor::try_concat(&values, 0)?)
    } else {
        Target::Labels(labels.into_iter().collect())
    })
}
