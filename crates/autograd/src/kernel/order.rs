//! Positions of elements in sorted order. NaN counts as larger than any number, and equal elements keep their order,
//! as in NumPy.

use super::threads;
use crate::float::Float;
use std::cmp::Ordering;

/// Elements that a thread processes at a time, in whole rows.
const CHUNK: usize = 4096;

/// The first position of `best` along the middle axis of `x`, `[outer, n, inner]`; `best` and `out` are `[outer,
/// inner]`.
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
            // Visit the rows backward, so that the first of several equal elements is written last.
            for (k, row) in x.chunks(inner).enumerate().rev() {
                let matches = out.iter_mut().zip(row).zip(best);
                matches.for_each(|((o, &x), &b)| *o = if same(x, b) { k as i64 } else { *o });
            }
        }
    });
}

/// The positions of the first `k` elements in sorted order, for each row of length `n`; `out` has rows of length `k`.
pub(crate) fn sort_rows<T: Float>(x: &[T], n: usize, k: usize, descending: bool, out: &mut [i64]) {
    for_each_row(x, n, k, out, |row, places, out| {
        let order = |&i: &i64, &j: &i64| by_size(row, i, j, descending);
        if k < n {
            places.select_nth_unstable_by(k, order);
        }
        places[..k].sort_unstable_by(order);
        out.copy_from_slice(&places[..k]);
    });
}

/// The position of the lower median of each row of length `n`, or of the first NaN.
pub(crate) fn median_rows<T: Float>(x: &[T], n: usize, out: &mut [i64]) {
    for_each_row(x, n, 1, out, |row, places, out| {
        let middle = || *places.select_nth_unstable_by((n - 1) / 2, |&i, &j| by_size(row, i, j, false)).1;
        out[0] = row.iter().position(|x| x.is_nan()).map_or_else(middle, |i| i as i64);
    });
}

/// The last position of the most frequent element of each row of length `n` (the smallest such element if there are
/// several), or the position of the first NaN.
pub(crate) fn mode_rows<T: Float>(x: &[T], n: usize, out: &mut [i64]) {
    for_each_row(x, n, 1, out, |row, places, out| {
        let commonest = || {
            places.sort_unstable_by(|&i, &j| by_size(row, i, j, false));
            let equals = places.chunk_by(|&i, &j| row[i as usize] == row[j as usize]);
            // `max_by_key` returns the last of equally long runs: in reverse order, that of the smallest element.
            equals.rev().max_by_key(|run| run.len()).and_then(|run| run.last().copied()).unwrap_or(0)
        };
        out[0] = row.iter().position(|x| x.is_nan()).map_or_else(commonest, |i| i as i64);
    });
}

/// Compares two positions: by their elements, then by position.
fn by_size<T: Float>(row: &[T], i: i64, j: i64, descending: bool) -> Ordering {
    let (a, b) = (row[i as usize], row[j as usize]);
    let ascending = a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
    if descending { ascending.reverse() } else { ascending }.then(i.cmp(&j))
}

/// Runs `f(row, positions 0 to n - 1, row of out)` over all rows, with `n` elements in and `k` out.
fn for_each_row<T: Float>(
    x: &[T],
    n: usize,
    k: usize,
    out: &mut [i64],
    f: impl Fn(&[T], &mut [i64], &mut [i64]) + Sync,
) {
    let some = (CHUNK / n).max(1);
    threads::for_each_chunk(out, some * k, &|chunk, out| {
        let mut places: Vec<i64> = Vec::with_capacity(n);
        for (r, out) in out.chunks_mut(k).enumerate() {
            places.clear();
            places.extend(0..n as i64);
            f(&x[(chunk * some + r) * n..][..n], &mut places, out);
        }
    });
}
