//! What reverse-mode rules read: which inputs of an op, and whether its output, must be in memory when its cotangent
//! arrives. Of all other values, a rule uses at most the shape.

use crate::op::{Fold, OUTPUT, Op, Pairwise, Side};

/// The values that the rule of `op` reads, as bits, if derivatives are needed for the inputs where `active` holds.
pub(crate) fn reads(op: &Op, active: &dyn Fn(usize) -> bool) -> u32 {
    match op {
        Op::Unary(f) => f.reads(),
        Op::Binary(f) => {
            let side = |i: usize, side| if active(i) { f.reads(side) } else { 0 };
            side(0, Side::A) | side(1, Side::B)
        }
        // The mask, the input whose argmax is taken, the logits, and the input to be standardized.
        Op::Select | Op::MaxPool { .. } | Op::MaxUnpool { .. } | Op::CrossEntropy { .. } | Op::Standardize { .. } => 1,
        // All inputs: the weights are computed again.
        Op::Attention { .. } | Op::AttentionVjp { .. } => !OUTPUT,
        // Linear in the second input.
        Op::SoftmaxVjp { .. } | Op::LogSoftmaxVjp { .. } | Op::CrossEntropyVjp { .. } => 1 | (active(0) as u32) << 1,
        Op::LayerNorm { .. } | Op::LayerNormSums { .. } => 1 | (active(0) as u32) << 1,
        Op::LayerNormVjp { .. } => {
            let [x, w, g] = [0, 1, 2].map(|i| active(i) as u32);
            1 | (x | g) << 1 | (x | w) << 2 | if active(0) { OUTPUT } else { 0 }
        }
        Op::StandardizeVjp { .. } => 1 | if active(0) { 2 | OUTPUT } else { 0 },
        Op::Reduce { fold: Fold::Sum | Fold::Mean, .. } => 0,
        Op::Reduce { fold: Fold::Prod, .. } => 1,
        Op::GatherFold { fold: Fold::Prod, .. } | Op::GatherOthers { .. } => !OUTPUT,
        Op::GatherFold { .. } => !0, // extrema are compared with the output
        Op::Reduce { fold: Fold::Norm | Fold::Max | Fold::Min | Fold::LogSumExp, .. } => 1 | OUTPUT,
        Op::Softmax { .. } | Op::LogSoftmax { .. } => OUTPUT,
        Op::LogCumSumExp { .. } | Op::Recurrence { .. } => 1 | OUTPUT,
        // The trace, the weights, the lengths, and for the weights the states; further derivatives take the steps again.
        Op::Recurrent { .. } => 1 << 0 | 1 << 2 | 1 << 4 | if active(2) { OUTPUT } else { 0 },
        Op::RecurrentVjp { .. } => !(OUTPUT | 1),
        // The derivative of a product with respect to one factor is the other factor.
        Op::MatMul { .. } | Op::Conv { .. } | Op::ConvTranspose { .. } | Op::ConvWeight { .. } => {
            active(1) as u32 | (active(0) as u32) << 1
        }
        Op::Pairwise(Pairwise::Distance) => 1 | 2 | OUTPUT,
        // Each pair of points moves the differences of the other pair.
        Op::Pairwise(Pairwise::Product) => {
            let pair = |i: usize, bits: u32| if active(i) || active(i + 1) { bits } else { 0 };
            pair(0, 1 << 2 | 1 << 3) | pair(2, 1 << 0 | 1 << 1)
        }
        Op::Pairwise(Pairwise::Sum) => (active(1) || active(2)) as u32 | if active(0) { 1 << 1 | 1 << 2 } else { 0 },
        Op::Linalg(_) | Op::Custom { .. } => u32::MAX,
        Op::Leaf | Op::Const | Op::StopGradient | Op::RecurrentTrace { .. } | Op::Integers { .. } | Op::Cast { .. } => {
            0
        }
        // Linear: the derivative does not depend on the input.
        Op::CumSum { .. }
        | Op::Fourier(_)
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
