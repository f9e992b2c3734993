//! Strides and broadcasting as pure arithmetic: shapes in, shapes and strides out. No data is accessed.

use crate::error::{Error, Result};
use crate::float::{Few, Shape, Strides};
use smallvec::SmallVec;

/// Upper bound on the elements in memory: a process addresses at most 128 TiB, its half of a 48-bit address space.
const MOST: usize = if usize::BITS > 47 { 1 << 44 } else { usize::MAX };
/// Sizes below this are not checked against the available memory.
const SMALL: usize = 1 << 26;

/// The number of elements, or an error if it (or the number of bytes) exceeds the address space.
pub(crate) fn count(op: &'static str, shape: &[usize]) -> Result<usize> {
    // A tensor with an empty axis has no elements, regardless of its other sizes.
    if shape.contains(&0) {
        return Ok(0);
    }
    let bytes = shape.iter().try_fold(8usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= isize::MAX as usize);
    bytes.map(|n| n / 8).ok_or_else(|| Error::TooLarge { op, shape: shape.into() })
}

/// The number of elements of a tensor about to be allocated, or an error if memory has no room for it. Without this
/// check the allocation would abort the process.
pub(crate) fn room(op: &'static str, shape: &[usize]) -> Result<usize> {
    let n = count(op, shape)?;
    // Reserve the memory and release it untouched; this costs microseconds.
    if n < SMALL || (n <= MOST && Vec::<u64>::new().try_reserve_exact(n).is_ok()) {
        Ok(n)
    } else {
        Err(Error::TooLarge { op, shape: shape.into() })
    }
}

/// Strides of a contiguous row-major array.
pub(crate) fn row_major(shape: &[usize]) -> Strides {
    let mut strides: Strides = SmallVec::from_elem(1, shape.len());
    for i in (1..shape.len()).rev() {
        // Next to an empty axis the product may overflow; no stride is followed then.
        strides[i - 1] = strides[i].wrapping_mul(shape[i] as isize);
    }
    strides
}

/// Whether row-major order visits the memory of the array without gaps.
#[inline]
pub(crate) fn is_contiguous(shape: &[usize], strides: &[isize]) -> bool {
    let (mut expected, mut fits) = (1, true);
    for axis in (0..shape.len()).rev() {
        fits &= shape[axis] == 1 || strides[axis] == expected;
        // Next to an empty axis the product may overflow.
        expected = expected.wrapping_mul(shape[axis] as isize);
    }
    fits || shape.contains(&0)
}

/// NumPy's rule: align the shapes at the last axis; sizes must be equal, or one of them 1.
pub(crate) fn broadcast(op: &'static str, a: &[usize], b: &[usize]) -> Result<Shape> {
    let rank = a.len().max(b.len());
    let mut shape: Shape = SmallVec::from_elem(1, rank);
    for (i, size) in shape.iter_mut().enumerate() {
        *size = match (size_at(a, rank, i), size_at(b, rank, i)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return Err(Error::Broadcast { op, a: a.into(), b: b.into() }),
        };
    }
    Ok(shape)
}

/// The size of axis `i` of `shape` after prepending ones up to rank `rank`.
#[inline]
fn size_at(shape: &[usize], rank: usize, i: usize) -> usize {
    (i + shape.len()).checked_sub(rank).map_or(1, |k| shape[k])
}

/// Strides that read an array of shape `from` as one of shape `to`: 0 along each broadcast axis.
pub(crate) fn broadcast_strides(from: &[usize], strides: &[isize], to: &[usize]) -> Strides {
    let missing = to.len() - from.len();
    (0..to.len())
        .map(|i| if i < missing || (from[i - missing] == 1 && to[i] != 1) { 0 } else { strides[i - missing] })
        .few()
}

/// Strides of the same elements in another shape, if that needs no copy.
pub(crate) fn reshape_strides(shape: &[usize], strides: &[isize], to: &[usize]) -> Option<Strides> {
    if is_contiguous(shape, strides) {
        return Some(row_major(to));
    }
    // Axes of size 1 carry no information; the remaining ones are matched in groups of equal products.
    let (from, from_strides): (Shape, Strides) =
        shape.iter().copied().zip(strides.iter().copied()).filter(|(d, _)| *d != 1).unzip();
    let mut out: Strides = SmallVec::from_elem(1, to.len());
    let (mut i, mut j) = (0, 0);
    while i < from.len() && j < to.len() {
        let (mut next_i, mut next_j, mut have, mut want) = (i + 1, j + 1, from[i], to[j]);
        while have != want {
            if have < want {
                have *= from[next_i];
                next_i += 1;
            } else {
                want *= to[next_j];
                next_j += 1;
            }
        }
        let whole = (i..next_i - 1).all(|k| from_strides[k] == from_strides[k + 1] * from[k + 1] as isize);
        if !whole {
            return None;
        }
        let mut step = from_strides[next_i - 1];
        for k in (j..next_j).rev() {
            out[k] = step;
            step *= to[k] as isize;
        }
        (i, j) = (next_i, next_j);
    }
    Some(out)
}

/// A set of axes as bits: bit `i` is axis `i`, counted from the front.
///
/// ```
/// use autograd::AxisSet;
/// let axes = AxisSet::one(0).with(2);
/// assert!(axes.contains(2) && !axes.contains(1) && !axes.is_empty());
/// assert_eq!(axes.iter().collect::<Vec<_>>(), [0, 2]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct AxisSet(u64);

impl AxisSet {
    /// Every axis of a tensor of the given rank.
    pub(crate) fn all(rank: usize) -> AxisSet {
        AxisSet(((1u128 << rank.min(64)) - 1) as u64)
    }

    /// The set of a single axis.
    pub fn one(axis: usize) -> AxisSet {
        AxisSet(1 << axis)
    }

    /// Whether the set contains the axis.
    pub fn contains(self, axis: usize) -> bool {
        axis < 64 && self.0 >> axis & 1 == 1
    }

    /// The set with one axis added.
    pub fn with(self, axis: usize) -> AxisSet {
        AxisSet(self.0 | 1 << axis)
    }

    /// The axes in ascending order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |&i| self.contains(i))
    }

    /// Whether the set contains no axis.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl std::fmt::Debug for AxisSet {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The axes of an operation, as the caller specifies them: `..` for all, `1`, `-1`, `[0, 2]`.
///
/// ```
/// let x = autograd::Tensor::<f64>::ones(&[2, 3, 4]);
/// assert_eq!(x.sum_axes(1).shape(), [2, 4]);
/// assert_eq!(x.sum_axes([0, -1]).shape(), [3]);
/// assert_eq!(x.sum_axes(..).shape(), [0; 0]);
/// ```
#[derive(Debug, Clone)]
pub struct Axes(Option<SmallVec<[isize; 6]>>);

impl Axes {
    /// Counts the axes from the front; an error if one is out of range or given twice.
    pub(crate) fn resolve(&self, op: &'static str, shape: &[usize]) -> Result<AxisSet> {
        let Some(axes) = &self.0 else { return Ok(AxisSet::all(shape.len())) };
        axes.iter().try_fold(AxisSet::default(), |set, &axis| {
            let i = resolve_axis(op, axis, shape)?;
            if set.contains(i) { Err(Error::Axis { op, axis, shape: shape.into() }) } else { Ok(set.with(i)) }
        })
    }
}

/// Counts an axis from the front; negative axes count from the back.
pub(crate) fn resolve_axis(op: &'static str, axis: isize, shape: &[usize]) -> Result<usize> {
    let rank = shape.len() as isize;
    let from_front = if axis < 0 { axis.checked_add(rank) } else { Some(axis) };
    match from_front {
        Some(i) if (0..rank.min(64)).contains(&i) => Ok(i as usize),
        _ => Err(Error::Axis { op, axis, shape: shape.into() }),
    }
}

impl From<std::ops::RangeFull> for Axes {
    fn from(_: std::ops::RangeFull) -> Axes {
        Axes(None)
    }
}
impl From<&[isize]> for Axes {
    fn from(axes: &[isize]) -> Axes {
        Axes(Some(axes.into()))
    }
}
macro_rules! axes_from { ($($t:ty)*) => { $(
    impl From<$t> for Axes { fn from(axis: $t) -> Axes { Axes(Some([axis as isize].as_slice().into())) } }
    impl<const N: usize> From<[$t; N]> for Axes { fn from(axes: [$t; N]) -> Axes { Axes(Some(axes.iter().map(|&a| a as isize).collect())) } }
)* } }
axes_from!(i32 isize);

/// The shape that remains when `axes` are reduced: dropped, or kept with size 1.
pub(crate) fn reduced_shape(shape: &[usize], axes: AxisSet, keep: bool) -> Shape {
    let sizes = shape.iter().enumerate();
    if keep {
        sizes.map(|(i, &d)| if axes.contains(i) { 1 } else { d }).collect()
    } else {
        sizes.filter(|(i, _)| !axes.contains(*i)).map(|(_, &d)| d).collect()
    }
}

/// Steps through the indices of a shape, last axis fastest, and keeps track of the offsets in `N` arrays.
pub(crate) struct Odometer<'a, const N: usize> {
    shape: &'a [usize],
    strides: [&'a [isize]; N],
    index: Shape,
    offsets: [isize; N],
}

impl<'a, const N: usize> Odometer<'a, N> {
    /// Starts at the first index, with the arrays at offsets `start`.
    #[inline]
    pub(crate) fn new(shape: &'a [usize], strides: [&'a [isize]; N], start: [isize; N]) -> Self {
        Odometer { shape, strides, index: SmallVec::from_elem(0, shape.len()), offsets: start }
    }

    /// Starts at the `n`-th index in row-major order.
    pub(crate) fn at(shape: &'a [usize], strides: [&'a [isize]; N], start: [isize; N], mut n: usize) -> Self {
        let mut odometer = Self::new(shape, strides, start);
        for axis in (0..shape.len()).rev() {
            let i = n % shape[axis];
            n /= shape[axis];
            odometer.index[axis] = i;
            (0..N).for_each(|k| odometer.offsets[k] += strides[k][axis] * i as isize);
        }
        odometer
    }

    /// The offsets in the arrays at the current index.
    #[inline]
    pub(crate) fn offsets(&self) -> [isize; N] {
        self.offsets
    }

    /// Moves to the next index; after the last one it wraps around to the first.
    #[inline]
    pub(crate) fn advance(&mut self) {
        let index = self.index.as_mut_slice();
        for axis in (0..self.shape.len()).rev() {
            index[axis] += 1;
            let carry = index[axis] == self.shape[axis];
            let steps = if carry { 1 - self.shape[axis] as isize } else { 1 };
            for k in 0..N {
                self.offsets[k] += self.strides[k][axis] * steps;
            }
            if !carry {
                return;
            }
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reshape_without_copy_where_strides_allow() {
        // A transposed 3x4 cannot be flattened, but its axes can be split.
        assert_eq!(reshape_strides(&[4, 3], &[1, 4], &[12]), None);
        assert_eq!(reshape_strides(&[4, 3], &[1, 4], &[2, 2, 3]).unwrap().as_slice(), [2, 1, 4]);
        assert_eq!(reshape_strides(&[2, 3], &[0, 1], &[2, 1, 3]).unwrap()[2], 1);
    }

    #[test]
    fn odometer_jumps_where_it_would_have_walked() {
        let (shape, strides) = ([2, 3, 4], [100isize, -10, 1]);
        let mut walk = Odometer::new(&shape, [&strides], [5]);
        for n in 0..24 {
            assert_eq!(walk.offsets(), Odometer::at(&shape, [&strides], [5], n).offsets());
            walk.advance();
        }
    }

    #[test]
    fn sizes_are_checked() {
        assert!(count("zeros", &[usize::MAX, 2]).is_err());
        assert_eq!(count("zeros", &[usize::MAX, 2, 0]), Ok(0));
        assert!(count("zeros", &[1 << 40, 1 << 30]).is_err());
    }
}
