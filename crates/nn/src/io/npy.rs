//! NumPy's format for one array: magic bytes, the version, a header in the form of a Python dictionary, the numbers
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).

use super::dtype::{Dtype, Layout, Order};
use super::source::Source;
use super::{AnyTensor, IoError, write_atomically};
use std::io::{self, Read, Write};
use std::path::Path;

pub(super) const FORMAT: &str = "NPY";
const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The longest accepted header. Real headers are short, because arrays have only a few axes.
const LONGEST_HEADER: u64 = 1 << 16;

/// Type codes in headers, and the storage types they denote.
const TYPES: [(&str, Dtype); 12] = [
    ("b1", Dtype::Bool),
    ("u1", Dtype::U8),
    ("i1", Dtype::I8),
    ("u2", Dtype::U16),
    ("i2", Dtype::I16),
    ("u4", Dtype::U32),
    ("i4", Dtype::I32),
    ("u8", Dtype::U64),
    ("i8", Dtype::I64),
    ("f2", Dtype::F16),
    ("f4", Dtype::F32),
    ("f8", Dtype::F64),
];

/// Reads an array written by NumPy's `save`: booleans, integers (as `i64`) or floating-point numbers, in either byte
/// order, in C or Fortran order.
///
/// ```
/// use autograd::tensor;
/// let path = std::env::temp_dir().join(format!("nn-read-npy-{}.npy", std::process::id()));
/// let header = "{'descr': '>i2', 'fortran_order': False, 'shape': (2,)}";
/// let bytes = [b"\x93NUMPY\x01\0", &[header.len() as u8, 0][..], header.as_bytes(), &[1, 0, 0, 7]].concat();
/// std::fs::write(&path, bytes)?;
/// assert_eq!(nn::io::read_npy(&path)?, tensor![256_i64, 7].into());
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// # Errors
/// If the file cannot be read, is not valid, or holds objects, complex numbers, text or records.
pub fn read_npy(path: impl AsRef<Path>) -> Result<AnyTensor, IoError> {
    read(Source::open(path.as_ref(), FORMAT)?)
}

/// Reads an array from a source.
pub(super) fn read<R: Read>(mut source: Source<R>) -> Result<AnyTensor, IoError> {
    let (layout, fortran) = layout(&mut source)?;
    let array = layout.tensor(&mut source)?;
    source.finish()?;
    Ok(if fortran { array.transposed() } else { array })
}

/// Writes an array to a file that NumPy's `load` reads, [atomically](write_atomically).
///
/// ```
/// use autograd::tensor;
/// use nn::io::{AnyTensor, read_npy, write_npy};
/// let path = std::env::temp_dir().join(format!("nn-npy-{}.npy", std::process::id()));
/// let x = AnyTensor::from(tensor![[1.0f32, 2.0, 3.0]]);
/// write_npy(&path, &x)?;
/// assert_eq!(read_npy(&path)?, x);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// # Errors
/// If the file cannot be written.
pub fn write_npy(path: impl AsRef<Path>, array: &AnyTensor) -> Result<(), IoError> {
    write_atomically(path, |w| write(array, w))
}

pub(super) fn write(array: &AnyTensor, w: &mut dyn Write) -> io::Result<()> {
    let descr = match array {
        AnyTensor::F32(_) => "<f4",
        AnyTensor::F64(_) => "<f8",
        AnyTensor::I64(_) => "<i8",
        AnyTensor::Bool(_) => "|b1",
    };
    let sizes: Vec<String> = array.shape().iter().map(usize::to_string).collect();
    let sizes = sizes.join(", ") + if sizes.len() == 1 { "," } else { "" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // The numbers begin at a multiple of 64, after ten bytes, the header and a newline.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 11;
    w.write_all(MAGIC)?;
    w.write_all(&[1, 0])?;
    w.write_all(&(padded as u16 + 1).to_le_bytes())?;
    writeln!(w, "{header:padded$}")?;
    array.write_numbers(w)
}

/// Reads the header: the layout, and whether the array is in Fortran order, in which the first axis varies fastest. In
/// that case the axes are reversed, so that the numbers are in row-major order of the layout's shape.
pub(super) fn layout<R: Read>(source: &mut Source<R>) -> Result<(Layout, bool), IoError> {
    if &source.bytes()? != MAGIC {
        return Err(source.fault_at(0, "the file does not start with \\x93NUMPY"));
    }
    let length = match source.bytes()? {
        [1, _] => u64::from(u16::from_le_bytes(source.bytes()?)),
        [2 | 3, _] => u64::from(u32::from_le_bytes(source.bytes()?)),
        [version, _] => return Err(source.fault_at(6, format!("version {version} of the format is not supported"))),
    };
    let start = source.at();
    if length > LONGEST_HEADER {
        return Err(source.fault(format!("a header of {length} bytes is too long")));
    }
    let header = source.vec(length)?;
    let mut header = Header { text: &header, at: 0 };
    let fields = header.fields();
    let (order, dtype, fortran, mut shape) =
        fields.map_err(|problem| source.fault_at(start + header.at as u64, problem))?;
    if fortran {
        shape.reverse();
    }
    Ok((Layout { dtype, order, shape }, fortran))
}

/// A parser of the header, a Python dictionary with three fields.
struct Header<'a> {
    text: &'a [u8],
    at: usize,
}

impl Header<'_> {
    fn fields(&mut self) -> Result<(Order, Dtype, bool, Vec<usize>), String> {
        let (mut dtype, mut fortran, mut shape) = (None, None, None);
        self.expect(b'{')?;
        while !self.next_is(b'}') {
            let key = self.string()?;
            self.expect(b':')?;
            match key.as_str() {
                "descr" => dtype = Some(self.dtype()?),
                "fortran_order" => fortran = Some(self.truth()?),
                "shape" => shape = Some(self.shape()?),
                _ => return Err(format!("{key:?} is not a header field")),
            }
            if !self.next_is(b',') {
                self.expect(b'}')?;
                break;
            }
        }
        if !self.rest().is_empty() {
            return Err("unexpected text after the header's dictionary".into());
        }
        let ((order, dtype), fortran, shape) =
            dtype.zip(fortran).zip(shape).map(|((a, b), c)| (a, b, c)).ok_or("a field of the header is missing")?;
        Ok((order, dtype, fortran, shape))
    }

    fn rest(&mut self) -> &[u8] {
        self.at += self.text[self.at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
        &self.text[self.at..]
    }

    /// Skips spaces, then this byte if it is next; returns whether it was.
    fn next_is(&mut self, byte: u8) -> bool {
        let found = self.rest().first() == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.next_is(byte) { Ok(()) } else { Err(format!("expected {:?} in the header", char::from(byte))) }
    }

    fn string(&mut self) -> Result<String, String> {
        let rest = self.rest();
        let quote = rest.first().filter(|b| b"'\"".contains(b)).ok_or("expected a string in the header")?;
        let length = rest[1..].iter().position(|b| b == quote).ok_or("unterminated string in the header")?;
        let text = String::from_utf8_lossy(&rest[1..=length]).into_owned();
        self.at += length + 2;
        Ok(text)
    }

    fn dtype(&mut self) -> Result<(Order, Dtype), String> {
        let descr = self.string()?;
        let order = if descr.starts_with('>') { Order::Big } else { Order::Little };
        let known = |(name, dtype): &(&str, Dtype)| {
            (descr.len() == 3 && descr.ends_with(name) && "<>|=".contains(&descr[..1])).then_some((order, *dtype))
        };
        let unknown = || format!("type {descr:.20?} is not supported");
        TYPES.iter().find_map(known).ok_or_else(unknown)
    }

    fn truth(&mut self) -> Result<bool, String> {
        let rest = self.rest();
        let (truth, length) = match () {
            () if rest.starts_with(b"True") => (true, 4),
            () if rest.starts_with(b"False") => (false, 5),
            () => return Err("expected True or False in the header".into()),
        };
        self.at += length;
        Ok(truth)
    }

    fn shape(&mut self) -> Result<Vec<usize>, String> {
        let mut shape = Vec::new();
        self.expect(b'(')?;
        while !self.next_is(b')') {
            let digits: String =
                self.rest().iter().take_while(|b| b.is_ascii_digit()).map(|b| char::from(*b)).collect();
            shape.push(digits.parse().map_err(|_| "expected a size in the header's shape")?);
            self.at += digits.len();
            if !self.next_is(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(shape)
    }
}
