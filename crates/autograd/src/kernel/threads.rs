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

use smallvec::SmallVec;
use std::any::Any;
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// The environment variable that sets how many threads may be used.
const VARIABLE: &str = "WENGERT_THREADS";

/// How long an idle worker stays awake. Longer than the gap between two kernels of a training step.
const SPIN: Duration = Duration::from_micros(50);

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
fn asked(value: &str) -> Option<usize> {
    value.trim().parse().ok().filter(|&n| n > 0)
}

fn available() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get())
}

/// Runs `f(0), …, f(tasks − 1)`, each exactly once and in no particular order, on up to [`threads`] threads.
/// The caller takes part, and all tasks are done on return.
///
/// # Panics
///
/// With the panic of one task, if any panicked; the other tasks have run nonetheless.
pub fn for_each(tasks: usize, f: &(dyn Fn(usize) + Sync)) {
    let helpers = threads().min(tasks).saturating_sub(1);
    if helpers > 0
        && !IN_TASK.get()
        && let Some(mut crew) = pool()
    {
        return crew.run(tasks, helpers, f);
    }
    let job = Job::new(tasks, f);
    job.work();
    job.rethrow();
}

/// Cuts `data` into chunks of `size` (the last may be shorter) and runs `f(index, chunk)` for each, like [`for_each`].
///
/// # Panics
///
/// If `size` is 0, and as [`for_each`] does.
pub fn for_each_chunk<T: Send>(data: &mut [T], size: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    assert!(size > 0, "for_each_chunk: the size of a chunk must be at least 1");
    let chunks = Chunks::new(data, size);
    for_each(chunks.count(), &|index| {
        // SAFETY: `for_each` runs every index once, so no other task has this chunk.
        f(index, unsafe { chunks.get(index) })
    });
}

/// Cuts several slices alike, slice `k` into chunks of `sizes[k]`, and runs `f(index, chunks)` for each index that the
/// longest cut gives; where a slice has no more chunks, `f` gets an empty one.
///
/// # Panics
///
/// If a size is 0, and as [`for_each`] does.
pub fn for_each_chunks<T: Send>(data: &mut [&mut [T]], sizes: &[usize], f: &(dyn Fn(usize, &mut [&mut [T]]) + Sync)) {
    assert!(sizes.iter().all(|&size| size > 0), "for_each_chunks: the size of a chunk must be at least 1");
    let cuts: SmallVec<[Chunks<T>; 8]> =
        data.iter_mut().zip(sizes).map(|(data, &size)| Chunks::new(data, size)).collect();
    for_each(cuts.iter().map(Chunks::count).max().unwrap_or(0), &|index| {
        // SAFETY: `for_each` runs every index once, so no other task has these chunks.
        let chunk = |cut: &'_ Chunks<'_, T>| {
            if index < cut.count() { unsafe { &mut *(cut.get(index) as *mut [T]) } } else { &mut [] }
        };
        let mut chunks: SmallVec<[&mut [T]; 8]> = cuts.iter().map(chunk).collect();
        f(index, &mut chunks);
    });
}

/// A slice cut into chunks that different threads hold mutably at the same time.
struct Chunks<'a, T> {
    start: *mut T,
    len: usize,
    size: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: sharing `Chunks` gives each thread `&mut` to chunks of its own only (the contract of `get`), which is
// sending those chunks to it; `T: Send` permits that.
unsafe impl<T: Send> Sync for Chunks<'_, T> {}

impl<'a, T> Chunks<'a, T> {
    fn new(data: &'a mut [T], size: usize) -> Self {
        Chunks { start: data.as_mut_ptr(), len: data.len(), size, slice: PhantomData }
    }

    fn count(&self) -> usize {
        self.len.div_ceil(self.size)
    }

    /// # Safety
    ///
    /// Each `index` may be taken once.
    #[expect(clippy::mut_from_ref, reason = "the chunks are disjoint, and each is taken once")]
    unsafe fn get(&self, index: usize) -> &mut [T] {
        assert!(index < self.count());
        let from = index * self.size;
        let len = self.size.min(self.len - from);
        // SAFETY: `from + len` is at most the slice's length, the slice is borrowed mutably for `'a`, and chunks with
        // different indices do not overlap.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), len) }
    }
}

thread_local! {
    /// Whether this thread is running a task of the pool, or is one of its workers.
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
}

/// A call of [`for_each`]: the tasks, and how far they have come.
struct Job<'a> {
    f: &'a (dyn Fn(usize) + Sync),
    tasks: usize,
    next: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl<'a> Job<'a> {
    fn new(tasks: usize, f: &'a (dyn Fn(usize) + Sync)) -> Self {
        Job { f, tasks, next: AtomicUsize::new(0), panic: Mutex::new(None) }
    }

    /// Runs tasks until none is left to begin. Never unwinds.
    fn work(&self) {
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

    fn rethrow(self) {
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
struct Crew {
    workers: Vec<Worker>,
}

static POOL: Mutex<Crew> = Mutex::new(Crew { workers: Vec::new() });

/// The pool, unless another thread has a job in it.
fn pool() -> Option<MutexGuard<'static, Crew>> {
    match POOL.try_lock() {
        Ok(crew) => Some(crew),
        // A task's panic passed through the guard, after the job was over: the workers are all idle.
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl Crew {
    /// Runs a job with the help of up to `helpers` workers.
    fn run(&mut self, tasks: usize, helpers: usize, f: &(dyn Fn(usize) + Sync)) {
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

/// Runs `f` with another limit. The limit is global: tests that set it take turns.
#[cfg(test)]
pub(crate) fn with_threads<R>(n: usize, f: impl FnOnce() -> R) -> R {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let before = threads();
    set_threads(n);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    set_threads(before);
    result.unwrap_or_else(|payload| panic::resume_unwind(payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_each_runs_once(tasks: usize) {
        let runs: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
        for_each(tasks, &|i| {
            runs[i].fetch_add(1, Ordering::Relaxed);
        });
        assert!(runs.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{tasks} tasks");
    }

    #[test]
    fn every_task_runs_exactly_once() {
        for n in [1, 2, 3, 5, 8, 2] {
            with_threads(n, || {
                (0..50).for_each(assert_each_runs_once);
                assert_each_runs_once(10_000);
            });
        }
    }

    #[test]
    fn a_parked_pool_wakes() {
        with_threads(3, || {
            for _ in 0..20 {
                assert_each_runs_once(7);
                thread::sleep(Duration::from_millis(2));
            }
        });
    }

    #[test]
    fn slices_are_cut_alike() {
        for (lens, sizes) in [([10, 5], [4, 2]), ([0, 3], [1, 1]), ([7, 7], [7, 3]), ([100, 1], [9, 1])] {
            let (mut a, mut b) = (vec![0usize; lens[0]], vec![0usize; lens[1]]);
            with_threads(3, || {
                for_each_chunks(&mut [&mut a, &mut b], &sizes, &|i, chunks| {
                    chunks.iter_mut().for_each(|chunk| chunk.iter_mut().for_each(|x| *x += i + 1));
                });
            });
            for (data, size) in [(a, sizes[0]), (b, sizes[1])] {
                assert!(data.iter().enumerate().all(|(k, &x)| x == k / size + 1));
            }
        }
    }

    #[test]
    fn two_threads_take_part_in_one_job() {
        // Each task waits a while for the other to begin. Another test may have the pool, so this may take a few tries.
        with_threads(2, || {
            let met = (0..500).any(|_| {
                let begun = AtomicUsize::new(0);
                for_each(2, &|_| {
                    begun.fetch_add(1, Ordering::Relaxed);
                    let start = Instant::now();
                    while begun.load(Ordering::Relaxed) < 2 && start.elapsed() < Duration::from_millis(20) {
                        thread::yield_now();
                    }
                    begun.fetch_add(if begun.load(Ordering::Relaxed) < 2 { 10 } else { 0 }, Ordering::Relaxed);
                });
                begun.into_inner() == 2
            });
            assert!(met);
        });
    }

    #[test]
    fn one_thread_runs_on_the_caller_in_order() {
        with_threads(1, || {
            let (caller, seen) = (thread::current().id(), Mutex::new(Vec::new()));
            for_each(9, &|i| {
                assert_eq!(thread::current().id(), caller);
                seen.lock().unwrap().push(i);
            });
            assert_eq!(seen.into_inner().unwrap(), (0..9).collect::<Vec<_>>());
        });
    }

    #[test]
    fn tasks_may_fork() {
        with_threads(3, || {
            let runs = AtomicUsize::new(0);
            for_each(6, &|_| {
                let outer = thread::current().id();
                for_each(5, &|_| {
                    assert_eq!(thread::current().id(), outer);
                    runs.fetch_add(1, Ordering::Relaxed);
                });
            });
            assert_eq!(runs.into_inner(), 30);
        });
    }

    #[test]
    fn callers_may_compete() {
        with_threads(2, || {
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| (0..300).for_each(|i| assert_each_runs_once(i % 17)));
                }
            });
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_after_the_other_tasks_and_the_pool_lives_on() {
        for n in [1, 2, 4] {
            with_threads(n, || {
                let runs = AtomicUsize::new(0);
                let result = panic::catch_unwind(AssertUnwindSafe(|| {
                    for_each(40, &|i| {
                        runs.fetch_add(1, Ordering::Relaxed);
                        assert_ne!(i, 11, "task eleven");
                    });
                }));
                let message = result.unwrap_err().downcast::<String>().unwrap();
                assert!(message.contains("task eleven"), "{message}");
                assert_eq!(runs.into_inner(), 40);
                assert_each_runs_once(100);
                assert!(!IN_TASK.get());
            });
        }
    }

    #[test]
    fn chunks_cover_the_slice() {
        with_threads(3, || {
            for len in [0, 1, 2, 9, 10, 11, 100] {
                for size in [1, 3, 10, 200] {
                    let mut data = vec![usize::MAX; len];
                    for_each_chunk(&mut data, size, &|index, chunk| {
                        for (offset, x) in chunk.iter_mut().enumerate() {
                            *x = index * size + offset;
                        }
                    });
                    assert!(data.iter().enumerate().all(|(i, &x)| i == x), "{len} in chunks of {size}");
                }
            }
        });
    }

    #[test]
    fn what_is_no_number_of_threads_asks_for_none() {
        for (value, number) in
            [("1", Some(1)), (" 12\n", Some(12)), ("0", None), ("-1", None), ("", None), ("two", None)]
        {
            assert_eq!(asked(value), number, "{value:?}");
        }
        assert_eq!(asked(&"9".repeat(40)), None);
    }

    #[test]
    #[should_panic(expected = "at least 1")]
    fn no_threads_at_all_is_refused() {
        set_threads(0);
    }
}
