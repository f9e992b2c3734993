//! The cost of an op: its arithmetic and the memory traffic it cannot avoid. A profile compares run times with this
//! lower bound.
//!
//! Costs follow from shapes alone. Arithmetic is counted as the formulas are written: an addition is one operation, and
//! so is a comparison or a call of `exp`. Memory traffic counts every element read once and every element written once;
//! views move nothing.

use super::{Binary, Factor, Fold, Op, Pairwise, Panes, Side, Transform, Unary};
use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// Arithmetic and memory traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Number of arithmetic operations.
    pub flops: u64,
    /// Number of bytes read and written.
    pub bytes: u64,
}

impl Add for Cost {
    type Output = Cost;
    fn add(self, b: Cost) -> Cost {
        Cost { flops: self.flops.saturating_add(b.flops), bytes: self.bytes.saturating_add(b.bytes) }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, b: Cost) {
        *self = *self + b;
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), Add::add)
    }
}

/// Size of an index in bytes.
const INDEX: u64 = size_of::<i64>() as u64;

impl Op {
    /// The cost of this op for inputs of shapes `x` and an output of shape `y`, with elements of `width` bytes. For a
    /// user-defined op, only memory traffic is counted.
    ///
    /// ```
    /// use autograd::{Precision, op::{Cost, Op}};
    /// let product = Op::MatMul { ta: false, tb: false, precision: Precision::Full }; // 2·m·k·n, and each matrix once
    /// let cost = product.cost(&[&[32, 64], &[64, 10]], &[32, 10], 4);
    /// assert_eq!(cost, Cost { flops: 2 * 32 * 64 * 10, bytes: 4 * (32 * 64 + 64 * 10 + 32 * 10) });
    /// ```
    pub fn cost(&self, x: &[&[usize]], y: &[usize], width: usize) -> Cost {
        let (x, _) = self.operands(x);
        let moved = (x.iter().map(|x| size(x)).sum::<u64>() + size(y)) * width as u64;
        let elementwise = |flops: u64| Cost { flops: flops * size(y), bytes: moved };
        let indexed = |index: &[usize], reads: u64, flops: u64| Cost {
            flops,
            bytes: (reads + size(y)) * width as u64 + size(index) * INDEX,
        };
        match self {
            Op::Leaf | Op::Const | Op::StopGradient => Cost::default(),
            Op::Reshape { .. } | Op::Expand { .. } | Op::Permute { .. } | Op::Slice { .. } => Cost::default(),
            Op::Unary(f) => elementwise(f.flops()),
            Op::Binary(f) => elementwise(f.flops()),
            Op::Select => elementwise(1),
            Op::Reduce { fold, .. } => Cost { flops: folded(*fold, x[0], y), bytes: moved },
            // Maximum, difference, exponential, sum, and a division or a second difference.
            Op::Softmax { .. } | Op::LogSoftmax { .. } => elementwise(5),
            // A product or an exponential, a sum, and two operations with the sum.
            Op::SoftmaxVjp { .. } | Op::LogSoftmaxVjp { .. } => elementwise(4),
            // Mean and variance, then a difference and a product; twice as much for the cotangent.
            Op::Standardize { .. } => elementwise(6),
            Op::StandardizeVjp { .. } => elementwise(12),
            Op::LayerNorm { .. } => elementwise(8),
            Op::LayerNormVjp { .. } => elementwise(13),
            Op::LayerNormSums { .. } => Cost { flops: 9 * size(x[0]), bytes: moved },
            Op::Attention { causal, .. } => Cost { flops: attended(x, *causal, [1, 1]), bytes: moved },
            Op::AttentionVjp { causal, .. } => Cost { flops: attended(x, *causal, [3, 2]), bytes: moved },
            Op::CumSum { .. } => elementwise(1),
            Op::LogCumSumExp { .. } => elementwise(Binary::Logaddexp.flops()),
            Op::Recurrence { .. } => elementwise(2),
            Op::Recurrent { .. } => Cost::default(),
            // Each step multiplies by the weights, and so does each backward step; then about ten operations for each
            // gate.
            Op::RecurrentTrace { .. } => Cost { flops: size(x[0]) * (10 + 2 * per(x[1], x[1][0])), bytes: moved },
            Op::RecurrentVjp { .. } => Cost { flops: size(y) * (10 + 2 * per(x[1], x[1][0])), bytes: moved },
            Op::CrossEntropy { .. } => Cost { flops: 4 * size(x[0]) + 3 * size(y), bytes: moved + size(y) * INDEX },
            Op::CrossEntropyVjp { .. } => {
                Cost { flops: 5 * size(y) + 2 * size(x[1]), bytes: moved + size(x[1]) * INDEX }
            }
            Op::Integers { from, values } => {
                let read =
                    if from.reads_integers() { INDEX } else { width as u64 } * x.iter().map(|x| size(x)).sum::<u64>();
                Cost { flops: 0, bytes: read + size(values.shape()) * INDEX }
            }
            Op::Cast { values } => indexed(values.shape(), 0, 0),
            Op::MatMul { ta, .. } => {
                let [.., rows, columns] = *x[0] else { return Cost::default() };
                Cost { flops: 2 * size(y) * if *ta { rows } else { columns } as u64, bytes: moved }
            }
            Op::Linalg(factor) => Cost { flops: factored(*factor, x), bytes: moved },
            Op::Fourier(transform) => {
                let (n, row) = (transform.size(x[0]), x[0][x[0].len() - 1]);
                let numbers = if let Transform::Real = transform { row } else { x[0][x[0].len() - 2] * row };
                Cost { flops: transform.flops(n, per(x[0], numbers)), bytes: moved }
            }
            // A difference, a product and a sum for each coordinate; of two differences one more.
            Op::Pairwise(f) => {
                let terms = *x[0].last().expect("a matrix") as u64;
                elementwise(match f {
                    Pairwise::Distance => 3 * terms + 1,
                    Pairwise::Product => 4 * terms,
                    Pairwise::Sum => 3 * terms,
                })
            }
            // The output is filled with zeros first.
            Op::Place { .. } => Cost { flops: 0, bytes: moved + size(x[0]) * width as u64 },
            Op::Concat { .. } => Cost { flops: 0, bytes: moved },
            Op::Take { index, .. } | Op::Gather { index, .. } => indexed(index.shape(), size(y), 0),
            Op::TakeAdd { index, .. } | Op::GatherAdd { index, .. } => {
                indexed(index.shape(), size(x[0]) * 3, size(x[0]))
            }
            Op::GatherFold { index, .. } => indexed(index.shape(), size(x[1]), size(x[1]) * 2),
            // Each element is multiplied onto those before it and onto those behind it.
            Op::GatherOthers { index, along, .. } => {
                indexed(index.shape(), 2 * size(y) * (1 + *along as u64), size(y) * (3 << (2 * along.min(&20))))
            }
            // Each output element is combined with the weights of its channel; in the derivatives, so is each
            // cotangent.
            Op::Conv { .. } => Cost { flops: 2 * size(y) * per(x[1], x[1][0]), bytes: moved },
            Op::ConvTranspose { .. } => Cost { flops: 2 * size(x[0]) * per(x[1], x[1][0]), bytes: moved },
            Op::ConvWeight { .. } => Cost { flops: 2 * size(x[1]) * per(y, y[0]), bytes: moved },
            Op::MaxPool { panes } => Cost { flops: compared(panes, x[0]), bytes: moved },
            Op::MaxUnpool { panes } => Cost { flops: compared(panes, x[0]) + size(x[1]), bytes: moved },
            Op::Map { axis, map } => {
                let entries: usize = (0..map.rows()).map(|i| map.row(i).len()).sum();
                Cost { flops: 2 * entries as u64 * per(x[0], x[0][*axis]), bytes: moved }
            }
            Op::Custom { .. } => Cost { flops: 0, bytes: moved },
        }
    }
}

impl Unary {
    /// The cost of computing the input's cotangent, for `n` elements.
    pub(crate) fn rule_cost(self, n: usize, width: usize) -> Cost {
        fused(self.rule_flops(), self.rule_reads(), n, width)
    }
}

impl Binary {
    /// The cost of computing the cotangent of one operand, for `n` elements: zero where the output's cotangent is
    /// passed on.
    pub(crate) fn rule_cost(self, side: Side, n: usize, width: usize) -> Cost {
        if self.passes_cotangent(side) {
            return Cost::default();
        }
        fused(self.rule_flops(side), self.rule_reads(side), n, width)
    }
}

/// The cost of one pass over the operands that a rule reads.
fn fused(flops: u64, reads: u32, n: usize, width: usize) -> Cost {
    Cost { flops: flops * n as u64, bytes: (reads as u64 + 1) * n as u64 * width as u64 }
}

fn size(shape: &[usize]) -> u64 {
    shape.iter().map(|&d| d as u64).product()
}

/// The arithmetic of attention: for each query and visible key, this many products over the width of the keys and that of
/// the values, and the softmax.
fn attended(x: &[&[usize]], causal: bool, [of_keys, of_values]: [u64; 2]) -> u64 {
    let ([batch @ .., queries, width], [.., keys, values]) = (x[0], x[2]) else { return 0 };
    let [queries, width, keys, values] = [queries, width, keys, values].map(|&n| n as u64);
    let first = queries.min(keys); // queries of which each sees one more key than the one before
    let pairs = if causal { first * (first + 1) / 2 + (queries - first) * keys } else { queries * keys };
    size(batch) * pairs * (2 * (of_keys * width + of_values * values) + 5)
}

/// Number of elements per slice along an axis of size `axis`.
fn per(shape: &[usize], axis: usize) -> u64 {
    size(shape) / (axis as u64).max(1)
}

fn folded(fold: Fold, x: &[usize], y: &[usize]) -> u64 {
    match fold {
        Fold::Sum | Fold::Prod | Fold::Max | Fold::Min => size(x),
        Fold::Norm => 2 * size(x) + size(y),
        Fold::Mean => size(x) + size(y),
        // Maximum, difference, exponential, sum; then a logarithm, and adding the maximum back.
        Fold::LogSumExp => 4 * size(x) + 2 * size(y),
    }
}

/// The number of comparisons that find the largest element of each window.
fn compared(panes: &Panes, x: &[usize]) -> u64 {
    let windows: u64 = panes.iter().map(|axis| axis.iter().map(|span| span.len as u64).sum::<u64>()).product();
    windows * size(&x[..x.len() - panes.len()])
}

/// Leading terms as in Golub and Van Loan, *Matrix Computations*, 4th edition; iterative methods with their typical
/// number of iterations.
fn factored(factor: Factor, x: &[&[usize]]) -> u64 {
    let [batch @ .., m, n] = x[0] else { return 0 };
    let (m, n) = (*m as u64, *n as u64);
    let columns = x.get(1).and_then(|b| b.last()).map_or(0, |&c| c as u64);
    let one = match factor {
        Factor::Inv => 8 * n.pow(3) / 3,
        Factor::Solve { .. } => 2 * n.pow(3) / 3 + 2 * n * n * columns,
        Factor::TriangularSolve { .. } => n * n * columns,
        Factor::Cholesky => n.pow(3) / 3,
        Factor::Eigh => 9 * n.pow(3),
        Factor::Svd => 4 * m * m * n + 8 * m * n * n + 9 * n.pow(3),
        Factor::EighVjp | Factor::SvdVjp => 2 * m * n * m.min(n),
        // R, and then the explicit columns of Q.
        Factor::Qr => 4 * m * n * n - 4 * n.pow(3) / 3,
        Factor::Lu => m * n * n - n.pow(3) / 3,
        Factor::Pinv { .. } => 4 * m * m * n + 10 * m * n * n + 9 * n.pow(3),
        Factor::Eig => 25 * n.pow(3),
        Factor::Slogdet | Factor::Det => 2 * n.pow(3) / 3,
        // A singular value decomposition, two products, and the sum over all lists of indices.
        Factor::Cofactor => 25 * n.pow(3) + 2 * n.saturating_pow(x.len() as u32),
        // Eight matrix products and one linear solve for a Padé approximant.
        Factor::MatrixExp => 16 * n.pow(3) + 8 * n.pow(3) / 3,
    };
    one.saturating_mul(size(batch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::Precision;
    use crate::op::{Geometry, Window};
    use crate::tensor::{AxisSet, Tensor};
    use smallvec::smallvec;

    const NOTHING: Cost = Cost { flops: 0, bytes: 0 };

    #[test]
    fn elementwise_costs_are_read_off_the_rows() {
        let n = [5, 2];
        assert_eq!(Op::Unary(Unary::Exp).cost(&[&n], &n, 8), Cost { flops: 10, bytes: 160 });
        // b is broadcast, but read once.
        assert_eq!(Op::Binary(Binary::Div).cost(&[&n, &[2]], &n, 4), Cost { flops: 10, bytes: 4 * 22 });
        // g * y reads y and g, and writes the result.
        assert_eq!(Unary::Exp.rule_cost(10, 4), Cost { flops: 10, bytes: 120 });
        assert_eq!(Binary::Add.rule_cost(Side::A, 10, 4), NOTHING);
        assert_eq!(Binary::Mul.rule_cost(Side::B, 10, 8), Cost { flops: 10, bytes: 240 });
    }

    #[test]
    fn folds_read_their_input_once() {
        let sum = Op::Reduce { fold: Fold::Sum, axes: AxisSet::one(0), keep: false };
        assert_eq!(sum.cost(&[&[100, 3]], &[3], 8), Cost { flops: 300, bytes: 8 * 303 });
        let mean = Op::Reduce { fold: Fold::Mean, axes: AxisSet::one(0), keep: false };
        assert_eq!(mean.cost(&[&[100, 3]], &[3], 8).flops, 303);
    }

    #[test]
    fn products_multiply_and_add() {
        for (ta, a) in [(false, [7, 5]), (true, [5, 7])] {
            let cost = Op::MatMul { ta, tb: false, precision: Precision::Full }.cost(
                &[&[3, a[0], a[1]], &[5, 2]],
                &[3, 7, 2],
                4,
            );
            assert_eq!(cost, Cost { flops: 2 * 3 * 7 * 5 * 2, bytes: 4 * (105 + 10 + 42) });
        }
    }

    #[test]
    fn the_three_sides_of_a_convolution_do_the_same_arithmetic() {
        let window = Window { kernel: 3, stride: 2, padding: 1, dilation: 1 };
        let geometry = Geometry { windows: smallvec![window, window], groups: 2, precision: Precision::Full };
        let (x, w, y) = ([5, 4, 9, 9], [6, 2, 3, 3], [5, 6, 5, 5]);
        let flops = 2 * (5 * 6 * 5 * 5) * (2 * 3 * 3);
        let size = crate::tensor::Shape::from(&[9, 9][..]);
        assert_eq!(Op::Conv { geometry: geometry.clone() }.cost(&[&x, &w], &y, 4).flops, flops);
        assert_eq!(Op::ConvTranspose { geometry: geometry.clone(), size }.cost(&[&y, &w], &x, 4).flops, flops);
        assert_eq!(Op::ConvWeight { geometry }.cost(&[&x, &y], &w, 4).flops, flops);
    }

    #[test]
    fn views_are_free_and_indices_are_read() {
        assert_eq!(Op::Permute { order: smallvec![1, 0] }.cost(&[&[2, 3]], &[3, 2], 4), NOTHING);
        let index: Tensor<i64> = [1, 0, 1].into_iter().collect();
        let take = Op::Take { axis: 0, index: index.clone() };
        assert_eq!(take.cost(&[&[1000, 4]], &[3, 4], 8), Cost { flops: 0, bytes: 8 * 24 + 3 * 8 });
        let add = Op::TakeAdd { axis: 0, index, size: 1000 };
        assert_eq!(add.cost(&[&[3, 4]], &[1000, 4], 8), Cost { flops: 12, bytes: 8 * (36 + 4000) + 3 * 8 });
    }

    #[test]
    fn no_op_at_nothing_is_divided_by_nothing() {
        let window = Window { kernel: 1, stride: 1, padding: 0, dilation: 1 };
        let conv =
            Op::Conv { geometry: Geometry { windows: smallvec![window], groups: 1, precision: Precision::Full } };
        assert_eq!(conv.cost(&[&[1, 1, 4], &[0, 1, 1]], &[1, 0, 4], 4).flops, 0);
    }
}
