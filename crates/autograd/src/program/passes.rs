//! The passes that optimize a graph, each a function from graph to graph. In debug builds the result of each is
//! verified (`verify`). None of them depends on the number type.

use super::builder::{Builder, evaluate};
use super::constants::Evaluator;
use super::extract::is_fixed;
use super::graph::{Def, Graph};
use super::recompute::recompute;
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
    Pass { name: "recompute", run: |graph, _| Ok(recompute(graph)) },
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

/// Constant folding: evaluates nodes that depend on no input. On a tape with values this happened during extraction.
fn fold_constants(mut graph: Graph, evaluator: &mut dyn Evaluator) -> Result<Graph> {
    for id in graph.ids() {
        let (inputs, shape) = (graph.inputs(id), graph.shape(id));
        let foldable = shape.contains(&0) || inputs.iter().all(|&input| graph.is_const(input));
        if !foldable {
            continue;
        }
        let Some(op) = graph.op(id).filter(|op| !matches!(op, Op::Integers { .. })) else { continue };
        let number = match is_fixed(&graph, inputs) {
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
    let Graph { nodes, shapes, constants, inputs, outputs, integers, .. } = graph;
    let empty = Graph { shapes, constants, ..Graph::default() };
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
    Ok(renamed(builder.graph, [&inputs, &outputs, &integers], &place))
}

/// Dead-code elimination: keeps the inputs and what the outputs need.
fn drop_dead(mut graph: Graph, _: &mut dyn Evaluator) -> Result<Graph> {
    let mut live = vec![false; graph.nodes.len()];
    for &id in graph.outputs.iter().chain(&graph.inputs).chain(&graph.integers) {
        live[id as usize] = true;
    }
    for id in graph.ids().rev() {
        if live[id as usize] {
            for &input in graph.inputs(id) {
                live[input as usize] = true;
            }
        }
    }
    // In place, since memory traffic limits the compilation of a long program.
    let mut place = vec![u32::MAX; graph.nodes.len()];
    let mut kept = 0;
    for id in 0..live.len() {
        if live[id] {
            graph.nodes.swap(kept, id);
            graph.nodes[kept].inputs.iter_mut().for_each(|input| *input = place[*input as usize]);
            place[id] = kept as u32;
            kept += 1;
        }
    }
    graph.nodes.truncate(kept);
    let ends = [&graph.inputs, &graph.outputs, &graph.integers].map(Clone::clone);
    Ok(renamed(graph, ends.each_ref(), &place))
}

/// A graph with the inputs, outputs and integer inputs of another, whose nodes have moved to `place`.
fn renamed(mut graph: Graph, ends: [&Vec<u32>; 3], place: &[u32]) -> Graph {
    [graph.inputs, graph.outputs, graph.integers] = ends.map(|ids| ids.iter().map(|&id| place[id as usize]).collect());
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::extract::extract;
    use crate::{Tape, Var, tensor};

    /// The graph of a function of a vector, recorded on a tape, before and after all passes.
    fn printed(tape: Tape<f64>, f: fn(Var<'_, f64>) -> Var<'_, f64>) -> [String; 2] {
        let x = tape.var(tensor![1.0, 2.0]);
        let (graph, mut constants) = extract(&tape, &[x.id], &[f(x).id], &[]);
        let before = graph.to_string();
        [before, optimize(graph, &mut constants).unwrap().to_string()]
    }

    #[test]
    fn a_sketch_folds_constants_where_a_tape_has_their_values() {
        fn f(x: Var<'_, f64>) -> Var<'_, f64> {
            x * x.tape().constant(4.0).sqrt()
        }
        let folded = "%0 = input  [2]\n%1 = constant 2  []\n%2 = mul %0 %1  [2]\noutputs %2\n";
        for (tape, known) in [(Tape::new(), true), (Tape::sketch(), false)] {
            let [before, after] = printed(tape, f);
            assert_eq!(before.contains("= sqrt"), !known, "{before}");
            assert_eq!(after, folded);
        }
    }

    #[test]
    fn equal_nodes_are_merged_after_they_are_simplified() {
        let [before, after] = printed(Tape::new(), |x| (x - -x.sin()) * (x * 1.0 + x.sin()));
        assert_eq!(before.matches("= sin").count(), 2, "{before}");
        assert_eq!(after, "%0 = input  [2]\n%1 = sin %0  [2]\n%2 = add %0 %1  [2]\n%3 = mul %2 %2  [2]\noutputs %3\n");
    }

    #[test]
    fn the_operands_of_a_sum_or_product_have_no_order() {
        let [_, after] = printed(Tape::new(), |x| {
            let y = x.sin();
            (x * y + y) * (y + y * x) + (y - x) * (x - y)
        });
        assert_eq!(after.matches("= mul").count(), 3, "{after}");
        assert_eq!(after.matches("= sub").count(), 2, "{after}");
    }

    #[test]
    fn what_only_simplified_nodes_read_is_dropped() {
        let [before, after] = printed(Tape::new(), |x| -(-x.exp()) / 1.0);
        assert_eq!(before.matches("= neg").count(), 2, "{before}");
        assert_eq!(after, "%0 = input  [2]\n%1 = exp %0  [2]\noutputs %1\n");
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "the pass `extract` left an invalid graph")]
    fn an_invalid_graph_is_not_optimized() {
        let tape = Tape::<f64>::new();
        let x = tape.var(tensor![1.0, 2.0]);
        let (mut graph, mut constants) = extract(&tape, &[x.id], &[x.id], &[]);
        graph.outputs = vec![7];
        _ = optimize(graph, &mut constants);
    }
}
