//! A fork-join pool: runs `f(0), f(1), …, f(tasks − 1)` on the caller and a few workers, and returns when all tasks
//! are done. It is independent of tensors and kernels; kernels decide *what* the tasks are and whether forking pays
//! off.
//!
//! Forking must cost only about a microsecond, since the work that it divides often takes only ten. A worker therefore
//! spins for some tens of microseconds after its last job before it parks: in a training loop, the next job finds it
//! awake. There is one job at a time. A caller that finds the pool busy, or that is itself a task, runs its tasks
//! alone, in order; nested and concurrent calls are thus always safe, never oversubscribe, and never deadlock.
//!
//! Tasks are handed out by an atomic counter, so which thread runs which task is not deterministic. The result of a
//! task must depend only on its index, and never on [`threads`]; results are then the same for any number of threads.

#[cfg_attr(loom, allow(dead_code, reason = "only the tests of the model start a pool"))]
mod crew;
mod limit;
#[cfg(all(test, loom))]
mod model;
mod patience;
mod share;
mod sync;
#[cfg(all(test, not(loom)))]
mod tests;

use crew::{Job, is_task, pool};
#[cfg(test)]
pub(crate) use limit::with_threads;
pub use limit::{set_threads, threads};
pub use share::{for_each_chunk, for_each_chunks};

/// Runs `f(0), …, f(tasks − 1)`, each exactly once and in no particular order, on up to [`threads`] threads.
/// The caller takes part, and all tasks are done on return.
///
/// # Panics
///
/// If a task panics, with the panic of that task. The remaining tasks run nonetheless.
pub fn for_each(tasks: usize, f: &(dyn Fn(usize) + Sync)) {
    let helpers = threads().min(tasks).saturating_sub(1);
    if helpers > 0
        && !is_task()
        && let Some(mut crew) = pool()
    {
        return crew.run(tasks, helpers, f);
    }
    let job = Job::new(tasks, f);
    job.work();
    job.rethrow();
}
