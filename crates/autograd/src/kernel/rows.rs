//! Functions of whole rows, the last axis of a row-major array: the softmax family, standardization, and their
//! derivatives. A row is read from memory once; later passes over it hit the L1 cache.
//!
//! Exponentials are taken after subtracting the largest element, so that nothing overflows however large the numbers
//! are.

use super::isa::simd;
use super::reduce::{Fold, Max, Sum, fold_middle};
use super::threads;
use crate::float::{Float, Real};
use crate::tensor::Tensor;

/// Elements that a thread processes at a time, in whole rows.
const CHUNK: usize = 4096;

/// Number of rows whose sums are added sequentially.
const ROWS: usize = 32;

/// Runs `f(index of the row, row of out)` over all rows of `out`, of `m` elements each, computed from rows of `n`.
fn for_each_row<T: Float>(n: usize, out: &mut [T], m: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    if out.is_empty() {
        return;
    }
    let some = (CHUNK / n.max(1)).max(1);
    threads::for_each_chunk(out, some * m, &|i, out| {
        out.chunks_mut(m).enumerate().for_each(|(k, out)| f(i * some + k, out));
    });
}

/// Row `i` of rows of length `n`.
fn row<T>(x: &[T], n: usize, i: usize) -> &[T] {
    &x[i * n..][..n]
}

/// `ln(sum(exp(row)))` of rows of length `n`; -inf for an empty row.
pub(crate) fn logsumexp<T: Float>(x: &[T], n: usize, out: &mut [T]) {
    for_each_row(n, out, 1, &|i, out| {
        let x = row(x, n, i);
        let max = largest(x);
        // An infinite largest element is the result; subtracting it would give NaN.
        out[0] = if max.is_finite() { max + Real::ln(exp_sum(x, max)) } else { max };
    });
}

/// `exp(row) / sum(exp(row))` of rows of length `n`.
pub(crate) fn softmax<T: Float>([x]: [&[T]; 1], n: usize, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| softmax_row(row(x, n, i), T::one(), out));
}

/// `row - logsumexp(row)` of rows of length `n`.
pub(crate) fn log_softmax<T: Float>([x]: [&[T]; 1], n: usize, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| log_softmax_row(row(x, n, i), out));
}

/// Cross-entropy against class labels: `logsumexp(row) - row[label]`, rows of length `n`.
pub(crate) fn cross_entropy<T: Float>(x: &[T], n: usize, labels: &[i64], out: &mut [T]) {
    for_each_row(n, out, 1, &|i, out| {
        let x = row(x, n, i);
        let max = largest(x);
        out[0] = (max - x[labels[i] as usize]) + Real::ln(exp_sum(x, max));
    });
}

/// Vector-Jacobian product of [`cross_entropy`]: `g softmax(row)`, minus `g` at the label, with one `g` per row.
pub(crate) fn cross_entropy_vjp<T: Float>([x, g]: [&[T]; 2], n: usize, labels: &[i64], out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| {
        softmax_row(row(x, n, i), g[i], out);
        out[labels[i] as usize] -= g[i];
    });
}

/// Vector-Jacobian product of [`softmax`], from its output `y`: `y (g - sum(g y))`.
pub(crate) fn softmax_vjp<T: Float>([y, g]: [&[T]; 2], n: usize, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| softmax_vjp_row(row(y, n, i), row(g, n, i), out));
}

/// Vector-Jacobian product of [`log_softmax`], from its output `y`: `g - exp(y) sum(g)`.
pub(crate) fn log_softmax_vjp<T: Float>([y, g]: [&[T]; 2], n: usize, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| log_softmax_vjp_row(row(y, n, i), row(g, n, i), out));
}

/// `(row - mean) / √(mean((row - mean)²) + eps)` of rows of length `n`.
pub(crate) fn standardize<T: Float>([x]: [&[T]; 1], n: usize, eps: f64, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| standardize_row(row(x, n, i), T::of(eps), out));
}

/// Vector-Jacobian product of [`standardize`], whose output is `y`: `(g - mean(g) - y mean(g y)) / √(variance + eps)`.
pub(crate) fn standardize_vjp<T: Float>([x, g]: [&[T]; 2], n: usize, eps: f64, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| standardize_vjp_row(row(x, n, i), row(g, n, i), T::of(eps), out));
}

/// `y w + b`, where `y` is the output of [`standardize`].
pub(crate) fn layer_norm<T: Float>([x, w, b]: [&[T]; 3], n: usize, eps: f64, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| layer_norm_row(row(x, n, i), w, b, T::of(eps), out));
}

/// Vector-Jacobian product of [`layer_norm`] with respect to `x`: that of [`standardize`] at `w g`.
pub(crate) fn layer_norm_vjp<T: Float>([x, w, g]: [&[T]; 3], n: usize, eps: f64, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| layer_norm_vjp_row(row(x, n, i), w, row(g, n, i), T::of(eps), out));
}

/// Vector-Jacobian products of [`layer_norm`] with respect to `w` and `b`, concatenated: the sums of `y g` and of `g`
/// over all rows. Groups of [`ROWS`] rows are summed first, then their sums.
pub(crate) fn layer_norm_sums<T: Float>([x, g]: [&[T]; 2], n: usize, eps: f64, out: &mut [T]) {
    let rows = x.len().checked_div(n).unwrap_or(0);
    let parts = rows.div_ceil(ROWS);
    let sums = Tensor::build(&[parts * 2 * n], |sums| {
        threads::for_each_chunk(sums, (2 * n).max(1), &|part, sums| {
            sums.fill(T::zero());
            for i in part * ROWS..rows.min((part + 1) * ROWS) {
                layer_norm_sums_row(row(x, n, i), row(g, n, i), T::of(eps), sums);
            }
        });
    });
    fold_middle::<Sum<T>>(sums.as_slice().expect("just built"), [1, parts, 2 * n], out);
}

/// Folds `f` of all elements of equally long rows with `join`, in parallel lanes; a long row uses more of them.
#[inline(always)]
fn fold<T: Float, const N: usize>(x: [&[T]; N], start: T, f: impl Fn([T; N]) -> T, join: impl Fn(T, T) -> T) -> T {
    #[inline(always)]
    fn lanes<T: Float, const N: usize, const L: usize>(
        x: [&[T]; N],
        start: T,
        f: impl Fn([T; N]) -> T,
        join: impl Fn(T, T) -> T,
    ) -> T {
        let n = x[0].len();
        let (x, whole) = (x.map(|x| &x[..n]), n - n % L);
        let mut lanes = [start; L];
        for at in (0..whole).step_by(L) {
            let x = x.map(|x| &x[at..at + L]);
            (0..L).for_each(|l| lanes[l] = join(lanes[l], f(x.map(|x| x[l]))));
        }
        let rest = x.map(|x| &x[whole..]);
        lanes[..n - whole].iter_mut().enumerate().for_each(|(l, lane)| *lane = join(*lane, f(rest.map(|x| x[l]))));
        let mut width = L;
        while width > 1 {
            width /= 2;
            (0..width).for_each(|l| lanes[l] = join(lanes[l], lanes[l + width]));
        }
        lanes[0]
    }
    if x[0].len() < 512 { lanes::<T, N, 8>(x, start, f, join) } else { lanes::<T, N, 64>(x, start, f, join) }
}

/// The sum of `f` over the elements of the rows.
#[inline(always)]
fn sum<T: Float, const N: usize>(x: [&[T]; N], f: impl Fn([T; N]) -> T) -> T {
    fold(x, T::zero(), f, |a, b| a + b)
}

/// The mean, and `1 / √(variance + eps)`.
#[inline(always)]
fn scale<T: Float>(x: &[T], eps: T) -> (T, T) {
    let n = T::of(x.len() as f64);
    let mean = sum([x], |[x]| x) / n;
    let variance = sum([x], |[x]| (x - mean) * (x - mean)) / n;
    (mean, T::one() / Real::sqrt(variance + eps))
}

#[inline(always)]
fn max<T: Float>(x: &[T]) -> T {
    fold([x], Max::<T>::identity(), |[x]| x, Max::<T>::combine)
}

simd! {
    fn largest<T: Float>(x: &[T]) -> T {
        max(x)
    }
}

simd! {
    /// `sum(exp(x - shift))`
    fn exp_sum<T: Float>(x: &[T], shift: T) -> T {
        sum([x], |[x]| Real::exp(x - shift))
    }
}

simd! {
    /// `c softmax(x)`
    fn softmax_row<T: Float>(x: &[T], c: T, out: &mut [T]) {
        let shift = max(x);
        out.iter_mut().zip(x).for_each(|(o, &x)| *o = Real::exp(x - shift));
        let share = c / sum([out], |[e]| e);
        out.iter_mut().for_each(|o| *o *= share);
    }
}

simd! {
    fn log_softmax_row<T: Float>(x: &[T], out: &mut [T]) {
        let shift = max(x);
        // Subtract the shift before the logarithm, so that small differences between large elements are not lost.
        let log_total = Real::ln(sum([x], |[x]| Real::exp(x - shift)));
        out.iter_mut().zip(x).for_each(|(o, &x)| *o = (x - shift) - log_total);
    }
}

simd! {
    fn softmax_vjp_row<T: Float>(y: &[T], g: &[T], out: &mut [T]) {
        let mean = sum([y, g], |[y, g]| g * y);
        out.iter_mut().zip(y).zip(g).for_each(|((o, &y), &g)| *o = y * (g - mean));
    }
}

simd! {
    fn log_softmax_vjp_row<T: Float>(y: &[T], g: &[T], out: &mut [T]) {
        let total = sum([g], |[g]| g);
        out.iter_mut().zip(y).zip(g).for_each(|((o, &y), &g)| *o = g - Real::exp(y) * total);
    }
}

simd! {
    fn standardize_row<T: Float>(x: &[T], eps: T, out: &mut [T]) {
        let (mean, scale) = scale(x, eps);
        out.iter_mut().zip(x).for_each(|(o, &x)| *o = (x - mean) * scale);
    }
}

simd! {
    fn standardize_vjp_row<T: Float>(x: &[T], g: &[T], eps: T, out: &mut [T]) {
        let (n, (mean, scale)) = (T::of(x.len() as f64), scale(x, eps));
        let y = |x: T| (x - mean) * scale;
        let (along_one, along_y) = (sum([g], |[g]| g) / n, sum([x, g], |[x, g]| g * y(x)) / n);
        let each = out.iter_mut().zip(x).zip(g);
        each.for_each(|((o, &x), &g)| *o = scale * ((g - along_one) - y(x) * along_y));
    }
}

simd! {
    fn layer_norm_row<T: Float>(x: &[T], w: &[T], b: &[T], eps: T, out: &mut [T]) {
        let (mean, scale) = scale(x, eps);
        let each = out.iter_mut().zip(x).zip(w).zip(b);
        each.for_each(|(((o, &x), &w), &b)| *o = (x - mean) * scale * w + b);
    }
}

simd! {
    fn layer_norm_vjp_row<T: Float>(x: &[T], w: &[T], g: &[T], eps: T, out: &mut [T]) {
        let (n, (mean, scale)) = (T::of(x.len() as f64), scale(x, eps));
        let y = |x: T| (x - mean) * scale;
        let (along_one, along_y) = (sum([w, g], |[w, g]| w * g) / n, sum([x, w, g], |[x, w, g]| w * g * y(x)) / n);
        let each = out.iter_mut().zip(x).zip(w).zip(g);
        each.for_each(|(((o, &x), &w), &g)| *o = scale * ((w * g - along_one) - y(x) * along_y));
    }
}

simd! {
    /// Adds `y g` and `g` of one row to the sums.
    fn layer_norm_sums_row<T: Float>(x: &[T], g: &[T], eps: T, sums: &mut [T]) {
        let (mean, scale) = scale(x, eps);
        let (w, b) = sums.split_at_mut(x.len());
        for (((w, b), &x), &g) in w.iter_mut().zip(b).zip(x).zip(g) {
            *w += (x - mean) * scale * g;
            *b += g;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overflows() {
        let x = [1e5, -1e5, 99_999.0, 0.0];
        let (mut p, mut lse) = ([0.0f64; 4], [0.0]);
        softmax([&x], 4, &mut p);
        logsumexp(&x, 4, &mut lse);
        assert!((p[0] + p[2] - 1.0).abs() < 1e-15 && p[1] == 0.0);
        assert!((lse[0] - 100_000.313_261_687_52).abs() < 1e-9);
        logsumexp(&[f64::NEG_INFINITY; 3], 3, &mut lse);
        assert_eq!(lse[0], f64::NEG_INFINITY);
    }

    /// Compares every function with its definition, for all row lengths, including tail elements.
    #[test]
    fn rows_of_all_lengths() {
        for n in (1..40).chain([511, 512, 513, 575, 1000]) {
            let x: Vec<f64> = (0..3 * n).map(|i| ((i * 37) % 11) as f64 - 5.0).collect();
            let g: Vec<f64> = (0..3 * n).map(|i| ((i * 29) % 7) as f64 - 2.5).collect();
            let labels = [0, n as i64 - 1, n as i64 / 2];
            let run = |f: &dyn Fn(&mut [f64])| {
                let mut out = vec![0.0; 3 * n];
                f(&mut out);
                out
            };
            let (p, logp) = (run(&|out| softmax([&x], n, out)), run(&|out| log_softmax([&x], n, out)));
            let (p_bar, logp_bar) =
                (run(&|out| softmax_vjp([&p, &g], n, out)), run(&|out| log_softmax_vjp([&logp, &g], n, out)));
            let scores = run(&|out| cross_entropy_vjp([&x, &g[..3]], n, &labels, out));
            let z = run(&|out| standardize([&x], n, 0.5, out));
            let z_bar = run(&|out| standardize_vjp([&x, &g], n, 0.5, out));
            let (w, b) = (&g[..n], &x[n..2 * n]);
            let y = run(&|out| layer_norm([&x, w, b], n, 0.5, out));
            let y_bar = run(&|out| layer_norm_vjp([&x, w, &g], n, 0.5, out));
            let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * b.abs().max(1.0), "{n}: {a} and not {b}");
            for r in 0..3 {
                let range = r * n..(r + 1) * n;
                let sum = |f: &dyn Fn(usize) -> f64| range.clone().map(f).sum::<f64>();
                let total = sum(&|i| x[i].exp());
                let (mean, mean_g) = (sum(&|i| x[i]) / n as f64, sum(&|i| g[i]) / n as f64);
                let scale = 1.0 / (sum(&|i| (x[i] - mean).powi(2)) / n as f64 + 0.5).sqrt();
                for i in range.clone() {
                    near(p[i], x[i].exp() / total);
                    near(logp[i], x[i] - total.ln());
                    near(p_bar[i], p[i] * (g[i] - sum(&|i| g[i] * p[i])));
                    near(logp_bar[i], g[i] - p[i] * sum(&|i| g[i]));
                    near(scores[i], g[r] * (p[i] - f64::from(i - r * n == labels[r] as usize)));
                    near(z[i], (x[i] - mean) * scale);
                    near(z_bar[i], scale * (g[i] - mean_g - z[i] * sum(&|i| g[i] * z[i]) / n as f64));
                    near(y[i], z[i] * w[i - r * n] + b[i - r * n]);
                    let v = |i: usize| w[i - r * n] * g[i];
                    near(y_bar[i], scale * (v(i) - sum(&v) / n as f64 - z[i] * sum(&|i| v(i) * z[i]) / n as f64));
                }
            }
        }
    }

    /// Numbers of rows up to and above the group size, and various row lengths.
    #[test]
    fn sums_over_rows() {
        for (rows, n) in [(0, 3), (1, 1), (ROWS, 7), (ROWS + 1, 8), (5 * ROWS - 1, 17), (3, 1000), (3, 0)] {
            let x: Vec<f64> = (0..rows * n).map(|i| ((i * 37) % 11) as f64 - 5.0).collect();
            let g: Vec<f64> = (0..rows * n).map(|i| ((i * 29) % 7) as f64 - 2.5).collect();
            let (mut z, mut sums) = (vec![0.0; rows * n], vec![f64::NAN; 2 * n]);
            standardize([&x], n, 0.5, &mut z);
            layer_norm_sums([&x, &g], n, 0.5, &mut sums);
            for j in 0..n {
                let over = |f: &dyn Fn(usize) -> f64| (0..rows).map(|i| f(i * n + j)).sum::<f64>();
                assert!((sums[j] - over(&|i| z[i] * g[i])).abs() <= 1e-12 * rows as f64, "{rows} {n}");
                assert!((sums[n + j] - over(&|i| g[i])).abs() <= 1e-12 * rows as f64, "{rows} {n}");
            }
        }
    }
}
