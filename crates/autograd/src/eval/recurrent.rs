//! The values of recurrent layers.

use super::flat;
use crate::float::{Few, Float};
use crate::kernel::recurrent::{self, Layer};
use crate::op::Cell;
use crate::tensor::Tensor;
use crate::tensor::view::Span;
use smallvec::SmallVec;

/// All steps of a layer.
pub(super) fn trace<T: Float>(cell: Cell, reverse: bool, x: &[&Tensor<T>], out: &mut [T]) {
    let (steps, batch, hidden) = (x[0].shape()[0], x[0].shape()[1], x[1].shape()[1]);
    let x: SmallVec<[Tensor<T>; 16]> = x.iter().map(|x| x.contiguous()).few();
    let x: SmallVec<[&[T]; 16]> = x.iter().map(flat).few();
    let layer = Layer { cell, reverse, steps, batch, hidden };
    recurrent::trace(layer, x[0], x[1], x[2], x[3], &x[4..], out);
}

/// The states of a trace, which are its first planes.
pub(super) fn states<T: Float>(cell: Cell, trace: &Tensor<T>) -> Tensor<T> {
    let mut spans = Span::whole(trace.shape());
    spans[0].len = cell.states();
    trace.spans(&spans)
}

/// All backward steps.
pub(super) fn vjp<T: Float>(cell: Cell, reverse: bool, x: &[&Tensor<T>], out: &mut [T]) {
    let &[_, places, batch, hidden] = x[0].shape() else { unreachable!("the shape rule checks the trace") };
    let [trace, w, lengths, g] = [0, 1, 2, 3].map(|i| x[i].contiguous());
    let layer = Layer { cell, reverse, steps: places - 1, batch, hidden };
    recurrent::vjp(layer, flat(&trace), flat(&w), flat(&lengths), flat(&g), out);
}
