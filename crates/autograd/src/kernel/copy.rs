//! Copies of strided views in row-major order.

use super::threads;
use crate::float::Element;
use crate::tensor::{Tensor, layout};

impl<T: Element> Tensor<T> {
    /// Copies the elements to `out`, of the same length, in row-major order.
    pub(crate) fn copy_into(&self, out: &mut [T]) {
        if let Some(source) = self.as_slice() {
            return out.copy_from_slice(source);
        }
        let (data, start) = self.raw();
        let Some((&inner, outer)) = self.shape().split_last() else { return out[0] = data[start] };
        if out.is_empty() {
            return;
        }
        let (strides, step) = (&self.strides()[..outer.len()], self.strides()[outer.len()]);
        let some = (Self::COPIED / inner).max(1);
        threads::for_each_chunk(out, some * inner, &|chunk, out| {
            let mut rows = layout::Odometer::at(outer, [strides], [start as isize], chunk * some);
            for row in out.chunks_mut(inner) {
                copy_row(data, rows.offsets()[0], step, row);
                rows.advance();
            }
        });
    }

    /// Number of elements that a thread copies at a time.
    const COPIED: usize = 16_384;
}

/// Copies elements that are `step` apart to a contiguous row.
pub(crate) fn copy_row<T: Element>(data: &[T], from: isize, step: isize, row: &mut [T]) {
    let (from, n) = (from as usize, row.len());
    match step {
        1 => row.copy_from_slice(&data[from..from + n]),
        -1 => row.iter_mut().zip(data[from + 1 - n..=from].iter().rev()).for_each(|(o, &x)| *o = x),
        0 => row.fill(data[from]),
        _ => row.iter_mut().enumerate().for_each(|(i, o)| *o = data[(from as isize + i as isize * step) as usize]),
    }
}
