//! The contents of a tape, in parallel lists.
//!
//! A node takes 24 bytes: its op, its inputs, and its value if that is a scalar. Arrays are stored in a separate list,
//! and so are ops with additional data or more than two inputs. Nodes own nothing, so clearing them takes no time.
//! Nothing walks the graph recursively, so ten million nodes need no more stack than ten.

use super::Inputs;
use super::keep::{Keep, Recent};
use crate::error::Result;
use crate::float::{Few, Float};
use crate::op::shape::infer;
use crate::op::{Binary, Op, Unary};
use crate::tape::DynRule;
use crate::tensor::{Shape, Tensor};
use crate::value::Value;
use smallvec::SmallVec;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The contents of a tape.
pub(crate) struct List<T: Float> {
    pub(crate) nodes: Vec<Node<T>>,
    /// The values that are not scalars.
    pub(super) arrays: Vec<Tensor<T>>,
    /// The most recent nodes of a lean tape; `None` for other tapes.
    pub(super) recent: Option<Recent>,
    /// The user's line that recorded each node.
    lines: Vec<&'static Location<'static>>,
    structured: Vec<Structured>,
    rules: Vec<Arc<dyn DynRule<T>>>,
    /// Variables by the caller's key.
    pub(super) keyed: HashMap<u64, u32>,
    /// The variables that are tables: see [`Tape::keyed_table`](super::Tape::keyed_table).
    pub(super) tables: Vec<u32>,
    /// What the user calls a node, for those that have a name.
    names: HashMap<u32, String>,
    /// While derivatives are recorded: the line of the node being differentiated, to which they are attributed.
    pub(super) attributed: Option<&'static Location<'static>>,
    /// The cotangent buffer of the last sweep, which the next one reuses.
    pub(super) cotangents: Vec<Option<Tensor<T>>>,
    /// A single NaN, the memory of all placeholders.
    nan: Tensor<T>,
    /// The node from which on nothing is computed, if there is one: 0 on a [`Tape::sketch`](super::Tape::sketch).
    pub(super) sketched: Option<u32>,
    /// Whether one of the ops decomposes a matrix.
    decomposes: bool,
    /// Identifies this recording: other tapes, and this one after a clear, have other stamps.
    pub(crate) stamp: u64,
}

/// One operation.
#[derive(Clone, Copy)]
pub(crate) struct Node<T> {
    pub(crate) code: Code,
    /// Whether a derivative can reach a variable through it.
    pub(crate) active: bool,
    /// The inputs; for structured ops, `inputs[0]` is the index in `structured`.
    pub(crate) inputs: [u32; 2],
    /// Whether its value stays in memory, if that is an array.
    pub(super) keep: Keep,
    /// The index of its value in `arrays`, or [`NUMBER`].
    pub(super) array: u32,
    number: T,
}

/// Marks a node whose value is a scalar, stored in the node.
const NUMBER: u32 = u32::MAX;

impl<T: Copy> Node<T> {
    /// Its value, if that is a scalar.
    #[inline(always)]
    pub(crate) fn number(&self) -> Option<T> {
        (self.array == NUMBER).then_some(self.number)
    }
}

/// A value on the tape, as a tensor.
pub(crate) enum Stored<'a, T: Float> {
    Number(Tensor<T>),
    Array(&'a Tensor<T>),
}

impl<T: Float> Deref for Stored<'_, T> {
    type Target = Tensor<T>;
    #[inline(always)]
    fn deref(&self) -> &Tensor<T> {
        match self {
            Stored::Number(x) => x,
            Stored::Array(x) => x,
        }
    }
}

impl<T: Float> Borrow<Tensor<T>> for Stored<'_, T> {
    #[inline(always)]
    fn borrow(&self) -> &Tensor<T> {
        self
    }
}

/// An op as a node stores it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Code {
    Leaf,
    Const,
    Unary(Unary),
    Binary(Binary),
    Structured,
}

/// An op with additional data, or with a variable number of inputs.
#[derive(Clone)]
pub(crate) struct Structured {
    pub(crate) op: Op,
    pub(crate) inputs: Inputs,
}

static NEXT_STAMP: AtomicU64 = AtomicU64::new(1);

/// The sizes of a tape's lists at some point.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    nodes: usize,
    arrays: usize,
    structured: usize,
    rules: usize,
}

impl<T: Float> List<T> {
    pub(super) fn new() -> Self {
        List {
            nodes: Vec::new(),
            arrays: Vec::new(),
            recent: None,
            lines: Vec::new(),
            structured: Vec::new(),
            rules: Vec::new(),
            keyed: HashMap::new(),
            tables: Vec::new(),
            names: HashMap::new(),
            attributed: None,
            cotangents: Vec::new(),
            nan: Tensor::full(&[1], T::of(f64::NAN)),
            sketched: None,
            decomposes: false,
            stamp: NEXT_STAMP.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub(super) fn clear(&mut self) {
        self.rewind(Extent { nodes: 0, arrays: 0, structured: 0, rules: 0 });
        self.decomposes = false;
        self.stamp = NEXT_STAMP.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn extent(&self) -> Extent {
        let (structured, rules) = (self.structured.len(), self.rules.len());
        Extent { nodes: self.nodes.len(), arrays: self.arrays.len(), structured, rules }
    }

    pub(super) fn rewind(&mut self, to: Extent) {
        self.nodes.truncate(to.nodes);
        self.lines.truncate(to.nodes);
        self.arrays.truncate(to.arrays);
        self.structured.truncate(to.structured);
        self.rules.truncate(to.rules);
        self.keyed.retain(|_, id| (*id as usize) < to.nodes);
        self.tables.retain(|&id| (id as usize) < to.nodes);
        self.names.retain(|&id, _| (id as usize) < to.nodes);
        self.recount();
    }

    pub(super) fn push_structured(
        &mut self,
        op: Op,
        inputs: Inputs,
        value: Tensor<T>,
        line: &'static Location<'static>,
    ) -> u32 {
        let active = op.is_differentiable() && inputs.iter().any(|&i| self.nodes[i as usize].active);
        self.decomposes |= op.decomposes();
        let at = self.structured.len() as u32;
        self.structured.push(Structured { op, inputs });
        self.push(Code::Structured, active, [at, 0], value, line)
    }

    pub(super) fn push_rule(&mut self, rule: Arc<dyn DynRule<T>>) -> u32 {
        self.rules.push(rule);
        self.rules.len() as u32 - 1
    }

    /// Adds a node and its value: a scalar goes into the node, an array into `arrays`.
    pub(super) fn push(
        &mut self,
        code: Code,
        active: bool,
        inputs: [u32; 2],
        value: Tensor<T>,
        line: &'static Location<'static>,
    ) -> u32 {
        if let Some(number) = value.as_scalar() {
            let id = self.push_number(code, active, inputs, number, line);
            self.account(id);
            return id;
        }
        let array = self.arrays.len() as u32;
        self.arrays.push(value);
        let keep = if matches!(code, Code::Leaf | Code::Const) { Keep::Needed } else { Keep::Spare };
        let id = self.push_node(Node { code, active, inputs, keep, array, number: T::zero() }, line);
        self.account(id);
        id
    }

    /// Kept out of line, so that the fast path for scalars does not need stack memory.
    #[cold]
    #[inline(never)]
    pub(super) fn push_binary(
        &mut self,
        op: Binary,
        active: bool,
        [a, b]: [u32; 2],
        line: &'static Location<'static>,
    ) -> Result<u32> {
        self.fill(a);
        self.fill(b);
        let (p, q) = (self.value(a), self.value(b));
        let value =
            if self.is_sketch() { self.evaluate(&Op::Binary(op), &[&p, &q])? } else { Tensor::try_binary(op, &p, &q)? };
        drop((p, q));
        Ok(self.push(Code::Binary(op), active, [a, b], value, line))
    }

    #[inline(always)]
    pub(super) fn push_number(
        &mut self,
        code: Code,
        active: bool,
        inputs: [u32; 2],
        number: T,
        line: &'static Location<'static>,
    ) -> u32 {
        self.push_node(Node { code, active, inputs, keep: Keep::Needed, array: NUMBER, number }, line)
    }

    #[inline(always)]
    fn push_node(&mut self, node: Node<T>, line: &'static Location<'static>) -> u32 {
        let id = self.nodes.len() as u32;
        assert!(id != NUMBER, "a tape holds fewer than 2^32 nodes: clear it");
        self.nodes.push(node);
        self.lines.push(self.attributed.unwrap_or(line));
        id
    }

    /// Whether ops recorded now are not computed.
    pub(crate) fn is_sketch(&self) -> bool {
        self.sketched.is_some()
    }

    /// Whether the value of a node is known: it was given or computed, and is not a placeholder.
    pub(crate) fn is_known(&self, id: u32) -> bool {
        self.sketched.is_none_or(|from| id < from) || matches!(self.node(id).0, Code::Leaf | Code::Const)
    }

    /// The result of an op; on a sketch and for integers, a placeholder of its shape.
    pub(crate) fn evaluate(&self, op: &Op, x: &[&Tensor<T>]) -> Result<Tensor<T>> {
        if !self.is_sketch() && !matches!(op, Op::Integers { .. }) {
            return Tensor::try_apply(op.clone(), x);
        }
        let shapes: SmallVec<[&[usize]; 16]> = x.iter().map(|x| x.shape()).few();
        Ok(self.unknown(&infer(op, &shapes)?))
    }

    /// A placeholder for a value that is not in memory: NaN everywhere, all in the memory of a single element.
    pub(super) fn unknown(&self, shape: &[usize]) -> Tensor<T> {
        if shape.is_empty() { Tensor::scalar(T::of(f64::NAN)) } else { self.nan.broadcast_view(shape) }
    }

    /// The op and inputs of a node, as a sweep needs them.
    #[inline(always)]
    pub(crate) fn node(&self, id: u32) -> (Code, [u32; 2]) {
        let node = &self.nodes[id as usize];
        (node.code, node.inputs)
    }

    /// A node's value; a placeholder of its shape if the value has been dropped.
    #[inline(always)]
    pub(crate) fn value(&self, id: u32) -> Stored<'_, T> {
        let node = &self.nodes[id as usize];
        match node.number() {
            Some(x) => Stored::Number(Tensor::scalar(x)),
            None => Stored::Array(&self.arrays[node.array as usize]),
        }
    }

    /// A node's value, unless its rank is 0.
    pub(super) fn array(&self, id: u32) -> Option<&Tensor<T>> {
        self.arrays.get(self.nodes[id as usize].array as usize)
    }

    /// Whether a derivative can reach a variable through a node.
    #[inline(always)]
    pub(crate) fn active(&self, id: u32) -> bool {
        self.nodes[id as usize].active
    }

    /// Whether a matrix has been decomposed.
    #[cfg_attr(not(feature = "linalg"), expect(dead_code, reason = "only linear algebra decomposes"))]
    pub(crate) fn has_decompositions(&self) -> bool {
        self.decomposes
    }

    /// The op and inputs of a structured node.
    pub(crate) fn structured(&self, id: u32) -> &Structured {
        &self.structured[self.nodes[id as usize].inputs[0] as usize]
    }

    /// The table in which a node looks rows up, if it does.
    pub(crate) fn table_of(&self, id: u32) -> Option<u32> {
        let looks_up =
            self.node(id).0 == Code::Structured && matches!(self.structured(id).op, Op::Take { axis: 0, .. });
        let from = looks_up.then(|| self.inputs(id)[0])?;
        self.tables.contains(&from).then_some(from)
    }

    /// The tables from which derivatives of `root` are reached through looked-up rows alone.
    pub(crate) fn tables_by_rows(&self, root: u32) -> Vec<u32> {
        let mut tables = self.tables.clone();
        if tables.is_empty() {
            return tables;
        }
        let mut leads = vec![false; root as usize + 1];
        leads[root as usize] = true;
        tables.retain(|&table| table < root);
        for id in (0..=root).rev().filter(|&id| self.active(id)) {
            if !leads[id as usize] {
                continue;
            }
            self.inputs(id).iter().for_each(|&input| leads[input as usize] = true);
            if self.table_of(id).is_none() {
                tables.retain(|table| !self.inputs(id).contains(table));
            }
        }
        tables
    }

    /// The name of a node's op; for a user's op, the name of its rule.
    pub(crate) fn name(&self, id: u32) -> &'static str {
        match self.op(id) {
            Op::Custom { id } => self.rule(id).rule_name(),
            op => op.name(),
        }
    }

    /// The user's name for a node.
    pub(crate) fn given_name(&self, id: u32) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    /// Gives a node a name; an empty name removes it.
    pub(super) fn set_name(&mut self, id: u32, name: String) {
        if name.is_empty() {
            self.names.remove(&id);
        } else {
            self.names.insert(id, name);
        }
    }

    /// The rules of all users' ops.
    pub(crate) fn rules(&self) -> &[Arc<dyn DynRule<T>>] {
        &self.rules
    }

    /// A node's shape.
    pub(crate) fn shape(&self, id: u32) -> Shape {
        Shape::from_slice(self.value(id).shape())
    }

    /// The rule of a user's op.
    pub(crate) fn rule(&self, id: u32) -> &Arc<dyn DynRule<T>> {
        &self.rules[id as usize]
    }

    /// The user's line that recorded a node.
    pub(crate) fn line(&self, id: u32) -> &'static Location<'static> {
        self.lines[id as usize]
    }

    /// A node's op, including its data.
    pub(crate) fn op(&self, id: u32) -> Op {
        let node = &self.nodes[id as usize];
        match node.code {
            Code::Leaf => Op::Leaf,
            Code::Const => Op::Const,
            Code::Unary(u) => Op::Unary(u),
            Code::Binary(b) => Op::Binary(b),
            Code::Structured => self.structured(id).op.clone(),
        }
    }

    /// A node's inputs.
    pub(crate) fn inputs(&self, id: u32) -> &[u32] {
        let node = &self.nodes[id as usize];
        match node.code {
            Code::Leaf | Code::Const => &[],
            Code::Unary(_) => &node.inputs[..1],
            Code::Binary(_) => &node.inputs,
            Code::Structured => &self.structured(id).inputs,
        }
    }
}
