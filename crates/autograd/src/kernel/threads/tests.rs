//! Tests of the pool.

use super::limit::asked;
use super::*;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

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
    // Each task waits a while for the other to start. Another test may hold the pool, so this may take a few tries.
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
            assert!(!is_task());
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
    for (value, number) in [("1", Some(1)), (" 12\n", Some(12)), ("0", None), ("-1", None), ("", None), ("two", None)] {
        assert_eq!(asked(value), number, "{value:?}");
    }
    assert_eq!(asked(&"9".repeat(40)), None);
}

#[test]
#[should_panic(expected = "at least 1")]
fn no_threads_at_all_is_refused() {
    set_threads(0);
}
