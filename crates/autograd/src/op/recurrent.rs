//! The shape rules of recurrent layers.

use super::shape::{checked, mismatch};
use super::{Cell, Op};
use crate::error::{Error, Result};
use crate::tensor::Shape;

/// The shape of a trace, of the states, or of the cotangents of a recurrent layer. The last two follow from the first of their
/// inputs alone.
pub(super) fn shape(op: &Op, x: &[&[usize]]) -> Result<Shape> {
    let name = op.name();
    match (op, x) {
        (Op::RecurrentTrace { cell, .. }, [z, w, b, lengths, start @ ..]) => {
            trace(name, *cell, [z, w, b, lengths], start)
        }
        (Op::Recurrent { cell, .. }, [states, rest @ ..]) => {
            let [planes, places, batch, hidden] = sizes(name, *cell, states)?;
            if let [z, w, b, lengths, start @ ..] = rest {
                let whole = trace(name, *cell, [z, w, b, lengths], start)?;
                expect(name, "the trace", states, &whole)?;
            }
            debug_assert!(planes >= cell.states());
            checked(name, [cell.states(), places, batch, hidden].as_slice().into())
        }
        (Op::RecurrentVjp { cell, .. }, [states, w, lengths, g, rest @ ..]) => {
            let [_, places, batch, hidden] = sizes(name, *cell, states)?;
            expect(name, "the weights", w, &[cell.gates().saturating_mul(hidden), hidden])?;
            expect(name, "the lengths", lengths, &[batch])?;
            expect(name, "the cotangent", g, &[cell.states(), places, batch, hidden])?;
            if let [z, b, start @ ..] = rest {
                let whole = trace(name, *cell, [z, w, b, lengths], start)?;
                expect(name, "the trace", states, &whole)?;
            }
            checked(name, [places, batch, cell.arguments().saturating_mul(hidden)].as_slice().into())
        }
        _ => unreachable!("the number of inputs has been checked"),
    }
}

/// The sizes of a trace: values, places, sequences and units.
fn sizes(name: &'static str, cell: Cell, trace: &[usize]) -> Result<[usize; 4]> {
    match *trace {
        [planes, places, batch, hidden] if planes == cell.planes() && places > 0 => Ok([planes, places, batch, hidden]),
        _ => mismatch(name, trace, format!("a trace must be [{}, time + 1, batch, hidden]", cell.planes())),
    }
}

fn trace(name: &'static str, cell: Cell, [z, w, b, lengths]: [&[usize]; 4], start: &[&[usize]]) -> Result<Shape> {
    let (&[steps, batch, gates], &[_, hidden]) = (z, w) else {
        let (what, shape) = if z.len() == 3 { ("the weights", w) } else { ("the contributions of the input", z) };
        return mismatch(name, shape, format!("{what} must have {} axes", if z.len() == 3 { 2 } else { 3 }));
    };
    let width = cell.gates().saturating_mul(hidden);
    expect(name, "the weights", w, &[width, hidden])?;
    expect(name, "the contributions of the input", z, &[steps, batch, width])?;
    debug_assert_eq!(gates, width);
    expect(name, "the bias", b, &[width])?;
    expect(name, "the lengths", lengths, &[batch])?;
    for part in start {
        expect(name, "each part of the initial state", part, &[batch, hidden])?;
    }
    let places = steps.checked_add(1).ok_or(Error::TooLarge { op: name, shape: z.into() })?;
    checked(name, [cell.planes(), places, batch, hidden].as_slice().into())
}

fn expect(name: &'static str, what: &str, shape: &[usize], expected: &[usize]) -> Result<()> {
    if shape == expected { Ok(()) } else { mismatch(name, shape, format!("{what} must have shape {expected:?}")) }
}
