//! A fork-join pool: run `f(0), f(1), …, f(tasks − 1)` on the caller and a few waiting workers, and return when all
//! are done. It knows nothing of tensors or kernels; kernels decide *what* the tasks are and whether forking pays.
//!
//! Forking has to cost about a microsecond, since the work it divides often lasts only ten. A worker therefore spins
//! for some tens of microseconds after its last job, and parks only then: in a training loop the next job finds it
//! awake. There is one job at a time. A caller that finds the pool taken, or that is itself a task, runs its tasks
//! alone, in order; nesting and concurrent callers are thus always safe, never oversubscribed, and never deadlock.
//!
//! Tasks are handed out by an atomic counter, so who runs which task is left to chance. What a task computes must
//! depend on its index alone, and on no account on [`threads`] - then results are the same on any number of threads.

mod limit;
mod pool;
mod share;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use limit::with_threads;
pub use limit::{set_threads, threads};
use pool::{Job, is_task, pool};
pub use share::{for_each_chunk, for_each_chunks};

/// Runs `f(0), …, f(tasks − 1)`, each exactly once and in no particular order, on up to [`threads`] threads.
/// The caller takes part, and all tasks are done on return.
///
/// # Panics
///
/// With the panic of one task, if any panicked; the other tasks have run nonetheless.
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
