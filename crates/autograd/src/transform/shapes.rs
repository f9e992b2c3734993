//! Shapes and orders of axes put together. Not generic, so that they are compiled once.

use crate::tensor::Shape;

/// One shape after another.
pub(super) fn joined(parts: &[&[usize]]) -> Shape {
    let mut shape = Shape::new();
    parts.iter().for_each(|part| shape.extend_from_slice(part));
    shape
}

/// A shape with an axis of `n` in front.
pub(super) fn ahead(n: usize, shape: &[usize]) -> Shape {
    joined(&[&[n], shape])
}

/// The order of the axes with another axis in front of all.
pub(super) fn behind(order: &[usize]) -> Shape {
    let mut all = ahead(0, order);
    all[1..].iter_mut().for_each(|axis| *axis += 1);
    all
}

/// The order of axes that moves `len` adjacent ones, from `from`, to where the first of them ends up at `to`.
pub(super) fn moved(rank: usize, from: usize, len: usize, to: usize) -> Shape {
    let mut order = joined(&[]);
    (0..rank).filter(|i| !(from..from + len).contains(i)).for_each(|i| order.push(i));
    order.insert_many(to, from..from + len);
    order
}
