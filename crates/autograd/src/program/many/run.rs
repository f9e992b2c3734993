//! Runs a program in lanes: a block of points at a time, with the points of each place next to each other.

use super::Given;
use super::lower::{Action, Line, Lowered, lower};
use crate::float::{Few, Float};
use crate::kernel::isa::{each, simd};
use crate::kernel::scratch::with_scratch;
use crate::kernel::{reduce, threads};
use crate::op::{Binary, Unary};
use crate::program::fused::{BlockOp, compute};
use crate::program::graph::Graph;
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::ops::Range;

/// Size in bytes that all places of a block should have, so that they stay in the L1 cache.
const CACHE: usize = 32 * 1024;

/// The fewest and the most points in a block: enough that instructions are dispatched rarely, and as many as a loop gains
/// from.
const FEWEST: usize = 32;
const MOST: usize = 256;

/// Number of results computed per task, at least.
const TASK: usize = 64 * 1024;

/// The program of one point, and its constants.
pub(super) struct Lanes<T: Float> {
    program: Lowered,
    constants: Vec<(usize, Tensor<T>)>,
    /// Number of points in a block.
    width: usize,
    /// Number of blocks in a task.
    blocks: usize,
}

impl<T: Float> Lanes<T> {
    pub(super) fn new(graph: &Graph, values: &[Tensor<T>]) -> Self {
        let program = lower(graph);
        let value = |number: Option<u32>| number.map_or(Tensor::scalar(T::zero()), |n| values[n as usize].clone());
        let constants = program.constants.iter().map(|&(place, number)| (place, value(number))).collect();
        let fit = CACHE / size_of::<T>() / program.places.max(1);
        let width = (fit / FEWEST * FEWEST).clamp(FEWEST, MOST);
        let work: usize = program.lines.iter().map(|line| line.len).sum();
        Lanes { program, constants, width, blocks: (TASK / (work.max(1) * width)).max(1) }
    }

    /// Computes the outputs of `n` points.
    pub(super) fn run(&self, n: usize, given: &[Given<T>], outputs: &mut [&mut [T]]) {
        if n == 0 {
            return;
        }
        let task = self.blocks * self.width;
        let sizes: SmallVec<[usize; 32]> = self.program.outputs.iter().map(|output| task * output.len()).few();
        threads::for_each_chunks(outputs, &sizes, &|i, outputs| {
            let first = i * task;
            self.task(first..n.min(first + task), given, outputs);
        });
    }

    /// Computes a range of points, whose outputs are given.
    fn task(&self, points: Range<usize>, given: &[Given<T>], outputs: &mut [&mut [T]]) {
        let Lanes { program, width, .. } = self;
        with_scratch(program.places * width, |values: &mut [T]| {
            for (place, x) in &self.constants {
                values[place * width..].chunks_mut(*width).zip(x.iter()).for_each(|(lanes, x)| lanes.fill(x));
            }
            for first in points.clone().step_by(*width) {
                let block = first..points.end.min(first + width);
                for (given, places) in given.iter().zip(&program.inputs) {
                    read(given, block.clone(), *width, &mut values[places.start * width..]);
                }
                run_lines(&program.lines, *width, values);
                for (output, places) in outputs.iter_mut().zip(&program.outputs) {
                    let output = &mut output[(first - points.start) * places.len()..][..block.len() * places.len()];
                    write(&values[places.start * width..], *width, places.len(), output);
                }
            }
        });
    }
}

/// Reads an input of a block of points.
fn read<T: Float>(given: &Given<T>, block: Range<usize>, width: usize, values: &mut [T]) {
    let count = block.len();
    match (given.step, given.len) {
        (1, 1) => values[..count].copy_from_slice(&given.x[block]),
        (step, len) => {
            for (k, lanes) in values.chunks_mut(width).take(len).enumerate() {
                for (lane, i) in lanes.iter_mut().zip(block.clone()) {
                    *lane = given.x[i * step + k];
                }
            }
        }
    }
}

/// Writes an output of a block of points.
fn write<T: Float>(values: &[T], width: usize, len: usize, output: &mut [T]) {
    if len == 1 {
        return output.copy_from_slice(&values[..output.len()]);
    }
    for (k, lanes) in values.chunks(width).take(len).enumerate() {
        for (point, lane) in output.chunks_mut(len).zip(lanes) {
            point[k] = *lane;
        }
    }
}

simd! {
    /// Runs all instructions for `width` points.
    fn run_lines<T: Float>(lines: &[Line], width: usize, values: &mut [T]) {
        for Line { action, len, at } in lines {
            let place = |k: usize| at[k] as usize * width;
            let (from, to) = ([place(0), place(1), place(2)], place(3));
            match action {
                Action::Apply(op) => {
                    let len = len * width;
                    let (before, rest) = values.split_at_mut(to);
                    let (out, behind) = rest.split_at_mut(len);
                    let operand = |at: usize| if at < to { &before[at..][..len] } else { &behind[at - to - len..][..len] };
                    apply(*op, from, &operand, out);
                }
                Action::Move(from) => {
                    for (k, &from) in from.iter().enumerate() {
                        let from = from as usize * width;
                        values.copy_within(from..from + width, to + k * width);
                    }
                }
                Action::Sum(sizes) => sums(*sizes, width, from[0], to, values),
            }
        }
    }
}

/// `out = op(a, b, c)`. The most common functions are loops here, without a call.
#[inline(always)]
fn apply<'v, T: Float>(op: BlockOp, [a, b, c]: [usize; 3], operand: &impl Fn(usize) -> &'v [T], out: &mut [T]) {
    // Operands that the function does not have are empty.
    let of = |k: usize, at: usize| if k < op.arity() { operand(at) } else { &[] };
    let (x, y, z) = (of(0, a), of(1, b), of(2, c));
    match op {
        BlockOp::Binary(Binary::Add) => each!(|x, y| out = x + y),
        BlockOp::Binary(Binary::Sub) => each!(|x, y| out = x - y),
        BlockOp::Binary(Binary::Mul) => each!(|x, y| out = x * y),
        BlockOp::Binary(Binary::Div) => each!(|x, y| out = x / y),
        BlockOp::Unary(Unary::Neg) => each!(|x| out = -x),
        other => compute(other, [x, y, z], out),
    }
}

/// The sums of each point, by the loop of a single point, whose order of additions depends on the sizes.
fn sums<T: Float>([outer, along, inner]: [usize; 3], width: usize, from: usize, to: usize, values: &mut [T]) {
    let (many, few) = (outer * along * inner, outer * inner);
    with_scratch(many + few, |memory: &mut [T]| {
        let (x, y) = memory.split_at_mut(many);
        for lane in 0..width {
            x.iter_mut().zip(values[from + lane..].iter().step_by(width)).for_each(|(x, value)| *x = *value);
            reduce::fold_middle::<reduce::Sum<T>>(x, [outer, along, inner], y);
            values[to + lane..].iter_mut().step_by(width).zip(&*y).for_each(|(value, y)| *value = *y);
        }
    });
}
