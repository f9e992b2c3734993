//! What the fields of a table mean, row by row, and where a fault is.

use super::{Column, CsvOptions, Kind};
use crate::data::{Batch, DataError, TableError};
use crate::io::IoError;
use crate::loss::{IGNORED, Target};
use ::csv::{ByteRecord, Reader};
use autograd::{Float, Tensor};
use std::collections::HashMap;
use std::io::{self, BufRead, Read};

/// The line, from 1, of the record that was read from a byte on, where that can be told.
pub(super) type Lines<'a> = &'a dyn Fn(u64) -> Option<u64>;

/// A table's headings and how its fields are to be read.
pub(super) struct Table {
    name: String,
    /// Empty if the table has none.
    headings: Vec<String>,
    columns: usize,
    inputs: Vec<usize>,
    targets: Vec<usize>,
    kind: Kind,
    /// The numbers of named classes.
    classes: HashMap<Vec<u8>, i64>,
    missing: Option<f64>,
}

/// Rows that have been read.
#[derive(Default)]
pub(super) struct Rows<T> {
    inputs: Vec<T>,
    values: Vec<T>,
    labels: Vec<i64>,
}

impl Table {
    /// Reads headings, if there are any, and the first row of data, which there must be.
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

    /// Numbers the classes of a row that are new, unless all were told.
    pub(super) fn learn(&mut self, record: &ByteRecord) {
        if self.kind == Kind::Text(None) {
            for field in self.targets.iter().map(|&column| &record[column]).filter(|field| !missing(field)) {
                if !self.classes.contains_key(field) {
                    self.classes.insert(field.to_vec(), self.classes.len() as i64);
                }
            }
        }
    }

    /// The names of the classes in order.
    pub(super) fn class_names(&self) -> Vec<String> {
        let mut classes: Vec<_> = self.classes.iter().collect();
        classes.sort_by_key(|(_, number)| **number);
        classes.into_iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    }

    /// On to the next row, if there is one; it must be as long as the first.
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

    /// Puts the numbers of a row behind those before.
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

    /// The rows that were taken: inputs `[n, inputs]`, and values `[n, targets]`, or labels `[n]` (`[n, targets]` of
    /// several).
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

    /// An error in a row.
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

/// Whether a field says that there is nothing.
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

/// The line, from 1, of the record that was read from this byte on: past the rest of the line end before it and past
/// blank lines, which the library counts from otherwise.
pub(super) fn line_of(text: impl BufRead, from: u64) -> io::Result<u64> {
    let (mut line, mut last) = (1, 0);
    for (at, byte) in text.bytes().enumerate() {
        let byte = byte?;
        // A carriage return ends a line unless a line feed does so after it.
        line += u64::from(last == b'\r' && byte != b'\n');
        if at as u64 >= from && !b"\r\n".contains(&byte) {
            break;
        }
        line += u64::from(byte == b'\n');
        last = byte;
    }
    Ok(line)
}

/// A field as an error shows it: a broken file may have fields of a gigabyte.
fn excerpt(field: &[u8]) -> String {
    const SHOWN: usize = 40;
    let text = String::from_utf8_lossy(&field[..field.len().min(SHOWN)]);
    if field.len() > SHOWN { format!("{text}…") } else { text.into_owned() }
}
