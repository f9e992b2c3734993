//! `simba`: the traits that make nalgebra, and crates based on it, accept a number as real.

// `SimdValue` declares two unsafe functions. Here they are safe: a number has one lane, whatever the index.
#![allow(unsafe_code, reason = "the signatures of a trait; there is no unsafe block")]

use crate::dual::Dual;
use crate::number::{Chain, Scalar};
use crate::rec::Rec;
use crate::tape::Recorded;
use crate::taylor::Taylor;
use autograd::op::row;
use num_traits::{Float, FloatConst, One, Signed, Zero};
use simba::scalar::{ComplexField, Field, RealField, SubsetOf, SupersetOf};
use simba::simd::SimdValue;

macro_rules! field_traits {
    (
        [$($p:tt)*] $X:ty, $T:ty,
        unary: { $($u:ident)* }
        constants: { $($c:ident $C:ident)* }
    ) => {
        impl<$($p)*> SimdValue for $X {
            const LANES: usize = 1;
            type Element = $X;
            type SimdBool = bool;
            #[inline(always)]
            fn splat(x: $X) -> $X {
                x
            }
            #[inline(always)]
            fn extract(&self, _: usize) -> $X {
                *self
            }
            #[inline(always)]
            unsafe fn extract_unchecked(&self, _: usize) -> $X {
                *self
            }
            #[inline(always)]
            fn replace(&mut self, _: usize, x: $X) {
                *self = x;
            }
            #[inline(always)]
            unsafe fn replace_unchecked(&mut self, _: usize, x: $X) {
                *self = x;
            }
            #[inline(always)]
            fn select(self, first: bool, other: $X) -> $X {
                if first { self } else { other }
            }
        }

        impl<$($p)*> Field for $X {}

        impl<$($p)*> SubsetOf<$X> for $X {
            #[inline(always)]
            fn to_superset(&self) -> $X {
                *self
            }
            #[inline(always)]
            fn from_superset_unchecked(x: &$X) -> $X {
                *x
            }
            #[inline(always)]
            fn is_in_subset(_: &$X) -> bool {
                true
            }
        }

        impl<$($p)*> ComplexField for $X {
            type RealField = $X;
            $(
                #[track_caller]
                #[inline]
                fn $u(self) -> $X {
                    Float::$u(self)
                }
            )*

            fn from_real(x: $X) -> $X {
                x
            }
            fn real(self) -> $X {
                self
            }
            fn imaginary(self) -> $X {
                Zero::zero()
            }
            fn conjugate(self) -> $X {
                self
            }
            #[track_caller]
            #[inline]
            fn modulus(self) -> $X {
                Float::abs(self)
            }
            #[track_caller]
            #[inline]
            fn modulus_squared(self) -> $X {
                self * self
            }
            #[track_caller]
            #[inline]
            fn norm1(self) -> $X {
                Float::abs(self)
            }
            fn argument(self) -> $X {
                if self >= <$X as Zero>::zero() { Zero::zero() } else { FloatConst::PI() }
            }
            #[track_caller]
            fn to_exp(self) -> ($X, $X) {
                if self >= <$X as Zero>::zero() { (self, One::one()) } else { (-self, -<$X as One>::one()) }
            }
            fn signum(self) -> $X {
                Float::signum(self)
            }
            #[track_caller]
            #[inline]
            fn scale(self, factor: $X) -> $X {
                self * factor
            }
            #[track_caller]
            #[inline]
            fn unscale(self, factor: $X) -> $X {
                self / factor
            }
            #[track_caller]
            #[inline]
            fn mul_add(self, a: $X, b: $X) -> $X {
                self * a + b
            }
            #[track_caller]
            fn hypot(self, b: $X) -> $X {
                Float::hypot(self, b)
            }
            #[track_caller]
            fn sin_cos(self) -> ($X, $X) {
                Float::sin_cos(self)
            }
            /// sin x / x: the table has sin πx / πx, with its derivatives at 0.
            #[track_caller]
            fn sinc(self) -> $X {
                Chain::unary::<row::Sinc>(self * <$T as FloatConst>::FRAC_1_PI())
            }
            /// sinh x / x, at 0 by its series.
            #[track_caller]
            fn sinhc(self) -> $X {
                if self.is_zero() {
                    let square = self * self;
                    square * (square / <$T as Scalar>::of(20.0) + <$T as One>::one()) / <$T as Scalar>::of(6.0) + <$T as One>::one()
                } else {
                    Float::sinh(self) / self
                }
            }
            #[track_caller]
            fn log(self, base: $X) -> $X {
                Float::log(self, base)
            }
            #[track_caller]
            #[inline]
            fn powi(self, n: i32) -> $X {
                Float::powi(self, n)
            }
            #[track_caller]
            fn powf(self, b: $X) -> $X {
                Float::powf(self, b)
            }
            #[track_caller]
            fn powc(self, b: $X) -> $X {
                Float::powf(self, b)
            }
            #[track_caller]
            fn try_sqrt(self) -> Option<$X> {
                (self >= <$X as Zero>::zero()).then(|| Float::sqrt(self))
            }
            fn is_finite(&self) -> bool {
                Float::is_finite(*self)
            }
        }

        impl<$($p)*> RealField for $X {
            $(
                #[inline]
                fn $c() -> $X {
                    FloatConst::$C()
                }
            )*

            fn is_sign_positive(&self) -> bool {
                Signed::is_positive(self)
            }
            fn is_sign_negative(&self) -> bool {
                Signed::is_negative(self)
            }
            #[track_caller]
            fn copysign(self, sign: $X) -> $X {
                Float::copysign(self, sign)
            }
            #[track_caller]
            #[inline]
            fn max(self, b: $X) -> $X {
                Float::max(self, b)
            }
            #[track_caller]
            #[inline]
            fn min(self, b: $X) -> $X {
                Float::min(self, b)
            }
            fn clamp(self, least: $X, most: $X) -> $X {
                if self < least {
                    least
                } else if self > most {
                    most
                } else {
                    self
                }
            }
            #[track_caller]
            fn atan2(self, b: $X) -> $X {
                Float::atan2(self, b)
            }
            fn min_value() -> Option<$X> {
                Some(Float::min_value())
            }
            fn max_value() -> Option<$X> {
                Some(Float::max_value())
            }
        }
    };
    ([$($p:tt)*] $X:ty, $T:ty) => {
        field_traits! {
            [$($p)*] $X, $T,
            unary: {
                floor ceil round trunc fract abs recip sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh
                log2 log10 ln ln_1p sqrt exp exp2 exp_m1 cbrt
            }
            constants: {
                pi PI two_pi TAU frac_pi_2 FRAC_PI_2 frac_pi_3 FRAC_PI_3 frac_pi_4 FRAC_PI_4 frac_pi_6 FRAC_PI_6
                frac_pi_8 FRAC_PI_8 frac_1_pi FRAC_1_PI frac_2_pi FRAC_2_PI frac_2_sqrt_pi FRAC_2_SQRT_PI
                e E log2_e LOG2_E log10_e LOG10_E ln_2 LN_2 ln_10 LN_10
            }
        }
    };
}
field_traits!([T: Scalar + RealField, const N: usize] Dual<T, N>, T);
field_traits!([T: Scalar + RealField, const K: usize] Taylor<T, K>, T);
field_traits!([T: Recorded + RealField] Rec<T>, T);

/// A plain number becomes a constant. The conversion back is a cast and acts on the value: nalgebra's exponential uses it to
/// choose an order by a norm.
macro_rules! subsets {
    ($($t:ident)*) => { $(
        impl<T: Scalar + SupersetOf<$t>, const N: usize> SubsetOf<Dual<T, N>> for $t {
            #[inline]
            fn to_superset(&self) -> Dual<T, N> {
                Dual::constant(T::from_subset(self))
            }
            fn from_superset_unchecked(x: &Dual<T, N>) -> $t {
                x.value.to_subset_unchecked()
            }
            fn is_in_subset(x: &Dual<T, N>) -> bool {
                x.value.is_in_subset()
            }
        }

        impl<T: Scalar + SupersetOf<$t>, const K: usize> SubsetOf<Taylor<T, K>> for $t {
            #[inline]
            fn to_superset(&self) -> Taylor<T, K> {
                Taylor::constant(T::from_subset(self))
            }
            fn from_superset_unchecked(x: &Taylor<T, K>) -> $t {
                x.part().to_subset_unchecked()
            }
            fn is_in_subset(x: &Taylor<T, K>) -> bool {
                x.part().is_in_subset()
            }
        }

        impl<T: Recorded + SupersetOf<$t>> SubsetOf<Rec<T>> for $t {
            #[inline]
            fn to_superset(&self) -> Rec<T> {
                Rec::constant(T::from_subset(self))
            }
            fn from_superset_unchecked(x: &Rec<T>) -> $t {
                x.value.to_subset_unchecked()
            }
            fn is_in_subset(x: &Rec<T>) -> bool {
                x.value.is_in_subset()
            }
        }
    )* };
}
subsets!(f32 f64);
