//! Ops on the differences between all rows of two matrices: names, inputs and shape rule.

use super::shape::{checked, mismatch};
use crate::error::Result;
pub use crate::kernel::pairwise::Pairwise;
use crate::tensor::Shape;

impl Pairwise {
    /// The name, as in methods and errors.
    ///
    /// ```
    /// assert_eq!(autograd::op::Pairwise::Distance.name(), "cdist");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Pairwise::Distance => "cdist",
            Pairwise::Product => "pairwise_product",
            Pairwise::Sum => "pairwise_sum",
        }
    }

    /// The number of inputs.
    pub(crate) fn arity(self) -> usize {
        match self {
            Pairwise::Distance => 2,
            Pairwise::Product => 4,
            Pairwise::Sum => 3,
        }
    }

    /// The shape of the result. The leading axes of all inputs are the same.
    pub(crate) fn shape(self, x: &[&[usize]]) -> Result<Shape> {
        let (from, to) = (x[x.len() - 2], x[x.len() - 1]);
        let (&[ref batch @ .., rows, width], &[.., columns, _]) = (from, to) else {
            return mismatch(self.name(), if from.len() < 2 { from } else { to }, "points are the rows of a matrix");
        };
        let with = |last: [usize; 2]| -> Shape { batch.iter().copied().chain(last).collect() };
        let (points, others, pairs) = (with([rows, width]), with([columns, width]), with([rows, columns]));
        let (expected, result): (&[&Shape], _) = match self {
            Pairwise::Distance => (&[&points, &others], &pairs),
            Pairwise::Product => (&[&points, &others, &points, &others], &pairs),
            Pairwise::Sum => (&[&pairs, &points, &others], &points),
        };
        match x.iter().zip(expected).find(|(x, expected)| **x != expected.as_slice()) {
            Some((x, expected)) => mismatch(self.name(), x, format!("expected {expected:?} for points {from:?}")),
            None => checked(self.name(), result.clone()),
        }
    }
}
