//! `approx`: comparisons with a tolerance, of the values.

use crate::dual::Dual;
use crate::number::{Chain, Scalar};
use crate::rec::Rec;
use crate::tape::Recorded;
use crate::taylor::Taylor;
use approx::{AbsDiffEq, RelativeEq, UlpsEq};

macro_rules! approx_traits {
    ([$($p:tt)*] $X:ty, $T:ty) => {
        impl<$($p)*> AbsDiffEq for $X {
            type Epsilon = $X;
            fn default_epsilon() -> $X {
                Chain::constant(<$T>::default_epsilon())
            }
            fn abs_diff_eq(&self, b: &$X, epsilon: $X) -> bool {
                self.part().abs_diff_eq(&b.part(), epsilon.part())
            }
        }

        impl<$($p)*> RelativeEq for $X {
            fn default_max_relative() -> $X {
                Chain::constant(<$T>::default_max_relative())
            }
            fn relative_eq(&self, b: &$X, epsilon: $X, max_relative: $X) -> bool {
                self.part().relative_eq(&b.part(), epsilon.part(), max_relative.part())
            }
        }

        impl<$($p)*> UlpsEq for $X {
            fn default_max_ulps() -> u32 {
                <$T>::default_max_ulps()
            }
            fn ulps_eq(&self, b: &$X, epsilon: $X, max_ulps: u32) -> bool {
                self.part().ulps_eq(&b.part(), epsilon.part(), max_ulps)
            }
        }
    };
}
approx_traits!([T: Scalar + RelativeEq<Epsilon = T> + UlpsEq, const N: usize] Dual<T, N>, T);
approx_traits!([T: Scalar + RelativeEq<Epsilon = T> + UlpsEq, const K: usize] Taylor<T, K>, T);
approx_traits!([T: Recorded + RelativeEq<Epsilon = T> + UlpsEq] Rec<T>, T);
