//! Positions of elements in sorted order. NaN counts as larger than any number, and equal elements keep their order,
//! as in NumPy.

use super::isa::simd;
use super::threads;
use crate::float::Float;

/// Elements that a thread processes at a time, in whole rows.
const CHUNK: usize = 4096;

/// The first position of `best` along the middle axis of `x`, `[outer, n, inner]`; `best` and `out` are `[outer,
/// inner]`.
pub(crate) fn first_place<T: Float>(x: &[T], [_, n, inner]: [usize; 3], best: &[T], out: &mut [i64]) {
    let some = (CHUNK / (n * inner).max(1)).max(1) * inner;
    threads::for_each_chunk(out, some.max(1), &|chunk, out| {
        for (k, out) in out.chunks_mut(inner).enumerate() {
            let o = chunk * some / inner + k;
            let (x, best) = (&x[o * n * inner..][..n * inner], &best[o * inner..][..inner]);
            if inner == 1 {
                out[0] = x.iter().position(|&x| same(x, best[0])).unwrap_or(0) as i64;
            } else {
                first_rows(x, best, out);
            }
        }
    });
}

#[inline(always)]
fn same<T: Float>(a: T, b: T) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

simd! {
    /// The first row of `x` that has the elements of `best`, for each column.
    fn first_rows<T: Float>(x: &[T], best: &[T], out: &mut [i64]) {
        // Visit the rows backward, so that the first of several equal elements is written last.
        for (k, row) in x.chunks(best.len()).enumerate().rev() {
            let matches = out.iter_mut().zip(row).zip(best);
            matches.for_each(|((o, &x), &b)| *o = if same(x, b) { k as i64 } else { *o });
        }
    }
}

/// An element of a row: a key that orders like its value, above its position. Sorting integers is the same code for all
/// number types, and stable, since no two are equal.
type Keyed = u128;

/// The position of an element.
fn position(element: Keyed) -> i64 {
    element as i64
}

/// The key of a value: NaN is largest, and both zeros are equal. In descending order, larger values have smaller keys.
fn key<T: Float>(x: T, descending: bool) -> u64 {
    let bits = (x.f64() + 0.0).to_bits();
    // The larger a negative number, the smaller its bits.
    let flipped = bits ^ ((bits as i64 >> 63) as u64 | 1 << 63);
    let ascending = if x.is_nan() { u64::MAX } else { flipped };
    if descending { !ascending } else { ascending }
}

/// The positions of the first `k` elements in sorted order, for each row of length `n`; `out` has rows of length `k`.
pub(crate) fn sort_rows<T: Float>(x: &[T], n: usize, k: usize, descending: bool, out: &mut [i64]) {
    for_each_row(x, n, k, descending, out, &first);
}

/// The position of the lower median of each row of length `n`, or of the first NaN.
pub(crate) fn median_rows<T: Float>(x: &[T], n: usize, out: &mut [i64]) {
    for_each_row(x, n, 1, false, out, &middle);
}

/// The last position of the most frequent element of each row of length `n` (the smallest such element if there are
/// several), or the position of the first NaN.
pub(crate) fn mode_rows<T: Float>(x: &[T], n: usize, out: &mut [i64]) {
    for_each_row(x, n, 1, false, out, &commonest);
}

fn first(row: &mut [Keyed], out: &mut [i64]) {
    if out.len() < row.len() {
        row.select_nth_unstable(out.len());
    }
    let row = &mut row[..out.len()];
    row.sort_unstable();
    out.iter_mut().zip(row).for_each(|(place, element)| *place = position(*element));
}

fn middle(row: &mut [Keyed], out: &mut [i64]) {
    let middle = (row.len() - 1) / 2;
    out[0] = nan(row).unwrap_or_else(|| position(*row.select_nth_unstable(middle).1));
}

fn commonest(row: &mut [Keyed], out: &mut [i64]) {
    out[0] = nan(row).unwrap_or_else(|| {
        row.sort_unstable();
        // `max_by_key` returns the last of equally long runs: in reverse order, that of the smallest element.
        let equals = row.chunk_by(|a, b| a >> 64 == b >> 64).rev();
        equals.max_by_key(|run| run.len()).and_then(|run| run.last()).map_or(0, |last| position(*last))
    });
}

/// The position of the first NaN of a row in ascending keys.
fn nan(row: &[Keyed]) -> Option<i64> {
    row.iter().find(|element| *element >> 64 == Keyed::from(u64::MAX)).map(|element| position(*element))
}

/// Finds the positions in one row.
type Find<'f> = &'f (dyn Fn(&mut [Keyed], &mut [i64]) + Sync);

/// Runs `find` over all rows, with `n` elements in and `k` out.
fn for_each_row<T: Float>(x: &[T], n: usize, k: usize, descending: bool, out: &mut [i64], find: Find<'_>) {
    let some = (CHUNK / n).max(1);
    threads::for_each_chunk(out, some * k, &|chunk, out| {
        let mut row: Vec<Keyed> = Vec::with_capacity(n);
        for (r, out) in out.chunks_mut(k).enumerate() {
            row.clear();
            let keys = x[(chunk * some + r) * n..][..n].iter().map(|&x| Keyed::from(key(x, descending)) << 64);
            row.extend(keys.zip(0..).map(|(key, position)| key | position));
            find(&mut row, out);
        }
    });
}
