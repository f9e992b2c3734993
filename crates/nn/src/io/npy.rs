//! NumPy's format for one array: magic bytes, the version, a header in the form of a Python dictionary, the numbers
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).

use super::dtype::{Dtype, Layout, Order};
use super::source::Source;
use super::{AnyTensor, IoError, stranger, write_atomically};
use std::io::{self, Read, Write};
use std::path::Path;

pub(super) const FORMAT: &str = "NPY";
pub(super) const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The longest accepted header. Real headers are short, because arrays have only a few axes.
const LONGEST_HEADER: u64 = 1 << 16;

/// Storage types with their code, their character and their name in NumPy.
const TYPES: [(&str, &str, &str, Dtype); 12] = [
    ("b1", "?", "bool", Dtype::Bool),
    ("u1", "B", "uint8", Dtype::U8),
    ("i1", "b", "int8", Dtype::I8),
    ("u2", "H", "uint16", Dtype::U16),
    ("i2", "h", "int16", Dtype::I16),
    ("u4", "I", "uint32", Dtype::U32),
    ("i4", "i", "int32", Dtype::I32),
    ("u8", "Q", "uint64", Dtype::U64),
    ("i8", "q", "int64", Dtype::I64),
    ("f2", "e", "float16", Dtype::F16),
    ("f4", "f", "float32", Dtype::F32),
    ("f8", "d", "float64", Dtype::F64),
];

/// Types of NumPy that no tensor has, by the first character of their code.
const OTHER_TYPES: [(char, &str); 8] = [
    ('c', "complex numbers"),
    ('f', "floating-point numbers wider than 64 bits (long double)"),
    ('g', "floating-point numbers wider than 64 bits (long double)"),
    ('U', "text"),
    ('S', "text"),
    ('O', "Python objects"),
    ('M', "dates"),
    ('m', "time spans"),
];

/// Why the header of an array was not accepted.
pub(super) enum Refusal {
    /// The array is valid, but has a type that no tensor has.
    Type(IoError),
    /// The file is not valid.
    Fault(IoError),
}

impl From<IoError> for Refusal {
    fn from(error: IoError) -> Self {
        Refusal::Fault(error)
    }
}

/// Reads an array written by NumPy's `save`: booleans, integers (as `i64`) or floating-point numbers, in either byte
/// order, in C or Fortran order. A `uint64` array with a value beyond `i64` becomes `f64`, rounded to the nearest number.
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
#[doc(alias = "from_numpy")]
pub fn read_npy(path: impl AsRef<Path>) -> Result<AnyTensor, IoError> {
    read(Source::open(path.as_ref(), FORMAT)?)
}

/// Reads an array from a source.
pub(super) fn read<R: Read>(source: Source<R>) -> Result<AnyTensor, IoError> {
    try_read(source).map_err(Refusal::into_error)
}

/// Reads an array from a source, and distinguishes types that no tensor has from faults.
pub(super) fn try_read<R: Read>(mut source: Source<R>) -> Result<AnyTensor, Refusal> {
    let (layout, fortran) = header(&mut source)?;
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
    header(source).map_err(Refusal::into_error)
}

impl Refusal {
    fn into_error(self) -> IoError {
        match self {
            Refusal::Type(error) | Refusal::Fault(error) => error,
        }
    }
}

fn header<R: Read>(source: &mut Source<R>) -> Result<(Layout, bool), Refusal> {
    let magic: [u8; 6] = source.bytes()?;
    if &magic != MAGIC {
        let mut start = magic.to_vec();
        start.extend(source.some(1024)?);
        let what = stranger(&start).unwrap_or("the file does not start with \\x93NUMPY");
        return Err(source.fault_at(0, what).into());
    }
    let length = match source.bytes()? {
        [1, _] => u64::from(u16::from_le_bytes(source.bytes()?)),
        [2 | 3, _] => u64::from(u32::from_le_bytes(source.bytes()?)),
        [version, _] => {
            return Err(source.fault_at(6, format!("version {version} of the format is not supported")).into());
        }
    };
    let start = source.at();
    if length > LONGEST_HEADER {
        return Err(source.fault(format!("a header of {length} bytes is too long")).into());
    }
    let header = source.vec(length)?;
    let mut header = Header { text: &header, at: 0 };
    let fields = header.fields();
    let (dtype, fortran, mut shape) = fields.map_err(|problem| source.fault_at(start + header.at as u64, problem))?;
    let (order, dtype) = match dtype {
        Ok(dtype) => dtype,
        Err((at, problem)) => return Err(Refusal::Type(source.fault_at(start + at as u64, problem))),
    };
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

/// The order and the type of the numbers, or the place and the name of a type that no tensor has.
type Numbers = Result<(Order, Dtype), (usize, String)>;
/// The numbers, whether they are in Fortran order, and the shape.
type Fields = (Numbers, bool, Vec<usize>);

impl Header<'_> {
    fn fields(&mut self) -> Result<Fields, String> {
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
        dtype.zip(fortran).zip(shape).map(|((a, b), c)| (a, b, c)).ok_or("a field of the header is missing".into())
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

    /// A string, which Python 2 may have marked as Unicode or as bytes.
    fn string(&mut self) -> Result<String, String> {
        let marked = self.rest().first().is_some_and(|mark| b"ub".contains(mark));
        self.at += usize::from(marked);
        let rest = &self.text[self.at..];
        let quote = rest.first().filter(|b| b"'\"".contains(b)).ok_or("expected a string in the header")?;
        let length = rest[1..].iter().position(|b| b == quote).ok_or("unterminated string in the header")?;
        let text = String::from_utf8_lossy(&rest[1..=length]).into_owned();
        self.at += length + 2;
        Ok(text)
    }

    fn dtype(&mut self) -> Result<Numbers, String> {
        if self.rest().first() == Some(&b'[') {
            let records = "the array holds records, which are not supported: save each field by itself";
            let at = self.at;
            return self.skip_list().map(|()| Err((at, records.to_owned())));
        }
        let descr = self.string()?;
        let order = if descr.starts_with('>') { Order::Big } else { Order::Little };
        let code = descr.strip_prefix(['<', '>', '|', '=']).unwrap_or(&descr);
        let named =
            |(short, character, name, _): &&(&str, &str, &str, Dtype)| [*short, *character, *name].contains(&code);
        if let Some((_, _, _, dtype)) = TYPES.iter().find(named) {
            return Ok(Ok((order, *dtype)));
        }
        let other = OTHER_TYPES.iter().find(|(first, _)| code.starts_with(*first));
        let what = other.map_or(String::new(), |(_, what)| format!(" ({what})"));
        Ok(Err((self.at, format!("type {descr:.20?} is not supported{what}"))))
    }

    /// Skips a list, with the lists and strings in it.
    fn skip_list(&mut self) -> Result<(), String> {
        let mut depth = 0_usize;
        loop {
            match self.rest().first() {
                Some(b'[' | b'(') => depth += 1,
                Some(b']' | b')') => depth = depth.saturating_sub(1),
                Some(b'\'' | b'"') => {
                    self.string()?;
                    continue;
                }
                Some(_) => {}
                None => return Err("unterminated list in the header".into()),
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
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
            // Python 2 writes long integers as 2L.
            self.at += usize::from(self.text.get(self.at) == Some(&b'L'));
            if !self.next_is(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(shape)
    }
}
