//! The values of ops on the differences between rows.

use super::flat;
use crate::float::{Few, Float};
use crate::kernel::pairwise::{Pairwise, Sizes, distances, products, sums};
use crate::tensor::{Shape, Tensor};

/// Writes the value to `out`.
pub(super) fn eval<T: Float>(f: Pairwise, x: &[&Tensor<T>], out: &mut [T]) {
    let (from, to) = (x[x.len() - 2].shape(), x[x.len() - 1].shape());
    let axes = from.len();
    let sizes = Sizes { rows: from[axes - 2], columns: to[axes - 2], width: from[axes - 1] };
    if sizes.columns * sizes.width == 0 {
        return out.fill(T::zero());
    }
    let rows = |i: usize| x[i].contiguous();
    let columns = |i: usize| {
        let mut order: Shape = (0..axes).few();
        order.swap(axes - 1, axes - 2);
        x[i].permuted(&order).contiguous()
    };
    match f {
        Pairwise::Distance => distances([&rows(0), &columns(1)].map(flat), sizes, out),
        Pairwise::Product => products([&rows(0), &columns(1), &rows(2), &columns(3)].map(flat), sizes, out),
        Pairwise::Sum => sums([&rows(0), &rows(1), &columns(2)].map(flat), sizes, out),
    }
}
