//! [`Source`]: a file read from front to back, which knows where it is and how much can follow, so that a size that the
//! file declares is believed only as far as there are bytes for it.

use super::IoError;
use super::atomic::{Temporary, nameless};
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Bytes that are read and converted at a time.
const BLOCK: usize = 1 << 16;

/// A byte of a compressed file unpacks to 1032 at most (RFC 1951: 258 bytes in two bits), and its ends to little more.
const LARGEST_EXPANSION: u64 = 1032;

/// How a file compressed with gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

pub(crate) struct Source<R> {
    reader: R,
    path: PathBuf,
    format: &'static str,
    at: u64,
    /// Where the bytes end.
    end: u64,
    /// Whether they surely go on to the end, so that room for them can be made at once.
    exact: bool,
    block: Vec<u8>,
}

impl Source<File> {
    /// Opens a file at its first byte. What is no regular file, a pipe say, could keep us waiting: it is refused.
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

    /// Goes on from another byte of the file.
    pub(crate) fn seek(&mut self, at: u64) -> Result<(), IoError> {
        self.at = self.reader.seek(SeekFrom::Start(at)).map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Takes the file to end after `n` more bytes.
    pub(crate) fn cut(&mut self, n: u64) {
        self.end = self.at + n;
    }

    /// The same, forgetting that it is a file.
    fn boxed(self) -> Source<Box<dyn Read>> {
        let Source { reader, path, format, at, end, exact, block } = self;
        Source { reader: Box::new(reader), path, format, at, end, exact, block }
    }

    /// The file itself.
    pub(crate) fn into_file(self) -> File {
        self.reader
    }
}

/// A file at its first byte: its own, or of what it unpacks to.
pub(crate) enum Opened {
    Plain(Source<File>),
    Packed(Source<Box<dyn Read>>),
}

impl Opened {
    /// Opens a file, compressed with gzip, which is seen, or not.
    pub(crate) fn at(path: &Path, format: &'static str) -> Result<Self, IoError> {
        let mut file = Source::open(path, format)?;
        let length = file.left();
        let compressed = length >= 2 && file.bytes()? == GZIP;
        file.seek(0)?;
        Ok(match compressed {
            true => {
                let unpacked = Box::new(MultiGzDecoder::new(file.into_file()));
                Opened::Packed(Source::unpacking(unpacked, length, path, format))
            }
            false => Opened::Plain(file),
        })
    }

    /// Either, to be read from front to back.
    pub(crate) fn boxed(self) -> Source<Box<dyn Read>> {
        match self {
            Opened::Plain(file) => file.boxed(),
            Opened::Packed(source) => source,
        }
    }
}

impl<R: Read> Source<R> {
    /// What `packed` bytes of a compressed file unpack to.
    pub(crate) fn unpacking(reader: R, packed: u64, path: &Path, format: &'static str) -> Self {
        let end = packed.saturating_mul(LARGEST_EXPANSION).saturating_add(BLOCK as u64);
        Source { reader, path: path.into(), format, at: 0, end, exact: false, block: Vec::new() }
    }

    /// Bytes read so far.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// The number of bytes that follow.
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

    /// The next `n` bytes.
    pub(crate) fn vec(&mut self, n: u64) -> Result<Vec<u8>, IoError> {
        let (n, mut bytes) = (self.claim(n, 1)?, Vec::new());
        self.numbers(n, &mut bytes, |byte: [u8; 1]| Some(byte[0]))?;
        Ok(bytes)
    }

    /// All bytes that follow.
    pub(crate) fn rest(mut self) -> Result<Vec<u8>, IoError> {
        let mut bytes = Vec::new();
        let read = self.reader.read_to_end(&mut bytes);
        self.at += bytes.len() as u64;
        read.map_err(|error| self.failed(error))?;
        Ok(bytes)
    }

    /// Puts `n` numbers of `N` bytes each behind those in `out`, whose memory grows with what has been read. `decode`
    /// returns `None` for bytes that stand for no number of its type.
    pub(crate) fn numbers<const N: usize, E>(
        &mut self,
        n: usize,
        out: &mut Vec<E>,
        decode: impl Fn([u8; N]) -> Option<E>,
    ) -> Result<(), IoError> {
        let mut left = self.claim(n as u64, N)?;
        out.reserve(if self.exact { n } else { n.min(BLOCK) });
        let mut block = std::mem::take(&mut self.block);
        block.resize(block.len().max((n * N).min(BLOCK)), 0);
        while left > 0 {
            let taken = left.min(block.len() / N);
            let bytes = &mut block[..taken * N];
            self.reader.read_exact(bytes).map_err(|error| self.failed(error))?;
            let (before, (numbers, _)) = (out.len(), bytes.as_chunks::<N>());
            out.extend(numbers.iter().map_while(|bytes| decode(*bytes)));
            let decoded = out.len() - before;
            if decoded < taken {
                let at = self.at + (decoded * N) as u64;
                return Err(self.fault_at(at, format!("{:?} stand for no number of this type", numbers[decoded])));
            }
            self.at += (taken * N) as u64;
            left -= taken;
        }
        self.block = block;
        Ok(())
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

    /// The next `n` bytes, after which nothing may follow, in a temporary file: there any of them can be sought. No more
    /// memory than a block.
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

    /// That nothing follows.
    pub(crate) fn finish(mut self) -> Result<(), IoError> {
        match self.reader.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.fault("the data ends here and the file goes on")),
            Err(error) => Err(self.failed(error)),
        }
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
