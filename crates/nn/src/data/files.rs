//! Data sets that stay in their files: memory for a batch, whatever the size of the whole.

use super::combine::within;
use super::tensors::no_label;
use super::{Batch, DataError, Dataset};
use crate::io::ArrayFile;
use crate::loss::Target;
use autograd::Float;

/// Samples in two files, inputs `[n, …]` and targets `[n, …]`, read row by row as a batch asks for them: NPY, IDX or
/// safetensors, see [`ArrayFile`].
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
    labels: bool,
}

impl FileDataset {
    /// With targets that are labels, whole numbers from 0, or [`IGNORED`](crate::loss::IGNORED).
    ///
    /// # Errors
    /// If the numbers of inputs and targets differ.
    pub fn labels(inputs: ArrayFile, targets: ArrayFile) -> Result<Self, DataError> {
        match (inputs.shape(), targets.shape()) {
            (x, y) if x[0] == y[0] => Ok(FileDataset { inputs, targets, labels: true }),
            (x, y) => Err(DataError::Counts { inputs: x.to_vec(), targets: y.to_vec() }),
        }
    }

    /// With targets that are numbers.
    ///
    /// # Errors
    /// If the numbers of inputs and targets differ.
    pub fn values(inputs: ArrayFile, targets: ArrayFile) -> Result<Self, DataError> {
        Ok(FileDataset { labels: false, ..Self::labels(inputs, targets)? })
    }
}

impl<T: Float> Dataset<T> for FileDataset {
    fn len(&self) -> usize {
        self.inputs.shape()[0]
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<T>, DataError> {
        within(indices, self.inputs.shape()[0])?;
        let inputs = self.inputs.rows(indices)?;
        if !self.labels {
            return Ok(Batch { inputs, targets: Target::Values(self.targets.rows(indices)?) });
        }
        let labels = self.targets.whole_rows(indices)?;
        let each = labels.len() / indices.len().max(1);
        if let Some((at, label)) = labels.iter().enumerate().find(|(_, label)| no_label(*label)) {
            return Err(DataError::Label { index: indices[at / each], label });
        }
        Ok(Batch { inputs, targets: Target::Labels(labels) })
    }
}
