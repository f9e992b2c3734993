//! Errors in data sets and tables, each with its location.

use crate::io::IoError;

/// An error in a data set, or in the arguments of an operation on one.
///
/// ```
/// use autograd::Tensor;
/// use nn::{data::{DataError, TensorDataset}, loss::Target};
/// let error = TensorDataset::<f32>::new(Tensor::zeros(&[3, 2]), Target::Values(Tensor::zeros(&[4]))).unwrap_err();
/// assert!(matches!(error, DataError::Counts { .. }));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The data set has no samples.
    #[error("the data set is empty: training and evaluation need at least one sample")]
    Empty,
    /// The batch size is 0.
    #[error("the batch size is 0; it must be at least 1")]
    BatchSize,
    /// Fewer samples than one batch, while incomplete batches are dropped.
    #[error("{samples} samples do not fill a batch of {batch_size}, and `drop_last` drops incomplete batches")]
    NoBatch {
        /// Number of samples.
        samples: usize,
        /// Samples per batch.
        batch_size: usize,
    },
    /// A sample index that is out of range.
    #[error("sample index {index} is out of range for a data set of {len} samples")]
    Sample {
        /// The requested index.
        index: usize,
        /// Number of samples.
        len: usize,
    },
    /// The numbers of inputs and targets differ.
    #[error(
        "inputs of shape {inputs:?} and targets of shape {targets:?} must agree in the size of the first axis (samples)"
    )]
    Counts {
        /// Shape of the inputs.
        inputs: Vec<usize>,
        /// Shape of the targets.
        targets: Vec<usize>,
    },
    /// Samples of several inputs or targets, where one input of numbers and one target are expected.
    #[error(
        "expected one input of numbers and one target, but the inputs are {inputs} and the targets are {targets}: use \
         Dataset::samples and DataLoader::epoch_samples"
    )]
    NoBatchOfOne {
        /// The inputs.
        inputs: String,
        /// The targets.
        targets: String,
    },
    /// A field that does not have one row for each sample.
    #[error("the field `{name}` ({field}) does not have one row for each of the {samples} samples")]
    Rows {
        /// The name of the field.
        name: String,
        /// What it holds.
        field: String,
        /// Number of samples.
        samples: usize,
    },
    /// Data sets to concatenate whose fields differ.
    #[error("cannot concatenate data sets whose fields differ in names, types or shapes: {first}, and {other}")]
    Unlike {
        /// The fields of the first data set.
        first: String,
        /// The fields of the one that differs.
        other: String,
    },
    /// Files that do not hold images and their labels.
    #[error("expected images [n, height, width] and integer labels [n], got shapes {images:?} and {labels:?}")]
    Pictures {
        /// Shape of the images.
        images: Vec<usize>,
        /// Shape of the labels.
        labels: Vec<usize>,
    },
    /// Batches to combine whose samples differ in shape.
    #[error("batches of shapes {first:?} and {other:?} cannot be combined: all axes but the first must agree")]
    Parts {
        /// Shape of the first batch.
        first: Vec<usize>,
        /// Shape of the batch that differs.
        other: Vec<usize>,
    },
    /// Data sets to concatenate that mix labels with values, or weighted with unweighted samples.
    #[error("cannot concatenate data sets that mix labels with values, or weighted with unweighted samples")]
    Mixed,
    /// A negative label.
    #[error("sample {index} has label {label}: labels start at 0, or are -100 for samples to ignore")]
    Label {
        /// The first such sample.
        index: usize,
        /// Its label.
        label: i64,
    },
    /// Fractions that do not add up to 1.
    #[error("cannot split by {fractions:?}: fractions must lie between 0 and 1 and add up to 1")]
    Fractions {
        /// The given fractions.
        fractions: Vec<f64>,
    },
    /// A column whose mean or range is not finite.
    #[error(
        "column {column} of the inputs cannot be scaled: it holds NaN or infinity, or its range overflows the type"
    )]
    NotFinite {
        /// Which feature, counted from 0 in row-major order.
        column: usize,
    },
    /// Samples that differ in shape from those a scaler was fitted to.
    #[error(
        "the scaler was fitted to samples of shape {fitted:?} and cannot be applied to a tensor of shape {given:?}"
    )]
    Features {
        /// Shape of one of the fitted samples.
        fitted: Vec<usize>,
        /// Shape of the given tensor, which holds several samples.
        given: Vec<usize>,
    },
    /// A state that does not hold a valid scaler.
    #[error("the state does not hold a valid scaler: {problem}")]
    NoScaler {
        /// The reason.
        problem: String,
    },
    /// A text that does not describe columns.
    #[error("the text does not describe the columns of a table: {problem}")]
    NoColumns {
        /// The reason.
        problem: String,
    },
    /// Targets that do not divide the samples into classes.
    #[error("split_stratified needs one class per sample: labels, or values that are whole numbers; {problem}")]
    NoClasses {
        /// The reason.
        problem: String,
    },
    /// The number of weights or labels differs from the number of samples.
    #[error("got {given} {what} for {samples} samples; expected one per sample")]
    PerSample {
        /// The kind of values: `weights` or `labels`.
        what: &'static str,
        /// Number of values given.
        given: usize,
        /// Number of samples.
        samples: usize,
    },
    /// A weight that is negative or not finite.
    #[error("the weight of sample {index} is {weight}: weights must be finite and non-negative")]
    Weight {
        /// The first such sample.
        index: usize,
        /// Its weight.
        weight: f64,
    },
    /// The sum of the weights is 0 or overflows.
    #[error("the weights add up to 0, or their sum overflows; at least one weight must be positive")]
    NoWeight,
    /// A file that cannot be read or is not valid in its format.
    #[error(transparent)]
    File(#[from] IoError),
    /// A fault in a table.
    #[error("{name}{}{}: {error}", place(", line ", line), place(", column ", column))]
    Table {
        /// The path of the file, or the name given to the reader.
        name: String,
        /// The line of the fault, counted from 1.
        line: Option<u64>,
        /// The column of the fault, counted from 1, and its heading if there is one.
        column: Option<String>,
        /// The fault.
        error: TableError,
    },
    /// A failed tensor operation.
    #[error(transparent)]
    Tensor(#[from] autograd::Error),
}

autograd::debug_as_display!(DataError);

/// Samples are converted to samples without an error.
impl From<std::convert::Infallible> for DataError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// A fault in a table of numbers.
///
/// ```
/// use nn::data::{CsvOptions, DataError, TableError, read_csv_from};
/// let options = CsvOptions::values("price");
/// let error = read_csv_from::<f32>(&b"area,price\n50,cheap\n"[..], "homes.csv", &options).unwrap_err();
/// assert!(matches!(error, DataError::Table { line: Some(2), error: TableError::NotANumber { .. }, .. }));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The table has no rows of data.
    #[error("the table has no data rows")]
    Empty,
    /// No row without a gap in a column whose gaps drop the row.
    #[error(
        "every row of the table is dropped, because each has a gap: leave out the columns that are empty, or fill gaps \
         (CsvOptions::gaps)"
    )]
    AllDropped,
    /// A row that has disappeared since the file was opened.
    #[error("the row is no longer there: the file has changed since it was opened")]
    Gone,
    /// A target column without any input column.
    #[error("the table has no input columns, only targets")]
    NoInputs,
    /// A requested column that does not exist.
    #[error("the table has no column {column}; {instead}")]
    NoColumn {
        /// The column as requested.
        column: String,
        /// The existing columns, and the likely cause: a misspelled name, or another delimiter.
        instead: String,
    },
    /// A name that two columns or two classes share.
    #[error("{what} {name:?} occurs twice{hint}")]
    Twice {
        /// What has the name: `the heading`, `the class name`.
        what: &'static str,
        /// The name.
        name: String,
        /// What to do.
        hint: &'static str,
    },
    /// A column that would be used twice: as an input and as a target, for example.
    #[error("column {column} is selected twice: a column is either one input or one target")]
    SelectedTwice {
        /// The column.
        column: String,
    },
    /// A quote without its closing quote.
    #[error(
        "the quote that opens this field is never closed, so that the rest of the file would be one field: close it, or \
         set CsvOptions::quotes(false) if quotes are ordinary characters here"
    )]
    OpenQuote,
    /// Text behind a closing quote.
    #[error(
        "text follows the closing quote of this field: write quotes inside a quoted field twice, or set \
         CsvOptions::quotes(false) if quotes are ordinary characters here"
    )]
    StrayText,
    /// More columns than a table can have.
    #[error("the row has more than {most} fields")]
    TooManyFields {
        /// The largest number of fields.
        most: usize,
    },
    /// More class names or categories than a column can have.
    #[error("the column has more than {most} different texts: does it hold classes or categories?")]
    TooManyNames {
        /// The largest number of names.
        most: usize,
    },
    /// A name that is not valid UTF-8.
    #[error("{field:?} is not UTF-8: save the file in this encoding (`iconv -f latin1 -t utf-8`, for example)")]
    NotUtf8 {
        /// The field, with replacement characters for invalid bytes.
        field: String,
    },
    /// A file of another kind.
    #[error("{what}")]
    Stranger {
        /// What it is, and what to do.
        what: &'static str,
    },
    /// A text that is not among the categories of its column.
    #[error("{field:?} is not a category of this column, which has {}", quoted(categories))]
    NotACategory {
        /// The field, shortened if it is long.
        field: String,
        /// The categories.
        categories: Vec<String>,
    },
    /// A column of gaps only, which has no mean, median or most frequent value.
    #[error("the column has no value from which its gaps could be filled")]
    OnlyGaps,
    /// A row shorter or longer than the first one.
    #[error("expected {expected} fields as in the first row, got {found}")]
    Ragged {
        /// Number of fields in the first row.
        expected: usize,
        /// Number of fields in this row.
        found: usize,
    },
    /// A field that is not a finite number of the requested type.
    #[error("{field:?} is not a finite number{hint}")]
    NotANumber {
        /// The field, shortened if it is long.
        field: String,
        /// What to do.
        hint: &'static str,
    },
    /// A gap where a class or a label is required.
    #[error("{field:?} is a gap, but every row must have a class: drop_missing_targets drops the rows that have none")]
    MissingTarget {
        /// The field.
        field: String,
    },
    /// A class name that is not among those expected.
    #[error("{field:?} is not one of the classes")]
    NotAClass {
        /// The field, shortened if it is long.
        field: String,
    },
    /// A label that is not an integer in range.
    #[error(
        "{field:?} is not a label: labels are non-negative integers{}; CsvOptions::text(column).class_names([\"…\", …]) \
         numbers classes written in another way, such as -1 and 1, or 1 to K",
        below(classes)
    )]
    NotALabel {
        /// The field, shortened if it is long.
        field: String,
        /// Number of classes, if given.
        classes: Option<usize>,
    },
}

autograd::debug_as_display!(TableError);

/// Names in quotes, shortened to the first few.
pub(super) fn quoted(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text: Vec<String> = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
    if names.len() > SHOWN {
        text.push(format!("and {} more", names.len() - SHOWN));
    }
    text.join(", ")
}

fn below(classes: &Option<usize>) -> String {
    classes.map_or(String::new(), |c| format!(" below {c}"))
}

fn place(what: &str, value: &Option<impl std::fmt::Display>) -> String {
    value.as_ref().map_or(String::new(), |v| format!("{what}{v}"))
}
