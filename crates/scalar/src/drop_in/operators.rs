//! The operators of `std`.

/// Passes parameters, a type, what its value is, and one operator at a time to another macro.
macro_rules! operators {
    ($callback:ident, [$($p:tt)*] $X:ty, $T:ty) => {
        $callback!([$($p)*] $X, $T, Add add AddAssign add_assign Add);
        $callback!([$($p)*] $X, $T, Sub sub SubAssign sub_assign Sub);
        $callback!([$($p)*] $X, $T, Mul mul MulAssign mul_assign Mul);
        $callback!([$($p)*] $X, $T, Div div DivAssign div_assign Div);
        $callback!([$($p)*] $X, $T, Rem rem RemAssign rem_assign Fmod);
    };
}
pub(crate) use operators;

/// An operator between two numbers, and between a number and a constant on its right.
macro_rules! operator {
    ([$($p:tt)*] $X:ty, $T:ty, $Op:ident $op:ident $Assign:ident $assign:ident $Row:ident) => {
        impl<$($p)*> std::ops::$Op for $X {
            type Output = $X;
            #[track_caller]
            #[inline(always)]
            fn $op(self, b: $X) -> $X {
                Chain::binary::<row::$Row>(self, b)
            }
        }

        impl<$($p)*> std::ops::$Op<$T> for $X {
            type Output = $X;
            #[track_caller]
            #[inline(always)]
            fn $op(self, b: $T) -> $X {
                Chain::before::<row::$Row>(self, b)
            }
        }

        impl<$($p)*> std::ops::$Op<&$X> for $X {
            type Output = $X;
            #[track_caller]
            #[inline(always)]
            fn $op(self, b: &$X) -> $X {
                std::ops::$Op::$op(self, *b)
            }
        }

        impl<$($p)*> std::ops::$Op<$X> for &$X {
            type Output = $X;
            #[track_caller]
            #[inline(always)]
            fn $op(self, b: $X) -> $X {
                std::ops::$Op::$op(*self, b)
            }
        }

        impl<$($p)*> std::ops::$Op<&$X> for &$X {
            type Output = $X;
            #[track_caller]
            #[inline(always)]
            fn $op(self, b: &$X) -> $X {
                std::ops::$Op::$op(*self, *b)
            }
        }

        impl<$($p)*> std::ops::$Assign for $X {
            #[track_caller]
            #[inline(always)]
            fn $assign(&mut self, b: $X) {
                *self = std::ops::$Op::$op(*self, b);
            }
        }

        impl<$($p)*> std::ops::$Assign<&$X> for $X {
            #[track_caller]
            #[inline(always)]
            fn $assign(&mut self, b: &$X) {
                *self = std::ops::$Op::$op(*self, *b);
            }
        }

        impl<$($p)*> std::ops::$Assign<$T> for $X {
            #[track_caller]
            #[inline(always)]
            fn $assign(&mut self, b: $T) {
                *self = std::ops::$Op::$op(*self, b);
            }
        }
    };
}
pub(crate) use operator;

/// An operator with a plain number on its left.
macro_rules! left_operator {
    ([$($p:tt)*] $X:ty, $t:ty, $Op:ident $op:ident $Assign:ident $assign:ident $Row:ident) => {
        impl<$($p)*> std::ops::$Op<$X> for $t {
            type Output = $X;
            #[track_caller]
            #[inline(always)]
            fn $op(self, b: $X) -> $X {
                Chain::after::<row::$Row>(b, self.into())
            }
        }
    };
}
pub(crate) use left_operator;

/// An operator with a plain number on its right, for numbers of numbers.
macro_rules! right_operator {
    ([$($p:tt)*] $X:ty, $t:ty, $Op:ident $op:ident $Assign:ident $assign:ident $Row:ident) => {
        impl<$($p)*> std::ops::$Op<$t> for $X {
            type Output = $X;
            #[track_caller]
            #[inline(always)]
            fn $op(self, b: $t) -> $X {
                Chain::before::<row::$Row>(self, b.into())
            }
        }

        impl<$($p)*> std::ops::$Assign<$t> for $X {
            #[track_caller]
            #[inline(always)]
            fn $assign(&mut self, b: $t) {
                *self = std::ops::$Op::$op(*self, b);
            }
        }
    };
}
pub(crate) use right_operator;

/// Operators of numbers over `f32` and `f64` with plain numbers, which numbers over numbers with derivatives have too.
macro_rules! plain_operands {
    ($X:ident; $($t:ident)*) => { $(
        operators!(left_operator, [const N: usize] $X<$t, N>, $t);
        plain_operands!(@ [const N: usize, const M: usize] $X<crate::Dual<$t, M>, N>, $t);
        plain_operands!(@ [const N: usize, const M: usize] $X<crate::Taylor<$t, M>, N>, $t);
        plain_operands!(@ [const N: usize] $X<crate::Rec<$t>, N>, $t);
    )* };
    (@ [$($p:tt)*] $X:ty, $t:ident) => {
        operators!(left_operator, [$($p)*] $X, $t);
        operators!(right_operator, [$($p)*] $X, $t);

        impl<$($p)*> From<$t> for $X {
            fn from(c: $t) -> Self {
                Self::constant(c.into())
            }
        }

        /// Compares the value.
        impl<$($p)*> PartialEq<$t> for $X {
            fn eq(&self, b: &$t) -> bool {
                Chain::part(*self) == *b
            }
        }

        /// Compares the value.
        impl<$($p)*> PartialOrd<$t> for $X {
            fn partial_cmp(&self, b: &$t) -> Option<std::cmp::Ordering> {
                Chain::part(*self).partial_cmp(b)
            }
        }
    };
}
pub(crate) use plain_operands;
