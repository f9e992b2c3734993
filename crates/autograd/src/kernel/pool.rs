//! Windows on the last three axes of an array, and linear maps along one axis.

use super::simd::simd;
use super::threads;
use crate::float::Float;
use crate::tensor::view::Span;

/// Elements a thread takes at a time, about.
const CHUNK: usize = 1 << 14;
/// Places whose largest elements are looked for side by side.
const BLOCK: usize = 64;

/// Windows on the last three axes: sizes of these, and the indices that each place covers.
pub(crate) struct Planes<'a> {
    pub size: [usize; 3],
    pub panes: [&'a [Span]; 3],
}

impl Planes<'_> {
    /// Elements of the last three axes.
    fn len(&self) -> usize {
        self.size.iter().product()
    }

    /// The number of places.
    fn places(&self) -> usize {
        self.panes.iter().map(|p| p.len()).product()
    }

    /// Planes that a task takes.
    fn together(&self) -> usize {
        (CHUNK / self.len().max(self.places()).max(1)).max(1)
    }

    /// Calls `f` with neighbouring places, for each the index of the first largest element it covers, and these elements.
    /// NaN counts as largest.
    fn for_each_largest<T: Float>(&self, x: &[T], mut f: impl FnMut(usize, &[u32], &[T])) {
        let [d, h, w] = self.panes;
        let [_, height, width] = self.size;
        assert!(
            u32::try_from(self.len()).is_ok(),
            "a plane of windows has {} elements; it may have 2^32 - 1",
            self.len()
        );
        let (mut at, mut largest) = ([0; BLOCK], [T::zero(); BLOCK]);
        let mut place = 0;
        for (d, h) in d.iter().flat_map(|d| h.iter().map(move |h| (d, h))) {
            let mut rest = w;
            while let Some(first) = rest.first() {
                let (n, stride) = alike(rest);
                let (at, largest) = (&mut at[..n], &mut largest[..n]);
                let start = (d.start * height + h.start) * width + first.start;
                for (i, (at, largest)) in at.iter_mut().zip(largest.iter_mut()).enumerate() {
                    *at = (start + i * stride) as u32;
                    *largest = x[start + i * stride];
                }
                for (i, j) in indices(d).flat_map(|i| indices(h).map(move |j| (i, j))) {
                    let row = (i * height + j) * width;
                    indices(first).for_each(|k| compare(x, row + k, stride, at, largest));
                }
                f(place, at, largest);
                place += n;
                rest = &rest[n..];
            }
        }
    }
}

/// How many windows, of a block at most, follow the first as copies of it, all the same distance from one to the next; and
/// that distance.
fn alike(w: &[Span]) -> (usize, usize) {
    let [first, second, ..] = w else { return (1, 1) };
    let Some(stride) = second.start.checked_sub(first.start).filter(|&stride| stride > 0) else { return (1, 1) };
    let copies =
        w.iter().take(BLOCK).enumerate().take_while(|(i, span)| {
            (span.len, span.step, span.start) == (first.len, first.step, first.start + i * stride)
        });
    (copies.count(), stride)
}

/// Sees whether the elements at `first`, `first + stride`, … are larger than the largest so far.
fn compare<T: Float>(x: &[T], first: usize, stride: usize, at: &mut [u32], largest: &mut [T]) {
    let last = at.len() - 1;
    let x = &x[first..=first + last * stride];
    match stride {
        1 => compare_neighbours(x, first as u32, at, largest),
        2 => {
            compare_pairs(x.as_chunks().0, first as u32, at, largest);
            meet(x[2 * last], first + 2 * last, &mut at[last], &mut largest[last]);
        }
        _ => {
            for (i, (at, largest)) in at.iter_mut().zip(largest).enumerate() {
                meet(x[i * stride], first + i * stride, at, largest);
            }
        }
    }
}

simd! {
    fn compare_neighbours<T: Float>(x: &[T], first: u32, at: &mut [u32], largest: &mut [T]) {
        for (i, ((&x, at), largest)) in x.iter().zip(at).zip(largest).enumerate() {
            meet(x, first as usize + i, at, largest);
        }
    }
}

simd! {
    fn compare_pairs<T: Float>(x: &[[T; 2]], first: u32, at: &mut [u32], largest: &mut [T]) {
        for (i, ((&[x, _], at), largest)) in x.iter().zip(at).zip(largest).enumerate() {
            meet(x, first as usize + 2 * i, at, largest);
        }
    }
}

#[inline(always)]
fn meet<T: Float>(x: T, index: usize, at: &mut u32, largest: &mut T) {
    let better = (x > *largest) | (x.is_nan() & !largest.is_nan());
    *at = if better { index as u32 } else { *at };
    *largest = if better { x } else { *largest };
}

#[inline(always)]
fn indices(s: &Span) -> impl Iterator<Item = usize> {
    let (start, step) = (s.start, s.step);
    (0..s.len).map(move |k| start.wrapping_add_signed(k as isize * step))
}

/// `y` = the elements of `t` where `x` is largest in each window.
pub(crate) fn pick<T: Float>(planes: &Planes, x: &[T], t: &[T], y: &mut [T]) {
    let (len, places, some) = (planes.len(), planes.places(), planes.together());
    let own = std::ptr::eq(x, t);
    threads::for_each_chunk(y, some * places, &|task, y| {
        for (i, y) in y.chunks_mut(places).enumerate() {
            let plane = (task * some + i) * len..(task * some + i + 1) * len;
            let (x, t) = (&x[plane.clone()], &t[plane]);
            planes.for_each_largest(x, |place, at, largest| match own {
                true => y[place..place + at.len()].copy_from_slice(largest),
                false => y[place..].iter_mut().zip(at).for_each(|(y, &at)| *y = t[at as usize]),
            });
        }
    });
}

/// `t` = zeros with the elements of `g` added where `x` is largest in each window: the transpose of [`pick`].
pub(crate) fn pick_add<T: Float>(planes: &Planes, x: &[T], g: &[T], t: &mut [T]) {
    let (len, places, some) = (planes.len(), planes.places(), planes.together());
    threads::for_each_chunk(t, some * len, &|task, t| {
        for (i, t) in t.chunks_mut(len).enumerate() {
            let plane = task * some + i;
            t.fill(T::zero());
            let g = &g[plane * places..][..places];
            planes.for_each_largest(&x[plane * len..][..len], |place, at, _| {
                at.iter().zip(&g[place..]).for_each(|(&at, &g)| t[at as usize] += g);
            });
        }
    });
}

/// `y[o, i, k] = Σ m[i, j] x[o, j, k]` for arrays `[outer, size, inner]`, with the entries `(j, m[i, j])` of each row.
pub(crate) fn map<'a, T: Float>(
    x: &[T],
    [_, size, inner]: [usize; 3],
    rows: usize,
    row: &(dyn Fn(usize) -> &'a [(usize, f64)] + Sync),
    y: &mut [T],
) {
    let plane = rows * inner;
    let some = (CHUNK / plane).max(1);
    threads::for_each_chunk(y, some * plane, &|task, y| {
        for (i, y) in y.chunks_mut(plane).enumerate() {
            let x = &x[(task * some + i) * size * inner..][..size * inner];
            for (i, y) in y.chunks_mut(inner).enumerate() {
                if inner == 1 {
                    y[0] = row(i).iter().fold(T::zero(), |sum, &(j, m)| sum + T::of(m) * x[j]);
                    continue;
                }
                y.fill(T::zero());
                row(i).iter().for_each(|&(j, m)| add(T::of(m), &x[j * inner..][..inner], y));
            }
        }
    });
}

simd! {
    /// `y += m x`
    fn add<T: Float>(m: T, x: &[T], y: &mut [T]) {
        y.iter_mut().zip(x).for_each(|(y, &x)| *y += m * x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_largest_of_all_windows() {
        // Neighbouring windows in blocks and at their ends, strides known and unknown, windows cut off by an edge, NaN.
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
            let planes = Planes { size: [1, 3, width], panes: [&point, &h, &w] };
            let (mut y, mut t) = (vec![0.0; h.len() * w.len()], vec![0.0; x.len()]);
            let mut expected = t.clone();
            pick(&planes, &x, &x, &mut y);
            let g: Vec<f32> = (0..y.len()).map(|i| i as f32).collect();
            pick_add(&planes, &x, &g, &mut t);
            for (i, (h, w)) in h.iter().flat_map(|h| w.iter().map(move |w| (h, w))).enumerate() {
                let covered = indices(h).flat_map(|i| indices(w).map(move |j| i * width + j));
                let first = covered.reduce(|a, b| if x[b] > x[a] || x[b].is_nan() && !x[a].is_nan() { b } else { a });
                let first = first.expect("a window is not empty");
                assert!(y[i].to_bits() == x[first].to_bits(), "{width}, {size} by {stride}, place {i}");
                expected[first] += g[i];
            }
            assert_eq!(t, expected, "{width}, {size} by {stride}");
        }
    }
}
