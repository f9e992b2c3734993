//! The invariants of a graph, which every pass may assume and must preserve.

use super::graph::{Def, Graph};
use crate::op::{Op, shape};

/// Checks that inputs precede their readers, that shapes agree with the shape rule, that every constant and every shape
/// exists, and that the inputs and outputs of the program are nodes; otherwise says what is wrong.
pub(super) fn verify(g: &Graph) -> Result<(), String> {
    for id in g.ids() {
        let node = g.node(id);
        if let Some(input) = node.inputs.iter().find(|&&input| input >= id) {
            return Err(format!("%{id} reads %{input}, which does not precede it"));
        }
        if !g.shapes.has(node.shape) {
            return Err(format!("%{id} has no shape"));
        }
        let expected = match &node.def {
            Def::Input => continue,
            Def::Const(number) => match g.constants.get(*number as usize) {
                Some(constant) => constant.shape.clone(),
                None => return Err(format!("%{id} is a constant that does not exist")),
            },
            // Only a user's rule knows its shape.
            Def::Op(op) if matches!(**op, Op::Custom { .. }) => continue,
            _ => {
                let op = g.op(id).expect("it is computed");
                let inferred = shape::infer_from(&op, &g.input_shapes(&node.inputs), true);
                inferred.map_err(|error| format!("%{id} is invalid: {error}"))?
            }
        };
        if *g.shape(id) != expected {
            let (found, expected) = (g.shape(id).as_slice(), expected.as_slice());
            return Err(format!("%{id} has shape {found:?}, but its op gives {expected:?}"));
        }
    }
    for &id in g.inputs.iter().chain(&g.integers) {
        if id as usize >= g.nodes.len() || !matches!(g.node(id).def, Def::Input) {
            return Err(format!("input %{id} is no input node"));
        }
    }
    match g.outputs.iter().find(|&&id| id as usize >= g.nodes.len()) {
        Some(id) => Err(format!("output %{id} does not exist")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Binary, Unary};
    use smallvec::smallvec;

    /// `exp(x) * x` for a vector.
    fn graph() -> Graph {
        let line = std::panic::Location::caller();
        let mut g = Graph::default();
        let x = g.add(Def::Input, smallvec![], &[3], line);
        let y = g.add(Def::Unary(Unary::Exp), smallvec![x], &[3], line);
        let z = g.add(Def::Binary(Binary::Mul), smallvec![y, x], &[3], line);
        (g.inputs, g.outputs) = (vec![x], vec![z]);
        g
    }

    #[test]
    fn a_graph_prints_one_node_per_line() {
        assert_eq!(graph().to_string(), "%0 = input  [3]\n%1 = exp %0  [3]\n%2 = mul %1 %0  [3]\noutputs %2\n");
    }

    #[test]
    fn every_kind_of_damage_is_found() {
        assert_eq!(verify(&graph()), Ok(()));
        let damaged = |damage: fn(&mut Graph)| {
            let mut g = graph();
            damage(&mut g);
            verify(&g).unwrap_err()
        };
        assert!(damaged(|g| g.nodes.swap(1, 2)).contains("does not precede"));
        assert!(damaged(|g| g.nodes[1].inputs = smallvec![7]).contains("does not precede"));
        assert!(damaged(|g| g.nodes[2].shape = g.shapes.number(&[4])).contains("its op gives"));
        assert!(damaged(|g| g.nodes[1].shape = 9).contains("no shape"));
        assert!(damaged(|g| g.nodes[1].inputs = smallvec![]).contains("invalid"));
        assert!(damaged(|g| g.nodes[1].def = Def::Const(0)).contains("does not exist"));
        assert!(damaged(|g| g.inputs = vec![1]).contains("no input node"));
        assert!(damaged(|g| g.outputs = vec![3]).contains("does not exist"));
    }
}
