//! Everything that makes a number a drop-in for `f64` in generic code: the algebra of the derivative table, the operators
//! of `std` and the traits of `num_traits`. Every function here is a row of the table, or composed of rows.

mod float_traits;
mod number_traits;
mod operators;

pub(crate) use float_traits::float_traits;
pub(crate) use number_traits::number_traits;
pub(crate) use operators::{left_operator, operator, operators, plain_operands, right_operator};

/// [`Real`](autograd::float::Real), by its rows.
macro_rules! real {
    ([$($p:tt)*] $X:ty; unary: $($u:ident $U:ident),*; binary: $($b:ident $B:ident),*;) => {
        impl<$($p)*> autograd::float::Real for $X {
            #[inline(always)]
            fn lit(self, c: f64) -> Self {
                Scalar::of(c)
            }

            #[inline(always)]
            fn select(self, a: Self, b: Self) -> Self {
                if num_traits::Zero::is_zero(&self) { b } else { a }
            }

            $(
                #[track_caller]
                #[inline]
                fn $u(self) -> Self {
                    Chain::unary::<row::$U>(self)
                }
            )*
            $(
                #[track_caller]
                #[inline]
                fn $b(self, b: Self) -> Self {
                    Chain::binary::<row::$B>(self, b)
                }
            )*
        }
    };
}
pub(crate) use real;
