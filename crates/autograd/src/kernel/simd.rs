//! Compiling a loop for the CPU it runs on: the same source for any CPU, for AVX2 with FMA, and for AVX-512, chosen at run
//! time. All give the same bits, because fused multiply-adds are written as such and never left to the compiler.
//!
//! The third version is worth its place for the vector functions: they run twice as fast.

/// What the CPU has, in the order of what is better.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Level {
    Baseline = 1,
    Avx2,
    Avx512,
}

/// The best version that may run here.
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

/// Asks for the memory of a slice, so that it is in the cache by the time it is read or written.
#[inline]
pub(crate) fn prefetch<T>(x: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in x.chunks((64 / size_of::<T>()).max(1)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: it is a hint; nothing is read, and no address is wrong.
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
                // SAFETY: the features that each was compiled for have been found on this CPU.
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
