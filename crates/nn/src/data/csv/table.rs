//! [`Table`]: a file read with its [`Columns`]. It finds the columns in the file, interprets its rows, and locates faults.

use super::columns::{Code, Columns, Seen, find, label, number};
use super::names::{excerpt, utf8};
use super::options::{CsvOptions, Gap, Kind};
use super::record::{Broken, Record, Records};
use crate::data::{Batch, DataError, TableError};
use crate::io::{IoError, stranger};
use crate::loss::Target;
use autograd::{Float, Tensor};

/// A file, and which of its columns are used.
pub(super) struct Table {
    /// The path of the file, or the name given to the reader.
    name: String,
    headings: Vec<String>,
    /// Number of fields in a row.
    width: usize,
    /// The line of the first row.
    first: u64,
    /// Which field is each input.
    inputs: Vec<usize>,
    /// Which field is each target; empty if only inputs are read.
    targets: Vec<usize>,
    pub columns: Columns,
}

/// Which part of a table to read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    All,
    /// Target columns are optional.
    Inputs,
}

/// The rows read so far: a number for each input column, and NaN for a gap.
pub(super) struct Rows<T> {
    inputs: Vec<T>,
    values: Vec<T>,
    labels: Vec<i64>,
}

impl<T> Rows<T> {
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Rows { inputs: Vec::new(), values: Vec::new(), labels: Vec::new() }
    }
}

impl Table {
    /// Reads the headings and the first row of a table about which only the options are known.
    pub fn begin(
        records: &mut Records,
        record: &mut Record,
        name: &str,
        options: &CsvOptions,
        want: Want,
    ) -> Result<Table, DataError> {
        let headings = heading(records, record, name, options)?;
        let mut options = options.clone();
        if want == Want::Inputs {
            // A file without targets is read like one with them: by default, its inputs are all columns but the targets.
            options.targets.retain(|column| find(column, &headings, record.len()).is_ok());
        }
        let columns = Columns::select(&options, headings.clone(), record.len());
        let columns = columns.map_err(|error| located(name, None, None, error))?;
        let inputs = columns.inputs.iter().map(|input| input.place).collect();
        let targets = if want == Want::All { columns.targets.clone() } else { Vec::new() };
        let (width, first) = (record.len(), record.line);
        let table = Table { name: name.into(), headings, width, first, inputs, targets, columns };
        table.not_empty(record)
    }

    /// Reads the headings and the first row of a table with known columns.
    pub fn bind(
        records: &mut Records,
        record: &mut Record,
        name: &str,
        columns: &Columns,
        want: Want,
    ) -> Result<Table, DataError> {
        let headings = heading(records, record, name, &columns.options)?;
        let width = record.len();
        let place =
            |place: usize| columns.place(place, &headings, width).map_err(|error| located(name, None, None, error));
        let inputs = columns.inputs.iter().map(|input| place(input.place)).collect::<Result<_, _>>()?;
        let targets = match want {
            Want::All => columns.targets.iter().map(|target| place(*target)).collect::<Result<_, _>>()?,
            Want::Inputs => Vec::new(),
        };
        let (first, columns) = (record.line, columns.clone());
        Table { name: name.into(), headings, width, first, inputs, targets, columns }.not_empty(record)
    }

    fn not_empty(self, record: &Record) -> Result<Table, DataError> {
        if self.inputs.is_empty() { Err(self.fault(TableError::NoInputs, record, None)) } else { Ok(self) }
    }

    /// Reads the next row, if there is one. It must be as long as the first.
    pub fn advance(&self, records: &mut Records, record: &mut Record) -> Result<bool, DataError> {
        let more = records.next(record).map_err(|error| broken(&self.name, error))?;
        if more && record.len() != self.width {
            let error = TableError::Ragged { expected: self.width, found: record.len() };
            return Err(self.fault(error, record, None));
        }
        Ok(more)
    }

    /// Whether a row is kept, rather than dropped because of a gap.
    pub fn keeps(&self, record: &Record) -> bool {
        let options = &self.columns.options;
        let gap = |place: &usize| options.is_gap(record.field(*place));
        let inputs = self.inputs.iter().zip(&self.columns.inputs);
        let dropped = inputs.filter(|(_, input)| input.gap == Gap::DropRow).any(|(place, _)| gap(place));
        !(dropped || options.drop_missing_targets && self.targets.iter().any(gap))
    }

    /// Adds the categories, class names and values of a row to the columns.
    pub fn learn(&mut self, record: &Record, seen: &mut Seen) -> Result<(), DataError> {
        let learned = self.columns.learn(record, seen);
        learned.map_err(|(place, error)| self.fault(error, record, Some(place)))
    }

    /// Ends learning, for which at least one row must have been kept.
    pub fn close(&mut self, seen: Seen, any: bool) -> Result<(), DataError> {
        self.columns.close(seen);
        if any { Ok(()) } else { Err(self.error(TableError::AllDropped, None, None)) }
    }

    /// Appends a row.
    pub fn take<T: Float>(&self, record: &Record, rows: &mut Rows<T>) -> Result<(), DataError> {
        let fault = |column| move |error| self.fault(error, record, Some(column));
        let options = &self.columns.options;
        for (&place, input) in self.inputs.iter().zip(&self.columns.inputs) {
            let field = record.field(place);
            let is_filled = input.gap != Gap::Refuse && options.is_gap(field);
            rows.inputs.push(if is_filled {
                T::of(f64::NAN)
            } else {
                input.number(field, options).map_err(fault(place))?
            });
        }
        for &place in &self.targets {
            let field = record.field(place);
            let taken = match &options.kind {
                Kind::Values => number(field, options).map(|x| rows.values.push(x)),
                Kind::Labels(classes) => label(field, *classes, options).map(|x| rows.labels.push(x)),
                Kind::Text(_) => self.columns.class(field).map(|x| rows.labels.push(x)),
            };
            taken.map_err(fault(place))?;
        }
        Ok(())
    }

    /// Converts rows to a batch: inputs `[n, inputs]`, and values `[n, targets]` or labels `[n]` (`[n, targets]` if there
    /// are several target columns).
    pub fn batch<T: Float>(&self, Rows { inputs, values, labels }: Rows<T>) -> Result<Batch<T>, DataError> {
        let (n, targets) = (inputs.len() / self.inputs.len(), self.targets.len());
        let targets = match self.columns.options.kind {
            Kind::Labels(_) | Kind::Text(_) if targets == 1 => Target::Labels(labels.into()),
            Kind::Labels(_) | Kind::Text(_) if targets > 0 => Target::Labels(Tensor::new(&[n, targets], labels)),
            Kind::Labels(_) | Kind::Text(_) | Kind::Values => Target::Values(Tensor::new(&[n, targets], values)),
        };
        Ok(Batch { inputs: Tensor::new(&[n, self.columns.inputs()], self.encoded(inputs)?), targets })
    }

    /// Fills gaps, and replaces the numbers of categories by zeros and ones.
    fn encoded<T: Float>(&self, mut rows: Vec<T>) -> Result<Vec<T>, DataError> {
        let inputs = &self.columns.inputs;
        for row in rows.chunks_exact_mut(inputs.len()) {
            for (i, (x, input)) in row.iter_mut().zip(inputs).enumerate().filter(|(_, (x, _))| x.f64().is_nan()) {
                let fault = |error| self.error(error, None, Some(self.inputs[i]));
                let fill = input.fill.ok_or_else(|| fault(TableError::OnlyGaps))?;
                *x = T::of(fill);
                if !x.is_finite() {
                    let hint = ": it would fill gaps, as CsvOptions::gaps asks for";
                    return Err(fault(TableError::NotANumber { field: fill.to_string(), hint }));
                }
            }
        }
        if inputs.iter().all(|input| !matches!(input.code, Code::OneHot(_))) {
            return Ok(rows);
        }
        let mut wide = Vec::with_capacity(rows.len() / inputs.len() * self.columns.inputs());
        for row in rows.chunks_exact(inputs.len()) {
            for (&x, input) in row.iter().zip(inputs) {
                match &input.code {
                    Code::Number | Code::Ordinal(_) => wide.push(x),
                    Code::OneHot(_) => {
                        wide.extend((0..input.width()).map(|k| T::of(f64::from(u8::from(k as f64 == x.f64())))));
                    }
                }
            }
        }
        Ok(wide)
    }

    /// An error in this row.
    pub fn fault(&self, error: TableError, record: &Record, column: Option<usize>) -> DataError {
        let error = match error {
            // The most likely reason for words in the first row of a table without headings.
            TableError::NotANumber { field, .. } if self.starts_with_words(&field, record) => TableError::NotANumber {
                field,
                hint: "; if this line has the names of the columns, set CsvOptions::header(true)",
            },
            other => other,
        };
        self.error(error, Some(record.line), column)
    }

    fn starts_with_words(&self, field: &str, record: &Record) -> bool {
        let is_first = self.headings.is_empty() && record.line == self.first;
        let is_word = field.starts_with(char::is_alphabetic) && field.parse::<f64>().is_err();
        is_first && is_word && !self.columns.options.is_gap(field.as_bytes())
    }

    pub fn error(&self, error: TableError, line: Option<u64>, column: Option<usize>) -> DataError {
        let column = column.map(|i| match self.headings.get(i) {
            Some(heading) => format!("{} ({})", i + 1, excerpt(heading.as_bytes())),
            None => (i + 1).to_string(),
        });
        located(&self.name, line, column, error)
    }
}

impl Columns {
    /// Where a column of the table that was learned from is in another table: by its heading, or, without headings, by
    /// its index among all columns or, if there are no targets, among the inputs.
    fn place(&self, place: usize, headings: &[String], width: usize) -> Result<usize, TableError> {
        if headings == self.headings && width == self.width {
            return Ok(place);
        }
        let Some(name) = self.headings.get(place) else {
            let before = self.targets.iter().filter(|target| **target < place).count();
            return match width {
                _ if width == self.width => Ok(place),
                _ if width + self.targets.len() == self.width && !self.targets.contains(&place) => Ok(place - before),
                _ => Err(TableError::Ragged { expected: self.width, found: width }),
            };
        };
        find(&name.as_str().into(), headings, width)
    }
}

/// Reads the headings, if the table has any, and the first row of data, which is required.
fn heading(
    records: &mut Records,
    record: &mut Record,
    name: &str,
    options: &CsvOptions,
) -> Result<Vec<String>, DataError> {
    let error = |error, line, column: Option<usize>| located(name, line, column.map(|i| (i + 1).to_string()), error);
    let start = records.peek().map_err(|error| broken(name, error))?;
    let utf16 = start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]);
    let utf16 = utf16.then_some("this text is UTF-16: save it as UTF-8");
    if let Some(what) = stranger(&start[..start.len().min(1024)]).or(utf16) {
        return Err(error(TableError::Stranger { what }, None, None));
    }
    let mut next = |record: &mut Record| records.next(record).map_err(|error| broken(name, error));
    let mut more = next(record)?;
    let mut headings = Vec::new();
    if more && options.has_header() {
        for (column, heading) in record.iter().enumerate() {
            let heading = utf8(heading).map_err(|fault| error(fault, Some(record.line), Some(column)))?;
            headings.push(heading.to_owned());
        }
        more = next(record)?;
        if more && record.len() != headings.len() {
            let ragged = TableError::Ragged { expected: headings.len(), found: record.len() };
            return Err(error(ragged, Some(record.line), None));
        }
    }
    if more { Ok(headings) } else { Err(error(TableError::Empty, None, None)) }
}

fn located(name: &str, line: Option<u64>, column: Option<String>, error: TableError) -> DataError {
    DataError::Table { name: name.into(), line, column, error }
}

/// An error of the reader.
fn broken(name: &str, broken: Broken) -> DataError {
    let at = |error, line, field: usize| located(name, Some(line), Some((field + 1).to_string()), error);
    match broken {
        Broken::Open { line, field } => at(TableError::OpenQuote, line, field),
        Broken::Stray { line, field } => at(TableError::StrayText, line, field),
        Broken::Fields { line, most } => located(name, Some(line), None, TableError::TooManyFields { most }),
        Broken::Io(error) => DataError::File(IoError::of(error, name.as_ref())),
    }
}
