//! Reverse mode: a number that records what is computed from it, on a tape that its thread keeps.

use crate::drop_in::{float_traits, left_operator, number_traits, operator, operators, real};
use crate::error::{Result, or_panic};
use crate::number::{self, Chain, Scalar, is_step, own_algebra};
use crate::tape::{CONSTANT, Recorded};
use autograd::float::for_real;
use autograd::op::row::{self, BinaryRow, UnaryRow};
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

/// A number that is recorded inside a [`Scope`], for derivatives in reverse mode: one sweep gives the derivatives with respect
/// to any number of variables.
///
/// It is `Copy` and `'static`, so generic code can treat it like a plain number. Outside its scope, or on another thread,
/// its `value` can be read and compared, but computing with it panics. A constant (`S::zero()`, `S::from(2.0)`) is on no
/// tape and may be used anywhere.
///
/// ```
/// use num_traits::Float;
/// use scalar::{Rec, record};
///
/// fn f<S: Float>(x: &[S]) -> S {
///     x.iter().fold(S::zero(), |sum, &x| sum + x.sin())
/// }
/// let (y, dy) = record(f::<Rec<f64>>, &[0.5, 1.5, 2.5]);
/// assert_eq!(y, 0.5f64.sin() + 1.5f64.sin() + 2.5f64.sin());
/// assert_eq!(dy, [0.5f64.cos(), 1.5f64.cos(), 2.5f64.cos()]);
/// ```
///
/// Comparisons, casts and rounding act on the value.
#[derive(Clone, Copy, Debug)]
pub struct Rec<T> {
    /// The value.
    pub value: T,
    /// The number of the operation that it results from.
    id: u64,
}

/// While it exists, this thread records what is computed from its variables.
///
/// ```
/// use scalar::Scope;
/// let scope = Scope::open();
/// let (x, y) = (scope.variable(3.0), scope.variable(4.0));
/// let z = x * x * y;
/// assert_eq!(scope.gradient(z, &[x, y]), [24.0, 9.0]);
/// ```
///
/// A thread has one scope at a time for `f64`, and one for `f32`. The tape keeps its memory from scope to scope.
#[derive(Debug)]
pub struct Scope<T: Recorded> {
    /// The tape belongs to the thread.
    here: PhantomData<*const T>,
}

impl<T: Recorded> Scope<T> {
    /// Opens a scope. It ends when it is dropped.
    ///
    /// # Panics
    /// If this thread has one open already; [`try_open`](Scope::try_open) returns the error.
    #[track_caller]
    #[must_use = "a scope ends when it is dropped"]
    pub fn open() -> Self {
        or_panic(Self::try_open())
    }

    /// Like [`open`](Scope::open), but returns the error.
    #[track_caller]
    pub fn try_open() -> Result<Self> {
        let at = Location::caller();
        T::with(|tape| tape.borrow_mut().open(at))?;
        Ok(Scope { here: PhantomData })
    }

    /// A variable.
    #[track_caller]
    pub fn variable(&self, value: T) -> Rec<T> {
        Rec::push(value, [CONSTANT; 2], [T::zero(); 2])
    }

    /// The derivatives of y with respect to each of x: 0 where y does not depend on it.
    ///
    /// # Panics
    /// If one of the numbers belongs to another scope.
    #[track_caller]
    pub fn gradient(&self, y: Rec<T>, x: &[Rec<T>]) -> Vec<T> {
        T::with(|tape| tape.borrow_mut().sweep(y.id, x.iter().map(|x| x.id)))
    }

    /// The number of variables and operations that it has recorded.
    ///
    /// ```
    /// let scope = scalar::Scope::<f64>::open();
    /// assert!(scope.is_empty());
    /// let x = scope.variable(2.0);
    /// let y = x * x + 1.0;
    /// assert_eq!((y.value, scope.len()), (5.0, 3)); // x, the product, the sum
    /// ```
    pub fn len(&self) -> usize {
        T::with(|tape| tape.borrow().len())
    }

    /// Whether it has recorded nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Recorded> Drop for Scope<T> {
    fn drop(&mut self) {
        T::with(|tape| tape.borrow_mut().close());
    }
}

/// The value and the gradient of a function of any number of variables, in reverse mode, in a separate scope.
///
/// ```
/// use scalar::{Rec, record};
/// let (y, dy) = record(|x: &[Rec<f64>]| x[0] * x[1] + x[2], &[2.0, 3.0, 4.0]);
/// assert_eq!((y, dy), (10.0, vec![3.0, 2.0, 1.0]));
/// ```
/// # Panics
/// If this thread has a scope open already, or the function returns a number of another scope.
#[track_caller]
pub fn record<T: Recorded>(f: impl FnOnce(&[Rec<T>]) -> Rec<T>, x: &[T]) -> (T, Vec<T>) {
    let scope = Scope::open();
    let x: Vec<Rec<T>> = x.iter().map(|&x| scope.variable(x)).collect();
    let y = f(&x);
    (y.value, scope.gradient(y, &x))
}

impl<T: Recorded> Rec<T> {
    /// A number that is on no tape.
    ///
    /// ```
    /// use scalar::{Rec, Scope};
    /// let c = Rec::constant(2.0);
    /// assert!((c * c).is_constant());
    /// let scope = Scope::open();
    /// assert!(!(scope.variable(3.0) * c).is_constant());
    /// ```
    #[inline(always)]
    pub const fn constant(value: T) -> Self {
        Rec { value, id: CONSTANT }
    }

    /// Whether it is on no tape.
    #[inline(always)]
    pub fn is_constant(self) -> bool {
        self.id == CONSTANT
    }

    #[track_caller]
    #[inline(always)]
    fn push(value: T, from: [u64; 2], slope: [T; 2]) -> Self {
        Rec { value, id: T::push(from[0], from[1], slope[0], slope[1]) }
    }
}

impl<T: Recorded> Chain for Rec<T> {
    type Part = T;

    #[inline(always)]
    fn constant(c: T) -> Self {
        Rec::constant(c)
    }

    #[inline(always)]
    fn part(self) -> T {
        self.value
    }

    #[track_caller]
    #[inline(always)]
    fn unary<R: UnaryRow>(self) -> Self {
        let (value, slope) = number::unary::<R, T>(self.value);
        if self.is_constant() || is_step(R::ROW) {
            return Rec::constant(value);
        }
        Rec::push(value, [self.id, CONSTANT], [slope, T::zero()])
    }

    #[track_caller]
    #[inline(always)]
    fn binary<R: BinaryRow>(self, b: Self) -> Self {
        let (value, slope) = number::binary::<R, T>(self.value, b.value);
        if !R::ROW.is_differentiable() || self.is_constant() && b.is_constant() {
            return Rec::constant(value);
        }
        Rec::push(value, [self.id, b.id], slope)
    }

    #[track_caller]
    #[inline(always)]
    fn before<R: BinaryRow>(self, b: T) -> Self {
        self.binary::<R>(Rec::constant(b))
    }

    #[track_caller]
    #[inline(always)]
    fn after<R: BinaryRow>(self, a: T) -> Self {
        Rec::constant(a).binary::<R>(self)
    }

    #[track_caller]
    #[inline(always)]
    fn power(self, n: i32) -> Self {
        let value = self.value.powi(n);
        if self.is_constant() {
            return Rec::constant(value);
        }
        Rec::push(value, [self.id, CONSTANT], [number::power_slope(self.value, n), T::zero()])
    }
}

for_real!(real, [T: Recorded] Rec<T>;);
operators!(operator, [T: Recorded] Rec<T>, T);
operators!(left_operator, [] Rec<f32>, f32);
operators!(left_operator, [] Rec<f64>, f64);
number_traits!([T: Recorded] Rec<T>, T);
float_traits!([T: Recorded] Rec<T>, T);

impl<T: Recorded> Scalar for Rec<T> {
    own_algebra!();

    #[inline(always)]
    fn of(c: f64) -> Self {
        Self::constant(T::of(c))
    }

    /// A number on the tape may have derivatives that are not 0.
    fn vanishes(self) -> bool {
        self.is_constant() && self.value.is_zero()
    }

    /// Its derivatives are known only after the sweep.
    #[inline(always)]
    fn all_finite(self) -> bool {
        self.value.is_finite()
    }
}

/// The value.
impl<T: fmt::Display> fmt::Display for Rec<T> {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        self.value.fmt(out)
    }
}
