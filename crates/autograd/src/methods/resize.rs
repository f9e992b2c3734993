//! Resizing of the last axes of an image, and pixel shuffling.

use super::spatial::{image, mapped};
use crate::error::{Error, Result};
use crate::float::{Few, Float};
use crate::op::{Op, Sparse};
use crate::tensor::Shape;
use crate::tensor::layout::room;
use crate::value::Value;

/// The target size of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resize<const D: usize> {
    /// The sizes of the last axes.
    To([usize; D]),
    /// Scale factors of the last axes; the resulting sizes are rounded down.
    By([f64; D]),
}

/// Where linear interpolation places the elements of a resized axis on the original one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Align {
    /// Each element at the center of its share of the axis: `align_corners=False` in PyTorch.
    Centers,
    /// The first and the last element on those of the original axis: `align_corners=True` in PyTorch.
    Corners,
}

impl<const D: usize> Resize<D> {
    /// The new size of an axis, and the distance in the image between neighboring elements of the result.
    fn axis(&self, op: &'static str, i: usize, size: usize) -> Result<(usize, f64)> {
        let (to, step) = match *self {
            Resize::To(to) => (to[i], size as f64 / to[i] as f64),
            Resize::By(factor) => ((size as f64 * factor[i]) as usize, 1.0 / factor[i]),
        };
        if size == 0 || to == 0 || !(step > 0.0 && step.is_finite()) {
            let hint = format!("an axis of size {size} cannot be resized with {self:?}");
            return Err(Error::Argument { op, hint });
        }
        Ok((to, step))
    }
}

/// How a resized axis is computed from that of the image: takes `(size, new size, step)` and returns a matrix.
pub(super) type Rule = fn(usize, usize, f64) -> Sparse;

/// Takes the element at or before each position.
pub(super) fn nearest(size: usize, to: usize, step: f64) -> Sparse {
    // Products that should be integers may be slightly too small, since the step is rounded.
    let at = |i: usize| ((i as f64 * step * (1.0 + f64::EPSILON)) as usize).min(size - 1);
    Sparse::new(size, (0..to).map(|i| [(at(i), 1.0)]))
}

/// Interpolates between the two elements around each position, the center of its share of the image. As in PyTorch, a
/// factor that does not change the size does not change the elements.
pub(super) fn linear(size: usize, to: usize, step: f64) -> Sparse {
    let step = if to == size { 1.0 } else { step };
    between(size, to, |i| ((i as f64 + 0.5) * step - 0.5).max(0.0))
}

/// Interpolates between the two elements around each position; the first and the last position coincide with those of
/// the image.
pub(super) fn linear_corners(size: usize, to: usize, _: f64) -> Sparse {
    let step = (size - 1) as f64 / (to.max(2) - 1) as f64;
    between(size, to, |i| i as f64 * step)
}

fn between(size: usize, to: usize, place: impl Fn(usize) -> f64) -> Sparse {
    let row = |i: usize| {
        let first = (place(i) as usize).min(size - 1);
        let second = (first + 1).min(size - 1);
        let part = if second == first { 0.0 } else { place(i) - first as f64 };
        [(first, 1.0 - part), (second, part)]
    };
    Sparse::new(size, (0..to).map(row))
}

/// Resizes the last axes, starting with the last one, which is cheapest while the image is small.
#[track_caller]
pub(super) fn resized<T: Float, V: Value<T>, const D: usize>(
    op: &'static str,
    x: &V,
    resize: Resize<D>,
    rule: Rule,
) -> Result<V> {
    let mut shape = image::<D>(op, x.shape())?;
    let first = shape.len() - D;
    let mut axes = [(0, 0.0); D];
    for (i, axis) in axes.iter_mut().enumerate() {
        *axis = resize.axis(op, i, shape[first + i])?;
        room(op, &[axis.0])?;
        shape[first + i] = axis.0;
    }
    room(op, &shape)?;
    let mut y = x.clone();
    for (i, (to, step)) in axes.into_iter().enumerate().rev() {
        y = mapped(&y, first + i, rule(y.shape()[first + i], to, step))?;
    }
    Ok(y)
}

/// The rule of linear interpolation.
pub(super) fn linear_rule(align: Align) -> Rule {
    match align {
        Align::Centers => linear,
        Align::Corners => linear_corners,
    }
}

/// Moves channels into `r` times `r` pixels each, or back.
#[track_caller]
pub(super) fn shuffled<T: Float, V: Value<T>>(op: &'static str, x: &V, r: usize, into: bool) -> Result<V> {
    let from = x.shape();
    let square = r.checked_mul(r).filter(|&n| n > 0);
    let fits = |&[c, h, w]: &[usize; 3]| match (square, into) {
        (Some(square), true) => c.is_multiple_of(square),
        (Some(_), false) => h.is_multiple_of(r) && w.is_multiple_of(r),
        (None, _) => false,
    };
    let split = from.split_last_chunk::<3>().zip(square).filter(|((_, last), _)| fits(last));
    let Some(((outer, &[c, h, w]), square)) = split else {
        let hint = format!(
            "it must be […, channels, height, width], with the axes that shrink divisible by {r} (channels by {r}²)"
        );
        return Err(Error::Shape { op, shape: from.as_slice().into(), hint });
    };
    let n = outer.len();
    let (parts, order, to) = if into {
        ([c / square, r, r, h, w], [0, 3, 1, 4, 2], [Some(c / square), h.checked_mul(r), w.checked_mul(r)])
    } else {
        ([c, h / r, r, w / r, r], [0, 2, 4, 1, 3], [c.checked_mul(square), Some(h / r), Some(w / r)])
    };
    let [Some(c), Some(h), Some(w)] = to else {
        return Err(Error::TooLarge { op, shape: from.as_slice().into() });
    };
    let shape = |last: &[usize]| outer.iter().chain(last).copied().few::<[_; 6]>();
    let order: Shape = (0..n).chain(order.map(|i| n + i)).few();
    let x = V::try_apply(Op::Reshape { shape: shape(&parts) }, &[x])?;
    V::try_apply(Op::Reshape { shape: shape(&[c, h, w]) }, &[&V::try_apply(Op::Permute { order }, &[&x])?])
}
