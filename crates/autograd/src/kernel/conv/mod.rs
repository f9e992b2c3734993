//! Convolution over up to three axes, and its two derivatives.
//!
//! **Images are never unrolled into columns (im2col).** Instead, an image's rows are stored one after another in a
//! line, with the padding between them. The elements that one tap of the kernel reads for all output positions are
//! then a piece of that line, shifted by the distance of the tap from the first one. So the output is a product of the
//! weights with the matrix of all *patches*, whose rows are shifted pieces of lines; the derivative with respect to the
//! weights is a product with its transpose; and the derivative with respect to the image is a convolution of the
//! cotangent, with the shifts reversed.
//!
//! **A stride** `s` splits each axis into `s` *phases*, the elements at `r`, `r + s`, `r + 2s`, …: a tap reads a
//! single phase, in which consecutive output positions are adjacent.
//!
//! **Two methods.** [`single`] processes image after image and reads the pieces in place, gaps between rows included,
//! which is best for large images and for few channels. [`joined`] copies the patches of several images without the
//! gaps, for products of many columns. The functions here choose the cheaper one; the costs depend only on the sizes.

mod joined;
mod layout;
mod patches;
mod phase;
mod plane;
mod single;
#[cfg(test)]
mod tests;

use super::gemm;
use super::scratch::with_scratch;
use crate::float::Float;
use crate::tensor::Tensor;
pub(crate) use layout::{Axis, Sizes};
use phase::{Phase, phases};

/// Maximum number of partial sums of the derivative with respect to the weights, which are computed in parallel.
const PARTS: usize = 8;
/// The costs, in multiply-adds, of copying an element of a patch, transposing a weight, and adding up the lanes of a sum.
const COPY: usize = 12;
const TURN: usize = 40;
const TOTAL: usize = 300;

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
pub(crate) fn rounded<T: Float>(s: &Sizes, product: bool, [a, b]: [&[T]; 2], f: &mut dyn FnMut(&[T], &[T])) {
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
    if may_join(s, out) && saved::<T>(s, s.line::<T>(), places) * out > copies(s) * s.images * places {
        return joined::output(s, x, w, y);
    }
    if s.is_pointwise() {
        let (w, x) = (|i: usize| nth(w, i % s.groups, out, taps), |i: usize| nth(x, i, taps, places));
        return gemm::matmul_batch_into(s.precision, s.images * s.groups, &w, &x, y, None, None);
    }
    single::output(s, x, w, y);
}

/// `x = vjp(g)` of [`output`] with respect to the image: each element of `x` sums `g` times the weight over all its
/// uses.
pub(crate) fn input<T: Float>(s: &Sizes, g: &[T], w: &[T], x: &mut [T]) {
    let (taps, places, [channels, out]) = (s.taps(), s.places(), s.channels);
    let phases = phases(s, gemm::lanes::<T>());
    if may_join(s, channels) {
        // Over all phases: the saved computations, the copies, and the transposed weights.
        let sum =
            |of: &dyn Fn(&Phase) -> usize| -> usize { phases.iter().map(|phase| of(phase) * phase.terms()).sum() };
        let saves = sum(&|phase| saved::<T>(s, phase.line, phase.grid.positions())) * channels;
        let copied = sum(&|phase| phase.grid.positions()) * copies(s) * s.images;
        if saves > copied + sum(&|_| TURN) * channels {
            return joined::input(s, &phases, g, w, x);
        }
    }
    if s.is_pointwise() {
        let w = |i: usize| gemm::Mat::new(&w[i % s.groups * out * taps..], taps, out, 1, taps as isize);
        let g = |i: usize| nth(g, i, out, places);
        return gemm::matmul_batch_into(s.precision, s.images * s.groups, &w, &g, x, None, None);
    }
    single::input(s, &phases, g, w, x);
}

/// `w = vjp(g)` of [`output`] with respect to the weights: a sum over images and output positions.
pub(crate) fn weight<T: Float>(s: &Sizes, x: &[T], g: &[T], w: &mut [T]) {
    let (places, line) = (s.places(), s.line::<T>());
    // A sum of lanes is a tenth slower than one of a tile.
    let in_place = line + line / 10 + TOTAL / single::at_once::<T>(s, s.images);
    if in_place > places + places * COPY / s.channels[1] {
        return joined::weight(s, x, g, w);
    }
    single::weight(s, x, g, w);
}

/// Positions of all images that only products of single images compute, which have a line of them for each.
fn saved<T>(s: &Sizes, line: usize, positions: usize) -> usize {
    (s.images * line).saturating_sub((s.images * positions).next_multiple_of(gemm::lanes::<T>()))
}

/// Whether a product with this many rows has whole tiles, and its operands have been rounded.
fn may_join(s: &Sizes, rows: usize) -> bool {
    rows >= gemm::TALLEST && !(s.is_pointwise() && s.precision.rounds())
}

/// Multiply-adds that take as long as the copies of an element: of a pointwise convolution, lines are copies, too.
fn copies(s: &Sizes) -> usize {
    if s.is_pointwise() { 2 * COPY } else { COPY }
}
