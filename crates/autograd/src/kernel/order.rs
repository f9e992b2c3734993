//! Where elements stand in the order of their size. NaN counts as larger than any number, and equal elements keep their
//! order, as in NumPy.

use super::threads;
use crate::float::Float;
use std::cmp::Ordering;

/// Elements a thread takes at a time, in whole rows.
const CHUNK: usize = 4096;

/// Ascending, NaN last.
pub(crate) fn ascending<T: Float>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Where `best` first stands along the middle axis of `x`, `[outer, n, inner]`; `best` and `out` are `[outer, inner]`.
pub(crate) fn first_place<T: Float>(x: &[T], [_, n, inner]: [usize; 3], best: &[T], out: &mut [i64]) {
    let same = |a: T, b: T| a == b || (a.is_nan() && b.is_nan());
    let some = (CHUNK / (n * inner).max(1)).max(1) * inner;
    threads::for_each_chunk(out, some.max(1), &|chunk, out| {
        for (k, out) in out.chunks_mut(inner).enumerate() {
            let o = chunk * some / inner + k;
            let (x, best) = (&x[o * n * inner..][..n * inner], &best[o * inner..][..inner]);
            if inner == 1 {
                out[0] = x.iter().position(|&x| same(x, best[0])).unwrap_or(0) as i64;
                continue;
            }
            // Rows backwards, so that the first of equals is written last.
            for (k, row) in x.chunks(inner).enumerate().rev() {
                let matches = out.iter_mut().zip(row).zip(best);
                matches.for_each(|((o, &x), &b)| *o = if same(x, b) { k as i64 } else { *o });
            }
        }
    });
}

/// The places of the `k` first elements of each row of length `n`, in order; `out` has rows of length `k`.
pub(crate) fn sort_rows<T: Float>(x: &[T], n: usize, k: usize, descending: bool, out: &mut [i64]) {
    if out.is_empty() {
        return;
    }
    let some = (CHUNK / n).max(1);
    threads::for_each_chunk(out, some * k, &|chunk, out| {
        let mut places: Vec<i64> = Vec::with_capacity(n);
        for (r, out) in out.chunks_mut(k).enumerate() {
            let row = &x[(chunk * some + r) * n..][..n];
            let order = |&i: &i64, &j: &i64| {
                let order = ascending(row[i as usize], row[j as usize]);
                if descending { order.reverse() } else { order }.then(i.cmp(&j))
            };
            places.clear();
            places.extend(0..n as i64);
            if k < n {
                places.select_nth_unstable_by(k, order);
            }
            places[..k].sort_unstable_by(order);
            out.copy_from_slice(&places[..k]);
        }
    });
}
