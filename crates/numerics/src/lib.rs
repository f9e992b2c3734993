//! Factorizations of matrices, computed by faer, and plans of Fourier transforms, made by rustfft and realfft. Those crates
//! are generic over the number type, and generic code is compiled where it is used: a minute, each time that `autograd` or
//! its tests change. Here it is compiled once, for `f32` and `f64`, behind the methods of two traits. Nothing in this crate
//! knows about tensors or derivatives.
//!
//! ```
//! # #[cfg(feature = "linalg")] {
//! use numerics::Matrix;
//! // Matrices are stored by rows.
//! let (a, mut x) = ([2.0, 0.0, 0.0, 4.0], [0.0; 2]);
//! assert!(f64::solve(&a, 2, &[1.0, 2.0], &mut x));
//! assert_eq!(x, [0.5, 0.5]);
//! # }
//! ```

#![warn(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

/// Defines a trait whose methods are compiled here: each is a generic function of the module, called at `f32` and `f64`.
#[cfg(any(feature = "fft", feature = "linalg"))]
macro_rules! compiled {
    ($(#[$about:meta])* pub trait $Trait:ident: $($Bound:path),+ { $(
        $(#[$meta:meta])*
        fn $name:ident($($arg:ident: $Arg:ty),* $(,)?) $(-> $Out:ty)?;
    )* }) => {
        $(#[$about])*
        pub trait $Trait: $($Bound +)+ { $(
            $(#[$meta])*
            fn $name($($arg: $Arg),*) $(-> $Out)?;
        )* }
        compiled!(@ f32 $Trait $((fn $name($($arg: $Arg),*) $(-> $Out)?))*);
        compiled!(@ f64 $Trait $((fn $name($($arg: $Arg),*) $(-> $Out)?))*);
    };
    (@ $T:ident $Trait:ident $((fn $name:ident($($arg:ident: $Arg:ty),*) $(-> $Out:ty)?))*) => {
        impl $Trait for $T { $(
            fn $name($($arg: $Arg),*) $(-> $Out)? {
                $name::<$T>($($arg),*)
            }
        )* }
    };
}

#[cfg(feature = "fft")]
mod fourier;
#[cfg(feature = "linalg")]
mod linalg;

#[cfg(feature = "fft")]
pub use fourier::Fourier;
#[cfg(feature = "linalg")]
pub use linalg::Matrix;
#[cfg(feature = "fft")]
pub use rustfft::{FftDirection, num_complex::Complex};
