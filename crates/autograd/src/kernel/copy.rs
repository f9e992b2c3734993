//! Copies of strided views in row-major order.

use super::elementwise::merge;
use super::isa::simd;
use super::threads;
use crate::float::{Element, Viewed};
use crate::tensor::layout::Odometer;
use crate::tensor::{Strides, Tensor};

impl<T: Element> Tensor<T> {
    /// Copies the elements to `out`, of the same length, in row-major order.
    pub(crate) fn copy_into(&self, out: &mut [T]) {
        if let Some(source) = self.as_slice() {
            return out.copy_from_slice(source);
        }
        let (data, start) = self.raw();
        T::copy_view(data, start, self.shape(), self.strides(), out);
    }
}

macro_rules! viewed { ($($t:ident)*) => { $(
    impl Viewed for $t {
        fn copy_view(data: &[$t], start: usize, shape: &[usize], strides: &[isize], out: &mut [$t]) {
            copy_view(data, start, shape, strides.into(), out);
        }
    }
)* } }
viewed!(f32 f64 i64 bool);

fn copy_view<T: Element>(data: &[T], start: usize, shape: &[usize], mut strides: Strides, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    let shape = merge(shape, &mut [&mut strides]);
    if let Some(axis) = turned_axis(&shape, &strides) {
        return copy_turned(data, start, &shape, &strides, axis, out);
    }
    if let &[.., rows, inner] = shape.as_slice()
        && inner <= SHORT
        && rows >= SIDE
    {
        return copy_short(data, start, &shape, &strides, out);
    }
    let (&inner, outer) = shape.split_last().expect("at least one axis");
    let (strides, step) = (&strides[..outer.len()], strides[outer.len()]);
    let some = (COPIED / inner).max(1);
    threads::for_each_chunk(out, some * inner, &|chunk, out| {
        let mut rows = Odometer::at(outer, [strides], [start as isize], chunk * some);
        for row in out.chunks_mut(inner) {
            copy_row(data, rows.offsets()[0], step, row);
            rows.advance();
        }
    });
}

/// Number of elements that a thread copies at a time.
const COPIED: usize = 16_384;

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

/// Rows up to this length, such as complex numbers or the colors of a pixel, are copied by one loop for many.
const SHORT: usize = 4;

fn copy_short<T: Element>(data: &[T], start: usize, shape: &[usize], strides: &[isize], out: &mut [T]) {
    let ([outer @ .., n, inner], [before @ .., along, step]) = (shape, strides) else { unreachable!("two axes") };
    let some = COPIED / inner;
    threads::for_each_chunk(out, some * inner, &|chunk, mut out| {
        let mut row = chunk * some;
        while !out.is_empty() {
            let run = (n - row % n).min(out.len() / inner);
            let (now, later) = out.split_at_mut(run * inner);
            let mut from = Odometer::at(outer, [before], [start as isize], row / n).offsets()[0];
            from += (row % n) as isize * along;
            for row in now.chunks_exact_mut(*inner) {
                row.iter_mut().zip(0..).for_each(|(o, i)| *o = data[(from + i * step) as usize]);
                from += along;
            }
            (out, row) = (later, row + run);
        }
    });
}

/// The axis whose elements are neighbors in memory, if it is not the last one: the copy is a transpose of that axis and
/// the last one, at every index of the others.
fn turned_axis(shape: &[usize], strides: &[isize]) -> Option<usize> {
    let last = shape.len() - 1;
    let worthwhile = shape[last] >= SIDE && strides[last] > 1;
    (0..last).find(|&axis| worthwhile && strides[axis] == 1 && shape[axis] >= SIDE)
}

fn copy_turned<T: Element>(data: &[T], start: usize, shape: &[usize], strides: &[isize], axis: usize, out: &mut [T]) {
    let (last, n) = (shape.len() - 1, shape[axis]);
    let (step, columns, middle) = (strides[last] as usize, shape[last], &shape[axis + 1..last]);
    let planes: usize = middle.iter().product();
    let width = planes * columns;
    // Rows are the indices of the axes up to `axis`. A task copies whole axes, or else whole tiles of one.
    let some = if n * width <= COPIED { COPIED / (n * width) * n } else { (COPIED / width / SIDE).max(1) * SIDE };
    threads::for_each_chunk(out, some * width, &|chunk, out| {
        let (mut row, end) = (chunk * some, chunk * some + out.len() / width);
        while row < end {
            let run = (n - row % n).min(end - row);
            let outer = Odometer::at(&shape[..axis], [&strides[..axis]], [start as isize], row / n).offsets()[0];
            let first = outer + (row % n) as isize;
            let mut plane = Odometer::new(middle, [&strides[axis + 1..last]], [first]);
            for k in 0..planes {
                let out = &mut out[(row - chunk * some) * width + k * columns..];
                turn(&data[plane.offsets()[0] as usize..], step, [run, columns], out, width);
                plane.advance();
            }
            row += run;
        }
    });
}

/// Rows and columns of a tile.
const SIDE: usize = 16;
const TILE: usize = SIDE * SIDE;

simd! {
    /// Transposes a matrix: `out[i width + j] = x[i + j step]` for `i` and `j` below the sizes. A tile is read and written
    /// in whole vectors, and turned in between.
    pub(super) fn turn<T: Element>(x: &[T], step: usize, sizes: [usize; 2], out: &mut [T], width: usize) {
        let [rows, columns] = sizes;
        let whole = [rows - rows % SIDE, columns - columns % SIDE];
        let (mut tile, mut other) = ([T::default(); TILE], [T::default(); TILE]);
        for i in (0..whole[0]).step_by(SIDE) {
            for j in (0..whole[1]).step_by(SIDE) {
                for k in 0..SIDE {
                    tile.as_chunks_mut::<SIDE>().0[k] = *x[i + (j + k) * step..].first_chunk().expect("a whole tile");
                }
                // Each riffle rotates the bits of an index by one; four exchange its row and its column.
                riffle(&tile, &mut other);
                riffle(&other, &mut tile);
                riffle(&tile, &mut other);
                riffle(&other, &mut tile);
                for k in 0..SIDE {
                    *out[(i + k) * width + j..].first_chunk_mut().expect("a whole tile") = tile.as_chunks::<SIDE>().0[k];
                }
            }
        }
        for i in 0..rows {
            let from = if i < whole[0] { whole[1] } else { 0 };
            for j in from..columns {
                out[i * width + j] = x[i + j * step];
            }
        }
    }
}

/// A perfect shuffle: `y` interleaves the halves of `x`.
#[inline(always)]
fn riffle<T: Element>(x: &[T; TILE], y: &mut [T; TILE]) {
    let (a, b) = x.split_at(TILE / 2);
    let y = y.as_chunks_mut::<2>().0;
    for k in 0..TILE / 2 {
        y[k] = [a[k], b[k]];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs and triples, in runs that end inside of a task and at its end.
    #[test]
    fn short_rows_are_copied_element_by_element() {
        for [a, b, c] in [[3, 17, 2], [700, 16, 3], [2, 9000, 2], [1, 20, 4]] {
            let x = Tensor::<f64>::arange(2 * a * b * c).as_shape(&[b, 2 * a, c]).permuted(&[1, 0, 2]);
            let x = x.slice_step(0, None, None, 2);
            let mut out = vec![f64::NAN; a * b * c];
            x.copy_into(&mut out);
            for (k, &found) in out.iter().enumerate() {
                assert_eq!(Some(found), x.get(&[k / (b * c), k / c % b, k % c]), "{k} of {a}, {b}, {c}");
            }
        }
    }

    /// Sizes around those of a tile and of a task, with axes before, between and after those that change places.
    #[test]
    fn turned_axes_are_copied_element_by_element() {
        for shape in
            [[1, 16, 1, 16], [2, 17, 3, 33], [1, 100, 2, 257], [3, 300, 1, 200], [5, 16, 5, 16], [70, 20, 1, 20]]
        {
            let [a, b, c, d] = shape;
            let x = Tensor::<f64>::arange(a * b * c * d).as_shape(&[a, d, c, b]).permuted(&[0, 3, 2, 1]);
            let mut out = vec![f64::NAN; a * b * c * d];
            x.copy_into(&mut out);
            for (k, &found) in out.iter().enumerate() {
                let at = [k / (b * c * d), k / (c * d) % b, k / d % c, k % d];
                assert_eq!(Some(found), x.get(&at), "{shape:?} at {at:?}");
            }
            let of_type = |found: Vec<i64>| assert!(found.iter().zip(&out).all(|(&i, &x)| i as f64 == x));
            of_type(x.map(|x| x as i64).to_vec());
        }
    }
}
