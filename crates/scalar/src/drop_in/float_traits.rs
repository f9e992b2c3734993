//! The functions.

/// The functions of `num_traits::{Float, Signed, Inv, Pow, MulAdd}`.
macro_rules! float_traits {
    (
        [$($p:tt)*] $X:ty, $T:ty,
        unary: { $($u:ident $U:ident)* }
        binary: { $($b:ident $B:ident)* }
        constants: { $($c:ident)* }
        asked: { $($q:ident)* }
    ) => {
        impl<$($p)*> num_traits::Float for $X {
            $(
                #[track_caller]
                #[inline]
                fn $u(self) -> $X {
                    Chain::unary::<row::$U>(self)
                }
            )*
            $(
                #[track_caller]
                #[inline]
                fn $b(self, b: $X) -> $X {
                    Chain::binary::<row::$B>(self, b)
                }
            )*
            $(
                #[inline]
                fn $c() -> $X {
                    Chain::constant(<$T as num_traits::Float>::$c())
                }
            )*
            $(
                #[inline]
                fn $q(self) -> bool {
                    num_traits::Float::$q(self.part())
                }
            )*

            fn classify(self) -> std::num::FpCategory {
                self.part().classify()
            }

            fn integer_decode(self) -> (u64, i16, i8) {
                self.part().integer_decode()
            }

            /// Half away from 0, where the table rounds half to even.
            fn round(self) -> $X {
                Chain::constant(num_traits::Float::round(self.part()))
            }

            #[track_caller]
            fn fract(self) -> $X {
                self - self.part().trunc()
            }

            #[track_caller]
            #[inline]
            fn signum(self) -> $X {
                Chain::constant(num_traits::Float::signum(self.part()))
            }

            #[track_caller]
            #[inline]
            fn mul_add(self, a: $X, b: $X) -> $X {
                self * a + b
            }

            #[track_caller]
            #[inline]
            fn powi(self, n: i32) -> $X {
                if n == 0 { num_traits::One::one() } else { Chain::power(self, n) }
            }

            #[track_caller]
            #[inline]
            fn sin_cos(self) -> ($X, $X) {
                (num_traits::Float::sin(self), num_traits::Float::cos(self))
            }

            #[track_caller]
            #[inline]
            fn log(self, base: $X) -> $X {
                num_traits::Float::ln(self) / num_traits::Float::ln(base)
            }

            /// 0 for equal infinities, whose difference `max` ignores; NaN if an operand is NaN.
            #[track_caller]
            fn abs_sub(self, b: $X) -> $X {
                let difference = self - b;
                if num_traits::Float::is_nan(self) || num_traits::Float::is_nan(b) {
                    return difference;
                }
                num_traits::Float::max(difference, num_traits::Zero::zero())
            }

            #[track_caller]
            fn to_degrees(self) -> $X {
                self * num_traits::Float::to_degrees(<$T as num_traits::One>::one())
            }

            #[track_caller]
            fn to_radians(self) -> $X {
                self * num_traits::Float::to_radians(<$T as num_traits::One>::one())
            }
        }

        impl<$($p)*> num_traits::Signed for $X {
            #[track_caller]
            fn abs(&self) -> $X {
                num_traits::Float::abs(*self)
            }
            #[track_caller]
            fn abs_sub(&self, b: &$X) -> $X {
                num_traits::Float::abs_sub(*self, *b)
            }
            fn signum(&self) -> $X {
                num_traits::Float::signum(*self)
            }
            fn is_positive(&self) -> bool {
                self.part().is_positive()
            }
            fn is_negative(&self) -> bool {
                self.part().is_negative()
            }
        }

        impl<$($p)*> num_traits::Inv for $X {
            type Output = $X;
            #[track_caller]
            fn inv(self) -> $X {
                num_traits::Float::recip(self)
            }
        }

        impl<$($p)*> num_traits::Pow<$X> for $X {
            type Output = $X;
            #[track_caller]
            fn pow(self, b: $X) -> $X {
                num_traits::Float::powf(self, b)
            }
        }

        impl<$($p)*> num_traits::Pow<i32> for $X {
            type Output = $X;
            #[track_caller]
            fn pow(self, n: i32) -> $X {
                num_traits::Float::powi(self, n)
            }
        }

        impl<$($p)*> num_traits::MulAdd for $X {
            type Output = $X;
            #[track_caller]
            fn mul_add(self, a: $X, b: $X) -> $X {
                self * a + b
            }
        }
    };
    ([$($p:tt)*] $X:ty, $T:ty) => {
        float_traits! {
            [$($p)*] $X, $T,
            unary: {
                recip Recip  sqrt Sqrt  cbrt Cbrt  exp Exp  exp2 Exp2  exp_m1 ExpM1  ln Ln  log2 Log2  log10 Log10  ln_1p Ln1p
                sin Sin  cos Cos  tan Tan  asin Asin  acos Acos  atan Atan
                sinh Sinh  cosh Cosh  tanh Tanh  asinh Asinh  acosh Acosh  atanh Atanh
                abs Abs  floor Floor  ceil Ceil  trunc Trunc
            }
            binary: { powf Pow  max Fmax  min Fmin  atan2 Atan2  hypot Hypot  copysign Copysign }
            constants: {
                nan infinity neg_infinity neg_zero min_value min_positive_value epsilon max_value
            }
            asked: { is_nan is_infinite is_finite is_normal is_sign_positive is_sign_negative }
        }
    };
}
pub(crate) use float_traits;
