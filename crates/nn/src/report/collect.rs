//! The contents of a report, extracted from models and data of either number type as plain numbers.

use super::{Described, Report};
use crate::data::{DataLoader, Dataset, Fields};
use crate::loss::Target;
use crate::metric::ConfusionMatrix;
use crate::plot::{Images, Panels, Plot};
use crate::train::{History, TrainError, Trainer, predict_fields};
use crate::{LayerError, Model, Module, Parameters, Pass, Path, once};
use autograd::{Float, Tape, Tensor};

impl<T: Float> Trainer<'_, T> {
    /// Reports on a model that was trained: the learning curves, loss and metrics on test data, the confusion matrix if its
    /// targets are labels or a plot of predicted over actual values if they are numbers, the layers of the model, its graph
    /// and its weights.
    ///
    /// ```
    /// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, metric::Metric, optim::Adam, train::Trainer};
    /// let (training, test) = digits::<f32>().split(0.8, 1)?;
    /// let mut model = Mlp::new(&[64, 10]).build();
    /// let mut trainer = Trainer::new(CrossEntropy::new(), Adam::new(0.01)).epochs(2).metric(Metric::accuracy()).quiet();
    /// let history = trainer.fit(&mut model, &training)?;
    /// let page = trainer.report("Digits", &history, &model, &test)?.html();
    /// assert!(page.contains("<h2>Confusion matrix</h2>") && page.contains("Linear(64, 10)"));
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    /// # Errors
    /// Same as [`evaluate`](Trainer::evaluate).
    pub fn report(
        &self,
        title: &str,
        history: &History,
        model: &dyn Model<T>,
        test: &dyn Dataset<T>,
    ) -> Result<Report, TrainError> {
        Ok(page(title, history, &found(self, model, test)?))
    }
}

/// The number of samples in the graph of a model: more would only change its shapes.
const SHOWN: usize = 8;

/// The results on test data.
struct Found {
    samples: usize,
    loss: f64,
    metrics: Vec<(String, f64)>,
    /// Of a classifier.
    matrix: Option<ConfusionMatrix>,
    /// The actual and the predicted values of a regression with one output.
    points: Vec<(f64, f64)>,
    model: Described,
}

fn page(title: &str, history: &History, found: &Found) -> Report {
    let mut text = format!("{} samples: loss {:.4}", found.samples, found.loss);
    for (name, value) in &found.metrics {
        text += &format!(", {name} {value:.4}");
    }
    let mut report = Report::new(title).history(history).text("Test", &text);
    if let Some(matrix) = &found.matrix {
        report = report.confusion(matrix);
    }
    if !found.points.is_empty() {
        let [mut low, mut high] = [f64::NAN; 2];
        for (actual, _) in &found.points {
            (low, high) = (actual.min(low), actual.max(high));
        }
        let plot = Plot::new("").labels("actual", "predicted").scatter("test samples", found.points.clone());
        report = report.figure("Predictions", &plot.curve("exact", [(low, low), (high, high)]));
    }
    report.described(&found.model)
}

/// All elements as `f64`.
fn numbers<T: Float>(x: &Tensor<T>) -> Vec<f64> {
    x.iter().map(|x| x.f64()).collect()
}

once! {
    fn found<'d, T>(trainer: &Trainer<'d, T>, model: &dyn Model<T>, test: &dyn Dataset<T>) -> Result<Found, TrainError> {
        const BATCH: usize = 256;
        let judged = trainer.evaluate(model, test)?;
        let names = trainer.metrics.iter().map(|metric| metric.name().to_owned());
        let metrics = names.zip(judged.metrics).collect();
        let (mut matrix, mut points) = (None::<ConfusionMatrix>, Vec::new());
        for samples in DataLoader::new(test, BATCH)?.epoch_samples(0) {
            let samples = samples?;
            let outputs = predict_fields(model, &samples.inputs, BATCH)?;
            // With several outputs, only metrics are shown.
            let (1, Ok(output), Ok(targets)) = (outputs.len(), outputs.numbers(0), Target::only(&samples)) else { break };
            match targets.unweighted() {
                Target::Labels(labels) if output.shape().len() == 2 => {
                    let classes = output.shape()[1];
                    let matrix = matrix.get_or_insert_with(|| ConfusionMatrix::new(classes));
                    matrix.add_scores(output, labels).map_err(TrainError::Evaluation)?;
                }
                Target::Values(values) if values.len() == output.len() && output.shape().first() == Some(&output.len()) => {
                    points.extend(numbers(values).into_iter().zip(numbers(output)));
                }
                _ => {}
            }
        }
        let first: Vec<usize> = (0..test.len().min(SHOWN)).collect();
        let model = described(model, &test.samples(0, &first)?.inputs)?;
        Ok(Found { samples: test.len(), loss: judged.loss, metrics, matrix, points, model })
    }

    /// The layers, the graph on these inputs in eval mode, and the weights of a model.
    pub(super) fn described<T>(model: &dyn Model<T>, inputs: &Fields<T>) -> Result<Described, LayerError> {
        let tape = Tape::new();
        let mut pass = Pass::eval(&tape).noting();
        let given = inputs.on(&tape);
        for (name, var) in given.vars() {
            var.named(&**name);
        }
        let outputs = pass.try_call(model, &given)?;
        let name = |name: &str| if outputs.len() == 1 { "y".to_owned() } else { name.to_owned() };
        let outputs: Vec<_> = outputs.vars().map(|(own, var)| var.named(name(own))).collect();
        let drawing = pass.drawing(model);
        let graph = if let [output] = outputs[..] { drawing.of(output) } else { drawing }.to_svg();
        Ok(Described { summary: crate::summary_of(model, inputs)?, graph, weights: parameters(model) })
    }

    /// A histogram of each trainable parameter that is not a vector: of the weights, but not of biases. At most the first 24
    /// are shown.
    ///
    /// ```
    /// use nn::plot::Figure;
    /// let model = nn::layer::Mlp::new(&[4, 3, 2]).build::<f32>();
    /// let svg = nn::report::weights(&model).svg();
    /// assert!(svg.contains(">0.weight</text>") && !svg.contains("bias"));
    /// ```
    pub fn weights<T>(model: &dyn Module<T>) -> Panels {
        parameters(model)
    }

    fn parameters<T>(model: &dyn Parameters<T>) -> Panels {
        let mut found: Vec<(String, Vec<f64>)> = Vec::new();
        model.visit(&mut Path::default(), &mut |name, param| {
            if param.is_trainable() && param.value().shape().len() > 1 && found.len() < 24 {
                found.push((name.to_owned(), numbers(param.value())));
            }
        });
        histograms(found)
    }

    /// The weights of the first layer as images of this width, one for each unit or filter: of a matrix, the rows; of a
    /// convolution, the filters for the first channel. At most 64 are shown; there are none if the width does not divide
    /// them.
    ///
    /// ```
    /// let model = nn::layer::Mlp::new(&[64, 32, 10]).build::<f32>();
    /// assert_eq!(nn::report::first_layer(&model, 8).len(), 32);
    /// ```
    /// # Panics
    /// If `width` is 0.
    pub fn first_layer<T>(model: &dyn Module<T>, width: usize) -> Images {
        let mut first: Option<(Vec<usize>, Vec<f64>)> = None;
        model.visit(&mut Path::default(), &mut |_, param| {
            if first.is_none() && param.value().shape().len() > 1 {
                first = Some((param.value().shape().to_vec(), numbers(param.value())));
            }
        });
        first.map_or_else(|| Images::new("", width), |(shape, weights)| filters(&shape, &weights, width))
    }

    /// The first misclassified samples, at most `most`, given scores `[n, classes]`, as images of this width. Their
    /// captions show the actual and the predicted class.
    ///
    /// ```
    /// use autograd::tensor;
    /// let (scores, labels) = (tensor![[2.0, 1.0], [0.0, 3.0]], tensor![0_i64, 0]);
    /// let wrong = nn::report::mistakes(&scores, &labels, &tensor![[0.0, 1.0], [1.0, 0.0]], 2, 10);
    /// assert_eq!(wrong.to_text(false), "@@\n0 → 1\n");
    /// ```
    /// # Panics
    /// If there are not as many labels and inputs as rows of scores, or `width` is 0.
    pub fn mistakes<T>(scores: &Tensor<T>, labels: &Tensor<i64>, inputs: &Tensor<T>, width: usize, most: usize) -> Images {
        let rows = |x: &Tensor<T>| x.shape().first().copied().unwrap_or(0);
        let (samples, images) = (rows(scores), rows(inputs));
        assert!(
            labels.len() == samples && images == samples,
            "mistakes: {samples} rows of scores need as many labels and inputs, got {} and {images}",
            labels.len()
        );
        wrong(&numbers(scores), &labels.to_vec(), &numbers(inputs), width, most)
    }
}

fn histograms(parameters: Vec<(String, Vec<f64>)>) -> Panels {
    let panels = Panels::new("").shared_x();
    parameters.into_iter().fold(panels, |panels, (name, values)| panels.panel(Plot::new(name).histogram("", values)))
}

/// The rows of a weight, or its filters for the first channel, as images.
fn filters(shape: &[usize], weights: &[f64], width: usize) -> Images {
    let images = Images::new("", width);
    let size = weights.len() / shape[0].max(1);
    let shown = if shape.len() > 2 { size / shape[1].max(1) } else { size };
    if shown == 0 || shown % width != 0 {
        return images;
    }
    let units = weights.chunks_exact(size).take(64).enumerate();
    units.fold(images, |images, (i, unit)| images.image(i.to_string(), &unit[..shown]))
}

/// The images of misclassified samples.
fn wrong(scores: &[f64], labels: &[i64], inputs: &[f64], width: usize, most: usize) -> Images {
    let mut images = Images::new("", width);
    let (classes, pixels) = (scores.len() / labels.len().max(1), inputs.len() / labels.len().max(1));
    for (i, &label) in labels.iter().enumerate() {
        let row = &scores[i * classes..(i + 1) * classes];
        let predicted = (1..classes).fold(0, |best, k| if row[k] > row[best] { k } else { best });
        // A label below 0 is ignored.
        if label >= 0 && label != predicted as i64 && images.len() < most {
            images = images.image(format!("{label} → {predicted}"), &inputs[i * pixels..(i + 1) * pixels]);
        }
    }
    images
}
