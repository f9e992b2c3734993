//! Memory pool: a released buffer is kept here for the next tensor of its size class.
//!
//! A fresh 64 MB buffer costs tens of milliseconds in page faults, a recycled one none. A loop that builds the same
//! shapes repeatedly allocates nothing once it is warm. Each thread has its own lists, so no lock is needed.

use crate::float::{Array, Pooled};
use std::cell::Cell;
use std::sync::Arc;

/// Maximum number of bytes in one thread's lists; buffers released beyond that are freed.
const DEFAULT_LIMIT: usize = 1 << 30;

thread_local! {
    static LIMIT: Cell<usize> = const { Cell::new(DEFAULT_LIMIT) };
    static WAITING: Cell<usize> = const { Cell::new(0) };
}

/// Sets how many bytes of released tensors the calling thread keeps for reuse (defaults to 1 GiB), and frees the
/// buffers it keeps now. `0` disables recycling.
///
/// ```
/// autograd::set_pool_limit(0); // every released buffer is freed immediately
/// autograd::set_pool_limit(256 << 20);
/// ```
pub fn set_pool_limit(bytes: usize) {
    LIMIT.set(bytes);
    fn clear<T: Pooled>() {
        T::with_pool(|pool| pool.buffers.iter_mut().for_each(Vec::clear));
    }
    clear::<f32>();
    clear::<f64>();
    clear::<i64>();
    clear::<bool>();
    WAITING.set(0);
}

/// Returns the size class of `n` and its capacity. Capacities are multiples of 16 up to 128, then eight per doubling,
/// so that a large buffer wastes at most an eighth.
fn class(n: usize) -> (usize, usize) {
    if n <= 128 {
        let steps = n.div_ceil(16).max(1);
        return (steps, steps * 16);
    }
    let shift = (n - 1).ilog2() - 3;
    let eighths = ((n - 1) >> shift) + 1; // 9 to 16 eighths of a power of two
    (8 * (shift as usize - 4) + eighths - 8 + 8, eighths << shift)
}

/// Returns a buffer of at least `n` elements that only the caller owns. Its contents are arbitrary.
pub(crate) fn take_buffer<T: Pooled + Default + Clone>(n: usize) -> Arc<Vec<T>> {
    let (class, capacity) = class(n);
    let recycled = T::with_pool(|pool| pool.buffers.get_mut(class).and_then(Vec::pop)).flatten();
    match recycled {
        Some(buffer) => {
            WAITING.set(WAITING.get().saturating_sub(buffer.len() * size_of::<T>()));
            buffer
        }
        None => Arc::new(vec![T::default(); capacity]),
    }
}

/// Returns a buffer to the pool, if nothing else holds it.
pub(super) fn give_buffer<T: Pooled>(mut buffer: Arc<Vec<T>>) {
    let n = buffer.len();
    let (class, capacity) = class(n);
    let bytes = n * size_of::<T>();
    // Only buffers of exactly a class's capacity are kept; a vector supplied by a user has its own size and is freed.
    if n != capacity || Arc::get_mut(&mut buffer).is_none() {
        return;
    }
    let Ok((waiting, limit)) = WAITING.try_with(|w| (w.get() + bytes, LIMIT.get())) else { return };
    if waiting <= limit {
        let kept = T::with_pool(|pool| {
            if pool.buffers.len() <= class {
                pool.buffers.resize_with(class + 1, Vec::new);
            }
            pool.buffers[class].push(buffer);
        });
        if kept.is_some() {
            WAITING.set(waiting);
        }
    }
}

/// Returns a head for an array, recycled or new.
pub(super) fn take_array<T: Pooled>(array: Array<T>) -> Arc<Array<T>> {
    match T::with_pool(|pool| pool.arrays.pop()).flatten() {
        Some(mut head) => {
            *Arc::get_mut(&mut head).expect("a pooled head has one owner") = array;
            head
        }
        None => Arc::new(array),
    }
}

/// Returns an array to the pool, if nothing else holds it: its buffer and its head separately.
pub(super) fn give_array<T: Pooled>(mut head: Arc<Array<T>>) {
    let Some(array) = Arc::get_mut(&mut head) else { return };
    if let Some(buffer) = array.buffer.take() {
        give_buffer(buffer);
    }
    const MOST: usize = 1 << 16;
    T::with_pool(|pool| {
        if pool.arrays.len() < MOST {
            pool.arrays.push(head);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_is_asked_and_waste_little() {
        let mut last = (0, 0);
        for n in (0..5000).chain((1..40).map(|i| i * 123_457)) {
            let (c, capacity) = class(n);
            assert!(capacity >= n && capacity <= (n + n / 8).max(16) + 16, "{n} -> {capacity}");
            assert_eq!(class(capacity), (c, capacity), "a class holds its own capacity");
            assert!(c > last.0 || (c, capacity) == last || n < last.1, "classes ascend: {n}");
            last = (c, capacity);
        }
    }

    #[test]
    fn a_buffer_comes_back() {
        let buffer = take_buffer::<f32>(1000);
        let at = buffer.as_ptr();
        give_buffer(buffer);
        assert_eq!(take_buffer::<f32>(990).as_ptr(), at);
    }

    #[test]
    fn a_shared_buffer_stays_with_its_holder() {
        let buffer = take_buffer::<f64>(2000);
        give_buffer(buffer.clone());
        assert_ne!(take_buffer::<f64>(2000).as_ptr(), buffer.as_ptr());
    }
}
