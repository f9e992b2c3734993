//! A single pass over parameters, their gradient and the optimizer's state: each element is read and written once.

#[cfg(target_arch = "x86_64")]
use super::isa::{Isa, compiled_for};
use super::threads;
use crate::float::{Few, Float};
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// Minimum number of elements that a thread processes at a time.
const CHUNK: usize = 32 * 1024;
/// Maximum number of pieces that even a large tensor is split into.
const PIECES: usize = 8;

/// Calls `f(parameter, [state…], gradient)` for every element, in a single pass, in parallel for large tensors.
/// Optimizers implement their update with it.
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
pub fn update<T: Float, const N: usize>(
    parameter: &mut Tensor<T>,
    state: [&mut Tensor<T>; N],
    gradient: &Tensor<T>,
    f: impl Fn(&mut T, [&mut T; N], T) + Sync,
) {
    let mut state = state;
    in_pieces(parameter, &mut state, gradient, &|p, state, g| {
        apply::<T, N, _>(p, state.try_into().expect("as many as given"), g, &f);
    });
}

/// What is done to a piece of the parameter, of each state tensor, and of the gradient.
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
    arrays.extend(state.iter_mut().map(|s| s.make_mut()));
    let sizes: SmallVec<[usize; 6]> = arrays.iter().map(|_| chunk).few();
    threads::for_each_chunks(&mut arrays, &sizes, &|i, pieces| {
        let (p, state) = pieces.split_first_mut().expect("the parameter comes first");
        f(p, state, &gradient[i * chunk..][..p.len()]);
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
        let (g, mut state) = (&g[..n], first(state, n));
        for i in 0..n {
            f(&mut p[i], at(&mut state, i), g[i]);
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

/// The first `n` elements of each array.
#[inline(always)]
fn first<'s, T, const N: usize>(state: &'s mut [&mut [T]; N], n: usize) -> [&'s mut [T]; N] {
    state.each_mut().map(|s| &mut s[..n])
}

/// The element of each array at an index.
#[inline(always)]
fn at<'s, T, const N: usize>(state: &'s mut [&mut [T]; N], i: usize) -> [&'s mut T; N] {
    state.each_mut().map(|s| &mut s[i])
}

#[cfg(test)]
mod tests {
    use super::*;

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
