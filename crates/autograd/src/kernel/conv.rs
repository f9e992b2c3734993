//! Convolution of up to three axes and its two derivatives, each as one matrix product per image and group: the image
//! is laid out as a matrix of columns, one for each place of the kernel, with what the kernel sees there.

use super::{gemm, threads};
use crate::float::Float;
use crate::tensor::Tensor;
use std::ops::Range;

/// Multiply-adds that are worth a task of their own.
const TASK_WORK: usize = 1 << 16;
/// Sums of derivatives for the weights that are kept apart, at most, to be worked on at the same time.
const PARTS: usize = 8;

/// All sizes of a convolution.
pub(crate) struct Sizes {
    pub images: usize,
    pub groups: usize,
    /// Channels of one group, of the input and of the output.
    pub channels: [usize; 2],
    pub axes: [Axis; 3],
}

/// One axis of a convolution.
pub(crate) struct Axis {
    pub input: usize,
    pub output: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
}

impl Axis {
    /// The place in the input that tap `k` sees from place `i` of the output, which must be [inside](Self::inside).
    fn at(&self, i: usize, k: usize) -> usize {
        i * self.stride + k * self.dilation - self.padding
    }

    /// The places of the output from which tap `k` sees the input.
    fn inside(&self, k: usize) -> Range<usize> {
        let first = |at: usize| at.saturating_sub(k * self.dilation).div_ceil(self.stride).min(self.output);
        let start = first(self.padding);
        start..first(self.padding + self.input).max(start)
    }
}

impl Sizes {
    /// Elements of the input of one image and group.
    fn input(&self) -> usize {
        self.channels[0] * self.axes.iter().map(|a| a.input).product::<usize>()
    }

    /// Rows of the columns: what one place of the kernel sees.
    fn rows(&self) -> usize {
        self.channels[0] * self.axes.iter().map(|a| a.kernel).product::<usize>()
    }

    /// The number of columns: places of the kernel.
    fn places(&self) -> usize {
        self.axes.iter().map(|a| a.output).product()
    }

    /// How many images of one group make a task.
    fn together(&self) -> usize {
        (TASK_WORK / (self.rows() * self.places() * self.channels[1]).max(1)).max(1)
    }

    /// Whether the columns are the image itself.
    fn is_pointwise(&self) -> bool {
        self.axes.iter().all(|a| a.kernel == 1 && a.stride == 1 && a.padding == 0)
    }

    /// Calls `f` for each run of neighbours along the last axis that a row of the matrix of columns takes from the
    /// image: where the run begins in the row, where in the image, and its length. The rest of the row is padding.
    #[inline(always)]
    fn for_each_run(&self, row: usize, mut f: impl FnMut(usize, usize, usize)) {
        let [d, h, w] = &self.axes;
        let (taps, kw) = (row / w.kernel, row % w.kernel);
        let (taps, kh) = (taps / h.kernel, taps % h.kernel);
        let (channel, kd) = (taps / d.kernel, taps % d.kernel);
        let (planes, lines, along) = (d.inside(kd), h.inside(kh), w.inside(kw));
        if lines.is_empty() || along.is_empty() {
            return;
        }
        for i in planes {
            let line = (channel * d.input + d.at(i, kd)) * h.input + h.at(lines.start, kh);
            let mut from = line * w.input + w.at(along.start, kw);
            let mut to = (i * h.output + lines.start) * w.output + along.start;
            for _ in lines.clone() {
                f(to, from, along.len());
                // A stride may be of any size where there is no second line.
                (to, from) = (to + w.output, from.wrapping_add(h.stride.wrapping_mul(w.input)));
            }
        }
    }

    /// Calls `f` with the matrix of columns of one image and group.
    fn with_columns<T: Float>(&self, x: &[T], f: impl FnOnce(&[T])) {
        if self.is_pointwise() {
            return f(x);
        }
        let (padded, stride) = (self.axes.iter().any(|a| a.padding > 0), self.axes[2].stride);
        scratch(self.rows() * self.places(), |columns| {
            for (row, column) in columns.chunks_exact_mut(self.places()).enumerate() {
                if padded {
                    column.fill(T::zero());
                }
                self.for_each_run(row, |to, from, len| match stride {
                    1 => copy(&x[from..from + len], &mut column[to..to + len]),
                    _ => {
                        column[to..to + len].iter_mut().zip(x[from..].iter().step_by(stride)).for_each(|(c, &x)| *c = x)
                    }
                });
            }
            f(columns);
        });
    }

    /// Adds the columns back to the image they were taken from.
    fn add_columns<T: Float>(&self, columns: &[T], x: &mut [T]) {
        let stride = self.axes[2].stride;
        for (row, column) in columns.chunks_exact(self.places()).enumerate() {
            self.for_each_run(row, |from, to, len| {
                let run = &column[from..from + len];
                match stride {
                    1 => x[to..to + len].iter_mut().zip(run).for_each(|(x, &c)| *x += c),
                    _ => x[to..].iter_mut().step_by(stride).zip(run).for_each(|(x, &c)| *x += c),
                }
            });
        }
    }
}

/// Copies a run. Most are short: too short for the call of a function that copies.
#[inline(always)]
fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    const BLOCK: usize = 8;
    if from.len() > 3 * BLOCK {
        return to.copy_from_slice(from);
    }
    let (Some(last), Some(end)) = (from.last_chunk::<BLOCK>(), to.len().checked_sub(BLOCK)) else {
        return to.iter_mut().zip(from).for_each(|(to, &x)| *to = x);
    };
    for (to, from) in to.as_chunks_mut::<BLOCK>().0.iter_mut().zip(from.as_chunks::<BLOCK>().0) {
        *to = *from;
    }
    to[end..].copy_from_slice(last); // over what the last whole block wrote, perhaps
}

/// Calls `f` with recycled memory of unspecified contents.
fn scratch<T: Float>(len: usize, f: impl FnOnce(&mut [T])) {
    Tensor::build(&[len], f);
}

/// Runs `f(index, part)` over the parts of `out`, some together in a task. A single task leaves the threads to the
/// products within.
fn for_each_part<T: Float>(out: &mut [T], size: usize, together: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    threads::for_each_chunk(out, size * together, &|task, out| {
        out.chunks_mut(size).enumerate().for_each(|(i, part)| f(task * together + i, part));
    });
}

/// `y = conv(x, w)`
pub(crate) fn output<T: Float>(s: &Sizes, x: &[T], w: &[T], y: &mut [T]) {
    let (rows, places, out) = (s.rows(), s.places(), s.channels[1]);
    for_each_part(y, out * places, s.together(), &|part, y| {
        let w = gemm::Mat::new(&w[part % s.groups * out * rows..], out, rows, rows as isize, 1);
        s.with_columns(&x[part * s.input()..][..s.input()], |columns| {
            gemm::matmul_into(w, gemm::Mat::new(columns, rows, places, places as isize, 1), y, false, None);
        });
    });
}

/// `x = Σ` of what each place of `g` got from it: the transpose of [`output`] for the image.
pub(crate) fn input<T: Float>(s: &Sizes, g: &[T], w: &[T], x: &mut [T]) {
    let (rows, places, out) = (s.rows(), s.places(), s.channels[1]);
    for_each_part(x, s.input(), s.together(), &|part, x| {
        let w = gemm::Mat::new(&w[part % s.groups * out * rows..], rows, out, 1, rows as isize);
        let g = gemm::Mat::new(&g[part * out * places..], out, places, places as isize, 1);
        if s.is_pointwise() {
            return gemm::matmul_into(w, g, x, false, None);
        }
        scratch(rows * places, |columns| {
            gemm::matmul_into(w, g, columns, false, None);
            x.fill(T::zero());
            s.add_columns(columns, x);
        });
    });
}

/// `w = Σ` over images and places of what each weight multiplied: the transpose of [`output`] for the weights.
pub(crate) fn weight<T: Float>(s: &Sizes, x: &[T], g: &[T], w: &mut [T]) {
    let (rows, places, out) = (s.rows(), s.places(), s.channels[1]);
    // Some images each, the number of sums depending on shapes alone, so that the bits do.
    let worth = (s.images * (s.input() + out * places) * s.groups).div_ceil(w.len());
    let images = s.images.div_ceil(PARTS.min(worth)).max(s.together());
    let sum = |chunk: usize, group: usize, w: &mut [T]| {
        for image in (chunk * images..s.images).take(images) {
            let part = image * s.groups + group;
            let g = gemm::Mat::new(&g[part * out * places..], out, places, places as isize, 1);
            s.with_columns(&x[part * s.input()..][..s.input()], |columns| {
                let columns = gemm::Mat::new(columns, places, rows, 1, places as isize);
                gemm::matmul_into(g, columns, w, image % images != 0, None);
            });
        }
    };
    let chunks = s.images.div_ceil(images);
    if chunks == 1 {
        return for_each_part(w, out * rows, 1, &|group, w| sum(0, group, w));
    }
    let len = w.len();
    scratch(chunks * len, |sums| {
        for_each_part(sums, out * rows, 1, &|i, w| sum(i / s.groups, i % s.groups, w));
        w.copy_from_slice(&sums[..len]);
        for sum in sums[len..].chunks(len) {
            w.iter_mut().zip(sum).for_each(|(w, &x)| *w += x);
        }
    });
}
