//! Derivatives of functions of a few variables, in forward mode: arrays in, arrays out, no allocation.

use crate::dual::{Dual, Dual2, HyperDual};
use crate::number::Scalar;

/// The value and the derivative of a function of one variable.
///
/// ```
/// use scalar::{Dual, derivative};
/// assert_eq!(derivative(|x: Dual<f64, 1>| x * x, 3.0), (9.0, 6.0));
/// ```
#[inline]
pub fn derivative<T: Scalar>(f: impl FnOnce(Dual<T, 1>) -> Dual<T, 1>, x: T) -> (T, T) {
    let y = f(Dual::variable(x, 0));
    (y.value, y.tangent[0])
}

/// The value and the first two derivatives of a function of one variable.
///
/// ```
/// use scalar::{Dual2, second_derivative};
/// assert_eq!(second_derivative(|x: Dual2<f64>| x * x * x, 2.0), (8.0, 12.0, 12.0));
/// ```
#[inline]
pub fn second_derivative<T: Scalar>(f: impl FnOnce(Dual2<T>) -> Dual2<T>, x: T) -> (T, T, T) {
    let y = f(Dual::variable(Dual::variable(x, 0), 0));
    (y.value.value, y.value.tangent[0], y.tangent[0].tangent[0])
}

/// The variables of a function: number i moves in direction i.
#[inline]
fn variables<T: Scalar, const N: usize>(x: [T; N]) -> [Dual<T, N>; N] {
    std::array::from_fn(|i| Dual::variable(x[i], i))
}

/// The value and the gradient of a function of `N` variables.
///
/// ```
/// use scalar::{Dual, gradient};
/// let (y, dy) = gradient(|[a, b]: [Dual<f64, 2>; 2]| a * a * b, [3.0, 2.0]);
/// assert_eq!((y, dy), (18.0, [12.0, 9.0]));
/// ```
#[inline]
pub fn gradient<T: Scalar, const N: usize>(f: impl FnOnce([Dual<T, N>; N]) -> Dual<T, N>, x: [T; N]) -> (T, [T; N]) {
    let y = f(variables(x));
    (y.value, y.tangent)
}

/// The values and the Jacobian of `M` functions of `N` variables: row i has the gradient of function i.
///
/// ```
/// use scalar::{Dual, jacobian};
/// let (y, j) = jacobian(|[a, b]: [Dual<f64, 2>; 2]| [a * b, a - b, b], [3.0, 2.0]);
/// assert_eq!(y, [6.0, 1.0, 2.0]);
/// assert_eq!(j, [[2.0, 3.0], [1.0, -1.0], [0.0, 1.0]]);
/// ```
#[inline]
pub fn jacobian<T: Scalar, const N: usize, const M: usize>(
    f: impl FnOnce([Dual<T, N>; N]) -> [Dual<T, N>; M],
    x: [T; N],
) -> ([T; M], [[T; N]; M]) {
    let y = f(variables(x));
    (y.map(|y| y.value), y.map(|y| y.tangent))
}

/// The value, the gradient and the Hessian of a function of `N` variables.
///
/// ```
/// use scalar::{HyperDual, hessian};
/// let (y, dy, d2y) = hessian(|[a, b]: [HyperDual<f64, 2>; 2]| a * a * b, [3.0, 2.0]);
/// assert_eq!((y, dy), (18.0, [12.0, 9.0]));
/// assert_eq!(d2y, [[4.0, 6.0], [6.0, 0.0]]);
/// ```
#[inline]
pub fn hessian<T: Scalar, const N: usize>(
    f: impl FnOnce([HyperDual<T, N>; N]) -> HyperDual<T, N>,
    x: [T; N],
) -> (T, [T; N], [[T; N]; N]) {
    let x = variables(x);
    let y = f(std::array::from_fn(|i| Dual::variable(x[i], i)));
    (y.value.value, y.value.tangent, y.tangent.map(|row| row.tangent))
}
