//! Functions of whole rows, the last axis of a row-major array: log-sum-exp and the softmax family. The largest element
//! is subtracted first, so that nothing overflows however large the numbers are.

use super::simd::simd;
use super::threads;
use crate::float::{Float, Real};

/// Elements a thread takes at a time, in whole rows.
const CHUNK: usize = 4096;

/// Runs `f(row of x, row of out)` over all rows, `n` elements in and `m` out.
fn for_each_row<T: Float>(x: &[T], n: usize, out: &mut [T], m: usize, f: &(dyn Fn(&[T], &mut [T]) + Sync)) {
    let some = (CHUNK / n.max(1)).max(1);
    threads::for_each_chunk(out, some * m, &|i, out| {
        for (k, out) in out.chunks_mut(m).enumerate() {
            let at = (i * some + k) * n;
            f(&x[at..at + n], out);
        }
    });
}

/// `ln(sum(exp(row)))` of rows of length `n`; -inf for an empty row.
pub(crate) fn logsumexp<T: Float>(x: &[T], n: usize, out: &mut [T]) {
    for_each_row(x, n, out, 1, &|x, out| {
        let max = row_max(x);
        // An infinite largest element decides alone; subtracting it would give NaN.
        out[0] = if max.is_finite() { max + Real::ln(exp_sum(x, max)) } else { max };
    });
}

/// `exp(row) / sum(exp(row))` of rows of length `n`.
pub(crate) fn softmax<T: Float>(x: &[T], n: usize, out: &mut [T]) {
    if !out.is_empty() {
        for_each_row(x, n, out, n, &|x, out| {
            exp_into(x, row_max(x), out);
            let total = row_sum(out);
            divide(out, total);
        });
    }
}

/// `row - logsumexp(row)` of rows of length `n`.
pub(crate) fn log_softmax<T: Float>(x: &[T], n: usize, out: &mut [T]) {
    if !out.is_empty() {
        for_each_row(x, n, out, n, &|x, out| {
            let max = row_max(x);
            // First the shift, then the logarithm: large rows keep their small differences.
            let log_total = Real::ln(exp_sum(x, max));
            shift(x, max, log_total, out);
        });
    }
}

/// Cross-entropy against class labels: `logsumexp(row) - row[label]`, rows of length `n`.
pub(crate) fn cross_entropy<T: Float>(x: &[T], n: usize, labels: &[i64], out: &mut [T]) {
    let some = (CHUNK / n.max(1)).max(1);
    threads::for_each_chunk(out, some, &|i, out| {
        for (k, out) in out.iter_mut().enumerate() {
            let row = &x[(i * some + k) * n..][..n];
            let max = row_max(row);
            *out = (max - row[labels[i * some + k] as usize]) + Real::ln(exp_sum(row, max));
        }
    });
}

/// The sum of `f(x)` over a row, or whatever else `join` makes of two numbers; in lanes, of which a long row has more.
#[inline(always)]
fn fold<T: Float>(x: &[T], start: T, f: impl Fn(T) -> T, join: impl Fn(T, T) -> T) -> T {
    #[inline(always)]
    fn lanes<T: Float, const L: usize>(x: &[T], start: T, f: impl Fn(T) -> T, join: impl Fn(T, T) -> T) -> T {
        let mut lanes = [start; L];
        let (chunks, rest) = x.as_chunks::<L>();
        for chunk in chunks {
            lanes.iter_mut().zip(chunk).for_each(|(l, &x)| *l = join(*l, f(x)));
        }
        lanes.iter_mut().zip(rest).for_each(|(l, &x)| *l = join(*l, f(x)));
        lanes.into_iter().fold(start, join)
    }
    if x.len() < 512 { lanes::<T, 8>(x, start, f, join) } else { lanes::<T, 64>(x, start, f, join) }
}

simd! {
    fn row_max<T: Float>(x: &[T]) -> T {
        fold(x, -T::INFINITY, |x| x, Real::max)
    }
}

simd! {
    fn row_sum<T: Float>(x: &[T]) -> T {
        fold(x, T::zero(), |x| x, |a, b| a + b)
    }
}

simd! {
    /// `sum(exp(x - shift))`
    fn exp_sum<T: Float>(x: &[T], shift: T) -> T {
        fold(x, T::zero(), |x| Real::exp(x - shift), |a, b| a + b)
    }
}

simd! {
    fn exp_into<T: Float>(x: &[T], shift: T, out: &mut [T]) {
        out.iter_mut().zip(x).for_each(|(o, &x)| *o = Real::exp(x - shift));
    }
}

simd! {
    fn divide<T: Float>(out: &mut [T], by: T) {
        out.iter_mut().for_each(|o| *o /= by);
    }
}

simd! {
    fn shift<T: Float>(x: &[T], first: T, second: T, out: &mut [T]) {
        out.iter_mut().zip(x).for_each(|(o, &x)| *o = (x - first) - second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overflows() {
        let x = [1e5, -1e5, 99_999.0, 0.0];
        let (mut p, mut lse) = ([0.0f64; 4], [0.0]);
        softmax(&x, 4, &mut p);
        logsumexp(&x, 4, &mut lse);
        assert!((p[0] + p[2] - 1.0).abs() < 1e-15 && p[1] == 0.0);
        assert!((lse[0] - 100_000.313_261_687_52).abs() < 1e-9);
        logsumexp(&[f64::NEG_INFINITY; 3], 3, &mut lse);
        assert_eq!(lse[0], f64::NEG_INFINITY);
    }

    #[test]
    fn rows_of_all_lengths() {
        for n in (1..40).chain([511, 512, 1000]) {
            let x: Vec<f64> = (0..3 * n).map(|i| ((i * 37) % 11) as f64 - 5.0).collect();
            let (mut p, mut logp) = (vec![0.0; 3 * n], vec![0.0; 3 * n]);
            softmax(&x, n, &mut p);
            log_softmax(&x, n, &mut logp);
            for r in 0..3 {
                let total: f64 = x[r * n..][..n].iter().map(|x| f64::exp(*x)).sum();
                for i in r * n..(r + 1) * n {
                    assert!((p[i] - x[i].exp() / total).abs() < 1e-15);
                    assert!((logp[i] - (x[i] - total.ln())).abs() < 1e-12);
                }
            }
        }
    }
}
