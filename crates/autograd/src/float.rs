//! Scalars. [`Element`] is anything a tensor may hold; [`Float`] is what can be differentiated; [`Real`] is the algebra
//! that the derivative table is written in, so that one row serves numbers, recorded variables and symbols alike.
//!
//! Rows are written over [`E<S>`], which gives `Real` its infix operators: `g * (1.0 - y * y)`.

use crate::kernel::vmath::Elementary;
use crate::tensor::Pooled;
use std::fmt::{Debug, Display};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What a tensor may hold: `f32`, `f64`, `i64` or `bool`.
pub trait Element: Copy + Default + PartialEq + PartialOrd + Debug + Display + Send + Sync + Pooled + 'static {
    /// The type's name, as in `f64`.
    const NAME: &'static str;
}

macro_rules! elements { ($($t:ident)*) => { $( impl Element for $t { const NAME: &'static str = stringify!($t); } )* } }
elements!(f32 f64 i64 bool);

/// A real number type that can be differentiated: `f32` or `f64`.
///
/// ```
/// use autograd::Float;
/// fn half<T: Float>() -> T { T::of(0.5) }
/// assert_eq!(half::<f32>() + 1.0, 1.5);
/// ```
pub trait Float:
    Element
    + Real
    + Elementary
    + num_traits::NumAssign
    + Neg<Output = Self>
    + crate::tensor::Nested<Item = Self>
    + crate::kernel::gemm::Element
    + crate::kernel::linalg::Field
{
    /// Positive infinity.
    const INFINITY: Self;
    /// Not a number.
    const NAN: Self;
    /// Distance from 1 to the next larger number.
    const EPSILON: Self;
    /// The number nearest to `c`.
    fn of(c: f64) -> Self;
    /// This number as `f64`.
    fn f64(self) -> f64;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Not a number.
    fn is_nan(self) -> bool;
}

/// The algebra of the derivative table: what a row may call. `f32`, `f64`, [`Var`](crate::Var) and the symbols that
/// print the rules implement it.
pub trait Real: Copy {
    /// The constant `c`, living where `self` lives.
    fn lit(self, c: f64) -> Self;
    /// self + b
    fn add(self, b: Self) -> Self;
    /// self - b
    fn sub(self, b: Self) -> Self;
    /// self * b
    fn mul(self, b: Self) -> Self;
    /// self / b
    fn div(self, b: Self) -> Self;
    /// self ^ b
    fn pow(self, b: Self) -> Self;
    /// The larger one; NaN if either is NaN.
    fn max(self, b: Self) -> Self;
    /// The smaller one; NaN if either is NaN.
    fn min(self, b: Self) -> Self;
    /// 1 where self > b, else 0.
    fn gt(self, b: Self) -> Self;
    /// 1 where self >= b, else 0.
    fn ge(self, b: Self) -> Self;
    /// 1 where self == b, else 0.
    fn eq(self, b: Self) -> Self;
    /// -self
    fn neg(self) -> Self;
    /// e ^ self
    fn exp(self) -> Self;
    /// e ^ self - 1, exact near 0
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + self), exact near 0
    fn ln_1p(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Sine of radians.
    fn sin(self) -> Self;
    /// Cosine of radians.
    fn cos(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// 1 / (1 + e ^ -self)
    fn sigmoid(self) -> Self;
    /// ln(1 + e ^ self)
    fn softplus(self) -> Self;
    /// Magnitude.
    fn abs(self) -> Self;
    /// `a` where self (a mask) is not 0, else `b`. A choice, never a multiplication by zero.
    fn select(self, a: Self, b: Self) -> Self;
}

macro_rules! float {
    ($($t:ident)*) => { $(
        impl Real for $t {
            #[inline(always)] fn lit(self, c: f64) -> $t { c as $t }
            #[inline(always)] fn add(self, b: $t) -> $t { self + b }
            #[inline(always)] fn sub(self, b: $t) -> $t { self - b }
            #[inline(always)] fn mul(self, b: $t) -> $t { self * b }
            #[inline(always)] fn div(self, b: $t) -> $t { self / b }
            #[inline(always)] fn pow(self, b: $t) -> $t { Elementary::powf(self, b) }
            // `self + b` is NaN whenever one of them is, which a comparison alone would lose.
            #[inline(always)] fn max(self, b: $t) -> $t { if self > b { self } else if self <= b { b } else { self + b } }
            #[inline(always)] fn min(self, b: $t) -> $t { if self < b { self } else if self >= b { b } else { self + b } }
            #[inline(always)] fn gt(self, b: $t) -> $t { (self > b) as u8 as $t }
            #[inline(always)] fn ge(self, b: $t) -> $t { (self >= b) as u8 as $t }
            #[inline(always)] fn eq(self, b: $t) -> $t { (self == b) as u8 as $t }
            #[inline(always)] fn neg(self) -> $t { -self }
            #[inline(always)] fn exp(self) -> $t { Elementary::exp(self) }
            #[inline(always)] fn exp_m1(self) -> $t { Elementary::exp_m1(self) }
            #[inline(always)] fn ln(self) -> $t { Elementary::ln(self) }
            #[inline(always)] fn ln_1p(self) -> $t { Elementary::ln_1p(self) }
            #[inline(always)] fn sqrt(self) -> $t { $t::sqrt(self) }
            #[inline(always)] fn sin(self) -> $t { Elementary::sin(self) }
            #[inline(always)] fn cos(self) -> $t { Elementary::cos(self) }
            #[inline(always)] fn tanh(self) -> $t { Elementary::tanh(self) }
            #[inline(always)] fn sigmoid(self) -> $t { Elementary::sigmoid(self) }
            #[inline(always)] fn softplus(self) -> $t { Elementary::softplus(self) }
            #[inline(always)] fn abs(self) -> $t { $t::abs(self) }
            #[inline(always)] fn select(self, a: $t, b: $t) -> $t { if self != 0.0 { a } else { b } }
        }
        impl Float for $t {
            const INFINITY: $t = $t::INFINITY;
            const NAN: $t = $t::NAN;
            const EPSILON: $t = $t::EPSILON;
            #[inline(always)] fn of(c: f64) -> $t { c as $t }
            #[inline(always)] fn f64(self) -> f64 { self as f64 }
            #[inline(always)] fn is_finite(self) -> bool { self.is_finite() }
            #[inline(always)] fn is_nan(self) -> bool { self.is_nan() }
        }
    )* };
}
float!(f32 f64);

/// A [`Real`] with infix operators, so that a rule reads as mathematics: `-g * y / b`, `1.0 - y * y`.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct E<S>(pub S);

macro_rules! infix {
    ($($Trait:ident $f:ident)*) => { $(
        impl<S: Real> $Trait for E<S> {
            type Output = E<S>;
            #[inline(always)] fn $f(self, b: E<S>) -> E<S> { E(self.0.$f(b.0)) }
        }
        impl<S: Real> $Trait<f64> for E<S> {
            type Output = E<S>;
            #[inline(always)] fn $f(self, b: f64) -> E<S> { E(self.0.$f(self.0.lit(b))) }
        }
        impl<S: Real> $Trait<E<S>> for f64 {
            type Output = E<S>;
            #[inline(always)] fn $f(self, b: E<S>) -> E<S> { E(b.0.lit(self).$f(b.0)) }
        }
    )* };
}
infix!(Add add Sub sub Mul mul Div div);

impl<S: Real> Neg for E<S> {
    type Output = E<S>;
    #[inline(always)]
    fn neg(self) -> E<S> {
        E(self.0.neg())
    }
}

/// Hands the names of [`Real`]'s methods, and the ops that record them, to another macro.
macro_rules! for_real {
    ($callback:ident) => {
        $callback! {
            unary: neg Neg, exp Exp, exp_m1 ExpM1, ln Ln, ln_1p Ln1p, sqrt Sqrt, sin Sin, cos Cos, tanh Tanh,
                   sigmoid Sigmoid, softplus Softplus, abs Abs;
            binary: add Add, sub Sub, mul Mul, div Div, pow Pow, max Maximum, min Minimum, gt Gt, ge Ge, eq Eq;
        }
    };
}
pub(crate) use for_real;

macro_rules! exact {
    (sin $x:ident) => {
        T::of($x.0.f64().sin())
    };
    (cos $x:ident) => {
        T::of($x.0.f64().cos())
    };
    ($f:ident $x:ident) => {
        Real::$f($x.0)
    };
}
macro_rules! forward {
    (unary: $($u:ident $U:ident),*; binary: $($b:ident $B:ident),*;) => {
        #[allow(missing_docs, clippy::should_implement_trait, reason = "as in `Real`, whose methods these are")]
        impl<S: Real> E<S> {
            $( #[inline(always)] pub fn $u(self) -> E<S> { E(self.0.$u()) } )*
            $( #[inline(always)] pub fn $b(self, b: E<S>) -> E<S> { E(self.0.$b(b.0)) } )*
            #[inline(always)] pub fn select(self, a: E<S>, b: E<S>) -> E<S> { E(self.0.select(a.0, b.0)) }
        }

        /// The same algebra, with sine and cosine right for angles of any size: for the few elements that the fast
        /// loops leave out.
        impl<T: Float> Real for Exact<T> {
            fn lit(self, c: f64) -> Self { Exact(T::of(c)) }
            fn select(self, a: Self, b: Self) -> Self { Exact(Real::select(self.0, a.0, b.0)) }
            $( fn $u(self) -> Self { Exact(exact!($u self)) } )*
            $( fn $b(self, b: Self) -> Self { Exact(Real::$b(self.0, b.0)) } )*
        }
    };
}
/// A number whose sine and cosine come from the standard library.
#[derive(Clone, Copy)]
pub(crate) struct Exact<T>(pub(crate) T);

for_real!(forward);

impl<S: Real> E<S> {
    /// `self` where `c > 0`, else 0.
    #[inline(always)]
    pub fn where_pos(self, c: E<S>) -> E<S> {
        self.only(c.gt(c.lit(0.0)))
    }

    /// `self` where the mask `c` holds, else 0.
    #[inline(always)]
    pub fn only(self, c: E<S>) -> E<S> {
        c.select(self, self.lit(0.0))
    }

    /// 0 where the mask `c` holds, else `self`.
    #[inline(always)]
    pub fn unless(self, c: E<S>) -> E<S> {
        c.select(self.lit(0.0), self)
    }

    /// The constant `c`.
    #[inline(always)]
    pub fn lit(self, c: f64) -> E<S> {
        E(self.0.lit(c))
    }
}
