//! The values of cumulative sums and products along an axis.

use super::{around, flat};
use crate::float::Float;
use crate::kernel::scan;
use crate::op::Op;
use crate::tensor::Tensor;

/// The value of a scan.
pub(crate) fn eval<T: Float>(op: &Op, x: &[&Tensor<T>], shape: &[usize], out: &mut [T]) {
    let first = x[0].contiguous();
    match op {
        Op::CumSum { axis, reverse } => scan::sums(flat(&first), around(shape, *axis), *reverse, out),
        Op::LogCumSumExp { axis } => scan::logsumexps(flat(&first), around(shape, *axis), out),
        Op::Recurrence { axis, transposed } => {
            scan::recurrence(flat(&first), flat(&x[1].contiguous()), around(shape, *axis), *transposed, out)
        }
        _ => unreachable!("not a scan"),
    }
}
