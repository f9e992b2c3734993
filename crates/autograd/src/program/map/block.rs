//! Executes the instructions of a cluster on one block.

use super::{Function, Instruction, Map, Operand, Place};
use crate::float::Float;
use crate::kernel::isa::simd;
use crate::op::elementwise::binary_map;
use crate::op::eval::{select_block, unary_block};

/// One block, and everything that instructions read or write.
pub(super) struct Block<'b, 'o, 'r, T: Float> {
    pub(super) map: &'b Map<T>,
    pub(super) at: usize,
    pub(super) first: usize,
    pub(super) len: usize,
    pub(super) operands: &'b [Operand<'b, T>],
    pub(super) out: &'b mut [&'o mut [T]],
    pub(super) registers: &'b mut [&'r mut [T]],
}

impl<T: Float> Block<'_, '_, '_, T> {
    fn read(&self, place: Place) -> &[T] {
        match place {
            Place::Operand(k) => match &self.operands[k as usize] {
                Operand::Whole(x) => &x[self.at..self.at + self.len],
                _ => unreachable!("only whole operands are read in place"),
            },
            Place::Const(k) => &self.map.consts[k as usize][..self.len],
            Place::Register(k) | Place::Splat(k) => &self.registers[k as usize][..self.len],
            Place::Out(k) => &self.out[k as usize][self.first..self.first + self.len],
            Place::Fed(k) => {
                let feed = self.map.feed.as_ref().expect("a fed place has a feed");
                let (value, start) = feed.reads[k as usize];
                &self.registers[self.map.registers.max(1) + value as usize][start as usize..][..self.len]
            }
        }
    }

    /// The values at a place, as a factor of a product.
    fn factor(&self, place: Place) -> Factor<'_, T> {
        let x = self.read(place);
        if place.is_number() { Factor::One(x[0]) } else { Factor::Each(x) }
    }

    pub(super) fn execute(&mut self, i: &Instruction) {
        // The destination is taken out temporarily so that everything else can be borrowed for reading.
        match i.to {
            Place::Register(k) => {
                let taken = std::mem::take(&mut self.registers[k as usize]);
                self.compute(i, &mut taken[..self.len]);
                self.registers[k as usize] = taken;
            }
            Place::Out(k) => {
                let taken = std::mem::take(&mut self.out[k as usize]);
                if let Some(at) = i.from.iter().position(|&from| from == i.to) {
                    self.compute_onto(i, at, &mut taken[self.first..self.first + self.len]);
                    self.out[k as usize] = taken;
                    return;
                }
                self.compute(i, &mut taken[self.first..self.first + self.len]);
                self.out[k as usize] = taken;
            }
            _ => unreachable!("operands are not written"),
        }
    }

    /// Executes an instruction whose operand `at` shares its memory with the result.
    fn compute_onto(&self, i: &Instruction, at: usize, to: &mut [T]) {
        let [a, b, c] = i.from;
        let (factor, other) = match at {
            0 => (b, c),
            1 => (a, c),
            _ => (b, a),
        };
        combine_onto(i.function, at == 2, to, self.factor(factor), self.read(other));
    }

    fn compute(&self, i: &Instruction, to: &mut [T]) {
        match i.function {
            Function::MulAdd | Function::MulSub | Function::SubMul => {
                let [a, b, c] = i.from;
                combine(i.function, self.read(a), self.factor(b), self.read(c), to);
            }
            function => compute(function, i.from.map(|from| self.read(from)), to),
        }
    }
}

/// `to = function(a, b, c)`, using as many operands as the function takes.
pub(in crate::program) fn compute<T: Float>(function: Function, [a, b, c]: [&[T]; 3], to: &mut [T]) {
    match function {
        Function::Unary(u) => unary_block(u, a, to),
        Function::Binary(f) => binary_map(f, a, b, to),
        Function::MulAdd | Function::MulSub | Function::SubMul => combine(function, a, Factor::Each(b), c, to),
        Function::Where => select_block(a, b, c, to),
        Function::Copy => to.copy_from_slice(a),
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
    fn combine<T: Float>(f: Function, a: &[T], b: Factor<T>, c: &[T], out: &mut [T]) {
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
            Function::MulAdd => each(a, b, c, out, |p, c| p + c),
            Function::MulSub => each(a, b, c, out, |p, c| p - c),
            _ => each(a, b, c, out, |p, c| c - p),
        }
    }
}

simd! {
    /// The same in place: `to` holds `c` and `x` is `a`, or the other way around.
    fn combine_onto<T: Float>(f: Function, onto_c: bool, to: &mut [T], b: Factor<T>, x: &[T]) {
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
            (Function::MulAdd, true) => each(to, b, x, |c, b, a| a * b + c),
            (Function::MulAdd, false) => each(to, b, x, |a, b, c| a * b + c),
            (Function::MulSub, true) => each(to, b, x, |c, b, a| a * b - c),
            (Function::MulSub, false) => each(to, b, x, |a, b, c| a * b - c),
            (_, true) => each(to, b, x, |c, b, a| c - a * b),
            (_, false) => each(to, b, x, |a, b, c| c - a * b),
        }
    }
}

impl Place {
    /// Whether it holds one value, repeated.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Place::Const(_) | Place::Splat(_))
    }
}
