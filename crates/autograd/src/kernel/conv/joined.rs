//! Convolutions with many channels: products with the [patches](Patches) of several images at once, so that weights are
//! read once for hundreds of positions. Pieces of the patches are copied, in cache, to where the product reads them, and
//! no discarded positions are computed. A copy costs as much as the multiply-adds of some channels, so this pays off if
//! each patch is used by many, or if images are small.
//!
//! Each element of the output, and of the derivative with respect to the image, has the bits that the parent module
//! defines: the same blocks of the same sum. The derivative with respect to the weights is computed transposed, as
//! patches times cotangents: patches are then copied along their rows, and only cotangents are turned.

use super::layout::Sizes;
use super::patches::{Grid, MOST, Patches, SLACK, runs};
use super::phase::{Phase, elements_read, with_taps};
use super::{PARTS, list, zeros};
use crate::float::{Float, once};
use crate::kernel::copy::turn;
use crate::kernel::elementwise::add_block;
use crate::kernel::gemm::{self, Element, Mat, Packed, packed_columns, packed_rows};
use crate::kernel::halves::by_halves;
use crate::kernel::scratch::with_scratch;
use crate::kernel::threads;
use std::ops::Range;

/// Rows of a result that are computed at a time: a multiple of the rows of every tile.
const ROWS: usize = 24;
/// Positions of a task.
const POSITIONS: usize = 512;
/// The number of positions for which a partial sum pays off, and that are summed block after block.
const LONG: usize = 4096;

/// Images whose patches are joined in a task, for as many positions each.
fn together(images: usize, positions: usize) -> usize {
    POSITIONS.div_ceil(positions).min(images.div_ceil(threads::threads()))
}

/// Images whose patches and cotangents are multiplied at once.
fn at_once(s: &Sizes) -> usize {
    (4 * POSITIONS).div_ceil(s.places())
}

once! {
    /// [`super::output`]
    pub fn output<T: Element>(s: &Sizes, x: &[T], w: &[T], y: &mut [T]) {
        let (taps, places, out) = (s.all_taps(), s.places(), s.channels[1]);
        let (grid, some, size) = (Grid::of_output(s), together(s.images, places), s.spread::<T>());
        threads::for_each_chunk(y, some * s.groups * out * places, &|task, y| {
            let images = y.len() / (s.groups * out * places);
            zeros(images * size + SLACK, |lines| {
                for group in 0..s.groups {
                    threads::for_each_chunk(&mut lines[..images * size], size, &|i, line| {
                        let part = (task * some + i) * s.groups + group;
                        s.spread_input(&x[part * s.input()..][..s.input()], line);
                    });
                    let patches = Patches::new(lines, images, list(&taps), &grid);
                    let w = Mat::row_major(&w[group * out * s.taps()..], out, s.taps());
                    multiply(w, &patches, &mut |image, channel, from, values| {
                        let y = &mut y[((image * s.groups + group) * out + channel) * places..][..places];
                        grid.put(from, values, y);
                    });
                }
            });
        });
    }

    /// [`super::input`]
    pub fn input<T: Element>(s: &Sizes, phases: &[Phase], g: &[T], w: &[T], x: &mut [T]) {
        let (places, [channels, out]) = (s.places(), s.channels);
        let (size, plane) = (s.reach() + out * s.plane(), s.input() / channels);
        let (some, read) = (together(s.images, plane), elements_read(phases));
        with_scratch(w.len(), |turned: &mut [T]| {
            turn_weights(s, phases, w, turned);
            let turned = &*turned;
            threads::for_each_chunk(x, some * s.groups * s.input(), &|task, x| {
                let images = x.len() / (s.groups * s.input());
                if read < plane {
                    x.fill(T::ZERO); // elements that no tap reads
                }
                zeros(images * size + SLACK, |lines| {
                    let mut w = turned;
                    for group in 0..s.groups {
                        threads::for_each_chunk(&mut lines[..images * size], size, &|i, line| {
                            let part = (task * some + i) * s.groups + group;
                            let g = &g[part * out * places..][..out * places];
                            s.spread_output(g, &mut line[s.reach()..], s.plane());
                        });
                        for phase in with_taps(phases) {
                            let patches = Patches::new(lines, images, list(&phase.taps), &phase.grid);
                            let (now, later) = w.split_at(channels * phase.terms());
                            let now = Mat::row_major(now, channels, phase.terms());
                            multiply(now, &patches, &mut |image, channel, from, values| {
                                let x = &mut x[((image * s.groups + group) * channels + channel) * plane..][..plane];
                                phase.grid.put(from, values, x);
                            });
                            w = later;
                        }
                    }
                });
            });
        });
    }

    /// [`super::weight`]
    pub fn weight<T: Element>(s: &Sizes, x: &[T], g: &[T], w: &mut [T]) {
        let (taps, out) = (s.taps(), s.channels[1]);
        let (all, grid) = (s.all_taps(), Grid::of_output(s));
        let (rows, columns) = (packed_rows::<T>(taps), packed_columns::<T>(out));
        // Each partial sum covers some images. Their number depends only on the shapes, so that the bits do, too.
        let worth = s.images * s.places() / LONG;
        let images = s.images.div_ceil(worth.clamp(1, PARTS));
        let parts = s.images.div_ceil(images);
        with_scratch(parts * s.groups * rows * columns, |sums: &mut [T]| {
            threads::for_each_chunk(sums, rows * columns, &|i, sum| {
                let (part, group) = (i / s.groups, i % s.groups);
                let (all, images) = (list(&all), part * images..s.images.min((part + 1) * images));
                let some = LONG.div_ceil(s.places()).next_multiple_of(at_once(s));
                by_halves(images, some, sum, &mut |images, sum| {
                    sum_of_images(s, &grid, all, [x, g], group, images, sum);
                });
            });
            let (total, others) = sums.split_at_mut(s.groups * rows * columns);
            for sum in others.chunks_exact(total.len()) {
                add_block(total, sum);
            }
            for (w, total) in w.chunks_exact_mut(out * taps).zip(total.chunks_exact(rows * columns)) {
                turn(total, columns, [out, taps], w, taps);
            }
        });
    }
}

/// Copies the weights of each group and phase, with a row for each input channel.
fn turn_weights<T: Float>(s: &Sizes, phases: &[Phase], w: &[T], turned: &mut [T]) {
    let [channels, out] = s.channels;
    let mut rest = turned;
    for w in w.chunks_exact(out * s.taps()) {
        for phase in with_taps(phases) {
            let (to, others) = rest.split_at_mut(channels * phase.terms());
            threads::for_each_chunk(to, phase.terms(), &|channel, to| {
                let w = &w[channel * s.kernel()..];
                for (to, &[at, _]) in to.iter_mut().zip(list(&phase.taps)) {
                    *to = w[at as usize];
                }
            });
            rest = others;
        }
    }
}

/// Takes results: the image, the row of the weights, the first position in the image and the values from there on.
type Put<'a, T> = &'a mut dyn FnMut(usize, usize, usize, &[T]);

/// Computes the product of weights with patches, some columns at a time, and passes it to `put`.
fn multiply<T: Element>(w: Mat<T>, patches: &Patches<T>, put: Put<T>) {
    let (rows, terms, n) = (w.rows(), w.cols(), patches.columns());
    let (tile, depth) = (packed_rows::<T>(1), gemm::block(terms));
    let whole = rows - rows % tile;
    for first in (0..n).step_by(MOST) {
        let some = MOST.min(n - first);
        let columns = packed_columns::<T>(some);
        with_scratch(packed_rows::<T>(rows) * columns, |c: &mut [T]| {
            with_scratch(depth * columns + SLACK, |room| {
                for p in (0..terms).step_by(depth) {
                    let (depth, keep) = (depth.min(terms - p), (p > 0).then_some(T::ONE));
                    let packed = Packed::pieces(depth, some, room, &|columns, width, to| {
                        patches.copy(p..p + depth, first + columns.start..first + columns.end, width, to);
                    });
                    let w = w.t().range(p, depth).t();
                    let (c, last) = c.split_at_mut(whole * columns);
                    for_some_rows(c, columns, depth, &|row, c| {
                        packed.product(w.range(row, c.len() / columns), c, keep)
                    });
                    if !last.is_empty() {
                        // The last tile repeats rows, so that it is a whole one.
                        packed.product(w.range(rows - tile, tile), last, keep);
                    }
                }
            });
            for row in 0..rows {
                let at = if row < whole { row } else { row + packed_rows::<T>(rows) - rows };
                let mut values = &c[at * columns..][..some];
                for (image, from, len) in runs(first..first + some, patches.positions()) {
                    let (now, later) = values.split_at(len);
                    put(image, row, from, now);
                    values = later;
                }
            }
        });
    }
}

/// Calls `f` with the first of [`ROWS`] rows of a result and these rows, on several threads if there is enough to do.
fn for_some_rows<T: Float>(c: &mut [T], columns: usize, depth: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    if gemm::threads_for(c.len() * depth) > 1 {
        return threads::for_each_chunk(c, ROWS * columns, &|i, c| f(i * ROWS, c));
    }
    c.chunks_mut(ROWS * columns).enumerate().for_each(|(i, c)| f(i * ROWS, c));
}

/// `c = Σ patches cotangentsᵀ` over some images, with a row for each tap and a column for each output channel.
fn sum_of_images<T: Element>(
    s: &Sizes,
    grid: &Grid,
    taps: &[gemm::Tap],
    [x, g]: [&[T]; 2],
    group: usize,
    images: Range<usize>,
    c: &mut [T],
) {
    let (places, out, size) = (s.places(), s.channels[1], s.spread::<T>());
    let (columns, at_once) = (packed_columns::<T>(out), at_once(s).min(images.len()));
    zeros(at_once * size + SLACK, |lines| {
        for first in images.clone().step_by(at_once) {
            let some = at_once.min(images.end - first);
            let part = |i: usize| (first + i) * s.groups + group;
            threads::for_each_chunk(&mut lines[..some * size], size, &|i, line| {
                s.spread_input(&x[part(i) * s.input()..][..s.input()], line);
            });
            let patches = Patches::new(&lines[..some * size + SLACK], some, taps, grid);
            let depth = gemm::block(some * places);
            for from in (0..some * places).step_by(depth) {
                let depth = depth.min(some * places - from);
                let keep = (first > images.start || from > 0).then_some(T::ONE);
                with_scratch(depth * columns, |room| {
                    let packed = with_scratch(out * depth, |rows: &mut [T]| {
                        for (channel, mut row) in rows.chunks_exact_mut(depth).enumerate() {
                            for (image, at, len) in runs(from..from + depth, places) {
                                let (now, later) = row.split_at_mut(len);
                                now.copy_from_slice(&g[(part(image) * out + channel) * places + at..][..len]);
                                row = later;
                            }
                        }
                        Packed::new(Mat::row_major(rows, out, depth).t(), room)
                    });
                    for_some_rows(c, columns, depth, &|row, c| {
                        let rows = c.len() / columns;
                        with_scratch(rows * depth + SLACK, |a: &mut [T]| {
                            patches.copy(row..taps.len().min(row + rows), from..from + depth, depth, a);
                            packed.product(Mat::row_major(a, rows, depth), c, keep);
                        });
                    });
                });
            }
        }
    });
}
