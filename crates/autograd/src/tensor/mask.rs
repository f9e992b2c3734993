//! Masks: tensors of `bool`, the results of comparisons and the conditions of selections.

use super::layout::broadcast;
use super::{Result, Tensor};
use crate::error::or_panic;
use crate::float::Element;
use std::ops::{BitAnd, BitOr, BitXor, Not};

/// Applies `f` to the elements of two tensors, broadcast together.
pub(crate) fn try_zip<T: Element, U: Element>(
    op: &'static str,
    a: &Tensor<T>,
    b: &Tensor<T>,
    f: impl Fn(T, T) -> U,
) -> Result<Tensor<U>> {
    let shape = broadcast(op, a.shape(), b.shape())?;
    super::layout::room(op, &shape)?;
    if shape.contains(&0) {
        return Ok(Tensor::build(&shape, |_| ()));
    }
    let (a, b) = (a.broadcast_view(&shape), b.broadcast_view(&shape));
    Ok(Tensor::build(&shape, |out| match (a.as_slice(), b.as_slice()) {
        (Some(a), Some(b)) => out.iter_mut().zip(a).zip(b).for_each(|((o, &a), &b)| *o = f(a, b)),
        _ => out.iter_mut().zip(a.iter()).zip(b.iter()).for_each(|((o, a), b)| *o = f(a, b)),
    }))
}

macro_rules! connectives {
    ($($(#[$doc:meta])* $name:ident, $try:ident, $Trait:ident $method:ident $op:tt;)*) => {
        impl Tensor<bool> { $(
            $(#[$doc])*
            ///
            /// # Panics
            #[doc = concat!("If the shapes do not broadcast; [`", stringify!($try), "`](Self::", stringify!($try), ") returns the error.")]
            #[track_caller]
            pub fn $name(&self, b: &Tensor<bool>) -> Tensor<bool> {
                or_panic(self.$try(b))
            }

            #[doc = concat!("As [`", stringify!($name), "`](Self::", stringify!($name), "), or an error if the shapes do not broadcast.")]
            pub fn $try(&self, b: &Tensor<bool>) -> Result<Tensor<bool>> {
                try_zip(stringify!($name), self, b, |a, b| a $op b)
            }
        )* }
        $(connectives!(@operator $Trait $method $name: Tensor<bool>, Tensor<bool>; Tensor<bool>, &Tensor<bool>; &Tensor<bool>, Tensor<bool>; &Tensor<bool>, &Tensor<bool>);)*
    };
    (@operator $Trait:ident $method:ident $name:ident: $($A:ty, $B:ty);*) => { $(
        impl $Trait<$B> for $A {
            type Output = Tensor<bool>;
            #[track_caller]
            fn $method(self, b: $B) -> Tensor<bool> {
                let (a, b): (&Tensor<bool>, &Tensor<bool>) = (std::borrow::Borrow::borrow(&self), std::borrow::Borrow::borrow(&b));
                a.$name(b)
            }
        }
    )* };
}

connectives! {
    /// Logical AND of the elements, broadcast; also written `&a & &b`.
    ///
    /// ```
    /// # use autograd::tensor;
    /// assert_eq!(tensor![true, true, false].and(&tensor![true, false, false]), tensor![true, false, false]);
    /// ```
    and, try_and, BitAnd bitand &;
    /// Logical OR of the elements, broadcast; also written `&a | &b`.
    ///
    /// ```
    /// # use autograd::tensor;
    /// assert_eq!(tensor![true, true, false].or(&tensor![true, false, false]), tensor![true, true, false]);
    /// ```
    or, try_or, BitOr bitor |;
    /// Logical XOR of the elements, broadcast; also written `&a ^ &b`.
    ///
    /// ```
    /// # use autograd::tensor;
    /// assert_eq!(tensor![true, true, false].xor(&tensor![true, false, false]), tensor![false, true, false]);
    /// ```
    xor, try_xor, BitXor bitxor ^;
}

impl Tensor<bool> {
    /// Whether any element is `true`; `false` for an empty tensor.
    ///
    /// ```
    /// assert!(autograd::tensor![false, true].any());
    /// ```
    pub fn any(&self) -> bool {
        self.iter().any(|holds| holds)
    }

    /// Whether all elements are `true`; `true` for an empty tensor.
    ///
    /// ```
    /// assert!(!autograd::tensor![false, true].all());
    /// ```
    pub fn all(&self) -> bool {
        self.iter().all(|holds| holds)
    }

    /// The number of elements that are `true`.
    ///
    /// ```
    /// assert_eq!(autograd::tensor![[1.0, 5.0], [3.0, 0.0]].is_ge(3.0).count(), 2);
    /// ```
    pub fn count(&self) -> usize {
        self.iter().filter(|&holds| holds).count()
    }
}

impl Not for &Tensor<bool> {
    type Output = Tensor<bool>;
    fn not(self) -> Tensor<bool> {
        self.map(|holds| !holds)
    }
}

impl Not for Tensor<bool> {
    type Output = Tensor<bool>;
    fn not(self) -> Tensor<bool> {
        !&self
    }
}
