//! A single pass over parameters, their gradient and the optimizer's state: each element is read and written once.

#[cfg(target_arch = "x86_64")]
use super::isa::{Isa, compiled_for};
use super::threads;
use crate::float::Float;
use crate::tensor::Tensor;

/// Minimum number of elements that a thread processes at a time.
const CHUNK: usize = 32 * 1024;
/// Maximum number of pieces that even a large tensor is split into, so that the list of them needs no heap memory.
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
    let shape = parameter.shape();
    let same = gradient.shape() == shape && state.iter().all(|s| s.shape() == shape);
    assert!(same, "update: parameter {shape:?}, gradient {:?} and state must have the same shape", gradient.shape());
    let gradient = gradient.contiguous();
    let gradient = gradient.as_slice().expect("contiguous");
    let parameter = parameter.make_mut();
    let chunk = parameter.len().div_ceil(PIECES).max(CHUNK);
    // Split all arrays at the same positions, so that a task owns its piece of each.
    let mut state = state.map(|s| s.make_mut().chunks_mut(chunk));
    let mut pieces: smallvec::SmallVec<[Piece<'_, T, N>; PIECES]> = parameter
        .chunks_mut(chunk)
        .zip(gradient.chunks(chunk))
        .map(|(p, g)| (p, state.each_mut().map(|s| s.next().expect("split alike")), g))
        .collect();
    threads::for_each_chunk(&mut pieces, 1, &|_, piece| {
        let (p, state, g) = &mut piece[0];
        apply(p, state, g, &f);
    });
}

/// One piece of the parameter, of each state tensor, and of the gradient.
type Piece<'a, T, const N: usize> = (&'a mut [T], [&'a mut [T]; N], &'a [T]);

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
        let mut state = state.each_mut().map(|s| &mut s[..n]);
        for i in 0..n {
            f(&mut p[i], state.each_mut().map(|s| &mut s[i]), g[i]);
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
