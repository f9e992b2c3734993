//! The possible components of a differentiated number, and the rows of the derivative table at such a component.

use autograd::float::Real;
use autograd::op::row::{BinaryRow, UnaryRow};
use autograd::op::{Binary, Unary};
use num_traits::{Float, FloatConst, FromPrimitive, NumAssign, Signed};
use std::fmt::{Debug, Display};

/// A number that derivatives are computed with: `f32`, `f64`, or a number of this crate, for derivatives of derivatives.
///
/// ```
/// use scalar::{Dual, Scalar};
/// /// The slope of a cube, at any such number.
/// fn slope<T: Scalar>(x: T) -> T {
///     scalar::derivative(|x| x * x * x * T::of(2.0), x).1
/// }
/// assert_eq!(slope(3.0), 54.0);
/// let curvature = slope(Dual::<f64, 1>::variable(3.0, 0));
/// assert_eq!(curvature.tangent, [36.0]);
/// assert!((curvature - curvature).vanishes());
/// ```
pub trait Scalar:
    Float + FloatConst + FromPrimitive + NumAssign + Signed + Debug + Display + Send + Sync + 'static
{
    /// The algebra in which the rows of the derivative table are evaluated.
    #[doc(hidden)]
    type Algebra: Real;
    #[doc(hidden)]
    fn algebra(self) -> Self::Algebra;
    #[doc(hidden)]
    fn number(x: Self::Algebra) -> Self;
    /// The function of a row: at a number with derivatives, by the row's own rule. Its formula would lose the rule's
    /// convention at a kink, since it selects one of two equal operands.
    #[doc(hidden)]
    fn unary_row<R: UnaryRow>(self) -> Self;
    #[doc(hidden)]
    fn binary_row<R: BinaryRow>(self, b: Self) -> Self;
    /// The constant `c`.
    fn of(c: f64) -> Self;
    /// Whether the number and all its derivatives are 0.
    fn vanishes(self) -> bool;
    /// Whether the number and all its derivatives are finite.
    #[doc(hidden)]
    fn all_finite(self) -> bool;
}

/// `y` and dy/dx of a row.
#[inline(always)]
pub(crate) fn unary<R: UnaryRow, T: Scalar>(x: T) -> (T, T) {
    let value = x.unary_row::<R>();
    let (x, y) = (x.algebra(), value.algebra());
    (value, T::number(R::cotangent(x, y, x.lit(1.0))))
}

/// `y`, dy/da and dy/db of a row.
#[inline(always)]
pub(crate) fn binary<R: BinaryRow, T: Scalar>(a: T, b: T) -> (T, [T; 2]) {
    let value = a.binary_row::<R>(b);
    let (a, b, y) = (a.algebra(), b.algebra(), value.algebra());
    let g = y.lit(1.0);
    (value, [T::number(R::cotangent_a(a, b, y, g)), T::number(R::cotangent_b(a, b, y, g))])
}

/// n xⁿ⁻¹: the slope of `powi`.
#[inline(always)]
pub(crate) fn power_slope<T: Scalar>(x: T, n: i32) -> T {
    T::of(f64::from(n)) * n.checked_sub(1).map_or_else(|| x.powi(n) / x, |less| x.powi(less))
}

/// The functions of two numbers that are linear in both together, and therefore their own derivatives.
#[inline(always)]
pub(crate) const fn is_linear(row: Binary) -> bool {
    matches!(row, Binary::Add | Binary::Sub)
}

/// Whether a function is constant between its steps.
#[inline(always)]
pub(crate) const fn is_step(row: Unary) -> bool {
    matches!(row, Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round | Unary::Trunc)
}

/// An `f32` or `f64` whose elementary functions are those of the standard library, so that code computes the same values
/// with derivatives as without. (Those of `autograd` are made for loops, and slow one at a time.)
#[derive(Clone, Copy, Debug)]
pub struct Plain<T>(T);

macro_rules! plain {
    (standard: { $($s:ident)* } { $($p:ident $q:ident),* } ours: { $($u:ident)* } { $($b:ident)* }) => {
        impl<T: autograd::Float + Float> Real for Plain<T> {
            $(#[inline(always)] fn $s(self) -> Self { Plain(Float::$s(self.0)) })*
            $(#[inline(always)] fn $p(self, b: Self) -> Self { Plain(Float::$q(self.0, b.0)) })*
            $(#[inline(always)] fn $u(self) -> Self { Plain(Real::$u(self.0)) })*
            $(#[inline(always)] fn $b(self, b: Self) -> Self { Plain(Real::$b(self.0, b.0)) })*

            #[inline(always)]
            fn lit(self, c: f64) -> Self {
                Plain(self.0.lit(c))
            }

            #[inline(always)]
            fn select(self, a: Self, b: Self) -> Self {
                Plain(self.0.select(a.0, b.0))
            }
        }
    };
}
plain! {
    standard: {
        exp exp_m1 exp2 ln log2 log10 ln_1p sqrt cbrt sin cos tanh sinh cosh asin acos atan asinh acosh atanh
    } { pow powf, atan2 atan2, hypot hypot }
    ours: {
        neg abs floor ceil round trunc sign sech2 sigmoid softplus erf erfc erfcx erfinv lgamma digamma ndtr log_ndtr mills i0e i1e
    } { add sub mul div max min gt ge eq tanh_slope versor fmod remainder copysign polygamma mills_tail spherical }
}

/// The part of [`Scalar`] that is the same for all numbers with derivatives: they are their own algebra, and the function of
/// a row follows its rule.
macro_rules! own_algebra {
    () => {
        type Algebra = Self;

        #[inline(always)]
        fn algebra(self) -> Self {
            self
        }

        #[inline(always)]
        fn number(x: Self) -> Self {
            x
        }

        #[inline(always)]
        fn unary_row<R: UnaryRow>(self) -> Self {
            self.unary::<R>()
        }

        #[inline(always)]
        fn binary_row<R: BinaryRow>(self, b: Self) -> Self {
            self.binary::<R>(b)
        }
    };
}
pub(crate) use own_algebra;

macro_rules! numbers {
    ($($t:ident)*) => { $(
        impl Scalar for $t {
            type Algebra = Plain<$t>;
            #[inline(always)] fn algebra(self) -> Plain<$t> { Plain(self) }
            #[inline(always)] fn number(x: Plain<$t>) -> $t { x.0 }
            #[inline(always)] fn unary_row<R: UnaryRow>(self) -> $t { R::value(Plain(self)).0 }
            #[inline(always)] fn binary_row<R: BinaryRow>(self, b: $t) -> $t { R::value(Plain(self), Plain(b)).0 }
            #[inline(always)] fn of(c: f64) -> $t { c as $t }
            #[inline(always)] fn vanishes(self) -> bool { self == 0.0 }
            #[inline(always)] fn all_finite(self) -> bool { self.is_finite() }
        }
    )* };
}
numbers!(f32 f64);

/// A number that carries derivatives: the basis of the traits in [`drop_in`](crate::drop_in).
pub(crate) trait Chain: Copy {
    /// The type of its value.
    type Part: Scalar;
    /// A number that does not depend on anything.
    fn constant(c: Self::Part) -> Self;
    /// Its value.
    fn part(self) -> Self::Part;
    fn unary<R: UnaryRow>(self) -> Self;
    fn binary<R: BinaryRow>(self, b: Self) -> Self;
    /// Of this number and a constant.
    fn before<R: BinaryRow>(self, b: Self::Part) -> Self;
    /// Of a constant and this number.
    fn after<R: BinaryRow>(self, a: Self::Part) -> Self;
    /// selfⁿ, with the slope n selfⁿ⁻¹, for n other than 0.
    fn power(self, n: i32) -> Self;
}
