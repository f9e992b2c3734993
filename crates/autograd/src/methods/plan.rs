//! Arithmetic with sizes and indices for the shape methods. Invalid arguments are found here, before anything is
//! allocated.

use crate::error::{Error, Result};
use crate::float::Few;
use crate::tensor::layout::{count, room};
use crate::tensor::{Shape, Tensor};

/// How an axis is filled beyond its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pad {
    /// A constant; negative widths crop.
    Constant(f64),
    /// The axis mirrored at its end elements, which are not repeated: `c b | a b c | b a`.
    Reflect,
    /// The end elements repeated: `a a | a b c | c c`.
    Replicate,
    /// The axis repeated periodically: `b c | a b c | a b`.
    Circular,
}

pub(super) fn argument<V>(op: &'static str, hint: impl Into<String>) -> Result<V> {
    Err(Error::Argument { op, hint: hint.into() })
}

fn too_large(op: &'static str, shape: &[usize]) -> Error {
    Error::TooLarge { op, shape: shape.into() }
}

/// Computes the size given as -1 from the number of elements.
pub(super) fn inferred(op: &'static str, sizes: &[isize], from: &[usize]) -> Result<Shape> {
    if sizes.iter().any(|&d| d < -1) || sizes.iter().filter(|&&d| d == -1).count() > 1 {
        return argument(op, format!("the sizes {sizes:?} must be at least 0, except for a single -1"));
    }
    let known: Shape = sizes.iter().filter_map(|&d| usize::try_from(d).ok()).few();
    let (have, rest) = (count(op, from)?, count(op, &known)?);
    if known.len() < sizes.len() && (rest == 0 || have % rest != 0) {
        return argument(op, format!("no size in place of -1 makes {sizes:?} a shape of {have} elements"));
    }
    Ok(sizes.iter().map(|&d| usize::try_from(d).unwrap_or(have / rest.max(1))).collect())
}

/// The shapes for repeating an array: its shape with an axis of size 1 before each repeated axis, that shape broadcast,
/// and the shape of the result.
pub(super) fn tiled(op: &'static str, shape: &[usize], reps: &[usize]) -> Result<[Shape; 3]> {
    let rank = shape.len().max(reps.len());
    let [mut apart, mut wide, mut whole] = [Shape::new(), Shape::new(), Shape::new()];
    let at = |sizes: &[usize], i: usize| (i + sizes.len()).checked_sub(rank).map_or(1, |k| sizes[k]);
    for i in 0..rank {
        let (size, times) = (at(shape, i), at(reps, i));
        if times != 1 {
            apart.push(1);
            wide.push(times);
        }
        apart.push(size);
        wide.push(size);
        whole.push(size.checked_mul(times).ok_or_else(|| too_large(op, shape))?);
    }
    room(op, &whole)?;
    Ok([apart, wide, whole])
}

/// Repeat counts: `times` for one axis, and 1 for all others.
pub(super) fn once_but(shape: &[usize], axis: usize, times: usize) -> Shape {
    (0..shape.len()).map(|i| if i == axis { times } else { 1 }).collect()
}

/// The index that repeats each position of an axis as often as its count.
pub(super) fn repeated(op: &'static str, shape: &[usize], axis: usize, repeats: &[usize]) -> Result<Tensor<i64>> {
    if repeats.len() != shape[axis] {
        return argument(op, format!("{} counts were given for an axis of size {}", repeats.len(), shape[axis]));
    }
    let total = repeats.iter().try_fold(0usize, |n, &r| n.checked_add(r)).ok_or_else(|| too_large(op, shape))?;
    let mut whole = Shape::from(shape);
    whole[axis] = total;
    room(op, &whole)?;
    room(op, &[total])?;
    Ok(repeats.iter().enumerate().flat_map(|(i, &times)| std::iter::repeat_n(i as i64, times)).collect())
}

/// The sizes of at most `n` pieces of an axis, all equal except for the last.
pub(super) fn chunks(op: &'static str, size: usize, n: usize) -> Result<Vec<usize>> {
    if n == 0 {
        return argument(op, "there must be at least one piece");
    }
    room(op, &[n])?;
    let each = size.div_ceil(n);
    if each == 0 {
        return Ok(vec![0; n]);
    }
    Ok((0..size).step_by(each).map(|start| each.min(size - start)).collect())
}

/// The shape with `[before, after]` elements added to each axis, or removed where negative; an error if it does not fit
/// in memory.
pub(super) fn padded(op: &'static str, shape: &[usize], pads: &[[isize; 2]]) -> Result<Shape> {
    if pads.len() != shape.len() {
        return argument(
            op,
            format!("{} pairs of widths were given for shape {shape:?}: pass one per axis", pads.len()),
        );
    }
    let mut whole = Shape::new();
    for (&size, &[before, after]) in shape.iter().zip(pads) {
        let cropped = before.min(0).saturating_add(after.min(0));
        if cropped.unsigned_abs() > size {
            return argument(op, format!("the widths {before} and {after} crop more than the size {size}"));
        }
        let grown = before.max(0).unsigned_abs().checked_add(after.max(0).unsigned_abs());
        whole.push(
            grown.and_then(|n| n.checked_add(size - cropped.unsigned_abs())).ok_or_else(|| too_large(op, shape))?,
        );
    }
    room(op, &whole)?;
    Ok(whole)
}

/// The source index of each position of the padded axis.
pub(super) fn pad_index(op: &'static str, size: usize, [before, after]: [isize; 2], mode: Pad) -> Result<Tensor<i64>> {
    let n = size as isize;
    let (fits, limit) = match mode {
        Pad::Reflect => (before.max(after) < n, "less than the"),
        Pad::Circular => (before.max(after) <= n, "at most the"),
        Pad::Replicate | Pad::Constant(_) => (size > 0, "0 for an axis of"),
    };
    if !fits {
        return argument(op, format!("the widths {before} and {after} must be {limit} size {size}"));
    }
    let total = n + before + after; // not negative: the shape has been checked
    room(op, &[total as usize])?;
    Ok((-before..total - before)
        .map(|i| match mode {
            Pad::Reflect => {
                (if i < 0 {
                    -i
                } else if i >= n {
                    2 * (n - 1) - i
                } else {
                    i
                }) as i64
            }
            Pad::Circular => i.rem_euclid(n) as i64,
            Pad::Replicate | Pad::Constant(_) => i.clamp(0, n - 1) as i64,
        })
        .collect())
}

/// The start and the length of the diagonal `k` of a matrix, as a slice of the flattened elements.
pub(super) fn diagonal(rows: usize, cols: usize, k: isize) -> (usize, usize) {
    let (down, right) = if k < 0 { (k.unsigned_abs(), 0) } else { (0, k.unsigned_abs()) };
    let len = rows.saturating_sub(down).min(cols.saturating_sub(right));
    (if len == 0 { 0 } else { down * cols + right }, len)
}
