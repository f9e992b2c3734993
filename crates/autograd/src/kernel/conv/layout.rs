//! Memory layout: phases, the positions of an image in a line, and the shifts of the taps.

use super::plane::Plane;
use crate::float::{Float, Precision};
use crate::kernel::gemm::lanes;
use crate::kernel::isa::Ahead;
use crate::tensor::Tensor;
use std::ops::Range;

/// Number of multiply-adds that make a separate task worthwhile.
const TASK_WORK: usize = 1 << 20;
/// All sizes of a convolution.
pub(crate) struct Sizes {
    pub images: usize,
    pub groups: usize,
    /// Numbers of input and output channels of one group.
    pub channels: [usize; 2],
    pub axes: [Axis; 3],
    /// The precision that operands are rounded to.
    pub precision: Precision,
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
    /// The phase that tap `k` reads, and its offset there from the first output position.
    pub(super) fn tap(&self, k: usize) -> (usize, usize) {
        let at = k * self.dilation;
        (at % self.stride, at / self.stride)
    }

    /// The number of phases that the taps read.
    pub(super) fn phases(&self) -> usize {
        let mut phases = 1;
        for k in 0..self.kernel.min(self.stride) {
            phases = phases.max(self.tap(k).0 + 1);
        }
        phases
    }

    /// The distance from the first tap to the last within a phase.
    pub(super) fn reach(&self) -> usize {
        (self.kernel - 1) * self.dilation / self.stride
    }

    /// The number of zeros shared by the end of one row and the beginning of the next.
    pub(super) fn shared(&self) -> usize {
        if self.stride == 1 { self.padding.min(self.reach()) } else { 0 }
    }

    /// The distance from one row of a phase to the next.
    pub(super) fn pitch(&self) -> usize {
        self.output + self.reach() - self.shared()
    }

    /// The positions of a phase that the unpadded image covers.
    pub(super) fn inside(&self, phase: usize) -> Range<usize> {
        let first = |at: usize| at.saturating_sub(phase).div_ceil(self.stride);
        let end = first(self.padding + self.input).min(self.pitch());
        first(self.padding).min(end)..end
    }

    /// The index in the unpadded image of a position [inside](Self::inside) a phase.
    pub(super) fn at(&self, phase: usize, place: usize) -> usize {
        place * self.stride + phase - self.padding
    }
}

impl Sizes {
    /// Elements of the input of one image and group.
    pub(super) fn input(&self) -> usize {
        self.channels[0] * self.axes.iter().map(|a| a.input).product::<usize>()
    }

    /// Taps of one output channel on one input channel.
    pub(super) fn kernel(&self) -> usize {
        self.axes.iter().map(|a| a.kernel).product()
    }

    /// Taps of one output channel.
    pub(super) fn taps(&self) -> usize {
        self.channels[0] * self.kernel()
    }

    /// The number of output positions.
    pub(super) fn places(&self) -> usize {
        self.axes.iter().map(|a| a.output).product()
    }

    /// The number of images of one group per task.
    pub(super) fn together(&self) -> usize {
        (TASK_WORK / (self.taps() * self.places() * self.channels[1]).max(1)).max(1)
    }

    /// Whether every tap reads the image unshifted.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.axes.iter().all(|a| a.kernel == 1 && a.stride == 1 && a.padding == 0)
    }

    /// A number of each axis.
    #[inline]
    fn every(&self, f: impl Fn(&Axis) -> usize) -> [usize; 3] {
        let [d, h, w] = &self.axes;
        [f(d), f(h), f(w)]
    }

    /// The index of a position of a phase in the line of rows.
    pub(super) fn place(&self, [i, j, k]: [usize; 3]) -> usize {
        let [_, h, w] = &self.axes;
        (i * h.pitch() + j) * w.pitch() + k
    }

    /// Elements of one phase of one channel.
    pub(super) fn plane(&self) -> usize {
        self.every(Axis::pitch).iter().product()
    }

    /// The number of phases of one channel.
    pub(super) fn phases(&self) -> usize {
        self.every(Axis::phases).iter().product()
    }

    /// All phases, last axis fastest.
    pub(super) fn each_phase(&self) -> impl Iterator<Item = [usize; 3]> {
        let [d, h, w] = self.every(Axis::phases);
        (0..d * h * w).map(move |i| [i / (h * w), i / w % h, i % w])
    }

    /// The distance from the first tap to the last in the line.
    pub(super) fn reach(&self) -> usize {
        self.place(self.every(Axis::reach))
    }

    /// The length of the line from the first output position to the last, rounded up to whole lanes.
    pub(super) fn line<T: Float>(&self) -> usize {
        (self.place(self.every(|a| a.output - 1)) + 1).next_multiple_of(lanes::<T>())
    }

    /// Calls `f` with the phase and shift of each tap of one channel.
    pub(super) fn for_each_tap(&self, f: &mut dyn FnMut([usize; 3], usize)) {
        let [d, h, w] = &self.axes;
        for (i, j) in (0..d.kernel).flat_map(|i| (0..h.kernel).map(move |j| (i, j))) {
            for k in 0..w.kernel {
                let [d, h, w] = [d.tap(i), h.tap(j), w.tap(k)];
                f([d.0, h.0, w.0], self.place([d.1, h.1, w.1]));
            }
        }
    }

    /// All taps of an output channel: the index of the weight, and the shift in images laid out by
    /// [`spread_input`](Self::spread_input).
    pub(super) fn all_taps(&self) -> Tensor<i64> {
        let [_, h, w] = self.every(Axis::phases);
        Tensor::build(&[self.taps(), 2], |taps| {
            let mut taps = taps.as_chunks_mut().0.iter_mut().enumerate();
            for channel in 0..self.channels[0] {
                self.for_each_tap(&mut |[i, j, k], shift| {
                    let phase = channel * self.phases() + (i * h + j) * w + k;
                    let (at, tap) = taps.next().expect("as many as taps");
                    *tap = [at as i64, (phase * self.plane() + shift) as i64];
                });
            }
        })
    }

    /// Elements of one group of an image laid out in phases, including the padding and what a line may read beyond the
    /// last plane.
    pub(super) fn spread<T: Float>(&self) -> usize {
        let shared = self.place(self.every(Axis::shared));
        self.channels[0] * self.phases() * self.plane() + shared + lanes::<T>()
    }

    /// Calls `f` for each plane of rows in a phase of one channel of the image.
    pub(super) fn for_each_plane_of(&self, phase: [usize; 3], f: &mut dyn FnMut(Plane)) {
        let [d, h, w] = &self.axes;
        let (rows, along) = (h.inside(phase[1]), w.inside(phase[2]));
        if rows.is_empty() || along.is_empty() {
            return;
        }
        for i in d.inside(phase[0]) {
            let row = d.at(phase[0], i) * h.input + h.at(phase[1], rows.start);
            f(Plane {
                rows: rows.len(),
                width: along.len(),
                line: self.place([i, rows.start, along.start]),
                line_pitch: w.pitch(),
                image: row * w.input + w.at(phase[2], along.start),
                image_pitch: h.stride.saturating_mul(w.input),
                step: w.stride,
            });
        }
    }

    /// Calls `f` for each plane of rows in one channel of the output.
    pub(super) fn for_each_plane(&self, f: &mut dyn FnMut(Plane)) {
        let [d, h, w] = &self.axes;
        for i in 0..d.output {
            let (line, image) = (self.place([i, 0, 0]), i * h.output * w.output);
            let (line_pitch, image_pitch) = (w.pitch(), w.output);
            f(Plane { rows: h.output, width: w.output, line, line_pitch, image, image_pitch, step: 1 });
        }
    }

    /// Copies one group of an image into its phases. `to` must be zero where the padding is; the padding is not
    /// written.
    pub(super) fn spread_input<T: Float>(&self, x: &[T], to: &mut [T]) {
        let (mut planes, channel) = (to.chunks_exact_mut(self.plane()), self.input() / self.channels[0]);
        let mut rest = x;
        while !rest.is_empty() {
            let (x, others) = rest.split_at(channel);
            rest = others;
            if self.phases() > 1 {
                // Rows of several phases are read alternately, which the hardware prefetcher does not predict.
                Ahead::new(&rest[..channel.min(rest.len())], 1).fetch(0);
            }
            for phase in self.each_phase() {
                let to = planes.next().expect("a plane for each phase of each channel");
                self.for_each_plane_of(phase, &mut |plane| plane.spread(x, to));
            }
        }
    }

    /// Copies the output channels of a group, each to `size` elements. The gaps between rows must be zero; they are
    /// not written.
    pub(super) fn spread_output<T: Float>(&self, y: &[T], to: &mut [T], size: usize) {
        for (y, to) in y.chunks_exact(self.places()).zip(to.chunks_mut(size)) {
            self.for_each_plane(&mut |plane| plane.spread(y, to));
        }
    }
}
