//! Tables of numbers from text: one sample a line, one column of it the target. The format (quotes, line ends) is the
//! `csv` crate's affair; what the fields mean is ours, and each fault is named by file, line and column.

mod file;
mod table;

pub use file::CsvFile;

use super::{Batch, DataError, TensorDataset};
use crate::io::{IoError, Source};
use ::csv::{ByteRecord, Reader, ReaderBuilder, Trim};
use autograd::Float;
use std::io::Read;
use std::path::Path;
use table::{Columns, Table, line_of};

/// How to read a table: which column is the target, whether it holds labels or values, whether there are headings.
///
/// ```
/// use nn::data::CsvOptions;
/// let iris = CsvOptions::labels("species").classes(3);       // headings, as the column is named
/// let wine = CsvOptions::values(11).header(true).delimiter(b';');
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    target: Column,
    labels: bool,
    classes: Option<usize>,
    header: bool,
    delimiter: u8,
}

/// One column of a table. `0` and `"species"` turn into columns where one is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// Counted from 0.
    Index(usize),
    /// The one on the right.
    Last,
    /// By its heading, in the first line.
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
    /// A table with a column of class labels, whole numbers from 0, or [`IGNORED`](crate::loss::IGNORED).
    pub fn labels(column: impl Into<Column>) -> Self {
        let target = column.into();
        let header = matches!(target, Column::Name(_));
        CsvOptions { target, labels: true, classes: None, header, delimiter: b',' }
    }

    /// A table with a column of numbers to be predicted. The targets have shape `[n, 1]`.
    pub fn values(column: impl Into<Column>) -> Self {
        CsvOptions { labels: false, ..Self::labels(column) }
    }

    /// Labels must be below this.
    pub fn classes(self, classes: usize) -> Self {
        CsvOptions { classes: Some(classes), ..self }
    }

    /// Whether the first line holds headings. So it is anyway if the target is given by name.
    pub fn header(self, header: bool) -> Self {
        CsvOptions { header: header || matches!(self.target, Column::Name(_)), ..self }
    }

    /// What stands between fields: a comma unless set, often `b';'` or `b'\t'`.
    pub fn delimiter(self, delimiter: u8) -> Self {
        CsvOptions { delimiter, ..self }
    }

    fn reader<R: Read>(&self, text: R) -> Reader<R> {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(self.delimiter).trim(Trim::All).from_reader(text)
    }
}

/// Reads a table of numbers from a file: inputs `[n, columns - 1]`, in the order of the columns without the target.
///
/// # Errors
/// If the file cannot be read, has no row of data or no such target column, a row is shorter or longer than the first,
/// a field is no finite number of type `T`, or a label no whole number in range.
///
/// ```no_run
/// use nn::data::{Column, CsvOptions, read_csv};
/// let iris = read_csv::<f32>("iris.csv", &CsvOptions::labels(Column::Last).header(true))?;
/// # Ok::<(), nn::data::DataError>(())
/// ```
pub fn read_csv<T: Float>(path: impl AsRef<Path>, options: &CsvOptions) -> Result<TensorDataset<T>, DataError> {
    let path = path.as_ref();
    let mut source = Source::open(path, "CSV")?;
    let text = source.vec(source.left())?;
    parse(&text, &path.display().to_string(), options)
}

/// As [`read_csv`], from anything that can be read; errors call it `name`.
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
/// As for [`read_csv`].
pub fn read_csv_from<T: Float>(
    mut reader: impl Read,
    name: &str,
    options: &CsvOptions,
) -> Result<TensorDataset<T>, DataError> {
    let mut text = Vec::new();
    let read = reader.read_to_end(&mut text);
    read.map_err(|source| IoError::Io { action: "read", path: name.into(), source })?;
    parse(&text, name, options)
}

fn parse<T: Float>(text: &[u8], name: &str, options: &CsvOptions) -> Result<TensorDataset<T>, DataError> {
    let line = |byte| line_of(text, byte).ok();
    let (mut reader, mut record) = (options.reader(text), ByteRecord::new());
    let table = Table::begin(&mut reader, &mut record, name, options, &line)?;
    let mut columns = Columns::default();
    loop {
        table.take(&record, &line, &mut columns)?;
        if !table.advance(&mut reader, &mut record, &line)? {
            let Batch { inputs, targets } = table.batch(columns);
            return TensorDataset::new(inputs, targets);
        }
    }
}

#[cfg(test)]
mod tests;
