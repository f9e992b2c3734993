//! Code that is compiled once. Everything here is generic over [`Float`](crate::Float), and generic code is compiled where
//! it is used: without care, each program would recompile the engine. But the number types are a closed set. A function
//! defined in [`once!`] is compiled for `f32` and for `f64` in the crate that defines it; a caller in another crate
//! compiles only a call.

/// One function at the two number types. Implemented by [`once!`] only.
#[doc(hidden)]
pub trait Once {
    /// A pointer to the function at `T`.
    type At<T: crate::Float>;
    /// The function at `f32`.
    fn single() -> Self::At<f32>;
    /// The function at `f64`.
    fn double() -> Self::At<f64>;
}

/// Defines functions generic over one number type that are compiled here, for both types, and not in the caller's crate.
///
/// A function in `once!` does not see its caller's line: take a `&'static Location` where that matters. Closure arguments are
/// `&dyn Fn`. A bound, as in `fn f<T: Bound>`, holds only inside the function, where the type is `f32` or `f64`: callers only
/// need `Float`.
#[doc(hidden)]
#[macro_export]
macro_rules! __once {
    ($(
        $(#[$meta:meta])*
        $vis:vis fn $name:ident<$($life:lifetime,)* $T:ident $(: $Bound:path)?>($($arg:ident: $Arg:ty),* $(,)?) $(-> $Out:ty)? $body:block
    )*) => { $(
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, clippy::type_complexity, reason = "as the function inside")]
        #[inline]
        $vis fn $name<$($life,)* $T: $crate::Float>($($arg: $Arg),*) $(-> $Out)? {
            fn generic<$($life,)* $T: $crate::Float $(+ $Bound)?>($($arg: $Arg),*) $(-> $Out)? $body

            enum Door {}
            impl $crate::internals::Once for Door {
                type At<$T: $crate::Float> = for<$($life),*> fn($($Arg),*) $(-> $Out)?;
                #[inline]
                fn single() -> Self::At<f32> {
                    type $T = f32;
                    #[inline(never)]
                    fn compiled<$($life),*>($($arg: $Arg),*) $(-> $Out)? {
                        generic::<$T>($($arg),*)
                    }
                    compiled
                }
                #[inline]
                fn double() -> Self::At<f64> {
                    type $T = f64;
                    #[inline(never)]
                    fn compiled<$($life),*>($($arg: $Arg),*) $(-> $Out)? {
                        generic::<$T>($($arg),*)
                    }
                    compiled
                }
            }
            <$T as $crate::Float>::once::<Door>()($($arg),*)
        }
    )* };
}
pub use __once as once;
