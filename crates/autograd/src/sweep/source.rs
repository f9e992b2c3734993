//! What a backward sweep reads: the list with its values as tensors or its nodes as variables, and which nodes take part.

use super::parts::Parts;
use super::{Swept, numbers};
use crate::eval;
use crate::float::Float;
use crate::op::Op;
use crate::rules::Cotangents;
use crate::tape::{Attribution, Code, List, Stored, Structured, Var};
use crate::tensor::{Shape, Tensor};
use std::borrow::{Borrow, Cow};
use std::cell::RefCell;

/// A node that looks rows of a table up, and its cotangent.
pub(super) type Lookup<T> = (u32, Tensor<T>);

/// How a sweep for chosen variables treats a node.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mark {
    /// It depends on none of them.
    Skip,
    /// Cotangents pass through it.
    Passes,
    /// It is one of them.
    Wanted,
}

/// Marks the nodes up to `root` that depend on one of `x`.
pub(crate) fn reaching<T: Float>(list: &List<T>, root: u32, x: &[Var<'_, T>]) -> Vec<Mark> {
    let mut marks = vec![Mark::Skip; root as usize + 1];
    x.iter().filter(|x| x.id <= root).for_each(|x| marks[x.id as usize] = Mark::Wanted);
    for id in 0..=root {
        let passes = match list.node(id).0 {
            Code::Structured => list.structured(id).op.is_differentiable(),
            Code::Binary(b) => b.is_differentiable(),
            _ => true,
        };
        let depends = || list.inputs(id).iter().any(|&i| marks[i as usize] != Mark::Skip);
        if marks[id as usize] == Mark::Skip && passes && depends() {
            marks[id as usize] = Mark::Passes;
        }
    }
    marks
}

/// Where a sweep reads the list and its values.
pub(crate) trait Source<T: Float, V: Swept<T>> {
    type At<'a>: Borrow<V>
    where
        Self: 'a;
    /// The node to process next.
    fn node(&self, id: u32) -> (Code, [u32; 2]);
    fn structured(&self, id: u32) -> Cow<'_, Structured>;
    fn at(&self, id: u32) -> Self::At<'_>;
    /// Whether a cotangent must pass through this node.
    fn needs(&self, id: u32) -> bool;
    /// Whether the caller wants its cotangent.
    fn wants(&self, id: u32) -> bool;
    /// Whether the sweep stops at this node.
    fn ends(&self, _id: u32) -> bool {
        false
    }
    fn custom_vjp(&self, rule: u32, x: &[&V], y: &V, g: &V) -> Cotangents<V>;
    /// Keeps the cotangent `g` of rows that node `id` looks up in a table, unless the cotangent of the whole table is
    /// requested. Returns whether it did.
    fn keep_lookup(&self, _id: u32, _table: u32, _g: &V) -> bool {
        false
    }
    /// Adds the cotangent `g` of a part of node `id`, which `op` picks, without a pass over the whole node. Returns
    /// whether it did.
    fn add_part(&self, _id: u32, _slot: &mut Option<V>, _op: &Op, _g: &V) -> bool {
        false
    }
    /// Adds what [`add_part`](Source::add_part) keeps elsewhere to the cotangent of node `id`.
    #[inline(always)]
    fn settle(&self, _id: u32, _slot: &mut Option<V>) {}
    /// Sweeps the nodes before `end` for which there is a fast path, and returns the end of the remaining nodes.
    #[inline(always)]
    fn ahead(&self, _bars: &mut [Option<V>], end: u32) -> u32 {
        end
    }
}

/// Tensors, read in place.
pub(super) struct Computed<'a, T: Float> {
    pub(super) list: &'a List<T>,
    /// The marks for chosen variables; without them, all leaves are requested.
    pub(super) marks: Option<&'a [Mark]>,
    /// The tables with derivatives by rows, and the cotangents kept for them.
    pub(super) tables: &'a [u32],
    pub(super) lookups: RefCell<Vec<Lookup<T>>>,
}

impl<'a, T: Float> Computed<'a, T> {
    /// All values of a list, where all leaves are requested.
    pub(super) fn all(list: &'a List<T>) -> Self {
        Computed { list, marks: None, tables: &[], lookups: RefCell::default() }
    }
}

impl<T: Float> Source<T, Tensor<T>> for Computed<'_, T> {
    type At<'a>
        = Stored<'a, T>
    where
        Self: 'a;
    #[inline(always)]
    fn node(&self, id: u32) -> (Code, [u32; 2]) {
        self.list.node(id)
    }
    fn structured(&self, id: u32) -> Cow<'_, Structured> {
        Cow::Borrowed(self.list.structured(id))
    }
    #[inline(always)]
    fn at(&self, id: u32) -> Stored<'_, T> {
        self.list.value(id)
    }
    #[inline(always)]
    fn needs(&self, id: u32) -> bool {
        self.marks.map_or_else(|| self.list.active(id), |marks| marks[id as usize] != Mark::Skip)
    }
    #[inline(always)]
    fn wants(&self, id: u32) -> bool {
        self.marks.map_or_else(|| self.list.node(id).0 == Code::Leaf, |marks| marks[id as usize] == Mark::Wanted)
    }
    fn custom_vjp(&self, rule: u32, x: &[&Tensor<T>], y: &Tensor<T>, g: &Tensor<T>) -> Cotangents<Tensor<T>> {
        Tensor::custom_vjp(&**self.list.rule(rule), x, y, g)
    }
    fn keep_lookup(&self, id: u32, table: u32, g: &Tensor<T>) -> bool {
        let keeps = self.tables.contains(&table) && self.list.table_of(id).is_some();
        if keeps {
            self.lookups.borrow_mut().push((id, g.clone()));
        }
        keeps
    }
    fn add_part(&self, _: u32, slot: &mut Option<Tensor<T>>, op: &Op, g: &Tensor<T>) -> bool {
        let Some(sum) = slot else { return false };
        let shape = Shape::from_slice(sum.shape());
        sum.unique_mut().map(|sum| eval::add_part(op, g, &shape, sum)).is_some()
    }
    fn ahead(&self, bars: &mut [Option<Tensor<T>>], end: u32) -> u32 {
        numbers::sweep(&self.list.nodes, self.marks, bars, end)
    }
}

/// Variables, read while the sweep extends the tape.
pub(super) struct Recorded<'a, 't, T: Float> {
    pub(super) var: Var<'t, T>,
    pub(super) marks: &'a [Mark],
    pub(super) partial: bool,
    pub(super) lines: Attribution<'t, T>,
    pub(super) parts: RefCell<Parts<'t, T>>,
}

impl<'t, T: Float> Source<T, Var<'t, T>> for Recorded<'_, 't, T> {
    type At<'a>
        = Var<'t, T>
    where
        Self: 'a;
    fn node(&self, id: u32) -> (Code, [u32; 2]) {
        self.lines.to(id);
        self.var.tape.list().node(id)
    }
    fn structured(&self, id: u32) -> Cow<'_, Structured> {
        Cow::Owned(self.var.tape.list().structured(id).clone())
    }
    fn at(&self, id: u32) -> Var<'t, T> {
        Var { id, ..self.var }
    }
    fn needs(&self, id: u32) -> bool {
        self.marks[id as usize] != Mark::Skip
    }
    fn wants(&self, id: u32) -> bool {
        self.marks[id as usize] == Mark::Wanted
    }
    fn ends(&self, id: u32) -> bool {
        self.partial && self.wants(id)
    }
    fn add_part(&self, id: u32, slot: &mut Option<Var<'t, T>>, op: &Op, g: &Var<'t, T>) -> bool {
        let shape = self.at(id).shape();
        if self.parts.borrow().settles(id, op, &shape) {
            self.settle(id, slot);
        }
        let mut parts = self.parts.borrow_mut();
        if parts.waits(id, op) {
            parts.keep(id, op, *g, &shape);
            return true;
        }
        parts.count(id);
        false
    }
    fn settle(&self, id: u32, slot: &mut Option<Var<'t, T>>) {
        let waiting = self.parts.borrow_mut().take(id);
        if let Some(waiting) = waiting {
            Var::contribute(slot, waiting.sum(&self.at(id).shape()));
        }
    }
    fn custom_vjp(&self, rule: u32, x: &[&Var<'t, T>], y: &Var<'t, T>, g: &Var<'t, T>) -> Cotangents<Var<'t, T>> {
        let rule = self.var.tape.list().rule(rule).clone();
        Var::custom_vjp(&*rule, x, y, g)
    }
}
