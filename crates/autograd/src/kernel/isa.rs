//! Instruction sets: which of them this CPU supports, and how code is compiled for each. All versions give the same
//! bits, because fused multiply-adds are explicit in the source and never left to the compiler.
//!
//! On x86-64 there are three: AVX-512, AVX2 with FMA, and the baseline, which has no fused multiply-add and computes
//! the same bits without it. Other targets have only the baseline. [`simd!`] compiles one loop for all of them;
//! [`compiled_for!`] compiles a function for one, where the versions differ.

/// An instruction set, in ascending order of preference.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Isa {
    Baseline = 1,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// Whether the baseline has an instruction for the fused multiply-add.
    pub const BASELINE_FUSES: bool =
        cfg!(any(target_feature = "fma", target_arch = "aarch64", target_arch = "riscv64"));

    /// The best one that this CPU supports.
    #[inline(always)]
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            use std::sync::atomic::{AtomicU8, Ordering};
            static BEST: AtomicU8 = AtomicU8::new(0);
            match BEST.load(Ordering::Relaxed) {
                3 => Isa::Avx512,
                2 => Isa::Avx2,
                1 => Isa::Baseline,
                _ => {
                    let best = detect();
                    BEST.store(best as u8, Ordering::Relaxed);
                    best
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Baseline
    }
}

#[cfg(target_arch = "x86_64")]
#[cold]
fn detect() -> Isa {
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        return Isa::Baseline;
    }
    let wide = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw");
    if wide { Isa::Avx512 } else { Isa::Avx2 }
}

/// Defines a function that is compiled for one instruction set. Calling it is unsafe: the CPU must support the set.
///
/// The features do not extend to other functions, closures included, unless these are inlined.
macro_rules! compiled_for {
    (Avx512, $function:item) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        $function
    };
    (Avx2, $function:item) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        $function
    };
    (Baseline, $function:item) => {
        $function
    };
}
pub(crate) use compiled_for;

/// Defines a function, generic over one type or none, whose body is compiled for every instruction set, and which calls
/// the best version.
macro_rules! simd {
    ($(#[$doc:meta])* $vis:vis fn $name:ident $(<$T:ident : $Bound:path>)? ($($arg:ident : $Arg:ty),* $(,)?) $(-> $Out:ty)? $body:block) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments, reason = "a rule has as many operands as it has")]
        $vis fn $name $(<$T: $Bound>)? ($($arg: $Arg),*) $(-> $Out)? {
            #[inline(always)]
            fn body $(<$T: $Bound>)? ($($arg: $Arg),*) $(-> $Out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::kernel::isa::{Isa, compiled_for};
                compiled_for!(Avx2, fn avx2 $(<$T: $Bound>)? ($($arg: $Arg),*) $(-> $Out)? {
                    body $(::<$T>)? ($($arg),*)
                });
                compiled_for!(Avx512, fn avx512 $(<$T: $Bound>)? ($($arg: $Arg),*) $(-> $Out)? {
                    body $(::<$T>)? ($($arg),*)
                });
                #[allow(unsafe_code, reason = "loops outside this module are compiled like those in it")]
                match Isa::best() {
                    // SAFETY: this CPU has been found to support the features that each version is compiled for.
                    Isa::Avx512 => return unsafe { avx512 $(::<$T>)? ($($arg),*) },
                    // SAFETY: likewise.
                    Isa::Avx2 => return unsafe { avx2 $(::<$T>)? ($($arg),*) },
                    Isa::Baseline => (),
                }
            }
            body $(::<$T>)? ($($arg),*)
        }
    };
}
pub(crate) use simd;

/// `each!(|a, b| out = value)`: sets every element of `out`. In the value, each name stands for the element of the slice
/// of that name, and `out` for the previous one.
///
/// A loop over indices of slices that are cut to one length compiles to a fraction of the code of zipped iterators, and no
/// part of it can end up in a function of its own, without the instruction set of the loop.
macro_rules! each {
    (|$($x:ident),*| $out:ident = $value:expr) => {{
        let n = $out.len();
        $(let $x = &$x[..n];)*
        for i in 0..n {
            $out[i] = {
                $(let $x = $x[i];)*
                #[allow(unused_variables, reason = "few loops read what they replace")]
                let $out = $out[i];
                $value
            };
        }
    }};
}
pub(crate) use each;

/// Memory that will soon be read or written. It is prefetched into the cache in parts, with other work in between: a CPU
/// that waits for many cache lines at once stalls.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    start: *const u8,
    /// Number of cache lines, in all and in each part.
    lines: usize,
    part: usize,
}

impl Ahead {
    const LINE: usize = 64;

    /// A slice, in the given number of parts.
    #[inline]
    pub(crate) fn new<T>(x: &[T], parts: usize) -> Ahead {
        let lines = size_of_val(x).div_ceil(Self::LINE);
        Ahead { start: x.as_ptr().cast(), lines, part: lines.div_ceil(parts.max(1)) }
    }

    /// Prefetches part `k`.
    #[inline(always)]
    pub(crate) fn fetch(self, k: usize) {
        #[cfg(target_arch = "x86_64")]
        for line in k * self.part..((k + 1) * self.part).min(self.lines) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch is only a hint. It does not access memory, and any address is valid.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.start.wrapping_add(line * Self::LINE).cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (k, self.start, self.lines, self.part);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_slice_may_be_asked_for() {
        let x = [1.0_f64; 40];
        for n in 0..=x.len() {
            let ahead = super::Ahead::new(&x[n / 2..n], 3);
            (0..3).for_each(|k| ahead.fetch(k));
        }
        super::Ahead::new::<f32>(&[], 0).fetch(0);
    }
}
