//! Executes the instructions of a cluster on one block.

use super::{Address, BlockInstruction, BlockOp, Combine, Operand, Running};
use crate::eval::blocks;
use crate::float::Float;
use crate::kernel::isa::simd;

/// One block, and everything that instructions read or write.
pub(super) struct Frame<'b, 'o, 'r, T: Float> {
    pub(super) running: &'b Running<'b, T>,
    pub(super) at: usize,
    pub(super) first: usize,
    pub(super) len: usize,
    pub(super) out: &'b mut [&'o mut [T]],
    pub(super) registers: &'b mut [&'r mut [T]],
}

impl<T: Float> Frame<'_, '_, '_, T> {
    fn read(&self, address: Address) -> &[T] {
        match address {
            Address::Operand(k) => match &self.running.operands[k as usize] {
                Operand::Whole(x) => &x[self.at..self.at + self.len],
                _ => unreachable!("only whole operands are read in place"),
            },
            Address::Const(k) => &self.running.constants[k as usize][..self.len],
            Address::Register(k) | Address::Splat(k) => &self.registers[k as usize][..self.len],
            Address::Out(k) => &self.out[k as usize][self.first..self.first + self.len],
            Address::Fed(k) => {
                let fused = self.running.fused;
                let feed = fused.feed.as_ref().expect("a fed address has a feed");
                let (value, start) = feed.reads[k as usize];
                &self.registers[fused.registers.max(1) + value as usize][start as usize..][..self.len]
            }
        }
    }

    /// The values at an address, as a factor of a product.
    fn factor(&self, address: Address) -> Factor<'_, T> {
        let x = self.read(address);
        if address.is_number() { Factor::One(x[0]) } else { Factor::Each(x) }
    }

    pub(super) fn execute(&mut self, i: &BlockInstruction) {
        // The destination is taken out temporarily so that everything else can be borrowed for reading.
        match i.to {
            Address::Register(k) => {
                let taken = std::mem::take(&mut self.registers[k as usize]);
                self.compute(i, &mut taken[..self.len]);
                self.registers[k as usize] = taken;
            }
            Address::Out(k) => {
                let taken = std::mem::take(&mut self.out[k as usize]);
                let to = &mut taken[self.first..self.first + self.len];
                match (i.op, i.from.iter().position(|&from| from == i.to)) {
                    (BlockOp::Combine(f), Some(at)) => self.combine_onto(f, i.from, at, to),
                    _ => self.compute(i, to),
                }
                self.out[k as usize] = taken;
            }
            _ => unreachable!("operands are not written"),
        }
    }

    /// Combines three operands, of which operand `at` shares its memory with the result.
    fn combine_onto(&self, f: Combine, [a, b, c]: [Address; 3], at: usize, to: &mut [T]) {
        let (factor, other) = match at {
            0 => (b, c),
            1 => (a, c),
            _ => (b, a),
        };
        combine_onto(f, at == 2, to, self.factor(factor), self.read(other));
    }

    fn compute(&self, i: &BlockInstruction, to: &mut [T]) {
        let [a, b, c] = i.from;
        match i.op {
            BlockOp::Combine(f) => combine(f, self.read(a), self.factor(b), self.read(c), to),
            op => compute(op, [self.read(a), self.read(b), self.read(c)], to),
        }
    }
}

/// `to = op(a, b, c)`, using as many operands as the op takes.
pub(in crate::program) fn compute<T: Float>(op: BlockOp, [a, b, c]: [&[T]; 3], to: &mut [T]) {
    match op {
        BlockOp::Unary(u) => blocks::unary(u, a, to),
        BlockOp::Binary(f) => blocks::binary(f, a, b, to),
        BlockOp::Combine(f) => combine(f, a, Factor::Each(b), c, to),
        BlockOp::Where => blocks::select(a, b, c, to),
        BlockOp::Copy => to.copy_from_slice(a),
    }
}

/// The second factor of a product.
#[derive(Clone, Copy)]
enum Factor<'a, T> {
    Each(&'a [T]),
    /// The same for all elements.
    One(T),
}

simd! {
    /// `f(a · b, c)`, element by element; the product is rounded before it is combined with `c`.
    fn combine<T: Float>(f: Combine, a: &[T], b: Factor<T>, c: &[T], out: &mut [T]) {
        #[inline(always)]
        fn each<T: Float>(a: &[T], b: Factor<T>, c: &[T], out: &mut [T], f: impl Fn(T, T) -> T) {
            match b {
                Factor::Each(b) => {
                    for (((o, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
                        *o = f(a * b, c);
                    }
                }
                Factor::One(b) => {
                    for ((o, &a), &c) in out.iter_mut().zip(a).zip(c) {
                        *o = f(a * b, c);
                    }
                }
            }
        }
        match f {
            Combine::MulAdd => each(a, b, c, out, |p, c| p + c),
            Combine::MulSub => each(a, b, c, out, |p, c| p - c),
            Combine::SubMul => each(a, b, c, out, |p, c| c - p),
        }
    }
}

simd! {
    /// The same in place: `to` holds `c` and `x` is `a`, or the other way around.
    fn combine_onto<T: Float>(f: Combine, onto_c: bool, to: &mut [T], b: Factor<T>, x: &[T]) {
        #[inline(always)]
        fn each<T: Float>(to: &mut [T], b: Factor<T>, x: &[T], f: impl Fn(T, T, T) -> T) {
            match b {
                Factor::Each(b) => {
                    for ((o, &b), &x) in to.iter_mut().zip(b).zip(x) {
                        *o = f(*o, b, x);
                    }
                }
                Factor::One(b) => {
                    for (o, &x) in to.iter_mut().zip(x) {
                        *o = f(*o, b, x);
                    }
                }
            }
        }
        match (f, onto_c) {
            (Combine::MulAdd, true) => each(to, b, x, |c, b, a| a * b + c),
            (Combine::MulAdd, false) => each(to, b, x, |a, b, c| a * b + c),
            (Combine::MulSub, true) => each(to, b, x, |c, b, a| a * b - c),
            (Combine::MulSub, false) => each(to, b, x, |a, b, c| a * b - c),
            (Combine::SubMul, true) => each(to, b, x, |c, b, a| c - a * b),
            (Combine::SubMul, false) => each(to, b, x, |a, b, c| c - a * b),
        }
    }
}
