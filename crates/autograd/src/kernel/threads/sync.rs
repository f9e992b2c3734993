//! The primitives that the pool's threads share: atomics, locks and threads of the standard library. Under `cfg(loom)`
//! they are those of [loom](https://docs.rs/loom), which runs a model of the pool through every order of its steps: see
//! `.ci/loom`.

#[cfg(not(loom))]
pub use std::{
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
    sync::{Mutex, MutexGuard, TryLockError},
    thread::{self, Thread},
    thread_local,
};

#[cfg(loom)]
pub use loom::{
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
    sync::{Mutex, MutexGuard},
    thread::{self, Thread},
    thread_local,
};
#[cfg(loom)]
pub use std::sync::TryLockError;

/// The lifetime of an object that threads use through a pointer. Checked by loom; otherwise it does nothing.
#[derive(Default)]
pub struct Life {
    #[cfg(loom)]
    cell: loom::cell::UnsafeCell<()>,
}

impl Life {
    /// A use, which must come before [`end`](Life::end).
    #[inline(always)]
    pub fn use_now(&self) {
        #[cfg(loom)]
        self.cell.with(|_| ());
    }

    /// The end.
    #[inline(always)]
    pub fn end(&self) {
        #[cfg(loom)]
        self.cell.with_mut(|_| ());
    }
}
