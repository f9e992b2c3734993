//! Elementwise functions of single scalars, bitwise equal to the results of the loops. The rows that scalar programs
//! spend their time in are computed here without a loop; any other scalar is a block of one element.

use super::blocks;
use crate::float::{Float, Real, TANH_CORE};
use crate::op::elementwise::{binary_number, binary_rule_number, unary_number, unary_rule_number};
use crate::op::{Binary, Side, Unary};

/// `f(x)`.
#[inline]
pub(crate) fn unary<T: Float>(f: Unary, x: T) -> T {
    match f {
        Unary::Sin if is_far(x) => T::of(x.f64().sin()),
        Unary::Cos if is_far(x) => T::of(x.f64().cos()),
        _ => unary_number(f, x, unary_block),
    }
}

/// The cotangent of `x`.
#[inline]
pub(crate) fn unary_rule<T: Float>(f: Unary, x: T, y: T, g: T) -> T {
    match f {
        Unary::Sin if is_far(x) => g * T::of(x.f64().cos()),
        Unary::Cos if is_far(x) => -g * T::of(x.f64().sin()),
        _ => unary_rule_number(f, x, y, g, unary_rule_block),
    }
}

/// `f(a, b)`. The four arithmetic operations are the same on every CPU, so the compiler may inline them.
#[inline(always)]
pub(crate) fn binary<T: Float>(f: Binary, a: T, b: T) -> T {
    match f {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        _ => binary_number(f, a, b, binary_block),
    }
}

/// The cotangent of one operand.
#[inline(always)]
pub(crate) fn binary_rule<T: Float>(f: Binary, side: Side, a: T, b: T, y: T, g: T) -> T {
    match (f, side) {
        (Binary::Add, _) | (Binary::Sub, Side::A) => g,
        (Binary::Sub, Side::B) => -g,
        (Binary::Mul, Side::A) => g * b,
        (Binary::Mul, Side::B) => g * a,
        _ => binary_rule_number(f, side, a, b, y, g, binary_rule_block),
    }
}

/// A block of one element.
#[cold]
fn unary_block<T: Float>(f: Unary, x: T) -> T {
    one(|out| blocks::unary(f, &[x], out))
}

/// A block of one element.
#[cold]
fn unary_rule_block<T: Float>(f: Unary, x: T, y: T, g: T) -> T {
    one(|out| blocks::unary_rule(f, &[x], &[y], &[g], out))
}

/// A block of one element.
#[cold]
fn binary_block<T: Float>(f: Binary, a: T, b: T) -> T {
    one(|out| blocks::binary(f, &[a], &[b], out))
}

/// A block of one element.
#[cold]
fn binary_rule_block<T: Float>(f: Binary, side: Side, a: T, b: T, y: T, g: T) -> T {
    one(|out| blocks::binary_rule(f, side, &[a], &[b], &[y], &[g], out))
}

fn one<T: Float>(f: impl FnOnce(&mut [T])) -> T {
    let mut out = [T::zero()];
    f(&mut out);
    out[0]
}

/// Whether an angle may be outside the range of the fast sine and cosine.
#[inline(always)]
pub(crate) fn is_far<T: Float>(x: T) -> bool {
    Real::abs(x) > T::TRIG_LIMIT * T::of(0.25)
}

/// Whether y = tanh x is too close to ±1 for the derivative to be 1 - y².
#[inline(always)]
pub(crate) fn is_saturated<T: Float>(y: T) -> bool {
    Real::abs(y) > T::of(f64::from(TANH_CORE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval;
    use crate::tensor::Tensor;

    const SAMPLES: [f64; 12] = [0.0, -0.0, 0.3, -1.7, 2.0, 40.0, -300.0, 1e-310, 3e8, 1e17, f64::INFINITY, f64::NAN];

    /// Seventeen copies of a number, to cover both full registers and tail elements.
    fn block<T: Float>(x: T) -> Tensor<T> {
        Tensor::full(&[17], x)
    }

    fn same<T: Float>(number: T, block: Tensor<T>, of: impl std::fmt::Debug) {
        let alike = |b: T| number.f64().to_bits() == b.f64().to_bits() || number.is_nan() && b.is_nan();
        assert!(block.iter().all(alike), "{number} alone, {block} in a block: {of:?}");
    }

    fn numbers_have_the_bits_of_blocks<T: Float>() {
        let samples = SAMPLES.map(T::of);
        for (&x, &g) in samples.iter().flat_map(|x| samples.iter().map(move |g| (x, g))) {
            for &f in Unary::ALL {
                let y = unary(f, x);
                same(y, eval::unary(f, &block(x)), (f, x));
                same(unary_rule(f, x, y, g), eval::unary_rule(f, &block(x), &block(y), &block(g)), (f, x, g));
            }
            for &f in Binary::ALL {
                let (b, y) = (g, binary(f, x, g));
                same(y, eval::binary(f, &block(x), &block(b), &[17]), (f, x, b));
                for side in [Side::A, Side::B] {
                    let operands = [x, b, y, T::of(0.7)];
                    let [a, b, y, g] = operands.map(block);
                    let rule = eval::binary_rule(f, side, [&a, &b, &y, &g]);
                    same(binary_rule(f, side, operands[0], operands[1], operands[2], operands[3]), rule, (f, side, x));
                }
            }
        }
    }

    #[test]
    fn a_number_has_the_bits_it_has_in_a_block() {
        numbers_have_the_bits_of_blocks::<f32>();
        numbers_have_the_bits_of_blocks::<f64>();
    }
}
