//! Elementwise functions of single scalars: the rows of the table without a loop, bitwise equal to the results of the
//! loops.

use super::{Binary, Side, Unary};
use crate::float::{Exact, Float, Real};
use crate::kernel::isa::simd;

simd! {
    /// `f(x)`.
    pub(crate) fn unary<T: Float>(f: Unary, x: T) -> T {
        if is_far(x) && f.is_trigonometric() { exact(f, x) } else { f.f(x) }
    }
}

simd! {
    /// The cotangent of `x`.
    pub(crate) fn unary_rule<T: Float>(f: Unary, x: T, y: T, g: T) -> T {
        if is_far(x) && f.is_trigonometric() { exact_rule(f, x, y, g) } else { f.rule(x, y, g) }
    }
}

/// `f(a, b)`. The four arithmetic operations are the same on every CPU, so the compiler may inline them.
#[inline(always)]
pub(crate) fn binary<T: Float>(f: Binary, a: T, b: T) -> T {
    match f {
        Binary::Add => Binary::Add.f(a, b),
        Binary::Sub => Binary::Sub.f(a, b),
        Binary::Mul => Binary::Mul.f(a, b),
        Binary::Div => Binary::Div.f(a, b),
        _ => other(f, a, b),
    }
}

/// The cotangent of one operand.
#[inline(always)]
pub(crate) fn binary_rule<T: Float>(f: Binary, side: Side, a: T, b: T, y: T, g: T) -> T {
    match f {
        Binary::Add => Binary::Add.rule(side, a, b, y, g),
        Binary::Sub => Binary::Sub.rule(side, a, b, y, g),
        Binary::Mul => Binary::Mul.rule(side, a, b, y, g),
        Binary::Div => Binary::Div.rule(side, a, b, y, g),
        _ => other_rule(f, side, a, b, y, g),
    }
}

simd! {
    fn other<T: Float>(f: Binary, a: T, b: T) -> T {
        f.f(a, b)
    }
}

simd! {
    fn other_rule<T: Float>(f: Binary, side: Side, a: T, b: T, y: T, g: T) -> T {
        f.rule(side, a, b, y, g)
    }
}

/// Whether an angle may be outside the range of the fast sine and cosine. A row may multiply the angle, by π at most.
#[inline(always)]
pub(crate) fn is_far<T: Float>(x: T) -> bool {
    Real::abs(x) > T::TRIG_LIMIT * T::of(0.25)
}

/// `f(x)` with sine and cosine that are accurate for angles of any size.
#[cold]
#[inline(never)]
pub(crate) fn exact<T: Float>(f: Unary, x: T) -> T {
    f.f(Exact(x)).0
}

/// The rule with sine and cosine that are accurate for angles of any size.
#[cold]
#[inline(never)]
pub(crate) fn exact_rule<T: Float>(f: Unary, x: T, y: T, g: T) -> T {
    f.rule(Exact(x), Exact(y), Exact(g)).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::eval;
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
