//! Fourier transforms: their names, shape rule and cost. All are linear; `rules/fourier` has their transposes.

use super::shape::{checked, mismatch};
use crate::error::{Error, Result};
pub use crate::kernel::fourier::Transform;
use crate::tensor::Shape;

impl Transform {
    /// The name, as in methods and errors.
    ///
    /// ```
    /// assert_eq!(autograd::op::Transform::Real.name(), "rfft");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Transform::Forward => "fft",
            Transform::Backward => "ifft",
            Transform::Real => "rfft",
            Transform::Half { .. } => "irfft",
        }
    }

    /// The number of elements along the axis of the transform, of an input of this shape.
    pub(crate) fn size(self, x: &[usize]) -> usize {
        match (self, x) {
            (Transform::Half { n }, _) => n,
            (Transform::Real, &[.., n]) | (Transform::Forward | Transform::Backward, &[.., n, _]) => n,
            _ => 0,
        }
    }

    /// The shape of the result.
    pub(crate) fn shape(self, x: &[usize]) -> Result<Shape> {
        let op = self.name();
        if !cfg!(feature = "fft") {
            return Err(Error::Argument { op, hint: "enable the feature `fft` of wengert-autograd".into() });
        }
        let n = self.size(x);
        let (outer, tail): (&[usize], &[usize]) = match (self, x) {
            (Transform::Real, &[ref outer @ .., _]) => (outer, &[n / 2 + 1, 2]),
            (Transform::Forward | Transform::Backward, &[ref outer @ .., _, 2]) => (outer, &[n, 2]),
            (Transform::Half { .. }, &[ref outer @ .., m, 2]) if m == n / 2 + 1 => (outer, &[n]),
            (Transform::Half { .. }, &[.., _, 2]) => {
                return mismatch(op, x, format!("{n} real numbers follow from {} complex ones", n / 2 + 1));
            }
            (Transform::Real, []) => return mismatch(op, x, "it needs an axis"),
            _ => return mismatch(op, x, "complex numbers are pairs along the last axis, behind that of the transform"),
        };
        if n == 0 {
            return mismatch(op, x, "there must be at least one number along the axis");
        }
        checked(op, outer.iter().chain(tail).copied().collect())
    }

    /// The number of operations for each of `rows` transforms of size n: 5 n log₂ n, and half of that for real numbers.
    pub(crate) fn flops(self, n: usize, rows: u64) -> u64 {
        let whole = 5 * n as u64 * u64::from(n.max(2).ilog2());
        rows * if let Transform::Real | Transform::Half { .. } = self { whole / 2 } else { whole }
    }
}
