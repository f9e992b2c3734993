//! A table of a model's layers, output shapes and parameter counts.

use crate::fields::Fields;
use crate::pass::Note;
use crate::{LayerError, Model, Module, Parameters, Pass, Path};
use autograd::{Float, Shape, Tape, Tensor};
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

/// A table of the layers of a model, in the order in which they ran, with their names, output shapes and numbers of
/// parameters. `Display` prints it.
///
/// ```
/// let summary = nn::summary(&nn::layer::Mlp::new(&[64, 10]).build::<f32>(), &[1, 64]);
/// assert_eq!((summary.trainable, summary.fixed), (650, 0));
/// assert_eq!(summary.layers[0].output.as_slice(), [1, 10]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The layers; one that ran twice occurs twice. Rows for parameters that belong to no such layer follow, grouped by
    /// module, so that the rows add up.
    pub layers: Vec<Row>,
    /// Number of elements of trainable parameters.
    pub trainable: usize,
    /// Number of elements of frozen parameters and buffers.
    pub fixed: usize,
}

/// A layer of a [`Summary`].
///
/// ```
/// let summary = nn::summary(&nn::layer::Mlp::new(&[64, 10]).build::<f32>(), &[1, 64]);
/// assert_eq!((summary.layers[0].layer.as_str(), summary.layers[0].parameters), ("Linear(64, 10)", 650));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Path in the model, such as `encoder.0`; empty for a layer without parameters, and for the model itself.
    pub name: String,
    /// The layer's [description](Module::describe); empty in a row of parameters that belong to no listed layer.
    pub layer: String,
    /// Shape of the output; empty in such a row.
    pub output: Shape,
    /// Number of elements of its parameters and buffers; 0 if it ran before.
    pub parameters: usize,
}

/// Summarizes a model for an input of this shape, like Keras. Runs the model once, on zeros in eval mode. A layer has
/// its own row if its `forward` ends with [`Pass::note`], as in every layer of this crate that computes something
/// itself. Rows for all other parameters follow, under the name of the module that contains them.
///
/// ```
/// use nn::layer::Mlp;
/// let model = Mlp::new(&[64, 32, 10]).batch_norm(true).build::<f32>();
/// assert_eq!(nn::summary(&model, &[8, 64]).to_string(), "\
/// name  layer            output   parameters
/// 0     Linear(64, 32)   [8, 32]       2_080
/// 1     BatchNorm1d(32)  [8, 32]         129
///       Relu             [8, 32]           0
/// 3     Linear(32, 10)   [8, 10]         330
/// trainable: 2_474, fixed: 65, in all: 2_539");
/// ```
/// # Panics
/// If the input does not fit the model, like [`Module::forward`].
#[track_caller]
pub fn summary<T: Float>(model: &dyn Module<T>, input: &[usize]) -> Summary {
    let tape = Tape::new();
    let mut pass = Pass::eval(&tape).noting();
    let output = model.forward(tape.constant(Tensor::zeros(input)), &mut pass);
    let mut notes = pass.into_notes();
    if notes.is_empty() {
        let parameters = parameters(model).into_iter().map(|p| (p.key, p.name)).collect();
        notes.push(Note { layer: model.describe(), parameters, output: output.shape(), at: output.id() });
    }
    listed(model, notes)
}

/// Summarizes a model with any number of inputs and outputs, for inputs like these.
///
/// ```
/// use autograd::tensor;
/// let fields = nn::data::Fields::new().with("x", tensor![[0.0f32, 1.0, 2.0]]);
/// let summary = nn::summary_of(&nn::layer::Mlp::new(&[3, 4, 2]).build(), &fields)?;
/// assert_eq!(summary.layers.last().unwrap().output.as_slice(), [1, 2]);
/// # Ok::<(), nn::LayerError>(())
/// ```
/// # Errors
/// Returns an error if the inputs do not fit the model.
pub fn summary_of<T: Float>(model: &dyn Model<T>, inputs: &Fields<T>) -> Result<Summary, LayerError> {
    let tape = Tape::new();
    let mut pass = Pass::eval(&tape).noting();
    pass.try_call(model, &inputs.on(&tape))?;
    Ok(listed(model, pass.into_notes()))
}

/// The rows of the layers that a pass noted, and of all other parameters.
fn listed<T: Float>(model: &dyn Parameters<T>, notes: Vec<Note>) -> Summary {
    let mut of_model: HashMap<u64, Known> = parameters(model).into_iter().map(|p| (p.key, p)).collect();
    let sum = |trainable| of_model.values().filter(|p| p.trainable == trainable).map(|p| p.size).sum();
    let (trainable, fixed) = (sum(true), sum(false));
    let lines = notes.into_iter().map(|note| {
        let name = note.place(|key| Some(of_model.get(&key)?.name.as_str())).to_owned();
        let new = |key| of_model.get_mut(key).map_or(0, |p| std::mem::take(&mut p.size));
        let parameters = note.parameters.iter().map(|(key, _)| key).map(new).sum();
        Row { name, layer: note.layer, output: note.output, parameters }
    });
    let mut layers: Vec<Row> = lines.collect();
    for Known { key, name, .. } in parameters(model) {
        let parameters = of_model.get_mut(&key).map_or(0, |p| std::mem::take(&mut p.size));
        let place = name.rsplit_once('.').map_or("", |(place, _)| place);
        match layers.iter_mut().find(|row| row.layer.is_empty() && row.name == place) {
            Some(row) => row.parameters += parameters,
            None if parameters == 0 => {}
            None => layers.push(Row { name: place.into(), layer: String::new(), output: Shape::new(), parameters }),
        }
    }
    Summary { layers, trainable, fixed }
}

impl Note {
    /// The layer's path in a model, whose parameters have these names; empty if the layer has no parameters.
    pub(crate) fn place<'n>(&self, name: impl Fn(u64) -> Option<&'n str>) -> &'n str {
        let first = self.parameters.first().and_then(|(key, own)| name(*key)?.strip_suffix(own.as_str()));
        first.unwrap_or("").trim_end_matches('.')
    }
}

/// A parameter of the model.
struct Known {
    key: u64,
    name: String,
    size: usize,
    trainable: bool,
}

fn parameters<T: Float>(model: &dyn Parameters<T>) -> Vec<Known> {
    let mut all = Vec::new();
    model.visit(&mut Path::default(), &mut |name, p| {
        all.push(Known { key: p.key(), name: name.to_owned(), size: p.value().len(), trainable: p.is_trainable() });
    });
    all
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let heading = ["name", "layer", "output", "parameters"].map(str::to_owned);
        let row = |row: &Row| {
            let output = if row.layer.is_empty() { String::new() } else { format!("{:?}", row.output) };
            [row.name.clone(), row.layer.clone(), output, grouped(row.parameters)]
        };
        write!(f, "{}", table(std::iter::once(heading).chain(self.layers.iter().map(row)).collect()))?;
        let [trainable, fixed] = [self.trainable, self.fixed].map(grouped);
        write!(f, "\ntrainable: {trainable}, fixed: {fixed}, in all: {}", grouped(self.trainable + self.fixed))
    }
}

/// Formats rows with aligned columns, the last one to the right, and without spaces at the ends of lines.
pub(crate) fn table<const N: usize>(rows: Vec<[String; N]>) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells =
            row.iter().zip(widths).enumerate().map(|(i, (cell, width))| {
                if i + 1 == N { format!("{cell:>width$}") } else { format!("{cell:width$}") }
            });
        cells.collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Formats 1234567 as `1_234_567`.
pub(crate) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).expect("digits")).collect();
    groups.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Activation, Bilinear, Dropout, Linear, LstmCell, Sequential};
    use crate::{Param, Parameters, parameters};
    use autograd::{Rng, Var};

    /// A user-defined layer: its parts are listed, but not the layer itself.
    struct Twice {
        inner: Linear<f64>,
        scale: Param<f64>,
    }

    parameters! { impl Parameters<f64> for Twice { inner, scale } }

    impl Module<f64> for Twice {
        fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
            let y = self.inner.forward(x, pass);
            self.inner.forward(y, pass) * pass.var(&self.scale)
        }
    }

    #[test]
    fn names_shapes_and_counts_of_nested_models() {
        let rng = &mut Rng::new(0);
        let mut twice = Twice { inner: Linear::new(3, 3, rng), scale: Param::new(1.0) };
        twice.inner.weight.set_trainable(false);
        let model = Sequential::new().then(Dropout::new(0.5)).then(Sequential::new().then(twice));
        let summary = summary(&model, &[2, 3]);
        let rows: Vec<(&str, usize)> = summary.layers.iter().map(|row| (row.name.as_str(), row.parameters)).collect();
        assert_eq!(rows, [("", 0), ("1.0.inner", 12), ("1.0.inner", 0), ("1.0", 1)]);
        assert_eq!((summary.trainable, summary.fixed), (4, 9));
        assert_eq!(summary.layers[1].output.as_slice(), [2, 3]);
    }

    /// Parts without a separate row: layers with more than one input, and a parameter of the model itself.
    struct Joined {
        join: Bilinear<f64>,
        cell: LstmCell<f64>,
        last: Linear<f64>,
        scale: Param<f64>,
    }

    parameters! { impl Parameters<f64> for Joined { join, cell, last, scale } }

    impl Module<f64> for Joined {
        fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
            let joined = self.join.join(x, x, pass);
            let [h, _] = self.cell.step(x, [joined, joined], pass);
            self.last.forward(h, pass) * pass.var(&self.scale)
        }
    }

    #[test]
    fn every_parameter_is_in_a_row() {
        let rng = &mut Rng::new(0);
        let join = Bilinear::new(3, 3, 5, rng);
        let (cell, last, scale) = (LstmCell::new(3, 5, rng), Linear::new(5, 2, rng), Param::new(1.0));
        let model = Sequential::new().then(Joined { join, cell, last, scale });
        let summary = summary(&model, &[2, 3]);
        assert_eq!(summary.layers.iter().map(|row| row.parameters).sum::<usize>(), crate::parameter_count(&model));
        assert_eq!(
            summary.to_string(),
            "\
name    layer         output  parameters
0.last  Linear(5, 2)  [2, 2]          12
0.join                                50
0.cell                               200
0                                      1
trainable: 263, fixed: 0, in all: 263"
        );
    }

    #[test]
    fn a_model_that_notes_nothing_is_one_line() {
        struct Plain(Param<f64>);
        impl Parameters<f64> for Plain {
            fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Param<f64>)) {
                self.0.visit(path, f);
            }
            fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Param<f64>)) {
                self.0.visit_mut(path, f);
            }
        }
        impl Module<f64> for Plain {
            fn forward<'t>(&self, x: Var<'t, f64>, pass: &mut Pass<'t, f64>) -> Var<'t, f64> {
                x * pass.var(&self.0)
            }
        }
        let of_plain = summary(&Plain(Param::new(2.0)), &[4]);
        assert_eq!((of_plain.layers.len(), of_plain.layers[0].layer.as_str(), of_plain.trainable), (1, "Plain", 1));
        assert_eq!(summary::<f64>(&Activation::Relu, &[2]).layers[0].layer, "Relu");
    }

    #[test]
    fn digits_come_in_groups_of_three() {
        let cases = [(0, "0"), (999, "999"), (1000, "1_000"), (1234567, "1_234_567")];
        assert!(cases.iter().all(|&(n, text)| grouped(n) == text));
    }
}
