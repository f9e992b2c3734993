//! Precisions that the operands of products are rounded to.

use super::Float;

/// The precision that operands of matrix products, convolutions and attention are rounded to before they are multiplied.
/// Sums and everything else use the element type: parameters, activations and gradients are stored in full precision.
///
/// Set it for a tape with [`Tape::set_precision`](crate::Tape::set_precision). It becomes part of each op that is recorded,
/// and of its derivatives.
///
/// ```
/// use autograd::Precision;
/// let [bf16, f16] = [Precision::Bf16, Precision::F16].map(|precision| precision.round(1.0 / 3.0));
/// assert_eq!((bf16, f16), (0.333984375, 0.333251953125)); // 8 and 11 significant bits
/// assert_eq!((Precision::Bf16.round(1e5_f32), Precision::F16.round(1e5_f32)), (99840.0, f32::INFINITY));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Precision {
    /// The operands are not rounded.
    #[default]
    Full,
    /// bfloat16: 8 significant bits and the range of `f32`. Subnormal numbers are 0.
    Bf16,
    /// IEEE 754 half precision: 11 significant bits, at most 65,504. Larger numbers are infinite.
    F16,
}

impl Precision {
    /// The nearest number of this precision; ties round to even.
    #[inline(always)]
    pub fn round<T: Float>(self, x: T) -> T {
        match self {
            Precision::Full => x,
            Precision::Bf16 => T::of(nearest(
                x.f64(),
                Format { digits: 8, least: -126, largest: 3.389_531_389_251_535_5e38, subnormals: false },
            )),
            Precision::F16 => {
                T::of(nearest(x.f64(), Format { digits: 11, least: -14, largest: 65_504.0, subnormals: true }))
            }
        }
    }

    /// Whether operands are rounded.
    pub(crate) fn rounds(self) -> bool {
        self != Precision::Full
    }
}

/// A binary format with fewer digits than `f64`.
#[derive(Clone, Copy)]
struct Format {
    /// Significant bits.
    digits: i64,
    /// The exponent of the smallest normal number.
    least: i64,
    /// The largest finite number.
    largest: f64,
    /// Whether numbers below the smallest normal one are kept, with fewer digits.
    subnormals: bool,
}

/// The number of a format nearest to `x`. Branch-free, so that loops over it are vectorized.
#[inline(always)]
fn nearest(x: f64, Format { digits, least, largest, subnormals }: Format) -> f64 {
    /// Numbers of this size have no fraction, so adding it rounds to an integer.
    const WHOLE: f64 = (1u64 << 52) as f64 * 1.5;
    let power = |exponent: i64| f64::from_bits(((exponent + 1023) as u64) << 52);
    let exponent = (x.to_bits() >> 52 & 0x7ff) as i64 - 1023;
    // Steps by powers of two are exact.
    let step = exponent.max(least) - (digits - 1);
    let size = ((x.abs() * power(-step) + WHOLE) - WHOLE) * power(step);
    let size = if size > largest { f64::INFINITY } else { size };
    let size = if !subnormals && x.abs() < power(least) { 0.0 } else { size };
    size.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number of the format, and the middle between neighbors, which rounds to even.
    fn check(precision: Precision, numbers: impl Iterator<Item = f64>) {
        let (mut before, mut even) = (None::<f64>, true);
        for x in numbers {
            assert_eq!(precision.round(x), x, "{precision:?}");
            assert_eq!(precision.round(-x), -x);
            if let Some(before) = before {
                let middle = (before + x) / 2.0;
                assert_eq!(
                    precision.round(middle),
                    if even { before } else { x },
                    "{precision:?}: between {before} and {x}"
                );
                assert_eq!(precision.round(middle * (1.0 + 1e-9)), x);
                assert_eq!(precision.round(middle * (1.0 - 1e-9)), before);
                even = !even;
            }
            before = Some(x);
        }
    }

    #[test]
    fn numbers_round_to_the_nearest_of_their_format() {
        // The bits of each format in ascending order, from the definitions of the formats.
        let bf16 = (0x0080_u32..0x7f80).map(|bits| f64::from(f32::from_bits(bits << 16)));
        let f16 = (0_u32..0x7c00).map(|bits| match (bits >> 10, f64::from(bits & 0x3ff)) {
            (0, fraction) => fraction * 2f64.powi(-24),
            (exponent, fraction) => (1024.0 + fraction) * 2f64.powi(exponent as i32 - 25),
        });
        check(Precision::Bf16, bf16);
        check(Precision::F16, f16);
    }

    /// Expected values are from PyTorch.
    #[test]
    fn numbers_round_as_in_pytorch() {
        let inf = f64::INFINITY;
        for (x, bf16, f16) in [
            (0.1_f32, 0.10009765625, 0.0999755859375),
            (std::f32::consts::PI, 3.140625, 3.140625),
            (-std::f32::consts::E, -2.71875, -2.71875),
            (1e-3, 0.00099945068359375, 0.0010004043579101562),
            (123_456.79, 123_392.0, inf),
            (65_519.0, 65_536.0, 65_504.0),
            (65_520.0, 65_536.0, inf),
            (3.3e38, 3.2964854295465914e38, inf),
            (1e-6, 9.98377799987793e-07, 1.0132789611816406e-06),
            (2.9e-8, 2.898741513490677e-08, 0.0),
            (-7.7e-5, -7.677078247070312e-05, -7.700920104980469e-05),
            (1.003_906_3, 1.0, 1.00390625),
            (1.011_718_8, 1.015625, 1.01171875),
        ] {
            let rounded = [Precision::Bf16, Precision::F16].map(|precision| f64::from(precision.round(x)));
            assert_eq!(rounded, [bf16, f16], "{x}");
            assert_eq!(Precision::Bf16.round(f64::from(x)), bf16);
        }
    }

    #[test]
    fn what_a_format_does_not_have() {
        let tiny = f64::from(f32::MIN_POSITIVE);
        assert_eq!(Precision::Bf16.round(tiny * 0.999), 0.0, "subnormal numbers are 0");
        assert!(Precision::Bf16.round(-tiny / 2.0).is_sign_negative());
        assert_eq!(Precision::Bf16.round(f32::MAX), f32::INFINITY);
        assert_eq!((Precision::F16.round(65_519.9), Precision::F16.round(-65_520.0)), (65_504.0, -f64::INFINITY));
        assert_eq!(Precision::F16.round(2f32.powi(-25)), 0.0);
        for precision in [Precision::Full, Precision::Bf16, Precision::F16] {
            assert!(precision.round(f32::NAN).is_nan());
            assert_eq!(precision.round(-f64::INFINITY), -f64::INFINITY);
            assert!(precision.round(-0.0_f64).is_sign_negative());
        }
    }
}
