//! The vector space of the optimizers of the crate `argmin`: tensors of any shape are points and gradients, tensors with two
//! axes are Jacobians and Hessians.

use crate::tensor::Tensor;
use argmin_math::{
    ArgminAdd, ArgminConj, ArgminDiv, ArgminDot, ArgminEye, ArgminL1Norm, ArgminL2Norm, ArgminMinMax, ArgminMul,
    ArgminSignum, ArgminSub, ArgminTranspose, ArgminZeroLike,
};

/// `a op b`, of two tensors, of a tensor and a number, and of a number and a tensor.
macro_rules! arithmetic {
    ($t:ident: $($Trait:ident $name:ident $op:tt;)*) => { $(
        impl $Trait<Tensor<$t>, Tensor<$t>> for Tensor<$t> {
            #[track_caller]
            fn $name(&self, other: &Tensor<$t>) -> Tensor<$t> {
                self $op other
            }
        }
        impl $Trait<$t, Tensor<$t>> for Tensor<$t> {
            fn $name(&self, other: &$t) -> Tensor<$t> {
                self $op *other
            }
        }
        impl $Trait<Tensor<$t>, Tensor<$t>> for $t {
            fn $name(&self, other: &Tensor<$t>) -> Tensor<$t> {
                *self $op other
            }
        }
    )* };
}

macro_rules! vector_space {
    ($($t:ident)*) => { $(
        arithmetic! { $t:
            ArgminAdd add +;
            ArgminSub sub -;
            ArgminMul mul *;
            ArgminDiv div /;
        }

        /// Σ a b over all elements.
        impl ArgminDot<Tensor<$t>, $t> for Tensor<$t> {
            #[track_caller]
            fn dot(&self, other: &Tensor<$t>) -> $t {
                (self * other).sum().item()
            }
        }

        /// The outer product of two vectors, a bᵀ; otherwise the matrix product.
        impl ArgminDot<Tensor<$t>, Tensor<$t>> for Tensor<$t> {
            #[track_caller]
            fn dot(&self, other: &Tensor<$t>) -> Tensor<$t> {
                match [self.rank(), other.rank()] {
                    [1, 1] => self.reshape(&[self.len(), 1]) * other,
                    _ => self.matmul(other),
                }
            }
        }

        /// a x
        impl ArgminDot<$t, Tensor<$t>> for Tensor<$t> {
            fn dot(&self, other: &$t) -> Tensor<$t> {
                self * *other
            }
        }

        /// Σ |x|
        impl ArgminL1Norm<$t> for Tensor<$t> {
            fn l1_norm(&self) -> $t {
                self.abs().sum().item()
            }
        }

        /// √Σ x²
        impl ArgminL2Norm<$t> for Tensor<$t> {
            fn l2_norm(&self) -> $t {
                self.square().sum().sqrt().item()
            }
        }

        impl ArgminZeroLike for Tensor<$t> {
            fn zero_like(&self) -> Self {
                Tensor::zeros(self.shape())
            }
        }

        impl ArgminEye for Tensor<$t> {
            fn eye(n: usize) -> Self {
                Tensor::from_fn(&[n, n], |at| if at[0] == at[1] { 1.0 } else { 0.0 })
            }
            fn eye_like(&self) -> Self {
                Self::eye(self.shape().first().copied().unwrap_or(1))
            }
        }

        /// Real numbers are their own conjugates.
        impl ArgminConj for Tensor<$t> {
            fn conj(&self) -> Self {
                self.clone()
            }
        }

        impl ArgminTranspose<Tensor<$t>> for Tensor<$t> {
            fn t(self) -> Tensor<$t> {
                Tensor::t(&self)
            }
        }

        /// Element by element.
        impl ArgminMinMax for Tensor<$t> {
            #[track_caller]
            fn min(x: &Self, y: &Self) -> Self {
                x.minimum(y)
            }
            #[track_caller]
            fn max(x: &Self, y: &Self) -> Self {
                x.maximum(y)
            }
        }

        /// ±1, also for ±0, as `f64::signum`.
        impl ArgminSignum for Tensor<$t> {
            fn signum(self) -> Self {
                self.map($t::signum)
            }
        }

        /// The inverse of a matrix, or an error if it is singular.
        #[cfg(feature = "linalg")]
        impl argmin_math::ArgminInv<Tensor<$t>> for Tensor<$t> {
            fn inv(&self) -> Result<Tensor<$t>, argmin_math::Error> {
                Ok(self.try_inv()?)
            }
        }
    )* };
}
vector_space!(f32 f64);
