//! [`Metric`]: a named measure of quality, and [`Measure`]: its computation batch by batch.

use super::{Average, ConfusionMatrix, Decision, auc::Auc, classes, counted::Counted, regression, tally::Tally};
use crate::fields::{Fields, Samples};
use crate::loss::{IGNORED, Target};
use autograd::{Error, Float, Result, Tensor};
use std::fmt::Debug;

/// The running state of a metric over batches.
///
/// Its state is a list of numbers, so that a [checkpoint](crate::train::Checkpoints) in the middle of an epoch can
/// store it.
///
/// ```
/// use autograd::tensor;
/// use nn::{loss::Target, metric::Metric};
/// let metric = Metric::<f64>::mean_absolute_error();
/// let mut measure = metric.start();
/// measure.add(&tensor![1.0, 2.0], &Target::Values(tensor![0.0, 0.0]))?;
/// let mut later = metric.start();
/// assert!(later.restore(&measure.state()));
/// later.add(&tensor![6.0], &Target::Values(tensor![0.0]))?;
/// assert_eq!(later.value(), 3.0);
/// # Ok::<(), autograd::Error>(())
/// ```
pub trait Measure<T: Float>: Send {
    /// Adds a batch of outputs and their targets.
    ///
    /// # Errors
    /// Returns an error, and adds nothing, if they do not match.
    fn add(&mut self, output: &Tensor<T>, target: &Target<T>) -> Result<()>;

    /// The value over all batches so far; NaN if there are none.
    fn value(&self) -> f64;

    /// The exact state.
    fn state(&self) -> Vec<f64>;

    /// Restores what [`state`](Measure::state) returned. Returns `false` if `state` is not valid for this measure.
    fn restore(&mut self, state: &[f64]) -> bool;

    /// Adds the samples that another measure of the same metric has seen, given its [`state`](Measure::state): the
    /// ranks of a [distributed run](crate::distributed) each measure their own samples. Returns `false`, and adds
    /// nothing, if `state` is not valid for this measure or the measure cannot be merged, which is the default.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{loss::Target, metric::Metric};
    /// let metric = Metric::<f64>::mean_absolute_error();
    /// let (mut here, mut there) = (metric.start(), metric.start());
    /// here.add(&tensor![1.0, 2.0], &Target::Values(tensor![0.0, 0.0]))?;
    /// there.add(&tensor![6.0], &Target::Values(tensor![0.0]))?;
    /// assert!(here.merge(&there.state()) && here.value() == 3.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    fn merge(&mut self, state: &[f64]) -> bool {
        let _ = state;
        false
    }
}

/// A named measure of the quality of outputs.
///
/// ```
/// use autograd::tensor;
/// use nn::{loss::Target, metric::Metric};
/// let accuracy = Metric::<f64>::accuracy();
/// let mut measure = accuracy.start();
/// measure.add(&tensor![[0.9, 0.1], [0.2, 0.8]], &Target::Labels(tensor![0_i64, 0]))?;
/// measure.add(&tensor![[0.3, 0.7]], &Target::Labels(tensor![1_i64]))?;
/// assert_eq!((accuracy.name(), measure.value()), ("accuracy", 2.0 / 3.0));
/// # Ok::<(), autograd::Error>(())
/// ```
pub struct Metric<T: Float> {
    name: String,
    /// The settings that distinguish it from others with the same name.
    settings: String,
    rises: bool,
    /// The output and the target to compare, where there are several.
    of: Option<(String, String)>,
    start: Box<dyn Fn() -> Box<dyn Measure<T>> + Send>,
}

impl<T: Float> Metric<T> {
    /// A metric with a custom [`Measure`]. `rises` says whether higher is better.
    ///
    /// ```
    /// use autograd::Tensor;
    /// use nn::{loss::Target, metric::{Measure, Metric}};
    ///
    /// /// The largest error so far.
    /// struct Worst(f64);
    /// impl Measure<f64> for Worst {
    ///     fn add(&mut self, output: &Tensor<f64>, target: &Target<f64>) -> autograd::Result<()> {
    ///         self.0 = self.0.max((output - target.values("worst")?).abs().max().item());
    ///         Ok(())
    ///     }
    ///     fn value(&self) -> f64 {
    ///         self.0
    ///     }
    ///     fn state(&self) -> Vec<f64> {
    ///         vec![self.0]
    ///     }
    ///     fn restore(&mut self, state: &[f64]) -> bool {
    ///         state.first().map(|worst| self.0 = *worst).is_some()
    ///     }
    /// }
    /// let worst = Metric::new("worst", false, || Worst(0.0));
    /// assert!(!worst.rises());
    /// ```
    pub fn new<M: Measure<T> + 'static>(
        name: impl Into<String>,
        rises: bool,
        start: impl Fn() -> M + Send + 'static,
    ) -> Self {
        let start = Box::new(move || Box::new(start()) as Box<dyn Measure<T>>);
        Metric { name: name.into(), settings: String::new(), rises, of: None, start }
    }

    /// A metric that is a mean: `of` returns the sum over a batch and the number of terms.
    ///
    /// ```
    /// use nn::metric::Metric;
    /// // How often an output is within 0.1 of its target.
    /// let close = Metric::<f32>::mean("close", true, |output, target| {
    ///     let near = (output - target.values("close")?).abs().iter().filter(|d| *d < 0.1).count();
    ///     Ok((near as f64, output.len() as f64))
    /// });
    /// assert_eq!(close.name(), "close");
    /// ```
    pub fn mean(
        name: impl Into<String>,
        rises: bool,
        of: impl Fn(&Tensor<T>, &Target<T>) -> Result<(f64, f64)> + Clone + Send + 'static,
    ) -> Self {
        Self::mean_then(name, rises, of, |mean| mean)
    }

    /// A function of a mean.
    fn mean_then(
        name: impl Into<String>,
        rises: bool,
        of: impl Fn(&Tensor<T>, &Target<T>) -> Result<(f64, f64)> + Clone + Send + 'static,
        then: fn(f64) -> f64,
    ) -> Self {
        Self::new(name, rises, move || Mean { of: of.clone(), then, sum: 0.0, count: 0.0 })
    }

    /// A metric computed from the [`ConfusionMatrix`] of the predictions, for labels or binary targets. The matrix has
    /// the square of the number of classes as its size; [`precision`](Metric::precision), [`recall`](Metric::recall) and
    /// [`f1`](Metric::f1) need only three counts per class.
    ///
    /// ```
    /// use nn::metric::{Average, Decision, Metric};
    /// // F1 of a network with one logit, which predicts class 1 above 0.
    /// let f1 = Metric::<f32>::counted("f1", Decision::Above(0.0), |matrix| matrix.average_f1(Average::Binary));
    /// assert!(f1.rises());
    /// ```
    pub fn counted(
        name: impl Into<String>,
        decision: Decision,
        of: impl Fn(&ConfusionMatrix) -> f64 + Clone + Send + 'static,
    ) -> Self {
        Self::new(name, true, move || Counted::new(decision, of.clone())).set(decision)
    }

    /// The same metric with one more setting in its description.
    fn set(mut self, setting: impl Debug) -> Self {
        self.settings += &format!(" {setting:?}");
        self
    }

    /// Identifies the metric: its name and its settings. A checkpoint stores it and cannot be resumed with a different
    /// metric. The settings of custom metrics are not known, so their names should distinguish them.
    ///
    /// ```
    /// use nn::metric::{Average, Metric};
    /// assert_eq!(Metric::<f32>::f1(Average::Macro).ignoring(0).describe(), "f1 Macro ignoring 0");
    /// ```
    pub fn describe(&self) -> String {
        format!("{}{}", self.name, self.settings)
    }

    /// An average over classes.
    fn tallied(name: &str, average: Average, of: fn(&Tally, Average) -> f64) -> Self {
        let classes = (average == Average::Binary).then_some(2);
        let start =
            move || Counted::new(Decision::Largest, move |tally: &Tally| of(tally, average)).of_classes(classes);
        Self::new(name, true, start).set(average)
    }

    /// The fraction of labels predicted correctly; see [`accuracy`](super::accuracy).
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{loss::Target, metric::Metric};
    /// let mut measure = Metric::<f64>::accuracy().start();
    /// measure.add(&tensor![[0.1, 0.9], [0.3, 0.7]], &Target::Labels(tensor![1_i64, 0]))?;
    /// assert_eq!(measure.value(), 0.5);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn accuracy() -> Self {
        Self::mean("accuracy", true, |y, t| classes::hits(y, t.labels("accuracy")?))
    }

    /// The fraction of binary targets predicted correctly, where an output above the threshold means 1; see
    /// [`binary_accuracy`](super::binary_accuracy).
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{loss::Target, metric::Metric};
    /// let mut measure = Metric::<f64>::binary_accuracy(0.5).start();
    /// measure.add(&tensor![0.9, 0.2], &Target::Values(tensor![1.0, 1.0]))?;
    /// assert_eq!(measure.value(), 0.5);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn binary_accuracy(threshold: f64) -> Self {
        Self::mean("binary_accuracy", true, move |y, t| classes::binary_hits(y, t, threshold)).set(threshold)
    }

    /// The fraction of labels among the `k` highest scores; see [`top_k_accuracy`](super::top_k_accuracy).
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{loss::Target, metric::Metric};
    /// let mut measure = Metric::<f64>::top_k(2).start();
    /// measure.add(&tensor![[0.1, 0.3, 0.6]], &Target::Labels(tensor![1_i64]))?;
    /// assert_eq!(measure.value(), 1.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn top_k(k: usize) -> Self {
        let name = format!("top_{k}_accuracy");
        Self::mean(name, true, move |y, t| classes::top_k_hits(y, t.labels("top_k_accuracy")?, k))
    }

    /// The precision: of the samples predicted as a class, the fraction that belongs to it; see
    /// [`ConfusionMatrix::average_precision`]. [`Average::Binary`] requires exactly two classes; otherwise, the result
    /// is an error.
    ///
    /// ```
    /// use nn::metric::{Average, Metric};
    /// let metrics = [Metric::<f32>::precision(Average::Macro), Metric::recall(Average::Macro), Metric::f1(Average::Macro)];
    /// assert_eq!(metrics.map(|metric| metric.name().to_owned()), ["precision", "recall", "f1"]);
    /// ```
    pub fn precision(average: Average) -> Self {
        Self::tallied("precision", average, Tally::precision)
    }

    /// The recall: of the samples of a class, the fraction predicted as it; see [`ConfusionMatrix::average_recall`].
    pub fn recall(average: Average) -> Self {
        Self::tallied("recall", average, Tally::recall)
    }

    /// The harmonic mean of precision and recall; see [`ConfusionMatrix::average_f1`].
    #[doc(alias = "f1_score")]
    pub fn f1(average: Average) -> Self {
        Self::tallied("f1", average, Tally::f1)
    }

    /// The area under the receiver operating characteristic curve; see [`roc_auc`](super::roc_auc). It stores all
    /// scores of an epoch.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{loss::Target, metric::Metric};
    /// let mut measure = Metric::<f64>::roc_auc().start();
    /// measure.add(&tensor![0.1, 0.4, 0.35, 0.8], &Target::Values(tensor![0.0, 0.0, 1.0, 1.0]))?;
    /// assert_eq!(measure.value(), 0.75);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn roc_auc() -> Self {
        Self::new("roc_auc", true, Auc::default)
    }

    /// The exponential of the mean cross-entropy of the labels; see [`perplexity`](super::perplexity).
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{loss::Target, metric::Metric};
    /// let mut measure = Metric::<f64>::perplexity().start();
    /// measure.add(&tensor![[0.0, 0.0, 0.0, 0.0]], &Target::Labels(tensor![2_i64]))?; // one of four, at random
    /// assert!((measure.value() - 4.0).abs() < 1e-12);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn perplexity() -> Self {
        let of = |y: &Tensor<T>, t: &Target<T>| classes::surprise(y, t.labels("perplexity")?);
        Self::mean_then("perplexity", false, of, f64::exp)
    }

    /// The mean absolute error; see [`mean_absolute_error`](super::mean_absolute_error).
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{loss::Target, metric::Metric};
    /// let mut measure = Metric::<f64>::mean_absolute_error().start();
    /// measure.add(&tensor![1.0, 2.0], &Target::Values(tensor![2.0, 4.0]))?;
    /// assert_eq!(measure.value(), 1.5);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn mean_absolute_error() -> Self {
        const NAME: &str = "mean_absolute_error";
        Self::mean(NAME, false, |y, t| regression::absolute(NAME, y, t.values(NAME)?))
    }

    /// The mean squared error; see [`mean_squared_error`](super::mean_squared_error).
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{loss::Target, metric::Metric};
    /// let mut measure = Metric::<f64>::mean_squared_error().start();
    /// measure.add(&tensor![1.0, 2.0], &Target::Values(tensor![2.0, 4.0]))?;
    /// assert_eq!(measure.value(), 2.5);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn mean_squared_error() -> Self {
        const NAME: &str = "mean_squared_error";
        Self::mean(NAME, false, |y, t| regression::squared(NAME, y, t.values(NAME)?))
    }

    /// The square root of the mean squared error; see [`root_mean_squared_error`](super::root_mean_squared_error).
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{loss::Target, metric::Metric};
    /// let mut measure = Metric::<f64>::root_mean_squared_error().start();
    /// measure.add(&tensor![1.0, 2.0], &Target::Values(tensor![4.0, 5.0]))?;
    /// assert_eq!(measure.value(), 3.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn root_mean_squared_error() -> Self {
        Self::new("root_mean_squared_error", false, regression::RootMeanSquare::default)
    }

    /// The coefficient of determination; see [`r2`](super::r2).
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{loss::Target, metric::Metric};
    /// let mut measure = Metric::<f64>::r2().start();
    /// measure.add(&tensor![1.0, 2.0, 3.0], &Target::Values(tensor![1.0, 2.0, 3.0]))?;
    /// assert_eq!(measure.value(), 1.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn r2() -> Self {
        Self::new("r2", true, regression::Determination::default)
    }

    /// The same metric, ignoring samples with this label as well as those with [`IGNORED`]. Use it with a loss that has
    /// the same `ignore_index`.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::{loss::Target, metric::Metric};
    /// let padding = 0;
    /// let mut measure = Metric::<f64>::accuracy().ignoring(padding).start();
    /// measure.add(&tensor![[0.1, 0.9], [0.1, 0.9]], &Target::Labels(tensor![1_i64, 0]))?;
    /// assert_eq!(measure.value(), 1.0);
    /// # Ok::<(), autograd::Error>(())
    /// ```
    pub fn ignoring(self, label: i64) -> Self {
        let start = self.start;
        let settings = format!("{} ignoring {label}", self.settings);
        Metric { settings, start: Box::new(move || Box::new(Ignoring { label, measure: start() })), ..self }
    }

    /// The same metric of the output and the target with these names, among several. The target becomes a prefix of the
    /// metric's name.
    ///
    /// ```
    /// use nn::metric::Metric;
    /// let accuracy = Metric::<f32>::accuracy().between("class", "digit");
    /// assert_eq!(accuracy.name(), "digit_accuracy");
    /// ```
    pub fn between(self, output: impl Into<String>, target: impl Into<String>) -> Self {
        let (output, target) = (output.into(), target.into());
        let settings = format!("{} of {output:?} and {target:?}", self.settings);
        Metric { name: format!("{target}_{}", self.name), settings, of: Some((output, target)), ..self }
    }

    /// The output and the target that it compares.
    ///
    /// # Errors
    /// Returns an error if they do not exist, or there are several and the metric does not say which.
    pub(crate) fn read<'o>(&self, outputs: &'o Fields<T>, samples: &Samples<T>) -> Result<(&'o Tensor<T>, Target<T>)> {
        match &self.of {
            Some((output, target)) => Ok((outputs.numbers(output)?, Target::of(samples, target)?)),
            None if outputs.len() > 1 => {
                let hint = format!("the model has the outputs {outputs}: say which by Metric::between");
                Err(Error::Argument { op: "metric", hint })
            }
            None => Ok((outputs.numbers(0)?, Target::only(samples)?)),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether higher is better.
    pub fn rises(&self) -> bool {
        self.rises
    }

    /// The same metric with another name, to distinguish two of the same kind.
    ///
    /// ```
    /// use nn::metric::Metric;
    /// let padded = Metric::<f32>::accuracy().ignoring(0).named("accuracy without padding");
    /// assert_eq!((padded.name(), padded.rises()), ("accuracy without padding", true));
    /// ```
    pub fn named(self, name: impl Into<String>) -> Self {
        Metric { name: name.into(), settings: format!(" ({})", self.describe()), ..self }
    }

    /// Starts a measure without any batches.
    pub fn start(&self) -> Box<dyn Measure<T>> {
        (self.start)()
    }
}

/// A sum and the number of its terms.
struct Mean<F> {
    of: F,
    then: fn(f64) -> f64,
    sum: f64,
    count: f64,
}

impl<T: Float, F: Fn(&Tensor<T>, &Target<T>) -> Result<(f64, f64)> + Send> Measure<T> for Mean<F> {
    fn add(&mut self, output: &Tensor<T>, target: &Target<T>) -> Result<()> {
        let (sum, count) = (self.of)(output, target)?;
        (self.sum, self.count) = (self.sum + sum, self.count + count);
        Ok(())
    }

    fn value(&self) -> f64 {
        (self.then)(self.sum / self.count)
    }

    fn state(&self) -> Vec<f64> {
        vec![self.sum, self.count]
    }

    fn restore(&mut self, state: &[f64]) -> bool {
        let &[sum, count] = state else { return false };
        (self.sum, self.count) = (sum, count);
        true
    }

    fn merge(&mut self, state: &[f64]) -> bool {
        let &[sum, count] = state else { return false };
        (self.sum, self.count) = (self.sum + sum, self.count + count);
        true
    }
}

/// A measure that ignores one more label.
struct Ignoring<T: Float> {
    label: i64,
    measure: Box<dyn Measure<T>>,
}

impl<T: Float> Measure<T> for Ignoring<T> {
    fn add(&mut self, output: &Tensor<T>, target: &Target<T>) -> Result<()> {
        let labels = target.labels("ignoring")?;
        let marked = labels.iter().map(|label| if label == self.label { IGNORED } else { label }).collect();
        self.measure.add(output, &Target::Labels(Tensor::new(labels.shape(), marked)))
    }

    fn value(&self) -> f64 {
        self.measure.value()
    }

    fn state(&self) -> Vec<f64> {
        self.measure.state()
    }

    fn restore(&mut self, state: &[f64]) -> bool {
        self.measure.restore(state)
    }

    fn merge(&mut self, state: &[f64]) -> bool {
        self.measure.merge(state)
    }
}
