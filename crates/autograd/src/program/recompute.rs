//! Computes tanh again instead of keeping it. The derivative of `y = tanh x` reads both, so a forward pass would have
//! to keep two arrays for each tanh until the backward pass. Instead, the program keeps only x, and readers of y in the
//! backward pass read a second node: one more tanh per element for half of the memory.
//!
//! Runs after equal nodes have been merged, since that pass would merge the two nodes.

use super::graph::{Def, Graph};
use crate::op::{Binary, Unary};

/// The minimum size of an array, in elements, for which this pays off.
const LARGE: usize = 1 << 10;
/// How many arrays of its size must be computed in between.
const PAUSE: f64 = 16.0;
const NONE: u32 = u32::MAX;

/// Adds the second nodes.
pub(super) fn recompute(mut graph: Graph) -> Graph {
    if !graph.nodes.iter().any(|node| matches!(node.def, Def::Binary(Binary::TanhSlope))) {
        return graph;
    }
    let (from, old) = (again(&graph), std::mem::take(&mut graph.nodes));
    let mut place: Vec<u32> = Vec::with_capacity(old.len());
    let mut second = vec![NONE; old.len()];
    for mut node in old {
        for input in &mut node.inputs {
            let y = *input as usize;
            if from[y] as usize > place.len() {
                *input = place[y];
                continue;
            }
            if second[y] == NONE {
                second[y] = graph.nodes.len() as u32;
                let node = graph.nodes[place[y] as usize].clone();
                graph.kept.push(node.inputs[0]);
                graph.nodes.push(node);
            }
            *input = second[y];
        }
        place.push(graph.nodes.len() as u32);
        graph.nodes.push(node);
    }
    for ids in [&mut graph.inputs, &mut graph.outputs, &mut graph.integers] {
        ids.iter_mut().for_each(|id| *id = place[*id as usize]);
    }
    graph
}

/// What is known about the readers of a node.
#[derive(Clone, Default)]
struct Uses {
    last: u32,
    /// The number of elements computed in the longest pause between two of them.
    pause: f64,
    /// Whether the derivative is read after it.
    slope: bool,
}

/// For each node, the first reader of its second node; `NONE` if it needs none.
fn again(graph: &Graph) -> Vec<u32> {
    let mut from = vec![NONE; graph.nodes.len()];
    let mut uses = vec![Uses::default(); graph.nodes.len()];
    // Up to and with each node.
    let mut computed: Vec<f64> = Vec::with_capacity(graph.nodes.len());
    for id in graph.ids() {
        let node = graph.node(id);
        let elements = if node.def.is_computed() { graph.size(id) as f64 } else { 0.0 };
        computed.push(computed.last().unwrap_or(&0.0) + elements);
        for &y in &node.inputs {
            if !matches!(graph.node(y).def, Def::Unary(Unary::Tanh)) {
                continue;
            }
            let uses = &mut uses[y as usize];
            let pause = computed[id as usize] - computed[uses.last.max(y) as usize];
            if pause > uses.pause {
                (uses.pause, uses.slope, from[y as usize]) = (pause, false, id);
            }
            uses.last = id;
            uses.slope |= matches!(node.def, Def::Binary(Binary::TanhSlope)) && node.inputs[0] == graph.inputs(y)[0];
        }
    }
    for y in graph.ids() {
        let (Uses { pause, slope, .. }, size) = (&uses[y as usize], graph.size(y));
        // The values of outputs stay in memory anyway.
        if !slope || size < LARGE || *pause < PAUSE * size as f64 || graph.outputs.contains(&y) {
            from[y as usize] = NONE;
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use crate::{Program, Rng, Tape, Tensor};

    /// `steps` times h ← tanh(h W), and the gradient in W: recorded, and as a program.
    fn recurrence(steps: usize) -> ([Tensor<f64>; 2], Program<f64>) {
        let mut rng = Rng::new(0);
        let [w, h] = [[32, 32], [40, 32]].map(|shape| Tensor::<f64>::randn(&shape, &mut rng) * 0.5);
        let tape = Tape::new();
        let (w, h) = (tape.var(w), tape.constant(h));
        let y = (0..steps).fold(h, |h, _| h.matmul(w).tanh()).sum();
        let outputs = [y, y.grad(&[w])[0]];
        (outputs.map(|y| y.value()), Program::new(&tape, &[w], &outputs))
    }

    #[test]
    fn a_long_recurrence_keeps_one_array_a_step() {
        let steps = 60;
        let (recorded, mut program) = recurrence(steps);
        let text = program.to_string();
        let arrays = text.rsplit(" bytes").nth(1).and_then(|text| text.rsplit(' ').next()).unwrap();
        let arrays = arrays.parse::<usize>().unwrap() as f64 / (40.0 * 32.0 * 8.0);
        assert!(arrays < 1.3 * steps as f64, "{arrays} arrays\n{text}");
        let mut rng = Rng::new(0);
        let w = Tensor::<f64>::randn(&[32, 32], &mut rng) * 0.5;
        assert_eq!(program.run(&[&w]).unwrap(), recorded);
    }

    #[test]
    fn a_short_one_computes_nothing_again() {
        let (_, program) = recurrence(3);
        assert_eq!(program.to_string().matches("tanh ").count(), 3, "{program}");
    }
}
