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
/// number types, and stable, since no two are equal. The key of `f32` is half as wide.
trait Keyed: Copy + Ord {
    /// NaN is largest, and both zeros are equal. In descending order, larger values have smaller keys.
    fn new<T: Float>(x: T, descending: bool, position: usize) -> Self;
    fn position(self) -> i64;
    /// Whether both have the same key.
    fn ties(self, other: Self) -> bool;
    /// The first NaN of a row in ascending order has this key.
    fn is_nan(self) -> bool;
    /// Sorts a row.
    fn sort(row: &mut [Self], spare: &mut Vec<Self>);
}

macro_rules! keyed {
    ($Both:ident of $Key:ident, a $float:ident, sorted by $sort:expr) => {
        impl Keyed for $Both {
            #[inline(always)]
            fn new<T: Float>(x: T, descending: bool, position: usize) -> Self {
                let bits = (x.f64() as $float + 0.0).to_bits();
                // The larger a negative number, the smaller its bits.
                let negative = (bits >> ($Key::BITS - 1)).wrapping_neg();
                let flipped = bits ^ (negative | 1 << ($Key::BITS - 1));
                let ascending = if x.is_nan() { $Key::MAX } else { flipped };
                let key = if descending { !ascending } else { ascending };
                $Both::from(key) << $Key::BITS | position as $Both
            }
            #[inline(always)]
            fn position(self) -> i64 {
                (self as $Key) as i64
            }
            fn ties(self, other: Self) -> bool {
                self >> $Key::BITS == other >> $Key::BITS
            }
            fn is_nan(self) -> bool {
                self >> $Key::BITS == $Both::from($Key::MAX)
            }
            fn sort(row: &mut [Self], spare: &mut Vec<Self>) {
                $sort(row, spare)
            }
        }
    };
}
keyed!(u64 of u32, a f32, sorted by by_digits);
keyed!(u128 of u64, a f64, sorted by |row: &mut [u128], _: &mut Vec<u128>| row.sort_unstable());

/// Rows from this length on are sorted digit by digit.
const MANY: usize = 128;
const DIGIT: usize = 8;
const VALUES: usize = 1 << DIGIT;

/// Sorts by the upper half, whose digits are sorted from the last to the first; each pass keeps the order of the others.
/// The lower halves ascend already.
fn by_digits(row: &mut [u64], spare: &mut Vec<u64>) {
    if row.len() < MANY {
        return row.sort_unstable();
    }
    const DIGITS: usize = 32 / DIGIT;
    let digit = |x: u64, d: usize| (x >> (32 + DIGIT * d)) as usize % VALUES;
    let mut counts = [[0u32; VALUES]; DIGITS];
    for &x in row.iter() {
        (0..DIGITS).for_each(|d| counts[d][digit(x, d)] += 1);
    }
    spare.resize(row.len(), 0);
    let (mut from, mut to) = (&mut *row, spare.as_mut_slice());
    let mut passes = 0;
    for (d, counts) in counts.iter_mut().enumerate() {
        if counts[digit(from[0], d)] as usize == from.len() {
            continue; // all are equal here
        }
        let mut start = 0;
        counts.iter_mut().for_each(|count| start += std::mem::replace(count, start));
        for &x in from.iter() {
            let place = &mut counts[digit(x, d)];
            to[*place as usize] = x;
            *place += 1;
        }
        (from, to) = (to, from);
        passes += 1;
    }
    if passes % 2 == 1 {
        to.copy_from_slice(from);
    }
}

/// What is sought in each row.
#[derive(Clone, Copy)]
pub(crate) enum Sought {
    /// The positions of the first elements in sorted order, as many as there is room for.
    First,
    /// The position of the lower median, or of the first NaN.
    Median,
    /// The last position of the most frequent element (the smallest such element if there are several), or the position of
    /// the first NaN.
    Mode,
}

/// Finds positions in each row of length `n`; `out` has rows of length `k`.
pub(crate) fn positions<T: Float>(sought: Sought, x: &[T], [n, k]: [usize; 2], descending: bool, out: &mut [i64]) {
    let narrow = size_of::<T>() == size_of::<f32>() && u32::try_from(n).is_ok();
    let find = if narrow { in_rows::<T, u64> } else { in_rows::<T, u128> };
    let some = (CHUNK / n).max(1);
    threads::for_each_chunk(out, some * k, &|chunk, out| {
        find(sought, &x[chunk * some * n..][..out.len() / k * n], [n, k], descending, out);
    });
}

fn in_rows<T: Float, K: Keyed>(sought: Sought, x: &[T], [n, k]: [usize; 2], descending: bool, out: &mut [i64]) {
    let (mut row, mut spare): (Vec<K>, Vec<K>) = (Vec::with_capacity(n), Vec::new());
    for (x, out) in x.chunks(n).zip(out.chunks_mut(k)) {
        row.clear();
        row.extend(x.iter().zip(0..).map(|(&x, position)| K::new(x, descending, position)));
        match sought {
            Sought::First => first(&mut row, &mut spare, out),
            Sought::Median => out[0] = nan(&row).unwrap_or_else(|| median(&mut row)),
            Sought::Mode => out[0] = nan(&row).unwrap_or_else(|| mode(&mut row, &mut spare)),
        }
    }
}

fn first<K: Keyed>(row: &mut [K], spare: &mut Vec<K>, out: &mut [i64]) {
    if out.len() < row.len() {
        row.select_nth_unstable(out.len());
    }
    let row = &mut row[..out.len()];
    K::sort(row, spare);
    out.iter_mut().zip(row).for_each(|(place, element)| *place = element.position());
}

fn median<K: Keyed>(row: &mut [K]) -> i64 {
    let middle = (row.len() - 1) / 2;
    row.select_nth_unstable(middle).1.position()
}

fn mode<K: Keyed>(row: &mut [K], spare: &mut Vec<K>) -> i64 {
    K::sort(row, spare);
    // `max_by_key` returns the last of equally long runs: in reverse order, that of the smallest element.
    let equals = row.chunk_by(|a, b| a.ties(*b)).rev();
    equals.max_by_key(|run| run.len()).and_then(|run| run.last()).map_or(0, |last| last.position())
}

/// The position of the first NaN of a row in ascending keys.
fn nan<K: Keyed>(row: &[K]) -> Option<i64> {
    row.iter().find(|element| element.is_nan()).map(|element| element.position())
}

/// In rows of length `row`, finds where to insert each of the last elements among the `sorted` first ones: before equal
/// ones, or after them.
pub(crate) fn inserted<T: Float>(x: &[T], [row, sorted]: [usize; 2], after: bool, out: &mut [i64]) {
    let width = row - sorted;
    threads::for_each_chunk(out, CHUNK, &|chunk, out| {
        let (mut i, mut j) = (chunk * CHUNK / width, chunk * CHUNK % width);
        for out in out {
            let (sorted, values) = x[i * row..][..row].split_at(sorted);
            let x = values[j];
            let smaller = sorted.partition_point(|&s| s < x || (after && s == x));
            *out = match x.is_nan() {
                false => smaller,
                true if after => sorted.len(),
                true => sorted.len() - sorted.iter().rev().take_while(|s| s.is_nan()).count(),
            } as i64;
            (i, j) = if j + 1 == width { (i + 1, 0) } else { (i, j + 1) };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows shorter and longer than those sorted by digits, with few and many different elements, against a stable sort by
    /// comparison.
    #[test]
    fn positions_are_those_of_a_stable_sort() {
        fn check<T: Float>(x: &[T], descending: bool) {
            let mut found = vec![0; x.len()];
            positions(Sought::First, x, [x.len(); 2], descending, &mut found);
            let mut expected: Vec<i64> = (0..x.len() as i64).collect();
            let at = |i: &i64| x[*i as usize].f64();
            let less = |a: &i64, b: &i64| {
                let order = at(a).partial_cmp(&at(b)).unwrap_or(at(a).is_nan().cmp(&at(b).is_nan()));
                if descending { order.reverse() } else { order }
            };
            expected.sort_by(less);
            assert_eq!(found, expected);
        }
        let special = [f32::NAN, f32::INFINITY, -f32::INFINITY, 0.0, -0.0, f32::MIN_POSITIVE, -1e-45, 3.5];
        for n in [1, 2, 100, MANY - 1, MANY, 1000] {
            let mut x: Vec<f32> = (0..n).map(|i| ((i * 7919) % 10007) as f32 * 0.1 - 300.0).collect();
            for round in 0..3 {
                for descending in [false, true] {
                    check(&x, descending);
                    check(&x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), descending);
                }
                match round {
                    0 => x.iter_mut().enumerate().for_each(|(i, x)| *x = special[i * 5 % 8]),
                    _ => x.fill(2.0),
                }
            }
        }
    }
}
