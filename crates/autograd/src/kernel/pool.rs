//! Pooling windows over the last three axes of an array, and linear maps along one axis.

use super::copy::turn;
use super::halves::by_halves;
use super::isa::{each, simd};
use super::scratch::with_scratch;
use super::threads;
use crate::float::Float;
use crate::tensor::view::Span;
use smallvec::SmallVec;

/// Approximate number of elements that a thread processes at a time.
const CHUNK: usize = 1 << 14;
/// Maximum number of positions whose largest elements are searched for together.
const BLOCK: usize = 64;

/// Windows over the last three axes: the sizes of these axes, and the indices that each window covers.
pub(crate) struct Planes<'a> {
    size: [usize; 3],
    panes: [&'a [Span]; 3],
    /// For each run of identical, evenly spaced windows on the last axis: their number, and the distance between two.
    runs: SmallVec<[(usize, usize); 4]>,
}

impl<'a> Planes<'a> {
    /// # Panics
    /// If the axes have more elements than a 32-bit index can count.
    pub fn new(size: [usize; 3], panes: [&'a [Span]; 3]) -> Self {
        let len: usize = size.iter().product();
        assert!(u32::try_from(len).is_ok(), "pooling: a plane has {len} elements; the maximum is 2^32 - 1");
        let (mut rest, mut runs) = (panes[2], SmallVec::new());
        while !rest.is_empty() {
            let run = alike(rest);
            runs.push(run);
            rest = &rest[run.0..];
        }
        Planes { size, panes, runs }
    }

    /// Number of elements of the last three axes.
    fn len(&self) -> usize {
        self.size.iter().product()
    }

    /// Number of window positions.
    fn places(&self) -> usize {
        self.panes.iter().map(|p| p.len()).product()
    }

    /// Number of planes per task.
    fn together(&self) -> usize {
        (CHUNK / self.len().max(self.places()).max(1)).max(1)
    }

    /// Calls `f` for blocks of neighboring positions, with the index of the first largest element in each window, and
    /// these elements. NaN counts as the largest.
    #[allow(clippy::type_complexity, reason = "a callback of three slices")]
    fn for_each_largest<T: Float>(&self, x: &[T], f: &mut dyn FnMut(usize, &[u32], &[T])) {
        let [d, h, w] = self.panes;
        let [_, height, width] = self.size;
        let (mut at, mut largest) = ([0; BLOCK], [T::zero(); BLOCK]);
        // Offsets of a window's elements from its first one, recomputed only if the window's shape changes.
        let (mut taps, mut kind): (SmallVec<[usize; 32]>, _) = (SmallVec::new(), None);
        let mut place = 0;
        for (d, h) in d.iter().flat_map(|d| h.iter().map(move |h| (d, h))) {
            let mut first = 0;
            for &(n, stride) in &self.runs {
                let this = ((d.len, d.step), (h.len, h.step), (w[first].len, w[first].step));
                if kind.replace(this) != Some(this) {
                    taps.clear();
                    for (i, j) in offsets(d).flat_map(|i| offsets(h).map(move |j| (i, j))) {
                        let row = i.wrapping_mul(height).wrapping_add(j).wrapping_mul(width);
                        for k in offsets(&w[first]) {
                            taps.push(row.wrapping_add(k));
                        }
                    }
                }
                let (at, largest) = (&mut at[..n], &mut largest[..n]);
                let start = (d.start * height + h.start) * width + w[first].start;
                largest_of(x, start, &taps, stride, at, largest);
                f(place, at, largest);
                (place, first) = (place + n, first + n);
            }
        }
    }
}

/// Counts the windows, at most a block, that are evenly shifted copies of the first one (included). Returns their
/// number and the shift.
fn alike(w: &[Span]) -> (usize, usize) {
    let [first, second, ..] = w else { return (1, 1) };
    let Some(stride) = second.start.checked_sub(first.start).filter(|&stride| stride > 0) else { return (1, 1) };
    let copies =
        w.iter().take(BLOCK).enumerate().take_while(|(i, span)| {
            (span.len, span.step, span.start) == (first.len, first.step, first.start + i * stride)
        });
    (copies.count(), stride)
}

simd! {
    /// For each position, the first largest of the elements at `taps` relative to `start`, and its index. `start`
    /// moves by `stride` from one position to the next.
    fn largest_of<T: Float>(x: &[T], start: usize, taps: &[usize], stride: usize, at: &mut [u32], largest: &mut [T]) {
        match (stride, at.len()) {
            (1, 8..) => in_blocks::<T, 1, 8>(x, start, taps, at, largest),
            (1, 4..) => in_blocks::<T, 1, 4>(x, start, taps, at, largest),
            (2, 8..) => in_blocks::<T, 2, 8>(x, start, taps, at, largest),
            (2, 4..) => in_blocks::<T, 2, 4>(x, start, taps, at, largest),
            _ => {
                for i in 0..at.len() {
                    let start = start + i * stride;
                    (at[i], largest[i]) = (start as u32, x[start]);
                    for tap in taps {
                        let tap = start.wrapping_add(*tap);
                        meet(x[tap], tap, &mut at[i], &mut largest[i]);
                    }
                }
            }
        }
    }
}

/// Processes `N` positions at a time; the last block overlaps the one before.
#[inline(always)]
fn in_blocks<T: Float, const STRIDE: usize, const N: usize>(
    x: &[T],
    start: usize,
    taps: &[usize],
    at: &mut [u32],
    largest: &mut [T],
) {
    for i in (0..at.len()).step_by(N) {
        let i = i.min(at.len() - N);
        let (mut index, mut best) = ([0; N], [T::zero(); N]);
        // The first window element of each position, then the larger of it and the others.
        for l in 0..N {
            let first = start + (i + l) * STRIDE;
            (index[l], best[l]) = (first as u32, x[first]);
        }
        for tap in &taps[1..] {
            let from = (start + i * STRIDE).wrapping_add(*tap);
            let x = &x[from..=from + (N - 1) * STRIDE];
            for l in 0..N {
                meet(x[l * STRIDE], from + l * STRIDE, &mut index[l], &mut best[l]);
            }
        }
        // Assigned, since `copy_from_slice` takes the addresses of both, which keeps them in memory if it is not inlined.
        *at[i..].first_chunk_mut().expect("the last block ends here") = index;
        *largest[i..].first_chunk_mut().expect("the last block ends here") = best;
    }
}

#[inline(always)]
fn meet<T: Float>(x: T, index: usize, at: &mut u32, largest: &mut T) {
    // Not smaller or equal, which includes NaN; and nothing is larger than NaN.
    #[allow(clippy::neg_cmp_op_on_partial_ord, reason = "NaN matters")]
    let better = !(x <= *largest) & !largest.is_nan();
    *at = if better { index as u32 } else { *at };
    *largest = if better { x } else { *largest };
}

/// The offsets of a span's elements from the first one.
#[inline(always)]
fn offsets(s: &Span) -> impl Iterator<Item = usize> {
    let step = s.step;
    (0..s.len).map(move |k| 0usize.wrapping_add_signed(k as isize * step))
}

/// Sets each element of `y` to the element of `t` at the position where `x` is largest in the window.
pub(crate) fn pick<T: Float>(planes: &Planes, x: &[T], t: &[T], y: &mut [T]) {
    let (len, places, some) = (planes.len(), planes.places(), planes.together());
    let own = std::ptr::eq(x, t);
    threads::for_each_chunk(y, some * places, &|task, y| {
        for (i, y) in y.chunks_mut(places).enumerate() {
            let plane = (task * some + i) * len..(task * some + i + 1) * len;
            let (x, t) = (&x[plane.clone()], &t[plane]);
            planes.for_each_largest(x, &mut |place, at, largest| match own {
                true => y[place..place + at.len()].copy_from_slice(largest),
                false => y[place..].iter_mut().zip(at).for_each(|(y, &at)| *y = t[at as usize]),
            });
        }
    });
}

/// Zeroes `t` and adds each element of `g` where `x` is largest in its window: the transpose of [`pick`].
pub(crate) fn pick_add<T: Float>(planes: &Planes, x: &[T], g: &[T], t: &mut [T]) {
    let (len, places, some) = (planes.len(), planes.places(), planes.together());
    threads::for_each_chunk(t, some * len, &|task, t| {
        for (i, t) in t.chunks_mut(len).enumerate() {
            let plane = task * some + i;
            t.fill(T::zero());
            let g = &g[plane * places..][..places];
            planes.for_each_largest(&x[plane * len..][..len], &mut |place, at, _| {
                at.iter().zip(&g[place..]).for_each(|(&at, &g)| t[at as usize] += g);
            });
        }
    });
}

/// A sparse matrix: where each row starts in the list of entries, and where the last one ends; the entries `(j, m[i, j])`.
pub(crate) type Rows<'m> = (&'m [usize], &'m [(usize, f64)]);

/// `y[o, i, k] = Σ m[i, j] x[o, j, k]` for arrays `[outer, size, inner]`. If there is no inner axis, neighboring rows are
/// turned to make one.
pub(crate) fn map<T: Float>(x: &[T], [_, size, inner]: [usize; 3], m: Rows<'_>, y: &mut [T]) {
    let rows = m.0.len() - 1;
    let plane = rows * inner;
    if inner == 1 {
        return threads::for_each_chunk(y, SIDE * rows, &|task, y| {
            let side = y.len() / rows;
            let x = &x[task * SIDE * size..][..side * size];
            with_scratch(side * (size + rows), |memory| {
                let (from, to) = memory.split_at_mut(side * size);
                turn(x, size, [size, side], from, side);
                combine(m, from, side, to);
                turn(to, side, [side, rows], y, rows);
            });
        });
    }
    let some = (CHUNK / plane).max(1);
    threads::for_each_chunk(y, some * plane, &|task, y| {
        for (i, y) in y.chunks_mut(plane).enumerate() {
            combine(m, &x[(task * some + i) * size * inner..][..size * inner], inner, y);
        }
    });
}

/// Rows without an inner axis that are processed together.
const SIDE: usize = 16;
/// The most entries of a row that are added one after another.
const LONG: usize = 64;

/// A long row of [`combine`]: rounding errors do not add up.
fn in_halves<T: Float>(row: &[(usize, f64)], x: &[T], inner: usize, y: &mut [T]) {
    by_halves(0..row.len(), LONG, y, &mut |part, y| combine((&[0, part.len()], &row[part]), x, inner, y));
}

simd! {
    /// `y[i, k] = Σ m[i, j] x[j, k]`, where row `i` of `m` has the entries from `starts[i]` to `starts[i + 1]`.
    fn combine<T: Float>(m: Rows<'_>, x: &[T], inner: usize, y: &mut [T]) {
        let (starts, entries) = m;
        for i in 0..y.len() / inner {
            let (row, y) = (&entries[starts[i]..starts[i + 1]], &mut y[i * inner..][..inner]);
            if row.len() > LONG {
                in_halves(row, x, inner, y);
                continue;
            }
            y.fill(T::zero());
            for &(j, m) in row {
                let m = T::of(m);
                let x = &x[j * inner..][..inner];
                each!(|x| y = y + m * x);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_largest_of_all_windows() {
        // Neighboring windows in and between blocks, specialized and general strides, windows clipped at an edge, NaN.
        for (width, size, stride) in
            (1..200).step_by(7).flat_map(|w| [(w, 2, 2), (w, 3, 1), (w, 1, 1), (w, 3, 3), (w, 5, 2)])
        {
            let x: Vec<f32> =
                (0..3 * width).map(|i| if i % 41 == 40 { f32::NAN } else { (i * 37 % 11) as f32 }).collect();
            let spans = |n: usize, size: usize, stride: usize| -> Vec<Span> {
                let cut = |start: usize| Span {
                    start: start.saturating_sub(1),
                    len: (start + size).min(n + 1) - start.max(1),
                    step: 1,
                };
                (0..n).step_by(stride).map(cut).filter(|span| (span.len as isize) > 0).collect()
            };
            let (point, h, w) = ([Span { start: 0, len: 1, step: 1 }], spans(3, 2, 1), spans(width, size, stride));
            if w.is_empty() {
                continue;
            }
            let planes = Planes::new([1, 3, width], [&point, &h, &w]);
            let (mut y, mut t) = (vec![0.0; h.len() * w.len()], vec![0.0; x.len()]);
            let mut expected = t.clone();
            pick(&planes, &x, &x, &mut y);
            let g: Vec<f32> = (0..y.len()).map(|i| i as f32).collect();
            pick_add(&planes, &x, &g, &mut t);
            for (i, (h, w)) in h.iter().flat_map(|h| w.iter().map(move |w| (h, w))).enumerate() {
                let at = |span: &Span, offset| span.start.wrapping_add(offset);
                let covered = offsets(h).flat_map(|i| offsets(w).map(move |j| at(h, i) * width + at(w, j)));
                let first = covered.reduce(|a, b| if x[b] > x[a] || x[b].is_nan() && !x[a].is_nan() { b } else { a });
                let first = first.expect("a window is not empty");
                assert!(y[i].to_bits() == x[first].to_bits(), "{width}, {size} by {stride}, place {i}");
                expected[first] += g[i];
            }
            assert_eq!(t, expected, "{width}, {size} by {stride}");
        }
    }
}
