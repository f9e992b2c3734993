//! Matrix products `C = A B` and `C = s C + A B` of `f32` and `f64`, over slices with strides.
//!
//! This module works on slices and strides; it is independent of tensors, graphs and gradients. A transposed operand
//! is the same slice with its strides swapped, and a broadcast operand has a stride of 0.
//!
//! **What is computed.** The sum over the inner dimension is split into blocks whose size depends only on its length.
//! Within a block, each element of the product is a chain of fused multiply-adds in ascending order, starting from 0,
//! and the sums of the blocks are added in ascending order. (A vector times a matrix is summed in lanes instead: see
//! [`dots`].) The bits of a result therefore do not depend on the number of threads, on the instruction set, or on how
//! the work is split. Infinities and NaN propagate according to IEEE 754: zeros are not skipped.
//!
//! Operands may be rounded to a [`Precision`] first. To bf16, they are rounded as they are packed, and multiplied in
//! [`pairs`]; other products are those of [rounded] copies.
//!
//! **How.** From the outside in: `mod.rs` checks shapes, chooses the number of threads and assigns each a part of `C`;
//! [`blocked`] splits a part into cache-sized blocks and packs operands where this pays off ([`few`] handles products of
//! few rows without packing the matrix); [`tile`] is the inner loop, a few rows by a few vectors of `C` held in
//! registers, which also serve convolutions, through [`shifted`], and recurrent layers, through [`packed`]. Only the
//! inner loops are compiled for each instruction set: [`element`] has a table of them. The scheme
//! is that of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (ACM TOMS 34, 2008).

mod blocked;
mod dots;
mod element;
mod few;
mod pack;
mod packed;
mod pairs;
mod rounded;
mod shifted;
mod tile;
mod view;

#[cfg(test)]
mod tests;

use crate::float::{Few, Float, Precision, once};
use crate::kernel::halves::by_halves;
use crate::kernel::isa::Isa;
use crate::kernel::scratch::with_scratch;
use crate::kernel::threads;
pub use blocked::{block, is_one_block};
pub use element::Element;
use element::Loops;
pub use packed::{Packed, packed_columns, packed_rows};
pub use rounded::{round, rounded};
pub use shifted::{Tap, shifted_dots_into, shifted_into};
use smallvec::{SmallVec, smallvec};
use std::marker::PhantomData;
pub use view::Mat;
use view::{View, ViewMut};

/// The length of the rows of [`shifted_into`] products must be a multiple of this: the elements in 64 bytes.
pub const fn lanes<T>() -> usize {
    64 / size_of::<T>()
}

/// Rows of the tallest tile.
pub const TALLEST: usize = 8;

/// Multiply-adds that make it worth waking up a thread: somewhat more than a microsecond of work.
const THREAD_WORK: usize = 64_000;

/// Terms that are summed block after block in single precision. Longer sums are those of their halves, which keeps
/// rounding errors small.
const LONG: usize = 1 << 12;

/// Columns by which a product with one row is split among threads.
const ROW: usize = 64;

/// A callback on a result while it is still in the cache: called with runs of elements of `c` when they are final.
///
/// The runs of all calls together cover `c`, each element once. Each call is made by the thread that computed its
/// runs, and may modify them.
pub type Then<'a, T> = &'a (dyn Fn(Runs<'_, T>) + Sync);

/// Contiguous runs of a result, each with its start position: a part of one row, or several whole rows.
pub struct Runs<'r, T> {
    from: ViewMut<T>,
    at: usize,
    rows: usize,
    len: usize,
    borrow: PhantomData<&'r mut [T]>,
}

impl<'r, T> Iterator for Runs<'r, T> {
    type Item = (usize, &'r mut [T]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.rows = self.rows.checked_sub(1)?;
        let (at, start) = (self.at, self.from.start);
        self.at += self.from.row;
        self.from.start = start.wrapping_add(self.from.row);
        // SAFETY: the view has that many rows of that length, written and owned by this thread alone (see
        // `Product::finish`), and each is returned once.
        Some((at, unsafe { std::slice::from_raw_parts_mut(start, self.len) }))
    }
}

once! {
    /// Computes `c = a b`, or `c = keep c + a b`; `c` is contiguous and row-major. Its elements are passed to `then`.
    ///
    /// With `a` of `m x k` and `b` of `k x n`, `c` has `m * n` elements. If `k` is 0, the product is 0. The operands are
    /// rounded to a precision first.
    ///
    /// # Panics
    ///
    /// If the inner dimensions of `a` and `b` differ, or if the length of `c` is wrong.
    pub fn matmul_into<T: Element>(
        precision: Precision,
        a: Mat<T>,
        b: Mat<T>,
        c: &mut [T],
        keep: Option<T>,
        then: Option<Then<T>>,
    ) {
        let finish = then.map(|then| Finish { then, start: 0 });
        match T::rounding(precision, Isa::best()) {
            Some(loops) => matmul_on(loops, a, b, c, keep, finish),
            None => rounded(precision, a, |a| {
                rounded(precision, b, |b| matmul_on(T::loops(Isa::best()), a, b, c, keep, finish));
            }),
        }
    }
}

/// Calls `multiply` with `c` and a [`Then`] that calls `f` with its runs and the same parts of each of `others`.
///
/// # Panics
///
/// If one of `others` does not have the length of `c`.
pub fn alongside<T: Float>(
    c: &mut [T],
    others: &mut [&mut [T]],
    f: &(dyn Fn(&mut PartsOf<'_, T>) + Sync),
    multiply: impl FnOnce(&mut [T], Then<T>),
) {
    assert!(others.iter().all(|other| other.len() == c.len()), "alongside: all results must have the same length");
    let others: SmallVec<[ViewMut<T>; 8]> = others.iter_mut().map(|other| ViewMut::new(other, 1)).few();
    let (begin, size) = (c.as_ptr() as usize, c.len());
    multiply(c, &|runs| {
        f(&mut runs.map(|(_, run)| {
            // Located by address, so that no caller can name another part: the owner of the run owns these parts, too.
            let at = (run.as_ptr() as usize).wrapping_sub(begin) / size_of::<T>();
            let len = run.len();
            assert!(at <= size && len <= size - at, "alongside: the run is not a part of `c`");
            let mut parts: Parts<T> = smallvec![run];
            // SAFETY: `run` is a part of `c`, and only `multiply` borrows `c`: no two runs that exist at the same time
            // overlap, and so neither do the parts of the other arrays, which are as long as `c`.
            let part = |other: &ViewMut<T>| unsafe { std::slice::from_raw_parts_mut(other.sub(at, 0).start, len) };
            parts.extend(others.iter().map(part));
            (at, parts)
        }));
    });
}

/// Runs with their positions, each with the same part of other arrays.
pub type PartsOf<'r, T> = dyn Iterator<Item = (usize, Parts<'r, T>)> + 'r;

/// A run, and the same part of other arrays.
pub type Parts<'r, T> = SmallVec<[&'r mut [T]; 16]>;

once! {
    /// [`matmul_into`] for `batch` products: `c[i] = a(i) b(i)`, or `c[i] = keep c[i] + a(i) b(i)`.
    ///
    /// All products have the shape of the first. `c` holds the results one after another, each row-major. Small products
    /// are distributed over the threads whole; if there are only a few large ones, each is split among the threads. A run
    /// passed to `then` lies within one product.
    ///
    /// # Panics
    ///
    /// If the inner dimensions of `a(i)` and `b(i)` differ, if a product does not have the shape of the first, or if `c`
    /// does not have the length of `batch` products.
    pub fn matmul_batch_into<'a, T: Element>(
        precision: Precision,
        batch: usize,
        a: &(dyn Fn(usize) -> Mat<'a, T> + Sync),
        b: &(dyn Fn(usize) -> Mat<'a, T> + Sync),
        c: &mut [T],
        keep: Option<T>,
        then: Option<Then<T>>,
    ) {
        if batch == 0 {
            return assert!(c.is_empty(), "matmul_batch_into: an empty batch has a result of {} elements", c.len());
        }
        let (m, n, k) = (a(0).rows(), b(0).cols(), a(0).cols());
        let size = m * n;
        assert_eq!(c.len(), batch * size, "matmul_batch_into: the result must be {batch} times {m} x {n}");
        let finish = |i: usize| then.map(|then| Finish { then, start: i * size });
        let Some(loops) = T::rounding(precision, Isa::best()) else {
            return (0..batch).for_each(|i| {
                let c = &mut c[i * size..][..size];
                rounded(precision, a(i), |a| {
                    rounded(precision, b(i), |b| matmul_on(T::loops(Isa::best()), a, b, c, keep, finish(i)));
                });
            });
        };
        let groups = threads_for(batch * size * k).min(batch);
        if groups == 1 || batch < threads::threads() && threads_for(size * k) > 1 {
            (0..batch).for_each(|i| matmul_on(loops, a(i), b(i), &mut c[i * size..][..size], keep, finish(i)));
            return;
        }
        let group_len = batch.div_ceil(groups);
        let c = ViewMut::new(c, size);
        // What is packed, and so the space it takes, depends on the strides, which may vary: reserve space for any of
        // them.
        let room = workspace(loops, m, n, k);
        with_scratch(room * batch.div_ceil(group_len), |workspace| {
            threads::for_each_chunk(workspace, room, &|group, workspace| {
                for i in group * group_len..batch.min((group + 1) * group_len) {
                    let (a, b) = (a(i), b(i));
                    check(a, b, size);
                    assert_eq!((m, k), (a.rows(), a.cols()), "matmul_batch_into: product {i} differs in shape");
                    // SAFETY: `c` has `batch` results of `size`, and only this group writes this one. The shapes are
                    // compatible.
                    unsafe { Product::new(loops, a, b, c.sub(i, 0).rows(n), keep, finish(i)).compute(loops, workspace) };
                }
            });
        });
    }
}

/// One product, or a part of one, computed on one thread.
#[derive(Clone, Copy)]
pub struct Product<'a, T> {
    a: View<T>,
    b: View<T>,
    c: ViewMut<T>,
    /// The factor of the previous `c` that is added to the product; `None` overwrites `c`.
    keep: Option<T>,
    finish: Option<Finish<'a, T>>,
    kind: Kind,
}

/// The callback on a result, and the position of that result in the caller's result.
#[derive(Clone, Copy)]
struct Finish<'a, T> {
    then: Then<'a, T>,
    start: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A matrix times a matrix.
    Matrices,
    /// A vector times a matrix; the result is one row: `a` is `1 x k`.
    Row,
    /// As `Row`, with each column of `b` contiguous.
    Dots,
}

impl<'a, T: Element> Product<'a, T> {
    /// The shapes must have been checked. If one operand is a vector, it becomes the left operand.
    fn new(
        loops: &Loops<T>,
        a: Mat<T>,
        b: Mat<T>,
        c: ViewMut<T>,
        keep: Option<T>,
        finish: Option<Finish<'a, T>>,
    ) -> Self {
        let (a, b) = (a.view(), b.view());
        if loops.pairs || a.rows > 1 && b.cols > 1 {
            return Product { a, b, c, keep, finish, kind: Kind::Matrices };
        }
        // In a dot product, either operand can be the matrix: choose one that is contiguous.
        let transposed = a.rows > 1 || b.cols == 1 && b.row != 1;
        let (a, b) = if transposed { (b.t(), a.t()) } else { (a, b) };
        let kind = if b.row == 1 && b.rows > 1 { Kind::Dots } else { Kind::Row };
        Product { a, b, c: c.rows(b.cols), keep, finish, kind }
    }

    /// The part of this product that computes the given rows and columns of the result.
    ///
    /// # Safety
    ///
    /// The result must have these rows and columns.
    unsafe fn part(self, i: usize, j: usize, rows: usize, cols: usize) -> Self {
        let (a, b, c) = (self.a, self.b, self.c);
        let finish = self.finish.map(|finish| Finish { start: finish.start + i * c.row + j, ..finish });
        // SAFETY: guaranteed by the caller.
        unsafe {
            Product { a: a.sub(i, 0, rows, a.cols), b: b.sub(0, j, b.rows, cols), c: c.sub(i, j), finish, ..self }
        }
    }

    /// Computes the product on this thread.
    ///
    /// # Safety
    ///
    /// The CPU must support the loops, the shapes and bounds of the operands must have been checked, only this thread
    /// may access `c`, and the workspace must have the size given by [`workspace`].
    unsafe fn compute(&self, loops: &Loops<T>, workspace: &mut [T]) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match self.kind {
                Kind::Matrices if few::applies(loops, self) => return few::multiply(loops, self, workspace),
                Kind::Matrices => return blocked::multiply(loops, self, workspace),
                Kind::Row => (loops.across)(self.a, self.b, self.c, self.keep),
                Kind::Dots => (loops.along)(self.a, self.b, self.c, self.keep, workspace),
            }
            self.finish(0, 0, 1, self.b.cols);
        }
    }

    /// Passes the given rows and columns of the result to the callback; they are final.
    ///
    /// # Safety
    ///
    /// The result must have these rows and columns, all written and owned by this thread alone.
    #[inline(always)]
    unsafe fn finish(&self, i: usize, j: usize, rows: usize, cols: usize) {
        if let Some(Finish { then, start }) = self.finish {
            // Whole rows are contiguous.
            let (rows, len) = if cols == self.c.row { (1, rows * cols) } else { (rows, cols) };
            // SAFETY: guaranteed by the caller.
            let from = unsafe { self.c.sub(i, j) };
            then(Runs { from, at: start + i * self.c.row + j, rows, len, borrow: PhantomData });
        }
    }
}

/// A product with a long inner axis.
fn matmul_by_halves<T: Element>(
    loops: &Loops<T>,
    a: Mat<T>,
    b: Mat<T>,
    c: &mut [T],
    keep: Option<T>,
    finish: Option<Finish<T>>,
) {
    by_halves(0..a.cols(), LONG, c, &mut |part, c| {
        let keep = keep.filter(|_| part.start == 0);
        matmul_on(loops, a.columns(part.clone()), b.range(part.start, part.len()), c, keep, None);
    });
    if let Some(Finish { then, start }) = finish {
        let (from, len) = (ViewMut::new(c, b.cols()), c.len());
        then(Runs { from, at: start, rows: 1, len, borrow: PhantomData });
    }
}

fn matmul_on<T: Element>(
    loops: &Loops<T>,
    a: Mat<T>,
    b: Mat<T>,
    c: &mut [T],
    keep: Option<T>,
    finish: Option<Finish<T>>,
) {
    check(a, b, c.len());
    if c.is_empty() {
        return;
    }
    if size_of::<T>() < size_of::<f64>() && a.cols() > LONG {
        return matmul_by_halves(loops, a, b, c, keep, finish);
    }
    let product = Product::new(loops, a, b, ViewMut::new(c, b.cols()), keep, finish);
    let (m, n, k) = (product.a.rows, product.b.cols, product.a.cols);
    let threads = threads_for(m * n * k);
    // Every part packs the operand that is not split, so split along the longer side, in whole tiles. With a callback,
    // prefer to split into rows if whole rows can be passed on, which makes fewer runs.
    let (tile_rows, tile_cols) = match product.kind {
        Kind::Matrices => (loops.rows, loops.wide),
        Kind::Row | Kind::Dots => (1, ROW),
    };
    let whole_rows = product.finish.is_some() && n <= blocked::columns(loops, k);
    let by_rows = m > n || whole_rows && m >= 2 * threads * tile_rows;
    let share = |len: usize, tile: usize| len.div_ceil(threads).next_multiple_of(tile).min(len);
    let (rows, cols) = if by_rows { (share(m, tile_rows), n) } else { (m, share(n, tile_cols)) };
    let parts = m.div_ceil(rows) * n.div_ceil(cols);
    let room = workspace(loops, rows, cols, k);
    with_scratch(room * parts, |workspace| {
        threads::for_each_chunk(workspace, room, &|part, workspace| {
            let (i, j) = if by_rows { (part * rows, 0) } else { (0, part * cols) };
            // SAFETY: the parts of `c` are disjoint and lie within the product, whose shapes have been checked.
            unsafe { product.part(i, j, rows.min(m - i), cols.min(n - j)).compute(loops, workspace) };
        });
    });
}

/// The number of elements of workspace for a product of `m x k` and `k x n`, or of vectors of these lengths.
fn workspace<T>(loops: &Loops<T>, m: usize, n: usize, k: usize) -> usize {
    if !loops.pairs && (m == 1 || n == 1) {
        return k.max(1); // not 0: the parts are chunks of the workspace
    }
    blocked::workspace(loops, m, n, k).max(few::workspace(loops, k))
}

fn check<T>(a: Mat<T>, b: Mat<T>, len: usize) {
    let (m, k, n) = (a.rows(), a.cols(), b.cols());
    assert_eq!(k, b.rows(), "matmul: the inner dimensions of {m} x {k} and {} x {n} differ", b.rows());
    assert_eq!(len, m * n, "matmul: the result is {m} x {n}, but there is room for {len} elements");
}

/// The number of threads worth using for this many multiply-adds.
pub(super) fn threads_for(work: usize) -> usize {
    threads::threads().min(work / THREAD_WORK).max(1)
}
