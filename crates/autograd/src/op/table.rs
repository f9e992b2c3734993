//! Expands the two tables of [`elementwise`](super::elementwise). Each row yields (1) the variant of the enum, (2) `f`
//! and the rules over any [`Real`]: numbers, recorded variables, symbols, and (3) `map` and the fused rule kernels: one
//! monomorphic loop per row over blocks of numbers, compiled for each CPU level that the [`simd!`](crate::kernel::isa)
//! macro supports.

/// Rows `Name: y, cotangent of x;`.
macro_rules! unary {
    ($x:ident, $y:ident, $g:ident => $($Op:ident : $f:expr, $d:expr;)*) => {
        /// An elementwise function of one tensor.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the row says it")]
        #[repr(u8)]
        pub enum Unary { $($Op),* }

        impl Unary {
            /// All rows of the table.
            pub const ALL: &'static [Unary] = &[$(Unary::$Op),*];

            /// The value `y`.
            #[inline(always)]
            pub fn f<S: $crate::float::Real>(self, x: S) -> S {
                let $x = $crate::float::E(x);
                match self { $(Unary::$Op => $f.0,)* }
            }

            /// The cotangent of `x`.
            #[inline(always)]
            #[allow(unused_variables, reason = "no row reads all")]
            pub fn rule<S: $crate::float::Real>(self, x: S, y: S, g: S) -> S {
                let ($x, $y, $g) = ($crate::float::E(x), $crate::float::E(y), $crate::float::E(g));
                match self { $(Unary::$Op => $d.0,)* }
            }
        }

        $crate::kernel::isa::simd! {
            /// `out = f(x)` over a block.
            pub(crate) fn unary_map<T: Float>(op: Unary, xs: &[T], out: &mut [T]) {
                match op { $(Unary::$Op => for (o, &x) in out.iter_mut().zip(xs) {
                    let $x = $crate::float::E(x);
                    *o = $f.0;
                },)* }
            }
        }

        $crate::kernel::isa::simd! {
            /// `out = rule(x, y, g)` over a block.
            pub(super) fn unary_rule<T: Float>(op: Unary, xs: &[T], ys: &[T], gs: &[T], out: &mut [T]) {
                match op { $(Unary::$Op => for (((o, &x), &y), &g) in out.iter_mut().zip(xs).zip(ys).zip(gs) {
                    #[allow(unused_variables, reason = "no row reads all")]
                    let ($x, $y, $g) = ($crate::float::E(x), $crate::float::E(y), $crate::float::E(g));
                    *o = $d.0;
                },)* }
            }
        }
    };
}

/// Rows `Name: y, cotangent of a, cotangent of b;`, or `Name: y;` for a mask.
macro_rules! binary {
    ($a:ident, $b:ident, $y:ident, $g:ident => $($Op:ident : $f:expr $(, $da:expr, $db:expr)?;)*) => {
        /// An elementwise function of two tensors that broadcast.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the row says it")]
        #[repr(u8)]
        pub enum Binary { $($Op),* }

        impl Binary {
            /// All rows of the table.
            pub const ALL: &'static [Binary] = &[$(Binary::$Op),*];

            /// Whether cotangents flow through the function; false for a mask.
            pub fn is_differentiable(self) -> bool {
                match self {
                    $(Binary::$Op => {
                        const RULES: &[&str] = &[$(stringify!($da))?];
                        !RULES.is_empty()
                    })*
                }
            }

            /// The value `y`.
            #[inline(always)]
            pub fn f<S: $crate::float::Real>(self, a: S, b: S) -> S {
                let ($a, $b) = ($crate::float::E(a), $crate::float::E(b));
                match self { $(Binary::$Op => $f.0,)* }
            }

            /// The cotangent of one operand; zero for a mask.
            #[inline(always)]
            #[allow(unused_variables, reason = "no row reads all")]
            pub fn rule<S: $crate::float::Real>(self, side: Side, a: S, b: S, y: S, g: S) -> S {
                let ($a, $b, $y, $g) = ($crate::float::E(a), $crate::float::E(b), $crate::float::E(y), $crate::float::E(g));
                match (self, side) {
                    $($((Binary::$Op, Side::A) => $da.0, (Binary::$Op, Side::B) => $db.0,)?)*
                    _ => $g.lit(0.0).0,
                }
            }
        }

        $crate::kernel::isa::simd! {
            /// `out = f(a, b)` over a block.
            pub(crate) fn binary_map<T: Float>(op: Binary, xs: &[T], zs: &[T], out: &mut [T]) {
                match op { $(Binary::$Op => for ((o, &a), &b) in out.iter_mut().zip(xs).zip(zs) {
                    let ($a, $b) = ($crate::float::E(a), $crate::float::E(b));
                    *o = $f.0;
                },)* }
            }
        }

        $crate::kernel::isa::simd! {
            /// `out = rule(a, b, y, g)` for one operand, over a block.
            pub(super) fn binary_rule<T: Float>(op: Binary, side: Side, xs: &[T], zs: &[T], ys: &[T], gs: &[T], out: &mut [T]) {
                let rows = out.iter_mut().zip(xs).zip(zs).zip(ys).zip(gs);
                match (op, side) {
                    $($(
                        (Binary::$Op, Side::A) => for ((((o, &a), &b), &y), &g) in rows {
                            #[allow(unused_variables, reason = "no row reads all")]
                            let ($a, $b, $y, $g) = ($crate::float::E(a), $crate::float::E(b), $crate::float::E(y), $crate::float::E(g));
                            *o = $da.0;
                        },
                        (Binary::$Op, Side::B) => for ((((o, &a), &b), &y), &g) in rows {
                            #[allow(unused_variables, reason = "no row reads all")]
                            let ($a, $b, $y, $g) = ($crate::float::E(a), $crate::float::E(b), $crate::float::E(y), $crate::float::E(g));
                            *o = $db.0;
                        },
                    )?)*
                    _ => out.fill(T::zero()),
                }
            }
        }
    };
}

pub(super) use {binary, unary};
