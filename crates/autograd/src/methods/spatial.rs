//! Pooling and resampling of the last axes of an image, and code that is shared with convolution.

use super::border;
use super::plan::padded;
use crate::error::{Error, Result};
use crate::float::{Few, Float};
use crate::op::{Binary, Op, Sparse, Window};
use crate::tensor::layout::room;
use crate::tensor::view::Span;
use crate::tensor::{Shape, Tensor};
use crate::value::Value;
use std::sync::Arc;

/// Settings of a pooling along `D` axes; override the defaults with `..Pool::of(kernel)`.
///
/// ```
/// use autograd::{Pool, Tensor};
/// let x = Tensor::<f32>::ones(&[1, 1, 5, 5]);
/// assert_eq!(x.max_pool2d(Pool::of([2, 2])).shape(), [1, 1, 2, 2]);
/// let settings = Pool { stride: [2, 2], padding: [1, 1], ..Pool::of([3, 3]) };
/// assert_eq!(x.avg_pool2d(settings).shape(), [1, 1, 3, 3]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pool<const D: usize> {
    /// The number of elements that a window covers.
    pub kernel: [usize; D],
    /// The distance between two windows. Defaults to the kernel size, so that windows neither overlap nor leave gaps.
    pub stride: [usize; D],
    /// How far windows extend past the edges, at most half of the kernel. Defaults to 0. Elements outside count as -inf
    /// for the maximum and as 0 for the average.
    pub padding: [usize; D],
    /// The distance between two elements of a window. Defaults to 1.
    pub dilation: [usize; D],
    /// Whether windows may extend past the end, so that no element is left out. Defaults to false.
    pub ceil_mode: bool,
    /// Whether the average counts the padding. Defaults to true.
    pub count_include_pad: bool,
}

impl<const D: usize> Pool<D> {
    /// Adjacent windows of the given size.
    pub fn of(kernel: [usize; D]) -> Self {
        Pool { kernel, stride: kernel, padding: [0; D], dilation: [1; D], ceil_mode: false, count_include_pad: true }
    }

    /// The elements that each window covers along the last `D` axes of the shape, and the number of elements it counts.
    fn panes(&self, op: &'static str, shape: &[usize]) -> Result<[Pane; D]> {
        let mut panes = [const { (Vec::new(), Vec::new()) }; D];
        for (i, pane) in panes.iter_mut().enumerate() {
            let size = shape[shape.len() - D + i];
            let (kernel, stride) = (self.kernel[i], self.stride[i]);
            let (padding, dilation) = (self.padding[i], self.dilation[i]);
            let window = Window { kernel, stride, padding, dilation };
            if stride == 0 || window.reach().is_none_or(|reach| padding > reach / 2) {
                let hint = "kernel, stride and dilation must be at least 1, and the padding at most half of the kernel";
                return Err(Error::Argument { op, hint: format!("{hint}: {window:?}") });
            }
            let spans = spans(window, size, self.ceil_mode, self.count_include_pad);
            let covered = spans.filter(|(spans, _)| !spans.is_empty() && spans.iter().all(|s| s.len > 0));
            *pane = covered.ok_or_else(|| Error::Shape {
                op,
                shape: shape.into(),
                hint: format!("a window does not cover any of its elements: {window:?}"),
            })?;
        }
        Ok(panes)
    }
}

/// The elements of an axis that each window covers, and the number of elements it counts.
type Pane = (Vec<Span>, Vec<usize>);
/// Size of a window in a `Pane`, in words.
const PANE: usize = 4;

fn spans(w: Window, size: usize, ceil_mode: bool, count_include_pad: bool) -> Option<Pane> {
    let over = if ceil_mode { w.stride - 1 } else { 0 };
    let room = w.padding.checked_mul(2)?.checked_add(size)?.checked_add(over)?.checked_sub(w.reach()?)?;
    // A window that would start in the padding at the end would not cover any elements.
    let places = (room / w.stride + 1).min((size + w.padding).div_ceil(w.stride));
    let place = |i: usize| {
        let first = i * w.stride; // counted from the start of the padding, as are the ends
        let taps = |end: usize| end.saturating_sub(first).div_ceil(w.dilation).min(w.kernel);
        let (before, inside) = (taps(w.padding), taps(w.padding + size));
        let start = (first + before * w.dilation).saturating_sub(w.padding);
        let len = inside - before;
        let counted = if count_include_pad { taps(2 * w.padding + size) } else { len };
        (Span { start, len, step: w.dilation as isize }, counted)
    };
    Some((0..places).map(place).unzip())
}

/// The windows of an adaptive pooling: as even as possible, and overlapping where the sizes do not divide.
fn adaptive(size: usize, places: usize) -> Pane {
    let edge = |i: usize| (i as u128 * size as u128, places as u128);
    let place = |i: usize| {
        let ((first, n), (end, _)) = (edge(i), edge(i + 1));
        let start = (first / n) as usize;
        let len = end.div_ceil(n) as usize - start;
        (Span { start, len, step: 1 }, len)
    };
    (0..places).map(place).unzip()
}

/// Whether a batch axis was added to an image.
pub(super) struct One(bool);

impl One {
    /// Removes the batch axis if it was added.
    #[track_caller]
    pub(super) fn undo<T: Float, V: Value<T>>(self, y: V) -> Result<V> {
        if self.0 { V::try_apply(Op::Reshape { shape: y.shape()[1..].into() }, &[&y]) } else { Ok(y) }
    }
}

/// The image with a batch axis, which is added if the image does not have one.
#[track_caller]
pub(super) fn batched<T: Float, V: Value<T>>(x: &V, rank: usize) -> Result<(V, One)> {
    let mut shape = x.shape();
    if shape.len() + 1 != rank {
        return Ok((x.clone(), One(false)));
    }
    shape.insert(0, 1);
    Ok((V::try_apply(Op::Reshape { shape }, &[x])?, One(true)))
}

/// Returns the shape if it consists of channels and `D` more axes, with or without a batch axis.
pub(super) fn image<const D: usize>(op: &'static str, shape: Shape) -> Result<Shape> {
    if shape.len() == D + 1 || shape.len() == D + 2 {
        return Ok(shape);
    }
    let hint = format!("an image must be [batch, channels, …] or [channels, …] with {D} spatial axes");
    Err(Error::Shape { op, shape: shape.as_slice().into(), hint })
}

#[track_caller]
fn largest<T: Float, V: Value<T>, const D: usize>(x: &V, panes: [Pane; D]) -> Result<V> {
    let panes = panes.into_iter().map(|(spans, _)| spans.into()).collect();
    V::try_apply(Op::MaxPool { panes }, &[x, x])
}

/// Sums over the windows, one axis at a time, divided by the number of elements.
#[track_caller]
fn averages<T: Float, V: Value<T>, const D: usize>(x: &V, panes: [Pane; D]) -> Result<V> {
    let (mut y, first) = (x.clone(), x.shape().len() - D);
    for (i, (spans, _)) in panes.iter().enumerate() {
        let row = |s: &Span| {
            let (start, step) = (s.start, s.step as usize);
            (0..s.len).map(move |k| (start + k * step, 1.0))
        };
        y = mapped(&y, first + i, Sparse::new(y.shape()[first + i], spans.iter().map(row)))?;
    }
    let alike = panes.iter().all(|(_, counts)| counts.windows(2).all(|pair| pair[0] == pair[1]));
    let shape: Shape = if alike { Shape::new() } else { panes.iter().map(|(_, counts)| counts.len()).collect() };
    let at = |i: &[usize], axis: usize| i.get(axis).copied().unwrap_or(0);
    let count = |i: &[usize]| panes.iter().enumerate().map(|(axis, (_, counts))| counts[at(i, axis)] as f64).product();
    if y.shape().contains(&0) {
        return Ok(y);
    }
    V::try_apply(Op::Binary(Binary::Div), &[&y, &y.constant(Tensor::from_fn(&shape, |i| T::of(count(i))))])
}

/// Multiplies by a matrix along an axis.
#[track_caller]
pub(super) fn mapped<T: Float, V: Value<T>>(x: &V, axis: usize, map: Sparse) -> Result<V> {
    V::try_apply(Op::Map { axis, map: Arc::new(map) }, &[x])
}

#[track_caller]
pub(super) fn max_pool<T: Float, V: Value<T>, const D: usize>(op: &'static str, x: &V, pool: Pool<D>) -> Result<V> {
    largest(x, pool.panes(op, &image::<D>(op, x.shape())?)?)
}

#[track_caller]
pub(super) fn avg_pool<T: Float, V: Value<T>, const D: usize>(op: &'static str, x: &V, pool: Pool<D>) -> Result<V> {
    averages(x, pool.panes(op, &image::<D>(op, x.shape())?)?)
}

/// The windows that give the last axes the requested size.
fn adapted<const D: usize>(op: &'static str, shape: Shape, size: [usize; D]) -> Result<[Pane; D]> {
    let from = image::<D>(op, shape)?;
    let (outer, last) = from.split_at(from.len() - D);
    if last.contains(&0) {
        return Err(Error::Empty { op, shape: from.as_slice().into() });
    }
    room(op, &outer.iter().chain(&size).copied().few::<[_; 6]>())?;
    // The windows themselves need memory, too, even if the outer axes are empty.
    size.iter().try_for_each(|&places| room(op, &[places, PANE]).map(drop))?;
    Ok(std::array::from_fn(|i| adaptive(last[i], size[i])))
}

#[track_caller]
pub(super) fn adaptive_max<T: Float, V: Value<T>, const D: usize>(
    op: &'static str,
    x: &V,
    size: [usize; D],
) -> Result<V> {
    largest(x, adapted(op, x.shape(), size)?)
}

#[track_caller]
pub(super) fn adaptive_avg<T: Float, V: Value<T>, const D: usize>(
    op: &'static str,
    x: &V,
    size: [usize; D],
) -> Result<V> {
    averages(x, adapted(op, x.shape(), size)?)
}

/// Slices an axis by window: the axis becomes two, positions and elements of a window (or elements and positions).
#[track_caller]
fn windows<T: Float, V: Value<T>>(op: &'static str, x: &V, axis: usize, w: Window, taps_first: bool) -> Result<V> {
    let size = x.shape()[axis];
    let free = w.reach().and_then(|reach| size.checked_sub(reach));
    let Some(places) = free.filter(|_| w.stride > 0).map(|free| free / w.stride + 1) else {
        let hint = format!("no window fits into axis {axis}: {w:?}");
        return Err(Error::Shape { op, shape: x.shape().as_slice().into(), hint });
    };
    let shape = if taps_first { [w.kernel, places] } else { [places, w.kernel] };
    room(op, &shape)?;
    let from = |place: usize, tap: usize| (place * w.stride + tap * w.dilation) as i64;
    let at = |i: usize| if taps_first { from(i % places, i / places) } else { from(i / w.kernel, i % w.kernel) };
    let index = Tensor::build(&shape, |out| out.iter_mut().enumerate().for_each(|(i, out)| *out = at(i)));
    V::try_apply(Op::Take { axis, index }, &[x])
}

/// The windows along an axis, with the elements of each in a new last axis.
#[track_caller]
pub(super) fn unfold<T: Float, V: Value<T>>(x: &V, axis: usize, size: usize, step: usize) -> Result<V> {
    let y = windows("unfold", x, axis, Window { kernel: size, stride: step, padding: 0, dilation: 1 }, false)?;
    let mut order: Shape = (0..y.shape().len()).few();
    let elements = order.remove(axis + 1);
    order.push(elements);
    V::try_apply(Op::Permute { order }, &[&y])
}

/// The windows of an image as columns: `[batch, channels · kernel, positions]`.
#[track_caller]
pub(super) fn columns<T: Float, V: Value<T>>(x: &V, pool: Pool<2>) -> Result<V> {
    const OP: &str = "columns";
    let (x, one) = batched(&x.reshape(&image::<2>(OP, x.shape())?), 4)?;
    let wide = |n: usize| [isize::try_from(n).unwrap_or(isize::MAX); 2];
    let pads = [[0; 2], [0; 2], wide(pool.padding[0]), wide(pool.padding[1])];
    let mut y = border::constant(&x, &pads, 0.0, &padded(OP, &x.shape(), &pads)?)?;
    // The last axis first, which gives [batch, channels, tap, position, tap, position].
    for i in [1, 0] {
        let w = Window { kernel: pool.kernel[i], stride: pool.stride[i], padding: 0, dilation: pool.dilation[i] };
        y = windows(OP, &y, 2 + i, w, true)?;
    }
    let sizes = y.shape();
    let y = V::try_apply(Op::Permute { order: [0, 1, 2, 4, 3, 5].as_slice().into() }, &[&y])?;
    let shape = [sizes[0], sizes[1] * sizes[2] * sizes[4], sizes[3] * sizes[5]];
    one.undo(y.reshape(&shape))
}
