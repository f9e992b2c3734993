//! Builds a graph node by node, so that equal nodes are one: value numbering, by the hash of an op and its operands.
//! Rules of simplification compare operands by number and may add nodes, so a node is folded, simplified and numbered
//! when it is added, not in separate passes.

use super::constants::Evaluator;
use super::extract::is_fixed;
use super::graph::{Def, Graph, Line, Node};
use super::hash::Map;
use super::simplify::simplify;
use crate::error::Result;
use crate::op::{Binary, Op, shape};
use crate::tape::Inputs;
use smallvec::smallvec;
use std::hash::BuildHasher;

/// A graph under construction.
pub(super) struct Builder<'e> {
    pub(super) graph: Graph,
    evaluator: &'e mut dyn Evaluator,
    /// Nodes by the hash of their op and operands.
    seen: Map<u64, Inputs>,
    /// The node of each constant, by number.
    constants: Vec<Option<u32>>,
}

impl<'e> Builder<'e> {
    pub(super) fn new(graph: Graph, evaluator: &'e mut dyn Evaluator) -> Self {
        Builder { graph, evaluator, seen: Map::default(), constants: Vec::new() }
    }

    /// The node of a constant.
    pub(super) fn constant(&mut self, number: u32, line: Line) -> u32 {
        let number = number as usize;
        if number == self.graph.constants.len() {
            self.graph.constants.push(self.evaluator.describe(number as u32));
        }
        self.constants.resize(self.graph.constants.len(), None);
        if let Some(known) = self.constants[number] {
            return known;
        }
        let shape = self.graph.constants[number].shape.clone();
        let id = self.graph.add(Def::Const(number as u32), Inputs::new(), &shape, line);
        self.constants[number] = Some(id);
        id
    }

    /// The node of a scalar constant.
    pub(super) fn scalar(&mut self, x: f64, line: Line) -> u32 {
        let number = self.evaluator.scalar(x);
        self.constant(number, line)
    }

    /// The node that computes an op: a new one, or an existing one with the same result.
    pub(super) fn push(&mut self, op: Op, inputs: Inputs, line: Line) -> Result<u32> {
        let shape = shape::infer_from(&op, &self.graph.input_shapes(&inputs), true)?;
        if !is_fixed(&self.graph, &inputs) {
            let shape = self.graph.shapes.number(&shape);
            return self.push_shaped(op, inputs, shape, line);
        }
        let number = evaluate(&self.graph, &op, &inputs, &shape, self.evaluator)?;
        Ok(self.constant(number, line))
    }

    /// The node that computes an op whose result varies and is known to have the shape of the given number.
    pub(super) fn push_shaped(&mut self, mut op: Op, mut inputs: Inputs, shape: u32, line: Line) -> Result<u32> {
        if self.graph.shapes.get(shape).contains(&0) && !matches!(op, Op::Integers { .. }) {
            let number = self.evaluator.empty(self.graph.shapes.get(shape));
            return Ok(self.constant(number, line));
        }
        if let Some(known) = simplify(self, &mut op, &mut inputs, shape, line)? {
            return Ok(known);
        }
        let sorted = sorted(&op, &inputs);
        let hash = self.seen.hasher().hash_one((op.kind(), mark(&op), &sorted, shape));
        let nodes = self.seen.entry(hash).or_default();
        for &id in nodes.iter() {
            let node = self.graph.node(id);
            if node.shape == shape && is_same(&node.def, &op) && self::sorted(&op, &node.inputs) == sorted {
                return Ok(id);
            }
        }
        let id = self.graph.nodes.len() as u32;
        nodes.push(id);
        self.graph.nodes.push(Node { def: Def::of(op), inputs, shape, line });
        Ok(id)
    }
}

/// The constant that an op computes from constants.
pub(super) fn evaluate(
    graph: &Graph,
    op: &Op,
    inputs: &[u32],
    shape: &[usize],
    evaluator: &mut dyn Evaluator,
) -> Result<u32> {
    let mut numbers = Inputs::new();
    for &input in inputs {
        let Def::Const(number) = graph.node(input).def else { unreachable!("all operands are constants") };
        numbers.push(number);
    }
    evaluator.eval(op, &numbers, shape)
}

/// The inputs, sorted if their order does not matter: those of a sum or a product.
fn sorted(op: &Op, inputs: &Inputs) -> Inputs {
    match (op, &inputs[..]) {
        (Op::Binary(Binary::Add | Binary::Mul), &[a, b]) => smallvec![a.min(b), a.max(b)],
        _ => inputs.clone(),
    }
}

/// What distinguishes an op from many others of its kind: its function, or the bounds of its slice.
fn mark(op: &Op) -> usize {
    match op {
        Op::Unary(u) => *u as usize,
        Op::Binary(b) => *b as usize,
        Op::Slice { spans } | Op::Place { spans, .. } => {
            spans.iter().fold(0, |mark: usize, span| mark.wrapping_mul(31).wrapping_add(span.start))
        }
        _ => 0,
    }
}

/// Whether a node's op does the same as another op of the same inputs in every run. Nothing is known about users' ops.
fn is_same(def: &Def, op: &Op) -> bool {
    match (def, op) {
        (Def::Unary(a), Op::Unary(b)) => a == b,
        (Def::Binary(a), Op::Binary(b)) => a == b,
        (Def::Op(a), b) => !matches!(**a, Op::Custom { .. }) && **a == *b,
        _ => false,
    }
}
