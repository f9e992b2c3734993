//! Benchmarks of whole steps: `cargo bench --bench steps`. docs/performance.md compares the results with other engines.

mod work;

use autograd::{set_threads, threads};
use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;
use work::items::{ITEMS, Measure};

fn steps(c: &mut Criterion) {
    let most = threads();
    for item in ITEMS.iter().filter(|item| matches!(item.measure, Measure::Time { .. })) {
        set_threads(item.threads.unwrap_or(most));
        let mut work = None;
        for replayed in [false, true] {
            let how = if replayed { "replayed" } else { "recorded" };
            c.bench_function(&format!("{}, {how}: {}", item.name, item.what), |b| {
                // Constructed only if it runs: a filter on the command line may skip it.
                let work = work.get_or_insert_with(item.work);
                b.iter(|| if replayed { work.replay() } else { work.record() })
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = steps
}
criterion_main!(benches);
