//! What a float width must provide: IEEE bit manipulation, and constants and polynomial coefficients for its
//! precision.
//!
//! The integers have the width of the float, so that they fill the same vector lanes. Conversions between the two use
//! the bits of a float, because AVX2 has no instruction that converts between `f64` and `i64`.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// One element of a vector register. `From<f32>` is for literals: `T::from(0.5)`.
pub trait Lane:
    Copy
    + 'static
    + PartialOrd
    + From<f32>
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// An integer held in the low bits of a word; the high bits are arbitrary.
    type Word: Copy;

    const INFINITY: Self;
    const NAN: Self;
    const EPSILON: Self;
    /// Smallest normal number.
    const MIN_POSITIVE: Self;

    const LOG2_E: Self;
    /// `ln 2` as an unevaluated sum, largest part first.
    const LN_2: [Self; 2];
    const FRAC_1_PI: Self;
    const FRAC_1_SQRT_2: Self;
    /// `π` as an unevaluated sum, largest part first; all parts are positive, so that -0 survives their subtraction.
    const PI: [Self; 3];

    /// At and below this, `e^x` rounds to 0.
    const EXP_MIN: Self;
    /// At and above this, `e^x` is infinite.
    const EXP_MAX: Self;
    /// At and above this, `tanh x` rounds to 1; at and below minus twice this, `e^x - 1` rounds to -1.
    const TANH_MAX: Self;
    /// At and above this, `erfc x` rounds to 0.
    const ERFC_MAX: Self;
    /// See [`Elementary::TRIG_LIMIT`](super::Elementary::TRIG_LIMIT).
    const TRIG_LIMIT: Self;

    /// `(e^r - 1 - r) / r²` for `|r| <= ln 2 / 2`.
    const EXP_TAIL: &'static [Self];
    /// `(2 atanh s - 2s) / s³` in powers of `s²`, for `|s| <= 3 - 2√2`.
    const ATANH_TAIL: &'static [Self];
    /// `(sin r - r) / r³` in powers of `r²`, for `|r| <= π/2` and slightly beyond.
    const SIN_TAIL: &'static [Self];
    /// `erf x / x - 1` in powers of `x²`, for `|x| <= 1`.
    const ERF_SERIES: &'static [Self];
    /// `(a + 2) e^a² erfc a` in powers of `1 - 4 / (a + 2)`, for `a >= 1`.
    const ERFCX: &'static [Self];
    /// `e^(a²/2) Φ(-a)` for `a >= 0` as a quotient of polynomials, where `Φ` is the standard normal distribution function.
    const NDTR: [&'static [Self]; 2];
    /// At and above this, `Φ(-a)` rounds to 0.
    const NDTR_MAX: Self;
    /// `(arctan s - s) / s³` in powers of `s²`, for `0 <= s <= 1`.
    const ATAN_TAIL: &'static [Self];
    /// `(arcsin s - s) / s³` in powers of `s²`, for `0 <= s <= ½`.
    const ASIN_TAIL: &'static [Self];

    fn mul_add(self, a: Self, b: Self) -> Self;
    fn abs(self) -> Self;
    fn copysign(self, sign: Self) -> Self;
    fn trunc(self) -> Self;
    fn is_nan(self) -> bool;
    fn sqrt(self) -> Self;

    /// The integer nearest to `self * scale`, as a float and as a word. NaN gives NaN and an arbitrary word.
    ///
    /// Adding `1.5 · 2^(MANTISSA_DIGITS - 1)` leaves no bits for a fraction, so the sum rounds to an integer and holds
    /// it in its low mantissa bits. Here the sum also contains twice the exponent bias, for [`ldexp`](Lane::ldexp).
    fn nearest(self, scale: Self) -> (Self, Self::Word);

    /// `2^n / 2` for a normal result: halved, so that the largest `n` of an exponential does not overflow.
    fn half_exp2(n: Self::Word) -> Self;

    /// `2^(n + LIFT)`, a normal number for every `n` from `-2 LIFT` to 0, and `2^-LIFT`.
    fn lifted_exp2(n: Self::Word) -> (Self, Self);

    /// `self · 2^n`, rounded once. Multiplies by two factors, because `2^n` itself may overflow or be subnormal.
    fn ldexp(self, n: Self::Word) -> Self;

    /// `(-1)^n self`.
    fn negate_if_odd(self, n: Self::Word) -> Self;

    /// `(m, n)` with `self = m · 2^n` and `√½ <= m < √2`, for a positive normal number.
    fn frexp(self) -> (Self, Self);

    /// A power of two and its inverse. Multiplying a positive number by the first brings it below 4, and to at least 1
    /// unless it is subnormal.
    fn binade(self) -> (Self, Self);

    /// `self^p` for `self` positive, zero or infinite, except `0^0`, `∞^0` and `1^±∞`.
    fn pow_positive(self, p: Self) -> Self;

    /// `ln self` times a factor in two parts, rounded once, for positive finite `self`.
    fn ln_times(self, factor: (f64, f64)) -> Self;

    /// Evaluates the polynomial with the given coefficients, lowest power first, by Horner's rule.
    #[inline(always)]
    fn polynomial(self, coefficients: &'static [Self]) -> Self {
        let (&last, rest) = coefficients.split_last().expect("a polynomial has a coefficient");
        rest.iter().rev().fold(last, |sum, &c| sum.mul_add(self, c))
    }

    /// Evaluates the same polynomial, of at most eight terms, by Estrin's scheme: neighboring terms in pairs, and
    /// those pairs in pairs. This takes two more multiplications and half the latency, for results that the next step
    /// depends on.
    #[inline(always)]
    fn polynomial_in_pairs(self, c: &'static [Self]) -> Self {
        assert!(c.len() <= 8);
        let square = self * self;
        let low = self.of_four_terms(square, c);
        if c.len() > 4 { self.of_four_terms(square, &c[4..]).mul_add(square * square, low) } else { low }
    }

    /// Evaluates the polynomial of the first four coefficients, or of as many as there are. Not a closure: the
    /// compiler may compile a closure separately, without the instruction set of the enclosing function.
    #[inline(always)]
    fn of_four_terms(self, square: Self, c: &'static [Self]) -> Self {
        let low = if c.len() > 1 { c[1].mul_add(self, c[0]) } else { c[0] };
        match c.len() {
            0..3 => low,
            3 => c[2].mul_add(square, low),
            _ => c[3].mul_add(self, c[2]).mul_add(square, low),
        }
    }

    /// Returns `self`, but at most `bound`; unlike `f64::min`, it propagates NaN.
    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        if self > bound { bound } else { self }
    }

    /// Returns `self`, but at least `bound`; unlike `f64::max`, it propagates NaN.
    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        if self < bound { bound } else { self }
    }
}

/// The methods of [`Lane`] that are the same for both widths, except for the bit layout.
macro_rules! bit_tricks {
    ($float:ident, $word:ident) => {
        type Word = $word;

        const INFINITY: Self = $float::INFINITY;
        const NAN: Self = $float::NAN;
        const EPSILON: Self = $float::EPSILON;
        const MIN_POSITIVE: Self = $float::MIN_POSITIVE;
        const LOG2_E: Self = std::$float::consts::LOG2_E;
        const FRAC_1_PI: Self = std::$float::consts::FRAC_1_PI;
        const FRAC_1_SQRT_2: Self = std::$float::consts::FRAC_1_SQRT_2;

        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            $float::mul_add(self, a, b)
        }
        #[inline(always)]
        fn abs(self) -> Self {
            $float::abs(self)
        }
        #[inline(always)]
        fn copysign(self, sign: Self) -> Self {
            $float::copysign(self, sign)
        }
        #[inline(always)]
        fn trunc(self) -> Self {
            $float::trunc(self)
        }
        #[inline(always)]
        fn is_nan(self) -> bool {
            $float::is_nan(self)
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            $float::sqrt(self)
        }

        #[inline(always)]
        fn nearest(self, scale: Self) -> (Self, $word) {
            const SHIFT: $float = ((3 as $word) << (FRACTION - 1)) as $float + 2.0 * BIAS as $float;
            let shifted = $float::mul_add(self, scale, SHIFT);
            (shifted - SHIFT, shifted.to_bits())
        }

        #[inline(always)]
        fn half_exp2(n: $word) -> Self {
            // `n` includes 2 BIAS; the exponent field of 2^(n - 1) must be n - 1 + BIAS.
            $float::from_bits(n.wrapping_sub(BIAS + 1) << FRACTION)
        }

        #[inline(always)]
        fn lifted_exp2(n: $word) -> (Self, Self) {
            // Two thirds of the exponents, so that twice as many are below 0 as the type has.
            const LIFT: $word = BIAS * 2 / 3;
            let power = $float::from_bits(n.wrapping_sub(BIAS).wrapping_add(LIFT) << FRACTION);
            (power, $float::from_bits((BIAS - LIFT) << FRACTION))
        }

        #[inline(always)]
        fn ldexp(self, n: $word) -> Self {
            // n + 2 BIAS is positive and is split into the exponent fields of both factors.
            let half = n >> 1;
            let rest = n.wrapping_sub(half);
            self * $float::from_bits(half << FRACTION) * $float::from_bits(rest << FRACTION)
        }

        #[inline(always)]
        fn negate_if_odd(self, n: $word) -> Self {
            $float::from_bits(self.to_bits() ^ (n << ($word::BITS - 1)))
        }

        #[inline(always)]
        fn frexp(self) -> (Self, Self) {
            const ONE: $word = BIAS << FRACTION;
            const SQRT_HALF: $word = std::$float::consts::FRAC_1_SQRT_2.to_bits();
            // A float whose last mantissa bit has value 1: or-ing an integer into its mantissa adds it.
            const COUNTER: $float = ((1 as $word) << FRACTION) as $float;

            let shifted = self.to_bits().wrapping_add(ONE - SQRT_HALF);
            let exponent = shifted >> FRACTION;
            let mantissa = (shifted & ((1 << FRACTION) - 1)) + SQRT_HALF;
            let n = $float::from_bits(exponent | COUNTER.to_bits()) - (COUNTER + BIAS as $float);
            ($float::from_bits(mantissa), n)
        }

        #[inline(always)]
        fn binade(self) -> (Self, Self) {
            // Clamp to the smallest and largest exponent fields whose inverses are normal, too.
            let field = (self.to_bits() >> FRACTION).clamp(1, 2 * BIAS - 1);
            ($float::from_bits((2 * BIAS - field) << FRACTION), $float::from_bits(field << FRACTION))
        }
    };
}
pub(super) use bit_tricks;
