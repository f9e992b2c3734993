//! Picking and placing by integer index. Indices have been checked against the axis they point into. Where several
//! contributions fall on one place they are added in index order, so the bits never depend on threads.

use super::threads;
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

/// Elements a thread gathers at a time.
const CHUNK: usize = 16_384;

/// `out[o, j, i] = x[o, index[o, j, i], i]`: an index for each element. `x` is `[outer, size, inner]`, `index` and
/// `out` are `[outer, picks, inner]`.
pub(crate) fn gather<T: Element>(x: &[T], [size, picks, inner]: [usize; 3], index: &[i64], out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    let block = picks * inner;
    let some = (CHUNK / block).max(1) * block;
    threads::for_each_chunk(out, some, &|chunk, out| {
        let index = &index[chunk * some..chunk * some + out.len()];
        for (k, (out, index)) in out.chunks_mut(block).zip(index.chunks(block)).enumerate() {
            let x = &x[(chunk * some / block + k) * size * inner..][..size * inner];
            for (out, index) in out.chunks_mut(inner).zip(index.chunks(inner)) {
                let places = out.iter_mut().zip(index).enumerate();
                places.for_each(|(i, (o, &j))| *o = x[j as usize * inner + i]);
            }
        }
    });
}

/// `out[o, index[o, j, i], i] += x[o, j, i]`: the transpose of [`gather`].
pub(crate) fn gather_add<T: Float>(x: &[T], [size, picks, inner]: [usize; 3], index: &[i64], out: &mut [T]) {
    if x.is_empty() {
        return;
    }
    let block = picks * inner;
    let some = (CHUNK / (size * inner)).max(1);
    threads::for_each_chunk(out, some * size * inner, &|chunk, out| {
        for (k, out) in out.chunks_mut(size * inner).enumerate() {
            let at = (chunk * some + k) * block;
            for (x, index) in x[at..at + block].chunks(inner).zip(index[at..at + block].chunks(inner)) {
                x.iter().zip(index).enumerate().for_each(|(i, (&x, &j))| out[j as usize * inner + i] += x);
            }
        }
    });
}
