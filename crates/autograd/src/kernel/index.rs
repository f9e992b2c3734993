//! Gather and scatter by integer index. Indices have been checked against the axis they refer to. Contributions to the
//! same element are added in index order, so the bits do not depend on the number of threads.

use super::isa::{each, simd};
use super::reduce::{Fold, Sum};
use super::scratch::with_scratch;
use super::threads;
use crate::float::{Element, Float};
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

/// Elements that a thread processes at a time.
const CHUNK: usize = 16_384;

/// Whether all indices are at least 0 and below `size`.
pub(crate) fn within(index: &[i64], size: usize) -> bool {
    let (all, last) = (AtomicBool::new(true), size as i64 - 1);
    threads::for_each(index.len().div_ceil(CHUNK), &|chunk| {
        if !up_to(&index[chunk * CHUNK..index.len().min((chunk + 1) * CHUNK)], last) {
            all.store(false, Ordering::Relaxed);
        }
    });
    all.into_inner()
}

simd! {
    /// Whether all indices are at least 0 and at most `last`.
    fn up_to(index: &[i64], last: i64) -> bool {
        // The sign bit of i or of last - i is set if i is out of range. With neither an early exit nor a comparison, this
        // vectorizes on any CPU.
        index.iter().fold(0, |sign, &i| sign | i | last.wrapping_sub(i)) >= 0
    }
}

/// Runs `f(o, at, part)` over `out`, split among threads into pieces of whole rows of `inner` elements: `part` lies in
/// block `o`, `at` elements after its start.
fn for_each_part<T: Send>(out: &mut [T], [block, inner]: [usize; 2], f: &(dyn Fn(usize, usize, &mut [T]) + Sync)) {
    let some = (CHUNK / inner).max(1) * inner;
    threads::for_each_chunk(out, some, &|chunk, mut out| {
        let mut start = chunk * some;
        while !out.is_empty() {
            let at = start % block;
            let (part, rest) = out.split_at_mut((block - at).min(out.len()));
            start += part.len();
            f((start - 1) / block, at, part);
            out = rest;
        }
    });
}

/// `out[o, j, i] = x[o, index[j], i]` for arrays `[outer, size, inner]` and `[outer, index.len(), inner]`.
pub(crate) fn take<T: Element>(x: &[T], [_, size, inner]: [usize; 3], index: &[i64], out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    for_each_part(out, [index.len() * inner, inner], &|o, at, out| {
        let (x, index) = (&x[o * size * inner..][..size * inner], &index[at / inner..]);
        if inner == 1 {
            take_elements(x, &index[..out.len()], out);
        } else {
            for row in 0..out.len() / inner {
                out[row * inner..][..inner].copy_from_slice(&x[index[row] as usize * inner..][..inner]);
            }
        }
    });
}

/// `out[j] = x[index[j]]`, eight at a time: a loop of one element takes a fifth longer if its code straddles two cache lines.
fn take_elements<T: Element>(x: &[T], index: &[i64], out: &mut [T]) {
    let whole = out.len() / 8 * 8;
    let mut done = 0;
    while done < whole {
        let (out, index) = (&mut out[done..done + 8], &index[done..done + 8]);
        for k in 0..8 {
            out[k] = x[index[k] as usize];
        }
        done += 8;
    }
    for i in whole..out.len() {
        out[i] = x[index[i] as usize];
    }
}

/// `out[o, index[j], i] += x[o, j, i]`: the transpose of [`take`]. `out` is `[outer, size, inner]`.
pub(crate) fn take_add<T: Float>(x: &[T], [outer, size, inner]: [usize; 3], index: &[i64], out: &mut [T]) {
    if many::<T>(x.len(), out.len()) {
        return in_double(out, &|out| take_add_as(x, [outer, size, inner], index, out));
    }
    take_add_as(x, [outer, size, inner], index, out);
}

/// [`take_add`] with sums of either type.
fn take_add_as<T: Float, S: Float>(x: &[T], [outer, size, inner]: [usize; 3], index: &[i64], out: &mut [S]) {
    let mut rows = x.chunks(inner.max(1));
    for o in 0..outer {
        for &j in index {
            let at = (o * size + j as usize) * inner;
            let Some(row) = rows.next() else { return };
            let out = &mut out[at..at + inner];
            each!(|row| out = out + S::of(row.f64()));
        }
    }
}

/// The indices of several lists with their places in all of them, sorted by index, then by place.
pub(crate) fn by_row(lists: &[&[i64]]) -> Vec<(i64, u32)> {
    let mut order: Vec<(i64, u32)> = lists.iter().copied().flatten().copied().zip(0..).collect();
    order.sort_unstable();
    order
}

/// `out[k] = Σ row(p)` over the places `p` in the k-th run of `order`, which begins at `starts[k]`; rounded like sums in a
/// table of `whole` numbers.
pub(crate) fn sum_runs<'x, T: Float>(
    order: &[(i64, u32)],
    starts: &[usize],
    whole: usize,
    row: &(dyn Fn(usize) -> &'x [T] + Sync),
    out: &mut [T],
) {
    if out.is_empty() {
        return;
    }
    let width = out.len() / starts.len();
    let (some, double) = ((CHUNK / width).max(1), many::<T>(order.len() * width, whole));
    threads::for_each_chunk(out, some * width, &|chunk, out| {
        for (k, sum) in (chunk * some..).zip(out.chunks_mut(width)) {
            let run = &order[starts[k]..starts.get(k + 1).map_or(order.len(), |&end| end)];
            sum.fill(T::zero());
            match double {
                true => in_double(sum, &|sum| add_rows(run, row, sum)),
                false => add_rows(run, row, sum),
            }
        }
    });
}

/// Adds the rows at these places.
fn add_rows<'x, T: Float, S: Float>(run: &[(i64, u32)], row: &(dyn Fn(usize) -> &'x [T] + Sync), sum: &mut [S]) {
    for &(_, place) in run {
        let row = row(place as usize);
        each!(|row| sum = sum + S::of(row.f64()));
    }
}

/// Whether so many numbers are added to so few sums that rounding errors of single precision would accumulate.
fn many<T>(numbers: usize, sums: usize) -> bool {
    size_of::<T>() < size_of::<f64>() && numbers >= sums
}

/// Lets `add` add to `out` in double precision.
fn in_double<T: Float>(out: &mut [T], add: &dyn Fn(&mut [f64])) {
    with_scratch(out.len(), |sums: &mut [f64]| {
        each!(|out| sums = out.f64());
        add(sums);
        each!(|sums| out = T::of(sums));
    });
}

/// `out[o, j, i] = x[o, index[o, j, i], i]`: one index per element. `x` is `[outer, size, inner]`; `index` and `out`
/// are `[outer, picks, inner]`.
pub(crate) fn gather<T: Element>(x: &[T], [size, picks, inner]: [usize; 3], index: &[i64], out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    let block = picks * inner;
    for_each_part(out, [block, inner], &|o, at, out| {
        let (x, index) = (&x[o * size * inner..][..size * inner], &index[o * block + at..]);
        if inner == 1 {
            return out.iter_mut().zip(index).for_each(|(o, &j)| *o = x[j as usize]);
        }
        for (out, index) in out.chunks_mut(inner).zip(index.chunks(inner)) {
            let places = out.iter_mut().zip(index).enumerate();
            places.for_each(|(i, (o, &j))| *o = x[j as usize * inner + i]);
        }
    });
}

/// `out[o, index[o, j, i], i] += x[o, j, i]`: the transpose of [`gather`].
pub(crate) fn gather_add<T: Float>(x: &[T], dims: [usize; 3], index: &[i64], out: &mut [T]) {
    for_each_block(x, dims, index, out, &|x, index, out| match many::<T>(x.len(), out.len()) {
        true => in_double(out, &|out| combine::<Sum<f64>, T>(x, dims[2], index, out)),
        false => combine::<Sum<T>, T>(x, dims[2], index, out),
    });
}

/// [`gather_add`] with a fold other than a sum.
pub(crate) fn gather_fold<F: Fold>(x: &[F::T], dims: [usize; 3], index: &[i64], out: &mut [F::T]) {
    for_each_block(x, dims, index, out, &|x, index, out| combine::<F, F::T>(x, dims[2], index, out));
}

/// For each element of `x[0]`, `[outer, picks, inner]`, the product of the others with the same index. The other arrays are
/// directions; the result is differentiated along all of them.
pub(crate) fn gather_others<T: Float>(x: &[&[T]], [size, picks, inner]: [usize; 3], index: &[i64], out: &mut [T]) {
    let block = picks * inner;
    let some = (CHUNK / block.max(size * inner)).max(1);
    threads::for_each_chunk(out, some * block, &|chunk, out| {
        for (k, out) in out.chunks_mut(block).enumerate() {
            let at = (chunk * some + k) * block;
            let index = &index[at..at + block];
            let rows = index.chunks(inner).flat_map(|row| row.iter().zip(0..).map(|(&j, i)| j * inner as i64 + i));
            let places = if inner == 1 { Cow::Borrowed(index) } else { Cow::Owned(rows.collect::<Vec<i64>>()) };
            match x {
                [x] => products_of_others(&x[at..at + block], size * inner, &places, out),
                _ => {
                    let x: Vec<&[T]> = x.iter().map(|x| &x[at..at + block]).collect();
                    others_along(&x, size * inner, &places, out);
                }
            }
        }
    });
}

/// The product of the elements before each one, times the product of those after it, without division by an element.
/// Where this overflows but the product of all elements does not, it is the product of all divided by the element.
fn products_of_others<T: Float>(x: &[T], groups: usize, places: &[i64], out: &mut [T]) {
    with_scratch(2 * groups, |products| {
        products.fill(T::one());
        let (whole, behind) = products.split_at_mut(groups);
        for ((&x, &place), before) in x.iter().zip(places).zip(&mut *out) {
            let product = &mut whole[place as usize];
            *before = *product;
            *product *= x;
        }
        for ((&x, &place), found) in x.iter().zip(places).zip(out).rev() {
            let behind = &mut behind[place as usize];
            *found *= *behind;
            *behind *= x;
            if !found.is_finite() && (whole[place as usize] / x).is_finite() {
                *found = whole[place as usize] / x;
            }
        }
    });
}

/// The same for numbers with a nilpotent part ε for each direction: element x is x + Σ ε d, and only the part with all ε is
/// needed. A number has a part for each set of directions; a product of two numbers has a part for each union of two
/// disjoint sets.
fn others_along<T: Float>(x: &[&[T]], groups: usize, places: &[i64], out: &mut [T]) {
    let (x, directions) = x.split_first().expect("the elements");
    let parts = 1 << directions.len();
    let multiply = |product: &mut [T], i: usize| {
        for set in (0..parts).rev() {
            let mut sum = product[set] * x[i];
            for (d, direction) in directions.iter().enumerate().filter(|(d, _)| set >> d & 1 == 1) {
                sum += product[set ^ 1 << d] * direction[i];
            }
            product[set] = sum;
        }
    };
    with_scratch((groups + x.len()) * parts, |memory| {
        let (products, before) = memory.split_at_mut(groups * parts);
        let reset = |products: &mut [T]| {
            products.fill(T::zero());
            products.iter_mut().step_by(parts).for_each(|one| *one = T::one());
        };
        reset(products);
        for (i, before) in before.chunks_mut(parts).enumerate() {
            let product = &mut products[places[i] as usize * parts..][..parts];
            before.copy_from_slice(product);
            multiply(product, i);
        }
        reset(products);
        for (i, (before, out)) in before.chunks(parts).zip(out).enumerate().rev() {
            let behind = &mut products[places[i] as usize * parts..][..parts];
            *out = (0..parts).fold(T::zero(), |sum, set| sum + before[set] * behind[parts - 1 - set]);
            multiply(behind, i);
        }
    });
}

/// The work on the elements, the indices and the result of each block.
type Combined<'f, T> = &'f (dyn Fn(&[T], &[i64], &mut [T]) + Sync);

/// Calls `f` for the blocks of `x`, `[outer, picks, inner]`, and of `out`, `[outer, size, inner]`.
fn for_each_block<T: Float>(
    x: &[T],
    [size, picks, inner]: [usize; 3],
    index: &[i64],
    out: &mut [T],
    f: Combined<'_, T>,
) {
    if x.is_empty() {
        return;
    }
    let block = picks * inner;
    let some = (CHUNK / (size * inner)).max(1);
    threads::for_each_chunk(out, some * size * inner, &|chunk, out| {
        for (k, out) in out.chunks_mut(size * inner).enumerate() {
            let at = (chunk * some + k) * block;
            f(&x[at..at + block], &index[at..at + block], out);
        }
    });
}

/// Combines the elements of one block, in the type of the fold.
fn combine<F: Fold, T: Float>(x: &[T], inner: usize, index: &[i64], out: &mut [F::T]) {
    let mut one = |at: usize, x: T| out[at] = F::combine(out[at], F::T::of(x.f64()));
    if inner == 1 {
        return x.iter().zip(index).for_each(|(&x, &j)| one(j as usize, x));
    }
    for (x, index) in x.chunks(inner).zip(index.chunks(inner)) {
        x.iter().zip(index).enumerate().for_each(|(i, (&x, &j))| one(j as usize * inner + i, x));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_loops_give_the_same_at_every_size() {
        for [outer, size, picks, inner] in [
            [1, 1, 1, 1],
            [3, 5, 4, 1],
            [2, 4, 7, 3],
            [1, 300, 40_000, 1],
            [1, 7, 20_000, 3],
            [50, 11, 700, 1],
            [2, 3, 2, 20_000],
            [0, 3, 2, 2],
            [2, 3, 0, 2],
            [2, 3, 2, 0],
        ] {
            let x: Vec<f64> = (0..outer * size * inner).map(|i| i as f64).collect();
            let index: Vec<i64> = (0..outer * picks * inner).map(|i| (i * 7919 % size) as i64).collect();
            let (mut taken, mut gathered) = (vec![-1.0; index.len()], vec![-1.0; index.len()]);
            take(&x, [outer, size, inner], &index[..picks.min(index.len())], &mut taken);
            gather(&x, [size, picks, inner], &index, &mut gathered);
            for k in 0..index.len() {
                let (o, j, i) = (k / (picks * inner), k / inner % picks, k % inner);
                assert_eq!(taken[k], x[(o * size + index[j] as usize) * inner + i]);
                assert_eq!(gathered[k], x[(o * size + index[k] as usize) * inner + i]);
            }
            assert!(within(&index, size) && (index.is_empty() || size == 1 || !within(&index, size - 1)));
        }
        assert!(!within(&[0, -1], 3) && !within(&[i64::MIN], 3) && !within(&[i64::MAX], 3) && !within(&[0], 0));
    }
}
