//! Traits other than functions.

/// Traits other than functions: comparisons, casts and constants, which act on the value; sums and products.
macro_rules! number_traits {
    (
        [$($p:tt)*] $X:ty, $T:ty,
        casts: { $($c:ident $from:ident $to:ident)* }
        constants: { $($C:ident)* }
    ) => {
        impl<$($p)*> From<$T> for $X {
            #[inline(always)]
            fn from(c: $T) -> $X {
                Chain::constant(c)
            }
        }

        impl<$($p)*> Default for $X {
            fn default() -> $X {
                num_traits::Zero::zero()
            }
        }

        impl<$($p)*> std::ops::Neg for $X {
            type Output = $X;
            #[track_caller]
            #[inline(always)]
            fn neg(self) -> $X {
                Chain::unary::<row::Neg>(self)
            }
        }

        impl<$($p)*> std::ops::Neg for &$X {
            type Output = $X;
            #[track_caller]
            #[inline(always)]
            fn neg(self) -> $X {
                -*self
            }
        }

        /// Compares the values.
        impl<$($p)*> PartialEq for $X {
            #[inline(always)]
            fn eq(&self, b: &$X) -> bool {
                self.part() == b.part()
            }
        }

        /// Compares the values.
        impl<$($p)*> PartialOrd for $X {
            #[inline(always)]
            fn partial_cmp(&self, b: &$X) -> Option<std::cmp::Ordering> {
                self.part().partial_cmp(&b.part())
            }
        }

        /// Compares the value.
        impl<$($p)*> PartialEq<$T> for $X {
            #[inline(always)]
            fn eq(&self, b: &$T) -> bool {
                self.part() == *b
            }
        }

        /// Compares the value.
        impl<$($p)*> PartialOrd<$T> for $X {
            #[inline(always)]
            fn partial_cmp(&self, b: &$T) -> Option<std::cmp::Ordering> {
                self.part().partial_cmp(b)
            }
        }

        impl<$($p)*> std::iter::Sum for $X {
            #[track_caller]
            fn sum<I: Iterator<Item = $X>>(mut terms: I) -> $X {
                let first = terms.next().unwrap_or_default();
                terms.fold(first, |sum, x| sum + x)
            }
        }

        impl<'a, $($p)*> std::iter::Sum<&'a $X> for $X {
            #[track_caller]
            fn sum<I: Iterator<Item = &'a $X>>(terms: I) -> $X {
                terms.copied().sum()
            }
        }

        impl<$($p)*> std::iter::Product for $X {
            #[track_caller]
            fn product<I: Iterator<Item = $X>>(mut factors: I) -> $X {
                let first = factors.next().unwrap_or_else(num_traits::One::one);
                factors.fold(first, |product, x| product * x)
            }
        }

        impl<'a, $($p)*> std::iter::Product<&'a $X> for $X {
            #[track_caller]
            fn product<I: Iterator<Item = &'a $X>>(factors: I) -> $X {
                factors.copied().product()
            }
        }

        impl<$($p)*> num_traits::Zero for $X {
            #[inline(always)]
            fn zero() -> $X {
                Chain::constant(num_traits::Zero::zero())
            }
            #[inline(always)]
            fn is_zero(&self) -> bool {
                self.part().is_zero()
            }
        }

        impl<$($p)*> num_traits::One for $X {
            #[inline(always)]
            fn one() -> $X {
                Chain::constant(num_traits::One::one())
            }
        }

        impl<$($p)*> num_traits::Num for $X {
            type FromStrRadixErr = <$T as num_traits::Num>::FromStrRadixErr;
            fn from_str_radix(text: &str, radix: u32) -> Result<$X, Self::FromStrRadixErr> {
                <$T as num_traits::Num>::from_str_radix(text, radix).map(Chain::constant)
            }
        }

        impl<$($p)*> num_traits::Bounded for $X {
            fn min_value() -> $X {
                num_traits::Float::min_value()
            }
            fn max_value() -> $X {
                num_traits::Float::max_value()
            }
        }

        impl<$($p)*> num_traits::ToPrimitive for $X {
            $(
                #[inline]
                fn $to(&self) -> Option<$c> {
                    self.part().$to()
                }
            )*
        }

        impl<$($p)*> num_traits::FromPrimitive for $X {
            $(
                #[inline]
                fn $from(c: $c) -> Option<$X> {
                    <$T as num_traits::FromPrimitive>::$from(c).map(Chain::constant)
                }
            )*
        }

        impl<$($p)*> num_traits::NumCast for $X {
            #[inline]
            fn from<C: num_traits::ToPrimitive>(c: C) -> Option<$X> {
                <$T as num_traits::NumCast>::from(c).map(Chain::constant)
            }
        }

        impl<$($p)*> num_traits::FloatConst for $X {
            $(
                #[inline]
                fn $C() -> $X {
                    Chain::constant(<$T as num_traits::FloatConst>::$C())
                }
            )*
        }
    };
    ([$($p:tt)*] $X:ty, $T:ty) => {
        number_traits! {
            [$($p)*] $X, $T,
            casts: {
                i8 from_i8 to_i8  i16 from_i16 to_i16  i32 from_i32 to_i32  i64 from_i64 to_i64  i128 from_i128 to_i128
                u8 from_u8 to_u8  u16 from_u16 to_u16  u32 from_u32 to_u32  u64 from_u64 to_u64  u128 from_u128 to_u128
                isize from_isize to_isize  usize from_usize to_usize  f32 from_f32 to_f32  f64 from_f64 to_f64
            }
            constants: {
                E FRAC_1_PI FRAC_1_SQRT_2 FRAC_2_PI FRAC_2_SQRT_PI FRAC_PI_2 FRAC_PI_3 FRAC_PI_4 FRAC_PI_6 FRAC_PI_8
                LN_10 LN_2 LOG10_E LOG10_2 LOG2_E LOG2_10 PI SQRT_2 TAU
            }
        }
    };
}
pub(crate) use number_traits;
