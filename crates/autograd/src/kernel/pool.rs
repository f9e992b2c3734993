//! Windows on the last three axes of an array, and linear maps along one axis.

use super::threads;
use crate::float::Float;
use crate::tensor::view::Span;

/// Elements a thread takes at a time, about.
const CHUNK: usize = 1 << 14;

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

    /// Calls `f` with each place and the index of the first largest element it covers. NaN counts as largest.
    #[inline(always)]
    fn for_each_largest<T: Float>(&self, x: &[T], mut f: impl FnMut(usize, usize)) {
        let [d, h, w] = self.panes;
        let [_, height, width] = self.size;
        let mut place = 0;
        for (d, h) in d.iter().flat_map(|d| h.iter().map(move |h| (d, h))) {
            for w in w {
                let mut largest = (d.start * height + h.start) * width + w.start;
                for i in indices(d) {
                    for j in indices(h) {
                        let row = (i * height + j) * width;
                        for at in indices(w).map(|k| row + k) {
                            let better = x[at] > x[largest] || (x[at].is_nan() && !x[largest].is_nan());
                            largest = if better { at } else { largest };
                        }
                    }
                }
                f(place, largest);
                place += 1;
            }
        }
    }
}

#[inline(always)]
fn indices(s: &Span) -> impl Iterator<Item = usize> {
    let (start, step) = (s.start, s.step);
    (0..s.len).map(move |k| start.wrapping_add_signed(k as isize * step))
}

/// `y` = the elements of `t` where `x` is largest in each window.
pub(crate) fn pick<T: Float>(planes: &Planes, x: &[T], t: &[T], y: &mut [T]) {
    let (len, places, some) = (planes.len(), planes.places(), planes.together());
    threads::for_each_chunk(y, some * places, &|task, y| {
        for (i, y) in y.chunks_mut(places).enumerate() {
            let plane = (task * some + i) * len..(task * some + i + 1) * len;
            let (x, t) = (&x[plane.clone()], &t[plane]);
            planes.for_each_largest(x, |place, at| y[place] = t[at]);
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
            planes.for_each_largest(&x[plane * len..][..len], |place, at| t[at] += g[place]);
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

super::simd::simd! {
    /// `y += m x`
    fn add<T: Float>(m: T, x: &[T], y: &mut [T]) {
        y.iter_mut().zip(x).for_each(|(y, &x)| *y += m * x);
    }
}
