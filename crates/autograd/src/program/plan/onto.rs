//! Matrix products that accumulate in place: `C = s C + A B` is a single pass over `C`, and the product itself is never
//! stored. Used for a gradient that is added to another gradient, or to a momentum that dies with it.

use crate::float::Float;
use crate::kernel::gemm;
use crate::op::{Binary, Op};
use crate::program::graph::{Act, Graph};
use smallvec::{SmallVec, smallvec};

/// A product of a cluster that is added to an operand.
pub(super) struct Onto<T> {
    /// The operand that the sum is written over, and its factor in the sum.
    pub(super) old: u32,
    pub(super) keep: T,
    pub(super) sum: u32,
    /// The elementwise nodes that the product computes: the sum, and the operand times its factor.
    pub(super) done: SmallVec<[u32; 2]>,
}

/// The transposition flags of a matrix product.
pub(super) fn flags<T: Float>(g: &Graph<T>, product: u32) -> Option<[bool; 2]> {
    match g.op(product)? {
        Op::MatMul { ta, tb } => Some([ta, tb]),
        _ => None,
    }
}

/// How a product can be added to an operand with the same bits as separate steps. `maps` are the elementwise nodes of
/// its cluster, `whole` those that are stored, and `in_place` the operand that each of these may be written over.
pub(super) fn find<T: Float>(
    g: &Graph<T>,
    product: u32,
    maps: &[u32],
    whole: &[u32],
    in_place: &[Option<u32>],
) -> Option<Onto<T>> {
    let [ta, _] = flags(g, product)?;
    let [.., m, n] = g.shape(product)[..] else { return None };
    let [.., rows, columns] = g.shape(g.nodes[product as usize].inputs[0])[..] else { return None };
    if m == 1 || n == 1 || !gemm::is_one_block(if ta { rows } else { columns }) {
        return None;
    }
    let only_reader = |id: u32| {
        let mut readers = maps.iter().copied().filter(|&map| g.nodes[map as usize].inputs.contains(&id));
        readers.next().filter(|_| readers.next().is_none())
    };
    let operands = |id: u32, f: Binary| match (&g.nodes[id as usize].act, &g.nodes[id as usize].inputs[..]) {
        (Act::Binary(op), &[a, b]) if *op == f => Some([a, b]),
        _ => None,
    };
    let sum = only_reader(product)?;
    let old = in_place[whole.iter().position(|&id| id == sum)?]?;
    let added = other(operands(sum, Binary::Add)?, product)?;
    let reader = only_reader(old)?;
    if added == old {
        return Some(Onto { old, keep: T::one(), sum, done: smallvec![sum] });
    }
    let alone = added == reader && only_reader(added) == Some(sum) && !whole.contains(&added);
    let factor = other(operands(added, Binary::Mul)?, old).filter(|_| alone)?;
    Some(Onto { old, keep: g.uniform(factor)?, sum, done: smallvec![sum, added] })
}

/// The one of two that is not `id`.
fn other([a, b]: [u32; 2], id: u32) -> Option<u32> {
    match (a == id, b == id) {
        (true, false) => Some(b),
        (false, true) => Some(a),
        _ => None,
    }
}
