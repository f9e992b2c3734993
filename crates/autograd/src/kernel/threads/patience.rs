//! How a thread waits for another.

use super::limit::{available, threads};
use super::sync::thread;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long an idle worker stays awake: longer than the gap between two kernels of a training step.
const SPIN: Duration = Duration::from_micros(50);

/// Spins for a while, then yields the processor; yields earlier if the machine is oversubscribed.
pub(super) struct Patience {
    since: Option<Instant>,
    spins: u32,
}

impl Patience {
    /// Number of spins between two readings of the clock.
    const ROUND: u32 = 64;

    pub(super) fn new() -> Self {
        Patience { since: None, spins: 0 }
    }

    /// Waits a moment. Returns false once the total wait exceeds [`SPIN`], and yields from then on.
    pub(super) fn spend(&mut self) -> bool {
        // A model has no clock: a thread waits for a step of another thread.
        if cfg!(loom) {
            thread::yield_now();
            return false;
        }
        std::hint::spin_loop();
        self.spins += 1;
        if !self.spins.is_multiple_of(Self::ROUND) {
            return true;
        }
        if oversubscribed() {
            thread::yield_now();
        }
        let patient = self.since.get_or_insert_with(Instant::now).elapsed() < SPIN;
        if !patient {
            thread::yield_now();
        }
        patient
    }
}

/// Whether the limit exceeds the number of threads that the machine runs at once.
fn oversubscribed() -> bool {
    static AVAILABLE: OnceLock<usize> = OnceLock::new();
    threads() > *AVAILABLE.get_or_init(available)
}
