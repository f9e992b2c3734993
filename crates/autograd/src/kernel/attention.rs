//! Attention, one block of queries at a time: the scores of a block with all keys are a few rows that stay in the cache,
//! so the matrix of all queries and keys is never stored, neither here nor for the derivatives, which compute it again.
//!
//! With weights P = softmax(S), S = scale q kᵀ + mask, the output is y = P v, and its cotangent g gives
//! v̄ = Pᵀ g, S̄ = P (P̄ - Σ P̄ P) with P̄ = g vᵀ, q̄ = scale S̄ k and k̄ = scale S̄ᵀ q.

use super::gemm::{Mat, matmul_into};
use super::halves::by_halves;
use super::rows::{dot, largest, scale_row, softmax_row, softmax_vjp_row};
use super::scratch::with_scratch;
use super::threads;
use crate::float::{Float, Precision};
use std::ops::Range;

/// Queries of a block.
const BLOCK: usize = 64;
/// Blocks that are summed one after another.
const LONG: usize = 32;
/// From this many heads on, each is one task; fewer are split into blocks. This does not change the result.
const MANY: usize = 8;

/// The sizes that all heads have, and how their scores are formed.
pub(crate) struct Sizes {
    pub heads: usize,
    pub queries: usize,
    pub keys: usize,
    /// The length of a query and of a key.
    pub width: usize,
    /// The length of a value.
    pub values: usize,
    pub scale: f64,
    /// The precision that operands of products are rounded to.
    pub precision: Precision,
    /// Whether a query attends only to keys up to its own position.
    pub causal: bool,
}

impl Sizes {
    /// The number of keys that are visible to some query before the given one.
    fn visible(&self, queries: usize) -> usize {
        if self.causal { self.keys.min(queries) } else { self.keys }
    }

    /// The lengths of q, k and v of one head.
    pub fn parts(&self) -> [usize; 3] {
        [self.queries * self.width, self.keys * self.width, self.keys * self.values]
    }
}

/// The operands of one head. The mask is added to the scores.
pub(crate) struct Head<'a, T> {
    pub q: Mat<'a, T>,
    pub k: Mat<'a, T>,
    pub v: Mat<'a, T>,
    pub mask: Option<Mat<'a, T>>,
}

/// The operands of each head.
pub(crate) type Heads<'f, 'a, T> = &'f (dyn Fn(usize) -> Head<'a, T> + Sync);

/// `y = P v` for each head.
pub(crate) fn output<T: Float>(sizes: &Sizes, heads: Heads<'_, '_, T>, y: &mut [T]) {
    let rows = BLOCK * sizes.values;
    let block = |head: &Head<T>, k: usize, y: &mut [T]| {
        let block = Block { sizes, head, from: k * BLOCK, queries: y.len() / sizes.values };
        let visible = block.visible();
        block.with_weights(&mut |_, p, _| {
            let p = Mat::row_major(p, block.queries, visible);
            matmul_into(sizes.precision, p, head.v.range(0, visible), y, None, None);
        });
    };
    let whole = sizes.queries * sizes.values;
    if sizes.heads >= MANY {
        return threads::for_each_chunk(y, whole, &|i, y| {
            let head = heads(i);
            y.chunks_mut(rows).enumerate().for_each(|(k, y)| block(&head, k, y));
        });
    }
    for (i, y) in y.chunks_mut(whole).enumerate() {
        let head = heads(i);
        threads::for_each_chunk(y, rows, &|k, y| block(&head, k, y));
    }
}

/// The cotangents of q, k and v of each head, one after another, for the cotangent `g(i)` of the output.
pub(crate) fn cotangents<'a, T: Float>(
    sizes: &Sizes,
    heads: Heads<'_, 'a, T>,
    g: &(dyn Fn(usize) -> Mat<'a, T> + Sync),
    out: &mut [T],
) {
    let [of_q, of_k, of_v] = sizes.parts();
    threads::for_each_chunk(out, of_q + of_k + of_v, &|i, out| {
        let (q_bar, sums) = out.split_at_mut(of_q);
        by_halves(0..sizes.queries.div_ceil(BLOCK), LONG, sums, &mut |blocks, sums| {
            add_blocks(sizes, &heads(i), g(i), blocks, q_bar, sums);
        });
    });
}

/// The cotangents of the queries of some blocks, and those of the keys and values as far as they come from these queries.
fn add_blocks<T: Float>(
    sizes: &Sizes,
    head: &Head<T>,
    g: Mat<T>,
    blocks: Range<usize>,
    q_bar: &mut [T],
    sums: &mut [T],
) {
    sums.fill(T::zero());
    let (k_bar, v_bar) = sums.split_at_mut(sizes.parts()[1]);
    for from in blocks.map(|block| block * BLOCK) {
        let block = Block { sizes, head, from, queries: BLOCK.min(sizes.queries - from) };
        let visible = block.visible();
        let q_bar = &mut q_bar[from * sizes.width..][..block.queries * sizes.width];
        let sums = [&mut k_bar[..visible * sizes.width], &mut v_bar[..visible * sizes.values]];
        block.add_cotangents(g.range(from, block.queries), q_bar, sums);
    }
}

/// A callback on the queries times the scale, their weights, and memory of the size of the weights.
type Weighed<'f, T> = &'f mut dyn FnMut(&[T], &[T], &mut [T]);

/// Some neighboring queries of a head.
struct Block<'b, 'a, T> {
    sizes: &'b Sizes,
    head: &'b Head<'a, T>,
    from: usize,
    queries: usize,
}

impl<T: Float> Block<'_, '_, T> {
    /// The number of keys that are visible to some query of the block.
    fn visible(&self) -> usize {
        self.sizes.visible(self.from + self.queries)
    }

    /// The number of keys that are visible to query `i` of the block.
    fn seen(&self, i: usize) -> usize {
        self.sizes.visible(self.from + i + 1)
    }

    /// Calls `f` with the queries and their weights.
    fn with_weights(&self, f: Weighed<'_, T>) {
        let (width, visible) = (self.sizes.width, self.visible());
        let (of_q, of_p) = (self.queries * width, self.queries * visible);
        with_scratch(of_q + 2 * of_p, |memory: &mut [T]| {
            let (q, memory) = memory.split_at_mut(of_q);
            let (p, scores) = memory.split_at_mut(of_p);
            q.chunks_mut(width.max(1)).enumerate().for_each(|(i, q)| self.head.q.copy_row(self.from + i, q));
            scale_row(T::of(self.sizes.scale), q);
            let keys = self.head.k.range(0, visible).t();
            matmul_into(self.sizes.precision, Mat::row_major(q, self.queries, width), keys, scores, None, None);
            for (i, (scores, p)) in scores.chunks_mut(visible.max(1)).zip(p.chunks_mut(visible.max(1))).enumerate() {
                self.weigh(i, scores, p);
            }
            f(q, p, scores);
        });
    }

    /// The weights of query `i`. If all its keys are masked, they are 0.
    fn weigh(&self, i: usize, scores: &mut [T], p: &mut [T]) {
        let (seen, hidden) = p.split_at_mut(self.seen(i));
        let scores = &mut scores[..seen.len()];
        hidden.fill(T::zero());
        if let Some(mask) = self.head.mask {
            mask.add_row(self.from + i, scores);
            if largest(scores) == -T::INFINITY {
                return seen.fill(T::zero());
            }
        }
        softmax_row(scores, T::one(), seen);
    }

    /// Writes the cotangents of the queries, and adds to those of the visible keys and values.
    fn add_cotangents(&self, g: Mat<T>, q_bar: &mut [T], [k_bar, v_bar]: [&mut [T]; 2]) {
        let (sizes, visible) = (self.sizes, self.visible());
        let precision = sizes.precision;
        self.with_weights(&mut |q, p, memory| {
            with_scratch(p.len(), |s_bar: &mut [T]| {
                let p_bar = memory;
                matmul_into(precision, g, self.head.v.range(0, visible).t(), p_bar, None, None);
                let rows = s_bar.chunks_mut(visible.max(1)).zip(p.chunks(visible.max(1)));
                for (i, ((s_bar, p), p_bar)) in rows.zip(p_bar.chunks(visible.max(1))).enumerate() {
                    let (s_bar, hidden) = s_bar.split_at_mut(self.seen(i));
                    let (p, p_bar) = (&p[..s_bar.len()], &p_bar[..s_bar.len()]);
                    softmax_vjp_row(p, p_bar, dot(p_bar, p, T::zero(), T::one()), s_bar);
                    hidden.fill(T::zero());
                }
                let [p, s_bar] = [p, s_bar].map(|x| Mat::row_major(x, self.queries, visible));
                matmul_into(precision, p.t(), g, v_bar, Some(T::one()), None);
                matmul_into(
                    precision,
                    s_bar.t(),
                    Mat::row_major(q, self.queries, sizes.width),
                    k_bar,
                    Some(T::one()),
                    None,
                );
                matmul_into(precision, s_bar, self.head.k.range(0, visible), q_bar, None, None);
                scale_row(T::of(sizes.scale), q_bar);
            });
        });
    }
}
