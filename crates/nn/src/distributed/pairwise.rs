//! Sums with the same bits on any number of ranks. Floating-point addition is not associative, so the order of the terms
//! must not depend on which rank computes them: a fixed number of shards is summed along a binary tree over their
//! numbers, and each rank computes the subtrees that lie within its own range of shards.

use std::ops::Range;

/// The shards of one rank: a contiguous range of nearly `shards / size` of them.
pub(crate) fn share_of(rank: usize, size: usize, shards: usize) -> Range<usize> {
    // The product of shards and rank may be larger than an integer.
    let first = |rank: usize| shards / size * rank + shards % size * rank / size;
    first(rank)..first(rank + 1)
}

/// The sum of the shards `start .. start + width`, which is a node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term<S> {
    pub start: usize,
    pub width: usize,
    pub sum: S,
}

/// A sum along the tree, whose terms arrive in order of shards. Two neighbors of the same width are summed if together
/// they form a node: if the first starts at a multiple of their total width. So the nodes, and their bits, do not depend
/// on how the shards were distributed.
pub(crate) struct Pairwise<S> {
    pub terms: Vec<Term<S>>,
}

impl<S> Pairwise<S> {
    pub(crate) fn new() -> Self {
        Pairwise { terms: Vec::new() }
    }

    /// Adds the next term; `add` adds its second argument to its first.
    pub(crate) fn push(&mut self, mut term: Term<S>, add: &mut impl FnMut(&mut S, S)) {
        while let Some(last) =
            self.terms.pop_if(|last| last.width == term.width && last.start.is_multiple_of(2 * term.width))
        {
            let Term { start, width, mut sum } = last;
            add(&mut sum, term.sum);
            term = Term { start, width: 2 * width, sum };
        }
        self.terms.push(term);
    }

    /// The sum of all terms. If the number of shards is not a power of two, the remaining nodes are summed from the
    /// smallest to the largest.
    pub(crate) fn total(self, add: &mut impl FnMut(&mut S, S)) -> Option<S> {
        let mut sums = self.terms.into_iter().rev().map(|term| term.sum);
        let last = sums.next()?;
        Some(sums.fold(last, |total, mut sum| {
            add(&mut sum, total);
            sum
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::Rng;

    #[test]
    fn the_bits_do_not_depend_on_who_sums() {
        let rng = &mut Rng::new(1);
        for shards in 1..40 {
            let values: Vec<f32> = (0..shards).map(|_| (rng.normal() * 1e3) as f32).collect();
            let mut add = |sum: &mut f32, x: f32| *sum += x;
            let mut sums = Vec::new();
            for size in 1..=shards {
                let mut whole = Pairwise::new();
                for rank in 0..size {
                    let mut own = Pairwise::new();
                    for start in share_of(rank, size, shards) {
                        own.push(Term { start, width: 1, sum: values[start] }, &mut add);
                    }
                    // At most two nodes of each width.
                    assert!(own.terms.len() <= 2 * (shards.ilog2() as usize + 1));
                    own.terms.into_iter().for_each(|term| whole.push(term, &mut add));
                }
                sums.push(whole.total(&mut add).unwrap().to_bits());
            }
            assert!(sums.iter().all(|sum| *sum == sums[0]), "{shards} shards");
            let exact: f64 = values.iter().map(|x| f64::from(*x)).sum();
            assert!((f64::from(f32::from_bits(sums[0])) - exact).abs() < 1e-2);
        }
    }

    #[test]
    fn every_shard_has_one_rank() {
        for (size, shards) in [(1, 1), (3, 4), (4, 4), (3, 100), (7, 64)] {
            let all: Vec<usize> = (0..size).flat_map(|rank| share_of(rank, size, shards)).collect();
            assert_eq!(all, (0..shards).collect::<Vec<_>>());
            assert!((0..size).all(|rank| !share_of(rank, size, shards).is_empty()));
        }
    }
}
