//! What reverse rules read: which of an op's inputs, and whether its output, must be in memory when a cotangent comes
//! back. Of all others a rule asks the shape at most.

use super::{Fold, Op, Side};

/// The output's bit; an input has the bit of its place, and the thirty-first and all after it share one.
pub(crate) const OUTPUT: u32 = 1 << 31;

/// The values that the rule of `op` reads, as bits, if a derivative is wanted of the inputs that `active` names.
pub(crate) fn reads(op: &Op, active: &dyn Fn(usize) -> bool) -> u32 {
    match op {
        Op::Unary(f) => f.reads(),
        Op::Binary(f) => {
            let side = |i: usize, side| if active(i) { f.reads(side) } else { 0 };
            side(0, Side::A) | side(1, Side::B)
        }
        // The mask, the first operand of a choice, the labels' logits, what is standardized.
        Op::Where | Op::Pick { .. } | Op::PickAdd { .. } | Op::CrossEntropy { .. } | Op::Standardize { .. } => 1,
        // Linear in the second.
        Op::SoftmaxVjp { .. } | Op::LogSoftmaxVjp { .. } | Op::CrossEntropyVjp { .. } => 1 | (active(0) as u32) << 1,
        Op::LayerNorm { .. } | Op::LayerNormSums { .. } => 1 | (active(0) as u32) << 1,
        Op::LayerNormVjp { .. } => {
            let [x, w, g] = [0, 1, 2].map(|i| active(i) as u32);
            1 | (x | g) << 1 | (x | w) << 2 | if active(0) { OUTPUT } else { 0 }
        }
        Op::StandardizeVjp { .. } => 1 | if active(0) { 2 | OUTPUT } else { 0 },
        Op::Reduce { fold: Fold::Sum | Fold::Mean, .. } => 0,
        Op::Reduce { fold: Fold::Prod, .. } => 1,
        Op::Reduce { fold: Fold::Norm | Fold::Max | Fold::Min | Fold::LogSumExp, .. } => 1 | OUTPUT,
        Op::Softmax { .. } | Op::LogSoftmax { .. } => OUTPUT,
        Op::LogCumSumExp { .. } | Op::Recurrence { .. } => 1 | OUTPUT,
        // The derivative of a product by one factor is the other.
        Op::MatMul { .. } | Op::Conv { .. } | Op::ConvInput { .. } | Op::ConvWeight { .. } => {
            active(1) as u32 | (active(0) as u32) << 1
        }
        Op::Linalg(_) | Op::Custom { .. } => u32::MAX,
        Op::Leaf | Op::Const | Op::StopGradient => 0,
        // Linear: their derivatives do not depend on where they are taken.
        Op::CumSum { .. }
        | Op::Reshape { .. }
        | Op::Expand { .. }
        | Op::Permute { .. }
        | Op::Slice { .. }
        | Op::Place { .. }
        | Op::Concat { .. }
        | Op::Take { .. }
        | Op::TakeAdd { .. }
        | Op::Gather { .. }
        | Op::GatherAdd { .. }
        | Op::Map { .. } => 0,
    }
}
