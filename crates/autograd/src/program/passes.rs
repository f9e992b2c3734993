//! The passes that optimize a graph, each a function from graph to graph. In debug builds the result of each is
//! verified (`verify`). None of them depends on the number type.

use super::builder::{Builder, evaluate};
use super::constants::Evaluator;
use super::extract::is_fixed;
use super::graph::{Def, Graph};
use super::verify::verify;
use crate::error::Result;
use crate::op::Op;
use crate::tape::Inputs;

/// One pass.
struct Pass {
    name: &'static str,
    run: fn(Graph, &mut dyn Evaluator) -> Result<Graph>,
}

/// All passes, in order.
const PASSES: &[Pass] = &[
    Pass { name: "fold constants", run: fold_constants },
    Pass { name: "simplify and number", run: simplify_and_number },
    Pass { name: "drop dead nodes", run: drop_dead },
];

/// Runs all passes.
pub(super) fn optimize(graph: Graph, evaluator: &mut dyn Evaluator) -> Result<Graph> {
    verified(&graph, "extract");
    PASSES.iter().try_fold(graph, |graph, pass| {
        let graph = (pass.run)(graph, evaluator)?;
        verified(&graph, pass.name);
        Ok(graph)
    })
}

/// Panics in debug builds if a pass has left an invalid graph.
fn verified(graph: &Graph, pass: &str) {
    if cfg!(debug_assertions)
        && let Err(fault) = verify(graph)
    {
        panic!("the pass `{pass}` left an invalid graph: {fault}\n{graph}");
    }
}

/// Constant folding: evaluates what depends on no input. On a tape with values this happened during extraction.
fn fold_constants(mut graph: Graph, evaluator: &mut dyn Evaluator) -> Result<Graph> {
    for id in graph.ids() {
        let (inputs, shape) = (graph.inputs(id), graph.shape(id));
        let foldable = shape.contains(&0) || inputs.iter().all(|&input| graph.is_const(input));
        if !foldable {
            continue;
        }
        let Some(op) = graph.op(id) else { continue };
        let number = match is_fixed(&graph, &op, inputs) {
            true => evaluate(&graph, &op, inputs, shape, evaluator)?,
            false if shape.contains(&0) => evaluator.empty(shape),
            false => continue,
        };
        if number as usize == graph.constants.len() {
            graph.constants.push(evaluator.describe(number));
        }
        let shape = graph.shapes.number(&graph.constants[number as usize].shape);
        let node = &mut graph.nodes[id as usize];
        (node.def, node.inputs, node.shape) = (Def::Const(number), Inputs::new(), shape);
    }
    Ok(graph)
}

/// Algebraic simplification and common subexpression elimination, which enable each other: the graph is built again
/// (`builder`), and each node is simplified (`simplify`) and compared with the nodes before it.
fn simplify_and_number(graph: Graph, evaluator: &mut dyn Evaluator) -> Result<Graph> {
    let Graph { nodes, shapes, constants, inputs, outputs, indices } = graph;
    let empty = Graph { shapes, constants, indices, ..Graph::default() };
    let mut builder = Builder::new(empty, evaluator);
    let mut place: Vec<u32> = Vec::with_capacity(nodes.len());
    for mut node in nodes {
        node.inputs.iter_mut().for_each(|input| *input = place[*input as usize]);
        let op = match node.def {
            Def::Input => {
                place.push(builder.graph.nodes.len() as u32);
                builder.graph.nodes.push(node);
                continue;
            }
            Def::Const(number) => {
                place.push(builder.constant(number, node.line));
                continue;
            }
            Def::Unary(u) => Op::Unary(u),
            Def::Binary(b) => Op::Binary(b),
            Def::Op(op) => *op,
        };
        place.push(builder.push_shaped(op, node.inputs, node.shape, node.line)?);
    }
    Ok(renamed(builder.graph, &inputs, &outputs, &place))
}

/// Dead-code elimination: keeps the inputs and what the outputs need.
fn drop_dead(mut graph: Graph, _: &mut dyn Evaluator) -> Result<Graph> {
    let mut live = vec![false; graph.nodes.len()];
    for &id in graph.outputs.iter().chain(&graph.inputs) {
        live[id as usize] = true;
    }
    for id in graph.ids().rev() {
        if live[id as usize] {
            for &input in graph.inputs(id) {
                live[input as usize] = true;
            }
        }
    }
    let mut place = vec![u32::MAX; graph.nodes.len()];
    let mut kept = Vec::new();
    for (id, mut node) in std::mem::take(&mut graph.nodes).into_iter().enumerate() {
        if live[id] {
            node.inputs.iter_mut().for_each(|input| *input = place[*input as usize]);
            place[id] = kept.len() as u32;
            kept.push(node);
        }
    }
    graph.nodes = kept;
    let (inputs, outputs) = (std::mem::take(&mut graph.inputs), std::mem::take(&mut graph.outputs));
    Ok(renamed(graph, &inputs, &outputs, &place))
}

/// A graph with the inputs and outputs of another, whose nodes have moved to `place`.
fn renamed(mut graph: Graph, inputs: &[u32], outputs: &[u32], place: &[u32]) -> Graph {
    graph.inputs = inputs.iter().map(|&id| place[id as usize]).collect();
    graph.outputs = outputs.iter().map(|&id| place[id as usize]).collect();
    graph
}
