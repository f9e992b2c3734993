//! Truncated power series: all derivatives along one line up to a given order.
//!
//! Sums and products are those of polynomials, and a quotient y = a/b solves y b = a. Every other function follows from its
//! rule, y′ = rule(x, y, x′): coefficient k of y is coefficient k - 1 of that series, divided by k (Griewank and Walther,
//! *Evaluating Derivatives*, chapter 13). A series knows how many coefficients it has, so that the rule, which may call
//! other functions, is evaluated to the order that is needed and the recursion ends.

use crate::drop_in::{
    float_traits, left_operator, number_traits, operator, operators, plain_operands, real, right_operator,
};
use crate::number::{self, Chain, Scalar, is_step, own_algebra};
use autograd::float::{Real, for_real};
use autograd::op::row::{self, BinaryRow, UnaryRow};
use autograd::op::{Binary, Unary};
use std::fmt;

/// The first `K` coefficients of a power series in t: `Σ c[k] tᵏ`.
///
/// ```
/// use num_traits::Float;
/// use scalar::Taylor;
/// let t = Taylor::<f64, 4>::variable(0.0);
/// assert_eq!((t.exp() / (1.0 - t)).coefficients(), [1.0, 2.0, 2.5, 2.5 + 1.0 / 6.0]);
/// ```
///
/// Comparisons, casts and rounding act on the value, which is coefficient 0.
#[derive(Clone, Copy, Debug)]
pub struct Taylor<T, const K: usize> {
    c: [T; K],
    /// How many coefficients are known; the others are 0.
    len: usize,
}

/// The derivatives of order 0 to `K` - 1 of a function of one variable.
///
/// ```
/// use num_traits::Float;
/// use scalar::{Taylor, taylor};
/// let derivatives = taylor(|x: Taylor<f64, 5>| x.powi(3) + 1.0, 2.0);
/// assert_eq!(derivatives, [9.0, 12.0, 12.0, 6.0, 0.0]);
/// ```
#[doc(alias = "jet")]
pub fn taylor<T: Scalar, const K: usize>(f: impl FnOnce(Taylor<T, K>) -> Taylor<T, K>, x: T) -> [T; K] {
    let mut derivatives = f(Taylor::variable(x)).c;
    let mut factorial = T::one();
    for (k, d) in derivatives.iter_mut().enumerate().skip(1) {
        factorial *= T::of(k as f64);
        *d *= factorial;
    }
    derivatives
}

impl<T: Scalar, const K: usize> Taylor<T, K> {
    const NOT_EMPTY: () = assert!(K > 0, "a series has at least one coefficient");

    /// A series with these coefficients.
    ///
    /// ```
    /// use scalar::Taylor;
    /// let line = Taylor::new([1.0, 1.0, 0.0]); // 1 + t
    /// assert_eq!((line * line).coefficients(), [1.0, 2.0, 1.0]);
    /// ```
    pub const fn new(c: [T; K]) -> Self {
        let () = Self::NOT_EMPTY;
        Taylor { c, len: K }
    }

    /// A number that does not depend on t.
    ///
    /// ```
    /// assert_eq!(scalar::Taylor::<f64, 3>::constant(2.0).coefficients(), [2.0, 0.0, 0.0]);
    /// ```
    pub fn constant(value: T) -> Self {
        let mut c = [T::zero(); K];
        c[0] = value;
        Self::new(c)
    }

    /// value + t
    pub fn variable(value: T) -> Self {
        let mut x = Self::constant(value);
        if K > 1 {
            x.c[1] = T::one();
        }
        x
    }

    /// The coefficients.
    pub fn coefficients(self) -> [T; K] {
        self.c
    }

    fn is_constant(self) -> bool {
        self.c[1..].iter().all(|c| c.vanishes())
    }

    /// The first `len` coefficients.
    fn truncate(mut self, len: usize) -> Self {
        self.c[len..].fill(T::zero());
        self.len = len;
        self
    }

    /// The derivative with respect to t.
    fn slope(self) -> Self {
        let mut slope = self.truncate(self.len - 1);
        for k in 1..self.len {
            slope.c[k - 1] = self.c[k] * T::of(k as f64);
        }
        slope
    }

    /// The series that begins with `value`, of which `slope` is the derivative.
    fn integral(value: T, slope: Self) -> Self {
        let mut y = Self::constant(value);
        // A slope that is a constant of the rule, such as 0, is known to any order.
        let len = K.min(slope.len + 1);
        for k in 1..len {
            y.c[k] = slope.c[k - 1] / T::of(k as f64);
        }
        y.truncate(len)
    }

    /// The series that begins with `value` and whose derivative is the sum of `given` and of `rule` applied to the series
    /// itself.
    fn solve(value: T, given: Self, rule: impl Fn(Self) -> Self) -> Self {
        let mut y = Self::constant(value).truncate(1);
        for len in 1..=given.len {
            y = Self::integral(value, given.truncate(len) + rule(y));
        }
        y
    }

    /// The sum of a[i] b[k - i] over the first `terms` of i. A coefficient of order 1 or more that is 0 contributes
    /// nothing, even where the other factor is infinite, as in [`Dual`](crate::Dual).
    fn product(a: &[T], b: &[T], k: usize, terms: usize) -> T {
        let sum = |counts: fn(usize, T) -> bool| {
            (0..terms)
                .filter(|&i| counts(i, a[i]) && counts(k - i, b[k - i]))
                .fold(T::zero(), |s, i| s + a[i] * b[k - i])
        };
        let all = sum(|_, _| true);
        if all.all_finite() { all } else { sum(|order, c| order == 0 || !c.vanishes()) }
    }
}

/// Whether a rule reads `y`, which is the only operand that is marked.
#[derive(Clone, Copy)]
struct Reads(bool);

macro_rules! reads {
    (unary: $($u:ident $U:ident),*; binary: $($b:ident $B:ident),*;) => {
        impl Real for Reads {
            #[inline(always)]
            fn lit(self, _: f64) -> Self {
                Reads(false)
            }
            #[inline(always)]
            fn select(self, a: Self, b: Self) -> Self {
                Reads(self.0 | a.0 | b.0)
            }
            $(#[inline(always)] fn $u(self) -> Self { self })*
            $(#[inline(always)] fn $b(self, b: Self) -> Self { Reads(self.0 | b.0) })*
        }
    };
}
for_real!(reads);

impl<T: Scalar, const K: usize> Chain for Taylor<T, K> {
    type Part = T;

    fn constant(c: T) -> Self {
        Taylor::constant(c)
    }

    #[inline(always)]
    fn part(self) -> T {
        self.c[0]
    }

    fn unary<R: UnaryRow>(self) -> Self {
        let value = self.c[0].unary_row::<R>();
        if is_step(R::ROW) || self.is_constant() {
            return Self::constant(value).truncate(self.len);
        }
        if matches!(R::ROW, Unary::Neg) {
            return Taylor { c: self.c.map(|c| -c), len: self.len };
        }
        let (x, dx) = (self.truncate(self.len - 1), self.slope());
        if R::cotangent(Reads(false), Reads(true), Reads(false)).0 {
            let zero = Self::constant(T::zero()).truncate(dx.len);
            Self::solve(value, zero, |y| R::cotangent(x.truncate(y.len), y, dx.truncate(y.len)))
        } else {
            Self::integral(value, R::cotangent(x, x, dx)).truncate(self.len)
        }
    }

    fn binary<R: BinaryRow>(self, b: Self) -> Self {
        let len = self.len.min(b.len);
        let (a, b) = (self.truncate(len), b.truncate(len));
        let value = a.c[0].binary_row::<R>(b.c[0]);
        let mut y = Self::constant(value).truncate(len);
        if !R::ROW.is_differentiable() || a.is_constant() && b.is_constant() {
            return y;
        }
        match R::ROW {
            Binary::Add | Binary::Sub => {
                for k in 1..len {
                    y.c[k] = a.c[k].binary_row::<R>(b.c[k]);
                }
                return y;
            }
            Binary::Mul => {
                for k in 1..len {
                    y.c[k] = Self::product(&a.c, &b.c, k, k + 1);
                }
                return y;
            }
            Binary::Div => {
                for k in 1..len {
                    let rest = a.c[k] - Self::product(&y.c, &b.c, k, k);
                    y.c[k] = if rest.vanishes() { rest } else { rest / b.c[0] };
                }
                return y;
            }
            _ => (),
        }
        let ((da, db), zero) = ((a.slope(), b.slope()), Self::constant(T::zero()).truncate(len - 1));
        let moves = (!a.is_constant(), !b.is_constant());
        let side_a = |y: Self| R::cotangent_a(a.truncate(y.len), b.truncate(y.len), y, da.truncate(y.len));
        let side_b = |y: Self| R::cotangent_b(a.truncate(y.len), b.truncate(y.len), y, db.truncate(y.len));
        let reads = |rule: fn(Reads, Reads, Reads, Reads) -> Reads| {
            rule(Reads(false), Reads(false), Reads(true), Reads(false)).0
        };
        let again = (moves.0 && reads(R::cotangent_a), moves.1 && reads(R::cotangent_b));
        // An expression that does not read y is evaluated once.
        let mut given = zero;
        if moves.0 && !again.0 {
            given += side_a(zero);
        }
        if moves.1 && !again.1 {
            given += side_b(zero);
        }
        if again == (false, false) {
            return Self::integral(value, given);
        }
        Self::solve(value, given, |y| {
            let zero = zero.truncate(y.len);
            (if again.0 { side_a(y) } else { zero }) + (if again.1 { side_b(y) } else { zero })
        })
    }

    fn before<R: BinaryRow>(self, b: T) -> Self {
        self.binary::<R>(Self::constant(b))
    }

    fn after<R: BinaryRow>(self, a: T) -> Self {
        Self::constant(a).binary::<R>(self)
    }

    fn power(self, n: i32) -> Self {
        let value = self.c[0].powi(n);
        if self.is_constant() {
            return Self::constant(value).truncate(self.len);
        }
        let slope = number::power_slope(self.truncate(self.len - 1), n) * self.slope();
        Self::integral(value, slope).truncate(self.len)
    }
}

for_real!(real, [T: Scalar, const K: usize] Taylor<T, K>;);
operators!(operator, [T: Scalar, const K: usize] Taylor<T, K>, T);
plain_operands!(Taylor; f32 f64);
number_traits!([T: Scalar, const K: usize] Taylor<T, K>, T);
float_traits!([T: Scalar, const K: usize] Taylor<T, K>, T);

impl<T: Scalar, const K: usize> Scalar for Taylor<T, K> {
    own_algebra!();

    fn of(c: f64) -> Self {
        Self::constant(T::of(c))
    }

    fn vanishes(self) -> bool {
        self.c.iter().all(|c| c.vanishes())
    }

    fn all_finite(self) -> bool {
        self.c.iter().all(|c| c.all_finite())
    }
}

/// `c₀ + c₁ t + c₂ t^2 + …`
impl<T: fmt::Display, const K: usize> fmt::Display for Taylor<T, K> {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        self.c[0].fmt(out)?;
        for (k, c) in self.c.iter().enumerate().skip(1) {
            out.write_str(" + ")?;
            c.fmt(out)?;
            out.write_str(" t")?;
            if k > 1 {
                write!(out, "^{k}")?;
            }
        }
        Ok(())
    }
}
