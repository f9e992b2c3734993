//! The part of a tape that leads from the inputs of a program to its outputs, as a graph. Nodes that depend on no input
//! become constants: their values are on the tape, unless it is a sketch.

use super::constants::{Constants, Evaluator};
use super::graph::{Def, Graph};
use crate::float::Float;
use crate::op::{IntOp, Op};
use crate::tape::{Inputs, Tape};

/// Extracts what leads from `inputs` and `integers` to `outputs`, all given by their ids on the tape.
pub(super) fn extract<T: Float>(
    tape: &Tape<T>,
    inputs: &[u32],
    outputs: &[u32],
    integers: &[u32],
) -> (Graph, Constants<T>) {
    let list = tape.filled(0..tape.len() as u32);
    let mut constants = Constants::new(list.rules());
    let mut graph = Graph::default();
    let given: Vec<u32> = inputs.iter().chain(integers).copied().collect();
    let end = given.iter().chain(outputs).max().map_or(0, |&last| last + 1);
    let reads = |id| list.op(id).computed_from(list.inputs(id));
    let live = live(end, &given, outputs, &reads);
    // The graph node of each tape node.
    let mut place = vec![u32::MAX; end as usize];
    for (k, &id) in given.iter().enumerate() {
        let node = graph.add(Def::Input, Inputs::new(), &list.shape(id), list.line(id));
        if k < inputs.len() { &mut graph.inputs } else { &mut graph.integers }.push(node);
        place[id as usize] = node;
    }
    for id in 0..end {
        if !live[id as usize] || place[id as usize] != u32::MAX {
            continue;
        }
        let (op, line, value) = (list.op(id), list.line(id), list.value(id));
        let mut from = Inputs::new();
        // What only derivatives depend on is not computed.
        for &input in op.computed_from(list.inputs(id)) {
            from.push(place[input as usize]);
        }
        // Integers that are the same in every run are part of the op.
        let op = match op.operands(&from).1 {
            Some(&node) if graph.is_const(node) => {
                from.pop();
                op
            }
            Some(_) => op.without_integers(),
            None => op,
        };
        let known = match op {
            Op::Leaf | Op::Const | Op::Integers { from: IntOp::Given, .. } => true,
            Op::Integers { .. } => list.is_known(id) && is_fixed(&graph, &from),
            _ => list.is_known(id) && (value.is_empty() || is_fixed(&graph, &from)),
        };
        place[id as usize] = if known {
            let number = constants.add(value.clone());
            if number as usize == graph.constants.len() {
                graph.constants.push(constants.describe(number));
            }
            graph.add(Def::Const(number), Inputs::new(), value.shape(), line)
        } else {
            graph.add(
                Def::of(if let Op::Integers { .. } = op { op.without_integers() } else { op }),
                from,
                value.shape(),
                line,
            )
        };
    }
    graph.outputs = outputs.iter().map(|&id| place[id as usize]).collect();
    (graph, constants)
}

/// Whether an op of these inputs has the same value in every run.
pub(super) fn is_fixed(graph: &Graph, inputs: &[u32]) -> bool {
    inputs.iter().all(|&i| graph.is_const(i))
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
