//! The rules of the table, function by function: for values that have no loop over blocks.

use crate::float::Float;
use crate::op::formula::{Formula, Function, Source};
use crate::op::{Binary, Side, Unary};
use crate::value::Value;
use smallvec::SmallVec;

/// The cotangent of `x`.
#[track_caller]
pub(crate) fn unary<T: Float, V: Value<T>>(f: Unary, x: &V, y: &V, g: &V) -> V {
    compose(f.rule_formula(), &[x, y, g]).expand(&y.shape())
}

/// The cotangent of one operand, with the shape of `y`: the caller undoes broadcasting.
#[track_caller]
pub(crate) fn binary<T: Float, V: Value<T>>(f: Binary, side: Side, operands: [&V; 4]) -> V {
    compose(f.rule_formula(side), &operands).expand(&operands[2].shape())
}

/// A formula of the table at these operands, function by function.
#[track_caller]
fn compose<T: Float, V: Value<T>>(formula: &Formula, x: &[&V]) -> V {
    let mut done: SmallVec<[V; 8]> = SmallVec::new();
    let operand = |source: Source, done: &[V]| match source {
        Source::Input(i) => x[usize::from(i)].clone(),
        Source::Const(bits) => x[0].number(T::of(f64::from_bits(bits))),
        Source::Step(k) => done[usize::from(k)].clone(),
    };
    for step in &formula.steps {
        let from = |i: usize| operand(step.from()[i], &done);
        let y = match step.function {
            Function::Unary(f) => from(0).unary(f),
            Function::Binary(f) => V::binary(f, &from(0), &from(1)),
            Function::Select => from(0).select(&from(1), &from(2)),
        };
        done.push(y);
    }
    operand(formula.result, &done)
}
