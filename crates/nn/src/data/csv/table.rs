//! Interprets the fields of a table row by row, and locates faults.

use super::{Column, CsvOptions, Kind};
use crate::data::{Batch, DataError, TableError};
use crate::io::IoError;
use crate::loss::{IGNORED, Target};
use ::csv::{ByteRecord, Reader};
use autograd::{Float, Tensor};
use std::collections::HashMap;
use std::io::{self, BufRead, Read};

/// Maps the byte offset from which a record was read to its line, counted from 1, if it can be determined.
pub(super) type Lines<'a> = &'a dyn Fn(u64) -> Option<u64>;

/// The headings of a table, and how to interpret its fields.
pub(super) struct Table {
    name: String,
    /// Empty if the table has no headings.
    headings: Vec<String>,
    columns: usize,
    inputs: Vec<usize>,
    targets: Vec<usize>,
    kind: Kind,
    /// Label of each class name.
    classes: HashMap<Vec<u8>, i64>,
    missing: Option<f64>,
}

/// The rows read so far.
#[derive(Default)]
pub(super) struct Rows<T> {
    inputs: Vec<T>,
    values: Vec<T>,
    labels: Vec<i64>,
}

impl Table {
    /// Reads the headings, if there are any, and the first row of data, which is required.
    pub(super) fn begin<R: Read>(
        reader: &mut Reader<R>,
        record: &mut ByteRecord,
        name: &str,
        options: &CsvOptions,
        line: Lines,
    ) -> Result<Table, DataError> {
        let mut table = Table::new(name, options);
        let mut more = table.advance(reader, record, line)?;
        table.columns = record.len();
        if more && options.has_header() {
            table.headings = record.iter().map(|heading| String::from_utf8_lossy(heading).into_owned()).collect();
            more = table.advance(reader, record, line)?;
        }
        if !more {
            return Err(table.error(TableError::Empty, None, None));
        }
        let find = |columns: &[Column]| columns.iter().map(|column| table.find(column)).collect::<Result<Vec<_>, _>>();
        let targets = find(&options.targets)?;
        let inputs = match &options.inputs {
            Some(columns) => find(columns)?,
            None => (0..table.columns).filter(|column| !targets.contains(column)).collect(),
        };
        if inputs.is_empty() {
            return Err(table.fault(TableError::NoInputs, record, line, None));
        }
        Ok(Table { inputs, targets, ..table })
    }

    fn new(name: &str, options: &CsvOptions) -> Self {
        let told = match &options.kind {
            Kind::Text(Some(names)) => &names[..],
            _ => &[],
        };
        Table {
            name: name.into(),
            headings: Vec::new(),
            columns: 0,
            inputs: Vec::new(),
            targets: Vec::new(),
            kind: options.kind.clone(),
            classes: told.iter().map(|name| name.clone().into_bytes()).zip(0..).collect(),
            missing: options.missing,
        }
    }

    /// Assigns numbers to new class names in a row, unless the names are given.
    pub(super) fn learn(&mut self, record: &ByteRecord) {
        if self.kind == Kind::Text(None) {
            for field in self.targets.iter().map(|&column| &record[column]).filter(|field| !missing(field)) {
                if !self.classes.contains_key(field) {
                    self.classes.insert(field.to_vec(), self.classes.len() as i64);
                }
            }
        }
    }

    /// The class names in order.
    pub(super) fn class_names(&self) -> Vec<String> {
        let mut classes: Vec<_> = self.classes.iter().collect();
        classes.sort_by_key(|(_, number)| **number);
        classes.into_iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    }

    /// Reads the next row, if there is one. It must be as long as the first.
    pub(super) fn advance<R: Read>(
        &self,
        reader: &mut Reader<R>,
        record: &mut ByteRecord,
        line: Lines,
    ) -> Result<bool, DataError> {
        let failed =
            |error: ::csv::Error| IoError::Io { action: "read", path: self.name.clone().into(), source: error.into() };
        let more = reader.read_byte_record(record).map_err(failed)?;
        if more && self.columns != 0 && record.len() != self.columns {
            let error = TableError::Ragged { expected: self.columns, found: record.len() };
            return Err(self.fault(error, record, line, None));
        }
        Ok(more)
    }

    /// Appends the numbers of a row to `rows`.
    pub(super) fn take<T: Float>(&self, record: &ByteRecord, line: Lines, rows: &mut Rows<T>) -> Result<(), DataError> {
        let fault = |column| move |error| self.fault(error, record, line, Some(column));
        for &column in &self.inputs {
            let filled = self.missing.filter(|_| missing(&record[column])).map(T::of);
            rows.inputs.push(filled.map_or_else(|| number(&record[column]), Ok).map_err(fault(column))?);
        }
        for &column in &self.targets {
            let field = &record[column];
            let taken = match &self.kind {
                Kind::Values => number(field).map(|x| rows.values.push(x)),
                Kind::Labels(classes) => label(field, *classes).map(|x| rows.labels.push(x)),
                Kind::Text(_) => self.class(field).map(|x| rows.labels.push(x)),
            };
            taken.map_err(fault(column))?;
        }
        Ok(())
    }

    fn class(&self, field: &[u8]) -> Result<i64, TableError> {
        self.classes.get(field).copied().ok_or_else(|| TableError::NotAClass { field: excerpt(field) })
    }

    /// Converts rows to a batch: inputs `[n, inputs]`, and values `[n, targets]` or labels `[n]` (`[n, targets]` if
    /// there are several target columns).
    pub(super) fn batch<T: Float>(&self, Rows { inputs, values, labels }: Rows<T>) -> Batch<T> {
        let (n, targets) = (inputs.len() / self.inputs.len(), self.targets.len());
        let targets = match self.kind {
            Kind::Values => Target::Values(Tensor::new(&[n, targets], values)),
            _ if targets == 1 => Target::Labels(labels.into()),
            _ => Target::Labels(Tensor::new(&[n, targets], labels)),
        };
        Batch { inputs: Tensor::new(&[n, self.inputs.len()], inputs), targets }
    }

    fn find(&self, column: &Column) -> Result<usize, DataError> {
        let columns = self.columns;
        let found = match column {
            Column::Index(index) => Some(*index).filter(|i| *i < columns),
            Column::Last => columns.checked_sub(1),
            Column::Name(name) => self.headings.iter().position(|heading| heading == name),
        };
        let column = || match column {
            Column::Name(name) => format!("{name:?}"),
            Column::Index(index) => format!("{index} (counted from 0)"),
            Column::Last => "at the end".to_owned(),
        };
        found.ok_or_else(|| self.error(TableError::NoColumn { column: column(), columns }, None, None))
    }

    /// An error in this row.
    pub(super) fn fault(
        &self,
        error: TableError,
        record: &ByteRecord,
        line: Lines,
        column: Option<usize>,
    ) -> DataError {
        self.error(error, record.position().and_then(|p| line(p.byte())), column)
    }

    fn error(&self, error: TableError, line: Option<u64>, column: Option<usize>) -> DataError {
        let column = column.map(|i| match self.headings.get(i) {
            Some(heading) => format!("{} ({})", i + 1, excerpt(heading.as_bytes())),
            None => (i + 1).to_string(),
        });
        DataError::Table { name: self.name.clone(), line, column, error }
    }
}

/// Whether a field marks a missing value.
fn missing(field: &[u8]) -> bool {
    [&b""[..], b"?", b"NA", b"N/A", b"NaN", b"null"].iter().any(|word| field.eq_ignore_ascii_case(word))
}

fn number<T: Float>(field: &[u8]) -> Result<T, TableError> {
    let number = str::from_utf8(field).ok().and_then(|text| text.parse().ok()).map(T::of);
    number.filter(|x| x.is_finite()).ok_or_else(|| TableError::NotANumber { field: excerpt(field) })
}

fn label(field: &[u8], classes: Option<usize>) -> Result<i64, TableError> {
    let label = str::from_utf8(field).ok().and_then(|text| text.parse::<i64>().ok());
    let inside =
        |label: &i64| *label == IGNORED || usize::try_from(*label).is_ok_and(|label| classes.is_none_or(|c| label < c));
    label.filter(inside).ok_or_else(|| TableError::NotALabel { field: excerpt(field), classes })
}

/// The line, counted from 1, of the record that was read from this byte on. Skips the rest of the previous line ending
/// and blank lines, at which the position of the `csv` crate can point.
pub(super) fn line_of(text: impl BufRead, from: u64) -> io::Result<u64> {
    let (mut line, mut last) = (1, 0);
    for (at, byte) in text.bytes().enumerate() {
        let byte = byte?;
        // A carriage return ends a line unless a line feed follows.
        line += u64::from(last == b'\r' && byte != b'\n');
        if at as u64 >= from && !b"\r\n".contains(&byte) {
            break;
        }
        line += u64::from(byte == b'\n');
        last = byte;
    }
    Ok(line)
}

/// A field shortened for an error message: a broken file may have fields of a gigabyte.
fn excerpt(field: &[u8]) -> String {
    const SHOWN: usize = 40;
    let text = String::from_utf8_lossy(&field[..field.len().min(SHOWN)]);
    if field.len() > SHOWN { format!("{text}…") } else { text.into_owned() }
}
