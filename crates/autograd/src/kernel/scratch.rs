//! Memory for the duration of one call. It belongs to the thread and is reused, so a loop allocates nothing once it is
//! warm.

use crate::float::Float;
use std::cell::RefCell;

/// The unit of this memory: aligned to a cache line, so that no vector straddles two lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "memory, used as other types")] [u8; 64]);

/// Calls `f` with memory for `len` elements of unspecified values. A nested call within `f` gets a separate piece, also
/// reused.
pub fn with_scratch<T: Float, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    let mut lines = take((len * size_of::<T>()).div_ceil(size_of::<Line>()));
    // SAFETY: the lines are initialized and aligned for T, which is f32 or f64: any bits are a valid value.
    let result = f(unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), len) });
    give(lines);
    result
}

thread_local!(static PIECES: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) });

#[inline]
fn take(needed: usize) -> Vec<Line> {
    let mut lines = PIECES.with_borrow_mut(|pieces| pieces.pop()).unwrap_or_default();
    if lines.len() < needed {
        lines.resize(needed, Line([0; 64]));
    }
    lines
}

#[inline]
fn give(lines: Vec<Line>) {
    PIECES.with_borrow_mut(|pieces| pieces.push(lines));
}
