//! NumPy's format for several arrays: a ZIP archive of NPY files. The `zip` crate handles the archive,
//! [`npy`](super::npy) the arrays.

use super::source::Source;
use super::{IoError, StateDict, npy, write_atomically};
use std::io::BufReader;
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

const FORMAT: &str = "NPZ";

impl StateDict {
    /// Reads the arrays of a file written by NumPy's `savez` or `savez_compressed`. Requires the feature `npz`.
    ///
    /// # Errors
    /// If the file cannot be read or is not valid, two arrays share a name or bytes, or [`read_npy`](super::read_npy)
    /// does not support an array.
    pub fn read_npz(path: impl AsRef<Path>) -> Result<Self, IoError> {
        let (path, file) = (path.as_ref(), Source::open(path.as_ref(), FORMAT)?);
        let length = file.left();
        let fault = |at, problem: String| IoError::Format { path: path.into(), format: FORMAT, at, problem };
        // An archive is read from its end, which locates the directory of entries.
        let archive = ZipArchive::new(BufReader::new(file.into_file()));
        let mut archive = archive.map_err(|error| fault(length, format!("end of the archive: {error}")))?;
        // The bytes of an entry bound its unpacked size, so the file's length bounds the total unless entries overlap.
        let sound = archive.validate_header_consistency();
        sound.map_err(|error| fault(archive.central_directory_start(), format!("list of entries: {error}")))?;
        let mut dict = StateDict::new();
        for i in 0..archive.len() {
            let listed = archive.by_index_data(i).map(|entry| (entry.central_header_start(), entry.header_start()));
            let (in_list, start) = listed.map_err(|error| fault(length, error.to_string()))?;
            let entry = archive.by_index(i).map_err(|error| fault(start, format!("entry {i}: {error}")))?;
            let name = entry.name().map_err(|error| fault(in_list, format!("entry {i}: {error}")))?.into_owned();
            let name = name.strip_suffix(".npy").unwrap_or(&name);
            let packed = entry.compressed_size();
            let array = npy::read(Source::unpacking(entry, packed, path, FORMAT));
            if dict.insert(name, array.map_err(|error| error.within(name))?).is_some() {
                return Err(fault(in_list, format!("{name:?} occurs twice")));
            }
        }
        Ok(dict)
    }

    /// Writes the tensors uncompressed to a file that NumPy's `load` reads, [atomically](write_atomically). Omits the
    /// metadata, which the format does not support. Requires the feature `npz`.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::io::StateDict;
    /// let path = std::env::temp_dir().join(format!("nn-npz-{}.npz", std::process::id()));
    /// let mut dict = StateDict::new();
    /// dict.insert("x", tensor![[1.0, 2.0]]);
    /// dict.write_npz(&path)?;
    /// assert_eq!(StateDict::read_npz(&path)?, dict);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    /// # Errors
    /// If the file cannot be written.
    pub fn write_npz(&self, path: impl AsRef<Path>) -> Result<(), IoError> {
        write_atomically(path, |w| {
            let mut archive = ZipWriter::new_stream(w);
            for (name, tensor) in self.iter() {
                let large = tensor.len() > 1 << 28;
                let options =
                    SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
                archive.start_file(format!("{name}.npy"), options)?;
                npy::write(tensor, &mut archive)?;
            }
            archive.finish()?;
            Ok(())
        })
    }
}
