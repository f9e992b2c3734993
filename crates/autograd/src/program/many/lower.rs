//! Translates a graph to instructions over places, each of which holds one number of a point. A value has as many places
//! in a row as it has elements; values that are not read again leave theirs to later ones.

use super::is_given;
use crate::eval;
use crate::op::Op;
use crate::program::fuse::fold_sizes;
use crate::program::fused::BlockOp;
use crate::program::graph::{Def, Graph};
use crate::program::integers::read_by;
use crate::tensor::Tensor;
use std::collections::HashMap;
use std::ops::Range;

/// The largest value, in elements: the advantage of lanes shrinks with the length of the loops of a single point.
pub(super) const LARGEST: usize = 256;

/// The longest program, in nodes: a longer one keeps the loops of a single point busy, and would take much memory.
const LONGEST: usize = 1 << 16;

/// What an instruction does.
#[derive(Debug)]
pub(super) enum Action {
    /// An elementwise function.
    Apply(BlockOp),
    /// Copies each element from another place.
    Move(Box<[u32]>),
    /// Sums of these sizes before, along and after the summed axes.
    Sum([usize; 3]),
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) action: Action,
    /// Number of elements of the result.
    pub(super) len: usize,
    /// The first places of up to three operands and of the result.
    pub(super) at: [u32; 4],
}

/// The instructions of a graph.
#[derive(Debug, Default)]
pub(super) struct Lowered {
    pub(super) lines: Vec<Line>,
    /// Number of places.
    pub(super) places: usize,
    pub(super) inputs: Vec<Range<usize>>,
    pub(super) outputs: Vec<Range<usize>>,
    /// The first place of each constant, with its number; `None` is a zero.
    pub(super) constants: Vec<(usize, Option<u32>)>,
}

/// Whether a program can run in lanes.
pub(super) fn fits(g: &Graph) -> bool {
    g.integers.is_empty()
        && g.nodes.len() <= LONGEST
        && g.ids().all(|id| (1..=LARGEST).contains(&g.size(id)) && is_simple(g, id))
}

/// Whether a node is given, elementwise, a rearrangement, or a sum over adjacent axes.
fn is_simple(g: &Graph, id: u32) -> bool {
    is_given(g, id) || g.is_elementwise(id) || is_move(g, id) || fold_sizes(g, id).is_some()
}

/// Whether a node rearranges elements, in the same way in every run.
fn is_move(g: &Graph, id: u32) -> bool {
    let moves = |op: &Op| {
        op.is_view() || matches!(op, Op::Place { .. } | Op::Concat { .. } | Op::Take { .. } | Op::Gather { .. })
    };
    g.structured(id).is_some_and(moves) && read_by(g, id).is_none()
}

/// The instructions of a graph that [`fits`].
pub(super) fn lower(g: &Graph) -> Lowered {
    let mut lowering = Lowering {
        g,
        lowered: Lowered::default(),
        starts: vec![None; g.nodes.len()],
        last: last_reads(g),
        free: HashMap::new(),
    };
    for &id in &g.inputs {
        let place = lowering.lowered.fresh(g.size(id));
        lowering.starts[id as usize] = Some(place);
        lowering.lowered.inputs.push(place..place + g.size(id));
    }
    for id in g.ids().filter(|&id| !is_given(g, id)) {
        lowering.node(id);
    }
    for &id in &g.outputs {
        let place = lowering.place(id);
        lowering.lowered.outputs.push(place..place + g.size(id));
    }
    lowering.lowered
}

/// The last node that reads each node; [`KEPT`] for outputs and constants.
fn last_reads(g: &Graph) -> Vec<u32> {
    let mut last = vec![0; g.nodes.len()];
    for id in g.ids() {
        g.inputs(id).iter().for_each(|&input| last[input as usize] = id);
    }
    g.outputs.iter().for_each(|&id| last[id as usize] = KEPT);
    g.ids().filter(|&id| g.is_const(id)).for_each(|id| last[id as usize] = KEPT);
    last
}

const KEPT: u32 = u32::MAX;

impl Lowered {
    /// Places that nothing has occupied before.
    fn fresh(&mut self, len: usize) -> usize {
        self.places += len;
        self.places - len
    }
}

struct Lowering<'g> {
    g: &'g Graph,
    lowered: Lowered,
    /// The first place of each value.
    starts: Vec<Option<usize>>,
    last: Vec<u32>,
    /// Places of dead values, by length.
    free: HashMap<usize, Vec<usize>>,
}

impl Lowering<'_> {
    fn node(&mut self, id: u32) {
        let (g, inputs) = (self.g, self.g.inputs(id));
        let place = match fold_sizes(g, id) {
            _ if g.is_elementwise(id) => self.elementwise(id),
            Some((input, sizes)) => {
                let from = self.place(input);
                self.line(Action::Sum(sizes), [from, 0, 0], g.size(id))
            }
            None => self.moved(g.structured(id).expect("a rearrangement"), inputs, g.shape(id)),
        };
        self.starts[id as usize] = Some(place);
        // Only now, so that no result is written over an operand.
        self.release(id);
    }

    /// An elementwise function; operands of another size are broadcast first.
    fn elementwise(&mut self, id: u32) -> usize {
        let (g, len) = (self.g, self.g.size(id));
        let (mut from, mut copies) = ([0; 3], Vec::new());
        for (from, &input) in from.iter_mut().zip(g.inputs(id)) {
            *from = self.place(input);
            if g.size(input) != len {
                *from = self.moved(&Op::Expand { shape: g.shape(id).clone() }, &[input], g.shape(id));
                copies.push(*from);
            }
        }
        let to = self.line(Action::Apply(BlockOp::of(&g.node(id).def)), from, len);
        self.free.entry(len).or_default().append(&mut copies);
        to
    }

    /// Adds an instruction, and returns the first place of its result.
    fn line(&mut self, action: Action, [a, b, c]: [usize; 3], len: usize) -> usize {
        let to = self.free.get_mut(&len).and_then(Vec::pop).unwrap_or_else(|| self.lowered.fresh(len));
        self.lowered.lines.push(Line { action, len, at: [a, b, c, to].map(|place| place as u32) });
        to
    }

    /// Rearranges elements by applying the op to numbers that identify their places; 0 stands for a zero.
    fn moved(&mut self, op: &Op, inputs: &[u32], shape: &[usize]) -> usize {
        let mut numbers = Vec::with_capacity(inputs.len());
        for &input in inputs {
            let first = self.place(input) + 1;
            let all: Vec<f64> = (first..first + self.g.size(input)).map(|place| place as f64).collect();
            numbers.push(Tensor::new(self.g.shape(input), all));
        }
        let moved = eval::eval(op, &numbers.iter().collect::<Vec<_>>(), shape);
        let from: Box<[u32]> = moved.iter().map(|number| self.numbered(number as usize) as u32).collect();
        let len = from.len();
        self.line(Action::Move(from), [0; 3], len)
    }

    /// The place of a number; that of a zero for 0.
    fn numbered(&mut self, number: usize) -> usize {
        if number > 0 { number - 1 } else { self.constant(None, 1) }
    }

    /// The first place of a value.
    fn place(&mut self, id: u32) -> usize {
        if let Some(place) = self.starts[id as usize] {
            return place;
        }
        let Def::Const(number) = self.g.node(id).def else { unreachable!("operands come before their readers") };
        let place = self.constant(Some(number), self.g.size(id));
        self.starts[id as usize] = Some(place);
        place
    }

    /// The first place of a constant, which is filled before the first instruction and never written over.
    fn constant(&mut self, number: Option<u32>, len: usize) -> usize {
        if let Some((place, _)) = self.lowered.constants.iter().find(|known| known.1 == number) {
            return *place;
        }
        let place = self.lowered.fresh(len);
        self.lowered.constants.push((place, number));
        place
    }

    /// Frees the places of the values that a node is the last to read.
    fn release(&mut self, id: u32) {
        let inputs = self.g.inputs(id);
        for (k, &input) in inputs.iter().enumerate() {
            if self.last[input as usize] == id && !inputs[..k].contains(&input) {
                let place = self.starts[input as usize].expect("it has been read");
                self.free.entry(self.g.size(input)).or_default().push(place);
            }
        }
    }
}
