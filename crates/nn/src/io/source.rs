//! [`Source`]: a file read from front to back, which knows where it is and how much can follow, so that a size that the
//! file declares is believed only as far as there are bytes for it.

use super::IoError;
use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Bytes that are read and converted at a time.
const BLOCK: usize = 1 << 16;

pub(crate) struct Source<R> {
    reader: R,
    path: PathBuf,
    format: &'static str,
    at: u64,
    /// Where the bytes end.
    end: u64,
    /// Whether they surely go on to the end, so that room for them can be made at once.
    exact: bool,
}

impl Source<BufReader<File>> {
    /// Opens a file at its first byte. What is no regular file, a pipe say, could keep us waiting: it is refused.
    pub(crate) fn open(path: &Path, format: &'static str) -> Result<Self, IoError> {
        let open = || {
            if !fs::metadata(path)?.is_file() {
                return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
            }
            let file = File::open(path)?;
            let end = file.metadata()?.len();
            let reader = BufReader::with_capacity(BLOCK, file);
            Ok(Source { reader, path: path.into(), format, at: 0, end, exact: true })
        };
        open().map_err(|source| IoError::Io { action: "read", path: path.into(), source })
    }
}

impl<R: Read> Source<R> {
    /// Bytes read so far.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// The number of bytes that follow.
    pub(crate) fn left(&self) -> u64 {
        self.end - self.at
    }

    /// The next `N` bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], IoError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The next `n` bytes, which are few.
    pub(crate) fn vec(&mut self, n: u64) -> Result<Vec<u8>, IoError> {
        self.numbers(self.claim(n, 1)?, |byte: [u8; 1]| Some(byte[0]))
    }

    /// `n` numbers of `N` bytes each, in memory that grows with what has been read. `decode` returns `None` for bytes
    /// that stand for no number of its type.
    pub(crate) fn numbers<const N: usize, E>(
        &mut self,
        n: usize,
        decode: impl Fn([u8; N]) -> Option<E>,
    ) -> Result<Vec<E>, IoError> {
        let n = self.claim(n as u64, N)?;
        let mut numbers = Vec::with_capacity(if self.exact { n } else { n.min(BLOCK) });
        let mut block = [0; BLOCK];
        while numbers.len() < n {
            let taken = (n - numbers.len()).min(BLOCK / N);
            let (start, block) = (self.at, &mut block[..taken * N]);
            self.fill(block)?;
            let before = numbers.len();
            let (chunks, _) = block.as_chunks::<N>();
            numbers.extend(chunks.iter().map_while(|bytes| decode(*bytes)));
            let decoded = numbers.len() - before;
            if decoded < taken {
                let at = start + (decoded * N) as u64;
                return Err(self.fault_at(at, format!("{:?} stand for no number of this type", chunks[decoded])));
            }
        }
        Ok(numbers)
    }

    /// That `n` elements of this size can follow; `n` itself, then.
    pub(crate) fn claim(&self, n: u64, size: usize) -> Result<usize, IoError> {
        let bytes = n.checked_mul(size as u64).filter(|bytes| *bytes <= self.left());
        let count = bytes.and_then(|_| usize::try_from(n).ok());
        count.ok_or_else(|| {
            let (most, left) = (if self.exact { "" } else { "at most " }, self.left());
            self.fault(format!("{n} elements of {size} bytes are declared and {most}{left} bytes follow"))
        })
    }

    /// That nothing follows.
    pub(crate) fn finish(mut self) -> Result<(), IoError> {
        match self.reader.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.fault("the data ends here and the file goes on")),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), IoError> {
        self.reader.read_exact(bytes).map_err(|error| self.failed(error))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn failed(&self, error: io::Error) -> IoError {
        match error.kind() {
            ErrorKind::UnexpectedEof => self.fault("the file ends too early: more was to follow here"),
            // What unpacks a file complains so about its bytes.
            ErrorKind::InvalidData | ErrorKind::InvalidInput => self.fault(error),
            _ => IoError::Io { action: "read", path: self.path.clone(), source: error },
        }
    }

    /// An error in the byte that comes next.
    pub(crate) fn fault(&self, problem: impl ToString) -> IoError {
        self.fault_at(self.at, problem)
    }

    /// An error in this byte.
    pub(crate) fn fault_at(&self, at: u64, problem: impl ToString) -> IoError {
        IoError::Format { path: self.path.clone(), format: self.format, at, problem: problem.to_string() }
    }
}
