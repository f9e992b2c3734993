//! Matrix products that accumulate in place: `C = s C + A B` is a single pass over `C`, and the product itself is never
//! stored. Used for a gradient that is added to another gradient, or to a momentum that dies with it.

use crate::float::Precision;
use crate::kernel::gemm;
use crate::op::{Binary, Op};
use crate::program::graph::{Def, Graph};

/// A product of a cluster that is added to an operand.
pub(super) struct Onto {
    /// The operand that the sum is written over, and its factor in the sum.
    pub(super) old: u32,
    pub(super) keep: f64,
    pub(super) sum: u32,
    /// The operand times its factor, which the product computes too, if the factor is a node.
    scaled: Option<u32>,
}

impl Onto {
    /// Whether the product computes an elementwise node of its cluster.
    pub(super) fn computes(&self, id: u32) -> bool {
        id == self.sum || Some(id) == self.scaled
    }
}

/// The transposition flags of a matrix product, and what its operands are rounded to.
pub(super) fn flags(g: &Graph, product: u32) -> ([bool; 2], Precision) {
    match g.structured(product) {
        Some(Op::MatMul { ta, tb, precision }) => ([*ta, *tb], *precision),
        _ => unreachable!("a product is a matrix product"),
    }
}

/// How a product can be added to an operand with the same bits as separate steps. `nodes` are the elementwise nodes of
/// its cluster, `whole` those that are stored, and `in_place` the operand that each of these may be written over.
pub(super) fn find(g: &Graph, product: u32, nodes: &[u32], whole: &[u32], in_place: &[Option<u32>]) -> Option<Onto> {
    let ([ta, _], _) = flags(g, product);
    let [.., m, n] = g.shape(product)[..] else { return None };
    let [.., rows, columns] = g.shape(g.inputs(product)[0])[..] else { return None };
    if m == 1 || n == 1 || !gemm::is_one_block(if ta { rows } else { columns }) {
        return None;
    }
    let sum = only_reader(g, nodes, product)?;
    let old = in_place[whole.iter().position(|&id| id == sum)?]?;
    let added = other_operand(g, Binary::Add, sum, product)?;
    let reader = only_reader(g, nodes, old)?;
    if added == old {
        return Some(Onto { old, keep: 1.0, sum, scaled: None });
    }
    if added != reader || only_reader(g, nodes, added) != Some(sum) || whole.contains(&added) {
        return None;
    }
    let factor = other_operand(g, Binary::Mul, added, old)?;
    Some(Onto { old, keep: g.uniform(factor)?, sum, scaled: Some(added) })
}

/// The node that reads `id`, if there is just one among `nodes`.
fn only_reader(g: &Graph, nodes: &[u32], id: u32) -> Option<u32> {
    let mut readers = nodes.iter().copied().filter(|&node| g.inputs(node).contains(&id));
    let first = readers.next()?;
    if readers.next().is_none() { Some(first) } else { None }
}

/// The operand of a binary function that is not `id`, if the other one is.
fn other_operand(g: &Graph, f: Binary, node: u32, id: u32) -> Option<u32> {
    let (Def::Binary(found), &[a, b]) = (&g.node(node).def, g.inputs(node)) else { return None };
    match (a == id, b == id) {
        (true, false) if *found == f => Some(b),
        (false, true) if *found == f => Some(a),
        _ => None,
    }
}
