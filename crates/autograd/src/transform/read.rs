//! Reinterpreting a recording: the ops that depend on given nodes are applied to values other than those on the tape, one
//! by one, in the order of recording.

use crate::error::Result;
use crate::float::Float;
use crate::op::{IntOp, Op};
use crate::tape::{DynRule, Tape, Var};
use crate::tensor::Tensor;
use crate::value::Value;
use smallvec::SmallVec;
use std::sync::Arc;

/// An op of the recording; for a user's op, also its rule.
pub(super) struct Step<'a, T: Float> {
    pub(super) op: &'a Op,
    pub(super) rule: Option<Arc<dyn DynRule<T>>>,
}

/// An interpretation of the values of a recording.
pub(super) trait Meaning<'t, T: Float> {
    type Value: Clone;
    /// The result of an op that depends on at least one given value; its recorded value has this shape.
    fn apply(&self, step: &Step<'_, T>, x: &[Self::Value], shape: &[usize]) -> Result<Self::Value>;
    /// The interpretation of a value that does not depend on the given ones.
    fn shared(&self, x: Var<'t, T>) -> Self::Value;
}

/// The interpretation of `wanted`, all nodes of `source`, where some nodes are given. Nodes that do not depend on those are
/// read from `source` if it is the tape `onto`, and otherwise recorded there again.
pub(super) fn read<'t, T: Float, M: Meaning<'t, T>>(
    source: &Tape<T>,
    onto: &'t Tape<T>,
    meaning: &M,
    given: Vec<(u32, M::Value)>,
    wanted: &[u32],
) -> Result<Vec<M::Value>> {
    let end = wanted.iter().copied().max().map_or(0, |last| last as usize + 1);
    let mut values: Vec<Option<M::Value>> = vec![None; end];
    given.into_iter().filter(|(id, _)| (*id as usize) < end).for_each(|(id, x)| values[id as usize] = Some(x));
    let depends = following(source, &values);
    let needed = leading(source, &values, wanted);
    let mut plain = Plain { source, onto, copies: vec![None; end] };
    let lines = onto.attribute();
    for id in 0..end as u32 {
        if !needed[id as usize] || values[id as usize].is_some() {
            continue;
        }
        let line = source.list().line(id);
        lines.at(line);
        if !depends[id as usize] {
            plain.copy(id)?;
            continue;
        }
        let (op, inputs) = plain.node(id);
        let value = |&i: &u32| values[i as usize].clone().unwrap_or_else(|| meaning.shared(plain.at(i)));
        let x: Vec<M::Value> = inputs.iter().map(value).collect();
        let step = Step { rule: plain.rule(&op), op: &op };
        let shape = source.list().shape(id);
        values[id as usize] = Some(meaning.apply(&step, &x, &shape)?);
    }
    Ok(wanted.iter().map(|&id| values[id as usize].clone().unwrap_or_else(|| meaning.shared(plain.at(id)))).collect())
}

/// The nodes that depend on the given ones.
pub(super) fn following<T: Float, V>(source: &Tape<T>, given: &[Option<V>]) -> Vec<bool> {
    let list = source.list();
    let mut depends: Vec<bool> = given.iter().map(Option::is_some).collect();
    for id in 0..given.len() {
        depends[id] |= list.inputs(id as u32).iter().any(|&i| depends[i as usize]);
    }
    depends
}

/// The nodes that `wanted` depends on, up to the given ones.
fn leading<T: Float, V>(source: &Tape<T>, given: &[Option<V>], wanted: &[u32]) -> Vec<bool> {
    let list = source.list();
    let mut needed = vec![false; given.len()];
    wanted.iter().for_each(|&id| needed[id as usize] = true);
    for id in (0..given.len()).rev().filter(|&id| given[id].is_none()) {
        if needed[id] {
            list.inputs(id as u32).iter().for_each(|&i| needed[i as usize] = true);
        }
    }
    needed
}

/// The nodes that represent their own value.
struct Plain<'s, 't, T: Float> {
    source: &'s Tape<T>,
    onto: &'t Tape<T>,
    copies: Vec<Option<Var<'t, T>>>,
}

impl<'t, T: Float> Plain<'_, 't, T> {
    fn node(&self, id: u32) -> (Op, SmallVec<[u32; 4]>) {
        let list = self.source.list();
        (list.op(id), list.inputs(id).into())
    }

    fn rule(&self, op: &Op) -> Option<Arc<dyn DynRule<T>>> {
        if let Op::Custom { id } = op { Some(self.source.list().rule(*id).clone()) } else { None }
    }

    /// The node on the tape `onto`.
    fn at(&self, id: u32) -> Var<'t, T> {
        self.copies[id as usize].unwrap_or(Var { tape: self.onto, id })
    }

    /// Records the node again, unless it is on that tape already.
    fn copy(&mut self, id: u32) -> Result<()> {
        if std::ptr::eq(std::ptr::from_ref(self.source).cast::<()>(), std::ptr::from_ref(self.onto).cast()) {
            return Ok(());
        }
        let (op, inputs) = self.node(id);
        let x: Vec<Var<'t, T>> = inputs.iter().map(|&i| self.at(i)).collect();
        let copy = match &op {
            Op::Leaf | Op::Const if x.is_empty() => self.leaf(id),
            Op::Integers { from: IntOp::Given, values } => self.onto.integers(values.clone()).var,
            _ => apply(&Step { rule: self.rule(&op), op: &op }, &x)?,
        };
        self.copies[id as usize] = Some(copy);
        Ok(())
    }

    /// On another tape, a leaf becomes a constant, unless it has a key, by which it is found.
    fn leaf(&self, id: u32) -> Var<'t, T> {
        let key = self.source.keys().into_iter().find(|(_, var)| var.id == id);
        let value: Tensor<T> = Var { tape: self.source, id }.peek();
        match key {
            Some((key, _)) if self.source.is_active(id) => self.onto.keyed(key, &value),
            Some((key, _)) => self.onto.keyed_constant(key, &value),
            None => self.onto.constant(value),
        }
    }
}

/// Applies an op to variables.
pub(super) fn apply<'t, T: Float>(step: &Step<'_, T>, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
    match &step.rule {
        Some(rule) => {
            let tape = x[0].tape;
            Ok(Var { tape, id: tape.apply_rule(rule.clone(), x, std::panic::Location::caller())? })
        }
        None => record(step.op.clone(), x),
    }
}

/// Applies an op that is not a user's to variables.
#[inline(never)]
pub(super) fn record<'t, T: Float>(op: Op, x: &[Var<'t, T>]) -> Result<Var<'t, T>> {
    match x {
        [a] => Value::try_apply(op, &[a]),
        [a, b] => Value::try_apply(op, &[a, b]),
        _ => Value::try_apply(op, &x.iter().collect::<Vec<_>>()),
    }
}
