//! Tables from CSV text: one sample per line, with columns of numbers or text for the inputs and the target. Errors name
//! the file, the line and the column.
//!
//! [`record`](self::record) splits text into fields; [`options`](self::options) says how to interpret them;
//! [`columns`](self::columns) holds what was learned from a table, [`saved`](self::saved) writes that as text, and
//! [`table`](self::table) uses it to read a file.

mod columns;
mod file;
mod names;
mod options;
mod record;
mod saved;
mod table;

pub use columns::Columns;
pub use file::CsvFile;
pub use options::{Column, CsvOptions, Gap};

use super::{Batch, DataError, TensorDataset};
use crate::io::{IoError, Opened, Stream};
use crate::once;
use autograd::{Float, Tensor};
use record::{Record, Records};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use table::{Rows, Table, Want};

/// Reads a table from a file, optionally compressed with gzip. Inputs have shape `[n, inputs]`, in the order of the
/// table without its targets, or in that of [`CsvOptions::inputs`].
///
/// # Errors
/// If the file cannot be read, has no data rows or lacks a column, a row is shorter or longer than the first, a quote is
/// never closed, two columns in use share a heading, a field is not a finite number of type `T` although its column is
/// not read as text, or a target is not a label in range or not a known class.
///
/// ```no_run
/// use nn::data::{Column, CsvOptions, read_csv};
/// let iris = read_csv::<f32>("iris.csv", &CsvOptions::labels(Column::Last).header(true))?;
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[doc(alias = "loadtxt")]
#[doc(alias = "genfromtxt")]
pub fn read_csv<T: Float>(path: impl AsRef<Path>, options: &CsvOptions) -> Result<TensorDataset<T>, DataError> {
    options.learn(path).map(|(_, data)| data)
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
    options.learn(path).map(|(columns, data)| (data, columns.class_names().to_vec()))
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
    reader: impl Read,
    name: &str,
    options: &CsvOptions,
) -> Result<TensorDataset<T>, DataError> {
    options.learn_from(reader, name).map(|(_, data)| data)
}

/// Reads the inputs of a table, `[n, inputs]`; target columns are not required. To read new data with the categories and
/// fillings of the training data, use [`Columns::read_inputs`].
///
/// ```
/// use nn::data::{CsvOptions, read_csv_inputs};
/// let path = std::env::temp_dir().join(format!("nn-points-{}.csv", std::process::id()));
/// std::fs::write(&path, "x,y\n1,2\n3,4\n")?;
/// let points = read_csv_inputs::<f64>(&path, &CsvOptions::without_target().header(true))?;
/// assert_eq!(points, autograd::tensor![[1.0, 2.0], [3.0, 4.0]]);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// # Errors
/// Same as [`read_csv`].
pub fn read_csv_inputs<T: Float>(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Tensor<T>, DataError> {
    let (text, name) = (&mut open(path.as_ref())?, path.as_ref().display().to_string());
    learned(text, &name, options, Want::Inputs).map(|(_, batch)| batch.inputs)
}

impl CsvOptions {
    /// Reads a table like [`read_csv`], and also returns its [`Columns`], with which to read other tables.
    ///
    /// The values that fill gaps are computed from all rows of the file. If you need some rows for testing, keep them in
    /// a separate file and read it with the columns of the training file.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("learn-{}.csv", std::process::id()));
    /// # std::fs::write(&path, "species,mass\nAdelie,3750\nGentoo,5700\n").unwrap();
    /// use nn::data::CsvOptions;
    /// let (columns, penguins) = CsvOptions::text("species").learn::<f32>(&path)?;
    /// assert_eq!((columns.outputs(), penguins.inputs().shape()), (2, [2, 1].as_slice()));
    /// // Other files of the same kind, with or without the species.
    /// assert_eq!(columns.read::<f32>(&path)?.labels(), penguins.labels());
    /// assert_eq!(&columns.read_inputs::<f32>(&path)?, penguins.inputs());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// Same as [`read_csv`].
    pub fn learn<T: Float>(&self, path: impl AsRef<Path>) -> Result<(Columns, TensorDataset<T>), DataError> {
        let (text, name) = (&mut open(path.as_ref())?, path.as_ref().display().to_string());
        let (columns, batch) = learned(text, &name, self, Want::All)?;
        Ok((columns, TensorDataset::new(batch.inputs, batch.targets)?))
    }

    /// Like [`learn`](CsvOptions::learn), but reads uncompressed text from any [`Read`], which errors refer to as `name`.
    ///
    /// ```
    /// use nn::data::CsvOptions;
    /// let text = "mass,species\n3750,Adelie\n5700,Gentoo\n";
    /// let (columns, data) = CsvOptions::text("species").learn_from::<f32>(text.as_bytes(), "penguins.csv")?;
    /// assert_eq!((columns.class_names(), data.labels()), (["Adelie", "Gentoo"].map(String::from).as_slice(), Some(&autograd::tensor![0_i64, 1])));
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// Same as [`read_csv`].
    pub fn learn_from<T: Float>(
        &self,
        reader: impl Read,
        name: &str,
    ) -> Result<(Columns, TensorDataset<T>), DataError> {
        let (columns, batch) = learned(&mut BufReader::new(reader), name, self, Want::All)?;
        Ok((columns, TensorDataset::new(batch.inputs, batch.targets)?))
    }
}

impl Columns {
    /// Reads another table with the same columns, found by their headings in any order. Without headings, their indices
    /// are the same.
    ///
    /// ```
    /// use nn::data::CsvOptions;
    /// let path = std::env::temp_dir().join(format!("read-{}.csv", std::process::id()));
    /// std::fs::write(&path, "species,mass\nGentoo,5700\n").unwrap(); // the columns in another order
    /// let text = "mass,species\n3750,Adelie\n5700,Gentoo\n";
    /// let (columns, _) = CsvOptions::text("species").learn_from::<f32>(text.as_bytes(), "penguins.csv")?;
    /// assert_eq!(columns.read::<f32>(&path)?.labels(), Some(&autograd::tensor![1_i64]));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// Same as [`read_csv`]; also if a text is not one of the known categories.
    pub fn read<T: Float>(&self, path: impl AsRef<Path>) -> Result<TensorDataset<T>, DataError> {
        let batch = known(&mut open(path.as_ref())?, &path.as_ref().display().to_string(), self, Want::All)?;
        TensorDataset::new(batch.inputs, batch.targets)
    }

    /// Reads the inputs of another table, `[n, inputs]`; target columns are not required.
    ///
    /// # Errors
    /// Same as [`read`](Columns::read).
    pub fn read_inputs<T: Float>(&self, path: impl AsRef<Path>) -> Result<Tensor<T>, DataError> {
        let name = path.as_ref().display().to_string();
        known(&mut open(path.as_ref())?, &name, self, Want::Inputs).map(|batch| batch.inputs)
    }

    /// Like [`read_inputs`](Columns::read_inputs), but reads uncompressed text from any [`Read`], which errors refer to as
    /// `name`.
    ///
    /// # Errors
    /// Same as [`read`](Columns::read).
    pub fn read_inputs_from<T: Float>(&self, reader: impl Read, name: &str) -> Result<Tensor<T>, DataError> {
        known(&mut BufReader::new(reader), name, self, Want::Inputs).map(|batch| batch.inputs)
    }
}

/// Opens a file, and unpacks it if it is compressed.
fn open(path: &Path) -> Result<impl BufRead, IoError> {
    Ok(BufReader::with_capacity(1 << 16, Stream(Opened::at(path, FORMAT)?.boxed())))
}

once! {
    /// Reads a table and learns its columns.
    fn learned<'r, T>(
        text: &mut (dyn BufRead + 'r),
        name: &str,
        options: &CsvOptions,
        want: Want,
    ) -> Result<(Columns, Batch<T>), DataError> {
        let (mut records, mut record) = (Records::new(text, &options.format), Record::default());
        let mut table = Table::begin(&mut records, &mut record, name, options, want)?;
        let (mut rows, mut seen) = (Rows::default(), Vec::new());
        loop {
            if table.keeps(&record) {
                table.learn(&record, &mut seen)?;
                table.take(&record, &mut rows)?;
            }
            if !table.advance(&mut records, &mut record)? {
                table.close(seen, !rows.is_empty())?;
                let batch = table.batch(rows)?;
                return Ok((table.columns, batch));
            }
        }
    }

    /// Reads a table with known columns.
    fn known<'r, T>(
        text: &mut (dyn BufRead + 'r),
        name: &str,
        columns: &Columns,
        want: Want,
    ) -> Result<Batch<T>, DataError> {
        let (mut records, mut record) = (Records::new(text, &columns.options.format), Record::default());
        let table = Table::bind(&mut records, &mut record, name, columns, want)?;
        let mut rows = Rows::default();
        loop {
            if table.keeps(&record) {
                table.take(&record, &mut rows)?;
            }
            if !table.advance(&mut records, &mut record)? {
                return table.batch(rows);
            }
        }
    }
}

const FORMAT: &str = "CSV";

#[cfg(test)]
mod tests;
