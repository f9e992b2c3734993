//! Forward mode: a number that carries its derivatives in N directions.

use crate::drop_in::{
    float_traits, left_operator, number_traits, operator, operators, plain_operands, real, right_operator,
};
use crate::error::{Error, Result, or_panic};
use crate::number::{self, Chain, Scalar, is_linear, is_step, own_algebra};
use autograd::float::for_real;
use autograd::op::row::{self, BinaryRow, UnaryRow};
use std::fmt;

/// A value and its derivatives in `N` directions: `value + Σ tangent[i] εᵢ` with εᵢ εⱼ = 0.
///
/// ```
/// use num_traits::Float;
/// use scalar::Dual;
///
/// fn f<S: Float>(x: S, y: S) -> S {
///     x * y.sin()
/// }
/// let z = f(Dual::<f64, 2>::variable(3.0, 0), Dual::variable(0.5, 1));
/// assert_eq!(z.value, 3.0 * 0.5f64.sin());
/// assert_eq!(z.tangent, [0.5f64.sin(), 3.0 * 0.5f64.cos()]);
/// ```
///
/// Comparisons, casts and rounding act on the value. The components may be dual numbers themselves, for derivatives of
/// derivatives: see [`Dual2`] and [`HyperDual`].
///
/// An operand whose tangent in a direction is 0 contributes nothing to that direction, even where its slope is infinite:
/// the square root of the constant 0 is a constant.
#[derive(Clone, Copy, Debug)]
pub struct Dual<T, const N: usize> {
    /// The value.
    pub value: T,
    /// The derivative in each direction.
    pub tangent: [T; N],
}

/// A value with its first and second derivative along one direction.
///
/// ```
/// use num_traits::Float;
/// use scalar::{Dual2, second_derivative};
/// let (y, dy, d2y) = second_derivative(|x: Dual2<f64>| x.sin(), 0.5);
/// assert_eq!((y, dy, d2y), (0.5f64.sin(), 0.5f64.cos(), -0.5f64.sin()));
/// ```
pub type Dual2<T> = Dual<Dual<T, 1>, 1>;

/// A value with its gradient and Hessian in `N` directions: what [`hessian`](crate::hessian) computes with.
pub type HyperDual<T, const N: usize> = Dual<Dual<T, N>, N>;

impl<T: Scalar, const N: usize> Dual<T, N> {
    /// A constant: all its tangents are 0.
    ///
    /// ```
    /// use scalar::Dual;
    /// let (x, c) = (Dual::<f64, 1>::variable(3.0, 0), Dual::constant(2.0));
    /// assert_eq!(((c * x).tangent, c.tangent), ([2.0], [0.0]));
    /// ```
    #[inline(always)]
    pub fn constant(value: T) -> Self {
        Dual { value, tangent: [T::zero(); N] }
    }

    /// The variable of one direction: its derivative is 1 there, and 0 in the others.
    ///
    /// # Panics
    /// If there is no such direction; [`try_variable`](Dual::try_variable) returns the error.
    #[track_caller]
    #[inline]
    pub fn variable(value: T, direction: usize) -> Self {
        or_panic(Self::try_variable(value, direction))
    }

    /// Like [`variable`](Dual::variable), but returns the error.
    #[inline]
    pub fn try_variable(value: T, direction: usize) -> Result<Self> {
        let mut x = Self::constant(value);
        *x.tangent.get_mut(direction).ok_or(Error::Direction { direction, directions: N })? = T::one();
        Ok(x)
    }

    /// A value with this tangent.
    ///
    /// ```
    /// use scalar::Dual;
    /// assert!(Dual::try_moving(1.0, [2.0, f64::NAN]).is_err());
    /// ```
    /// # Panics
    /// If a component of the tangent is infinite or NaN; [`try_moving`](Dual::try_moving) returns the error.
    #[track_caller]
    pub fn moving(value: T, tangent: [T; N]) -> Self {
        or_panic(Self::try_moving(value, tangent))
    }

    /// Like [`moving`](Dual::moving), but returns the error.
    pub fn try_moving(value: T, tangent: [T; N]) -> Result<Self> {
        match tangent.iter().position(|t| !t.is_finite()) {
            Some(direction) => Err(Error::Seed { direction, seed: tangent[direction].to_string() }),
            None => Ok(Dual { value, tangent }),
        }
    }
}

/// slope · tangent
#[inline(always)]
fn along<T: Scalar, const N: usize>(slope: T, mut tangent: [T; N]) -> [T; N] {
    if !slope.all_finite() {
        return steep(slope, tangent);
    }
    for t in &mut tangent {
        *t *= slope;
    }
    tangent
}

/// p · a + q · b, with one check of both slopes: small enough for the compiler to inline into formulas.
#[inline(always)]
fn along_both<T: Scalar, const N: usize>([p, q]: [T; 2], [mut a, b]: [[T; N]; 2]) -> [T; N] {
    if !(p.all_finite() & q.all_finite()) {
        return steep_both([p, q], [a, b]);
    }
    for (t, o) in a.iter_mut().zip(b) {
        *t = *t * p + o * q;
    }
    a
}

/// slope · tangent, but 0 where the tangent is 0.
#[cold]
#[inline(never)]
fn steep<T: Scalar, const N: usize>(slope: T, tangent: [T; N]) -> [T; N] {
    tangent.map(|t| if t.vanishes() { t } else { t * slope })
}

#[cold]
#[inline(never)]
fn steep_both<T: Scalar, const N: usize>([p, q]: [T; 2], [a, b]: [[T; N]; 2]) -> [T; N] {
    let (mut a, b) = (steep(p, a), steep(q, b));
    for (t, o) in a.iter_mut().zip(b) {
        *t += o;
    }
    a
}

impl<T: Scalar, const N: usize> Chain for Dual<T, N> {
    type Part = T;

    #[inline(always)]
    fn constant(c: T) -> Self {
        Dual::constant(c)
    }

    #[inline(always)]
    fn part(self) -> T {
        self.value
    }

    #[inline(always)]
    fn unary<R: UnaryRow>(self) -> Self {
        let (value, slope) = number::unary::<R, T>(self.value);
        if is_step(R::ROW) {
            return Self::constant(value);
        }
        Dual { value, tangent: along(slope, self.tangent) }
    }

    #[inline(always)]
    fn binary<R: BinaryRow>(self, b: Self) -> Self {
        let (value, [p, q]) = number::binary::<R, T>(self.value, b.value);
        if !R::ROW.is_differentiable() {
            return Self::constant(value);
        }
        if !is_linear(R::ROW) {
            return Dual { value, tangent: along_both([p, q], [self.tangent, b.tangent]) };
        }
        let mut tangent = self.tangent;
        for (t, o) in tangent.iter_mut().zip(b.tangent) {
            *t = t.binary_row::<R>(o);
        }
        Dual { value, tangent }
    }

    #[inline(always)]
    fn before<R: BinaryRow>(self, b: T) -> Self {
        if is_linear(R::ROW) {
            return Dual { value: self.value.binary_row::<R>(b), tangent: self.tangent };
        }
        let (value, [slope, _]) = number::binary::<R, T>(self.value, b);
        Dual { value, tangent: along(slope, self.tangent) }
    }

    #[inline(always)]
    fn after<R: BinaryRow>(self, a: T) -> Self {
        let (value, [_, slope]) = number::binary::<R, T>(a, self.value);
        Dual { value, tangent: along(slope, self.tangent) }
    }

    #[inline(always)]
    fn power(self, n: i32) -> Self {
        let value = self.value.powi(n);
        Dual { value, tangent: along(number::power_slope(self.value, n), self.tangent) }
    }
}

for_real!(real, [T: Scalar, const N: usize] Dual<T, N>;);
operators!(operator, [T: Scalar, const N: usize] Dual<T, N>, T);
number_traits!([T: Scalar, const N: usize] Dual<T, N>, T);
float_traits!([T: Scalar, const N: usize] Dual<T, N>, T);

plain_operands!(Dual; f32 f64);

impl<T: Scalar, const N: usize> Scalar for Dual<T, N> {
    own_algebra!();

    #[inline(always)]
    fn of(c: f64) -> Self {
        Self::constant(T::of(c))
    }

    fn vanishes(self) -> bool {
        self.value.vanishes() && self.tangent.iter().all(|t| t.vanishes())
    }

    #[inline(always)]
    fn all_finite(self) -> bool {
        self.value.all_finite() && self.tangent.iter().all(|t| t.all_finite())
    }
}

/// `value + [tangent]ε`
impl<T: fmt::Display, const N: usize> fmt::Display for Dual<T, N> {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        self.value.fmt(out)?;
        out.write_str(" + [")?;
        for (i, t) in self.tangent.iter().enumerate() {
            out.write_str(if i == 0 { "" } else { ", " })?;
            t.fmt(out)?;
        }
        out.write_str("]ε")
    }
}
