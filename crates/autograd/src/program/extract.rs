//! The part of a tape that leads from the inputs of a program to its outputs, as a graph. What depends on no input
//! becomes a constant: its value is on the tape, unless the tape is a sketch.

use super::constants::{Constants, Evaluator};
use super::graph::{Def, Graph};
use crate::float::Float;
use crate::op::Op;
use crate::tape::{Inputs, Tape};
use crate::tensor::Tensor;

/// Extracts what leads from `inputs` to `outputs`, given by their ids on the tape.
pub(super) fn extract<T: Float>(
    tape: &Tape<T>,
    inputs: &[u32],
    outputs: &[u32],
    indices: Vec<Tensor<i64>>,
) -> (Graph, Constants<T>) {
    let list = tape.filled(0..tape.len() as u32);
    let mut constants = Constants::new(list.rules());
    let mut graph = Graph { indices, ..Graph::default() };
    let end = inputs.iter().chain(outputs).max().map_or(0, |&last| last + 1);
    let live = live(end, inputs, outputs, &|id| list.inputs(id));
    // The graph node of each tape node.
    let mut place = vec![u32::MAX; end as usize];
    for &id in inputs {
        let node = graph.add(Def::Input, Inputs::new(), &list.shape(id), list.line(id));
        graph.inputs.push(node);
        place[id as usize] = node;
    }
    for id in 0..end {
        if !live[id as usize] || place[id as usize] != u32::MAX {
            continue;
        }
        let (op, line, value) = (list.op(id), list.line(id), list.value(id));
        let mut from = Inputs::new();
        for &input in list.inputs(id) {
            from.push(place[input as usize]);
        }
        let known = match op {
            Op::Leaf | Op::Const => true,
            _ => !list.sketch && (value.is_empty() || is_fixed(&graph, &op, &from)),
        };
        place[id as usize] = if known {
            let number = constants.add(value.clone());
            if number as usize == graph.constants.len() {
                graph.constants.push(constants.describe(number));
            }
            graph.add(Def::Const(number), Inputs::new(), value.shape(), line)
        } else {
            graph.add(Def::of(op), from, value.shape(), line)
        };
    }
    graph.outputs = outputs.iter().map(|&id| place[id as usize]).collect();
    (graph, constants)
}

/// Whether an op has the same value in every run.
pub(super) fn is_fixed(graph: &Graph, op: &Op, inputs: &[u32]) -> bool {
    inputs.iter().all(|&i| graph.is_const(i)) && graph.index_input(op).is_none()
}

/// Which of the first `end` nodes of the tape the outputs need, apart from what only the inputs need.
fn live<'l>(end: u32, inputs: &[u32], outputs: &[u32], reads: &dyn Fn(u32) -> &'l [u32]) -> Vec<bool> {
    let mut live = vec![false; end as usize];
    let mut is_input = live.clone();
    for &id in outputs {
        live[id as usize] = true;
    }
    for &id in inputs {
        (live[id as usize], is_input[id as usize]) = (true, true);
    }
    for id in (0..end).rev() {
        if live[id as usize] && !is_input[id as usize] {
            for &input in reads(id) {
                live[input as usize] = true;
            }
        }
    }
    live
}
