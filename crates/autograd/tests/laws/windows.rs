//! Cases of the ops that move windows over images, and their expected shapes.

use crate::case::{Case, Domain, Input};
use crate::strategy::{REAL, case, input};
use autograd::op::{Geometry, Op, Panes, Sparse, Window};
use autograd::{Precision, Rng, Span};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

/// Which argument of the trilinear form (output, input, weight) the op computes.
#[derive(Clone, Copy)]
pub enum Side {
    Output,
    Input,
    Weight,
}

pub fn convolution(side: Side) -> BoxedStrategy<Case> {
    let axis = (1..=3usize, 1..=3usize, 0..=2usize, 1..=2usize, 0..=2usize);
    (vec(axis, 1..=3), 1..=2usize, 0..=2usize, 1..=2usize, 1..=2usize)
        .prop_flat_map(move |(axes, groups, n, channels, out)| {
            let room = [3, 2, 1][axes.len() - 1]; // the more axes, the fewer elements along each
            let (mut x, mut w) = (vec![n, groups * channels], vec![groups * out, channels]);
            let mut geometry = Geometry { windows: Default::default(), groups, precision: Precision::Full };
            for (kernel, stride, padding, dilation, more) in axes {
                let window = Window { kernel: kernel.min(room), stride, padding: padding.min(room), dilation };
                let reach = (window.kernel - 1) * dilation + 1;
                x.push(reach.saturating_sub(2 * window.padding).max(1) + more.min(room));
                w.push(window.kernel);
                geometry.windows.push(window);
            }
            let y = convolved(&geometry, &x, &w).expect("the kernel fits");
            let size = x[2..].into();
            let (op, a, b) = match side {
                Side::Output => (Op::Conv { geometry }, x, w),
                Side::Input => (Op::ConvTranspose { geometry, size }, y, w),
                Side::Weight => (Op::ConvWeight { geometry }, x, y),
            };
            case(op, vec![input(a, REAL), input(b, REAL)])
        })
        .boxed()
}

/// Windows of any kind: with gaps, overlapping, reversed.
pub fn picking_largest(add: bool) -> BoxedStrategy<Case> {
    let span = |size: usize| {
        (0..size, 1..=3usize, prop::sample::select(&[1isize, 1, 2, -1][..])).prop_map(move |(start, len, step)| {
            let room = if step > 0 { size - 1 - start } else { start };
            Span { start, len: len.min(room / step.unsigned_abs() + 1), step }
        })
    };
    let axis = (1..=5usize).prop_flat_map(move |size| (Just(size), vec(span(size), 0..=3)));
    (vec(0..=3usize, 0..=2), vec(axis, 0..=3))
        .prop_flat_map(move |(outer, axes)| {
            let (sizes, panes): (Vec<usize>, Panes) = axes.into_iter().map(|(size, p)| (size, p.into())).unzip();
            let places = panes.iter().map(|p| p.len()).collect();
            let (x, y) = ([outer.clone(), sizes].concat(), [outer, places].concat());
            match add {
                false => case(Op::MaxPool { panes }, vec![input(x.clone(), Domain::Grid(0.0)), input(x, REAL)]),
                true => case(Op::MaxUnpool { panes }, vec![input(x, Domain::Grid(0.0)), input(y, REAL)]),
            }
        })
        .boxed()
}

/// A random matrix with few entries.
pub fn sparse(rows: usize, cols: usize, seed: u64) -> Arc<Sparse> {
    let mut rng = Rng::new(seed);
    let row = |_| (0..cols).filter(|_| rng.bits().is_multiple_of(3)).collect::<Vec<_>>();
    let columns: Vec<Vec<usize>> = (0..rows).map(row).collect();
    let mut entry = |j: usize| (j, f64::from(rng.uniform() as f32) - 0.5);
    Arc::new(Sparse::new(cols, columns.into_iter().map(|row| row.into_iter().map(&mut entry).collect::<Vec<_>>())))
}

/// Counts how often a kernel fits into the padded axis.
fn places(window: &Window, size: usize) -> Option<usize> {
    let fits = |i: &usize| i * window.stride + (window.kernel - 1) * window.dilation < size + 2 * window.padding;
    Some((0..).take_while(fits).count()).filter(|&n| n > 0)
}

/// The shape of a convolution.
pub fn convolved(geometry: &Geometry, x: &[usize], w: &[usize]) -> Option<Vec<usize>> {
    let (&[n, channels, ref size @ ..], &[out, per_group, ref kernel @ ..]) = (x, w) else { return None };
    let fits = size.len() == geometry.windows.len()
        && geometry.windows.iter().map(|w| &w.kernel).eq(kernel)
        && channels == per_group * geometry.groups
        && out % geometry.groups == 0;
    let along = geometry.windows.iter().zip(size).map(|(window, &size)| places(window, size));
    if fits { [Some(n), Some(out)].into_iter().chain(along).collect() } else { None }
}

/// The shape of the image, with the given sizes, that the convolution maps to shape `g`.
pub fn image(geometry: &Geometry, size: &[usize], g: &[usize], w: &[usize]) -> Option<Vec<usize>> {
    let x = [&[*g.first()?, w.get(1)? * geometry.groups], size].concat();
    (convolved(geometry, &x, w)? == g).then_some(x)
}

/// The shape of the weights.
pub fn weights(geometry: &Geometry, x: &[usize], g: &[usize]) -> Option<Vec<usize>> {
    let mut w = vec![*g.get(1)?, x.get(1)? / geometry.groups];
    w.extend(geometry.windows.iter().map(|w| w.kernel));
    (convolved(geometry, x, &w)? == g).then_some(w)
}

/// The shape of one element per window.
pub fn picked(panes: &Panes, x: &[usize]) -> Option<Vec<usize>> {
    let (outer, sizes) = x.split_at_checked(x.len().checked_sub(panes.len())?)?;
    let inside = |s: &Span, size: usize| {
        (0..s.len as isize).all(|k| (0..size as isize).contains(&(s.start as isize + k * s.step)))
    };
    let fits = panes.iter().zip(sizes).all(|(axis, &size)| axis.iter().all(|s| inside(s, size)));
    fits.then(|| outer.iter().copied().chain(panes.iter().map(|axis| axis.len())).collect())
}

/// Adjusts a case of a window op so that its two operands can be the same tensor.
pub fn with_itself(case: &mut Case) {
    let plain = |kernel: &[usize]| Geometry {
        windows: kernel.iter().map(|&kernel| Window { kernel, stride: 1, padding: 0, dilation: 1 }).collect(),
        groups: 1,
        precision: Precision::Full,
    };
    let shape = case.inputs[0].values.shape().to_vec();
    match &case.op {
        Op::Conv { .. } => case.op = Op::Conv { geometry: plain(&shape[2..]) },
        Op::ConvWeight { .. } => case.op = Op::ConvWeight { geometry: plain(&vec![1; shape.len() - 2]) },
        Op::ConvTranspose { .. } => {
            let square = [&[2, 2], &shape[2..]].concat();
            let size = shape[2..].iter().map(|d| 2 * d - 1).collect();
            case.op = Op::ConvTranspose { geometry: plain(&shape[2..]), size };
            case.inputs[0] = Input { values: REAL.values(&square, 1), views: Vec::new(), differentiable: true };
        }
        Op::MaxUnpool { .. } => {
            let each = |&size: &usize| (0..size).map(|start| Span { start, len: 1, step: 1 }).collect();
            case.op = Op::MaxUnpool { panes: shape[shape.len().saturating_sub(3)..].iter().map(each).collect() };
        }
        _ => (),
    }
}
