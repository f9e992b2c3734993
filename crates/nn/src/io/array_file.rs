//! [`ArrayFile`]: an array that stays on disk, for data larger than memory.

use super::atomic::Temporary;
use super::dtype::{Layout, Reading};
use super::source::{Opened, Source};
use super::{IoError, idx, npy, safetensors};
use autograd::{Element, Float, Tensor};
use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// An array `[n, …]` in a file, whose rows are read on demand. Takes little memory, regardless of its size.
///
/// ```
/// use autograd::tensor;
/// use nn::io::{ArrayFile, write_npy};
/// let path = std::env::temp_dir().join(format!("nn-rows-{}.npy", std::process::id()));
/// write_npy(&path, &tensor![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]].into())?;
/// let file = ArrayFile::npy(&path)?;
/// assert_eq!(file.shape(), [3, 2]);
/// assert_eq!(file.rows::<f32>(&[2, 0])?, tensor![[5.0f32, 6.0], [1.0, 2.0]]);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ArrayFile {
    source: Mutex<Source<File>>,
    layout: Layout,
    /// Byte offset of the first number.
    start: u64,
    /// Number of elements per row, then number of rows.
    row: usize,
    rows: usize,
    /// Removes the decompressed copy of the file after it is closed.
    _unpacked: Option<Temporary>,
}

impl ArrayFile {
    /// Opens an array in NumPy's format.
    ///
    /// # Errors
    /// Same as [`read_npy`](super::read_npy); also if the array is in Fortran order, in which rows are not contiguous.
    pub fn npy(path: impl AsRef<Path>) -> Result<Self, IoError> {
        let mut source = Source::open(path.as_ref(), npy::FORMAT)?;
        match npy::layout(&mut source)? {
            (_, true) => Err(source.fault("cannot read single rows of an array in Fortran order")),
            (layout, false) => Self::new(source, layout),
        }
    }

    /// Opens an IDX file. A compressed one is first unpacked to a temporary file, which is removed along with this
    /// value: gzip does not support seeking, and a disk has more room than memory.
    ///
    /// ```
    /// use nn::io::ArrayFile;
    /// let path = std::env::temp_dir().join(format!("idx-{}", std::process::id()));
    /// std::fs::write(&path, [0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]).unwrap(); // three bytes
    /// assert_eq!(ArrayFile::idx(&path)?.whole_rows(&[2])?, autograd::tensor![9_i64]);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), nn::io::IoError>(())
    /// ```
    /// # Errors
    /// Same as [`read_idx`](super::read_idx).
    pub fn idx(path: impl AsRef<Path>) -> Result<Self, IoError> {
        match Opened::at(path.as_ref(), idx::FORMAT)? {
            Opened::Plain(mut source) => {
                let layout = idx::layout(&mut source)?;
                Self::new(source, layout)
            }
            Opened::Packed(mut packed) => {
                let layout = idx::layout(&mut packed)?;
                let bytes = packed.claim(layout.count(&packed)? as u64, layout.size())? * layout.size();
                let (source, unpacked) = packed.spooled(bytes as u64)?;
                Ok(ArrayFile { _unpacked: unpacked, ..Self::new(source, layout)? })
            }
        }
    }

    /// Opens one tensor of a safetensors file.
    ///
    /// # Errors
    /// Same as [`StateDict::read`](super::StateDict::read); also if there is no tensor with this name.
    pub fn safetensors(path: impl AsRef<Path>, name: &str) -> Result<Self, IoError> {
        let mut source = Source::open(path.as_ref(), safetensors::FORMAT)?;
        let (layout, bytes) = safetensors::find(&mut source, name)?;
        source.cut(bytes);
        Self::new(source, layout)
    }

    /// Creates an array from the numbers that follow, which must extend to the end of the source.
    fn new(source: Source<File>, layout: Layout) -> Result<Self, IoError> {
        let Some((&rows, sizes)) = layout.shape.split_first() else {
            return Err(source.fault("a scalar has no rows"));
        };
        let (declared, found) = (source.claim(layout.count(&source)? as u64, layout.size())?, source.left());
        let declared = (declared * layout.size()) as u64;
        if declared != found {
            return Err(source.fault(format!("{declared} bytes are declared, but {found} follow")));
        }
        let row = sizes.iter().product();
        Ok(ArrayFile { start: source.at(), source: Mutex::new(source), layout, row, rows, _unpacked: None })
    }

    /// Sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// Reads these rows as floating-point numbers, in this order.
    ///
    /// ```
    /// use nn::io::ArrayFile;
    /// let path = std::env::temp_dir().join(format!("rows-{}.safetensors", std::process::id()));
    /// let mut dict = nn::io::StateDict::new();
    /// dict.insert("x", autograd::tensor![[1.0f32, 2.0], [3.0, 4.0]]);
    /// dict.insert("y", autograd::tensor![7_i64, 8]);
    /// dict.write(&path)?;
    /// let (x, y) = (ArrayFile::safetensors(&path, "x")?, ArrayFile::safetensors(&path, "y")?);
    /// assert_eq!(x.rows::<f64>(&[1])?, autograd::tensor![[3.0, 4.0]]);
    /// assert_eq!(y.whole_rows(&[1, 0])?, autograd::tensor![8_i64, 7]);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), nn::io::IoError>(())
    /// ```
    /// # Errors
    /// If the file cannot be read, or has shrunk.
    ///
    /// # Panics
    /// If an index is not below the size of the first axis.
    #[track_caller]
    pub fn rows<T: Float>(&self, indices: &[usize]) -> Result<Tensor<T>, IoError> {
        self.take(indices, Layout::floats)
    }

    /// Reads these rows as integers, in this order.
    ///
    /// # Errors
    /// If the file cannot be read, has shrunk, or holds floating-point numbers.
    ///
    /// # Panics
    /// If an index is not below the size of the first axis.
    #[track_caller]
    pub fn whole_rows(&self, indices: &[usize]) -> Result<Tensor<i64>, IoError> {
        self.take(indices, Layout::integers)
    }

    #[track_caller]
    fn take<E: Element>(&self, indices: &[usize], read: Reading<E, File>) -> Result<Tensor<E>, IoError> {
        let mut numbers = Vec::with_capacity(indices.len() * self.row);
        // A poisoned lock is fine: every read starts with a seek, wherever a reader that panicked left the file.
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        for &index in indices {
            assert!(index < self.rows, "ArrayFile: row index {index} is out of range for {} rows", self.rows);
            source.seek(self.start + (index * self.row * self.layout.size()) as u64)?;
            read(&self.layout, self.row, &mut source, &mut numbers)?;
        }
        let mut shape = self.layout.shape.clone();
        shape[0] = indices.len();
        Ok(Tensor::new(&shape, numbers))
    }
}
