//! Data sets that stay on disk and need memory for only one batch, regardless of their size.

use super::combine::within;
use super::tensors::{as_pictures, no_label};
use super::{Batch, DataError, Dataset};
use crate::io::ArrayFile;
use crate::loss::Target;
use autograd::Float;

/// A data set in two files, inputs `[n, …]` and targets `[n, …]`, whose rows are read on demand. Supports NPY, IDX and
/// safetensors files: see [`ArrayFile`].
///
/// ```
/// use autograd::tensor;
/// use nn::{data::{Dataset, FileDataset}, io::{ArrayFile, write_npy}, loss::Target};
/// let folder = std::env::temp_dir();
/// let [x, y] = ["x", "y"].map(|name| folder.join(format!("nn-{name}-{}.npy", std::process::id())));
/// write_npy(&x, &tensor![[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]].into())?;
/// write_npy(&y, &tensor![0_i64, 1, 2].into())?;
/// let data = FileDataset::labels(ArrayFile::npy(&x)?, ArrayFile::npy(&y)?)?;
/// let batch = Dataset::<f32>::batch(&data, &[2, 0])?;
/// assert_eq!((batch.inputs, batch.targets), (tensor![[2.0f32, 2.5], [0.0, 0.5]], Target::Labels(tensor![2_i64, 0])));
/// # std::fs::remove_file(x)?;
/// # std::fs::remove_file(y)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileDataset {
    inputs: ArrayFile,
    targets: ArrayFile,
    kind: Kind,
}

/// The kind of data in the files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Labels,
    Values,
    Pictures,
}

impl FileDataset {
    /// Creates a data set whose targets are labels: integers from 0, or [`IGNORED`](crate::loss::IGNORED).
    ///
    /// # Errors
    /// If the numbers of inputs and targets differ.
    pub fn labels(inputs: ArrayFile, targets: ArrayFile) -> Result<Self, DataError> {
        match (inputs.shape(), targets.shape()) {
            (x, y) if x[0] == y[0] => Ok(FileDataset { inputs, targets, kind: Kind::Labels }),
            (x, y) => Err(DataError::Counts { inputs: x.to_vec(), targets: y.to_vec() }),
        }
    }

    /// Creates a data set whose targets are floating-point values.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("values-{}.safetensors", std::process::id()));
    /// # let mut dict = nn::io::StateDict::new();
    /// # dict.insert("x", autograd::tensor![[1.0f32], [2.0]]);
    /// # dict.insert("y", autograd::tensor![[10.0f32], [20.0]]);
    /// # dict.write(&path)?;
    /// use nn::{data::{Dataset, FileDataset}, io::ArrayFile};
    /// let data = FileDataset::values(ArrayFile::safetensors(&path, "x")?, ArrayFile::safetensors(&path, "y")?)?;
    /// let batch = Dataset::<f64>::batch(&data, &[1])?;
    /// assert_eq!(batch.inputs, autograd::tensor![[2.0]]);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    /// # Errors
    /// If the numbers of inputs and targets differ.
    pub fn values(inputs: ArrayFile, targets: ArrayFile) -> Result<Self, DataError> {
        Ok(FileDataset { kind: Kind::Values, ..Self::labels(inputs, targets)? })
    }

    /// Creates a data set of images, bytes `[n, height, width]`, with integer labels `[n]`, as IDX files hold them.
    /// Batches equal those of [`TensorDataset::from_idx`](super::TensorDataset::from_idx): `[n, 1, height, width]` from
    /// 0 to 1.
    ///
    /// ```
    /// use nn::{data::{Dataset, FileDataset, TensorDataset}, io::ArrayFile};
    /// let folder = std::env::temp_dir();
    /// let [x, y] = ["images", "labels"].map(|name| folder.join(format!("nn-{name}-{}", std::process::id())));
    /// std::fs::write(&x, [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 51, 204, 255])?;
    /// std::fs::write(&y, [0, 0, 8, 1, 0, 0, 0, 2, 7, 3])?;
    /// let rows = FileDataset::pictures(ArrayFile::idx(&x)?, ArrayFile::idx(&y)?)?;
    /// assert_eq!(rows.batch(&[1, 0])?, TensorDataset::<f32>::from_idx(&x, &y)?.batch(&[1, 0])?);
    /// # std::fs::remove_file(x)?;
    /// # std::fs::remove_file(y)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    /// # Errors
    /// If the arrays do not have these shapes, or the numbers of images and labels differ.
    pub fn pictures(images: ArrayFile, labels: ArrayFile) -> Result<Self, DataError> {
        match (images.shape(), labels.shape()) {
            (&[_, _, _], &[_]) => Ok(FileDataset { kind: Kind::Pictures, ..Self::labels(images, labels)? }),
            (x, y) => Err(DataError::Pictures { images: x.to_vec(), labels: y.to_vec() }),
        }
    }
}

impl<T: Float> Dataset<T> for FileDataset {
    fn len(&self) -> usize {
        self.inputs.shape()[0]
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<T>, DataError> {
        within(indices, self.inputs.shape()[0])?;
        let inputs = self.inputs.rows(indices)?;
        if self.kind == Kind::Values {
            return Ok(Batch { inputs, targets: Target::Values(self.targets.rows(indices)?) });
        }
        let labels = self.targets.whole_rows(indices)?;
        let each = labels.len() / indices.len().max(1);
        if let Some((at, label)) = labels.iter().enumerate().find(|(_, label)| no_label(*label)) {
            return Err(DataError::Label { index: indices[at / each], label });
        }
        let inputs = if self.kind == Kind::Pictures { as_pictures(inputs) } else { inputs };
        Ok(Batch { inputs, targets: Target::Labels(labels) })
    }
}
