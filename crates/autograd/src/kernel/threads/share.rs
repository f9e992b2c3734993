//! Splits slices into disjoint chunks, one for each task.

use super::for_each;
use crate::float::Few;
use smallvec::SmallVec;
use std::marker::PhantomData;

/// Splits `data` into chunks of `size` (the last may be shorter) and runs `f(index, chunk)` for each, like
/// [`for_each`].
///
/// # Panics
///
/// If `size` is 0, or if a task panics, like [`for_each`].
pub fn for_each_chunk<T: Send>(data: &mut [T], size: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    assert!(size > 0, "for_each_chunk: the size of a chunk must be at least 1");
    let chunks = Chunks::new(data, size);
    for_each(chunks.count(), &|index| {
        // SAFETY: `for_each` runs every index once, so no other task has this chunk.
        f(index, unsafe { chunks.get(index) })
    });
}

/// Splits several slices, slice `k` into chunks of `sizes[k]`, and runs `f(index, chunks)` for each index up to the
/// largest number of chunks. For a slice that has fewer chunks, `f` receives empty ones.
///
/// # Panics
///
/// If a size is 0, or if a task panics, like [`for_each`].
pub fn for_each_chunks<T: Send>(data: &mut [&mut [T]], sizes: &[usize], f: &(dyn Fn(usize, &mut [&mut [T]]) + Sync)) {
    assert!(sizes.iter().all(|&size| size > 0), "for_each_chunks: the size of a chunk must be at least 1");
    let cuts: SmallVec<[Chunks<T>; 24]> = data.iter_mut().zip(sizes).map(|(data, &size)| Chunks::new(data, size)).few();
    for_each(cuts.iter().map(Chunks::count).max().unwrap_or(0), &|index| {
        let chunk = |cut: &'_ Chunks<'_, T>| match index < cut.count() {
            // SAFETY: `for_each` runs every index once, so no other task has these chunks.
            true => unsafe { &mut *(cut.get(index) as *mut [T]) },
            false => &mut [],
        };
        let mut chunks: SmallVec<[&mut [T]; 16]> = cuts.iter().map(chunk).few();
        f(index, &mut chunks);
    });
}

/// A slice split into chunks that different threads borrow mutably at the same time.
struct Chunks<'a, T> {
    start: *mut T,
    len: usize,
    size: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: sharing `Chunks` gives each thread `&mut` only to chunks of its own (the contract of `get`), which is
// equivalent to sending those chunks to it; `T: Send` permits that.
unsafe impl<T: Send> Sync for Chunks<'_, T> {}

impl<'a, T> Chunks<'a, T> {
    fn new(data: &'a mut [T], size: usize) -> Self {
        Chunks { start: data.as_mut_ptr(), len: data.len(), size, slice: PhantomData }
    }

    fn count(&self) -> usize {
        self.len.div_ceil(self.size)
    }

    /// # Safety
    ///
    /// Each `index` may be used only once.
    #[expect(clippy::mut_from_ref, reason = "the chunks are disjoint, and each is taken once")]
    unsafe fn get(&self, index: usize) -> &mut [T] {
        assert!(index < self.count());
        let from = index * self.size;
        let len = self.size.min(self.len - from);
        // SAFETY: `from + len` is at most the length of the slice, the slice is borrowed mutably for `'a`, and chunks
        // with different indices do not overlap.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), len) }
    }
}
