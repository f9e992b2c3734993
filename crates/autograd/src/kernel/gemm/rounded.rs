//! Rounding of operands separately from their product, for precisions without dedicated loops.

use super::Mat;
use super::view::View;
use crate::float::{Float, Precision};
use crate::kernel::isa::simd;
use crate::kernel::scratch::with_scratch;
use crate::kernel::threads;

/// Elements of a task.
const TASK: usize = 1 << 14;

/// Rounds all elements.
pub fn round<T: Float>(precision: Precision, x: &mut [T]) {
    if precision.rounds() {
        threads::for_each_chunk(x, TASK, &|_, x| round_all(precision, x));
    }
}

simd! {
    fn round_all<T: Float>(precision: Precision, x: &mut [T]) {
        match precision {
            Precision::Full => {}
            // Each with its own constants.
            Precision::Bf16 => {
                for x in x {
                    *x = Precision::Bf16.round(*x);
                }
            }
            Precision::F16 => {
                for x in x {
                    *x = Precision::F16.round(*x);
                }
            }
        }
    }
}

/// Calls `f` with a rounded copy of a matrix.
pub fn rounded<T: Float>(precision: Precision, x: Mat<T>, f: impl FnOnce(Mat<T>)) {
    // A copy of the transpose, if that is what is contiguous.
    let View { row, col, .. } = x.view();
    let by_rows = row != 1 || col == 1;
    let x = if by_rows { x } else { x.t() };
    with_scratch(x.rows() * x.cols(), |copy: &mut [T]| {
        copy.chunks_mut(x.cols().max(1)).enumerate().for_each(|(i, to)| x.copy_row(i, to));
        round(precision, copy);
        let copy = Mat::row_major(copy, x.rows(), x.cols());
        f(if by_rows { copy } else { copy.t() });
    });
}
