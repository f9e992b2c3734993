//! The values of ops that move windows over images: converts shapes and views into the plain sizes and slices that
//! kernels take.

use super::flat;
use crate::float::Float;
use crate::kernel::{conv, pool};
use crate::op::{Geometry, Op, Panes, Window};
use crate::tensor::Tensor;

/// Writes the value of one of these ops to `out`; `shape` is the result of the shape rule.
pub(super) fn eval<T: Float>(op: &Op, x: [&Tensor<T>; 2], shape: &[usize], out: &mut [T]) {
    if x.iter().any(|x| x.is_empty()) {
        return out.fill(T::zero());
    }
    // Max pooling passes the same tensor twice, which then needs to be made contiguous only once.
    let own = x[0].raw().0.as_ptr() == x[1].raw().0.as_ptr() && x[0].shape() == x[1].shape();
    let own = own && x[0].strides() == x[1].strides() && x[0].raw().1 == x[1].raw().1;
    let first = x[0].contiguous();
    let second = if own { first.clone() } else { x[1].contiguous() };
    let (a, b) = (flat(&first), flat(&second));
    match op {
        Op::Conv { geometry } => {
            let sizes = sizes(geometry, x[0].shape(), shape);
            conv::rounded(&sizes, sizes.is_pointwise(), [a, b], &mut |x, w| conv::output(&sizes, x, w, out));
        }
        Op::ConvTranspose { geometry, .. } => {
            let sizes = sizes(geometry, shape, x[0].shape());
            conv::rounded(&sizes, sizes.is_pointwise(), [a, b], &mut |g, w| conv::input(&sizes, g, w, out));
        }
        Op::ConvWeight { geometry } => {
            let sizes = sizes(geometry, x[0].shape(), x[1].shape());
            conv::rounded(&sizes, false, [a, b], &mut |x, g| conv::weight(&sizes, x, g, out));
        }
        Op::MaxPool { panes } => on_planes(panes, x[0].shape(), |planes| pool::pick(planes, a, b, out)),
        Op::MaxUnpool { panes } => on_planes(panes, x[0].shape(), |planes| pool::pick_add(planes, a, b, out)),
        _ => unreachable!("not a window op"),
    }
}

/// The sizes of a convolution from images of shape `x` to images of shape `y`, padded to three spatial axes.
fn sizes(geometry: &Geometry, x: &[usize], y: &[usize]) -> conv::Sizes {
    const POINT: Window = Window { kernel: 1, stride: 1, padding: 0, dilation: 1 };
    let missing = 3 - geometry.windows.len();
    let window = |i: usize| i.checked_sub(missing).map_or(POINT, |i| geometry.windows[i]);
    let size = |shape: &[usize], i: usize| i.checked_sub(missing).map_or(1, |i| shape[2 + i]);
    conv::Sizes {
        images: x[0],
        groups: geometry.groups,
        precision: geometry.precision,
        channels: [x[1] / geometry.groups, y[1] / geometry.groups],
        axes: [0, 1, 2].map(|i| {
            let Window { kernel, stride, padding, dilation } = window(i);
            conv::Axis { input: size(x, i), output: size(y, i), kernel, stride, padding, dilation }
        }),
    }
}

/// Calls `f` with the windows, padded to three axes.
fn on_planes(panes: &Panes, x: &[usize], f: impl FnOnce(&pool::Planes)) {
    let point = [crate::tensor::view::Span { start: 0, len: 1, step: 1 }];
    let missing = 3 - panes.len();
    let outer = x.len() - panes.len();
    f(&pool::Planes::new(
        [0, 1, 2].map(|i: usize| i.checked_sub(missing).map_or(1, |i| x[outer + i])),
        [0, 1, 2].map(|i: usize| i.checked_sub(missing).map_or(&point[..], |i| &panes[i])),
    ));
}
