//! [`Source`]: a sequential reader of a file that tracks its position and how many bytes can follow, so that a size
//! declared in the file is accepted only if there are enough bytes for it.

use super::IoError;
use super::atomic::{Temporary, nameless};
use super::gzip::Members;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Number of bytes read and converted at a time.
const BLOCK: usize = 1 << 16;

/// A byte of a compressed file unpacks to at most 1032 bytes (RFC 1951: 258 bytes in two bits), plus a few at the ends.
const LARGEST_EXPANSION: u64 = 1032;

/// First bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

pub(crate) struct Source<R> {
    reader: R,
    path: PathBuf,
    format: &'static str,
    at: u64,
    /// Byte offset of the end, or an upper bound of it.
    end: u64,
    /// Whether `end` is exact, so that memory for all numbers can be reserved at once.
    exact: bool,
    block: Vec<u8>,
}

impl Source<File> {
    /// Opens a file at its first byte. Rejects anything but regular files: reading from a pipe, say, could block.
    pub(crate) fn open(path: &Path, format: &'static str) -> Result<Self, IoError> {
        let open = || {
            if !fs::metadata(path)?.is_file() {
                return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
            }
            let file = File::open(path)?;
            let end = file.metadata()?.len();
            Ok(Source { end, exact: true, ..Source::unpacking(file, 0, path, format) })
        };
        open().map_err(|source| IoError::Io { action: "read", path: path.into(), source })
    }

    /// Moves to another byte of the file.
    pub(crate) fn seek(&mut self, at: u64) -> Result<(), IoError> {
        self.at = self.reader.seek(SeekFrom::Start(at)).map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Treats the file as ending after `n` more bytes.
    pub(crate) fn cut(&mut self, n: u64) {
        self.end = self.at + n;
    }

    /// Erases the type of the reader.
    fn boxed(self) -> Source<Box<dyn Read>> {
        let Source { reader, path, format, at, end, exact, block } = self;
        Source { reader: Box::new(reader), path, format, at, end, exact, block }
    }

    /// The underlying file.
    pub(crate) fn into_file(self) -> File {
        self.reader
    }
}

/// An open file at its first byte, or at the first byte of its decompressed data.
pub(crate) enum Opened {
    Plain(Source<File>),
    Packed(Source<Box<dyn Read>>),
}

impl Opened {
    /// Opens a file and detects gzip compression.
    pub(crate) fn at(path: &Path, format: &'static str) -> Result<Self, IoError> {
        let mut file = Source::open(path, format)?;
        let length = file.left();
        let compressed = length >= 2 && file.bytes()? == GZIP;
        file.seek(0)?;
        Ok(match compressed {
            true => {
                let unpacked = Box::new(Members::new(file.into_file()));
                Opened::Packed(Source::unpacking(unpacked, length, path, format))
            }
            false => Opened::Plain(file),
        })
    }

    /// Either variant, for sequential reading.
    pub(crate) fn boxed(self) -> Source<Box<dyn Read>> {
        match self {
            Opened::Plain(file) => file.boxed(),
            Opened::Packed(source) => source,
        }
    }
}

/// A stream of all bytes of a source. Its errors hold an [`IoError`] with their place.
pub(crate) struct Stream<R>(pub(crate) Source<R>);

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Stream(source) = self;
        let read = source.reader.read(bytes).map_err(|error| match error.kind() {
            ErrorKind::Interrupted => error,
            _ => io::Error::other(source.failed(error)),
        })?;
        source.at += read as u64;
        Ok(read)
    }
}

impl<R: Read> Source<R> {
    /// A source of the decompressed data of `packed` compressed bytes.
    pub(crate) fn unpacking(reader: R, packed: u64, path: &Path, format: &'static str) -> Self {
        let end = packed.saturating_mul(LARGEST_EXPANSION).saturating_add(BLOCK as u64);
        Source { reader, path: path.into(), format, at: 0, end, exact: false, block: Vec::new() }
    }

    /// Bytes read so far.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Number of bytes that follow, or an upper bound of it.
    pub(crate) fn left(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    /// The next `N` bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], IoError> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(|error| self.failed(error))?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// The next bytes, at most `most`, as far as the first read returns them.
    pub(crate) fn some(&mut self, most: usize) -> Result<Vec<u8>, IoError> {
        let mut bytes = vec![0; most];
        let read = self.reader.read(&mut bytes).map_err(|error| self.failed(error))?;
        self.at += read as u64;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Fills a slice with the next bytes.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), IoError> {
        self.reader.read_exact(bytes).map_err(|error| self.failed(error))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// The next `n` bytes.
    pub(crate) fn vec(&mut self, n: u64) -> Result<Vec<u8>, IoError> {
        let n = self.claim(n, 1)?;
        let mut bytes = Vec::with_capacity(self.reserve(n));
        self.blocks(n, 1, &mut |block| {
            bytes.extend_from_slice(block);
            block.len()
        })?;
        Ok(bytes)
    }

    /// Reads `n` numbers of `size` bytes each, block by block. `take` says how many numbers of a block it took; fewer than
    /// all if the next one is not valid.
    pub(crate) fn blocks(
        &mut self,
        n: usize,
        size: usize,
        take: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> Result<(), IoError> {
        let mut left = self.claim(n as u64, size)?;
        let mut block = std::mem::take(&mut self.block);
        block.resize(block.len().max((n * size).min(BLOCK)), 0);
        while left > 0 {
            let here = left.min(block.len() / size);
            let bytes = &mut block[..here * size];
            self.reader.read_exact(bytes).map_err(|error| self.failed(error))?;
            let taken = take(bytes);
            if taken < here {
                let wrong = &block[taken * size..(taken + 1) * size];
                let problem = format!("{wrong:?} do not encode a number of this type");
                return Err(self.fault_at(self.at + (taken * size) as u64, problem));
            }
            self.at += (here * size) as u64;
            left -= here;
        }
        self.block = block;
        Ok(())
    }

    /// How many of `n` declared elements to reserve memory for at once: no more than the file can fill.
    pub(crate) fn reserve(&self, n: usize) -> usize {
        if self.exact { n } else { n.min(BLOCK) }
    }

    /// Checks that `n` elements of this size can follow, and returns `n`.
    pub(crate) fn claim(&self, n: u64, size: usize) -> Result<usize, IoError> {
        let bytes = n.checked_mul(size as u64).filter(|bytes| *bytes <= self.left());
        let count = bytes.and_then(|_| usize::try_from(n).ok());
        count.ok_or_else(|| {
            let (most, left) = (if self.exact { "" } else { "at most " }, self.left());
            self.fault(format!("{n} elements of {size} bytes are declared, but {most}{left} bytes follow"))
        })
    }

    /// Copies the next `n` bytes, after which nothing may follow, to a temporary file, which supports seeking. Takes no
    /// more memory than a block.
    pub(super) fn spooled(mut self, n: u64) -> Result<(Source<File>, Option<Temporary>), IoError> {
        let (mut file, temporary) = nameless().map_err(|error| self.failed(error))?;
        let copied = io::copy(&mut (&mut self.reader).take(n), &mut file).map_err(|error| self.failed(error))?;
        self.at += copied;
        if copied < n {
            return Err(self.failed(ErrorKind::UnexpectedEof.into()));
        }
        let (path, format) = (self.path.clone(), self.format);
        self.finish()?;
        Ok((Source { end: n, exact: true, ..Source::unpacking(file, 0, &path, format) }, temporary))
    }

    /// Checks that nothing follows.
    pub(crate) fn finish(mut self) -> Result<(), IoError> {
        match self.reader.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.fault("the data ends here, but the file continues")),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, error: io::Error) -> IoError {
        match error.kind() {
            ErrorKind::UnexpectedEof => self.fault("the file ends too early: more bytes were expected here"),
            // Decompressors report invalid data with these kinds.
            ErrorKind::InvalidData | ErrorKind::InvalidInput => self.fault(error),
            _ => IoError::Io { action: "read", path: self.path.clone(), source: error },
        }
    }

    /// An error at the next byte.
    pub(crate) fn fault(&self, problem: impl ToString) -> IoError {
        self.fault_at(self.at, problem)
    }

    /// An error at this byte.
    pub(crate) fn fault_at(&self, at: u64, problem: impl ToString) -> IoError {
        IoError::Format { path: self.path.clone(), format: self.format, at, problem: problem.to_string() }
    }
}
