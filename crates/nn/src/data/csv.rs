//! Tables of numbers from CSV text: one sample per line, with a column for the target. The `csv` crate handles the
//! format (quotes, line endings); this module interprets the fields and reports each fault by file, line and column.

mod file;
mod table;

pub use file::CsvFile;

use super::{Batch, DataError, TensorDataset};
use crate::io::{IoError, Opened};
use crate::once;
use ::csv::{ByteRecord, Reader, ReaderBuilder, Trim};
use autograd::Float;
use std::io::Read;
use std::path::Path;
use table::{Rows, Table, line_of};

/// How to read a table: which columns are inputs and targets; whether targets are labels, class names or values; and
/// whether there is a header line. Selecting a column by name implies a header line.
///
/// ```
/// use nn::data::CsvOptions;
/// let iris = CsvOptions::labels("species").classes(3);
/// let wine = CsvOptions::values(11).header(true).delimiter(b';');
/// let houses = CsvOptions::values("price").also("rent").inputs(["rooms", "area"]).missing(0.0);
/// let flowers = CsvOptions::text("species").inputs(["petal length", "petal width"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CsvOptions {
    targets: Vec<Column>,
    kind: Kind,
    inputs: Option<Vec<Column>>,
    missing: Option<f64>,
    header: bool,
    delimiter: u8,
}

/// The kind of targets.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Values,
    /// Labels below this number, if it is given.
    Labels(Option<usize>),
    /// Class names: these, if they are given.
    Text(Option<Vec<String>>),
}

/// One column of a table. Indices such as `0` and names such as `"species"` convert into columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// By its index, counted from 0.
    Index(usize),
    /// The last column.
    Last,
    /// By its heading in the first line.
    Name(String),
}

impl From<usize> for Column {
    fn from(index: usize) -> Self {
        Column::Index(index)
    }
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Column::Name(name.to_owned())
    }
}

impl CsvOptions {
    /// Options for a table with a column of class labels: integers from 0, or [`IGNORED`](crate::loss::IGNORED).
    pub fn labels(column: impl Into<Column>) -> Self {
        Self::new(column, Kind::Labels(None))
    }

    /// Options for a table with a column of class names, numbered in order of first appearance, or as specified by
    /// [`class_names`](CsvOptions::class_names).
    pub fn text(column: impl Into<Column>) -> Self {
        Self::new(column, Kind::Text(None))
    }

    /// Options for a table with a column of numbers to predict. The targets have shape `[n, 1]`.
    pub fn values(column: impl Into<Column>) -> Self {
        Self::new(column, Kind::Values)
    }

    fn new(column: impl Into<Column>, kind: Kind) -> Self {
        let targets = vec![column.into()];
        CsvOptions { targets, kind, inputs: None, missing: None, header: false, delimiter: b',' }
    }

    /// Adds a target column. With `k` of them, the targets have shape `[n, k]`.
    pub fn also(mut self, column: impl Into<Column>) -> Self {
        self.targets.push(column.into());
        self
    }

    /// Selects the input columns, in this order. Defaults to all columns that are not targets.
    pub fn inputs(self, columns: impl IntoIterator<Item: Into<Column>>) -> Self {
        CsvOptions { inputs: Some(columns.into_iter().map(Into::into).collect()), ..self }
    }

    /// Requires labels to be below this number. Has no effect on targets that are not labels.
    pub fn classes(mut self, classes: usize) -> Self {
        if let Kind::Labels(most) = &mut self.kind {
            *most = Some(classes);
        }
        self
    }

    /// Expects class names as targets and numbers them 0, 1, … in this order. Any other name is an error. Use this to
    /// read test data with the classes of the training data.
    pub fn class_names(self, names: impl IntoIterator<Item: Into<String>>) -> Self {
        CsvOptions { kind: Kind::Text(Some(names.into_iter().map(Into::into).collect())), ..self }
    }

    /// Replaces missing inputs, whose field is empty, `?`, `NA`, `N/A`, `NaN` or `null`, by this number. By default
    /// they are an error.
    pub fn missing(self, number: f64) -> Self {
        CsvOptions { missing: Some(number), ..self }
    }

    /// Sets whether the first line holds headings. Selecting a column by name implies it.
    pub fn header(self, header: bool) -> Self {
        CsvOptions { header, ..self }
    }

    fn has_header(&self) -> bool {
        self.header || self.targets.iter().chain(self.inputs.iter().flatten()).any(|c| matches!(c, Column::Name(_)))
    }

    /// Sets the field delimiter, such as `b';'` or `b'\t'`. Defaults to a comma.
    pub fn delimiter(self, delimiter: u8) -> Self {
        CsvOptions { delimiter, ..self }
    }

    fn reader<R: Read>(&self, text: R) -> Reader<R> {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(self.delimiter).trim(Trim::All).from_reader(text)
    }
}

/// Reads a table of numbers from a file, optionally compressed with gzip. Inputs have shape `[n, columns]`, in the
/// order of the table without its targets, or in that of [`CsvOptions::inputs`].
///
/// # Errors
/// If the file cannot be read, has no data rows or lacks a column, a row is shorter or longer than the first, a field
/// is not a finite number of type `T`, or a target is not a label in range or not a known class.
///
/// ```no_run
/// use nn::data::{Column, CsvOptions, read_csv};
/// let iris = read_csv::<f32>("iris.csv", &CsvOptions::labels(Column::Last).header(true))?;
/// # Ok::<(), nn::data::DataError>(())
/// ```
pub fn read_csv<T: Float>(path: impl AsRef<Path>, options: &CsvOptions) -> Result<TensorDataset<T>, DataError> {
    read_csv_classes(path, options).map(|(data, _)| data)
}

/// Like [`read_csv`], but also returns the class names, class 0 first, if the targets are class names.
///
/// ```
/// use nn::{data::{CsvOptions, read_csv_classes}, loss::Target};
/// let path = std::env::temp_dir().join(format!("nn-iris-{}.csv", std::process::id()));
/// let rows = ["id,petal length,petal width,species", "1,1.4,0.2,setosa", "2,4.7,1.4,versicolor", "3,1.3,NA,setosa"];
/// std::fs::write(&path, rows.join("\n"))?;
/// let options = CsvOptions::text("species").inputs(["petal width", "petal length"]).missing(0.5);
/// let (iris, names) = read_csv_classes::<f64>(&path, &options)?;
/// assert_eq!(iris.inputs(), &autograd::tensor![[0.2, 1.4], [1.4, 4.7], [0.5, 1.3]]);
/// assert_eq!(iris.targets(), &Target::Labels(autograd::tensor![0_i64, 1, 0]));
/// assert_eq!(names, ["setosa", "versicolor"]);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// # Errors
/// Same as [`read_csv`].
pub fn read_csv_classes<T: Float>(
    path: impl AsRef<Path>,
    options: &CsvOptions,
) -> Result<(TensorDataset<T>, Vec<String>), DataError> {
    let path = path.as_ref();
    let text = Opened::at(path, FORMAT)?.boxed().rest()?;
    parse(&text, &path.display().to_string(), options)
}

/// Like [`read_csv`], but reads uncompressed text from any [`Read`], which errors refer to as `name`.
///
/// ```
/// use nn::data::{CsvOptions, read_csv_from};
/// let text = "width,height,kind\n1.5,2,0\n3,x,1\n";
/// let error = read_csv_from::<f64>(text.as_bytes(), "boxes.csv", &CsvOptions::labels("kind")).unwrap_err();
/// assert_eq!(error.to_string(), "boxes.csv, line 3, column 2 (height): \"x\" is not a finite number");
///
/// let boxes = read_csv_from::<f64>(text.replace('x', "4").as_bytes(), "boxes.csv", &CsvOptions::labels("kind"))?;
/// assert_eq!(boxes.inputs(), &autograd::tensor![[1.5, 2.0], [3.0, 4.0]]);
/// # Ok::<(), nn::data::DataError>(())
/// ```
/// # Errors
/// Same as [`read_csv`].
pub fn read_csv_from<T: Float>(
    mut reader: impl Read,
    name: &str,
    options: &CsvOptions,
) -> Result<TensorDataset<T>, DataError> {
    let mut text = Vec::new();
    let read = reader.read_to_end(&mut text);
    read.map_err(|source| IoError::Io { action: "read", path: name.into(), source })?;
    parse(&text, name, options).map(|(data, _)| data)
}

once! {
    /// Parses a table into its rows and the names of their classes.
    fn parse<T>(
        text: &[u8],
        name: &str,
        options: &CsvOptions,
    ) -> Result<(TensorDataset<T>, Vec<String>), DataError> {
        let line = |byte| line_of(text, byte).ok();
        let (mut reader, mut record) = (options.reader(text), ByteRecord::new());
        let mut table = Table::begin(&mut reader, &mut record, name, options, &line)?;
        let mut rows = Rows::default();
        loop {
            table.learn(&record);
            table.take(&record, &line, &mut rows)?;
            if !table.advance(&mut reader, &mut record, &line)? {
                let Batch { inputs, targets } = table.batch(rows);
                return Ok((TensorDataset::new(inputs, targets)?, table.class_names()));
            }
        }
    }
}

const FORMAT: &str = "CSV";

#[cfg(test)]
mod tests;
