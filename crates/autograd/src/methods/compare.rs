//! Comparisons that return a [mask](Tensor<bool>), and selections that take one. A mask has no derivative: comparing
//! records nothing, and a selection passes derivatives to the selected elements.

use crate::error::{Result, or_panic};
use crate::float::{Element, Float};
use crate::op::Op;
use crate::tape::Var;
use crate::tensor::Tensor;
use crate::tensor::mask::try_zip;
use crate::value::Value;

/// The right-hand side of a comparison: a number, a tensor or a variable.
pub trait Compared<T: Element> {
    /// The numbers to compare with.
    fn numbers(self) -> Tensor<T>;
}

impl<T: Element> Compared<T> for T {
    fn numbers(self) -> Tensor<T> {
        Tensor::scalar(self)
    }
}

impl<T: Element> Compared<T> for Tensor<T> {
    fn numbers(self) -> Tensor<T> {
        self
    }
}

impl<T: Element> Compared<T> for &Tensor<T> {
    fn numbers(self) -> Tensor<T> {
        self.clone()
    }
}

impl<T: Float> Compared<T> for Var<'_, T> {
    fn numbers(self) -> Tensor<T> {
        self.value()
    }
}

impl<T: Float> Compared<T> for &Var<'_, T> {
    fn numbers(self) -> Tensor<T> {
        self.value()
    }
}

macro_rules! comparisons {
    ($T:ident; $($(#[$doc:meta])* $name:ident, $try:ident, $op:tt = $expected:literal;)*) => { $(
        $(#[$doc])*
        ///
        /// ```
        /// # use autograd::tensor;
        #[doc = concat!("assert_eq!(tensor![1.0, 2.0, f64::NAN].", stringify!($name), "(2.0), tensor![", $expected, "]);")]
        /// ```
        /// # Panics
        #[doc = concat!("If the shapes do not broadcast; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
        #[track_caller]
        pub fn $name(&self, b: impl Compared<$T>) -> Tensor<bool> {
            or_panic(self.$try(b))
        }

        #[doc = concat!("Like [`", stringify!($name), "`](Self::", stringify!($name), "), but returns the error.")]
        pub fn $try(&self, b: impl Compared<$T>) -> Result<Tensor<bool>> {
            try_zip(stringify!($name), &self.numbers(), &b.numbers(), |a, b| a $op b)
        }
    )* };
    ($T:ident) => {
        comparisons! { $T;
            /// Mask of a > b, with broadcasting.
            is_gt, try_is_gt, > = "false, false, false";
            /// Mask of a ≥ b, with broadcasting.
            is_ge, try_is_ge, >= = "false, true, false";
            /// Mask of a < b, with broadcasting.
            is_lt, try_is_lt, < = "true, false, false";
            /// Mask of a ≤ b, with broadcasting.
            is_le, try_is_le, <= = "true, true, false";
            /// Mask of a = b, with broadcasting.
            is_eq, try_is_eq, == = "false, true, false";
            /// Mask of a ≠ b, with broadcasting. NaN differs from everything.
            is_ne, try_is_ne, != = "true, false, true";
        }
    };
}

impl<T: Element> Tensor<T> {
    comparisons!(T);
}

impl<T: Float> Var<'_, T> {
    comparisons!(T);
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
