//! The pool: waiting workers, and the one job they help with.

use super::patience::Patience;
use super::sync::{
    AtomicPtr, AtomicUsize, Life, Mutex, MutexGuard, Ordering, Thread, TryLockError, thread, thread_local,
};
use std::any::Any;
use std::cell::Cell;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;

#[cfg(not(loom))]
thread_local! {
    /// Whether this thread is running a task of the pool, or is one of its workers.
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
}
#[cfg(loom)]
thread_local! {
    static IN_TASK: Cell<bool> = Cell::new(false);
}

/// Whether this thread is running a task.
pub(super) fn is_task() -> bool {
    IN_TASK.with(Cell::get)
}

/// A call of [`for_each`](super::for_each): its tasks and their progress.
pub(super) struct Job<'a> {
    f: &'a (dyn Fn(usize) + Sync),
    tasks: usize,
    next: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    life: Life,
}

impl<'a> Job<'a> {
    pub(super) fn new(tasks: usize, f: &'a (dyn Fn(usize) + Sync)) -> Self {
        Job { f, tasks, next: AtomicUsize::new(0), panic: Mutex::new(None), life: Life::default() }
    }

    /// Runs tasks until all have been started. Never unwinds.
    pub(super) fn work(&self) {
        loop {
            self.life.use_now();
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.tasks {
                return;
            }
            if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| (self.f)(index))) {
                let mut first = self.panic.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                match *first {
                    None => *first = Some(payload),
                    Some(_) => mem::forget(payload), // Dropping it could panic as well.
                }
            }
        }
    }

    pub(super) fn rethrow(self) {
        self.life.end();
        if let Some(payload) = self.panic.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            panic::resume_unwind(payload);
        }
    }
}

/// A worker's mailbox: null if there is no job, then the job, then [`TAKEN`] while the worker is running it.
type Desk = AtomicPtr<Job<'static>>;

/// A marker; no job has this address.
const TAKEN: *mut Job<'static> = ptr::dangling_mut();

/// A running worker, as seen by the caller of a job.
struct Worker {
    desk: &'static Desk,
    thread: Thread,
}

/// The workers started so far. The holder of the lock runs the one job.
pub(super) struct Crew {
    workers: Vec<Worker>,
}

#[cfg(not(loom))]
static POOL: Mutex<Crew> = Mutex::new(Crew::new());

/// Returns the pool, unless another thread is running a job in it.
#[cfg(not(loom))]
pub(super) fn pool() -> Option<MutexGuard<'static, Crew>> {
    idle(&POOL)
}

/// A model has no statics: each has pools of its own.
#[cfg(loom)]
pub(super) fn pool() -> Option<MutexGuard<'static, Crew>> {
    None
}

/// Returns this pool, unless another thread is running a job in it.
pub(super) fn idle(pool: &Mutex<Crew>) -> Option<MutexGuard<'_, Crew>> {
    match pool.try_lock() {
        Ok(crew) => Some(crew),
        // Poisoned by the panic of a task, which is rethrown only after the job has ended: all workers are idle.
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl Crew {
    pub(super) const fn new() -> Self {
        Crew { workers: Vec::new() }
    }

    /// Runs a job with up to `helpers` workers.
    pub(super) fn run(&mut self, tasks: usize, helpers: usize, f: &(dyn Fn(usize) + Sync)) {
        self.hire(helpers);
        let helpers = &self.workers[..helpers.min(self.workers.len())];
        let job = Job::new(tasks, f);
        // SAFETY: only the lifetime changes. A worker dereferences the pointer only between taking it from its desk
        // and clearing the desk, and this function neither returns nor unwinds before all desks are clear: nothing in
        // between panics (`work` catches the panics of tasks).
        let erased = unsafe { mem::transmute::<*const Job<'_>, *mut Job<'static>>(&raw const job) };
        for worker in helpers {
            worker.desk.store(erased, Ordering::Release);
            worker.thread.unpark();
        }
        IN_TASK.with(|task| task.set(true));
        job.work();
        IN_TASK.with(|task| task.set(false));
        for worker in helpers {
            // A worker that did not pick up the job is called off instead of waited for.
            let recalled = worker.desk.compare_exchange(erased, ptr::null_mut(), Ordering::Acquire, Ordering::Acquire);
            let mut patience = Patience::new();
            while recalled.is_err() && !worker.desk.load(Ordering::Acquire).is_null() {
                patience.spend();
            }
        }
        job.rethrow();
    }

    /// Starts workers until there are `count`, or as many as the system allows.
    fn hire(&mut self, count: usize) {
        while self.workers.len() < count {
            let desk: &'static Desk = Box::leak(Box::new(Desk::new(ptr::null_mut())));
            let name = format!("wengert-{}", self.workers.len() + 1);
            match thread::Builder::new().name(name).spawn(move || serve(desk)) {
                Ok(handle) => self.workers.push(Worker { desk, thread: handle.thread().clone() }),
                Err(_) => return, // The caller does the work of the missing workers.
            }
        }
    }
}

/// Lets the workers of a model return: all its threads must end. The pool of a program lives as long as the program.
#[cfg(loom)]
impl Drop for Crew {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.desk.store(RETIRED, Ordering::Release);
            worker.thread.unpark();
        }
    }
}

/// A marker of a model; no job has this address.
#[cfg(loom)]
const RETIRED: *mut Job<'static> = ptr::without_provenance_mut(2 * align_of::<Job<'static>>());

/// The main loop of a worker: wait for a job, help with it, clear the desk.
fn serve(desk: &Desk) {
    IN_TASK.with(|task| task.set(true));
    let mut patience = Patience::new();
    loop {
        let job = desk.load(Ordering::Relaxed);
        #[cfg(loom)]
        if job == RETIRED {
            return;
        }
        if job.is_null() {
            if !patience.spend() {
                thread::park(); // Returns immediately if `unpark` came after the load above.
                patience = Patience::new();
            }
        } else if desk.compare_exchange(job, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            // SAFETY: the job lives until the desk is cleared; see `Crew::run`.
            unsafe { &*job }.work();
            desk.store(ptr::null_mut(), Ordering::Release);
            patience = Patience::new();
        }
    }
}
