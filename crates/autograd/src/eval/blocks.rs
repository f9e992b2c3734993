//! Rows of the table evaluated on blocks: by a dedicated loop if there is one, else primitive by primitive.

use super::number;
use crate::float::{Few, Float, Real, once, special};
use crate::kernel::isa::{each, simd};
use crate::kernel::scratch::with_scratch;
use crate::op::elementwise::{binary_loop, binary_rule_loop, unary_loop, unary_rule_loop};
use crate::op::formula::{Formula, Function, Source};
use crate::op::{Binary, Side, Unary};
use smallvec::SmallVec;

/// Elements that a formula is evaluated on at a time: its registers fit in the L1 cache.
const WIDTH: usize = 256;

once! {
    /// `out = f(x)`
    pub(crate) fn unary<T>(f: Unary, x: &[T], out: &mut [T]) {
        if !unary_loop(f, x, out) {
            return evaluate(f.formula(), &[x], out);
        }
        if matches!(f, Unary::Sin | Unary::Cos) {
            far_angles(x, |i| out[i] = number::unary(f, x[i]));
        }
    }

    /// `out = f(a, b)`
    pub(crate) fn binary<T>(f: Binary, a: &[T], b: &[T], out: &mut [T]) {
        match f {
            Binary::Polygamma => return polygamma(a, b, out),
            Binary::TanhSlope => return tanh_slope(a, b, None, out),
            _ => {}
        }
        if !binary_loop(f, a, b, out) {
            evaluate(f.formula(), &[a, b], out);
        }
    }

    /// The cotangent of x.
    pub(crate) fn unary_rule<T>(f: Unary, x: &[T], y: &[T], g: &[T], out: &mut [T]) {
        if f == Unary::Tanh {
            return tanh_slope(x, y, Some(g), out);
        }
        if !unary_rule_loop(f, x, y, g, out) {
            return evaluate(f.rule_formula(), &[x, y, g], out);
        }
        if matches!(f, Unary::Sin | Unary::Cos) {
            far_angles(x, |i| out[i] = number::unary_rule(f, x[i], y[i], g[i]));
        }
    }

    /// The cotangent of one operand, of the shape of y.
    pub(crate) fn binary_rule<T>(f: Binary, side: Side, a: &[T], b: &[T], y: &[T], g: &[T], out: &mut [T]) {
        if !binary_rule_loop(f, side, a, b, y, g, out) {
            evaluate(f.rule_formula(side), &[a, b, y, g], out);
        }
    }

    fn evaluate<T>(formula: &Formula, x: &[&[T]], out: &mut [T]) {
        let used = formula.registers.iter().max().map_or(0, |&r| usize::from(r) + 1);
        let constants = constants::<T>(formula);
        let width = WIDTH.min(out.len());
        with_scratch((used + constants.len()) * width, |memory: &mut [T]| {
            let (registers, filled) = memory.split_at_mut(used * width);
            let filled: SmallVec<[&[T]; 16]> = filled
                .chunks_mut(width.max(1))
                .zip(&constants)
                .map(|(block, c)| {
                    block.fill(c.1);
                    &*block
                })
                .collect();
            let mut registers: SmallVec<[&mut [T]; 16]> = registers.chunks_mut(width.max(1)).few();
            for (k, out) in out.chunks_mut(WIDTH).enumerate() {
                let block = Block { formula, x, at: k * WIDTH, len: out.len(), constants: &constants, filled: &filled };
                block.evaluate(&mut registers, out);
            }
        });
    }
}

/// The distinct constants of a formula, by their bits.
fn constants<T: Float>(formula: &Formula) -> SmallVec<[(u64, T); 8]> {
    let mut constants: SmallVec<[(u64, T); 8]> = SmallVec::new();
    for source in formula.steps.iter().flat_map(|step| step.from()) {
        if let Source::Const(bits) = *source
            && constants.iter().all(|known| known.0 != bits)
        {
            constants.push((bits, T::of(f64::from_bits(bits))));
        }
    }
    constants
}

/// A part of the operands, and the constants as blocks.
struct Block<'b, T> {
    formula: &'b Formula,
    x: &'b [&'b [T]],
    at: usize,
    len: usize,
    constants: &'b [(u64, T)],
    filled: &'b [&'b [T]],
}

impl<T: Float> Block<'_, T> {
    fn evaluate(&self, registers: &mut [&mut [T]], out: &mut [T]) {
        let Formula { steps, result, registers: to } = self.formula;
        for (k, step) in steps.iter().enumerate() {
            if *result == Source::Step(k as u8) && k + 1 == steps.len() {
                return self.step(step.function, step.from(), registers, out);
            }
            // Taken out while it is written, so that the others can be read.
            let taken = std::mem::take(&mut registers[usize::from(to[k])]);
            self.step(step.function, step.from(), registers, &mut taken[..self.len]);
            registers[usize::from(to[k])] = taken;
        }
        match *result {
            Source::Const(bits) => out.fill(T::of(f64::from_bits(bits))),
            source => out.copy_from_slice(self.read(source, registers)),
        }
    }

    fn step(&self, function: Function, from: &[Source], registers: &[&mut [T]], out: &mut [T]) {
        let read = |i: usize| self.read(from[i], registers);
        match function {
            Function::Unary(f) => unary(f, read(0), out),
            Function::Binary(f) => binary(f, read(0), read(1), out),
            Function::Select => select(read(0), read(1), read(2), out),
        }
    }

    fn read<'r>(&'r self, source: Source, registers: &'r [&mut [T]]) -> &'r [T] {
        match source {
            Source::Input(i) => &self.x[usize::from(i)][self.at..self.at + self.len],
            Source::Step(k) => &registers[usize::from(self.formula.registers[usize::from(k)])][..self.len],
            Source::Const(bits) => {
                let k = self.constants.iter().position(|c| c.0 == bits).expect("every constant has a block");
                &self.filled[k][..self.len]
            }
        }
    }
}

/// The derivative of tanh, where y = tanh x, times g if given. Its tail takes an exponential, which only the parts of a
/// block with values close to ±1 pay for.
fn tanh_slope<T: Float>(x: &[T], y: &[T], g: Option<&[T]>, out: &mut [T]) {
    const PART: usize = 64;
    if tanh_core(y, out) {
        for ((x, y), out) in x.chunks(PART).zip(y.chunks(PART)).zip(out.chunks_mut(PART)) {
            if any_saturated(y) {
                unary_loop(Unary::Sech2, x, out);
                tanh_tail(y, out);
            }
        }
    }
    if let Some(g) = g {
        times(g, out);
    }
}

simd! {
    /// Whether some y = tanh x is too close to ±1 for the derivative to be 1 - y².
    pub(crate) fn any_saturated<T: Float>(y: &[T]) -> bool {
        y.iter().fold(false, |any, &y| any | number::is_saturated(y))
    }
}

simd! {
    /// `out = 1 - y²`. Returns whether that is inaccurate for some y.
    fn tanh_core<T: Float>(y: &[T], out: &mut [T]) -> bool {
        let mut inaccurate = false;
        each!(|y| out = {
            inaccurate |= number::is_saturated(y);
            T::one() - y * y
        });
        inaccurate
    }
}

simd! {
    /// `out = 1 - y²` where that is accurate; elsewhere `out` keeps sech² x.
    fn tanh_tail<T: Float>(y: &[T], out: &mut [T]) {
        each!(|y| out = if number::is_saturated(y) { out } else { T::one() - y * y });
    }
}

simd! {
    /// `out = g out`
    fn times<T: Float>(g: &[T], out: &mut [T]) {
        each!(|g| out = g * out);
    }
}

/// The derivatives of digamma. Vectorized if the order is the same for all and the numbers are positive.
fn polygamma<T: Float>(x: &[T], n: &[T], out: &mut [T]) {
    let order = n.first().map_or(T::zero(), |&n| n).f64();
    let usual = (1.0..=MOST).contains(&order) && order.fract() == 0.0 && n.iter().all(|n| n.f64() == order);
    if usual {
        polygammas(x, order, special::polygamma_factor(order), out);
    }
    for ((&x, &n), out) in x.iter().zip(n).zip(out) {
        if !usual || x < T::zero() {
            *out = T::of(special::polygamma(x.f64(), n.f64()));
        }
    }
}

/// The highest order whose factorial is finite.
const MOST: f64 = 170.0;

simd! {
    /// Of positive numbers, for an integer order from 1 on; `factor` is that of the zeta function.
    fn polygammas<T: Float>(x: &[T], n: f64, factor: f64, out: &mut [T]) {
        const LANES: usize = special::MANY;
        for (k, out) in out.chunks_mut(LANES).enumerate() {
            let (x, mut lanes) = (&x[k * LANES..][..out.len()], [1.0; LANES]);
            for l in 0..x.len() {
                lanes[l] = x[l].f64();
            }
            let zetas = special::zetas(n + 1.0, lanes);
            each!(|zetas| out = T::of(factor * zetas));
        }
    }
}

/// Calls `again` for each angle outside the range of the fast sine and cosine.
fn far_angles<T: Float>(x: &[T], mut again: impl FnMut(usize)) {
    // All of them at once, since there is rarely one.
    if !x.iter().fold(false, |far, &x| far | number::is_far(x)) {
        return;
    }
    for (i, &x) in x.iter().enumerate() {
        if number::is_far(x) {
            again(i);
        }
    }
}

once! {
    /// `mask ? a : b`
    pub(crate) fn select<T>(mask: &[T], a: &[T], b: &[T], out: &mut [T]) {
        select_loop(mask, a, b, out);
    }
}

simd! {
    fn select_loop<T: Float>(mask: &[T], a: &[T], b: &[T], out: &mut [T]) {
        each!(|mask, a, b| out = Real::select(mask, a, b));
    }
}
