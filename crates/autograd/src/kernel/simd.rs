//! Compiling a loop for the CPU it runs on: the same source twice, once for any CPU and once for AVX2 with FMA, chosen
//! at run time. Both give the same bits, because fused multiply-adds are written as such and never left to the compiler.

/// Whether the AVX2 versions may run. The standard library caches the answer.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Defines a function whose body is compiled for the baseline and for AVX2 with FMA.
macro_rules! simd {
    ($(#[$doc:meta])* $vis:vis fn $name:ident <$T:ident : $Bound:path> ($($arg:ident : $Arg:ty),* $(,)?) $(-> $Out:ty)? $body:block) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments, reason = "a rule has as many operands as it has")]
        $vis fn $name<$T: $Bound>($($arg: $Arg),*) $(-> $Out)? {
            #[inline(always)]
            fn body<$T: $Bound>($($arg: $Arg),*) $(-> $Out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2<$T: $Bound>($($arg: $Arg),*) $(-> $Out)? {
                    body::<$T>($($arg),*)
                }
                if $crate::kernel::simd::has_avx2() {
                    // SAFETY: the features that `avx2` was compiled for have just been found on this CPU.
                    return unsafe { avx2::<$T>($($arg),*) };
                }
            }
            body::<$T>($($arg),*)
        }
    };
}
pub(crate) use simd;
