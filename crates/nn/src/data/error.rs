//! What can be wrong with data, each with where it is wrong.

use crate::io::IoError;

/// What is wrong with a data set, or with what was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No sample at all.
    #[error("the data set is empty")]
    Empty,
    /// Batches of nothing.
    #[error("a batch needs at least one sample: the batch size must not be 0")]
    BatchSize,
    /// Less than a batch, of which only whole ones are wanted.
    #[error("{samples} samples make no whole batch of {batch_size}, and smaller ones are left out")]
    NoBatch {
        /// Number of samples.
        samples: usize,
        /// Samples of a batch.
        batch_size: usize,
    },
    /// A sample that does not exist.
    #[error("sample {index} does not exist: the data set has {len}")]
    Sample {
        /// The number asked for.
        index: usize,
        /// Number of samples.
        len: usize,
    },
    /// Another number of targets than of inputs.
    #[error(
        "inputs of shape {inputs:?} and targets of shape {targets:?} differ in the number of samples, the first axis"
    )]
    Counts {
        /// Shape of the inputs.
        inputs: Vec<usize>,
        /// Shape of the targets.
        targets: Vec<usize>,
    },
    /// Files that do not hold pictures and their labels.
    #[error("pictures must be [n, height, width] and labels whole numbers [n], not {images:?} and {labels:?}")]
    Pictures {
        /// Shape of the pictures.
        images: Vec<usize>,
        /// Shape of the labels.
        labels: Vec<usize>,
    },
    /// Data sets to be joined whose samples have different shapes.
    #[error("samples of shapes {first:?} and {other:?} (the first axis aside) cannot make up one data set")]
    Parts {
        /// Shape of a batch of the first.
        first: Vec<usize>,
        /// Shape of a batch of another.
        other: Vec<usize>,
    },
    /// Data sets to be joined of which some have labels and some have values, or some have weights and some have none.
    #[error("data sets with labels and with values, or with weights and without, cannot make up one")]
    Mixed,
    /// A class below 0.
    #[error("sample {index} has label {label}: labels count from 0, and -100 is one to ignore")]
    Label {
        /// The first such sample.
        index: usize,
        /// Its label.
        label: i64,
    },
    /// Parts that do not make up a whole.
    #[error("cannot split by {fractions:?}: fractions must lie between 0 and 1 and add up to 1")]
    Fractions {
        /// As given.
        fractions: Vec<f64>,
    },
    /// A column that has no mean or no range.
    #[error(
        "column {column} of the inputs cannot be scaled: it holds NaN or infinity, or spans more than the type can"
    )]
    NotFinite {
        /// Which feature, counted from 0 in row-major order.
        column: usize,
    },
    /// Samples of another shape than those a scaler was fitted to.
    #[error(
        "the scaler was fitted to samples of shape {fitted:?} and cannot be applied to a tensor of shape {given:?}"
    )]
    Features {
        /// Shape of one sample when fitted.
        fitted: Vec<usize>,
        /// Shape of the whole tensor given.
        given: Vec<usize>,
    },
    /// Tensors that no scaler was kept in.
    #[error("these tensors are no scaler: {problem}")]
    NoScaler {
        /// What is wrong with them.
        problem: String,
    },
    /// Weights or labels of another number than the samples.
    #[error("{given} {what} were given for {samples} samples")]
    PerSample {
        /// What was given: `weights`, `labels`.
        what: &'static str,
        /// How many.
        given: usize,
        /// Number of samples.
        samples: usize,
    },
    /// A weight that is no weight.
    #[error("the weight of sample {index} is {weight}: weights are finite and not negative")]
    Weight {
        /// The first such sample.
        index: usize,
        /// Its weight.
        weight: f64,
    },
    /// Nothing to draw.
    #[error("the weights add up to nothing, or to more than can be counted")]
    NoWeight,
    /// A file that cannot be read, or does not hold what its format says.
    #[error(transparent)]
    File(#[from] IoError),
    /// A table with a fault in it.
    #[error("{name}{}{}: {error}", place(", line ", line), place(", column ", column))]
    Table {
        /// The file, or what the reader was called.
        name: String,
        /// The line of the fault, counted from 1.
        line: Option<u64>,
        /// The column of the fault, counted from 1, and its heading if there is one.
        column: Option<String>,
        /// The fault.
        error: TableError,
    },
    /// An operation on tensors that failed.
    #[error(transparent)]
    Tensor(#[from] autograd::Error),
}

/// What can be wrong in a table of numbers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// No line with numbers.
    #[error("there is no row of data")]
    Empty,
    /// A row that was there when the file was opened.
    #[error("the row is no longer there: the file has changed since it was opened")]
    Gone,
    /// A target and nothing to tell it from.
    #[error("a row needs at least one input beside the target")]
    NoInputs,
    /// The target's column is not there.
    #[error("there is no column {column}; there are {columns}")]
    NoColumn {
        /// As asked for.
        column: String,
        /// Number of columns.
        columns: usize,
    },
    /// A row shorter or longer than the first one.
    #[error("{found} fields where the first row has {expected}")]
    Ragged {
        /// Fields of the first row.
        expected: usize,
        /// Fields of this one.
        found: usize,
    },
    /// A field that is no finite number of the type asked for.
    #[error("{field:?} is not a finite number")]
    NotANumber {
        /// The field, shortened if it is long.
        field: String,
    },
    /// A class that is not named, or not one of those that were told.
    #[error("{field:?} is none of the classes")]
    NotAClass {
        /// The field, shortened if it is long.
        field: String,
    },
    /// A label that is no whole number from 0.
    #[error("{field:?} is not a label: labels are whole numbers from 0{}", below(classes))]
    NotALabel {
        /// The field, shortened if it is long.
        field: String,
        /// Number of classes, if given.
        classes: Option<usize>,
    },
}

fn below(classes: &Option<usize>) -> String {
    classes.map_or(String::new(), |c| format!(" to {c} - 1"))
}

fn place(what: &str, value: &Option<impl std::fmt::Display>) -> String {
    value.as_ref().map_or(String::new(), |v| format!("{what}{v}"))
}
