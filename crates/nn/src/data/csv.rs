//! Tables of numbers from text: one sample a line, one column of it the target. The format (quotes, line ends) is the
//! `csv` crate's affair; what the fields mean is ours, and each fault is named by file, line and column.

use super::{DataError, TableError, TensorDataset};
use crate::loss::Target;
use ::csv::{ByteRecord, ReaderBuilder, Trim};
use autograd::{Float, Tensor};
use std::io::Read;
use std::path::Path;

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
    /// A table with a column of class labels, whole numbers from 0.
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
    let text = std::fs::read(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
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
    reader.read_to_end(&mut text).map_err(|source| DataError::Io { path: name.into(), source })?;
    parse(&text, name, options)
}

fn parse<T: Float>(text: &[u8], name: &str, options: &CsvOptions) -> Result<TensorDataset<T>, DataError> {
    let mut rows = Rows::new(text, name, options)?;
    let target = rows.target_column(&options.target)?;
    let (mut inputs, mut values, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        for (column, field) in rows.record.iter().enumerate() {
            match (column == target, options.labels) {
                (false, _) => inputs.push(rows.number(column, field)?),
                (true, false) => values.push(rows.number(column, field)?),
                (true, true) => labels.push(rows.label(column, field, options.classes)?),
            }
        }
        if !rows.advance()? {
            break;
        }
    }
    let n = values.len() + labels.len();
    let targets = match options.labels {
        true => Target::Labels(labels.into()),
        false => Target::Values(Tensor::new(&[n, 1], values)),
    };
    TensorDataset::new(Tensor::new(&[n, inputs.len() / n], inputs), targets)
}

/// The rows of a table, one at a time, all of the same length; at least one.
struct Rows<'a> {
    reader: ::csv::Reader<&'a [u8]>,
    text: &'a [u8],
    name: &'a str,
    /// Empty if the table has none.
    headings: Vec<String>,
    record: ByteRecord,
}

impl<'a> Rows<'a> {
    /// Stands at the first row of data.
    fn new(text: &'a [u8], name: &'a str, options: &CsvOptions) -> Result<Self, DataError> {
        let mut builder = ReaderBuilder::new();
        let builder = builder.has_headers(false).flexible(true).delimiter(options.delimiter).trim(Trim::All);
        let (reader, record) = (builder.from_reader(text), ByteRecord::new());
        let mut rows = Rows { reader, text, name, headings: Vec::new(), record };
        let mut more = rows.advance()?;
        if more && options.header {
            rows.headings = rows.record.iter().map(|heading| String::from_utf8_lossy(heading).into_owned()).collect();
            more = rows.advance()?;
        }
        match (more, rows.record.len()) {
            (false, _) => Err(rows.error(TableError::Empty, None, None)),
            (true, 1) => Err(rows.fault(TableError::NoInputs, None)),
            (true, _) => Ok(rows),
        }
    }

    /// On to the next row, if there is one.
    fn advance(&mut self) -> Result<bool, DataError> {
        let expected = if self.headings.is_empty() { self.record.len() } else { self.headings.len() };
        let failed = |error: ::csv::Error| DataError::Io { path: self.name.into(), source: error.into() };
        let more = self.reader.read_byte_record(&mut self.record).map_err(failed)?;
        let found = self.record.len();
        if more && expected != 0 && found != expected {
            return Err(self.fault(TableError::Ragged { expected, found }, None));
        }
        Ok(more)
    }

    fn target_column(&self, target: &Column) -> Result<usize, DataError> {
        let columns = self.record.len();
        let found = match target {
            Column::Index(index) => Some(*index).filter(|i| *i < columns),
            Column::Last => columns.checked_sub(1),
            Column::Name(name) => self.headings.iter().position(|heading| heading == name),
        };
        let column = || match target {
            Column::Name(name) => format!("{name:?}"),
            Column::Index(index) => format!("{index} (counted from 0)"),
            Column::Last => "at the end".to_owned(),
        };
        found.ok_or_else(|| self.error(TableError::NoColumn { column: column(), columns }, None, None))
    }

    fn number<T: Float>(&self, column: usize, field: &[u8]) -> Result<T, DataError> {
        let number = str::from_utf8(field).ok().and_then(|text| text.parse().ok()).map(T::of);
        let finite = number.filter(|x| x.is_finite());
        finite.ok_or_else(|| self.fault(TableError::NotANumber { field: excerpt(field) }, Some(column)))
    }

    fn label(&self, column: usize, field: &[u8], classes: Option<usize>) -> Result<i64, DataError> {
        let label = str::from_utf8(field).ok().and_then(|text| text.parse::<i64>().ok());
        let inside = |label: &i64| usize::try_from(*label).is_ok_and(|label| classes.is_none_or(|c| label < c));
        let error = || self.fault(TableError::NotALabel { field: excerpt(field), classes }, Some(column));
        label.filter(inside).ok_or_else(error)
    }

    /// An error in the row at hand.
    fn fault(&self, error: TableError, column: Option<usize>) -> DataError {
        self.error(error, self.record.position().map(|p| line_of(self.text, p.byte())), column)
    }

    fn error(&self, error: TableError, line: Option<u64>, column: Option<usize>) -> DataError {
        let column = column.map(|i| match self.headings.get(i) {
            Some(heading) => format!("{} ({})", i + 1, excerpt(heading.as_bytes())),
            None => (i + 1).to_string(),
        });
        DataError::Table { name: self.name.to_owned(), line, column, error }
    }
}

/// The line, from 1, of the record that was read from this byte on: past the rest of the line end before it and past
/// blank lines, which the library counts from otherwise.
fn line_of(text: &[u8], from: u64) -> u64 {
    let from = usize::try_from(from).unwrap_or(usize::MAX).min(text.len());
    let start = text[from..].iter().position(|b| !b"\r\n".contains(b)).map_or(text.len(), |skipped| from + skipped);
    let ends = |i: &usize| text[*i] == b'\n' || (text[*i] == b'\r' && text.get(i + 1) != Some(&b'\n'));
    1 + (0..start).filter(ends).count() as u64
}

/// A field as an error shows it: a broken file may have fields of a gigabyte.
fn excerpt(field: &[u8]) -> String {
    const SHOWN: usize = 40;
    let text = String::from_utf8_lossy(&field[..field.len().min(SHOWN)]);
    if field.len() > SHOWN { format!("{text}…") } else { text.into_owned() }
}

#[cfg(test)]
mod tests;
