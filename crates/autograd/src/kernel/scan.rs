//! Scans along the middle axis of a row-major `[outer, n, inner]` array. Memory is traversed in order, whatever the
//! axis: neighboring columns are processed together.

use super::isa::{each, simd};
use super::scratch::with_scratch;
use super::threads;
use crate::float::{Element, Float, Real};

/// Elements that a thread processes at a time, in whole scans.
const CHUNK: usize = 4096;

/// Calls `f` for each scan, with the index of its first element and the part of `out` that it fills.
fn for_each_walk<T: Element>([_, n, inner]: [usize; 3], out: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    let whole = n * inner;
    if out.is_empty() {
        return;
    }
    let some = (CHUNK / whole).max(1) * whole;
    threads::for_each_chunk(out, some, &|chunk, out| {
        out.chunks_mut(whole).enumerate().for_each(|(k, out)| f(chunk * some + k * whole, out));
    });
}

/// `out[at] = step(at, result of the previous step)`, from the first step to the last, or in reverse. Results are carried
/// on in double precision: the rounding errors of single precision would add up over a long axis.
fn carry<T: Float>(dims: [usize; 3], reverse: bool, out: &mut [T], step: impl Fn(usize, Option<f64>) -> f64 + Sync) {
    let [_, n, inner] = dims;
    for_each_walk(dims, out, |base, out| {
        with_scratch(inner, |states: &mut [f64]| {
            for k in 0..n {
                let at = if reverse { n - 1 - k } else { k } * inner;
                for (i, state) in states.iter_mut().enumerate() {
                    *state = step(base + at + i, (k > 0).then_some(*state));
                    out[at + i] = T::of(*state);
                }
            }
        });
    });
}

/// `out[at] = step(at, result of the previous step)`, from the first step to the last.
fn walk<T: Element>(dims: [usize; 3], out: &mut [T], step: impl Fn(usize, Option<T>) -> T + Sync) {
    let [_, n, inner] = dims;
    for_each_walk(dims, out, |base, out| {
        (0..inner).for_each(|i| out[i] = step(base + i, None));
        (inner..n * inner).for_each(|at| out[at] = step(base + at, Some(out[at - inner])));
    });
}

/// Running sums: `out[k] = x[0] + … + x[k]`; in reverse `x[k] + … + x[n - 1]`.
pub(crate) fn sums<T: Float>(x: &[T], dims: [usize; 3], reverse: bool, out: &mut [T]) {
    if let ([_, n, 1], false, false) = (dims, reverse, out.is_empty()) {
        return threads::for_each_chunk(out, SIDE * n, &|chunk, out| {
            sums_side_by_side(&x[chunk * SIDE * n..][..out.len()], n, out);
        });
    }
    carry(dims, reverse, out, |at, before| before.map_or(x[at].f64(), |sum| sum + x[at].f64()));
}

/// Rows summed together, so that no addition waits for the previous one.
const SIDE: usize = 8;

/// The running sums of up to [`SIDE`] rows of `n`.
fn sums_side_by_side<T: Float>(x: &[T], n: usize, out: &mut [T]) {
    // Start from -0: adding it changes nothing, not even the sign of a zero.
    if x.len() < SIDE * n {
        return out.chunks_mut(n).zip(x.chunks(n)).for_each(|(out, x)| {
            let mut sum = -0.0;
            out.iter_mut().zip(x).for_each(|(o, &x)| {
                sum += x.f64();
                *o = T::of(sum);
            });
        });
    }
    let mut sums = [-0.0; SIDE];
    for k in 0..n {
        for (row, sum) in sums.iter_mut().enumerate() {
            *sum += x[row * n + k].f64();
            out[row * n + k] = T::of(*sum);
        }
    }
}

/// `out[k] = a[k] · out[k - 1] + b[k]`; transposed `out[k] = a[k + 1] · out[k + 1] + b[k]`. The first `a` is not read.
pub(crate) fn recurrence<T: Float>(a: &[T], b: &[T], dims: [usize; 3], transposed: bool, out: &mut [T]) {
    let ahead = if transposed { dims[2] } else { 0 };
    let b = |at: usize| b[at].f64();
    carry(dims, transposed, out, |at, before| before.map_or(b(at), |y| a[at + ahead].f64() * y + b(at)));
}

/// `out[k] = ln(exp(x[0]) + … + exp(x[k]))`, without overflow.
pub(crate) fn logsumexps<T: Float>(x: &[T], dims: [usize; 3], out: &mut [T]) {
    for_each_walk(dims, out, |base, out| {
        with_scratch(dims[2], |states| log_sums(&x[base..base + out.len()], states, out));
    });
}

simd! {
    /// With one state for each column.
    fn log_sums<T: Float>(x: &[T], states: &mut [f64], out: &mut [T]) {
        states.fill(f64::NEG_INFINITY);
        let inner = states.len();
        for row in 0..out.len() / inner {
            let (x, out) = (&x[row * inner..][..inner], &mut out[row * inner..][..inner]);
            each!(|x| states = log_add_exp(states, x.f64()));
            each!(|states| out = T::of(states));
        }
    }
}

#[inline(always)]
fn log_add_exp<T: Float>(a: T, b: T) -> T {
    let larger = Real::max(a, b);
    let sum = larger + Real::ln_1p(Real::exp(-Real::abs(a - b)));
    // An infinite larger operand is the result; subtracting it would give NaN.
    if larger.is_finite() { sum } else { larger }
}

/// For each position, the index along the axis of the best element so far; the last one of equals.
pub(crate) fn running_best<T: Float>(x: &[T], dims: [usize; 3], beats: impl Fn(T, T) -> bool + Sync, out: &mut [i64]) {
    let [_, n, inner] = dims;
    walk(dims, out, |at, before| match before {
        Some(best) if beats(x[best as usize], x[at]) => best,
        _ => at as i64,
    });
    out.iter_mut().for_each(|place| *place = (*place as usize / inner % n) as i64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_axis_gives_what_a_plain_loop_gives() {
        for [outer, n, inner] in [[1, 1, 1], [2, 7, 1], [3, 5, 4], [1, 300, 70], [2, 0, 3], [5000, 3, 1]] {
            let x: Vec<f64> = (0..outer * n * inner).map(|i| ((i * 7919) % 13) as f64 - 6.0).collect();
            let (mut sum, mut back, mut mixed) = (x.clone(), x.clone(), x.clone());
            sums(&x, [outer, n, inner], false, &mut sum);
            sums(&x, [outer, n, inner], true, &mut back);
            recurrence(&vec![1.0; x.len()], &x, [outer, n, inner], true, &mut mixed);
            assert_eq!(back, mixed);
            for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
                let column = |k: usize| x[(o * n + k) * inner + i];
                for k in 0..n {
                    let at = (o * n + k) * inner + i;
                    assert_eq!(sum[at], (0..=k).map(column).sum::<f64>());
                    assert_eq!(back[at], (k..n).map(column).sum::<f64>());
                }
            }
        }
    }

    #[test]
    fn logarithms_of_sums_survive_any_size() {
        let x = [f64::NEG_INFINITY, -1e5, -1e5, 1e5, 0.0];
        let mut y = [0.0; 5];
        logsumexps(&x, [1, 5, 1], &mut y);
        assert_eq!(y, [f64::NEG_INFINITY, -1e5, -1e5 + 2f64.ln(), 1e5, 1e5]);
    }
}
