//! A cluster of scalars and short rows: a loop over instructions and a flat array of values, without allocation,
//! reference counting or lookups.
//!
//! A long computation mostly repeats the same few lines, and so does its derivative. Where instructions repeat, with
//! each operand advancing by a fixed step, they are rolled into a loop (`roll`). Only values are then fetched from
//! memory, and new values reuse the places of dead ones. What an iteration computes independently of earlier iterations
//! is computed for many iterations at once, as a vector (`turns`): for example, the derivatives of all the sines in a
//! chain, before the cotangent passes through them.

mod roll;
mod turns;

use super::fused::BlockOp;
use super::graph::{Def, Graph};
use super::hash::Map;
use crate::float::Float;
use crate::kernel::elementwise::Strided;
use crate::op::{Binary, Op, Unary};
use crate::tape::Inputs;
use crate::tensor::Tensor;
use std::ops::Range;
use turns::Loop;

/// What an instruction computes. The most common ones have dedicated variants.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ScalarOp {
    Add,
    Sub,
    Mul,
    Div,
    /// a · b + c, rounded twice.
    MulAdd,
    Neg,
    Sin,
    Cos,
    Exp,
    Where,
    Unary(Unary),
    Binary(Binary),
    /// An elementwise function of rows.
    Row(BlockOp),
    /// A scalar, broadcast to a row.
    Spread,
    /// The sum of a row.
    Sum,
}

/// The positions of three operands and the result in the array of values.
type Positions = [u32; 4];
const RESULT: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Instruction {
    op: ScalarOp,
    /// Number of elements in the row that it reads or writes; 1 if all are scalars.
    row: u8,
    at: Positions,
    /// Its column, if it is computed ahead of its iteration.
    column: Option<u32>,
    /// Whether it accumulates: it reads its own result of the previous iteration.
    sums: bool,
}

/// The program of a cluster. Its values are the operands, the constants, and all computed values; they are in a memory
/// of their own, which is kept from run to run.
#[derive(Debug)]
pub(super) struct Scalars {
    /// The positions of the operands and of the results among the values.
    operands: Vec<Range<usize>>,
    results: Vec<Range<usize>>,
    /// The positions of the constants, with the number that each holds.
    constants: Vec<(Range<usize>, f64)>,
    /// First `places` ordinary values, then the columns of values computed ahead.
    places: usize,
    columns: usize,
    loops: Vec<Loop>,
}

impl Scalars {
    /// Compiles the nodes of a cluster, given those from outside that it reads and those whose values it returns.
    pub(super) fn new(g: &Graph, nodes: &[u32], operands: &[u32], results: &[u32]) -> Self {
        let mut sources = Sources::new(g, nodes, operands);
        let mut instructions = sources.instructions(g, nodes);
        let Sources { end, constants, starts, names } = sources;
        let mut places: Vec<u32> = results.iter().map(|&id| names[&(id, g.size(id))]).collect();
        roll::join_products(&mut instructions, &places, starts.len() as u32);
        let (loops, places_end) = roll::loops(&mut instructions, &mut places, &starts, end as u32);
        let columns = loops.iter().map(Loop::columns).max().unwrap_or(0);
        let (operands, results) = (ranges(g, operands, &starts), ranges(g, results, &places));
        Scalars { operands, results, constants, places: places_end, columns, loops }
    }

    /// The memory of its values before the first run.
    pub(super) fn memory<T: Float>(&self) -> Vec<T> {
        let mut values = vec![T::zero(); self.places + self.columns];
        for (range, x) in &self.constants {
            values[range.clone()].fill(T::of(*x));
        }
        values
    }

    /// Reads the operands, runs all loops, and returns the results in order.
    pub(super) fn run<'v, T: Float>(
        &'v mut self,
        values: &'v mut [T],
        operands: &[&Tensor<T>],
    ) -> impl Iterator<Item = &'v [T]> {
        for (range, operand) in self.operands.iter().zip(operands) {
            let to = &mut values[range.clone()];
            let (data, start) = operand.raw();
            match operand.as_slice() {
                _ if to.len() == 1 => to[0] = data[start],
                Some(x) => to.copy_from_slice(x),
                None => Strided::new(operand, operand.shape()).read(0, to),
            }
        }
        for each in &mut self.loops {
            each.run(values, self.places);
        }
        self.results.iter().map(|range| &values[range.clone()])
    }

    /// The number of instructions stored, and the number executed.
    pub(super) fn len(&self) -> [usize; 2] {
        let written = self.loops.iter().map(Loop::len).sum();
        [written, self.loops.iter().map(Loop::count).sum()]
    }
}

/// The positions of nodes that begin at `starts`.
fn ranges(g: &Graph, ids: &[u32], starts: &[u32]) -> Vec<Range<usize>> {
    let mut ranges = Vec::with_capacity(ids.len());
    for (&id, &start) in ids.iter().zip(starts) {
        ranges.push(start as usize..start as usize + g.size(id));
    }
    ranges
}

/// What exists before the first instruction: the operands and the constants. A value is named by node and length, since
/// a scalar has another name when it is broadcast to a row.
struct Sources {
    /// Number of elements.
    end: usize,
    constants: Vec<(Range<usize>, f64)>,
    /// The position of each source, by name.
    starts: Vec<u32>,
    names: Map<(u32, usize), u32>,
}

impl Sources {
    fn new(g: &Graph, nodes: &[u32], operands: &[u32]) -> Self {
        let mut sources = Sources { end: 0, constants: Vec::new(), starts: Vec::new(), names: Map::default() };
        for &id in operands {
            sources.add(id, g.size(id));
        }
        for &id in nodes {
            let row = row(g, id);
            for &input in g.inputs(id) {
                if let (Some(x), false) = (g.uniform(input), sources.names.contains_key(&(input, row))) {
                    let range = sources.add(input, row);
                    sources.constants.push((range, x));
                }
            }
        }
        sources
    }

    /// Adds a source, and returns the range reserved for it.
    fn add(&mut self, id: u32, len: usize) -> Range<usize> {
        let room = roll::room(len);
        let start = self.end.next_multiple_of(room);
        self.end = start + room;
        self.names.insert((id, len), self.starts.len() as u32);
        self.starts.push(start as u32);
        start..self.end
    }

    /// Translates the nodes of a cluster to instructions, whose results are numbered after the sources.
    fn instructions(&mut self, g: &Graph, nodes: &[u32]) -> Vec<Instruction> {
        let mut instructions = Vec::with_capacity(nodes.len());
        let sources = self.starts.len() as u32;
        for &id in nodes {
            let def = &g.node(id).def;
            let (row, wide) = (row(g, id), row(g, id) > 1);
            let mut emit = |op: ScalarOp, from: &[u32]| {
                let name = sources + instructions.len() as u32;
                let mut at = [0; 4];
                at[..from.len()].copy_from_slice(from);
                at[RESULT] = name;
                instructions.push(Instruction { op, row: row as u8, at, column: None, sums: false });
                name
            };
            let mut from = Inputs::new();
            for &input in g.inputs(id) {
                let known = self.names.get(&(input, row)).copied();
                let name = known.unwrap_or_else(|| emit(ScalarOp::Spread, &[self.names[&(input, 1)]]));
                self.names.insert((input, row), name);
                from.push(name);
            }
            let name = match g.structured(id) {
                Some(Op::Reshape { .. }) => from[0],
                // A sum over a single element.
                Some(Op::Reduce { .. }) if !wide => from[0],
                Some(Op::Reduce { .. }) => emit(ScalarOp::Sum, &from),
                _ if wide => emit(ScalarOp::Row(BlockOp::of(def)), &from),
                _ => emit(ScalarOp::of(def), &from),
            };
            self.names.insert((id, g.size(id)), name);
        }
        instructions
    }
}

/// The length of the longest row that a node reads or computes.
fn row(g: &Graph, id: u32) -> usize {
    let mut longest = g.size(id);
    for &input in g.inputs(id) {
        longest = longest.max(g.size(input));
    }
    longest
}

impl ScalarOp {
    fn of(def: &Def) -> ScalarOp {
        match *def {
            Def::Unary(Unary::Neg) => ScalarOp::Neg,
            Def::Unary(Unary::Sin) => ScalarOp::Sin,
            Def::Unary(Unary::Cos) => ScalarOp::Cos,
            Def::Unary(Unary::Exp) => ScalarOp::Exp,
            Def::Unary(u) => ScalarOp::Unary(u),
            Def::Binary(Binary::Add) => ScalarOp::Add,
            Def::Binary(Binary::Sub) => ScalarOp::Sub,
            Def::Binary(Binary::Mul) => ScalarOp::Mul,
            Def::Binary(Binary::Div) => ScalarOp::Div,
            Def::Binary(b) => ScalarOp::Binary(b),
            // The only elementwise op with three operands.
            Def::Op(_) => ScalarOp::Where,
            Def::Input | Def::Const(_) => unreachable!("inputs and constants are not computed"),
        }
    }

    /// The same function over blocks.
    fn of_blocks(self) -> BlockOp {
        match self {
            ScalarOp::Add => BlockOp::Binary(Binary::Add),
            ScalarOp::Sub => BlockOp::Binary(Binary::Sub),
            ScalarOp::Mul => BlockOp::Binary(Binary::Mul),
            ScalarOp::Div => BlockOp::Binary(Binary::Div),
            ScalarOp::Neg => BlockOp::Unary(Unary::Neg),
            ScalarOp::Sin => BlockOp::Unary(Unary::Sin),
            ScalarOp::Cos => BlockOp::Unary(Unary::Cos),
            ScalarOp::Exp => BlockOp::Unary(Unary::Exp),
            ScalarOp::Where => BlockOp::Where,
            ScalarOp::Unary(u) => BlockOp::Unary(u),
            ScalarOp::Binary(b) => BlockOp::Binary(b),
            ScalarOp::MulAdd | ScalarOp::Row(_) | ScalarOp::Spread | ScalarOp::Sum => {
                unreachable!("a loop of its own, or not computed ahead")
            }
        }
    }

    /// Whether the result is a row.
    fn is_wide(self) -> bool {
        matches!(self, ScalarOp::Row(_) | ScalarOp::Spread)
    }

    fn arity(self) -> usize {
        match self {
            ScalarOp::Row(f) => f.arity(),
            ScalarOp::MulAdd | ScalarOp::Where => 3,
            ScalarOp::Add | ScalarOp::Sub | ScalarOp::Mul | ScalarOp::Div | ScalarOp::Binary(_) => 2,
            ScalarOp::Neg | ScalarOp::Sin | ScalarOp::Cos | ScalarOp::Exp | ScalarOp::Unary(_) => 1,
            ScalarOp::Spread | ScalarOp::Sum => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::extract::extract;
    use crate::program::fuse::{Cluster, fuse};
    use crate::program::passes::optimize;
    use crate::{Tape, Tensor};

    fn scalars(length: usize) -> Scalars {
        let tape = Tape::<f64>::new();
        let (x0, a, b) = (tape.var(1.5), tape.var(1.85), tape.var(-0.55));
        let x = (0..length).fold(x0, |x, _| x.sin() * a + b);
        let ids = [x0.id, a.id, b.id];
        let outputs: Vec<u32> = x.grad(&[x0, a, b]).iter().map(|g| g.id).collect();
        let (g, mut constants) = extract(&tape, &ids, &outputs, &[]);
        let g = optimize(g, &mut constants).unwrap();
        let [Cluster::Scalars(nodes)] = &fuse(&g).clusters[..] else { panic!("one cluster of scalars:\n{g}") };
        Scalars::new(&g, nodes, &g.inputs, &g.outputs)
    }

    #[test]
    fn a_chain_rolls_up_into_two_loops_and_gives_what_it_gave_unrolled() {
        for length in [2, 3, 4, 7, 100, 1001] {
            let mut rolled = scalars(length);
            let [written, run] = rolled.len();
            assert!(run >= 5 * length, "{length}: {run}");
            if length >= 100 {
                assert!(written < 60, "{length}: {written} instructions are stored");
                assert!(rolled.places < 2 * length + 20, "the places of dead values are reused");
            }
            let at = [1.5, 1.85, -0.55].map(Tensor::scalar);
            let mut values = rolled.memory::<f64>();
            let got: Vec<f64> = rolled.run(&mut values, &at.each_ref()).flatten().copied().collect();
            let again: Vec<f64> = rolled.run(&mut values, &at.each_ref()).flatten().copied().collect();
            let tape = Tape::<f64>::new();
            let [x0, a, b] = [1.5, 1.85, -0.55].map(|x| tape.var(x));
            let x = (0..length).fold(x0, |x, _| x.sin() * a + b);
            let expected: Vec<f64> = x.grad(&[x0, a, b]).iter().map(|g| g.item()).collect();
            assert_eq!((&got, &again), (&expected, &expected), "{length}");
        }
    }
}
