//! The values of attention and of its cotangents: finds the matrices of each head.

use super::product::{matrices, walkable};
use crate::float::{Few, Float};
use crate::kernel::attention::{self, Head, Sizes};
use crate::kernel::gemm::Mat;
use crate::op::Op;
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// Writes the value of one of these ops to `out`.
pub(super) fn eval<T: Float>(op: &Op, x: &[&Tensor<T>], out: &mut [T]) {
    let (&Op::Attention { scale, causal, precision } | &Op::AttentionVjp { scale, causal, precision }) = op else {
        unreachable!("{} is no attention", op.name())
    };
    let x: SmallVec<[Tensor<T>; 16]> = x.iter().map(|x| walkable(x)).few();
    let (operands, g) = match (op, x.as_slice()) {
        (Op::AttentionVjp { .. }, [operands @ .., g]) => (operands, Some(g)),
        (_, operands) => (operands, None),
    };
    let [batch @ .., queries, width] = operands[0].shape() else { unreachable!("queries are matrices") };
    let &[.., keys, values] = operands[2].shape() else { unreachable!("values are matrices") };
    let (queries, width, heads) = (*queries, *width, batch.iter().product());
    // A mask may have fewer axes than the scores, and axes of size 1.
    let scores = [batch, &[queries, keys]].concat();
    let mask = operands.get(3).map(|mask| mask.broadcast_view(&scores));
    let all = |x| nth(x, batch);
    let (q, k, v, mask) = (all(&operands[0]), all(&operands[1]), all(&operands[2]), mask.as_ref().map(all));
    let head = |i: usize| Head { q: q(i), k: k(i), v: v(i), mask: mask.as_ref().map(|mask| mask(i)) };
    let sizes = Sizes { heads, queries, keys, width, values, scale, precision, causal };
    match g.map(all) {
        None => attention::output(&sizes, &head, out),
        Some(g) => attention::cotangents(&sizes, &head, &g, out),
    }
}

/// The matrix of each head.
fn nth<'a, T: Float>(x: &'a Tensor<T>, batch: &'a [usize]) -> impl Fn(usize) -> Mat<'a, T> + Sync {
    let all = matrices(x, false, batch);
    move |i| all.nth(batch, i)
}
