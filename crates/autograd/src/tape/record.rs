//! Adds nodes to the list, compiled once for each element type: leaves, keyed values, and ops with their values.

use super::list::{Code, List};
use super::{Inputs, Tape, Var};
use crate::error::{Error, Result};
use crate::eval::number;
use crate::float::{Few, Float, once};
use crate::op::{Binary, Op, Unary, shape};
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::panic::Location;

once! {
    pub(super) fn empty<T>() -> Tape<T> {
        Tape { list: RefCell::new(List::new()), reads: RefCell::default(), precision: Cell::default() }
    }

    pub(super) fn clear<T>(tape: &mut Tape<T>) {
        tape.reads.get_mut().clear();
        tape.list.get_mut().clear();
    }

    pub(super) fn leaf<T>(tape: &Tape<T>, code: Code, value: Tensor<T>, line: &'static Location<'static>) -> u32 {
        tape.list.borrow_mut().push(code, code == Code::Leaf, [0; 2], value, line)
    }

    pub(super) fn find<T>(tape: &Tape<T>, key: u64) -> Option<u32> {
        tape.list.borrow().keyed.get(&key).copied()
    }

    /// The node of a key. A constant that has changed since is recorded again; a variable that has changed is an error,
    /// since it cannot be two nodes, and its derivative would be taken at the old value.
    pub(super) fn keyed<T>(
        tape: &Tape<T>,
        key: u64,
        code: Code,
        value: &Tensor<T>,
        line: &'static Location<'static>,
    ) -> Result<u32> {
        if let Some(id) = find(tape, key) {
            if is_same(&tape.list.borrow().value(id), value) {
                return Ok(id);
            }
            if code == Code::Leaf {
                let hint = format!(
                    "this parameter has changed since it was put on the tape, at {}: clear the tape, or use a new one",
                    tape.list.borrow().line(id)
                );
                return Err(Error::Argument { op: "keyed", hint });
            }
        }
        let id = leaf(tape, code, value.clone(), line);
        tape.list.borrow_mut().keyed.insert(key, id);
        Ok(id)
    }

    /// Whether two tensors are one, or have the same bits.
    fn is_same<T>(a: &Tensor<T>, b: &Tensor<T>) -> bool {
        let bits = |x: T| x.f64().to_bits();
        let shared = a.strides() == b.strides() && std::ptr::eq(a.raw().0, b.raw().0) && a.raw().1 == b.raw().1;
        a.shape() == b.shape() && (shared || a.iter().zip(b.iter()).all(|(a, b)| bits(a) == bits(b)))
    }

    pub(super) fn mark_table<T>(tape: &Tape<T>, id: u32) {
        let tables = &mut tape.list.borrow_mut().tables;
        if !tables.contains(&id) {
            tables.push(id);
        }
    }

    pub(super) fn unary<T>(tape: &Tape<T>, op: Unary, x: u32, line: &'static Location<'static>) -> u32 {
        let mut list = tape.list.borrow_mut();
        let input = &list.nodes[x as usize];
        let (code, active, inputs) = (Code::Unary(op), input.active, [x, x]);
        match input.number() {
            Some(at) => list.push_number(code, active, inputs, number::unary(op, at), line),
            None => {
                list.fill(x);
                let x = list.value(x);
                let value = if list.is_sketch() { list.unknown(x.shape()) } else { crate::eval::unary(op, &x) };
                list.push(code, active, inputs, value, line)
            }
        }
    }

    pub(super) fn binary<T>(tape: &Tape<T>, op: Binary, a: u32, b: u32, line: &'static Location<'static>) -> Result<u32> {
        let mut list = tape.list.borrow_mut();
        let (p, q) = (&list.nodes[a as usize], &list.nodes[b as usize]);
        let (code, active) = (Code::Binary(op), (p.active || q.active) && op.is_differentiable());
        match (p.number(), q.number()) {
            (Some(p), Some(q)) => Ok(list.push_number(code, active, [a, b], number::binary(op, p, q), line)),
            _ => list.push_binary(op, active, [a, b], line),
        }
    }

    pub(super) fn constant<T>(tape: &Tape<T>, c: T, line: &'static Location<'static>) -> u32 {
        tape.list.borrow_mut().push_number(Code::Const, false, [0; 2], c, line)
    }

    pub(super) fn structured<T>(
        tape: &Tape<T>,
        op: Op,
        inputs: Inputs,
        value: Tensor<T>,
        line: &'static Location<'static>,
    ) -> u32 {
        tape.list.borrow_mut().push_structured(op, inputs, value, line)
    }

    /// Records an op at these inputs, or says what is wrong with them.
    pub(crate) fn record<'t, T>(op: Op, x: &[&Var<'t, T>], line: &'static Location<'static>) -> Result<Var<'t, T>> {
        let Some(&&Var { tape, .. }) = x.first() else {
            return Err(shape::infer(&op, &[]).expect_err("every op needs inputs"));
        };
        same_tape(op.name(), x)?;
        let value = {
            let list = tape.filled(x.iter().map(|v| v.id));
            let values: SmallVec<[_; 16]> = x.iter().map(|v| list.value(v.id)).few();
            list.evaluate(&op, &values.iter().map(|v| &**v).few::<[_; 16]>())?
        };
        Ok(Var { tape, id: structured(tape, op, x.iter().map(|v| v.id).collect(), value, line) })
    }

    /// The value of a node, recomputed if it was dropped.
    pub(crate) fn peek<T>(tape: &Tape<T>, id: u32) -> Tensor<T> {
        Tensor::clone(&tape.filled([id]).value(id))
    }
}

/// What a keyed value is on the tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// A variable: see [`Tape::keyed`].
    Variable,
    /// A table: see [`Tape::keyed_table`].
    Table,
    /// A constant: see [`Tape::keyed_constant`].
    Constant,
}

/// The node of a keyed value, attributed to a line.
///
/// # Errors
/// Returns an error if a variable with this key has another value on the tape.
pub fn placed<'t, T: Float>(
    tape: &'t Tape<T>,
    key: u64,
    value: &Tensor<T>,
    kind: Placed,
    line: &'static Location<'static>,
) -> Result<Var<'t, T>> {
    let code = if kind == Placed::Constant { Code::Const } else { Code::Leaf };
    let id = keyed(tape, key, code, value, line)?;
    if kind == Placed::Table {
        mark_table(tape, id);
    }
    Ok(Var { tape, id })
}

/// Attributes recorded derivatives to the user's line that computed the differentiated node.
pub(crate) struct Attribution<'t, T: Float> {
    pub(super) tape: &'t Tape<T>,
    pub(super) before: Option<&'static Location<'static>>,
}

impl<T: Float> Attribution<'_, T> {
    /// Attributes the nodes recorded next to the line of node `id`.
    pub(crate) fn to(&self, id: u32) {
        let mut list = self.tape.list.borrow_mut();
        list.attributed = Some(list.line(id));
    }

    /// Attributes the nodes recorded next to this line.
    pub(crate) fn at(&self, line: &'static Location<'static>) {
        self.tape.list.borrow_mut().attributed = Some(line);
    }
}

impl<T: Float> Drop for Attribution<'_, T> {
    fn drop(&mut self) {
        self.tape.list.borrow_mut().attributed = self.before;
    }
}

/// Returns an error unless all variables are on one tape.
pub(crate) fn same_tape<T: Float>(op: &'static str, vars: &[&Var<'_, T>]) -> Result<()> {
    let foreign = vars.windows(2).any(|w| !std::ptr::eq(w[0].tape, w[1].tape));
    if foreign { Err(Error::Foreign { op }) } else { Ok(()) }
}
