//! NumPy's format for several arrays: a ZIP archive of NPY files. The `zip` crate handles the archive,
//! [`npy`](super::npy) the arrays.

use super::npy::Refusal;
use super::source::Source;
use super::{AnyTensor, IoError, StateDict, npy, stranger, write_atomically};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

const FORMAT: &str = "NPZ";

/// The archive of a file, and its path.
struct Archive<'p> {
    path: &'p Path,
    length: u64,
    zip: ZipArchive<BufReader<File>>,
}

/// A part of an archive.
enum Part {
    Array(AnyTensor),
    /// Not an array of numbers, and why.
    Other(String),
}

impl<'p> Archive<'p> {
    fn open(path: &'p Path) -> Result<Self, IoError> {
        let mut file = Source::open(path, FORMAT)?;
        let length = file.left();
        let start = file.vec(length.min(1024))?;
        file.seek(0)?;
        let fault = |at, problem: String| IoError::Format { path: path.into(), format: FORMAT, at, problem };
        if !start.starts_with(b"PK")
            && let Some(what) = stranger(&start)
        {
            return Err(fault(0, what.into()));
        }
        // An archive is read from its end, which locates the directory of entries.
        let zip = ZipArchive::new(BufReader::new(file.into_file()));
        let mut zip = zip.map_err(|error| fault(length, format!("end of the archive: {error}")))?;
        // The bytes of an entry bound its unpacked size, so the file's length bounds the total unless entries overlap.
        let sound = zip.validate_header_consistency();
        sound.map_err(|error| fault(zip.central_directory_start(), format!("list of entries: {error}")))?;
        Ok(Archive { path, length, zip })
    }

    fn fault(&self, at: u64, problem: String) -> IoError {
        IoError::Format { path: self.path.into(), format: FORMAT, at, problem }
    }

    /// The place of an entry in the list of entries, and its name without `.npy`.
    fn name(&mut self, i: usize) -> Result<(u64, String), IoError> {
        let length = self.length;
        let listed = self.zip.by_index_data(i).map(|entry| entry.central_header_start());
        let in_list = listed.map_err(|error| error.to_string());
        let in_list = in_list.map_err(|problem| self.fault(length, problem))?;
        let name = match self.zip.by_index_raw(i) {
            Ok(entry) => entry.name().map(|name| name.into_owned()).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let name = name.map_err(|error| self.fault(in_list, format!("entry {i}: {error}")))?;
        Ok((in_list, name.strip_suffix(".npy").map_or(name.clone(), String::from)))
    }

    /// The contents of an entry.
    fn part(&mut self, i: usize, name: &str) -> Result<Part, IoError> {
        let (path, length) = (self.path, self.length);
        let fault = |at, problem: String| IoError::Format { path: path.into(), format: FORMAT, at, problem };
        let start = self.zip.by_index_data(i).map(|entry| entry.header_start());
        let start = start.map_err(|error| fault(length, error.to_string()))?;
        let broken = |error: ZipError| fault(start, format!("entry {i}: {error}"));
        let mut entry = self.zip.by_index(i).map_err(broken)?;
        if !entry.name().map_err(|error| fault(start, format!("entry {i}: {error}")))?.ends_with(".npy") {
            let mut magic = Vec::new();
            let read = entry.by_ref().take(npy::MAGIC.len() as u64).read_to_end(&mut magic);
            if entry.is_dir() || read.is_err() || magic != npy::MAGIC {
                return Ok(Part::Other(if entry.is_dir() { "a folder" } else { "not an array" }.into()));
            }
            drop(entry);
            entry = self.zip.by_index(i).map_err(broken)?;
        }
        let packed = entry.compressed_size();
        match npy::try_read(Source::unpacking(entry, packed, path, FORMAT)) {
            Ok(array) => Ok(Part::Array(array)),
            Err(Refusal::Type(IoError::Format { problem, .. })) => Ok(Part::Other(problem)),
            Err(Refusal::Type(error) | Refusal::Fault(error)) => Err(error.within(name)),
        }
    }
}

impl StateDict {
    /// Reads the arrays of a file written by NumPy's `savez` or `savez_compressed`. Requires the feature `npz`. Parts that
    /// are not arrays of numbers (text, objects, complex numbers, other files) are left out; [`left_out`] says which.
    ///
    /// [`left_out`]: StateDict::left_out
    ///
    /// # Errors
    /// If the file cannot be read or is not valid, two arrays share a name or bytes, or there are only parts to leave out.
    pub fn read_npz(path: impl AsRef<Path>) -> Result<Self, IoError> {
        let (mut archive, mut dict) = (Archive::open(path.as_ref())?, StateDict::new());
        for i in 0..archive.zip.len() {
            let (in_list, name) = archive.name(i)?;
            match archive.part(i, &name)? {
                Part::Array(array) => {
                    if dict.insert(name.as_str(), array).is_some() {
                        return Err(archive.fault(in_list, format!("{name:?} occurs twice")));
                    }
                }
                Part::Other(why) => drop(dict.left_out.insert(name, why)),
            }
        }
        match (dict.is_empty(), dict.left_out.iter().next()) {
            (true, Some((name, why))) => {
                Err(archive.fault(0, format!("there is no array of numbers; {name:?}: {why}")))
            }
            _ => Ok(dict),
        }
    }

    /// Reads one array of a file written by NumPy's `savez` or `savez_compressed`, by its name. Requires the feature
    /// `npz`.
    ///
    /// ```
    /// use autograd::tensor;
    /// use nn::io::StateDict;
    /// let path = std::env::temp_dir().join(format!("nn-npz-array-{}.npz", std::process::id()));
    /// let mut dict = StateDict::new();
    /// dict.insert("x", tensor![[1.0, 2.0]]);
    /// dict.insert("y", tensor![3_i64]);
    /// dict.write_npz(&path)?;
    /// assert_eq!(StateDict::read_npz_array(&path, "y")?, tensor![3_i64].into());
    /// assert!(StateDict::read_npz_array(&path, "z").unwrap_err().to_string().contains("it has x, y"));
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    /// # Errors
    /// If the file cannot be read or is not valid, or it has no array of numbers with this name.
    pub fn read_npz_array(path: impl AsRef<Path>, name: &str) -> Result<AnyTensor, IoError> {
        let mut archive = Archive::open(path.as_ref())?;
        let mut names = Vec::new();
        for i in 0..archive.zip.len() {
            let (in_list, found) = archive.name(i)?;
            if found == name {
                return match archive.part(i, name)? {
                    Part::Array(array) => Ok(array),
                    Part::Other(why) => Err(archive.fault(in_list, format!("{name:?}: {why}"))),
                };
            }
            names.push(found);
        }
        Err(archive.fault(0, format!("the file has no array {name:?}; it has {}", names.join(", "))))
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
