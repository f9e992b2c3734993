//! The operators `+ - * /` and unary minus for tensors and variables, with plain numbers on either side.

use crate::float::Float;
use crate::op::{Binary, Unary};
use crate::tape::Var;
use crate::tensor::Tensor;
use crate::value::Value;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// Implements the operators between two operand types, each first turned into a reference to a value.
macro_rules! operator {
    ([$($generics:tt)*] $A:ty, $B:ty => $Out:ty, |$a:ident, $b:ident| $lhs:expr, $rhs:expr) => {
        operator!(@all [$($generics)*] $A, $B => $Out, |$a, $b| $lhs, $rhs; Add add, Sub sub, Mul mul, Div div);
    };
    (@all $generics:tt $A:ty, $B:ty => $Out:ty, |$a:ident, $b:ident| $lhs:expr, $rhs:expr; $($Trait:ident $f:ident),*) => {
        $( operator!(@one $generics $A, $B => $Out, |$a, $b| $lhs, $rhs; $Trait $f); )*
    };
    (@one [$($generics:tt)*] $A:ty, $B:ty => $Out:ty, |$a:ident, $b:ident| $lhs:expr, $rhs:expr; $Trait:ident $f:ident) => {
        impl<$($generics)*> $Trait<$B> for $A {
            type Output = $Out;
            #[track_caller]
            #[inline]
            fn $f(self, $b: $B) -> $Out {
                let $a = self;
                Value::binary(Binary::$Trait, $lhs, $rhs)
            }
        }
    };
}

operator!(['t, T: Float] Var<'t, T>, Var<'t, T> => Var<'t, T>, |a, b| &a, &b);
operator!(['t, T: Float] Var<'t, T>, T => Var<'t, T>, |a, b| &a, &a.number(b));
operator!([T: Float] Tensor<T>, Tensor<T> => Tensor<T>, |a, b| &a, &b);
operator!([T: Float] Tensor<T>, &Tensor<T> => Tensor<T>, |a, b| &a, b);
operator!([T: Float] &Tensor<T>, Tensor<T> => Tensor<T>, |a, b| a, &b);
operator!([T: Float] &Tensor<T>, &Tensor<T> => Tensor<T>, |a, b| a, b);
operator!([T: Float] Tensor<T>, T => Tensor<T>, |a, b| &a, &Tensor::scalar(b));
operator!([T: Float] &Tensor<T>, T => Tensor<T>, |a, b| a, &Tensor::scalar(b));

macro_rules! numbers_first { ($($t:ident)*) => { $(
    operator!(['t] $t, Var<'t, $t> => Var<'t, $t>, |a, b| &b.number(a), &b);
    operator!([] $t, Tensor<$t> => Tensor<$t>, |a, b| &Tensor::scalar(a), &b);
    operator!([] $t, &Tensor<$t> => Tensor<$t>, |a, b| &Tensor::scalar(a), b);
)* } }
numbers_first!(f32 f64);

macro_rules! negation { ($([$($generics:tt)*] $V:ty => $Out:ty, |$x:ident| $ref:expr;)*) => { $(
    impl<$($generics)*> Neg for $V {
        type Output = $Out;
        #[track_caller]
        fn neg(self) -> $Out {
            let $x = self;
            Value::unary($ref, Unary::Neg)
        }
    }
)* } }
negation! {
    ['t, T: Float] Var<'t, T> => Var<'t, T>, |x| &x;
    [T: Float] Tensor<T> => Tensor<T>, |x| &x;
    [T: Float] &Tensor<T> => Tensor<T>, |x| x;
}
