//! Compiles a loop for several instruction sets: the same source for the baseline, for AVX2 with FMA, and for AVX-512,
//! selected at run time. All versions give the same bits, because fused multiply-adds are explicit in the source and
//! never left to the compiler.
//!
//! The AVX-512 version pays off for the vector functions: they run twice as fast.

/// The instruction sets, in ascending order of preference.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Level {
    Baseline = 1,
    Avx2,
    Avx512,
}

/// The best version that this CPU supports.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn level() -> Level {
    use std::sync::atomic::{AtomicU8, Ordering};
    static LEVEL: AtomicU8 = AtomicU8::new(0);
    match LEVEL.load(Ordering::Relaxed) {
        3 => Level::Avx512,
        2 => Level::Avx2,
        1 => Level::Baseline,
        _ => {
            let level = detect();
            LEVEL.store(level as u8, Ordering::Relaxed);
            level
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[cold]
fn detect() -> Level {
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        return Level::Baseline;
    }
    let wide = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw");
    if wide { Level::Avx512 } else { Level::Avx2 }
}

/// Prefetches a slice into the cache.
#[inline]
pub(crate) fn prefetch<T>(x: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in x.chunks((64 / size_of::<T>()).max(1)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is only a hint. It does not access memory, and any address is valid.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = x;
}

/// Defines a function whose body is compiled for the baseline, for AVX2 with FMA, and for AVX-512.
macro_rules! simd {
    ($(#[$doc:meta])* $vis:vis fn $name:ident <$T:ident : $Bound:path> ($($arg:ident : $Arg:ty),* $(,)?) $(-> $Out:ty)? $body:block) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments, reason = "a rule has as many operands as it has")]
        $vis fn $name<$T: $Bound>($($arg: $Arg),*) $(-> $Out)? {
            #[inline(always)]
            fn body<$T: $Bound>($($arg: $Arg),*) $(-> $Out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::kernel::simd::{Level, level};
                #[target_feature(enable = "avx2,fma")]
                fn avx2<$T: $Bound>($($arg: $Arg),*) $(-> $Out)? {
                    body::<$T>($($arg),*)
                }
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                fn avx512<$T: $Bound>($($arg: $Arg),*) $(-> $Out)? {
                    body::<$T>($($arg),*)
                }
                // SAFETY: this CPU has been found to support the features that each version is compiled for.
                match level() {
                    Level::Avx512 => return unsafe { avx512::<$T>($($arg),*) },
                    Level::Avx2 => return unsafe { avx2::<$T>($($arg),*) },
                    Level::Baseline => (),
                }
            }
            body::<$T>($($arg),*)
        }
    };
}
pub(crate) use simd;

#[cfg(test)]
mod tests {
    #[test]
    fn any_slice_may_be_asked_for() {
        let x = [1.0_f64; 40];
        (0..=x.len()).for_each(|n| super::prefetch(&x[n / 2..n]));
        super::prefetch::<f32>(&[]);
    }
}
