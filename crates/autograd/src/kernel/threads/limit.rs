//! How many threads a kernel may use.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The environment variable that sets how many threads may be used.
const VARIABLE: &str = "WENGERT_THREADS";
/// The limit in force; 0 until it is first asked for.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// How many threads a kernel may use, the calling one included.
///
/// At first that is the value of the environment variable `WENGERT_THREADS` where it is a number of at least 1; where it is
/// not set, 0 or no number, it is the number of threads this machine runs at once. [`set_threads`] changes it.
pub fn threads() -> usize {
    match LIMIT.load(Ordering::Relaxed) {
        0 => {
            // A `set_threads` that came first, on another thread, wins.
            let _ = LIMIT.compare_exchange(0, default_threads(), Ordering::Relaxed, Ordering::Relaxed);
            LIMIT.load(Ordering::Relaxed)
        }
        limit => limit,
    }
}

/// Sets how many threads a kernel may use, the calling one included; 1 runs everything on the caller.
///
/// It holds for the whole process, from the next job on. Results do not depend on it.
///
/// # Panics
///
/// If `n` is 0.
#[track_caller]
pub fn set_threads(n: usize) {
    assert!(n > 0, "set_threads: the number of threads must be at least 1 (1 computes on the calling thread alone)");
    LIMIT.store(n, Ordering::Relaxed);
}

fn default_threads() -> usize {
    std::env::var(VARIABLE).ok().as_deref().and_then(asked).unwrap_or_else(available)
}

/// The number that the environment variable asks for; `None` for what is no number, or 0.
pub(super) fn asked(value: &str) -> Option<usize> {
    value.trim().parse().ok().filter(|&n| n > 0)
}

pub(super) fn available() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get())
}

/// Runs `f` with another limit. The limit is global: tests that set it take turns.
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
