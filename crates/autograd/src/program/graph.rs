//! Part of a tape as data: the operations that the outputs need, each once, in the order of recording. It knows the
//! ops, but not how they are grouped or run.
//!
//! A graph is built node by node, and [`Graph::push`] optimizes each node as it is added: constant folding, common
//! subexpression elimination, and algebraic simplification (`simplify`).

use super::simplify::simplify;
use crate::error::Result;
use crate::eval;
use crate::float::Float;
use crate::op::{Binary, Kind, Op, Unary, shape};
use crate::tape::DynRule;
use crate::tape::{Inputs, Tape};
use crate::tensor::{Shape, Tensor};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::panic::Location;
use std::sync::Arc;

/// What a node computes.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// An input, whose value is passed to each run.
    Input,
    /// A constant, the same in every run.
    Const,
    Unary(Unary),
    Binary(Binary),
    /// Any other op; boxed, since most nodes of a long program are unary or binary.
    Op(Box<Op>),
}

/// One operation.
#[derive(Clone, Debug)]
pub(super) struct Node<T: Float> {
    pub(super) act: Act,
    pub(super) inputs: Inputs,
    /// The index of its shape in [`Graph::shapes`].
    pub(super) shape: u32,
    /// The value of a constant; `None` for other nodes.
    pub(super) value: Option<Tensor<T>>,
    /// The user's line that recorded it.
    pub(super) line: &'static Location<'static>,
}

/// The operations, with their inputs and outputs.
pub(super) struct Graph<T: Float> {
    pub(super) nodes: Vec<Node<T>>,
    pub(super) shapes: Vec<Shape>,
    /// The node of each input.
    pub(super) inputs: Vec<u32>,
    /// The node of each output.
    pub(super) outputs: Vec<u32>,
    /// The index tensors that are passed to each run, as recorded.
    pub(super) indices: Vec<Tensor<i64>>,
    pub(super) rules: Vec<Arc<dyn DynRule<T>>>,
    /// Nodes by the hash of their op and operands, for common subexpression elimination.
    seen: HashMap<u64, SmallVec<[u32; 1]>>,
    shape_ids: HashMap<Shape, u32>,
}

impl<T: Float> Graph<T> {
    /// The part of a tape that leads from `inputs` to `outputs`, given by their ids on it.
    pub(super) fn slice(tape: &Tape<T>, inputs: &[u32], outputs: &[u32], indices: &[Tensor<i64>]) -> Result<Self> {
        // What depends on no input becomes a constant.
        let list = tape.filled(0..tape.len() as u32);
        let mut graph = Graph {
            nodes: Vec::new(),
            shapes: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            indices: indices.to_vec(),
            rules: list.rules().to_vec(),
            seen: HashMap::new(),
            shape_ids: HashMap::new(),
        };
        let end = inputs.iter().chain(outputs).max().map_or(0, |&last| last as usize + 1);
        let mut live = vec![false; end];
        outputs.iter().chain(inputs).for_each(|&id| live[id as usize] = true);
        for id in (0..end as u32).rev().filter(|id| !inputs.contains(id)) {
            if live[id as usize] {
                list.inputs(id).iter().for_each(|&i| live[i as usize] = true);
            }
        }
        // The graph node of each tape node.
        let mut place = vec![u32::MAX; end];
        for &id in inputs {
            let node = graph.node(Act::Input, Inputs::new(), list.shape(id), list.line(id));
            graph.inputs.push(node);
            place[id as usize] = node;
        }
        for id in (0..end as u32).filter(|&id| live[id as usize]) {
            if place[id as usize] != u32::MAX {
                continue;
            }
            let from: Inputs = list.inputs(id).iter().map(|&i| place[i as usize]).collect();
            let value = list.value(id).clone();
            place[id as usize] = match list.op(id) {
                Op::Leaf | Op::Const => graph.constant(value, list.line(id)),
                op if list.sketch => graph.push_sketched(op, from, value.shape(), list.line(id))?,
                op => graph.push_recorded(op, from, value, list.line(id)),
            };
        }
        graph.outputs = outputs.iter().map(|&id| place[id as usize]).collect();
        graph.drop_dead();
        Ok(graph)
    }

    pub(super) fn shape(&self, id: u32) -> &Shape {
        &self.shapes[self.nodes[id as usize].shape as usize]
    }

    /// Whether the node is the same in every run.
    pub(super) fn is_const(&self, id: u32) -> bool {
        self.nodes[id as usize].value.is_some()
    }

    /// The value that all elements of a constant share, if that is cheap to see: one element, or all strides 0.
    pub(super) fn uniform(&self, id: u32) -> Option<T> {
        let value = self.nodes[id as usize].value.as_ref()?;
        let (data, start) = value.raw();
        let alike = value.len() == 1 || !value.is_empty() && value.strides().iter().all(|&s| s == 0);
        alike.then(|| data[start])
    }

    /// The op of a node that is neither an input nor a constant.
    pub(super) fn op(&self, id: u32) -> Option<Op> {
        match &self.nodes[id as usize].act {
            Act::Input | Act::Const => None,
            Act::Unary(u) => Some(Op::Unary(*u)),
            Act::Binary(b) => Some(Op::Binary(*b)),
            Act::Op(op) => Some((**op).clone()),
        }
    }

    /// The position of the run-time index tensor that an op reads, if it reads one.
    pub(super) fn index_input(&self, op: &Op) -> Option<usize> {
        let index = op.index()?;
        self.indices.iter().position(|given| given.shares_memory(index))
    }

    /// The node of a constant, added if it does not exist yet.
    pub(super) fn constant(&mut self, value: Tensor<T>, line: &'static Location<'static>) -> u32 {
        let key = |g: &Self, value: &Tensor<T>| {
            let (data, start) = value.raw();
            // Scalars are identified by their bits, arrays by their address.
            let at = if value.rank() == 0 { data[0].f64().to_bits() } else { data[start..].as_ptr() as u64 };
            g.seen.hasher().hash_one((Kind::Const, at, value.shape(), value.strides()))
        };
        let hash = key(self, &value);
        let same = |&&id: &&u32| {
            self.nodes[id as usize]
                .value
                .as_ref()
                .is_some_and(|known| key(self, known) == hash && known.rank() == value.rank())
        };
        if let Some(&id) = self.seen.get(&hash).and_then(|ids| ids.iter().find(same)) {
            return id;
        }
        let id = self.node(Act::Const, Inputs::new(), value.shape().into(), line);
        self.nodes[id as usize].value = Some(value);
        self.seen.entry(hash).or_default().push(id);
        id
    }

    /// The node that computes an op whose recorded value is known.
    fn push_recorded(&mut self, op: Op, inputs: Inputs, value: Tensor<T>, line: &'static Location<'static>) -> u32 {
        if inputs.iter().all(|&i| self.is_const(i)) && self.index_input(&op).is_none() {
            return self.constant(value, line);
        }
        self.push_shaped(op, inputs, value.shape().into(), line)
    }

    /// The node that computes an op of a sketch, of which only the shape is known.
    fn push_sketched(
        &mut self,
        op: Op,
        inputs: Inputs,
        shape: &[usize],
        line: &'static Location<'static>,
    ) -> Result<u32> {
        let Op::Custom { id } = op else { return self.push(op, inputs, line) };
        if !inputs.iter().all(|&i| self.is_const(i)) {
            return Ok(self.push_shaped(op, inputs, shape.into(), line));
        }
        let value = {
            let x: SmallVec<[&Tensor<T>; 4]> =
                inputs.iter().filter_map(|&i| self.nodes[i as usize].value.as_ref()).collect();
            self.rules[id as usize].compute(&x)?
        };
        Ok(self.constant(value, line))
    }

    /// The node that computes an op: a new one, or an existing one with the same result.
    pub(super) fn push(&mut self, op: Op, inputs: Inputs, line: &'static Location<'static>) -> Result<u32> {
        let shape = {
            let shapes: SmallVec<[&[usize]; 4]> = inputs.iter().map(|&i| self.shape(i).as_slice()).collect();
            shape::infer(&op, &shapes)?
        };
        if inputs.iter().all(|&i| self.is_const(i)) && self.index_input(&op).is_none() {
            let value = {
                let value = |&i: &u32| self.nodes[i as usize].value.as_ref().expect("a constant");
                eval::eval(&op, &inputs.iter().map(value).collect::<SmallVec<[_; 4]>>(), &shape)
            };
            return Ok(self.constant(value, line));
        }
        Ok(self.push_shaped(op, inputs, shape, line))
    }

    /// The node that computes an op whose result is known to have the given shape.
    pub(super) fn push_shaped(
        &mut self,
        op: Op,
        mut inputs: Inputs,
        shape: Shape,
        line: &'static Location<'static>,
    ) -> u32 {
        if shape.contains(&0) {
            return self.constant(Tensor::build(&shape, |_| ()), line);
        }
        let mut op = op;
        if let Some(known) = simplify(self, &mut op, &mut inputs, &shape, line) {
            return known;
        }
        let shape = self.shape_id(shape);
        let hash = self.seen.hasher().hash_one((op.kind(), row(&op), &inputs, shape));
        let same = |&&id: &&u32| {
            let node = &self.nodes[id as usize];
            node.inputs == inputs && node.shape == shape && self.op(id).is_some_and(|known| same_op(&known, &op))
        };
        if let Some(&id) = self.seen.get(&hash).and_then(|ids| ids.iter().find(same)) {
            return id;
        }
        let act = match op {
            Op::Unary(u) => Act::Unary(u),
            Op::Binary(b) => Act::Binary(b),
            op => Act::Op(Box::new(op)),
        };
        let id = self.nodes.len() as u32;
        self.nodes.push(Node { act, inputs, shape, value: None, line });
        self.seen.entry(hash).or_default().push(id);
        id
    }

    fn node(&mut self, act: Act, inputs: Inputs, shape: Shape, line: &'static Location<'static>) -> u32 {
        let shape = self.shape_id(shape);
        self.nodes.push(Node { act, inputs, shape, value: None, line });
        self.nodes.len() as u32 - 1
    }

    fn shape_id(&mut self, shape: Shape) -> u32 {
        let next = self.shapes.len() as u32;
        let id = *self.shape_ids.entry(shape.clone()).or_insert(next);
        if id == next {
            self.shapes.push(shape);
        }
        id
    }

    /// Dead-code elimination: keeps the inputs and what the outputs need.
    fn drop_dead(&mut self) {
        let mut live = vec![false; self.nodes.len()];
        self.outputs.iter().chain(&self.inputs).for_each(|&id| live[id as usize] = true);
        for id in (0..self.nodes.len()).rev() {
            if live[id] {
                self.nodes[id].inputs.iter().for_each(|&i| live[i as usize] = true);
            }
        }
        let mut place = vec![u32::MAX; self.nodes.len()];
        let mut kept = Vec::with_capacity(live.iter().filter(|&&l| l).count());
        for (id, mut node) in std::mem::take(&mut self.nodes).into_iter().enumerate().filter(|(id, _)| live[*id]) {
            node.inputs.iter_mut().for_each(|i| *i = place[*i as usize]);
            place[id] = kept.len() as u32;
            kept.push(node);
        }
        self.nodes = kept;
        let moved = |ids: &mut Vec<u32>| ids.iter_mut().for_each(|id| *id = place[*id as usize]);
        moved(&mut self.inputs);
        moved(&mut self.outputs);
        (self.seen, self.shape_ids) = (HashMap::new(), HashMap::new());
    }
}

/// Which unary or binary function an op is; 0 for others.
fn row(op: &Op) -> u8 {
    match op {
        Op::Unary(u) => *u as u8,
        Op::Binary(b) => *b as u8,
        _ => 0,
    }
}

/// Whether two ops do the same in every run. Since the next run may pass another index tensor, ops with indices must
/// read the same view, not only equal values.
fn same_op(a: &Op, b: &Op) -> bool {
    match (a.index(), b.index()) {
        (Some(i), Some(j)) => i.is_same_view(j) && a == b,
        _ => !matches!(a, Op::Custom { .. }) && a == b,
    }
}
