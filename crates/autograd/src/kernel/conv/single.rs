//! Convolutions of one image after another, whose patches are read in place: the elements that one tap reads for all
//! output positions are a piece of the image's line, shifted by the distance of the tap from the first one. So the output
//! is a product of the weights with a matrix whose rows are shifted pieces ([`gemm::shifted_into`]), and the derivative
//! with respect to the weights a product with its transpose ([`gemm::shifted_dots_into`]). A few extra positions between
//! the rows are also computed, and discarded.

use super::layout::Sizes;
use super::phase::{Phase, elements_read, with_taps};
use super::{PARTS, list, zeros};
use crate::float::Float;
use crate::kernel::elementwise::add_block;
use crate::kernel::halves::by_halves;
use crate::kernel::scratch::with_scratch;
use crate::kernel::{gemm, threads};

/// Elements of images that are read repeatedly before moving on to the next images: they should stay in the cache.
const IN_CACHE: usize = 1 << 16;

/// Images whose products with cotangents are summed at once.
pub(super) fn at_once<T: Float>(s: &Sizes, images: usize) -> usize {
    (IN_CACHE / s.spread::<T>()).clamp(1, images)
}

/// [`super::output`]
pub(super) fn output<T: Float>(s: &Sizes, x: &[T], w: &[T], y: &mut [T]) {
    let (taps, places, out) = (s.taps(), s.places(), s.channels[1]);
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

/// [`super::input`]
pub(super) fn input<T: Float>(s: &Sizes, phases: &[Phase], g: &[T], w: &[T], x: &mut [T]) {
    let (taps, places, [channels, out]) = (s.taps(), s.places(), s.channels);
    let longest = phases.iter().map(|phase| phase.line).max().unwrap_or(0);
    let (some, plane, read) = (s.together(), s.input() / channels, elements_read(phases));
    threads::for_each_chunk(x, some * s.input(), &|task, x| {
        zeros(s.reach() + out * s.plane() + gemm::lanes::<T>(), |spread| {
            with_scratch(channels * longest, |lines| {
                for (i, x) in x.chunks_mut(s.input()).enumerate() {
                    let part = task * some + i;
                    let g = &g[part * out * places..][..out * places];
                    s.spread_output(g, &mut spread[s.reach()..], s.plane());
                    if read < plane {
                        x.fill(T::zero()); // elements that no tap reads
                    }
                    let w = &w[part % s.groups * out * taps..];
                    for Phase { phase, start, line, taps, .. } in with_taps(phases) {
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

/// [`super::weight`]
pub(super) fn weight<T: Float>(s: &Sizes, x: &[T], g: &[T], w: &mut [T]) {
    let (taps, places, out) = (s.taps(), s.places(), s.channels[1]);
    // Each partial sum covers some images. Their number depends only on the shapes, so that the bits do, too.
    let worth = (s.images * (s.input() + out * places) * s.groups).div_ceil(w.len());
    let images = s.images.div_ceil(PARTS.min(worth)).max(s.together());
    let (all, line, size) = (s.all_taps(), s.line::<T>(), s.spread::<T>());
    let at_once = at_once::<T>(s, images);
    let sum = |chunk: usize, group: usize, w: &mut [T]| {
        zeros(at_once * (size + out * line), |spread| {
            let (spread_x, spread_g) = spread.split_at_mut(at_once * size);
            let chunk = chunk * images..s.images.min((chunk + 1) * images);
            by_halves(chunk, at_once, w, &mut |images, w| {
                let some = images.len();
                let parts = spread_x.chunks_mut(size).zip(spread_g.chunks_mut(out * line));
                for (image, (to_x, to_g)) in images.zip(parts) {
                    let part = image * s.groups + group;
                    s.spread_input(&x[part * s.input()..][..s.input()], to_x);
                    s.spread_output(&g[part * out * places..][..out * places], to_g, line);
                }
                let (g, x) = (&spread_g[..some * out * line], &spread_x[..some * size]);
                gemm::shifted_dots_into(some, g, x, list(&all), w, taps);
            });
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
            add_block(w, sum);
        }
    });
}
