//! [`Dtype`]: how numbers stand in files, and what they become here.

use super::source::Source;
use super::{AnyTensor, IoError};
use autograd::{Element, Float, Tensor};
use std::io::Read;

/// How one number stands in a file.
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

impl Dtype {
    /// The next numbers of a file as a tensor of the type that holds them without loss.
    pub(crate) fn tensor<R: Read>(
        self,
        order: Order,
        shape: &[usize],
        source: &mut Source<R>,
    ) -> Result<AnyTensor, IoError> {
        Ok(match self {
            F16 | Bf16 | F32 => AnyTensor::F32(self.floats(order, shape, source)?),
            F64 => AnyTensor::F64(self.floats(order, shape, source)?),
            Bool => self.read(order, shape, source, |_| None, |x| (x >> 1 == 0).then_some(x == 1))?.into(),
            _ => self.read(order, shape, source, |_| None, Some)?.into(),
        })
    }

    /// The next numbers of a file as floating-point numbers of a given type, whatever they are in the file.
    pub(crate) fn floats<T: Float, R: Read>(
        self,
        order: Order,
        shape: &[usize],
        source: &mut Source<R>,
    ) -> Result<Tensor<T>, IoError> {
        self.read(order, shape, source, |x| Some(T::of(x)), |x| Some(T::of(x as f64)))
    }

    /// The next numbers of a file, through functions that take a real or a whole number to an element.
    fn read<E: Element, R: Read>(
        self,
        order: Order,
        shape: &[usize],
        source: &mut Source<R>,
        real: impl Fn(f64) -> Option<E>,
        whole: impl Fn(i64) -> Option<E>,
    ) -> Result<Tensor<E>, IoError> {
        let Some(n) = shape.iter().try_fold(1, |n: usize, &size| n.checked_mul(size)) else {
            return Err(source.fault(format!("shape {shape:?} has more elements than can be counted")));
        };
        let numbers = match self {
            F64 => source.numbers(n, |b| real(f64::from_le_bytes(order.little(b)))),
            F32 => source.numbers(n, |b| real(f32::from_le_bytes(order.little(b)).into())),
            Bf16 => {
                source.numbers(n, |b| real(f32::from_bits(u32::from(u16::from_le_bytes(order.little(b))) << 16).into()))
            }
            F16 => source.numbers(n, |b| real(half(u16::from_le_bytes(order.little(b))))),
            I64 => source.numbers(n, |b| whole(i64::from_le_bytes(order.little(b)))),
            U64 => source.numbers(n, |b| whole(u64::from_le_bytes(order.little(b)).try_into().ok()?)),
            I32 => source.numbers(n, |b| whole(i32::from_le_bytes(order.little(b)).into())),
            U32 => source.numbers(n, |b| whole(u32::from_le_bytes(order.little(b)).into())),
            I16 => source.numbers(n, |b| whole(i16::from_le_bytes(order.little(b)).into())),
            U16 => source.numbers(n, |b| whole(u16::from_le_bytes(order.little(b)).into())),
            I8 => source.numbers(n, |b| whole(i8::from_le_bytes(b).into())),
            Bool | U8 => source.numbers(n, |b| whole(u8::from_le_bytes(b).into())),
        }?;
        Tensor::try_new(shape, numbers).map_err(|error| source.fault(error))
    }
}

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    /// The bytes of a number from the lowest to the highest.
    fn little<const N: usize>(self, mut bytes: [u8; N]) -> [u8; N] {
        if self == Order::Big {
            bytes.reverse();
        }
        bytes
    }
}

/// A number of half precision: sign, 5 bits of exponent, 10 of fraction (IEEE 754 binary16).
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

    /// Sums of powers of two, by the bits of each number.
    #[test]
    fn half_precision() {
        let cases = [(0x0000, 0.0), (0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333251953125), (0x7bff, 65504.0)];
        for (bits, value) in
            cases.into_iter().chain([(0x0001, 2f64.powi(-24)), (0x0400, 2f64.powi(-14)), (0x7c00, f64::INFINITY)])
        {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x8000).is_sign_negative() && half(0x7e00).is_nan() && half(0xfc00) == f64::NEG_INFINITY);
        // Positive numbers grow with their bits, each by a step that doubles every 1024.
        assert!((0..0x7c00).all(
            |bits| half(bits + 1) - half(bits) == 2f64.powi(i32::from((bits >> 10).max(1)) - 25) || bits == 0x7bff
        ));
    }
}
