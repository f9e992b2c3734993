//! Decompositions of matrices with coinciding values: eigenvalues, singular values, or a singular value and 0. A
//! derivative through their vectors is a limit, which depends on how cotangents change as the values split. Only
//! recorded cotangents provide that, so where values coincide, derivatives are recorded even if only their numbers are
//! needed, and then removed from the tape.

use super::forward;
use super::gradients::Gradients;
use super::source::{Mark, reaching};
use crate::float::{Float, Real};
use crate::op::{Binary, Factor, Op};
use crate::rules::split;
use crate::tape::{Code, List, Var};
use crate::tensor::Tensor;
use smallvec::{SmallVec, smallvec};

/// See [`Swept::changes`](super::Swept::changes).
pub(super) fn changes<'t, T: Float>(g: Var<'t, T>, y: Var<'t, T>) -> SmallVec<[Var<'t, T>; 2]> {
    let direction = g.tape.constant(split(&y.shape()));
    let Ok(moved) = forward::recorded("grad", g, &[(y, direction)]) else { return SmallVec::new() };
    let moved = moved.unwrap_or_else(|| g.tape.constant(Tensor::zeros(&g.shape())));
    if is_of_values(g) { smallvec![moved] } else { smallvec![moved, moved] }
}

/// Whether a cotangent of a decomposition was recorded as one of its first row, where the values are.
fn is_of_values<T: Float>(g: Var<'_, T>) -> bool {
    let mut terms: SmallVec<[Var<T>; 16]> = smallvec![g];
    while let Some(term) = terms.pop() {
        match term.op() {
            Op::Place { spans, .. } if spans[spans.len() - 2].len == 1 && spans[spans.len() - 2].start == 0 => (),
            Op::Binary(Binary::Add) => terms.extend(term.inputs()),
            _ => return false,
        }
    }
    true
}

/// Whether `root` depends on one of the variables through a decomposition.
pub(super) fn passes_decomposition<'t, T: Float>(root: Var<'t, T>, directions: &[(Var<'t, T>, Var<'t, T>)]) -> bool {
    let list = root.tape.list();
    if !list.has_decompositions() {
        return false;
    }
    let x: Vec<Var<T>> = directions.iter().map(|(x, _)| *x).collect();
    let marks = forward::between(&list, root.id, &x);
    let found = |id: u32| list.node(id).0 == Code::Structured && list.structured(id).op.decomposes();
    (0..=root.id).any(|id| marks[id as usize] == Mark::Passes && found(id))
}

/// The derivative of a scalar along the directions, recorded from the gradient. Returns `None` if there are no directions.
pub(super) fn slope<'t, T: Float>(root: Var<'t, T>, directions: &[(Var<'t, T>, Var<'t, T>)]) -> Option<Var<'t, T>> {
    let x: Vec<Var<T>> = directions.iter().map(|(x, _)| *x).collect();
    let shape = root.shape();
    let gradients = root.grad_with(root.tape.constant(Tensor::full(&shape, T::one())), &x, false);
    let parts = gradients.iter().zip(directions).map(|(g, (_, t))| (*g * *t).sum());
    parts.reduce(|a, b| a + b).map(|sum| sum.reshape(&shape))
}

/// Whether derivatives of `root` with respect to `x`, or to all variables, pass through the vectors of a decomposition
/// with coinciding values.
pub(super) fn meets<T: Float>(root: Var<'_, T>, x: Option<&[Var<'_, T>]>) -> bool {
    if !root.tape.list().has_decompositions() {
        return false;
    }
    let list = root.tape.list();
    let marks = x.map(|x| reaching(&list, root.id, x));
    let passes = |id: u32| marks.as_ref().map_or_else(|| list.active(id), |marks| marks[id as usize] != Mark::Skip);
    let mut leads = vec![false; root.id as usize + 1];
    leads[root.id as usize] = true;
    for id in (0..=root.id).rev().filter(|&id| passes(id)) {
        if !leads[id as usize] {
            continue;
        }
        for &input in list.inputs(id) {
            leads[input as usize] = true;
            if passes(input) && is_tied(&list, input) && reads_vectors(&list.op(id)) {
                return true;
            }
        }
    }
    false
}

/// Whether cotangents of the vectors of a decomposition may come from an op that reads it.
fn reads_vectors(op: &Op) -> bool {
    match op {
        Op::Slice { spans } => spans[spans.len() - 2].start > 0 || spans[spans.len() - 2].len > 1,
        Op::Linalg(Factor::EighVjp | Factor::SvdVjp) => false,
        _ => true,
    }
}

/// Whether a node is a decomposition with values that coincide up to half of their digits.
fn is_tied<T: Float>(list: &List<T>, id: u32) -> bool {
    if list.node(id).0 != Code::Structured || !list.structured(id).op.decomposes() {
        return false;
    }
    let singular = list.structured(id).op == Op::Linalg(Factor::Svd);
    let y = list.value(id);
    let &[.., rows, count] = y.shape() else { unreachable!("a decomposition has two axes") };
    let all: Vec<T> = y.iter().collect();
    let near = |bound: T, a: T, b: T| Real::abs(a - b) <= bound;
    all.chunks_exact((rows * count).max(1)).any(|y| {
        let values = &y[..count];
        let largest = values.iter().fold(T::zero(), |a, &b| Real::max(a, Real::abs(b)));
        let bound = largest * T::of((count as f64 * T::EPSILON.f64()).sqrt());
        let zero = singular && values.last().is_some_and(|&last| near(bound, last, T::zero()));
        zero || values.windows(2).any(|pair| near(bound, pair[0], pair[1]))
    })
}

/// Sweeps over variables, and puts their values into `out`.
pub(super) fn reverse<'t, T: Float>(
    root: Var<'t, T>,
    seed: Tensor<T>,
    x: Option<&[Var<'t, T>]>,
    out: &mut Gradients<T>,
) {
    let before = root.tape.extent();
    let leaves = || root.tape.vars().take(root.id() + 1).filter(|v| v.op() == Op::Leaf).collect();
    let mut x: Vec<Var<T>> = x.map_or_else(leaves, <[_]>::to_vec);
    x.sort_unstable_by_key(|x| x.id);
    x.dedup_by_key(|x| x.id);
    let marks = reaching(&root.tape.list(), root.id, &x);
    let seed = root.tape.constant(seed);
    let gradients = root.grad_with(seed, &x, false);
    out.entries.clear();
    out.stamp = root.tape.list().stamp;
    let found = x.iter().zip(gradients).filter(|(x, _)| x.id <= root.id && marks[x.id as usize] != Mark::Skip);
    out.entries.extend(found.map(|(x, g)| (x.id, g.peek())));
    root.tape.rewind(before);
}

/// The tangent of `root`, from derivatives of the gradient, which is linear in the cotangent of `root`.
pub(super) fn tangent<'t, T: Float>(root: Var<'t, T>, directions: &[(Var<'t, T>, Tensor<T>)]) -> Tensor<T> {
    let before = root.tape.extent();
    let cotangent = root.tape.var(Tensor::ones(&root.shape()));
    let x: Vec<Var<T>> = directions.iter().map(|(x, _)| *x).collect();
    let gradients = root.grad_with(cotangent, &x, false);
    let parts = gradients.iter().zip(directions).map(|(g, (_, t))| (*g * g.tape.constant(t.clone())).sum());
    let tangent = match parts.reduce(|a, b| a + b) {
        Some(along) => along.grad_with(along.tape.constant(T::one()), &[cotangent], false)[0].peek(),
        None => Tensor::zeros(&root.shape()),
    };
    root.tape.rewind(before);
    tangent
}
