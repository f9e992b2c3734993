//! Matrix products, single and in batches that broadcast: the memory layout of their operands.

use crate::float::{Float, Precision, once};
use crate::kernel::gemm;
use crate::tensor::layout::{Odometer, broadcast_strides};
use crate::tensor::{Strides, Tensor};

/// Work fused with a product: other arrays of its size, and a callback that gets parts of the product while they are in the
/// cache, each with the same part of the other arrays.
pub(crate) type Beside<'b, 'o, T> = (&'b mut [&'o mut [T]], &'b (dyn Fn(&mut gemm::PartsOf<'_, T>) + Sync));

once! {
    /// `out = a·b`, or `keep · out + a·b` if `keep` is given.
    pub(crate) fn matmul<'b, 'o, T>(
        x: [&Tensor<T>; 2],
        transposed: [bool; 2],
        precision: Precision,
        shape: &[usize],
        keep: Option<T>,
        out: &mut [T],
        beside: Option<Beside<'b, 'o, T>>,
    ) {
        let (a, b, [ta, tb], batch) = (walkable(x[0]), walkable(x[1]), transposed, &shape[..shape.len() - 2]);
        let (a, b) = (matrices(&a, ta, batch), matrices(&b, tb, batch));
        let multiply = |out: &mut [T], then: Option<gemm::Then<T>>| match batch.iter().product() {
            _ if out.is_empty() => (),
            1 => gemm::matmul_into(precision, a.at(a.start), b.at(b.start), out, keep, then),
            n => gemm::matmul_batch_into(precision, n, &|i| a.nth(batch, i), &|i| b.nth(batch, i), out, keep, then),
        };
        match beside {
            None => multiply(out, None),
            Some((others, f)) => gemm::alongside(out, others, f, |out, then| multiply(out, Some(then))),
        }
    }
}

/// The kernels do not support negative strides, so a reversed view is copied.
pub(super) fn walkable<T: Float>(x: &Tensor<T>) -> Tensor<T> {
    if x.strides().iter().all(|&s| s >= 0) { x.clone() } else { x.deep_copy() }
}

/// The matrices of one operand: the layout of the last two axes, and the strides of the batch axes.
pub(super) struct Matrices<'a, T> {
    data: &'a [T],
    start: usize,
    rows: usize,
    cols: usize,
    row_stride: isize,
    col_stride: isize,
    batch: Strides,
}

pub(super) fn matrices<'a, T: Float>(x: &'a Tensor<T>, transposed: bool, batch: &[usize]) -> Matrices<'a, T> {
    let (data, start) = x.raw();
    let outer = x.rank() - 2;
    let (&[.., r, c], &[.., rs, cs]) = (x.shape(), x.strides()) else { unreachable!("a matrix has two axes") };
    let batch = broadcast_strides(&x.shape()[..outer], &x.strides()[..outer], batch);
    let (rows, cols, row_stride, col_stride) = if transposed { (c, r, cs, rs) } else { (r, c, rs, cs) };
    Matrices { data, start, rows, cols, row_stride, col_stride, batch }
}

impl<'a, T: Float> Matrices<'a, T> {
    fn at(&self, start: usize) -> gemm::Mat<'a, T> {
        gemm::Mat::new(&self.data[start..], self.rows, self.cols, self.row_stride, self.col_stride)
    }

    /// Matrix `i` of a batch of this shape.
    pub(super) fn nth(&self, batch: &[usize], i: usize) -> gemm::Mat<'a, T> {
        let [start] = Odometer::at(batch, [&self.batch], [self.start as isize], i).offsets();
        self.at(start as usize)
    }
}
