//! Picking and placing by integer index. Indices have been checked against the axis they point into. Where several
//! contributions fall on one place they are added in index order, so the bits never depend on threads.

use crate::float::{Element, Float};

/// `out[o, j, i] = x[o, index[j], i]` for arrays `[outer, size, inner]` and `[outer, index.len(), inner]`.
pub(crate) fn take<T: Element>(x: &[T], [outer, size, inner]: [usize; 3], index: &[i64], out: &mut [T]) {
    if inner == 1 && size > 0 && !index.is_empty() {
        // Single elements are not worth a call each.
        for (x, out) in x.chunks(size).zip(out.chunks_mut(index.len())) {
            out.iter_mut().zip(index).for_each(|(place, &j)| *place = x[j as usize]);
        }
        return;
    }
    let mut places = out.chunks_mut(inner.max(1));
    for o in 0..outer {
        for &j in index {
            let at = (o * size + j as usize) * inner;
            let Some(place) = places.next() else { return };
            place.copy_from_slice(&x[at..at + inner]);
        }
    }
}

/// `out[o, index[j], i] += x[o, j, i]`: the transpose of [`take`]. `out` is `[outer, size, inner]`.
pub(crate) fn take_add<T: Float>(x: &[T], [outer, size, inner]: [usize; 3], index: &[i64], out: &mut [T]) {
    let mut rows = x.chunks(inner.max(1));
    for o in 0..outer {
        for &j in index {
            let at = (o * size + j as usize) * inner;
            let Some(row) = rows.next() else { return };
            out[at..at + inner].iter_mut().zip(row).for_each(|(a, &x)| *a += x);
        }
    }
}

/// `out[o, j, i] = x[o, index[o, j, i], i]`: an index for each element. `x` is `[outer, size, inner]`, `index` and
/// `out` are `[outer, picks, inner]`.
pub(crate) fn gather<T: Element>(x: &[T], [size, picks, inner]: [usize; 3], index: &[i64], out: &mut [T]) {
    for (at, (place, &j)) in out.iter_mut().zip(index).enumerate() {
        let (o, i) = (at / (picks * inner), at % inner);
        *place = x[(o * size + j as usize) * inner + i];
    }
}

/// `out[o, index[o, j, i], i] += x[o, j, i]`: the transpose of [`gather`].
pub(crate) fn gather_add<T: Float>(x: &[T], [size, picks, inner]: [usize; 3], index: &[i64], out: &mut [T]) {
    for (at, (&x, &j)) in x.iter().zip(index).enumerate() {
        let (o, i) = (at / (picks * inner), at % inner);
        out[(o * size + j as usize) * inner + i] += x;
    }
}
