//! Comparisons that return a mask, and selections that take one. A mask has no derivative; a selection passes derivatives
//! to the selected elements. Comparing tensors gives a `Tensor<bool>`; comparing variables records a [`Mask`], which a
//! program recomputes in every run.

use crate::error::{Result, or_panic};
use crate::float::{Element, Float};
use crate::op::{Binary, Op};
use crate::tape::{Mask, Var};
use crate::tensor::Tensor;
use crate::tensor::layout::broadcast;
use crate::tensor::mask::try_zip;
use crate::value::Value;

/// The right-hand side of a comparison with a `V`: a number, a tensor or, for variables, a variable.
///
/// ```
/// use autograd::{Tape, tensor};
/// let x = tensor![1.0, 2.0, 3.0];
/// assert_eq!(x.is_gt(1.5), tensor![false, true, true]); // with a number
/// assert_eq!(x.is_lt(tensor![2.0, 2.0, 2.0]), tensor![true, false, false]); // or with a tensor
/// assert_eq!(autograd::Compared::beside(1.5, &x), autograd::Tensor::scalar(1.5));
/// ```
pub trait Compared<V> {
    /// The value to compare `x` with.
    fn beside(self, x: &V) -> V;
}

macro_rules! compared { ($([$($generics:tt)*] $B:ty => $V:ty, |$b:ident, $x:ident| $value:expr;)*) => { $(
    impl<$($generics)*> Compared<$V> for $B {
        #[allow(unused_variables, reason = "a tensor needs no tape")]
        #[track_caller]
        fn beside(self, $x: &$V) -> $V {
            let $b = self;
            $value
        }
    }
)* } }

compared! {
    [T: Element] T => Tensor<T>, |b, x| Tensor::scalar(b);
    [T: Element] Tensor<T> => Tensor<T>, |b, x| b;
    [T: Element] &Tensor<T> => Tensor<T>, |b, x| b.clone();
    ['t, T: Float] T => Var<'t, T>, |b, x| x.number(b);
    ['t, T: Float] Tensor<T> => Var<'t, T>, |b, x| x.constant(b);
    ['t, T: Float] &Tensor<T> => Var<'t, T>, |b, x| x.constant(b.clone());
    ['t, T: Float] Var<'t, T> => Var<'t, T>, |b, x| b;
    ['t, T: Float] &Var<'t, T> => Var<'t, T>, |b, x| *b;
}

/// The methods of all comparisons. `$recorded` is the recorded form: a function of the operands `a` and `b`.
macro_rules! comparisons {
    ($V:ty, $Mask:ty, $by:ident; $($(#[$doc:meta])* $name:ident, $try:ident, $op:tt, |$a:ident, $b:ident| $recorded:expr;)*) => { $(
        $(#[$doc])*
        /// # Panics
        #[doc = concat!("If the shapes do not broadcast; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $name(&self, b: impl Compared<$V>) -> $Mask {
            or_panic(self.$try(b))
        }

        #[doc = concat!("Like [`", stringify!($name), "`](Self::", stringify!($name), "), but returns the error.")]
        #[track_caller]
        pub fn $try(&self, b: impl Compared<$V>) -> Result<$Mask> {
            let ($a, $b) = (self, &b.beside(self));
            comparisons!(@$by $name, $a, $b, $op, $recorded)
        }
    )* };
    (@computed $name:ident, $a:ident, $b:ident, $op:tt, $recorded:expr) => {
        try_zip(stringify!($name), $a, $b, |a, b| a $op b)
    };
    (@recorded $name:ident, $a:ident, $b:ident, $op:tt, $recorded:expr) => {
        {
            broadcast(stringify!($name), &$a.shape(), &$b.shape())?;
            $recorded
        }
    };
    ($V:ty, $Mask:ty, $by:ident) => {
        comparisons! { $V, $Mask, $by;
            /// Mask of a > b, with broadcasting.
            ///
            /// ```
            /// # use autograd::{Tape, tensor};
            /// assert_eq!(tensor![1.0, 2.0, f64::NAN].is_gt(1.5), tensor![false, true, false]);
            /// let tape = Tape::<f64>::new();
            /// assert_eq!(tape.var([1.0, 2.0]).is_gt(1.5).value(), tensor![false, true]);
            /// ```
            is_gt, try_is_gt, >, |a, b| Mask::try_of(Binary::Gt, a, b);
            /// Mask of a ≥ b, with broadcasting.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0, f64::NAN].is_ge(2.0), tensor![false, true, false]);
            /// ```
            is_ge, try_is_ge, >=, |a, b| Mask::try_of(Binary::Ge, a, b);
            /// Mask of a < b, with broadcasting.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0, f64::NAN].is_lt(2.0), tensor![true, false, false]);
            /// ```
            is_lt, try_is_lt, <, |a, b| Mask::try_of(Binary::Gt, b, a);
            /// Mask of a ≤ b, with broadcasting.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0, f64::NAN].is_le(2.0), tensor![true, true, false]);
            /// ```
            is_le, try_is_le, <=, |a, b| Mask::try_of(Binary::Ge, b, a);
            /// Mask of a = b, with broadcasting. NaN equals nothing.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0, f64::NAN].is_eq(2.0), tensor![false, true, false]);
            /// ```
            is_eq, try_is_eq, ==, |a, b| Mask::try_of(Binary::Eq, a, b);
            /// Mask of a ≠ b, with broadcasting. NaN differs from everything.
            ///
            /// ```
            /// # use autograd::tensor;
            /// assert_eq!(tensor![1.0, 2.0, f64::NAN].is_ne(2.0), tensor![true, false, true]);
            /// ```
            #[doc(alias = "ne")]
            is_ne, try_is_ne, !=, |a, b| Ok(!Mask::try_of(Binary::Eq, a, b)?);
        }
    };
}

impl<T: Element> Tensor<T> {
    comparisons!(Tensor<T>, Tensor<bool>, computed);
}

impl<'t, T: Float> Var<'t, T> {
    comparisons!(Var<'t, T>, Mask<'t, T>, recorded);
}

impl Tensor<bool> {
    /// Selects `a` where this mask holds, else `b`. Both are tensors or variables; all three broadcast. Elements that
    /// are not selected do not affect the value, even if they are NaN: this is a selection, not a multiplication by
    /// zero. In the backward pass they get the cotangent 0, which an infinite derivative turns into NaN; to avoid this,
    /// also mask the input of such a function.
    ///
    /// ```
    /// # use autograd::tensor;
    /// let (x, root) = (tensor![4.0, -4.0], tensor![4.0, -4.0].sqrt());
    /// assert_eq!(x.is_ge(0.0).choose(&root, &x), tensor![2.0, -4.0]);
    /// ```
    /// # Panics
    /// If the shapes do not broadcast; [`try_choose`](Self::try_choose) returns the error.
    #[track_caller]
    pub fn choose<T: Float, V: Value<T>>(&self, a: &V, b: &V) -> V {
        or_panic(self.try_choose(a, b))
    }

    /// Like [`choose`](Self::choose), but returns an error if the shapes do not broadcast.
    #[track_caller]
    pub fn try_choose<T: Float, V: Value<T>>(&self, a: &V, b: &V) -> Result<V> {
        V::try_apply(Op::Select, &[&a.constant(self.indicator()), a, b])
    }

    /// 1 where the mask holds, else 0.
    ///
    /// ```
    /// assert_eq!(autograd::tensor![true, false].indicator(), autograd::tensor![1.0, 0.0]);
    /// ```
    pub fn indicator<T: Float>(&self) -> Tensor<T> {
        self.map(|holds| if holds { T::one() } else { T::zero() })
    }
}
