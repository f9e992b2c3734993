//! A single pass over parameters, their gradient and the optimizer's state: each element is read and written once.

#[cfg(target_arch = "x86_64")]
use super::isa::{Isa, compiled_for};
use super::threads;
use crate::float::{Few, Float};
use crate::tensor::{Rows, Tensor};
use smallvec::SmallVec;
use std::sync::Mutex;

/// Minimum number of elements that a thread processes at a time.
const CHUNK: usize = 32 * 1024;
/// Maximum number of pieces that even a large tensor is split into.
const PIECES: usize = 8;

/// The gradient of a parameter: a tensor of its shape or, for a table, some rows; then only these rows are updated.
///
/// ```
/// use autograd::{Rows, Slope, tensor, update};
/// let (rows, mut table) = (Rows::nonzero(&tensor![[0.0], [1.0]]), tensor![[1.0], [1.0]]);
/// let slope = Slope { values: &tensor![[3.0]], rows: Some(&rows) };
/// update(&mut table, [], slope, |p, [], g| *p -= g);
/// assert_eq!(table, tensor![[1.0], [-2.0]]);
/// ```
#[derive(Debug)]
pub struct Slope<'g, T: Float> {
    /// The whole gradient, or its rows.
    pub values: &'g Tensor<T>,
    /// Which rows these are, unless they are all.
    pub rows: Option<&'g Rows>,
}

impl<T: Float> Clone for Slope<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Float> Copy for Slope<'_, T> {}

impl<'g, T: Float> From<&'g Tensor<T>> for Slope<'g, T> {
    fn from(values: &'g Tensor<T>) -> Self {
        Slope { values, rows: None }
    }
}

/// Calls `f(parameter, [state…], gradient)` for every element, in a single pass, in parallel for large tensors; if the
/// gradient has only some rows, for the elements of these rows. Optimizers implement their update with it.
///
/// ```
/// use autograd::{tensor, update};
/// // Gradient descent with momentum: v ← 0.9 v + g, p ← p - 0.1 v
/// let (mut p, mut v, g) = (tensor![1.0, 2.0], tensor![0.0, 1.0], tensor![0.5, 0.5]);
/// update(&mut p, [&mut v], &g, |p, [v], g| {
///     *v = 0.9 * *v + g;
///     *p -= 0.1 * *v;
/// });
/// assert_eq!((p.at(&[0]), v.at(&[1])), (0.95, 1.4));
/// ```
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn update<'g, T: Float, const N: usize>(
    parameter: &mut Tensor<T>,
    state: [&mut Tensor<T>; N],
    gradient: impl Into<Slope<'g, T>>,
    f: impl Fn(&mut T, [&mut T; N], T) + Sync,
) {
    let (mut state, Slope { values, rows }) = (state, gradient.into());
    let part: &Pieces<'_, T> = &|p, state, g| {
        apply::<T, N, _>(p, state.try_into().expect("as many as given"), g, &f);
    };
    match rows {
        None => in_pieces(parameter, &mut state, values, part),
        Some(rows) => in_rows(parameter, &mut state, (values, rows), part),
    }
}

/// The update of a piece of the parameter, each state tensor, and the gradient.
type Pieces<'f, T> = dyn Fn(&mut [T], &mut [&mut [T]], &[T]) + Sync + 'f;

/// Calls `f` with pieces of all arrays, cut at the same positions, on several threads if they are large.
#[track_caller]
fn in_pieces<T: Float>(
    parameter: &mut Tensor<T>,
    state: &mut [&mut Tensor<T>],
    gradient: &Tensor<T>,
    f: &Pieces<'_, T>,
) {
    let shape = parameter.shape();
    let same = gradient.shape() == shape && state.iter().all(|s| s.shape() == shape);
    assert!(same, "update: parameter {shape:?}, gradient {:?} and state must have the same shape", gradient.shape());
    let gradient = gradient.contiguous();
    let gradient = gradient.as_slice().expect("contiguous");
    let chunk = gradient.len().div_ceil(PIECES).max(CHUNK);
    let mut arrays: SmallVec<[&mut [T]; 16]> = SmallVec::new();
    arrays.push(parameter.make_mut());
    state.iter_mut().for_each(|s| arrays.push(s.make_mut()));
    let sizes: SmallVec<[usize; 6]> = arrays.iter().map(|_| chunk).few();
    threads::for_each_chunks(&mut arrays, &sizes, &|i, pieces| {
        let (p, state) = pieces.split_first_mut().expect("the parameter comes first");
        f(p, state, &gradient[i * chunk..][..p.len()]);
    });
}

/// Rows that one thread updates: parts of the arrays that begin with the first of the rows, the rows, and their gradient.
type RowPiece<'a, T> = (SmallVec<[&'a mut [T]; 16]>, &'a [i64], &'a [T]);

/// Calls `f` with some rows of all arrays, on several threads if there are many.
#[track_caller]
fn in_rows<T: Float>(
    parameter: &mut Tensor<T>,
    state: &mut [&mut Tensor<T>],
    (gradient, rows): (&Tensor<T>, &Rows),
    f: &Pieces<'_, T>,
) {
    let shape = parameter.shape();
    let (of, row) = shape.split_first().unwrap_or((&1, &[]));
    let fits = gradient.shape().split_first() == Some((&rows.len(), row)) && *of == rows.of();
    let same = fits && !shape.is_empty() && state.iter().all(|s| s.shape() == shape);
    assert!(
        same,
        "update: parameter {shape:?} and state must have the same shape, and {:?} its rows",
        gradient.shape()
    );
    let (width, index, gradient) = (row.iter().product::<usize>(), rows.index(), gradient.contiguous());
    let gradient = gradient.as_slice().expect("contiguous");
    if gradient.is_empty() {
        return;
    }
    let some = index.len().div_ceil(PIECES).max((CHUNK / width).max(1));
    let mut rest: SmallVec<[&mut [T]; 16]> = SmallVec::new();
    rest.push(parameter.make_mut());
    rest.extend(state.iter_mut().map(|s| s.make_mut()));
    // Rows ascend, so each piece has a range of each array for itself.
    let (mut pieces, mut start): (Vec<Mutex<RowPiece<'_, T>>>, _) = (Vec::with_capacity(PIECES), 0);
    for (index, gradient) in index.chunks(some).zip(gradient.chunks(some * width)) {
        let ends = [index[0], index[index.len() - 1] + 1].map(|row| row as usize * width - start);
        let arrays =
            rest.iter_mut().map(|array| &mut array.split_off_mut(..ends[1]).expect("rows lie inside")[ends[0]..]);
        pieces.push(Mutex::new((arrays.collect(), index, gradient)));
        start += ends[1];
    }
    threads::for_each(pieces.len(), &|k| {
        let (arrays, index, gradient) = &mut *pieces[k].lock().expect("each piece is taken once");
        for (row, g) in index.iter().zip(gradient.chunks(width)) {
            let at = (row - index[0]) as usize * width;
            let mut part: SmallVec<[&mut [T]; 16]> = arrays.iter_mut().map(|array| &mut array[at..][..width]).few();
            let (p, state) = part.split_first_mut().expect("the parameter comes first");
            f(p, state, g);
        }
    });
}

/// The loop, compiled for this CPU; the closure is inlined into it.
#[inline]
fn apply<T: Float, const N: usize, F: Fn(&mut T, [&mut T; N], T)>(
    p: &mut [T],
    state: &mut [&mut [T]; N],
    g: &[T],
    f: &F,
) {
    #[inline(always)]
    fn body<T: Float, const N: usize, F: Fn(&mut T, [&mut T; N], T)>(
        p: &mut [T],
        state: &mut [&mut [T]; N],
        g: &[T],
        f: &F,
    ) {
        let n = p.len();
        let g = &g[..n];
        for array in state.iter_mut() {
            *array = &mut std::mem::take(array)[..n];
        }
        for i in 0..n {
            f(&mut p[i], at(state, i), g[i]);
        }
    }
    #[cfg(target_arch = "x86_64")]
    {
        compiled_for!(
            Avx2,
            fn avx2<T: Float, const N: usize, F: Fn(&mut T, [&mut T; N], T)>(
                p: &mut [T],
                state: &mut [&mut [T]; N],
                g: &[T],
                f: &F,
            ) {
                body(p, state, g, f);
            }
        );
        if Isa::best() >= Isa::Avx2 {
            // SAFETY: this CPU has just been found to support the features that `avx2` is compiled for.
            return unsafe { avx2(p, state, g, f) };
        }
    }
    body(p, state, g, f);
}

/// The element of each array at an index. (`each_mut` and `map` would be a call for each element if they are in another
/// codegen unit.)
#[inline(always)]
fn at<'s, T, const N: usize>(state: &'s mut [&mut [T]; N], i: usize) -> [&'s mut T; N] {
    let mut elements = [std::ptr::null_mut::<T>(); N];
    for k in 0..N {
        elements[k] = &mut state[k][i];
    }
    // SAFETY: an array of pointers has the layout of an array of references. Each pointer is to an element, in an array of
    // its own, which is borrowed as long as the result.
    unsafe { std::mem::transmute_copy::<[*mut T; N], [&'s mut T; N]>(&elements) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic = "update: parameter [] and state must have the same shape"]
    fn a_number_has_no_rows() {
        let rows = Rows::ascending(vec![0], 1);
        let slope = Slope { values: &Tensor::<f64>::ones(&[1]), rows: Some(&rows) };
        update(&mut Tensor::scalar(1.0), [], slope, |p, [], g| *p -= g);
    }

    #[test]
    fn some_rows_are_updated_and_no_others() {
        for (of, width, step) in [(1, 1, 1), (10, 3, 4), (90_000, 5, 2), (70_000, 40, 7)] {
            let rows = Rows::ascending((0..of as i64).step_by(step).collect(), of);
            let g = Tensor::<f32>::ones(&[rows.len(), width]);
            let (mut p, mut m) = (Tensor::<f32>::zeros(&[of, width]), Tensor::<f32>::zeros(&[of, width]));
            update(&mut p, [&mut m], Slope { values: &g, rows: Some(&rows) }, |p, [m], g| {
                *m += 2.0 * g;
                *p -= *m;
            });
            let expected = Tensor::from_fn(&[of, width], |at| if at[0] % step == 0 { -2.0 } else { 0.0 });
            assert!(p == expected && m == -&expected, "{of} {width} {step}");
        }
    }

    #[test]
    fn every_element_of_every_length_once() {
        for n in (0..40).chain([CHUNK - 1, CHUNK, 3 * CHUNK + 5, 20 * CHUNK + 7]) {
            let g = Tensor::<f32>::arange(n);
            let (mut p, mut m) = (Tensor::<f32>::ones(&[n]), Tensor::<f32>::zeros(&[n]));
            update(&mut p, [&mut m], &g, |p, [m], g| {
                *m += 2.0;
                *p += g;
            });
            assert!(p.iter().enumerate().all(|(i, p)| p == 1.0 + i as f32) && m.iter().all(|m| m == 2.0), "{n}");
        }
    }
}
