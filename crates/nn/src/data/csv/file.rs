//! [`CsvFile`]: a table that stays on disk.

use super::table::{Rows, Table, line_of};
use super::{CsvOptions, FORMAT, Float};
use crate::data::combine::within;
use crate::data::{Batch, DataError, Dataset, TableError};
use crate::io::{IoError, Opened, Source};
use ::csv::ByteRecord;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// A table in a file, whose rows are read on demand, in any order. Takes eight bytes of memory per row, for its
/// position in the file.
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
    path: PathBuf,
    options: CsvOptions,
    table: Table,
    /// Byte offsets of the start of each row and of the end of the last.
    starts: Vec<u64>,
    source: Mutex<Source<File>>,
}

impl CsvFile {
    /// Opens a table and scans it once for the positions of its rows and for class names, if the targets are class
    /// names. All other fields are checked only when a batch needs them.
    ///
    /// # Errors
    /// If the file cannot be read or is compressed (which prevents seeking to a row), has no data rows or lacks a
    /// column, or a row is shorter or longer than the first.
    pub fn open(path: impl Into<PathBuf>, options: &CsvOptions) -> Result<Self, DataError> {
        let path = path.into();
        let line = |byte| line_in(&path, byte);
        let file = match Opened::at(&path, FORMAT)? {
            Opened::Plain(source) => BufReader::new(source.into_file()),
            Opened::Packed(source) => {
                return Err(source.fault("cannot seek in a compressed table; decompress it first").into());
            }
        };
        let (mut reader, mut record) = (options.reader(file), ByteRecord::new());
        let mut table = Table::begin(&mut reader, &mut record, &path.display().to_string(), options, &line)?;
        let mut starts = Vec::new();
        loop {
            starts.push(record.position().map_or(0, |position| position.byte()));
            table.learn(&record);
            if !table.advance(&mut reader, &mut record, &line)? {
                break;
            }
        }
        starts.push(reader.position().byte());
        let source = Mutex::new(Source::open(&path, FORMAT)?);
        Ok(CsvFile { options: options.clone(), table, starts, source, path })
    }

    /// The class names, class 0 first, if the targets are class names.
    pub fn class_names(&self) -> Vec<String> {
        self.table.class_names()
    }

    /// The bytes of a row.
    fn row(&self, index: usize) -> Result<Vec<u8>, IoError> {
        // A poisoned lock is fine: every read starts with a seek, wherever a reader that panicked left the file.
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        source.seek(self.starts[index])?;
        source.vec(self.starts[index + 1] - self.starts[index])
    }
}

fn line_in(path: &PathBuf, byte: u64) -> Option<u64> {
    line_of(BufReader::new(File::open(path).ok()?), byte).ok()
}

impl<T: Float> Dataset<T> for CsvFile {
    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<T>, DataError> {
        within(indices, self.starts.len() - 1)?;
        let (mut record, mut rows) = (ByteRecord::new(), Rows::default());
        for &index in indices {
            let row = self.row(index)?;
            let line = |_| line_in(&self.path, self.starts[index]);
            if !self.table.advance(&mut self.options.reader(&row[..]), &mut record, &line)? {
                return Err(self.table.fault(TableError::Gone, &record, &line, None));
            }
            self.table.take(&record, &line, &mut rows)?;
        }
        Ok(self.table.batch(rows))
    }
}
