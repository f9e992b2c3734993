//! Pairwise summation of arrays: a long sum is split into halves, so that rounding errors grow with the logarithm of its
//! length (Higham, *Accuracy and Stability of Numerical Algorithms*, 4.2).

use super::elementwise::add_block;
use super::scratch::with_scratch;
use crate::float::Float;
use std::ops::Range;

/// `total = Σ sum(part)` over parts of `range` with at most `some` elements; all sizes but the last are multiples of
/// it.
pub(super) fn by_halves<T: Float>(
    range: Range<usize>,
    some: usize,
    total: &mut [T],
    sum: &mut dyn FnMut(Range<usize>, &mut [T]),
) {
    if range.len() <= some {
        return sum(range, total);
    }
    let half = range.start + range.len().div_ceil(some).div_ceil(2) * some;
    by_halves(range.start..half, some, total, sum);
    with_scratch(total.len(), |more| {
        by_halves(half..range.end, some, more, sum);
        add_block(total, more);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_added_in_pairs() {
        let parts = |n: usize| {
            let (mut parts, mut total) = (Vec::new(), [0.0]);
            by_halves(0..n, 4, &mut total, &mut |part, sum| {
                sum[0] = part.len() as f64;
                parts.push((part.start, part.end));
            });
            assert_eq!(total, [n as f64]);
            parts
        };
        assert_eq!(parts(0), [(0, 0)]);
        assert_eq!(parts(4), [(0, 4)]);
        assert_eq!(parts(11), [(0, 4), (4, 8), (8, 11)]);
    }

    #[test]
    fn a_long_sum_keeps_its_digits() {
        let mut total = [0.0_f32];
        by_halves(0..1 << 25, 64, &mut total, &mut |part, sum| sum[0] = part.fold(0.0, |s, _| s + 0.1));
        assert!((f64::from(total[0]) / (0.1 * f64::from(1 << 25)) - 1.0).abs() < 1e-6, "{total:?}");
    }
}
