//! The derivative with respect to an image, one phase of the image after another: a convolution of the cotangent with the
//! taps that read this phase, their shifts reversed.

use super::layout::Sizes;
use super::patches::Grid;
use crate::float::Few;
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::ops::Range;

/// All phases that contain a part of the image.
pub(super) fn phases(s: &Sizes, lanes: usize) -> SmallVec<[Phase; 4]> {
    s.each_phase().filter_map(|phase| Phase::new(s, phase, lanes)).few()
}

/// The phases that are not 0.
pub(super) fn with_taps(phases: &[Phase]) -> impl Iterator<Item = &Phase> {
    phases.iter().filter(|phase| phase.terms() > 0)
}

/// The elements of a channel that taps read.
pub(super) fn elements_read(phases: &[Phase]) -> usize {
    with_taps(phases).map(|phase| phase.grid.positions()).sum()
}

/// The layout of the derivative for one phase of the image.
pub(super) struct Phase {
    pub phase: [usize; 3],
    /// Start of the unpadded image in the line, and its length from there, rounded up to whole lanes (`line`).
    pub start: usize,
    pub line: usize,
    /// The elements of the image in this phase.
    pub grid: Grid,
    /// For each output channel the taps of this phase: the index of the weight for the first input channel, and the
    /// offset in the cotangent for the first position of the line.
    pub taps: Tensor<i64>,
}

impl Phase {
    /// Returns `None` for a phase that contains no part of the image.
    fn new(s: &Sizes, phase: [usize; 3], lanes: usize) -> Option<Self> {
        let inside: [Range<usize>; 3] = std::array::from_fn(|i| s.axes[i].inside(phase[i]));
        if inside.iter().any(|axis| axis.is_empty()) {
            return None;
        }
        let start = s.place(inside.each_ref().map(|axis| axis.start));
        let end = s.place(inside.each_ref().map(|axis| axis.end - 1)) + 1;
        let line = (end - start).next_multiple_of(lanes);
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
        Some(Phase { phase, start, line, grid: Grid::of_phase(s, phase, start), taps })
    }

    /// The number of terms of each sum.
    pub fn terms(&self) -> usize {
        self.taps.shape()[0]
    }
}
