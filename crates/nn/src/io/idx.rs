//! The IDX format of MNIST and similar data sets: two zeros, the type, the rank, the sizes of the axes, the numbers,
//! all big-endian (Y. LeCun, <http://yann.lecun.com/exdb/mnist/>). Gzip compression is detected automatically.

use super::dtype::{Dtype, Layout, Order};
use super::source::{Opened, Source};
use super::{AnyTensor, IoError, stranger};
use autograd::{Float, Tensor};
use std::io::Read;
use std::path::Path;

pub(super) const FORMAT: &str = "IDX";

/// Reads an IDX file, optionally compressed with gzip: integers as `i64`, others as `f32` or `f64`.
///
/// ```
/// use autograd::tensor;
/// let path = std::env::temp_dir().join(format!("nn-idx-{}", std::process::id()));
/// std::fs::write(&path, [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 1, 7, 200])?; // bytes of shape [2, 1]
/// assert_eq!(nn::io::read_idx(&path)?, tensor![[7_i64], [200]].into());
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// # Errors
/// If the file cannot be read or is not valid: its sizes and its length must agree.
pub fn read_idx(path: impl AsRef<Path>) -> Result<AnyTensor, IoError> {
    read(path.as_ref(), |layout, source| layout.tensor(source))
}

/// Like [`read_idx`], but reads floating-point numbers directly, without intermediate integers of eight bytes.
///
/// ```
/// let path = std::env::temp_dir().join(format!("nn-idx-as-{}", std::process::id()));
/// std::fs::write(&path, [0, 0, 8, 1, 0, 0, 0, 2, 7, 200])?; // two bytes
/// assert_eq!(nn::io::read_idx_as::<f32>(&path)?, autograd::tensor![7.0f32, 200.0]);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// # Errors
/// Same as [`read_idx`].
pub fn read_idx_as<T: Float>(path: impl AsRef<Path>) -> Result<Tensor<T>, IoError> {
    read(path.as_ref(), |layout, source| layout.whole(source, Layout::floats))
}

/// Reads the header of a file, compressed or not, then its numbers by one of [`Layout`]'s readers.
fn read<E>(
    path: &Path,
    numbers: impl FnOnce(&Layout, &mut Source<Box<dyn Read>>) -> Result<E, IoError>,
) -> Result<E, IoError> {
    let mut source = Opened::at(path, FORMAT)?.boxed();
    let layout = layout(&mut source)?;
    let numbers = numbers(&layout, &mut source)?;
    source.finish()?;
    Ok(numbers)
}

/// Reads the header of an IDX file.
pub(super) fn layout<R: Read>(source: &mut Source<R>) -> Result<Layout, IoError> {
    let [zero, zero2, dtype, rank] = source.bytes()?;
    let dtype = match dtype {
        _ if [zero, zero2] != [0, 0] => {
            let start = [&[zero, zero2, dtype, rank][..], &source.some(1024)?].concat();
            return Err(source.fault_at(0, stranger(&start).unwrap_or("the file does not start with two zeros")));
        }
        0x08 => Dtype::U8,
        0x09 => Dtype::I8,
        0x0b => Dtype::I16,
        0x0c => Dtype::I32,
        0x0d => Dtype::F32,
        0x0e => Dtype::F64,
        _ => return Err(source.fault_at(2, format!("{dtype:#x} is not a type of this format"))),
    };
    let sizes = (0..rank).map(|_| Ok(u32::from_be_bytes(source.bytes()?) as usize));
    Ok(Layout { dtype, order: Order::Big, shape: sizes.collect::<Result<_, IoError>>()? })
}
