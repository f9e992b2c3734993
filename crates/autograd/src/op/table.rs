//! Expands the two tables of [`elementwise`](super::elementwise). Each row yields (1) the variant of the enum, (2) its
//! value and rules over any [`Real`], from which a [formula](super::formula) is recorded once, and, for marked rows,
//! (3) loops over blocks: `[y]` for the value, `[y, d]` also for the rules and for scalars. Loops are compiled for each
//! CPU level that the [`simd!`](crate::kernel::isa) macro supports; rows without loops are evaluated by their formula.
//!
//! A primitive of [`Real`] must have a loop for its value: formulas consist of primitives.
//!
//! Each row is also a type, in [`row`](super::row), for code that is compiled for one function and any algebra.

use super::{Binary, Unary};
use crate::float::Real;

/// A row of the table as a type: a function of one number.
///
/// ```
/// use autograd::op::row::{Tanh, UnaryRow};
/// let y = Tanh::value(0.5_f64);
/// assert_eq!(Tanh::cotangent(0.5, y, 2.0), 2.0 * (1.0 - y * y));
/// ```
pub trait UnaryRow {
    /// The row.
    const ROW: Unary;
    /// The value `y`.
    fn value<S: Real>(x: S) -> S;
    /// The cotangent of `x`, or with a tangent for `g`, the tangent of `y`.
    fn cotangent<S: Real>(x: S, y: S, g: S) -> S;
}

/// A row of the table as a type: a function of two numbers.
///
/// ```
/// use autograd::op::row::{BinaryRow, Div};
/// let y = Div::value(1.0_f64, 4.0);
/// assert_eq!(Div::cotangent_a(1.0, 4.0, y, 1.0), 0.25);
/// assert_eq!(Div::cotangent_b(1.0, 4.0, y, 1.0), -0.0625);
/// ```
pub trait BinaryRow {
    /// The row.
    const ROW: Binary;
    /// The value `y`.
    fn value<S: Real>(a: S, b: S) -> S;
    /// The cotangent of `a`; zero for a mask.
    fn cotangent_a<S: Real>(a: S, b: S, y: S, g: S) -> S;
    /// The cotangent of `b`; zero for a mask.
    fn cotangent_b<S: Real>(a: S, b: S, y: S, g: S) -> S;
}

/// Rows `Name [y, d]: y, cotangent of x;`.
macro_rules! unary {
    ($x:ident, $y:ident, $g:ident => $($Op:ident $([$loop:ident $(, $both:ident)?])? : $f:expr, $d:expr;)*) => {
        /// An elementwise function of one tensor.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the row says it")]
        #[repr(u8)]
        pub enum Unary { $($Op),* }

        impl Unary {
            /// All rows of the table.
            pub const ALL: &'static [Unary] = &[$(Unary::$Op),*];

            /// The value `y`.
            pub(super) fn f<S: Real>(self, x: S) -> S {
                let $x = E(x);
                match self { $(Unary::$Op => $f.0,)* }
            }

            /// The cotangent of `x`.
            #[allow(unused_variables, reason = "no row reads all")]
            pub(super) fn rule<S: Real>(self, x: S, y: S, g: S) -> S {
                let ($x, $y, $g) = (E(x), E(y), E(g));
                match self { $(Unary::$Op => $d.0,)* }
            }
        }

        /// The rows as types.
        #[allow(missing_docs, reason = "the row says it")]
        pub mod unary_rows {
            use super::*;
            $(
                #[derive(Clone, Copy, Debug)]
                pub enum $Op {}

                impl UnaryRow for $Op {
                    const ROW: Unary = Unary::$Op;
                    #[inline(always)]
                    fn value<S: Real>(x: S) -> S {
                        let $x = E(x);
                        $f.0
                    }
                    #[inline(always)]
                    #[allow(unused_variables, reason = "no row reads all")]
                    fn cotangent<S: Real>(x: S, y: S, g: S) -> S {
                        let ($x, $y, $g) = (E(x), E(y), E(g));
                        $d.0
                    }
                }
            )*
        }

        simd! {
            /// `out = f(x)` over a block; false if the row has no loop.
            pub(crate) fn unary_loop<T: Float>(op: Unary, xs: &[T], out: &mut [T]) -> bool {
                let n = out.len();
                let xs = &xs[..n];
                match op {
                    $($(Unary::$Op => {
                        mark!($loop);
                        for i in 0..n {
                            let $x = E(xs[i]);
                            out[i] = $f.0;
                        }
                        true
                    })?)*
                    _ => false,
                }
            }
        }

        simd! {
            /// `out = rule(x, y, g)` over a block; false if the row has no loop.
            pub(crate) fn unary_rule_loop<T: Float>(op: Unary, xs: &[T], ys: &[T], gs: &[T], out: &mut [T]) -> bool {
                let n = out.len();
                let (xs, ys, gs) = (&xs[..n], &ys[..n], &gs[..n]);
                match op {
                    $($($(Unary::$Op => {
                        mark!($both);
                        for i in 0..n {
                            #[allow(unused_variables, reason = "no row reads all")]
                            let ($x, $y, $g) = (E(xs[i]), E(ys[i]), E(gs[i]));
                            out[i] = $d.0;
                        }
                        true
                    })?)?)*
                    _ => false,
                }
            }
        }

        simd! {
            /// `f(x)`; `other` computes the rows without code of their own.
            pub(crate) fn unary_number<T: Float>(op: Unary, x: T, other: fn(Unary, T) -> T) -> T {
                match op {
                    $($($(Unary::$Op => { mark!($both); let $x = E(x); $f.0 })?)?)*
                    _ => other(op, x),
                }
            }
        }

        simd! {
            /// `rule(x, y, g)`; `other` computes the rows without code of their own.
            pub(crate) fn unary_rule_number<T: Float>(op: Unary, x: T, y: T, g: T, other: fn(Unary, T, T, T) -> T) -> T {
                let given = (x, y, g);
                #[allow(unused_variables, reason = "no row reads all")]
                let ($x, $y, $g) = (E(x), E(y), E(g));
                match op {
                    $($($(Unary::$Op => { mark!($both); $d.0 })?)?)*
                    _ => other(op, given.0, given.1, given.2),
                }
            }
        }
    };
}

/// Rows `Name [y, d]: y, cotangent of a, cotangent of b;`, and rows `Name: y;` of masks, which take no cotangent.
macro_rules! binary {
    ($a:ident, $b:ident, $y:ident, $g:ident =>
     { $($Op:ident $([$loop:ident $(, $both:ident)?])? : $f:expr, $da:expr, $db:expr;)* }
     masks { $($Mask:ident : $m:expr;)* }) => {
        /// An elementwise function of two tensors that broadcast.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the row says it")]
        #[repr(u8)]
        pub enum Binary { $($Op,)* $($Mask),* }

        impl Binary {
            /// All rows of the table.
            pub const ALL: &'static [Binary] = &[$(Binary::$Op,)* $(Binary::$Mask),*];

            /// Whether cotangents flow through the function; false for a mask.
            ///
            /// ```
            /// use autograd::op::Binary;
            /// assert!(Binary::Mul.is_differentiable() && !Binary::Gt.is_differentiable());
            /// ```
            #[inline(always)]
            pub const fn is_differentiable(self) -> bool {
                match self { $(Binary::$Op)|* => true, $(Binary::$Mask)|* => false }
            }

            /// The value `y`.
            pub(super) fn f<S: Real>(self, a: S, b: S) -> S {
                let ($a, $b) = (E(a), E(b));
                match self { $(Binary::$Op => $f.0,)* $(Binary::$Mask => $m.0,)* }
            }

            /// The cotangent of one operand; zero for a mask.
            #[allow(unused_variables, reason = "no row reads all")]
            pub(super) fn rule<S: Real>(self, side: Side, a: S, b: S, y: S, g: S) -> S {
                let ($a, $b, $y, $g) = (E(a), E(b), E(y), E(g));
                match (self, side) {
                    $((Binary::$Op, Side::A) => $da.0, (Binary::$Op, Side::B) => $db.0,)*
                    $((Binary::$Mask, _))|* => $g.lit(0.0).0,
                }
            }
        }

        /// The rows as types.
        #[allow(missing_docs, reason = "the row says it")]
        pub mod binary_rows {
            use super::*;
            $(
                #[derive(Clone, Copy, Debug)]
                pub enum $Op {}

                impl BinaryRow for $Op {
                    const ROW: Binary = Binary::$Op;
                    #[inline(always)]
                    fn value<S: Real>(a: S, b: S) -> S {
                        let ($a, $b) = (E(a), E(b));
                        $f.0
                    }
                    #[inline(always)]
                    #[allow(unused_variables, reason = "no row reads all")]
                    fn cotangent_a<S: Real>(a: S, b: S, y: S, g: S) -> S {
                        let ($a, $b, $y, $g) = (E(a), E(b), E(y), E(g));
                        $da.0
                    }
                    #[inline(always)]
                    #[allow(unused_variables, reason = "no row reads all")]
                    fn cotangent_b<S: Real>(a: S, b: S, y: S, g: S) -> S {
                        let ($a, $b, $y, $g) = (E(a), E(b), E(y), E(g));
                        $db.0
                    }
                }
            )*
            $(
                #[derive(Clone, Copy, Debug)]
                pub enum $Mask {}

                impl BinaryRow for $Mask {
                    const ROW: Binary = Binary::$Mask;
                    #[inline(always)]
                    fn value<S: Real>(a: S, b: S) -> S {
                        let ($a, $b) = (E(a), E(b));
                        $m.0
                    }
                    #[inline(always)]
                    fn cotangent_a<S: Real>(_: S, _: S, _: S, g: S) -> S {
                        g.lit(0.0)
                    }
                    #[inline(always)]
                    fn cotangent_b<S: Real>(_: S, _: S, _: S, g: S) -> S {
                        g.lit(0.0)
                    }
                }
            )*
        }

        simd! {
            /// `out = f(a, b)` over a block; false if the row has no loop.
            pub(crate) fn binary_loop<T: Float>(op: Binary, xs: &[T], zs: &[T], out: &mut [T]) -> bool {
                let n = out.len();
                let (xs, zs) = (&xs[..n], &zs[..n]);
                match op {
                    $($(Binary::$Op => {
                        mark!($loop);
                        for i in 0..n {
                            let ($a, $b) = (E(xs[i]), E(zs[i]));
                            out[i] = $f.0;
                        }
                        true
                    })?)*
                    $(Binary::$Mask => {
                        for i in 0..n {
                            let ($a, $b) = (E(xs[i]), E(zs[i]));
                            out[i] = $m.0;
                        }
                        true
                    })*
                    _ => false,
                }
            }
        }

        simd! {
            /// `out = rule(a, b, y, g)` for one operand, over a block; false if the row has no loop.
            pub(crate) fn binary_rule_loop<T: Float>(op: Binary, side: Side, xs: &[T], zs: &[T], ys: &[T], gs: &[T], out: &mut [T]) -> bool {
                let n = out.len();
                let (xs, zs, ys, gs) = (&xs[..n], &zs[..n], &ys[..n], &gs[..n]);
                match (op, side) {
                    $($($(
                        (Binary::$Op, Side::A) => for i in 0..n {
                            mark!($both);
                            #[allow(unused_variables, reason = "no row reads all")]
                            let ($a, $b, $y, $g) = (E(xs[i]), E(zs[i]), E(ys[i]), E(gs[i]));
                            out[i] = $da.0;
                        },
                        (Binary::$Op, Side::B) => for i in 0..n {
                            #[allow(unused_variables, reason = "no row reads all")]
                            let ($a, $b, $y, $g) = (E(xs[i]), E(zs[i]), E(ys[i]), E(gs[i]));
                            out[i] = $db.0;
                        },
                    )?)?)*
                    _ => return false,
                }
                true
            }
        }

        simd! {
            /// `f(a, b)`; `other` computes the rows without code of their own.
            pub(crate) fn binary_number<T: Float>(op: Binary, a: T, b: T, other: fn(Binary, T, T) -> T) -> T {
                let given = (a, b);
                let ($a, $b) = (E(a), E(b));
                match op {
                    $($($(Binary::$Op => { mark!($both); $f.0 })?)?)*
                    _ => other(op, given.0, given.1),
                }
            }
        }

        simd! {
            /// `rule(a, b, y, g)` for one operand; `other` computes the rows without code of their own.
            pub(crate) fn binary_rule_number<T: Float>(op: Binary, side: Side, a: T, b: T, y: T, g: T, other: fn(Binary, Side, T, T, T, T) -> T) -> T {
                let given = (a, b, y, g);
                #[allow(unused_variables, reason = "no row reads all")]
                let ($a, $b, $y, $g) = (E(a), E(b), E(y), E(g));
                match (op, side) {
                    $($($((Binary::$Op, Side::A) => { mark!($both); $da.0 } (Binary::$Op, Side::B) => $db.0,)?)?)*
                    _ => other(op, side, given.0, given.1, given.2, given.3),
                }
            }
        }
    };
}

/// Repeats an arm for the rows that have this mark.
macro_rules! mark {
    ($mark:ident) => {};
}

pub(super) use {binary, mark, unary};
