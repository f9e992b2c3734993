//! The rules of the table, function by function: for values that have no loop over blocks.

use crate::float::Float;
use crate::op::formula::{Formula, Function, Source, Step};
use crate::op::{Binary, Side, Unary};
use crate::value::Value;

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
    let done = steps(&formula.steps, x);
    at(formula.result, x, &done)
}

/// The results of all steps at these operands.
#[track_caller]
pub(super) fn steps<T: Float, V: Value<T>>(steps: &[Step], x: &[&V]) -> Vec<V> {
    let mut done = Vec::with_capacity(steps.len());
    for step in steps {
        let from = |i: usize| at(step.from()[i], x, &done);
        let y = match step.function {
            Function::Unary(f) => from(0).unary(f),
            Function::Binary(f) => V::binary(f, &from(0), &from(1)),
            Function::Select => from(0).select(&from(1), &from(2)),
        };
        done.push(y);
    }
    done
}

/// What a source holds.
#[track_caller]
pub(super) fn at<T: Float, V: Value<T>>(source: Source, x: &[&V], done: &[V]) -> V {
    match source {
        Source::Input(i) => x[usize::from(i)].clone(),
        Source::Const(bits) => x[0].number(T::of(f64::from_bits(bits))),
        Source::Step(k) => done[usize::from(k)].clone(),
    }
}
