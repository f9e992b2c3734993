//! What a report shows, taken from models and data: from here on it is plain numbers.

use super::Report;
use crate::data::{DataLoader, Dataset};
use crate::loss::Target;
use crate::metric::ConfusionMatrix;
use crate::plot::{Images, Panels, Plot};
use crate::train::{History, TrainError, Trainer, predict};
use crate::{Module, Pass, Path, once};
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
        model: &dyn Module<T>,
        test: &dyn Dataset<T>,
    ) -> Result<Report, TrainError> {
        report(self, title, history, model, test)
    }
}

/// Samples in the graph of a model: more change only its shapes.
const SHOWN: usize = 8;

once! {
    fn report<'d, T>(
        trainer: &Trainer<'d, T>,
        title: &str,
        history: &History,
        model: &dyn Module<T>,
        test: &dyn Dataset<T>,
    ) -> Result<Report, TrainError> {
        let found = trainer.evaluate(model, test)?;
        let mut text = format!("{} samples: loss {:.4}", test.len(), found.loss);
        for (metric, value) in trainer.metrics.iter().zip(&found.metrics) {
            text += &format!(", {} {value:.4}", metric.name());
        }
        let report = Report::new(title).history(history).text("Test", &text);
        let (matrix, points) = judged(model, test)?;
        let report = match matrix {
            Some(matrix) => report.confusion(&matrix),
            None => report,
        };
        let report = match points.is_empty() {
            true => report,
            false => {
                let actual = points.iter().map(|(x, _)| *x).filter(|x| x.is_finite());
                let ends = actual.fold([f64::NAN; 2], |[low, high], x| [low.min(x), high.max(x)]);
                let plot = Plot::new("").labels("actual", "predicted").scatter("test samples", points);
                report.figure("Predictions", &plot.curve("exact", ends.map(|x| (x, x))))
            }
        };
        let first: Vec<usize> = (0..test.len().min(SHOWN)).collect();
        Ok(report.model(model, &test.batch(&first)?.inputs))
    }

    /// The confusion matrix of a classifier, or the pairs of actual and predicted values of a regression with one output.
    fn judged<T>(
        model: &dyn Module<T>,
        data: &dyn Dataset<T>,
    ) -> Result<(Option<ConfusionMatrix>, Vec<(f64, f64)>), TrainError> {
        const BATCH: usize = 256;
        let (mut matrix, mut points) = (None::<ConfusionMatrix>, Vec::new());
        for batch in DataLoader::new(data, BATCH)?.epoch(0) {
            let batch = batch?;
            let output = predict(model, &batch.inputs, BATCH)?;
            match &batch.targets {
                Target::Labels(labels) if output.shape().len() == 2 => {
                    let classes = output.shape()[1];
                    let matrix = matrix.get_or_insert_with(|| ConfusionMatrix::new(classes));
                    matrix.add_scores(&output, labels).map_err(TrainError::Evaluation)?;
                }
                Target::Values(values) if values.len() == output.len() && output.len() == output.shape()[0] => {
                    points.extend(values.iter().zip(output.iter()).map(|(x, y)| (x.f64(), y.f64())));
                }
                _ => {}
            }
        }
        Ok((matrix, points))
    }

    /// The graph of a model on these inputs, in eval mode.
    pub(super) fn graph<T>(model: &dyn Module<T>, inputs: &Tensor<T>) -> String {
        let tape = Tape::new();
        let mut pass = Pass::eval(&tape).noting();
        let output = model.forward(tape.constant(inputs.clone()).named("x"), &mut pass).named("y");
        pass.drawing(model).of(output).to_svg()
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
        let mut panels = Panels::new("").shared_x();
        model.visit(&mut Path::default(), &mut |name, param| {
            if param.is_trainable() && param.value().shape().len() > 1 && panels.len() < 24 {
                let plot = Plot::new(name).histogram("", param.value().iter().map(|x| x.f64()));
                panels = std::mem::replace(&mut panels, Panels::new("")).panel(plot);
            }
        });
        panels
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
        let mut images = Images::new("", width);
        let mut is_first = true;
        model.visit(&mut Path::default(), &mut |_, param| {
            let weight = param.value();
            if !is_first || weight.shape().len() < 2 {
                return;
            }
            is_first = false;
            let (units, size) = (weight.shape()[0], weight.len() / weight.shape()[0].max(1));
            // Of a convolution, the first channel.
            let shown = if weight.shape().len() > 2 { size / weight.shape()[1].max(1) } else { size };
            if shown == 0 || shown % width != 0 {
                return;
            }
            let values: Vec<f64> = weight.iter().map(|x| x.f64()).collect();
            for (i, unit) in values.chunks_exact(size).take(units.min(64)).enumerate() {
                images = std::mem::replace(&mut images, Images::new("", width)).image(i.to_string(), &unit[..shown]);
            }
        });
        images
    }

    /// The first samples that scores `[n, classes]` put into a wrong class, at most `most`, as images of this width. Their
    /// captions say the actual and the predicted class.
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
        let rows = scores.shape().first().copied().unwrap_or(0);
        assert!(
            labels.len() == rows && inputs.shape().first() == Some(&rows),
            "mistakes: {rows} rows of scores need as many labels and inputs, got {} and {:?}",
            labels.len(),
            inputs.shape()
        );
        let mut images = Images::new("", width);
        let predicted = scores.argmax(1);
        // A label below 0 is ignored.
        let is_wrong = |(_, (label, predicted)): &(usize, (i64, i64))| *label >= 0 && label != predicted;
        let wrong = labels.iter().zip(predicted.iter()).enumerate().filter(is_wrong);
        for (i, (label, predicted)) in wrong.take(most) {
            let pixels: Vec<f64> = inputs.slice_axis(0, i..i + 1).iter().map(|x| x.f64()).collect();
            images = images.image(format!("{label} → {predicted}"), pixels);
        }
        images
    }
}
