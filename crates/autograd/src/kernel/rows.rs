//! Functions of whole rows, the last axis of a row-major array: the softmax family, standardization, and their
//! derivatives. A row is read from memory once; later passes over it hit the L1 cache.
//!
//! Exponentials are taken after subtracting the largest element, so that nothing overflows however large the numbers
//! are.

use super::isa::{each, simd};
use super::reduce::{Fold, Max, Sum, fold_middle, total};
use super::scratch::with_scratch;
use super::threads;
use crate::float::{Float, Real};

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
        let (max, total) = exp_total(row(x, n, i));
        // An infinite largest element is the result; subtracting it gives NaN.
        out[0] = if max.is_finite() { max + log_total(row(x, n, i), max, total) } else { max };
    });
}

/// `exp(row) / sum(exp(row))` of rows of length `n`.
pub(crate) fn softmax<T: Float>([x]: [&[T]; 1], n: usize, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| softmax_row(row(x, n, i), T::one(), out));
}

/// `row - logsumexp(row)` of rows of length `n`.
pub(crate) fn log_softmax<T: Float>([x]: [&[T]; 1], n: usize, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| {
        let x = row(x, n, i);
        let (shift, total) = exp_total(x);
        // Subtract the shift before the logarithm, so that small differences between large elements are not lost.
        log_softmax_row(x, shift, log_total(x, shift, total), out);
    });
}

/// Cross-entropy against class labels: `logsumexp(row) - row[label]`, rows of length `n`.
pub(crate) fn cross_entropy<T: Float>(x: &[T], n: usize, labels: &[i64], out: &mut [T]) {
    for_each_row(n, out, 1, &|i, out| {
        let (x, Ok(label)) = (row(x, n, i), usize::try_from(labels[i])) else { return out[0] = T::zero() };
        let (max, total) = exp_total(x);
        out[0] = (max - x[label]) + log_total(x, max, total);
    });
}

/// Vector-Jacobian product of [`cross_entropy`]: `g softmax(row)`, minus `g` at the label, with one `g` per row.
pub(crate) fn cross_entropy_vjp<T: Float>([x, g]: [&[T]; 2], n: usize, labels: &[i64], out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| {
        let Ok(label) = usize::try_from(labels[i]) else { return out.fill(T::zero()) };
        softmax_row(row(x, n, i), g[i], out);
        out[label] -= g[i];
    });
}

/// Vector-Jacobian product of [`softmax`], from its output `y`: `y (g - sum(g y))`.
pub(crate) fn softmax_vjp<T: Float>([y, g]: [&[T]; 2], n: usize, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| {
        let (y, g) = (row(y, n, i), row(g, n, i));
        let mean = dot(g, y, T::zero(), T::one());
        softmax_vjp_row(y, g, mean, out);
    });
}

/// Vector-Jacobian product of [`log_softmax`], from its output `y`: `g - exp(y) sum(g)`.
pub(crate) fn log_softmax_vjp<T: Float>([y, g]: [&[T]; 2], n: usize, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| {
        let g = row(g, n, i);
        log_softmax_vjp_row(row(y, n, i), g, sum(g), out);
    });
}

/// `(row - mean) / √(mean((row - mean)²) + eps)` of rows of length `n`.
pub(crate) fn standardize<T: Float>([x]: [&[T]; 1], n: usize, eps: f64, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| {
        centered(row(x, n, i), eps, &mut |x, [mean, scale, _]| standardize_row(x, mean, scale, out));
    });
}

/// Vector-Jacobian product of [`standardize`], whose output is `y`: `(g - mean(g) - y mean(g y)) / √(variance + eps)`.
pub(crate) fn standardize_vjp<T: Float>([x, g]: [&[T]; 2], n: usize, eps: f64, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| standardize_vjp_row(row(x, n, i), row(g, n, i), eps, out));
}

/// `y w + b`, where `y` is the output of [`standardize`].
pub(crate) fn layer_norm<T: Float>([x, w, b]: [&[T]; 3], n: usize, eps: f64, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| {
        centered(row(x, n, i), eps, &mut |x, [mean, scale, _]| layer_norm_row(x, mean, scale, w, b, out));
    });
}

/// Vector-Jacobian product of [`layer_norm`] with respect to `x`: that of [`standardize`] at `w g`.
pub(crate) fn layer_norm_vjp<T: Float>([x, w, g]: [&[T]; 3], n: usize, eps: f64, out: &mut [T]) {
    for_each_row(n, out, n, &|i, out| {
        with_scratch(n, |wg| {
            product_row(w, row(g, n, i), wg);
            standardize_vjp_row(row(x, n, i), wg, eps, out);
        });
    });
}

/// Vector-Jacobian products of [`layer_norm`] with respect to `w` and `b`, concatenated: the sums of `y g` and of `g`
/// over all rows. Groups of [`ROWS`] rows are summed first, then their sums.
pub(crate) fn layer_norm_sums<T: Float>([x, g]: [&[T]; 2], n: usize, eps: f64, out: &mut [T]) {
    let rows = x.len().checked_div(n).unwrap_or(0);
    let parts = rows.div_ceil(ROWS);
    with_scratch(parts * 2 * n, |sums| {
        threads::for_each_chunk(sums, (2 * n).max(1), &|part, sums| {
            sums.fill(T::zero());
            for i in part * ROWS..rows.min((part + 1) * ROWS) {
                centered(row(x, n, i), eps, &mut |x, [mean, scale, _]| {
                    layer_norm_sums_row(x, row(g, n, i), mean, scale, sums);
                });
            }
        });
        fold_middle::<Sum<T>>(sums, [1, parts, 2 * n], out);
    });
}

/// The mean and the variance.
fn moments<T: Float>(x: &[T]) -> [T; 2] {
    let n = T::of(x.len() as f64);
    let mean = sum(x) / n;
    [mean, squares_of(x, x, mean) / n]
}

/// Calls `f` with a row, its mean, `1 / √(variance + eps)`, and 1. Where the mean is much larger than the deviation, or
/// squares would overflow or underflow, the row is `(x - shift) / unit` instead, with `unit` in place of 1. A standardized
/// row is the same for any shift and unit; its derivative has to be divided by the unit.
fn centered<T: Float>(x: &[T], eps: f64, f: &mut dyn FnMut(&[T], [T; 3])) {
    let [mean, variance] = moments(x);
    let spread = variance + T::of(eps);
    let harmless = spread > T::of(1e-30) && spread < T::of(1e30);
    if harmless && mean * mean < T::of(64.0) * spread {
        return f(x, [mean, T::one() / Real::sqrt(spread), T::one()]);
    }
    let largest = x.iter().fold(0.0, |m, x| f64::max(m, x.f64().abs()));
    let usable = !harmless && largest > 0.0 && largest.is_finite();
    let exponent = f64::from_bits(largest.to_bits() & f64::INFINITY.to_bits());
    let unit = T::of(if usable { exponent.max(f64::MIN_POSITIVE) } else { 1.0 });
    with_scratch(x.len(), |row| {
        row.iter_mut().zip(x).for_each(|(to, &x)| *to = x / unit);
        let shift = moments(row)[0];
        row.iter_mut().for_each(|x| *x -= shift);
        let [mean, variance] = moments(row);
        let small = eps.sqrt() / unit.f64();
        f(row, [mean, T::one() / Real::sqrt(variance + T::of(small * small)), unit]);
    });
}

/// `ln(total)`, where the total is that of [`exp_total`]. If one element dominates, the digits of the others would be
/// lost in the total, so they are summed separately.
fn log_total<T: Float>(x: &[T], largest: T, total: T) -> T {
    if total > T::of(1.0 + 1.0 / 64.0) || total.is_nan() {
        return Real::ln(total);
    }
    let at = x.iter().position(|&x| x == largest).unwrap_or(0);
    let others = |x: &[T]| exponentials(x, x, largest);
    Real::ln_1p(others(&x[..at]) + others(&x[at + 1..]))
}

/// `c softmax(x)`
pub(super) fn softmax_row<T: Float>(x: &[T], c: T, out: &mut [T]) {
    let shift = largest(x);
    exp_row(x, shift, out);
    let share = c / sum(out);
    scale_row(share, out);
}

/// `(g - mean(g) - y mean(g y)) scale`, where `y = (x - mean) scale`
fn standardize_vjp_row<T: Float>(x: &[T], g: &[T], eps: f64, out: &mut [T]) {
    let n = T::of(x.len() as f64);
    centered(x, eps, &mut |x, [mean, scale, unit]| {
        let (along_one, along_y) = (sum(g) / n, dot(g, x, mean, scale) / n);
        subtract_means(x, g, [mean, scale, along_one, along_y], out);
        if unit != T::one() {
            out.iter_mut().for_each(|x| *x /= unit);
        }
    });
}

// ---- One loop each, in a version for each instruction set ----

/// Folds `f` of the elements of two equally long rows with `join`, in `L` parallel lanes.
#[inline(always)]
fn lanes<T: Float, const L: usize>(x: &[T], y: &[T], start: T, f: impl Fn(T, T) -> T, join: impl Fn(T, T) -> T) -> T {
    let mut lanes = [start; L];
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<L>(), y.as_chunks::<L>());
    let y = &y[..x.len()];
    for i in 0..x.len() {
        for l in 0..L {
            lanes[l] = join(lanes[l], f(x[i][l], y[i][l]));
        }
    }
    for l in 0..x_rest.len().min(y_rest.len()) {
        lanes[l] = join(lanes[l], f(x_rest[l], y_rest[l]));
    }
    total(lanes, join)
}

/// Exponentials of rows up to this length are summed on the stack rather than in scratch memory.
const SHORT: usize = 64;
/// Rows of at least this length are folded in 64 lanes, shorter ones in 8. This is part of the definition of the result.
const LONG: usize = 512;
/// The longest row that is folded at once; a longer one is folded half by half, which keeps rounding errors small.
const LONGEST: usize = 1 << 12;
/// Rows below this length do not justify a call of a vector loop.
const TINY: usize = 16;

/// Where a row of more than [`LONGEST`] elements is cut in two: at a multiple of that number.
fn half(n: usize) -> usize {
    n.div_ceil(LONGEST).div_ceil(2) * LONGEST
}

/// Defines a fold of one row, or of two equally long ones.
macro_rules! fold {
    ($(#[$doc:meta])* $name:ident(|$x:ident, $y:tt| $f:expr $(, $c:ident)*; $start:expr, $join:expr)) => {
        $(#[$doc])*
        pub(super) fn $name<T: Float>(x: &[T], y: &[T] $(, $c: T)*) -> T {
            simd! {
                fn vectorized<T: Float>(x: &[T], y: &[T] $(, $c: T)*) -> T {
                    match x.len() < LONG {
                        true => lanes::<T, 8>(x, y, $start, |$x, $y| $f, $join),
                        false => lanes::<T, 64>(x, y, $start, |$x, $y| $f, $join),
                    }
                }
            }
            if x.len() > LONGEST {
                let half = half(x.len());
                let join: fn(T, T) -> T = $join;
                return join($name(&x[..half], &y[..half] $(, $c)*), $name(&x[half..], &y[half..] $(, $c)*));
            }
            if x.len() < TINY { lanes::<T, 8>(x, y, $start, |$x, $y| $f, $join) } else { vectorized(x, y $(, $c)*) }
        }
    };
}

fold!(largest_of(|x, _| x; Max::<T>::identity(), Max::<T>::combine));
fold!(sum_of(|x, _| x; T::zero(), |a, b| a + b));
fold!(
    /// `sum((x - mean)²)`
    squares_of(|x, _| (x - mean) * (x - mean), mean; T::zero(), |a, b| a + b)
);
fold!(
    /// `sum(exp(x - largest))`
    exponentials(|x, _| Real::exp(x - largest), largest; T::zero(), |a, b| a + b)
);
fold!(
    /// `sum(x (y - mean) scale)`
    dot(|x, y| x * ((y - mean) * scale), mean, scale; T::zero(), |a, b| a + b)
);

pub(super) fn largest<T: Float>(x: &[T]) -> T {
    largest_of(x, x)
}

fn sum<T: Float>(x: &[T]) -> T {
    sum_of(x, x)
}

/// The largest element, and `sum(exp(x - largest))`.
fn exp_total<T: Float>(x: &[T]) -> (T, T) {
    match x.len() {
        n if TINY < n && n <= SHORT / 2 => return exp_total_padded::<T, { SHORT / 16 }>(x),
        n if TINY < n && n <= SHORT => return exp_total_padded::<T, { SHORT / 8 }>(x),
        _ => (),
    }
    let shift = largest(x);
    // In two loops: over so few lanes, the exponential would not be vectorized.
    let summed = |exp: &mut [T]| {
        exp_row(x, shift, exp);
        sum(exp)
    };
    let total = match x.len() {
        n if n <= TINY => summed(&mut [T::zero(); TINY][..n]),
        n if n < LONG => with_scratch(n, summed),
        _ => exponentials(x, x, shift),
    };
    (shift, total)
}

/// [`exp_total`] of at least one element and at most `N` vectors of 8, in one call.
#[allow(clippy::manual_memcpy, reason = "a few moves of fixed size, not calls")]
fn exp_total_padded<T: Float, const N: usize>(x: &[T]) -> (T, T) {
    simd! {
        /// Of the first `n` elements; the others do not change the maximum.
        fn totals<T: Float>(x: &[T], n: usize, exp: &mut [T]) -> (T, T) {
            let shift = lanes::<T, 8>(x, x, Max::<T>::identity(), |x, _| x, Max::<T>::combine);
            each!(|x| exp = Real::exp(x - shift));
            (shift, lanes::<T, 8>(&exp[..n], &exp[..n], T::zero(), |x, _| x, |a, b| a + b))
        }
    }
    let n = x.len();
    let mut exp = [[T::zero(); 8]; N];
    let exp = exp.as_flattened_mut();
    let (whole, rest) = x.as_chunks::<8>();
    if rest.is_empty() {
        return totals(x, n, &mut exp[..n]);
    }
    // Padded to whole vectors with an element of the row; -inf would not change the maximum either, but its exponential
    // underflows, which is slow. Copied vector by vector, because loading a vector from parts of two stores is slow, too.
    let mut row = [[x[0]; 8]; N];
    for i in 0..whole.len() {
        row[i] = whole[i];
    }
    for l in 0..rest.len() {
        row[whole.len()][l] = rest[l];
    }
    let row = row[..=whole.len()].as_flattened();
    totals(row, n, &mut exp[..row.len()])
}

simd! {
    /// `exp(x - shift)`
    fn exp_row<T: Float>(x: &[T], shift: T, out: &mut [T]) {
        // The last elements are padded to whole vectors: one vector takes as long as one element.
        const PAD: usize = TINY;
        let whole = x.len() - x.len() % PAD;
        let ((x, x_rest), (out, out_rest)) = (x.split_at(whole), out.split_at_mut(whole));
        let (mut from, mut to) = ([shift; PAD], [shift; PAD]);
        from[..x_rest.len()].copy_from_slice(x_rest);
        let tail = if x_rest.is_empty() { 0 } else { PAD };
        for (x, out) in [(x, out), (&from[..tail], &mut to[..tail])] {
            each!(|x| out = Real::exp(x - shift));
        }
        out_rest.copy_from_slice(&to[..x_rest.len()]);
    }
}

simd! {
    pub(super) fn scale_row<T: Float>(c: T, out: &mut [T]) {
        for o in out {
            *o *= c;
        }
    }
}

simd! {
    fn product_row<T: Float>(a: &[T], b: &[T], out: &mut [T]) {
        each!(|a, b| out = a * b);
    }
}

simd! {
    fn log_softmax_row<T: Float>(x: &[T], shift: T, log_total: T, out: &mut [T]) {
        each!(|x| out = (x - shift) - log_total);
    }
}

simd! {
    fn standardize_row<T: Float>(x: &[T], mean: T, scale: T, out: &mut [T]) {
        each!(|x| out = (x - mean) * scale);
    }
}

simd! {
    fn layer_norm_row<T: Float>(x: &[T], mean: T, scale: T, w: &[T], b: &[T], out: &mut [T]) {
        each!(|x, w, b| out = (x - mean) * scale * w + b);
    }
}

simd! {
    pub(super) fn softmax_vjp_row<T: Float>(y: &[T], g: &[T], mean: T, out: &mut [T]) {
        each!(|y, g| out = y * (g - mean));
    }
}

simd! {
    fn log_softmax_vjp_row<T: Float>(y: &[T], g: &[T], total: T, out: &mut [T]) {
        each!(|y, g| out = g - Real::exp(y) * total);
    }
}

simd! {
    /// `scale ((g - along_one) - y along_y)`, where `y = (x - mean) scale`
    fn subtract_means<T: Float>(x: &[T], g: &[T], means: [T; 4], out: &mut [T]) {
        let [mean, scale, along_one, along_y] = means;
        each!(|x, g| out = scale * ((g - along_one) - (x - mean) * scale * along_y));
    }
}

simd! {
    /// Adds `y g` and `g` of one row to the sums, where `y = (x - mean) scale`.
    fn layer_norm_sums_row<T: Float>(x: &[T], g: &[T], mean: T, scale: T, sums: &mut [T]) {
        let n = x.len();
        let ((w, b), g) = (sums.split_at_mut(n), &g[..n]);
        let b = &mut b[..n];
        for i in 0..n {
            w[i] += (x[i] - mean) * scale * g[i];
            b[i] += g[i];
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
        for n in (1..70).chain([511, 512, 513, 575, 1000]) {
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
