//! The number of threads a kernel may use.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The environment variable that sets the number of threads.
const VARIABLE: &str = "WENGERT_THREADS";
/// The current limit; 0 until it is first needed.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// Returns how many threads a kernel may use, including the calling thread.
///
/// Defaults to the environment variable `WENGERT_THREADS` if it is a number of at least 1; if it is not set, is 0 or
/// is not a number, to the number of threads that this machine runs at once. [`set_threads`] changes it.
///
/// ```
/// assert!(autograd::threads() >= 1);
/// ```
pub fn threads() -> usize {
    match LIMIT.load(Ordering::Relaxed) {
        0 => {
            // If another thread calls `set_threads` first, its value is kept.
            let _ = LIMIT.compare_exchange(0, default_threads(), Ordering::Relaxed, Ordering::Relaxed);
            LIMIT.load(Ordering::Relaxed)
        }
        limit => limit,
    }
}

/// Sets how many threads a kernel may use, including the calling thread; 1 runs everything on the calling thread.
///
/// The limit applies to the whole process, from the next job on. Results do not depend on it.
///
/// ```
/// autograd::set_threads(1); // as in a job that shares the machine
/// assert_eq!(autograd::threads(), 1);
/// ```
/// # Panics
///
/// If `n` is 0.
#[track_caller]
#[doc(alias = "set_num_threads")]
pub fn set_threads(n: usize) {
    assert!(n > 0, "set_threads: the number of threads must be at least 1 (1 computes on the calling thread alone)");
    LIMIT.store(n, Ordering::Relaxed);
}

fn default_threads() -> usize {
    std::env::var(VARIABLE).ok().as_deref().and_then(asked).unwrap_or_else(available)
}

/// The number in the environment variable; `None` if it is not a number, or is 0.
pub(super) fn asked(value: &str) -> Option<usize> {
    value.trim().parse().ok().filter(|&n| n > 0)
}

pub(super) fn available() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get())
}

/// Runs `f` with another limit. The limit is global, so tests that set it run one at a time.
#[cfg(test)]
pub(crate) fn with_threads<R>(n: usize, f: impl FnOnce() -> R) -> R {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let before = threads();
    set_threads(n);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
    set_threads(before);
    result.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}
