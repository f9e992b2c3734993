//! The pool: workers that wait, and the one job they help with.

use super::limit::{available, threads};
use std::any::Any;
use std::cell::Cell;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long an idle worker stays awake. Longer than the gap between two kernels of a training step.
const SPIN: Duration = Duration::from_micros(50);

thread_local! {
    /// Whether this thread is running a task of the pool, or is one of its workers.
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is running a task.
pub(super) fn is_task() -> bool {
    IN_TASK.get()
}

/// A call of [`for_each`](super::for_each): the tasks, and how far they have come.
pub(super) struct Job<'a> {
    f: &'a (dyn Fn(usize) + Sync),
    tasks: usize,
    next: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl<'a> Job<'a> {
    pub(super) fn new(tasks: usize, f: &'a (dyn Fn(usize) + Sync)) -> Self {
        Job { f, tasks, next: AtomicUsize::new(0), panic: Mutex::new(None) }
    }

    /// Runs tasks until none is left to begin. Never unwinds.
    pub(super) fn work(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.tasks {
                return;
            }
            if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| (self.f)(index))) {
                let mut first = self.panic.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                match *first {
                    None => *first = Some(payload),
                    Some(_) => mem::forget(payload), // Dropping it could panic, too.
                }
            }
        }
    }

    pub(super) fn rethrow(self) {
        if let Some(payload) = self.panic.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            panic::resume_unwind(payload);
        }
    }
}

/// Where a worker is told of a job: null while there is none, then the job, then [`TAKEN`] while the worker is at it.
type Desk = AtomicPtr<Job<'static>>;

/// No job has this address.
const TAKEN: *mut Job<'static> = ptr::dangling_mut();

/// A started worker, as its employer sees it.
struct Worker {
    desk: &'static Desk,
    thread: Thread,
}

/// The workers started so far. Whoever holds it runs the one job.
pub(super) struct Crew {
    workers: Vec<Worker>,
}

static POOL: Mutex<Crew> = Mutex::new(Crew { workers: Vec::new() });

/// The pool, unless another thread has a job in it.
pub(super) fn pool() -> Option<MutexGuard<'static, Crew>> {
    match POOL.try_lock() {
        Ok(crew) => Some(crew),
        // A task's panic passed through the guard, after the job was over: the workers are all idle.
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl Crew {
    /// Runs a job with the help of up to `helpers` workers.
    pub(super) fn run(&mut self, tasks: usize, helpers: usize, f: &(dyn Fn(usize) + Sync)) {
        self.hire(helpers);
        let helpers = &self.workers[..helpers.min(self.workers.len())];
        let job = Job::new(tasks, f);
        // SAFETY: only the lifetime changes. A worker follows the pointer only between taking it from its desk and
        // clearing the desk, and this function neither returns nor unwinds before all desks are clear: nothing
        // between here and there panics (`work` catches the panics of tasks).
        let erased = unsafe { mem::transmute::<*const Job<'_>, *mut Job<'static>>(&raw const job) };
        for worker in helpers {
            worker.desk.store(erased, Ordering::Release);
            worker.thread.unpark();
        }
        IN_TASK.set(true);
        job.work();
        IN_TASK.set(false);
        for worker in helpers {
            // A worker that has not come yet is not waited for.
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
            let desk: &'static Desk = Box::leak(Box::default());
            let name = format!("wengert-{}", self.workers.len() + 1);
            match thread::Builder::new().name(name).spawn(move || serve(desk)) {
                Ok(handle) => self.workers.push(Worker { desk, thread: handle.thread().clone() }),
                Err(_) => return, // The caller does the work of those that could not be started.
            }
        }
    }
}

/// The life of a worker: wait for a job, help with it, clear the desk.
fn serve(desk: &Desk) -> ! {
    IN_TASK.set(true);
    let mut patience = Patience::new();
    loop {
        let job = desk.load(Ordering::Relaxed);
        if job.is_null() {
            if !patience.spend() {
                thread::park(); // Returns at once if `unpark` came between the look at the desk and here.
                patience = Patience::new();
            }
        } else if desk.compare_exchange(job, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            // SAFETY: the job lives until the desk is clear again; see `Crew::run`.
            unsafe { &*job }.work();
            desk.store(ptr::null_mut(), Ordering::Release);
            patience = Patience::new();
        }
    }
}

/// Waiting without giving up the processor, for a while; and giving it up where others may need it.
struct Patience {
    since: Option<Instant>,
    spins: u32,
}

impl Patience {
    /// Spins between two looks at the clock.
    const ROUND: u32 = 64;

    fn new() -> Self {
        Patience { since: None, spins: 0 }
    }

    /// Waits a moment. Says whether it has lasted less than [`SPIN`] in all; from there on it yields.
    fn spend(&mut self) -> bool {
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

/// Whether more threads are asked for than the machine runs at once.
fn oversubscribed() -> bool {
    static AVAILABLE: OnceLock<usize> = OnceLock::new();
    threads() > *AVAILABLE.get_or_init(available)
}
