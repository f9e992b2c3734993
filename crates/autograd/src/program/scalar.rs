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

use super::fuse::Cluster;
use super::graph::{Act, Graph, Node};
use super::map;
use crate::float::Float;
use crate::kernel::elementwise::Strided;
use crate::op::{Binary, Op, Unary};
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::ops::Range;
use turns::Loop;

/// The function that an instruction computes. The most common ones have variants of their own.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
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
    Row(map::Function),
    /// A scalar, broadcast to a row.
    Spread,
    /// The sum of a row.
    Sum,
}

/// The positions of three operands and the result in the array of values.
type Places = [u32; 4];
const RESULT: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Instruction {
    function: Function,
    /// Number of elements in the row that it reads or writes; 1 if all are scalars.
    row: u8,
    at: Places,
    /// Its column, if it is computed ahead of its iteration.
    column: Option<u32>,
    /// Whether it accumulates: it reads its own result of the previous iteration.
    sums: bool,
}

/// The program of a cluster. Its values are the operands, the constants, and all computed values.
#[derive(Debug)]
pub(super) struct Scalars<T: Float> {
    /// The positions of the operands and of the results in `values`.
    operands: Vec<Range<usize>>,
    results: Vec<Range<usize>>,
    /// First `places` ordinary values, then the columns of values computed ahead.
    values: Vec<T>,
    places: usize,
    loops: Vec<Loop>,
}

impl<T: Float> Scalars<T> {
    pub(super) fn new(g: &Graph<T>, cluster: &Cluster, operands: &[u32], results: &[u32]) -> Self {
        let mut sources = Sources::new(g, cluster, operands);
        let mut instructions = sources.instructions(g, cluster);
        let Sources { mut values, starts, names } = sources;
        let len = |id: &u32| size(g, *id);
        let mut places: Vec<u32> = results.iter().map(|id| names[&(*id, len(id))]).collect();
        roll::join_products(&mut instructions, &places, starts.len() as u32);
        let (loops, end) = roll::loops(&mut instructions, &mut places, &starts, values.len() as u32);
        let columns = loops.iter().map(Loop::columns).max().unwrap_or(0);
        values.resize(end + columns, T::zero());
        let range = |(start, len): (u32, usize)| start as usize..start as usize + len;
        let operands = starts.iter().copied().zip(operands.iter().map(len)).map(range).collect();
        let results = places.into_iter().zip(results.iter().map(len)).map(range).collect();
        Scalars { operands, values, places: end, loops, results }
    }

    /// Reads the operands, runs all loops, and returns the results in order.
    pub(super) fn run<'t>(&mut self, operands: impl Iterator<Item = &'t Tensor<T>>) -> impl Iterator<Item = &[T]> {
        for (range, operand) in self.operands.iter().zip(operands) {
            let to = &mut self.values[range.clone()];
            let (data, start) = operand.raw();
            match operand.as_slice() {
                _ if to.len() == 1 => to[0] = data[start],
                Some(x) => to.copy_from_slice(x),
                None => Strided::new(operand, operand.shape()).read(0, to),
            }
        }
        for each in &mut self.loops {
            each.run(&mut self.values, self.places);
        }
        self.results.iter().map(|range| &self.values[range.clone()])
    }

    /// The number of instructions stored, and the number executed.
    pub(super) fn len(&self) -> [usize; 2] {
        let written = self.loops.iter().map(Loop::len).sum();
        [written, self.loops.iter().map(Loop::count).sum()]
    }
}

/// What exists before the first instruction: the operands and the constants. A value is named by node and length, since
/// a scalar has another name when it is broadcast to a row.
struct Sources<T> {
    values: Vec<T>,
    /// The position of each source, by name.
    starts: Vec<u32>,
    names: HashMap<(u32, usize), u32>,
}

impl<T: Float> Sources<T> {
    fn new(g: &Graph<T>, cluster: &Cluster, operands: &[u32]) -> Self {
        let mut sources = Sources { values: Vec::new(), starts: Vec::new(), names: HashMap::new() };
        operands.iter().for_each(|&id| sources.add(id, size(g, id), T::zero()));
        for &id in &cluster.maps {
            for &input in &g.nodes[id as usize].inputs {
                let row = row(g, id);
                if let (Some(x), false) = (g.uniform(input), sources.names.contains_key(&(input, row))) {
                    sources.add(input, row, x);
                }
            }
        }
        sources
    }

    fn add(&mut self, id: u32, len: usize, x: T) {
        let room = roll::room(len);
        let start = self.values.len().next_multiple_of(room);
        self.values.resize(start, T::zero());
        self.values.resize(start + room, x);
        self.names.insert((id, len), self.starts.len() as u32);
        self.starts.push(start as u32);
    }

    /// Translates the nodes of a cluster to instructions, whose results are numbered after the sources.
    fn instructions(&mut self, g: &Graph<T>, cluster: &Cluster) -> Vec<Instruction> {
        let mut instructions = Vec::with_capacity(cluster.maps.len());
        let sources = self.starts.len() as u32;
        for &id in &cluster.maps {
            let Node { act, inputs, .. } = &g.nodes[id as usize];
            let (row, wide) = (row(g, id), row(g, id) > 1);
            let mut emit = |function: Function, from: &[u32]| {
                let name = sources + instructions.len() as u32;
                let mut at = [0; 4];
                at[..from.len()].copy_from_slice(from);
                at[RESULT] = name;
                instructions.push(Instruction { function, row: row as u8, at, column: None, sums: false });
                name
            };
            let mut from: SmallVec<[u32; 3]> = SmallVec::new();
            for &input in inputs {
                let known = self.names.get(&(input, row)).copied();
                let name = known.unwrap_or_else(|| emit(Function::Spread, &[self.names[&(input, 1)]]));
                self.names.insert((input, row), name);
                from.push(name);
            }
            let sum = matches!(act, Act::Op(op) if matches!(**op, Op::Reduce { .. }));
            let name = match act {
                // The same elements, or a sum over a single element.
                Act::Op(op) if matches!(**op, Op::Reshape { .. }) || sum && !wide => from[0],
                _ if sum => emit(Function::Sum, &from),
                _ if wide => emit(Function::Row(map::Function::of(act)), &from),
                _ => emit(Function::of(act), &from),
            };
            self.names.insert((id, size(g, id)), name);
        }
        instructions
    }
}

fn size<T: Float>(g: &Graph<T>, id: u32) -> usize {
    g.shape(id).iter().product()
}

/// The length of the longest row that a node reads or computes.
fn row<T: Float>(g: &Graph<T>, id: u32) -> usize {
    g.nodes[id as usize].inputs.iter().map(|&i| size(g, i)).fold(size(g, id), usize::max)
}

impl Function {
    fn of(act: &Act) -> Function {
        match *act {
            Act::Unary(Unary::Neg) => Function::Neg,
            Act::Unary(Unary::Sin) => Function::Sin,
            Act::Unary(Unary::Cos) => Function::Cos,
            Act::Unary(Unary::Exp) => Function::Exp,
            Act::Unary(u) => Function::Unary(u),
            Act::Binary(Binary::Add) => Function::Add,
            Act::Binary(Binary::Sub) => Function::Sub,
            Act::Binary(Binary::Mul) => Function::Mul,
            Act::Binary(Binary::Div) => Function::Div,
            Act::Binary(b) => Function::Binary(b),
            _ => Function::Where,
        }
    }

    /// The same function over blocks.
    fn of_blocks(self) -> map::Function {
        match self {
            Function::Add => map::Function::Binary(Binary::Add),
            Function::Sub => map::Function::Binary(Binary::Sub),
            Function::Mul => map::Function::Binary(Binary::Mul),
            Function::Div => map::Function::Binary(Binary::Div),
            Function::MulAdd => map::Function::MulAdd,
            Function::Neg => map::Function::Unary(Unary::Neg),
            Function::Sin => map::Function::Unary(Unary::Sin),
            Function::Cos => map::Function::Unary(Unary::Cos),
            Function::Exp => map::Function::Unary(Unary::Exp),
            Function::Where => map::Function::Where,
            Function::Unary(u) => map::Function::Unary(u),
            Function::Binary(b) => map::Function::Binary(b),
            Function::Row(_) | Function::Spread | Function::Sum => unreachable!("only scalars are computed ahead"),
        }
    }

    /// Whether the result is a row.
    fn is_wide(self) -> bool {
        matches!(self, Function::Row(_) | Function::Spread)
    }

    fn arity(self) -> usize {
        match self {
            Function::Row(f) => f.arity(),
            Function::MulAdd | Function::Where => 3,
            Function::Add | Function::Sub | Function::Mul | Function::Div | Function::Binary(_) => 2,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::fuse::clusters;
    use crate::{Tape, Tensor};

    fn scalars(length: usize) -> Scalars<f64> {
        let tape = Tape::<f64>::new();
        let (x0, a, b) = (tape.var(1.5), tape.var(1.85), tape.var(-0.55));
        let x = (0..length).fold(x0, |x, _| x.sin() * a + b);
        let ids = [x0.id, a.id, b.id];
        let outputs: Vec<u32> = x.grad(&[x0, a, b]).iter().map(|g| g.id).collect();
        let g = Graph::slice(&tape, &ids, &outputs, &[]).unwrap();
        let cluster = &clusters(&g).0[0];
        Scalars::new(&g, cluster, &g.inputs, &g.outputs)
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
            let got: Vec<f64> = rolled.run(at.iter()).flatten().copied().collect();
            let again: Vec<f64> = rolled.run(at.iter()).flatten().copied().collect();
            let tape = Tape::<f64>::new();
            let [x0, a, b] = [1.5, 1.85, -0.55].map(|x| tape.var(x));
            let x = (0..length).fold(x0, |x, _| x.sin() * a + b);
            let expected: Vec<f64> = x.grad(&[x0, a, b]).iter().map(|g| g.item()).collect();
            assert_eq!((&got, &again), (&expected, &expected), "{length}");
        }
    }
}
