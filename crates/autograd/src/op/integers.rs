//! Integers on the tape: indices, labels and lengths. A node of integers holds them in its op, and its value as a number
//! is a placeholder; an op that reads integers takes such a node as its last input. So a program knows where every
//! integer comes from, and recomputes it when its source changes.

use super::{Fold, Op};
use crate::tensor::{AxisSet, Shape};

/// The label of a row that [`Op::CrossEntropy`] ignores; the same as PyTorch's.
///
/// ```
/// use autograd::{op::IGNORED, tensor};
/// let losses = tensor![[0.0, 0.0], [5.0, 1.0]].cross_entropy(&tensor![0_i64, IGNORED]);
/// assert_eq!(losses, tensor![2f64.ln(), 0.0]);
/// ```
pub const IGNORED: i64 = -100;

/// The order of a sort.
///
/// ```
/// use autograd::{Order, tensor};
/// assert_eq!(tensor![2.0, 3.0, 1.0].argsort(0, Order::Descending), tensor![1_i64, 0, 2]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// The smallest element first.
    Ascending,
    /// The largest element first.
    Descending,
}

/// Where a number is inserted among sorted ones, if some are equal to it.
///
/// ```
/// use autograd::{Insert, tensor};
/// let edges = tensor![0.0, 1.0, 2.0];
/// assert_eq!(edges.searchsorted(tensor![1.0], Insert::Before), tensor![1_i64]);
/// assert_eq!(edges.searchsorted(tensor![1.0], Insert::After), tensor![2_i64]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Insert {
    /// Before all equal ones: `side="left"`, `right=False`.
    Before,
    /// After all equal ones: `side="right"`, `right=True`.
    After,
}

/// How integers are computed from the input of their node.
///
/// ```
/// use autograd::{Tape, op::{IntOp, Op}};
/// let tape = Tape::<f64>::new();
/// let labels = tape.integers(autograd::tensor![1_i64, 0]);
/// let Some(Op::Integers { from, .. }) = tape.get(labels.id()).map(|node| node.op()) else { unreachable!() };
/// assert_eq!(from, IntOp::Given);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum IntOp {
    /// Given from outside: no input.
    Given,
    /// The numbers of the input as integers; `i64::MIN`, which is not a valid index, for those that are not integral or
    /// too large.
    Whole,
    /// The index of the largest or smallest element over axes, which are kept with size 1.
    Place {
        /// `Max` or `Min`.
        fold: Fold,
        /// The axes.
        axes: AxisSet,
    },
    /// The indices of the first `k` elements in sorted order along an axis.
    Sort {
        /// The axis.
        axis: usize,
        /// Number of elements.
        k: usize,
        /// The order.
        order: Order,
    },
    /// The indices of the elements at these positions of the ascending order along an axis; the positions are
    /// ascending.
    Ranked {
        /// The axis.
        axis: usize,
        /// The places.
        ranks: Vec<usize>,
    },
    /// The index of the lower median along an axis, which is kept with size 1.
    Median {
        /// The axis.
        axis: usize,
    },
    /// The last index of the most frequent element along an axis, which is kept with size 1.
    Mode {
        /// The axis.
        axis: usize,
    },
    /// The index of the largest or smallest element up to each position along an axis.
    Running {
        /// `Max` or `Min`.
        fold: Fold,
        /// The axis.
        axis: usize,
    },
    /// In each row along the last axis, the insertion positions of its last elements among its first `sorted` ones.
    Search {
        /// How many elements of a row are the sorted ones.
        sorted: usize,
        /// On which side of elements that are equal.
        insert: Insert,
    },
    /// A view of the input's integers: a reshape, a permutation, a broadcast or a slice.
    View(Box<Op>),
    /// Negative indices count from the end of an axis of the given size.
    FromEnd {
        /// The size of the axis.
        size: usize,
    },
    /// The same integers, which must be indices of an axis of the given size.
    Within {
        /// The op that names the error.
        op: &'static str,
        /// The size of the axis.
        size: usize,
    },
    /// Class labels, which must be below `classes` or equal to `ignored`; the latter are replaced by `by`.
    Labels {
        /// The op that names the error.
        op: &'static str,
        /// Number of classes.
        classes: usize,
        /// The label to ignore.
        ignored: i64,
        /// The replacement.
        by: i64,
    },
    /// The source of each element after scattering along an axis: see `scatter`.
    LastWritten {
        /// The axis.
        axis: usize,
        /// The shape that is written to.
        x: Shape,
        /// The shape of the elements to write.
        src: Shape,
    },
    /// The indices in row `i` along the first axis, plus `i · size`: indices into an axis of each sample, as indices into
    /// that axis of all samples, one after another.
    Joined {
        /// The size of the axis.
        size: usize,
    },
    /// The results for each of `n` rows along the first axis, stacked.
    Each {
        /// Number of rows.
        n: usize,
        /// How.
        from: Box<IntOp>,
    },
}

impl IntOp {
    /// The name, as in the method.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            IntOp::Given => "integers",
            IntOp::Whole => "to_integers",
            IntOp::Place { fold: Fold::Min, .. } => "argmin",
            IntOp::Place { .. } => "argmax",
            IntOp::Sort { .. } => "argsort",
            IntOp::Ranked { .. } => "quantile",
            IntOp::Median { .. } => "median",
            IntOp::Mode { .. } => "mode",
            IntOp::Running { fold: Fold::Min, .. } => "cummin",
            IntOp::Running { .. } => "cummax",
            IntOp::Search { .. } => "searchsorted",
            IntOp::View(op) => op.name(),
            IntOp::FromEnd { .. } => "from_end",
            IntOp::Within { .. } => "within",
            IntOp::Labels { .. } => "labels",
            IntOp::LastWritten { .. } => "scatter",
            IntOp::Joined { .. } => "joined",
            IntOp::Each { from, .. } => from.name(),
        }
    }

    /// Whether its input holds integers; otherwise, numbers.
    pub(crate) fn reads_integers(&self) -> bool {
        match self {
            IntOp::View(_)
            | IntOp::FromEnd { .. }
            | IntOp::Within { .. }
            | IntOp::Labels { .. }
            | IntOp::LastWritten { .. }
            | IntOp::Joined { .. } => true,
            IntOp::Each { from, .. } => from.reads_integers(),
            IntOp::Given
            | IntOp::Whole
            | IntOp::Place { .. }
            | IntOp::Sort { .. }
            | IntOp::Ranked { .. }
            | IntOp::Median { .. }
            | IntOp::Mode { .. }
            | IntOp::Running { .. }
            | IntOp::Search { .. } => false,
        }
    }

    /// Whether it may reject integers that have the recorded shape.
    pub(crate) fn may_fail(&self) -> bool {
        match self {
            IntOp::Within { .. } | IntOp::Labels { .. } => true,
            IntOp::LastWritten { .. } => true,
            IntOp::Each { from, .. } => from.may_fail(),
            _ => false,
        }
    }
}
