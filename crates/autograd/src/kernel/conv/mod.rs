//! Convolution over up to three axes, and its two derivatives.
//!
//! **Images are never unrolled into columns (im2col).** Instead, an image's rows are stored one after another in a
//! line, with the padding between them. The elements that one tap of the kernel reads for all output positions are
//! then a piece of that line, shifted by the distance of the tap from the first one. So the output is a product of the
//! weights with a matrix whose rows are shifted pieces of the image ([`gemm::shifted_into`]); the derivative with
//! respect to the weights is a product with its transpose ([`gemm::shifted_dots_into`]); and the derivative with
//! respect to the image is a convolution of the cotangent, with the shifts reversed. A few extra positions between the
//! rows are also computed, and discarded.
//!
//! **A stride** `s` splits each axis into `s` *phases*, the elements at `r`, `r + s`, `r + 2s`, …: a tap reads a
//! single phase, in which consecutive output positions are adjacent.

mod layout;
#[cfg(test)]
mod tests;

use super::scratch::with_scratch;
use super::{gemm, threads};
use crate::float::{Few, Float};
use crate::tensor::Tensor;
pub(crate) use layout::{Axis, Sizes};
use smallvec::SmallVec;
use std::ops::Range;

/// Maximum number of partial sums of the derivative with respect to the weights, which are computed in parallel.
const PARTS: usize = 8;
/// Elements of images that are read repeatedly before moving on to the next images: they should stay in the cache.
const IN_CACHE: usize = 1 << 16;

/// Calls `f` with memory filled with zeros.
fn zeros<T: Float>(len: usize, f: impl FnOnce(&mut [T])) {
    with_scratch(len, |zeros| {
        zeros.fill(T::zero());
        f(zeros);
    });
}

/// A list of taps from the pairs of integers that store it.
fn list(taps: &Tensor<i64>) -> &[gemm::Tap] {
    taps.as_slice().expect("just built").as_chunks().0
}

/// The `i`-th of several row-major matrices stored one after another.
fn nth<T>(data: &[T], i: usize, rows: usize, cols: usize) -> gemm::Mat<'_, T> {
    gemm::Mat::new(&data[i * rows * cols..], rows, cols, cols as isize, 1)
}

/// Calls `f` with rounded operands, unless it is a matrix product, which rounds them itself.
pub(crate) fn rounded<T: Float>(s: &Sizes, product: bool, [a, b]: [&[T]; 2], f: impl FnOnce(&[T], &[T])) {
    if product || !s.precision.rounds() {
        return f(a, b);
    }
    with_scratch(a.len() + b.len(), |copies: &mut [T]| {
        let (to_a, to_b) = copies.split_at_mut(a.len());
        to_a.copy_from_slice(a);
        to_b.copy_from_slice(b);
        gemm::round(s.precision, copies);
        let (a, b) = copies.split_at(a.len());
        f(a, b);
    });
}

/// `y = conv(x, w)`
pub(crate) fn output<T: Float>(s: &Sizes, x: &[T], w: &[T], y: &mut [T]) {
    let (taps, places, out) = (s.taps(), s.places(), s.channels[1]);
    if s.is_pointwise() {
        let (w, x) = (|i: usize| nth(w, i % s.groups, out, taps), |i: usize| nth(x, i, taps, places));
        return gemm::matmul_batch_into(s.precision, s.images * s.groups, &w, &x, y, None, None);
    }
    let (all, line, some) = (s.all_taps(), s.line::<T>(), s.together());
    threads::for_each_chunk(y, some * out * places, &|task, y| {
        zeros(s.spread::<T>(), |spread| {
            with_scratch(out * line, |lines| {
                for (i, y) in y.chunks_mut(out * places).enumerate() {
                    let part = task * some + i;
                    s.spread_input(&x[part * s.input()..][..s.input()], spread);
                    let w = &w[part % s.groups * out * taps..];
                    gemm::shifted_into(w, out, taps, spread, list(&all), lines);
                    for (y, line) in y.chunks_exact_mut(places).zip(lines.chunks_exact(line)) {
                        s.for_each_plane(&mut |plane| plane.gather(line, 0, y));
                    }
                }
            });
        });
    });
}

/// `x = vjp(g)` of [`output`] with respect to the image: each element of `x` sums `g` times the weight over all its
/// uses.
pub(crate) fn input<T: Float>(s: &Sizes, g: &[T], w: &[T], x: &mut [T]) {
    let (taps, places, [channels, out]) = (s.taps(), s.places(), s.channels);
    if s.is_pointwise() {
        let w = |i: usize| gemm::Mat::new(&w[i % s.groups * out * taps..], taps, out, 1, taps as isize);
        return gemm::matmul_batch_into(
            s.precision,
            s.images * s.groups,
            &w,
            &|i| nth(g, i, out, places),
            x,
            None,
            None,
        );
    }
    let phases: SmallVec<[Phase; 1]> = s.each_phase().filter_map(|phase| Phase::new::<T>(s, phase)).few();
    let longest = phases.iter().map(|phase| phase.line).max().unwrap_or(0);
    let (some, plane) = (s.together(), s.input() / channels);
    threads::for_each_chunk(x, some * s.input(), &|task, x| {
        zeros(s.reach() + out * s.plane() + gemm::lanes::<T>(), |spread| {
            with_scratch(channels * longest, |lines| {
                for (i, x) in x.chunks_mut(s.input()).enumerate() {
                    let part = task * some + i;
                    let g = &g[part * out * places..][..out * places];
                    s.spread_output(g, &mut spread[s.reach()..], s.plane());
                    if s.axes.iter().any(|a| a.stride > 1) {
                        x.fill(T::zero()); // elements that no tap reads
                    }
                    let w = &w[part % s.groups * out * taps..];
                    for Phase { phase, start, line, taps } in &phases {
                        let lines = &mut lines[..channels * line];
                        gemm::shifted_into(w, channels, s.kernel(), spread, list(taps), lines);
                        for (x, line) in x.chunks_exact_mut(plane).zip(lines.chunks_exact(*line)) {
                            s.for_each_plane_of(*phase, &mut |plane| plane.gather(line, *start, x));
                        }
                    }
                }
            });
        });
    });
}

/// The layout of the derivative for one phase of the image.
struct Phase {
    phase: [usize; 3],
    /// Start of the unpadded image in the line, and its length from there, rounded up to whole lanes (`line`).
    start: usize,
    line: usize,
    /// For each output channel the taps of this phase: the index of the weight for the first input channel, and the
    /// offset in the cotangent for the first position of the line.
    taps: Tensor<i64>,
}

impl Phase {
    /// Returns `None` for a phase that contains no part of the image.
    fn new<T: Float>(s: &Sizes, phase: [usize; 3]) -> Option<Self> {
        let inside: [Range<usize>; 3] = std::array::from_fn(|i| s.axes[i].inside(phase[i]));
        if inside.iter().any(|axis| axis.is_empty()) {
            return None;
        }
        let start = s.place(inside.each_ref().map(|axis| axis.start));
        let end = s.place(inside.each_ref().map(|axis| axis.end - 1)) + 1;
        let line = (end - start).next_multiple_of(gemm::lanes::<T>());
        let mut seen = 0;
        s.for_each_tap(&mut |of, _| seen += usize::from(of == phase));
        let taps = Tensor::build(&[s.channels[1] * seen, 2], |taps| {
            let mut taps = taps.as_chunks_mut().0.iter_mut();
            for channel in 0..s.channels[1] {
                let mut at = channel * s.taps();
                s.for_each_tap(&mut |of, shift| {
                    if of == phase {
                        let from = channel * s.plane() + s.reach() + start - shift;
                        *taps.next().expect("counted") = [at as i64, from as i64];
                    }
                    at += 1;
                });
            }
        });
        Some(Phase { phase, start, line, taps })
    }
}

/// `w = vjp(g)` of [`output`] with respect to the weights: a sum over images and output positions.
pub(crate) fn weight<T: Float>(s: &Sizes, x: &[T], g: &[T], w: &mut [T]) {
    let (taps, places, out) = (s.taps(), s.places(), s.channels[1]);
    // Each partial sum covers some images. Their number depends only on the shapes, so that the bits do, too.
    let worth = (s.images * (s.input() + out * places) * s.groups).div_ceil(w.len());
    let images = s.images.div_ceil(PARTS.min(worth)).max(s.together());
    let (all, line, size) = (s.all_taps(), s.line::<T>(), s.spread::<T>());
    let at_once = (IN_CACHE / size).clamp(1, images);
    let sum = |chunk: usize, group: usize, w: &mut [T]| {
        zeros(at_once * (size + out * line), |spread| {
            let (spread_x, spread_g) = spread.split_at_mut(at_once * size);
            let end = s.images.min((chunk + 1) * images);
            for first in (chunk * images..end).step_by(at_once) {
                let some = at_once.min(end - first);
                let parts = spread_x.chunks_mut(size).zip(spread_g.chunks_mut(out * line));
                for (image, (to_x, to_g)) in (first..first + some).zip(parts) {
                    let part = image * s.groups + group;
                    s.spread_input(&x[part * s.input()..][..s.input()], to_x);
                    s.spread_output(&g[part * out * places..][..out * places], to_g, line);
                }
                let (g, x) = (&spread_g[..some * out * line], &spread_x[..some * size]);
                if first == chunk * images {
                    gemm::shifted_dots_into(some, g, x, list(&all), w, taps);
                } else {
                    with_scratch(out * taps, |more| {
                        gemm::shifted_dots_into(some, g, x, list(&all), more, taps);
                        w.iter_mut().zip(more).for_each(|(w, &mut x)| *w += x);
                    });
                }
            }
        });
    };
    let chunks = s.images.div_ceil(images);
    if chunks == 1 {
        return threads::for_each_chunk(w, out * taps, &|group, w| sum(0, group, w));
    }
    let len = w.len();
    with_scratch(chunks * len, |sums| {
        threads::for_each_chunk(sums, out * taps, &|i, w| sum(i / s.groups, i % s.groups, w));
        w.copy_from_slice(&sums[..len]);
        for sum in sums[len..].chunks(len) {
            w.iter_mut().zip(sum).for_each(|(w, &x)| *w += x);
        }
    });
}
