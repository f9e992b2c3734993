//! [`Layout`]: how the numbers of an array are stored in a file, and their conversion to elements.

use super::source::Source;
use super::{AnyTensor, IoError};
use autograd::{Element, Float, Tensor};
use std::io::Read;

/// Storage type of a number in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    Bf16,
    F32,
    F64,
}

use Dtype::*;

/// Byte order of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

/// Description of an array in a file. Its numbers are in row-major order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) dtype: Dtype,
    pub(crate) order: Order,
    pub(crate) shape: Vec<usize>,
}

/// A function that appends the given number of elements from a file to a vector.
pub(crate) type Reading<E, R> = fn(&Layout, usize, &mut Source<R>, &mut Vec<E>) -> Result<(), IoError>;

impl Layout {
    /// Reads the next numbers of a file as a tensor of the type that holds them without loss.
    pub(crate) fn tensor<R: Read>(&self, source: &mut Source<R>) -> Result<AnyTensor, IoError> {
        Ok(match self.dtype {
            F16 | Bf16 | F32 => AnyTensor::F32(self.whole(source, Layout::floats)?),
            F64 => AnyTensor::F64(self.whole(source, Layout::floats)?),
            Bool => AnyTensor::Bool(self.whole(source, Layout::truths)?),
            U64 => self.unsigned(source)?,
            I64 | U32 | I32 | U16 | I16 | U8 | I8 => AnyTensor::I64(self.whole(source, Layout::integers)?),
        })
    }

    /// Reads unsigned numbers of 64 bits: as integers, or if one is too large for that, as the nearest `f64`.
    fn unsigned<R: Read>(&self, source: &mut Source<R>) -> Result<AnyTensor, IoError> {
        let bits = self.bits().whole(source, Layout::integers)?;
        let fit = bits.iter().all(|x| x >= 0);
        Ok(if fit { bits.into() } else { bits.map(|x| x as u64 as f64).into() })
    }

    /// Reads all numbers of the array by one of the readers below.
    pub(crate) fn whole<E: Element, R: Read>(
        &self,
        source: &mut Source<R>,
        read: Reading<E, R>,
    ) -> Result<Tensor<E>, IoError> {
        let (n, mut numbers) = (self.count(source)?, Vec::new());
        read(self, n, source, &mut numbers)?;
        Tensor::try_new(&self.shape, numbers).map_err(|error| source.fault(error))
    }

    /// Number of elements.
    pub(crate) fn count<R: Read>(&self, source: &Source<R>) -> Result<usize, IoError> {
        // Sizes beside a 0 must not overflow either: rows and transposes count some of them.
        let count = self.shape.iter().try_fold(1, |n: usize, &size| n.checked_mul(size.max(1)));
        let count = count.map(|n| if self.shape.contains(&0) { 0 } else { n });
        count.ok_or_else(|| source.fault(format!("the number of elements of shape {:?} overflows", self.shape)))
    }

    /// Size of one number in bytes.
    pub(crate) fn size(&self) -> usize {
        match self.dtype {
            Bool | U8 | I8 => 1,
            U16 | I16 | F16 | Bf16 => 2,
            U32 | I32 | F32 => 4,
            U64 | I64 | F64 => 8,
        }
    }

    /// Reads the next `n` numbers as floating-point numbers, regardless of their type in the file.
    pub(crate) fn floats<T: Float, R: Read>(
        &self,
        n: usize,
        source: &mut Source<R>,
        out: &mut Vec<T>,
    ) -> Result<(), IoError> {
        match self.dtype {
            U64 => self.bits().read(n, source, out, |_| None, |x| Some(T::of(x as u64 as f64))),
            _ => self.read(n, source, out, |x| Some(T::of(x)), |x| Some(T::of(x as f64))),
        }
    }

    /// The layout of the same bits as signed integers.
    fn bits(&self) -> Layout {
        Layout { dtype: I64, ..self.clone() }
    }

    /// Reads the next `n` numbers, which must be integers.
    pub(crate) fn integers<R: Read>(
        &self,
        n: usize,
        source: &mut Source<R>,
        out: &mut Vec<i64>,
    ) -> Result<(), IoError> {
        self.read(n, source, out, |_| None, Some)
    }

    /// Reads the next `n` numbers, which must be 0 or 1.
    fn truths<R: Read>(&self, n: usize, source: &mut Source<R>, out: &mut Vec<bool>) -> Result<(), IoError> {
        self.read(n, source, out, |_| None, |x| (x >> 1 == 0).then_some(x == 1))
    }

    /// Reads the next `n` numbers and converts floating-point numbers to elements by `real`, integers by `whole`.
    fn read<E: Element, R: Read>(
        &self,
        n: usize,
        source: &mut Source<R>,
        out: &mut Vec<E>,
        real: fn(f64) -> Option<E>,
        whole: fn(i64) -> Option<E>,
    ) -> Result<(), IoError> {
        source.claim(n as u64, self.size())?;
        out.reserve(source.reserve(n));
        let mut numbers = Numbers::default();
        source.blocks(n, self.size(), &mut |bytes| {
            self.decode(bytes, &mut numbers);
            let before = out.len();
            out.extend(numbers.reals.iter().map_while(|&x| real(x)));
            out.extend(numbers.wholes.iter().map_while(|&x| whole(x)));
            out.len() - before
        })
    }

    /// Decodes a block, as far as its numbers are valid. Every floating-point number fits in an `f64`, every integer but
    /// the largest unsigned ones in an `i64`.
    fn decode(&self, bytes: &mut [u8], to: &mut Numbers) {
        if self.order == Order::Big {
            bytes.chunks_exact_mut(self.size()).for_each(<[u8]>::reverse);
        }
        let Numbers { reals, wholes } = to;
        reals.clear();
        wholes.clear();
        macro_rules! each {
            ($to:ident, $t:ty, $x:ident => $number:expr) => {
                for bytes in bytes.as_chunks().0 {
                    let $x = <$t>::from_le_bytes(*bytes);
                    $to.push($number);
                }
            };
        }
        match self.dtype {
            F64 => each!(reals, f64, x => x),
            F32 => each!(reals, f32, x => x.into()),
            Bf16 => each!(reals, u16, x => f32::from_bits(u32::from(x) << 16).into()),
            F16 => each!(reals, u16, x => half(x)),
            I64 => each!(wholes, i64, x => x),
            U64 => each!(wholes, u64, x => match x.try_into() {
                Ok(x) => x,
                Err(_) => return,
            }),
            I32 => each!(wholes, i32, x => x.into()),
            U32 => each!(wholes, u32, x => x.into()),
            I16 => each!(wholes, i16, x => x.into()),
            U16 => each!(wholes, u16, x => x.into()),
            I8 => each!(wholes, i8, x => x.into()),
            Bool | U8 => each!(wholes, u8, x => x.into()),
        }
    }
}

/// The numbers of a block: of one kind, in memory that is reused for the next block.
#[derive(Default)]
struct Numbers {
    reals: Vec<f64>,
    wholes: Vec<i64>,
}

/// Decodes a half-precision number: sign, 5 bits of exponent, 10 of fraction (IEEE 754 binary16).
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision() {
        let plain = [(0x0000, 0.0), (0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333251953125), (0x7bff, 65504.0)];
        let edges = [(0x0001, 2f64.powi(-24)), (0x0400, 2f64.powi(-14)), (0x7c00, f64::INFINITY)];
        for (bits, value) in plain.into_iter().chain(edges) {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x8000).is_sign_negative() && half(0x7e00).is_nan() && half(0xfc00) == f64::NEG_INFINITY);
        // Positive numbers grow with their bits, by a step that doubles every 1024.
        let step = |bits: u16| 2f64.powi(i32::from((bits >> 10).max(1)) - 25);
        assert!((0..0x7bff).all(|bits| half(bits + 1) - half(bits) == step(bits)));
    }
}
