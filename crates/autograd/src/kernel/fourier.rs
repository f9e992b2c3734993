//! Discrete Fourier transforms of rows, computed by rustfft and realfft behind the feature `fft`. Without it, the shape rule
//! rejects every op that would get here. A complex number is a pair of numbers, one after the other.

/// A discrete Fourier transform, without a factor. Complex numbers are pairs along an axis after that of the transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transform {
    /// Of complex numbers: `y[k] = Σ x[j] exp(-2πi jk/n)`.
    Forward,
    /// Of complex numbers: `y[k] = Σ x[j] exp(2πi jk/n)`.
    Backward,
    /// `Forward` of n real numbers: the first n/2 + 1 complex numbers, of which the others are conjugates.
    Real,
    /// `Backward` to `n` real numbers, of the first n/2 + 1 complex ones. The imaginary parts of the first, and of the last
    /// if n is even, do not count.
    Half {
        /// Number of real numbers.
        n: usize,
    },
}

impl Transform {
    /// All variants; `Half` with one size.
    pub const ALL: &'static [Transform] =
        &[Transform::Forward, Transform::Backward, Transform::Real, Transform::Half { n: 5 }];
}

#[cfg(feature = "fft")]
pub(crate) use rows::transform;

#[cfg(feature = "fft")]
mod rows {
    use super::Transform;
    use crate::float::once;
    use crate::kernel::scratch::with_scratch;
    use crate::kernel::threads;
    use numerics::{Complex, FftDirection, Fourier};

    /// Elements that a thread transforms at a time, in whole rows.
    const CHUNK: usize = 8192;

    once! {
        /// Transforms rows of `rows[0]` elements to rows of `rows[1]` elements, neither of them 0.
        pub(crate) fn transform<T: Fourier>(t: Transform, x: &[T], rows: [usize; 2], out: &mut [T]) {
            let [from, to] = rows;
            match t {
                Transform::Forward => complex_rows(FftDirection::Forward, x, to, out),
                Transform::Backward => complex_rows(FftDirection::Inverse, x, to, out),
                Transform::Real => {
                    let plan = T::real(from);
                    let scratch = 2 * plan.get_scratch_len();
                    each_row(out, to, &|i, out| with_scratch(from + scratch, |memory| {
                        let (input, scratch) = memory.split_at_mut(from);
                        input.copy_from_slice(&x[i * from..][..from]);
                        plan.process_with_scratch(input, pairs(out), pairs(scratch)).expect("the sizes are those planned");
                    }));
                }
                Transform::Half { n } => {
                    let plan = T::half(n);
                    let scratch = 2 * plan.get_scratch_len();
                    each_row(out, to, &|i, out| with_scratch(from + scratch, |memory| {
                        let (input, scratch) = memory.split_at_mut(from);
                        input.copy_from_slice(&x[i * from..][..from]);
                        input[1] = T::zero();
                        if n % 2 == 0 {
                            input[from - 1] = T::zero();
                        }
                        plan.process_with_scratch(pairs(input), out, pairs(scratch)).expect("the sizes are those planned");
                    }));
                }
            }
        }
    }

    fn complex_rows<T: crate::Float + Fourier>(direction: FftDirection, x: &[T], row: usize, out: &mut [T]) {
        let plan = T::complex(row / 2, direction);
        let some = (CHUNK / row).max(1) * row;
        threads::for_each_chunk(out, some, &|task, out| {
            out.copy_from_slice(&x[task * some..][..out.len()]);
            with_scratch(2 * plan.get_inplace_scratch_len(), |scratch| {
                plan.process_with_scratch(pairs(out), pairs(scratch));
            });
        });
    }

    /// Calls `f(index, row)` for each row of `out`.
    fn each_row<T: Send>(out: &mut [T], row: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
        let some = (CHUNK / row).max(1);
        threads::for_each_chunk(out, some * row, &|task, out| {
            out.chunks_mut(row).enumerate().for_each(|(i, out)| f(task * some + i, out));
        });
    }

    /// The same memory as complex numbers. Copies would be two more passes over it.
    fn pairs<T: crate::Float>(x: &mut [T]) -> &mut [Complex<T>] {
        // SAFETY: `Complex<T>` is `repr(C)` and holds two `T`, so it has the alignment of `T` and twice its size, and any
        // bits of an `f32` or `f64` are a valid value. The borrow of `x` lasts as long as that of the result.
        unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len() / 2) }
    }
}
