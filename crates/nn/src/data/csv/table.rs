//! What the fields of a table mean, row by row, and where a fault is.

use super::{Column, CsvOptions};
use crate::data::{Batch, DataError, TableError};
use crate::io::IoError;
use crate::loss::{IGNORED, Target};
use ::csv::{ByteRecord, Reader};
use autograd::{Float, Tensor};
use std::io::{self, BufRead, Read};

/// The line, from 1, of the record that was read from a byte on, where that can be told.
pub(super) type Lines<'a> = &'a dyn Fn(u64) -> Option<u64>;

/// A table's headings and how its fields are to be read.
pub(super) struct Table {
    name: String,
    /// Empty if the table has none.
    headings: Vec<String>,
    columns: usize,
    target: usize,
    labels: bool,
    classes: Option<usize>,
}

/// Rows that have been read.
#[derive(Default)]
pub(super) struct Columns<T> {
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
        let (labels, classes) = (options.labels, options.classes);
        let mut table = Table { name: name.into(), headings: Vec::new(), columns: 0, target: 0, labels, classes };
        let mut more = table.advance(reader, record, line)?;
        table.columns = record.len();
        if more && options.header {
            table.headings = record.iter().map(|heading| String::from_utf8_lossy(heading).into_owned()).collect();
            more = table.advance(reader, record, line)?;
        }
        match (more, record.len()) {
            (false, _) => return Err(table.error(TableError::Empty, None, None)),
            (true, 1) => return Err(table.fault(TableError::NoInputs, record, line, None)),
            (true, _) => {}
        }
        table.target = table.target_column(&options.target)?;
        Ok(table)
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
    pub(super) fn take<T: Float>(
        &self,
        record: &ByteRecord,
        line: Lines,
        columns: &mut Columns<T>,
    ) -> Result<(), DataError> {
        for (column, field) in record.iter().enumerate() {
            let taken = match (column == self.target, self.labels) {
                (false, _) => number(field).map(|x| columns.inputs.push(x)),
                (true, false) => number(field).map(|x| columns.values.push(x)),
                (true, true) => label(field, self.classes).map(|x| columns.labels.push(x)),
            };
            taken.map_err(|error| self.fault(error, record, line, Some(column)))?;
        }
        Ok(())
    }

    /// The rows that were taken: inputs `[n, columns - 1]`, and values `[n, 1]` or labels `[n]`.
    pub(super) fn batch<T: Float>(&self, columns: Columns<T>) -> Batch<T> {
        let Columns { inputs, values, labels } = columns;
        let n = values.len() + labels.len();
        let targets = match self.labels {
            true => Target::Labels(labels.into()),
            false => Target::Values(Tensor::new(&[n, 1], values)),
        };
        Batch { inputs: Tensor::new(&[n, self.columns - 1], inputs), targets }
    }

    fn target_column(&self, target: &Column) -> Result<usize, DataError> {
        let columns = self.columns;
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
