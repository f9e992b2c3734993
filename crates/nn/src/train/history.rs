//! The record of a training run, epoch by epoch.

use super::monitor::Monitor;
use crate::io::{IoError, write_atomically};
use crate::plot::{Figure, Plot, Theme};
use serde_json::Value;
use std::fmt::{self, Display, Formatter};
use std::path::Path;

/// The record of a training run: one entry per epoch, and why it ended.
///
/// ```
/// use nn::train::{Epoch, History};
/// let mut history = History::default();
/// history.epochs.push(Epoch { epoch: 1, loss: 0.7, learning_rate: 0.1, ..Epoch::default() });
/// history.epochs.push(Epoch { epoch: 2, loss: 0.4, learning_rate: 0.1, ..Epoch::default() });
/// assert_eq!(history.best().unwrap().epoch, 2);
/// assert!(history.to_csv().starts_with("epoch,loss,validation_loss,learning_rate,seconds\n1,0.7,,0.1,"));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The epochs, in order.
    pub epochs: Vec<Epoch>,
    /// The metrics measured in addition to the loss, in the order of [`Epoch::metrics`].
    pub metrics: Vec<Measured>,
    /// The names of the parts of the loss, in the order of [`Epoch::parts`]; empty if it has no parts.
    pub parts: Vec<String>,
    /// Why training ended before the last epoch, if it did.
    pub stopped: Option<Stop>,
    /// Other remarks: for example, that a damaged checkpoint was skipped.
    pub notes: Vec<String>,
}

/// Describes a metric recorded in a history.
///
/// ```
/// use nn::{metric::Metric, train::Measured};
/// let metric = Metric::<f32>::top_k(3);
/// let measured = Measured { name: metric.name().into(), rises: metric.rises() };
/// assert_eq!(measured, Measured { name: "top_3_accuracy".into(), rises: true });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Its name, such as `accuracy`.
    pub name: String,
    /// Whether higher is better.
    pub rises: bool,
}

/// The results of one pass over the training data.
///
/// ```
/// use nn::train::Epoch;
/// let epoch = Epoch { epoch: 1, loss: 0.7, metrics: vec![0.9, 0.8], ..Epoch::default() };
/// assert_eq!((epoch.metric(), epoch.validation_metric()), (Some(0.9), None));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Epoch {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Mean loss per sample on the training data while the parameters change over the epoch, averaged according to
    /// [`Loss::sum_and_count`](crate::loss::Loss::sum_and_count). Penalties are not included.
    pub loss: f64,
    /// The metrics on the training data, accumulated over the epoch like the loss.
    pub metrics: Vec<f64>,
    /// The parts of the loss on the training data, without their weights, accumulated like the loss.
    pub parts: Vec<f64>,
    /// The loss on the validation data, after the epoch.
    pub validation_loss: Option<f64>,
    /// The parts of the loss on the validation data, after the epoch; empty without validation data.
    pub validation_parts: Vec<f64>,
    /// The metrics on the validation data, after the epoch; empty without validation data.
    pub validation_metrics: Vec<f64>,
    /// The learning rate of the last step, for the first parameter group.
    pub learning_rate: f64,
    /// Duration in seconds, including validation.
    pub seconds: f64,
}

impl Epoch {
    /// The first metric on the training data, if there is one.
    pub fn metric(&self) -> Option<f64> {
        self.metrics.first().copied()
    }

    /// The first metric on the validation data, if there is one.
    pub fn validation_metric(&self) -> Option<f64> {
        self.validation_metrics.first().copied()
    }
}

/// Why training ended before its last epoch.
///
/// ```
/// use nn::train::{Monitor, Stop};
/// let stop = Stop::NoImprovement { monitor: Monitor::ValidationLoss, best: 7 };
/// assert_eq!(stop.to_string(), "the validation loss has not improved since epoch 7");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// The monitored value did not improve for `patience` epochs.
    NoImprovement {
        /// The monitored value.
        monitor: Monitor,
        /// The epoch with the best value.
        best: usize,
    },
    /// The training loss changed by less than the tolerance.
    Converged {
        /// The last change, in absolute value.
        change: f64,
    },
    /// A [callback](super::Callback) requested it.
    Asked {
        /// The reason it gave.
        reason: String,
    },
}

impl History {
    /// The epoch with the smallest validation loss, or training loss if there is no validation. Ties go to the first.
    pub fn best(&self) -> Option<&Epoch> {
        self.best_by(Monitor::ValidationLoss)
    }

    /// The epoch with the best value of `monitor`. Ties go to the first.
    ///
    /// ```
    /// use nn::{data::digits, layer::Mlp, loss::CrossEntropy, optim::Sgd, train::{Monitor, Trainer}};
    /// let mut trainer = Trainer::new(CrossEntropy::new(), Sgd::<f32>::new(0.1)).epochs(2).quiet();
    /// let history = trainer.fit(&mut Mlp::new(&[64, 10]).build(), &digits())?;
    /// assert_eq!(history.best_by(Monitor::Loss).unwrap().epoch, 2);
    /// # Ok::<(), nn::train::TrainError>(())
    /// ```
    pub fn best_by(&self, monitor: Monitor) -> Option<&Epoch> {
        let cost = |epoch: &Epoch| monitor.cost(epoch, &self.metrics);
        self.epochs.iter().min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }

    /// Plots the training and validation losses over the epochs, on a logarithmic axis if all are above 0.
    ///
    /// ```
    /// # use nn::{plot::Figure, train::{Epoch, History}};
    /// let epoch = Epoch { epoch: 1, loss: 0.7, validation_loss: Some(0.9), ..Epoch::default() };
    /// let history = History { epochs: vec![epoch], ..History::default() };
    /// assert!(history.curve("Learning to read").svg().contains(">validation</text>"));
    /// ```
    pub fn curve(&self, title: &str) -> Plot {
        let losses = self.epochs.iter().flat_map(|epoch| [Some(epoch.loss), epoch.validation_loss]);
        let has_logarithms = losses.flatten().all(|loss| loss > 0.0 || !loss.is_finite());
        let plot = self.plotted(title, "loss", &|epoch| Some(epoch.loss), &|epoch| epoch.validation_loss);
        if has_logarithms { plot.log_y() } else { plot }
    }

    /// Plots a metric over the epochs; `None` if it was not measured.
    ///
    /// ```
    /// # use nn::{plot::Figure, train::{Epoch, History, Measured}};
    /// let epoch = Epoch { epoch: 1, metrics: vec![0.8], validation_metrics: vec![0.7], ..Epoch::default() };
    /// let metrics = vec![Measured { name: "accuracy".into(), rises: true }];
    /// let history = History { epochs: vec![epoch], metrics, ..History::default() };
    /// assert!(history.metric_curve("", "accuracy").unwrap().svg().contains(">accuracy</text>"));
    /// assert!(history.metric_curve("", "f1").is_none());
    /// ```
    pub fn metric_curve(&self, title: &str, name: &str) -> Option<Plot> {
        let at = self.metrics.iter().position(|metric| metric.name == name)?;
        let (training, validation) =
            (|epoch: &Epoch| epoch.metrics.get(at).copied(), |epoch: &Epoch| epoch.validation_metrics.get(at).copied());
        Some(self.plotted(title, name, &training, &validation))
    }

    /// Plots the parts of the loss over the epochs, one line for each, and one for its value on the validation data if
    /// there is any; `None` if the loss has no parts.
    ///
    /// ```
    /// # use nn::{plot::Figure, train::{Epoch, History}};
    /// let epoch = Epoch { epoch: 1, loss: 0.7, parts: vec![0.5, 0.4], ..Epoch::default() };
    /// let history = History { epochs: vec![epoch], parts: vec!["error".into(), "size".into()], ..History::default() };
    /// assert!(history.parts_curve("").unwrap().svg().contains(">size</text>"));
    /// assert!(History::default().parts_curve("").is_none());
    /// ```
    pub fn parts_curve(&self, title: &str) -> Option<Plot> {
        if self.parts.is_empty() {
            return None;
        }
        let values = |of: &dyn Fn(&Epoch) -> Option<f64>| -> Vec<f64> {
            self.epochs.iter().map(|epoch| of(epoch).unwrap_or(f64::NAN)).collect()
        };
        let mut plot = Plot::new(title).labels("epoch", "part of the loss");
        for (at, name) in self.parts.iter().enumerate() {
            plot = plot.line(name, values(&|epoch| epoch.parts.get(at).copied()));
            if self.epochs.iter().any(|epoch| epoch.validation_parts.len() > at) {
                plot =
                    plot.line(format!("{name}, validation"), values(&|epoch| epoch.validation_parts.get(at).copied()));
            }
        }
        Some(plot)
    }

    /// A value on the training data, and on the validation data if it was measured there, over the epochs.
    fn plotted(
        &self,
        title: &str,
        label: &str,
        training: &dyn Fn(&Epoch) -> Option<f64>,
        validation: &dyn Fn(&Epoch) -> Option<f64>,
    ) -> Plot {
        let values = |of: &dyn Fn(&Epoch) -> Option<f64>| -> Vec<f64> {
            self.epochs.iter().map(|epoch| of(epoch).unwrap_or(f64::NAN)).collect()
        };
        let plot = Plot::new(title).labels("epoch", label).line("training", values(training));
        match self.epochs.iter().any(|epoch| validation(epoch).is_some()) {
            true => plot.line("validation", values(validation)),
            false => plot,
        }
    }

    /// The columns of the table with their names: loss, its parts, metrics, all on the validation data, learning rate and time.
    fn columns(&self) -> Vec<(String, Vec<Option<f64>>)> {
        let column = |name: &str, of: &dyn Fn(&Epoch) -> Option<f64>| {
            (name.to_owned(), self.epochs.iter().map(of).collect::<Vec<_>>())
        };
        let mut columns = vec![column("loss", &|e| Some(e.loss))];
        let parts = self.parts.iter().enumerate();
        columns.extend(parts.clone().map(|(i, name)| column(name, &|e| e.parts.get(i).copied())));
        let metrics = self.metrics.iter().enumerate();
        columns.extend(metrics.clone().map(|(i, metric)| column(&metric.name, &|e| e.metrics.get(i).copied())));
        columns.push(column("validation_loss", &|e| e.validation_loss));
        columns.extend(
            parts.map(|(i, name)| column(&format!("validation_{name}"), &|e| e.validation_parts.get(i).copied())),
        );
        columns.extend(metrics.map(|(i, metric)| {
            column(&format!("validation_{}", metric.name), &|e| e.validation_metrics.get(i).copied())
        }));
        columns.push(column("learning_rate", &|e| Some(e.learning_rate)));
        columns.push(column("seconds", &|e| Some(e.seconds)));
        columns
    }

    /// The table as comma-separated values with a header line, at full precision. Missing values are empty.
    pub fn to_csv(&self) -> String {
        let columns = self.columns();
        // Quote names that contain a comma, a quote or a newline.
        let field = |name: &String| match name.contains([',', '"', '\n']) {
            true => format!("\"{}\"", name.replace('"', "\"\"")),
            false => name.clone(),
        };
        let head: Vec<String> = columns.iter().map(|(name, _)| field(name)).collect();
        let mut csv = format!("epoch,{}\n", head.join(","));
        for (i, epoch) in self.epochs.iter().enumerate() {
            let number =
                |(_, values): &(String, Vec<Option<f64>>)| values[i].map(|x| x.to_string()).unwrap_or_default();
            let row: Vec<String> = columns.iter().map(number).collect();
            csv += &format!("{},{}\n", epoch.epoch, row.join(","));
        }
        csv
    }

    /// The table as JSON: a list with one object per epoch, and why training stopped. Values have full precision. JSON
    /// has no NaN or infinity: these are `null`, as are missing values.
    ///
    /// ```
    /// # use nn::train::{Epoch, History};
    /// let epoch = Epoch { epoch: 1, loss: 0.5, learning_rate: 0.1, seconds: 2.5, ..Epoch::default() };
    /// let history = History { epochs: vec![epoch], ..History::default() };
    /// let json = r#"{"epochs":[{"epoch":1,"loss":0.5,"validation_loss":null,"learning_rate":0.1,"seconds":2.5}],"stopped":null}"#;
    /// assert_eq!(history.to_json(), json);
    /// ```
    pub fn to_json(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        let columns = self.columns();
        let epoch = |(i, epoch): (usize, &Epoch)| {
            let field = |(name, values): &(String, Vec<Option<f64>>)| {
                format!("{}:{}", quoted(name), values[i].map_or(Value::Null, Value::from))
            };
            let fields: Vec<String> = columns.iter().map(field).collect();
            format!("{{\"epoch\":{},{}}}", epoch.epoch, fields.join(","))
        };
        let epochs: Vec<String> = self.epochs.iter().enumerate().map(epoch).collect();
        let stopped = self.stopped.as_ref().map_or("null".to_owned(), |stop| quoted(&stop.to_string()));
        format!("{{\"epochs\":[{}],\"stopped\":{stopped}}}", epochs.join(","))
    }

    /// Writes the history to a file atomically: as JSON if its name ends in `.json`, as a plot of the losses if it ends
    /// in `.svg` or `.png`, and otherwise as CSV.
    ///
    /// ```
    /// use nn::train::History;
    /// let path = std::env::temp_dir().join(format!("history-{}.csv", std::process::id()));
    /// History::default().save(&path)?;
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), nn::io::IoError>(())
    /// ```
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), IoError> {
        let path = path.as_ref();
        let bytes = match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => self.to_json().into_bytes(),
            Some("svg") => self.curve("").svg().into_bytes(),
            Some("png") => self.curve("").png(Theme::Light),
            _ => self.to_csv().into_bytes(),
        };
        write_atomically(path, |w| w.write_all(&bytes))
    }
}

impl Display for Stop {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Stop::NoImprovement { monitor, best } => write!(f, "{monitor} has not improved since epoch {best}"),
            Stop::Converged { change } => write!(f, "converged: the loss changed by only {change:.1e}"),
            Stop::Asked { reason } => f.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(losses: &[(f64, Option<f64>)]) -> History {
        let epoch = |(i, &(loss, validation_loss)): (usize, &(f64, Option<f64>))| Epoch {
            epoch: i + 1,
            loss,
            validation_loss,
            metrics: vec![1.0 - loss, loss],
            ..Epoch::default()
        };
        let measured = |name: &str, rises| Measured { name: name.into(), rises };
        let metrics = vec![measured("accuracy", true), measured("a, \"b\"", false)];
        History { epochs: losses.iter().enumerate().map(epoch).collect(), metrics, ..History::default() }
    }

    #[test]
    fn the_best_epoch_is_judged_by_validation_where_there_is_one() {
        let history = history(&[(0.5, Some(0.6)), (0.3, Some(0.5)), (0.1, Some(0.9)), (0.2, Some(0.5))]);
        assert_eq!(history.best().unwrap().epoch, 2);
        assert_eq!(history.best_by(Monitor::Loss).unwrap().epoch, 3);
        assert_eq!(history.best_by(Monitor::Metric).unwrap().epoch, 3);
        assert_eq!(History::default().best(), None);
    }

    #[test]
    fn a_metric_may_be_to_fall_and_may_be_missing() {
        let history = history(&[(0.5, None), (0.9, None), (0.3, None)]);
        assert_eq!(history.best_by(Monitor::Metric).unwrap().epoch, 3);
        assert_eq!(history.best_by(Monitor::Named("a, \"b\"".into())).unwrap().epoch, 3);
        assert_eq!(Monitor::Named("f1".into()).place(&history.metrics), Err("f1".into()));
        assert_eq!(Monitor::Metric.place(&[]), Err("the metric".into()));
    }

    #[test]
    fn the_curve_shows_what_was_measured() {
        let shows_validation = |history: History| history.curve("a").svg().contains("validation");
        assert!(shows_validation(history(&[(0.5, Some(0.6))])) && !shows_validation(history(&[(0.5, None)])));
    }

    #[test]
    fn a_loss_of_0_or_less_has_a_curve_too() {
        for loss in [0.0, -1.5, f64::NAN, f64::INFINITY] {
            assert!(history(&[(0.5, None), (loss, None), (0.25, None)]).curve("").svg().contains("<path"), "{loss}");
        }
    }

    #[test]
    fn a_nan_is_never_best() {
        assert_eq!(history(&[(f64::NAN, None), (2.0, None)]).best().unwrap().epoch, 2);
    }

    #[test]
    fn what_was_not_measured_is_empty_in_the_table_and_null_in_json() {
        let history = history(&[(0.1 + 0.2, None), (f64::NAN, None)]);
        let csv = history.to_csv();
        let head = r#"epoch,loss,accuracy,"a, ""b""",validation_loss,validation_accuracy,"validation_a, ""b""","#;
        assert!(csv.lines().next().unwrap().starts_with(head), "{csv}");
        let loss = 0.1 + 0.2;
        assert_eq!(csv.lines().nth(1).unwrap(), format!("1,{loss},{},{loss},,,,0,0", 1.0 - loss));
        let json: Value = serde_json::from_str(&history.to_json()).unwrap();
        assert_eq!(json["epochs"][0]["a, \"b\""].as_f64(), Some(loss));
        assert!(json["epochs"][0]["validation_loss"].is_null() && json["epochs"][1]["loss"].is_null());
    }

    #[test]
    fn the_name_of_a_file_says_what_is_in_it() {
        let folder = std::env::temp_dir().join(format!("nn-history-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let history = history(&[(0.5, Some(0.25))]);
        let kinds: [(&str, &[u8]); 4] =
            [("a.csv", b"epoch,"), ("a.json", b"{\"epochs\""), ("a.svg", b"<svg "), ("a.png", b"\x89PNG")];
        for (name, begins) in kinds {
            history.save(folder.join(name)).unwrap();
            assert!(std::fs::read(folder.join(name)).unwrap().starts_with(begins), "{name}");
        }
        assert!(history.save(folder.join("no/such.csv")).unwrap_err().to_string().contains("such.csv"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
