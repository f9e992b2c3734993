//! [`CsvFile`]: a table that stays on disk.

use super::record::{Record, Records};
use super::table::{Rows, Table, Want};
use super::{Columns, CsvOptions, FORMAT, Float};
use crate::data::combine::within;
use crate::data::{Batch, DataError, Dataset, TableError};
use crate::io::{IoError, Opened, Source, Stream};
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// A table in a file, whose rows are read on demand, in any order. Takes sixteen bytes of memory per row, for its position
/// in the file.
///
/// ```
/// use autograd::tensor;
/// use nn::data::{CsvFile, CsvOptions, Dataset};
/// let path = std::env::temp_dir().join(format!("nn-rows-{}.csv", std::process::id()));
/// std::fs::write(&path, "width,height,kind\n1.5,2,0\n3,4,1\n5,6,0\n")?;
/// let table = CsvFile::open(&path, &CsvOptions::labels("kind"))?;
/// assert_eq!(Dataset::<f64>::batch(&table, &[2, 0])?.inputs, tensor![[5.0, 6.0], [1.5, 2.0]]);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CsvFile {
    table: Table,
    rows: Vec<Row>,
    source: Mutex<Source<File>>,
}

/// Where a row is in its file.
struct Row {
    start: u64,
    length: u32,
    /// A 32-bit line number suffices: it is only used in error messages.
    line: u32,
}

impl CsvFile {
    /// Opens a table and scans it once for the positions of its rows, for class names and categories, and for the values
    /// that fill gaps. All other fields are checked only when a batch needs them.
    ///
    /// # Errors
    /// If the file cannot be read or is compressed (which prevents seeking to a row), has no data rows or lacks a
    /// column, a row is shorter or longer than the first, a quote is never closed, or two columns in use share a heading.
    pub fn open(path: impl Into<PathBuf>, options: &CsvOptions) -> Result<Self, DataError> {
        let path = path.into();
        let file = match Opened::at(&path, FORMAT)? {
            Opened::Plain(source) => source,
            Opened::Packed(source) => {
                return Err(source.fault("cannot seek in a compressed table; decompress it first").into());
            }
        };
        let mut reader = BufReader::with_capacity(1 << 16, Stream(file));
        let (mut records, mut record) = (Records::new(&mut reader, &options.format), Record::default());
        let mut table = Table::begin(&mut records, &mut record, &path.display().to_string(), options, Want::All)?;
        let (mut rows, mut seen) = (Vec::new(), Vec::new());
        loop {
            if table.keeps(&record) {
                table.learn(&record, &mut seen)?;
                let length = u32::try_from(records.at() - record.start).unwrap_or(u32::MAX);
                rows.push(Row { start: record.start, length, line: record.line as u32 });
            }
            if !table.advance(&mut records, &mut record)? {
                break;
            }
        }
        table.close(seen, !rows.is_empty())?;
        Ok(CsvFile { table, rows, source: Mutex::new(Source::open(&path, FORMAT)?) })
    }

    /// The class names, class 0 first, if the targets are class names.
    pub fn class_names(&self) -> Vec<String> {
        self.table.columns.class_names().to_vec()
    }

    /// What was learned about the columns, with which to read other tables.
    ///
    /// ```
    /// use nn::data::{CsvFile, CsvOptions};
    /// let path = std::env::temp_dir().join(format!("file-{}.csv", std::process::id()));
    /// std::fs::write(&path, "mass,species\n3750,Adelie\n5700,Gentoo\n").unwrap();
    /// let table = CsvFile::open(&path, &CsvOptions::text("species"))?;
    /// assert_eq!((table.class_names(), table.columns().inputs()), (vec!["Adelie".to_owned(), "Gentoo".to_owned()], 1));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    pub fn columns(&self) -> &Columns {
        &self.table.columns
    }

    /// Reads the bytes of a row into `bytes`, replacing its contents.
    fn read(&self, row: &Row, bytes: &mut Vec<u8>) -> Result<(), IoError> {
        // A poisoned lock is fine: every read starts with a seek, wherever a reader that panicked left the file.
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        source.seek(row.start)?;
        bytes.clear();
        bytes.resize(source.claim(row.length.into(), 1)?, 0);
        source.fill(bytes)
    }
}

impl<T: Float> Dataset<T> for CsvFile {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<T>, DataError> {
        within(indices, self.rows.len())?;
        let (mut bytes, mut record, mut rows) = (Vec::new(), Record::default(), Rows::default());
        let format = self.table.columns.format_of_a_row();
        for row in indices.iter().map(|index| &self.rows[*index]) {
            self.read(row, &mut bytes)?;
            let mut text = &bytes[..];
            let mut records = Records::at_line(&mut text, &format, row.line.into());
            if !self.table.advance(&mut records, &mut record)? {
                return Err(self.table.error(TableError::Gone, Some(row.line.into()), None));
            }
            self.table.take(&record, &mut rows)?;
        }
        self.table.batch(rows)
    }
}
