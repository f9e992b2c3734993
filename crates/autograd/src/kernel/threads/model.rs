//! A model of the pool: loom runs these functions once for each order in which the threads' steps can happen, and under
//! each outcome that the memory model allows.

use super::crew::{Crew, Job, idle};
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;
use std::panic::{self, AssertUnwindSafe};

/// A slot that each task writes, without a lock.
struct Slots(Vec<UnsafeCell<usize>>);

// SAFETY: loom reports accesses that are not ordered.
unsafe impl Sync for Slots {}

impl Slots {
    fn new(tasks: usize) -> Self {
        Slots((0..tasks).map(|_| UnsafeCell::new(0)).collect())
    }

    fn count(&self, task: usize) {
        // SAFETY: loom reports a race before the access, and the slot lives as long as `self`.
        self.0[task].with_mut(|slot| unsafe { *slot += 1 });
    }

    fn all(&self) -> Vec<usize> {
        // SAFETY: as above.
        self.0.iter().map(|slot| slot.with(|slot| unsafe { *slot })).collect()
    }
}

/// Runs the model with a bound on how often a thread is interrupted; without one, it would take days.
fn check(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(preemptions));
    model.check(f);
}

/// The writes of the tasks are visible when the job returns, each task ran once, and no worker touches a job that has
/// ended.
#[test]
fn a_job_is_done_on_return() {
    check(7, || {
        let mut crew = Crew::new();
        let slots = Slots::new(2);
        crew.run(2, 1, &|task| slots.count(task));
        assert_eq!(slots.all(), [1, 1]);
    });
}

/// A worker that comes too late for one job finds the next one, or none.
#[test]
fn jobs_follow_each_other() {
    check(5, || {
        let mut crew = Crew::new();
        for _ in 0..2 {
            let slots = Slots::new(2);
            crew.run(2, 1, &|task| slots.count(task));
            assert_eq!(slots.all(), [1, 1]);
        }
    });
}

#[test]
fn two_workers_help() {
    check(3, || {
        let mut crew = Crew::new();
        let slots = Slots::new(3);
        crew.run(3, 2, &|task| slots.count(task));
        assert_eq!(slots.all(), [1, 1, 1]);
    });
}

/// Of two callers at the same time, one gets the pool, and the other works alone.
#[test]
fn callers_compete() {
    check(4, || {
        let pool = Arc::new(Mutex::new(Crew::new()));
        let work = |pool: &Mutex<Crew>| {
            let slots = Slots::new(2);
            let f = |task| slots.count(task);
            match idle(pool) {
                Some(mut crew) => crew.run(2, 1, &f),
                None => Job::new(2, &f).work(),
            }
            assert_eq!(slots.all(), [1, 1]);
        };
        let other = thread::spawn({
            let pool = pool.clone();
            move || work(&pool)
        });
        work(&pool);
        other.join().unwrap();
    });
}

#[test]
fn a_panic_of_a_task_reaches_the_caller() {
    check(7, || {
        let mut crew = Crew::new();
        let slots = Slots::new(2);
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            crew.run(2, 1, &|task| {
                slots.count(task);
                if task == 1 {
                    panic::resume_unwind(Box::new("task one"));
                }
            });
        }));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"task one"));
        assert_eq!(slots.all(), [1, 1]);
    });
}
