//! [`Report`]: a training run as one self-contained page of HTML. It shows the learning curves, the results on test data,
//! the model as a table and as a graph, its weights, and any other figure.
//!
//! ```
//! use nn::report::Report;
//! let page = Report::new("An experiment").text("Question", "Does it learn?").html();
//! assert!(page.contains("<title>An experiment</title>") && page.contains("<h2>Question</h2>"));
//! ```

mod collect;

pub use collect::{first_layer, mistakes, weights};

use crate::fields::{Field, Fields};
use crate::io::{IoError, write_atomically};
use crate::metric::ConfusionMatrix;
use crate::plot::{Figure, Panels, svg_style};
use crate::train::History;
use crate::{Module, Summary};
use autograd::internals::xml;
use autograd::{Float, Tensor};
use std::path::Path;

const STYLE: &str = include_str!("report.css");

/// A page of sections that follows the reader's light or dark theme. [`Trainer::report`](crate::train::Trainer::report)
/// writes the usual sections; the methods below add others.
///
/// ```
/// use nn::plot::Plot;
/// use nn::report::Report;
/// use nn::train::{Epoch, History};
/// let epoch = |epoch, loss| Epoch { epoch, loss, seconds: 0.5, ..Epoch::default() };
/// let history = History { epochs: vec![epoch(1, 0.7), epoch(2, 0.4)], ..History::default() };
/// let report = Report::new("An experiment").history(&history);
/// let page = report.figure("A line", &Plot::new("").curve("y = x", [(0.0, 0.0), (1.0, 1.0)])).html();
/// assert!(page.contains("2 epochs in 1.0 s") && page.contains("<h2>A line</h2>"));
/// ```
///
/// ```
/// use autograd::{Tensor, tensor};
/// use nn::{layer::Mlp, metric::ConfusionMatrix, report::Report};
/// let mut matrix = ConfusionMatrix::new(2);
/// matrix.add_labels(&tensor![0_i64, 1, 1], &tensor![0_i64, 1, 0])?;
/// let report = Report::new("A model").confusion(&matrix).model(&Mlp::new(&[3, 2]).build(), &Tensor::<f32>::zeros(&[1, 3]));
/// let file = std::env::temp_dir().join(format!("nn-report-{}.html", std::process::id()));
/// report.text("Note", "Trained on nothing.").save(&file)?;
/// # std::fs::remove_file(file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    title: String,
    sections: Vec<Section>,
    /// Class 0 first.
    classes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Section {
    /// Finished HTML.
    Html(String),
    /// Written last, when the names of the classes are known.
    Confusion(ConfusionMatrix),
}

/// A model, as plain data.
struct Described {
    summary: Summary,
    /// The graph of its computation, as SVG.
    graph: String,
    weights: Panels,
}

impl Report {
    /// A page without sections.
    pub fn new(title: impl Into<String>) -> Self {
        Report { title: title.into(), sections: Vec::new(), classes: Vec::new() }
    }

    /// Adds a section with this content.
    fn section(mut self, heading: &str, content: &str) -> Self {
        self.sections.push(Section::Html(section(heading, content)));
        self
    }

    /// Adds a section of text; its lines become paragraphs.
    pub fn text(self, heading: &str, text: &str) -> Self {
        let paragraphs: String = text.lines().map(|line| format!("<p>{}</p>\n", xml(line))).collect();
        self.section(heading, &paragraphs)
    }

    /// Adds a section with a figure. If the figure cannot be drawn, the section says why, so that a report at the end of a
    /// long training is not lost.
    pub fn figure(self, heading: &str, figure: &dyn Figure) -> Self {
        self.section(heading, &drawn(figure))
    }

    /// Adds the learning curves, and how training ended.
    pub fn history(self, history: &History) -> Self {
        let curve = |name: &str| history.metric_curve("", name).map(|plot| drawn(&plot));
        let curves: String = history.metrics.iter().filter_map(|metric| curve(&metric.name)).collect();
        let text = format!("<p>{}</p>\n", xml(&summary(history)));
        let parts = history.parts_curve("").map(|plot| drawn(&plot)).unwrap_or_default();
        self.section("Training", &(text + &drawn(&history.curve("")) + &parts + &curves))
    }

    /// Adds a confusion matrix, and precision, recall and F1 of each class.
    pub fn confusion(mut self, matrix: &ConfusionMatrix) -> Self {
        self.sections.push(Section::Confusion(matrix.clone()));
        self
    }

    /// Names the classes of the confusion matrices, class 0 first. A class without a name is shown by its number.
    ///
    /// ```
    /// use nn::{metric::ConfusionMatrix, report::Report};
    /// let page = Report::new("Mail").confusion(&ConfusionMatrix::new(2)).class_names(["ham", "spam"]).html();
    /// assert!(page.contains("<td>spam</td>"));
    /// ```
    pub fn class_names(mut self, names: impl IntoIterator<Item: Into<String>>) -> Self {
        self.classes = names.into_iter().map(Into::into).collect();
        self
    }

    /// Adds the model: its layers, the graph of its computation on these inputs, and the distribution of its weights.
    ///
    /// # Panics
    /// If the inputs do not fit the model, like [`Module::forward`].
    #[track_caller]
    pub fn model<T: Float>(self, model: &dyn Module<T>, inputs: &Tensor<T>) -> Self {
        let described = collect::described(model, &Fields::one("x", Field::Numbers(inputs.clone())));
        match described {
            Ok(described) => self.described(&described),
            Err(refused) => panic!("{refused}"),
        }
    }

    fn described(self, Described { summary, graph, weights }: &Described) -> Self {
        let rows = summary.layers.iter().map(|row| {
            let output = if row.layer.is_empty() { String::new() } else { format!("{:?}", row.output) };
            vec![row.name.clone(), row.layer.clone(), output, row.parameters.to_string()]
        });
        let table = table(&["name", "layer", "output", "parameters"], rows.collect());
        let text = format!("<p>{} trainable parameters, {} fixed.</p>\n", summary.trainable, summary.fixed);
        let graph = format!("<div class=\"wide\">{graph}</div>\n");
        self.section("Model", &(text + &pair(&table, &graph))).figure("Weights", weights)
    }

    /// The page.
    pub fn html(&self) -> String {
        let title = xml(&self.title);
        let body: String = self.sections.iter().map(|section| self.written(section)).collect();
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n<style>\n{STYLE}{}\n</style>\n\
             </head>\n<body>\n<h1>{title}</h1>\n{body}</body>\n</html>\n",
            svg_style()
        )
    }

    fn written(&self, section: &Section) -> String {
        match section {
            Section::Html(html) => html.clone(),
            Section::Confusion(matrix) => self::section("Confusion matrix", &confusion(matrix, &self.classes)),
        }
    }

    /// Writes the page to a file, [atomically](write_atomically). Creates the folder if it does not exist.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), IoError> {
        self.save_to(path.as_ref())
    }

    fn save_to(&self, path: &Path) -> Result<(), IoError> {
        let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        folder.map_err(|source| IoError::Io { action: "write", path: path.into(), source })?;
        write_atomically(path, |w| w.write_all(self.html().as_bytes()))
    }
}

fn section(heading: &str, content: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{content}</section>\n", xml(heading))
}

/// The matrix as a map of counts, and a table of precision, recall and F1.
fn confusion(matrix: &ConfusionMatrix, names: &[String]) -> String {
    let name = |class: usize| names.get(class).cloned().unwrap_or_else(|| class.to_string());
    let share = |x: Option<f64>| x.map_or("–".to_owned(), |x| format!("{x:.3}"));
    let classes = 0..matrix.classes();
    let rows = classes.clone().map(|class| {
        let samples: u64 = classes.clone().map(|predicted| matrix.count(class, predicted)).sum();
        let (precision, recall, f1) = (matrix.precision(class), matrix.recall(class), matrix.f1(class));
        vec![name(class), samples.to_string(), share(precision), share(recall), share(f1)]
    });
    let table = table(&["class", "samples", "precision", "recall", "F1"], rows.collect());
    let map = matrix.heat_map().names(classes.clone().map(name), classes.clone().map(name));
    pair(&drawn(&map), &table)
}

/// A figure as part of a page, or why it cannot be drawn.
fn drawn(figure: &dyn Figure) -> String {
    match figure.svg_element() {
        Ok(svg) => format!("<div class=\"wide\">{svg}</div>\n"),
        Err(error) => format!("<p class=\"fault\">{}</p>\n", xml(&error.to_string())),
    }
}

/// Two parts, side by side where there is room.
fn pair(left: &str, right: &str) -> String {
    format!("<div class=\"pair\">\n{left}{right}</div>\n")
}

fn table(heading: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut out = "<div class=\"wide\"><table>\n<tr>".to_owned();
    heading.iter().for_each(|cell| out += &format!("<th>{cell}</th>"));
    for row in rows {
        out += "</tr>\n<tr>";
        row.iter().for_each(|cell| out += &format!("<td>{}</td>", xml(cell)));
    }
    out + "</tr>\n</table></div>\n"
}

/// A description of a training run, in sentences.
fn summary(history: &History) -> String {
    let seconds: f64 = history.epochs.iter().fold(0.0, |sum, epoch| sum + epoch.seconds);
    let mut text = match history.epochs.len() {
        1 => format!("1 epoch in {seconds:.1} s."),
        epochs => format!("{epochs} epochs in {seconds:.1} s."),
    };
    if let Some(best) = history.best() {
        let (what, loss) = best.validation_loss.map_or(("", best.loss), |loss| ("validation ", loss));
        text += &format!(" Best {what}loss: {loss:.4} after epoch {}.", best.epoch);
    }
    if let Some(reason) = &history.stopped {
        text += &format!(" Stopped early: {reason}.");
    }
    history.notes.iter().fold(text, |text, note| text + &format!(" Note: {note}."))
}

#[cfg(test)]
mod tests;
