//! The values of functions of rows: softmax, log-softmax, cross-entropy, standardization, layer normalization, and their
//! cotangents, each one pass over memory.

use super::flat;
use crate::float::{Few, Float};
use crate::kernel::rows;
use crate::op::Op;
use crate::tensor::{Shape, Tensor};
use smallvec::SmallVec;

/// Writes the value of a function of rows to `out`.
pub(crate) fn eval<T: Float>(op: &Op, x: &[&Tensor<T>], out: &mut [T]) {
    match op {
        Op::Softmax { axis } => along([x[0]], *axis, out, rows::softmax),
        Op::SoftmaxVjp { axis } => along([x[0], x[1]], *axis, out, rows::softmax_vjp),
        Op::LogSoftmax { axis } => along([x[0]], *axis, out, rows::log_softmax),
        Op::LogSoftmaxVjp { axis } => along([x[0], x[1]], *axis, out, rows::log_softmax_vjp),
        Op::CrossEntropy { labels } => {
            rows::cross_entropy(flat(&x[0].contiguous()), x[0].shape()[1], flat(&labels.contiguous()), out)
        }
        Op::CrossEntropyVjp { labels } => {
            let (scores, g, labels) = (x[0].contiguous(), x[1].contiguous(), labels.contiguous());
            rows::cross_entropy_vjp([flat(&scores), flat(&g)], x[0].shape()[1], flat(&labels), out)
        }
        Op::Standardize { axis, eps } => {
            let n = x[0].shape()[*axis..].iter().product();
            rows::standardize([flat(&x[0].contiguous())], n, *eps, out)
        }
        Op::StandardizeVjp { axis, eps } => {
            let n = x[0].shape()[*axis..].iter().product();
            rows::standardize_vjp([flat(&x[0].contiguous()), flat(&x[1].contiguous())], n, *eps, out)
        }
        _ => unreachable!("not a function of rows"),
    }
}

/// Runs a row kernel along any axis.
fn along<T: Float, const N: usize>(
    x: [&Tensor<T>; N],
    axis: usize,
    out: &mut [T],
    kernel: fn([&[T]; N], usize, &mut [T]),
) {
    let (rank, n) = (x[0].rank(), x[0].shape()[axis]);
    if axis + 1 == rank {
        let x = x.map(Tensor::contiguous);
        return kernel(x.each_ref().map(flat), n, out);
    }
    // Swap the axis with the last one and back: swapping twice is the identity.
    let mut order: Shape = (0..rank).few();
    order.swap(axis, rank - 1);
    let x = x.map(|x| x.permuted(&order).contiguous());
    let rows = Tensor::build(x[0].shape(), |out| kernel(x.each_ref().map(flat), n, out));
    rows.permuted(&order).copy_into(out);
}

/// The value of a layer normalization or of its cotangents.
pub(super) fn layer_norm<T: Float>(op: &Op, x: &[&Tensor<T>], out: &mut [T]) {
    let (Op::LayerNorm { axis, eps } | Op::LayerNormVjp { axis, eps } | Op::LayerNormSums { axis, eps }) = op else {
        unreachable!("not a layer normalization")
    };
    let n = x[0].shape()[*axis..].iter().product();
    let dense: SmallVec<[Tensor<T>; 16]> = x.iter().map(|x| x.contiguous()).few();
    match (op, dense.as_slice()) {
        (Op::LayerNorm { .. }, [x, w, b]) => rows::layer_norm([x, w, b].map(flat), n, *eps, out),
        (Op::LayerNormVjp { .. }, [x, w, g]) => rows::layer_norm_vjp([x, w, g].map(flat), n, *eps, out),
        (_, [x, g]) => rows::layer_norm_sums([x, g].map(flat), n, *eps, out),
        _ => unreachable!("the shape rule checks the number of inputs"),
    }
}
