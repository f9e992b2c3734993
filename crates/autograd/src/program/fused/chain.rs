//! Sums, differences and products of blocks, one or two of them in one loop, so that the value between the two stays in a
//! register. Each is rounded like the op that it replaces: none becomes a fused multiply-add.

use crate::float::Float;
use crate::kernel::isa::{each, simd};

/// The first function of a chain: of `a` and `b`, which gives p.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::program) enum First {
    Add,
    Sub,
    Mul,
}

/// The second function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::program) enum Then {
    /// p
    End,
    /// p · p
    Square,
    /// p + c
    Add,
    /// p - c
    Sub,
    /// c - p
    From,
    /// p · c
    Mul,
}

/// One function of two operands, or two functions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::program) struct Chain {
    pub(in crate::program) first: First,
    pub(in crate::program) then: Then,
}

impl Chain {
    /// a · b + c
    pub(in crate::program) const MUL_ADD: Chain = Chain { first: First::Mul, then: Then::Add };

    /// Number of operands.
    pub(super) fn arity(self) -> usize {
        if matches!(self.then, Then::End | Then::Square) { 2 } else { 3 }
    }

    /// Whether one of its operands may share its memory with the result: a sum with a product. These are the updates of
    /// a training step.
    pub(super) fn writes_over(self) -> bool {
        self.first == First::Mul && matches!(self.then, Then::Add | Then::Sub | Then::From)
    }

    /// The names of its ops.
    pub(super) fn name(self) -> String {
        let first = match self.first {
            First::Add => "add",
            First::Sub => "sub",
            First::Mul => "mul",
        };
        let then = match self.then {
            Then::End => return first.to_owned(),
            Then::Square => "square",
            Then::Add => "add",
            Then::Sub | Then::From => "sub",
            Then::Mul => "mul",
        };
        format!("{first}+{then}")
    }
}

/// An operand after the first.
#[derive(Clone, Copy)]
pub(super) enum Factor<'a, T> {
    Each(&'a [T]),
    /// The same for all elements.
    One(T),
}

/// A chain, element by element. Subtracting a number adds its negation, so that there are fewer loops to compile.
#[inline(always)]
pub(super) fn run<T: Float>(chain: Chain, a: &[T], b: Factor<T>, c: Factor<T>, out: &mut [T]) {
    let (first, b) = match (chain.first, b) {
        (First::Sub, Factor::One(b)) => (First::Add, Factor::One(-b)),
        other => other,
    };
    let (then, c) = match (chain.then, c) {
        (Then::Sub, Factor::One(c)) => (Then::Add, Factor::One(-c)),
        other => other,
    };
    match (first, b) {
        (First::Add, _) => finish(then, a, b, c, out, |a, b| a + b),
        (First::Mul, _) => finish(then, a, b, c, out, |a, b| a * b),
        (First::Sub, Factor::Each(b)) => finish(then, a, Factor::Each(b), c, out, |a, b| a - b),
        (First::Sub, Factor::One(_)) => unreachable!("a number is added"),
    }
}

simd! {
    /// a · b + c
    pub(in crate::program) fn mul_add<T: Float>(a: &[T], b: &[T], c: &[T], out: &mut [T]) {
        three(a, Factor::Each(b), Factor::Each(c), out, |a, b, c| a * b + c);
    }
}

#[inline(always)]
fn finish<T: Float>(then: Then, a: &[T], b: Factor<T>, c: Factor<T>, out: &mut [T], p: impl Fn(T, T) -> T) {
    match then {
        Then::End => two(a, b, out, p),
        Then::Square => two(a, b, out, |a, b| {
            let p = p(a, b);
            p * p
        }),
        Then::Add => three(a, b, c, out, |a, b, c| p(a, b) + c),
        Then::Sub => {
            let Factor::Each(c) = c else { unreachable!("a number is added") };
            three(a, b, Factor::Each(c), out, |a, b, c| p(a, b) - c);
        }
        Then::From => three(a, b, c, out, |a, b, c| c - p(a, b)),
        Then::Mul => three(a, b, c, out, |a, b, c| p(a, b) * c),
    }
}

#[inline(always)]
fn two<T: Float>(a: &[T], b: Factor<T>, out: &mut [T], f: impl Fn(T, T) -> T) {
    match b {
        Factor::Each(b) => {
            each!(|a, b| out = f(a, b));
        }
        Factor::One(b) => {
            each!(|a| out = f(a, b));
        }
    }
}

#[inline(always)]
fn three<T: Float>(a: &[T], b: Factor<T>, c: Factor<T>, out: &mut [T], f: impl Fn(T, T, T) -> T) {
    match (b, c) {
        (b, Factor::One(c)) => two(a, b, out, |a, b| f(a, b, c)),
        (Factor::One(b), Factor::Each(c)) => two(a, Factor::Each(c), out, |a, c| f(a, b, c)),
        (Factor::Each(b), Factor::Each(c)) => {
            each!(|a, b, c| out = f(a, b, c));
        }
    }
}

simd! {
    /// A chain that [writes over](Chain::writes_over) an operand: `to` holds `c` and `x` is `a`, or the other way around.
    pub(super) fn run_onto<T: Float>(then: Then, onto_c: bool, to: &mut [T], b: Factor<T>, x: &[T]) {
        #[inline(always)]
        fn each<T: Float>(to: &mut [T], b: Factor<T>, x: &[T], f: impl Fn(T, T, T) -> T) {
            match b {
                Factor::Each(b) => {
                    each!(|b, x| to = f(to, b, x));
                }
                Factor::One(b) => {
                    each!(|x| to = f(to, b, x));
                }
            }
        }
        match (then, onto_c) {
            (Then::Add, true) => each(to, b, x, |c, b, a| a * b + c),
            (Then::Add, false) => each(to, b, x, |a, b, c| a * b + c),
            (Then::Sub, true) => each(to, b, x, |c, b, a| a * b - c),
            (Then::Sub, false) => each(to, b, x, |a, b, c| a * b - c),
            (Then::From, true) => each(to, b, x, |c, b, a| c - a * b),
            (Then::From, false) => each(to, b, x, |a, b, c| c - a * b),
            (Then::End | Then::Square | Then::Mul, _) => unreachable!("only sums of products write over an operand"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some numbers, of which no three round to the same sums and products as with a fused multiply-add.
    fn numbers(n: usize, seed: f64) -> Vec<f64> {
        (0..n).map(|i| ((i as f64 + seed) * 12.9898).sin() * 43758.5453).collect()
    }

    /// The definition, one number at a time.
    fn slow(Chain { first, then }: Chain, a: f64, b: f64, c: f64) -> f64 {
        let p = match first {
            First::Add => a + b,
            First::Sub => a - b,
            First::Mul => a * b,
        };
        match then {
            Then::End => p,
            Then::Square => p * p,
            Then::Add => p + c,
            Then::Sub => p - c,
            Then::From => c - p,
            Then::Mul => p * c,
        }
    }

    const FIRST: [First; 3] = [First::Add, First::Sub, First::Mul];
    const THEN: [Then; 6] = [Then::End, Then::Square, Then::Add, Then::Sub, Then::From, Then::Mul];

    #[test]
    fn chains_have_the_bits_of_separate_ops() {
        for n in [0, 1, 7, 8, 33, 64, 131] {
            let [a, b, c] = [1.0, 2.5, 3.25].map(|seed| numbers(n, seed));
            let (one, other) = (0.1, -7.3);
            for (first, then) in FIRST.into_iter().flat_map(|first| THEN.map(|then| (first, then))) {
                let chain = Chain { first, then };
                let check = |f: Factor<f64>, g: Factor<f64>, b: &dyn Fn(usize) -> f64, c: &dyn Fn(usize) -> f64| {
                    let mut out = vec![0.0; n];
                    run(chain, &a, f, g, &mut out);
                    let expected: Vec<f64> = (0..n).map(|i| slow(chain, a[i], b(i), c(i))).collect();
                    assert_eq!(out, expected, "{}", chain.name());
                };
                check(Factor::Each(&b), Factor::Each(&c), &|i| b[i], &|i| c[i]);
                check(Factor::One(one), Factor::Each(&c), &|_| one, &|i| c[i]);
                check(Factor::Each(&b), Factor::One(other), &|i| b[i], &|_| other);
                check(Factor::One(one), Factor::One(other), &|_| one, &|_| other);
            }
        }
    }

    #[test]
    fn a_chain_over_an_operand_has_the_bits_of_one_beside_it() {
        let [a, b, c] = [1.0, 2.5, 3.25].map(|seed| numbers(131, seed));
        for then in THEN.into_iter().filter(|&then| Chain { first: First::Mul, then }.writes_over()) {
            for second in [Factor::Each(&b[..]), Factor::One(0.1)] {
                let mut beside = vec![0.0; a.len()];
                run(Chain { first: First::Mul, then }, &a, second, Factor::Each(&c), &mut beside);
                let (mut over_a, mut over_c) = (a.clone(), c.clone());
                run_onto(then, false, &mut over_a, second, &c);
                run_onto(then, true, &mut over_c, second, &a);
                assert_eq!((&over_a, &over_c), (&beside, &beside), "{then:?}");
            }
        }
    }
}
