//! Positions of elements in sorted order. NaN counts as larger than any number, and equal elements keep their order,
//! as in NumPy.

use super::isa::{each, simd};
use super::threads;
use crate::float::Float;
use std::hint::select_unpredictable;

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
            each!(|row, best| out = if same(row, best) { k as i64 } else { out });
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
    ($Both:ident of $Key:ident, sorted by $sort:expr) => {
        impl Keyed for $Both {
            #[inline(always)]
            fn new<T: Float>(x: T, descending: bool, position: usize) -> Self {
                let ascending = (x.rank() >> (u64::BITS - $Key::BITS)) as $Key;
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
keyed!(u64 of u32, sorted by |row: &mut [u64], spare| by_digits(row, spare, |x| x >> 32));
keyed!(u128 of u64, sorted by |row: &mut [u128], _: &mut Vec<u128>| row.sort_unstable());

/// Rows of at least this length are sorted digit by digit.
const MANY: usize = 128;
const DIGIT: usize = 8;
const VALUES: usize = 1 << DIGIT;
/// The digits of the widest keys.
const MOST: usize = 64 / DIGIT;

/// Sorts by keys, from the last digit to the first; each pass keeps the order of the others, and of elements with the same
/// key.
fn by_digits<K: Copy + Default>(row: &mut [K], spare: &mut Vec<K>, key: impl Fn(K) -> u64) {
    if row.len() < MANY {
        return row.sort_by_key(|&x| key(x));
    }
    // For small integers or single-precision numbers, most digits are the same for all elements.
    let first = key(row[0]);
    let varying = row.iter().fold(0, |bits, &x| bits | (key(x) ^ first));
    let digit = |x: K, d: usize| (key(x) >> (DIGIT * d)) as usize % VALUES;
    let (mut counts, mut digits, mut count) = ([[0u32; VALUES]; MOST], [0; MOST], 0);
    for d in (0..MOST).filter(|d| varying >> (DIGIT * d) & (VALUES as u64 - 1) != 0) {
        digits[count] = d;
        count += 1;
    }
    let (counts, digits) = (&mut counts[..count], &digits[..count]);
    for &x in row.iter() {
        counts.iter_mut().zip(digits).for_each(|(counts, &d)| counts[digit(x, d)] += 1);
    }
    spare.resize(row.len(), K::default());
    let (mut from, mut to) = (&mut *row, spare.as_mut_slice());
    for (counts, &d) in counts.iter_mut().zip(digits) {
        let mut start = 0;
        counts.iter_mut().for_each(|count| start += std::mem::replace(count, start));
        for &x in from.iter() {
            let place = &mut counts[digit(x, d)];
            to[*place as usize] = x;
            *place += 1;
        }
        (from, to) = (to, from);
    }
    if count % 2 == 1 {
        to.copy_from_slice(from);
    }
}

/// The distinct ranks of a list, in ascending order.
#[derive(Default)]
pub(crate) struct Distinct {
    /// The place of the first element of each.
    pub first: Vec<usize>,
    /// The number of elements that have it.
    pub counts: Vec<i64>,
    /// For each element, which of them it has.
    pub inverse: Vec<i64>,
}

/// The distinct ranks: counted if they are in a narrow range, as those of most integers are; else sorted.
pub(crate) fn distinct(ranks: &[u64]) -> Distinct {
    let (least, most) = ranks.iter().fold((u64::MAX, 0), |(least, most), &rank| (least.min(rank), most.max(rank)));
    match most.checked_sub(least) {
        Some(span) if span / 2 < ranks.len() as u64 => counted(ranks, least, span as usize + 1),
        _ => sorted(ranks),
    }
}

/// The distinct ranks among `span` possible ones from `least` on.
fn counted(ranks: &[u64], least: u64, span: usize) -> Distinct {
    let mut found = Distinct { inverse: vec![0; ranks.len()], ..Distinct::default() };
    // For each rank its first place and its count; the count is later replaced by the index among the distinct ranks.
    let mut table = vec![(0, 0); span];
    for (i, &rank) in ranks.iter().enumerate() {
        let (first, count) = &mut table[(rank - least) as usize];
        *first = if *count == 0 { i } else { *first };
        *count += 1;
    }
    for (first, count) in table.iter_mut().filter(|(_, count)| *count > 0) {
        found.counts.push(std::mem::replace(count, found.first.len() as i64));
        found.first.push(*first);
    }
    found.inverse.iter_mut().zip(ranks).for_each(|(which, rank)| *which = table[(rank - least) as usize].1);
    found
}

/// The distinct ones of any ranks.
fn sorted(ranks: &[u64]) -> Distinct {
    let mut all: Vec<(u64, usize)> = ranks.iter().copied().zip(0..).collect();
    match u32::try_from(all.len()) {
        Ok(_) => by_digits(&mut all, &mut Vec::new(), |(rank, _)| rank),
        Err(_) => all.sort_by_key(|&(rank, _)| rank), // digits are counted in 32 bits
    }
    let mut found = Distinct { inverse: vec![0; ranks.len()], ..Distinct::default() };
    for equal in all.chunk_by(|(a, _), (b, _)| a == b) {
        equal.iter().for_each(|&(_, i)| found.inverse[i] = found.first.len() as i64);
        found.first.push(equal[0].1);
        found.counts.push(equal.len() as i64);
    }
    found
}

/// What to find in each row.
#[derive(Clone, Copy)]
pub(crate) enum Sought<'r> {
    /// The positions of the first elements in sorted order, as many as there is room for.
    First,
    /// The positions of the elements at these places of the sorted order; the places are ascending.
    Ranked(&'r [usize]),
    /// The position of the lower median, or of the first NaN.
    Median,
    /// The last position of the most frequent element (the smallest such element if there are several), or the position of
    /// the first NaN.
    Mode,
}

/// Finds positions in each row of length `n`; `out` has rows of length `k`.
pub(crate) fn positions<T: Float>(sought: Sought<'_>, x: &[T], [n, k]: [usize; 2], descending: bool, out: &mut [i64]) {
    let narrow = size_of::<T>() == size_of::<f32>() && u32::try_from(n).is_ok();
    let find = if narrow { in_rows::<T, u64> } else { in_rows::<T, u128> };
    let some = (CHUNK / n).max(1);
    threads::for_each_chunk(out, some * k, &|chunk, out| {
        find(sought, &x[chunk * some * n..][..out.len() / k * n], [n, k], descending, out);
    });
}

fn in_rows<T: Float, K: Keyed>(sought: Sought<'_>, x: &[T], [n, k]: [usize; 2], descending: bool, out: &mut [i64]) {
    let (mut row, mut spare): (Vec<K>, Vec<K>) = (Vec::with_capacity(n), Vec::new());
    for (x, out) in x.chunks(n).zip(out.chunks_mut(k)) {
        row.clear();
        row.extend(x.iter().zip(0..).map(|(&x, position)| K::new(x, descending, position)));
        match sought {
            Sought::First => first(&mut row, &mut spare, out),
            Sought::Ranked(ranks) => ranked(&mut row, ranks, out),
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

fn ranked<K: Keyed>(row: &mut [K], ranks: &[usize], out: &mut [i64]) {
    let mut start = 0;
    for (&rank, out) in ranks.iter().zip(out) {
        // Elements left of a place are not larger than the element there, and elements right of it are not smaller.
        *out = row[start..].select_nth_unstable(rank - start).1.position();
        start = rank;
    }
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
    threads::for_each_chunk(out, CHUNK, &|chunk, mut out| {
        let mut at = chunk * CHUNK;
        while !out.is_empty() {
            let (sorted, values) = x[at / width * row..][..row].split_at(sorted);
            let values = &values[at % width..];
            let (part, rest) = out.split_at_mut(values.len().min(out.len()));
            at += part.len();
            match after {
                false => bisected(sorted, values, |s, x| s < x, part),
                true => bisected(sorted, values, |s, x| s <= x, part),
            }
            let numbers = sorted.len() - sorted.iter().rev().take_while(|s| s.is_nan()).count();
            let last = if after { sorted.len() } else { numbers } as i64;
            part.iter_mut().zip(values).for_each(|(place, x)| *place = if x.is_nan() { last } else { *place });
            out = rest;
        }
    });
}

/// The number of values searched for at the same time.
const SIDE: usize = 8;

/// How many sorted elements are `before` each value. All searches take the same steps without branches, so there are no
/// branch mispredictions, and several searches wait for memory at the same time.
fn bisected<T: Float>(sorted: &[T], values: &[T], before: impl Fn(T, T) -> bool, out: &mut [i64]) {
    if sorted.is_empty() {
        return out.fill(0);
    }
    for (out, values) in out.chunks_mut(SIDE).zip(values.chunks(SIDE)) {
        let (mut found, mut lanes, mut left) = ([0; SIDE], [values[0]; SIDE], sorted.len());
        lanes[..values.len()].copy_from_slice(values);
        while left > 1 {
            let half = left / 2;
            for l in 0..SIDE {
                let next = found[l] + half;
                found[l] = select_unpredictable(before(sorted[next - 1], lanes[l]), next, found[l]);
            }
            left -= half;
        }
        let last = |found: usize, x: T| found + usize::from(before(sorted[found], x));
        out.iter_mut().zip(found.into_iter().zip(lanes)).for_each(|(out, (found, x))| *out = last(found, x) as i64);
    }
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

    /// Lists and rows of all small sizes, with equal elements and NaN, against a scan from the left.
    #[test]
    fn places_are_those_of_a_scan() {
        for sorted in 0..40usize {
            for width in [1, 7, 8, 9, 17] {
                let mut list: Vec<f64> = (0..sorted).map(|i| (i / 3) as f64).collect();
                list.iter_mut().skip(sorted - sorted / 10).for_each(|x| *x = f64::NAN);
                let values = (0..width).map(|i| [-1.0, f64::NAN, 0.0, 4.0, 4.5, 100.0, f64::INFINITY][i * 5 % 7]);
                let row: Vec<f64> = list.iter().copied().chain(values).collect();
                let rows = row.repeat(3);
                for after in [false, true] {
                    let mut found = vec![-1; 3 * width];
                    inserted(&rows, [row.len(), sorted], after, &mut found);
                    let first = |x: f64| {
                        let less = |a: f64, b: f64| a < b || (b.is_nan() && !a.is_nan());
                        list.iter().filter(|&&s| if after { !less(x, s) } else { less(s, x) }).count() as i64
                    };
                    let expected: Vec<i64> = row[sorted..].iter().map(|&x| first(x)).collect();
                    assert_eq!(found, expected.repeat(3), "{sorted} sorted, {width} values, after: {after}");
                }
            }
        }
    }

    #[test]
    fn ranked_places_are_those_of_the_sorted_list() {
        let x: Vec<f32> = (0..500).map(|i| ((i * 7919) % 101) as f32 - 50.0).collect();
        let mut sorted = vec![0; 500];
        positions(Sought::First, &x, [500; 2], false, &mut sorted);
        let ranks = [0, 1, 7, 250, 498, 499];
        let mut found = vec![0; ranks.len()];
        positions(Sought::Ranked(&ranks), &x, [500, ranks.len()], false, &mut found);
        for (&rank, &place) in ranks.iter().zip(&found) {
            assert_eq!(place, sorted[rank]);
        }
    }

    /// Ranks that are counted and ranks that are sorted, up to the largest, against a map.
    #[test]
    fn distinct_ranks_are_those_of_a_map() {
        for step in [1, 2, 3, 1 << 40] {
            for least in [0, 5, u64::MAX - 100 * step] {
                for n in [0, 1, 2, 150, 1000] {
                    let ranks: Vec<u64> = (0..n).map(|i| least + (i * 7919) % 101 * step).collect();
                    let mut map = std::collections::BTreeMap::<u64, Vec<usize>>::new();
                    ranks.iter().enumerate().for_each(|(i, &rank)| map.entry(rank).or_default().push(i));
                    let found = distinct(&ranks);
                    assert!(found.first.iter().eq(map.values().map(|places| &places[0])));
                    assert!(found.counts.iter().copied().eq(map.values().map(|places| places.len() as i64)));
                    let which = |rank: &u64| map.range(..rank).count() as i64;
                    assert!(found.inverse.iter().copied().eq(ranks.iter().map(which)));
                }
            }
        }
    }
}
