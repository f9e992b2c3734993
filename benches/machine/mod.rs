//! Measures the machine's limits, which set the floor under every kernel: how fast it copies arrays of several sizes,
//! and how many multiply-adds it computes without stalls, on as many threads as kernels may use.

use autograd::op::Cost;
use autograd::{Tensor, threads, update};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Measured rates of this machine.
pub struct Machine {
    /// The number of bytes that a copy reads and writes, and its rate in bytes per second.
    copies: Vec<(u64, f64)>,
    /// Operations per second; a multiply-add counts as two.
    flops: f64,
}

impl Machine {
    /// Measures the machine for about a second.
    pub fn measure() -> Machine {
        let copies = (14..=24).map(|power| 1usize << power).map(|n| (8 * n as u64, copy(n))).collect();
        Machine { copies, flops: multiply_adds() }
    }

    /// The minimum time for work of this cost, and whether memory limits it rather than arithmetic.
    pub fn floor(&self, cost: Cost) -> (Duration, bool) {
        let distance = |bytes: u64| (bytes.max(1) as f64 / cost.bytes.max(1) as f64).ln().abs();
        let nearest = self.copies.iter().min_by(|a, b| distance(a.0).total_cmp(&distance(b.0)));
        let memory = cost.bytes as f64 / nearest.expect("copies have been measured").1;
        let arithmetic = cost.flops as f64 / self.flops;
        (Duration::from_secs_f64(memory.max(arithmetic)), memory >= arithmetic)
    }

    /// The rates as text.
    pub fn describe(&self) -> String {
        let copies =
            self.copies.iter().step_by(2).map(|(bytes, rate)| format!("{} KiB at {:.0} GB/s", bytes >> 10, rate / 1e9));
        let copies: Vec<_> = copies.collect();
        format!("{:.0} GFLOP/s f32, copies of {}, {} threads", self.flops / 1e9, copies.join(", "), threads())
    }
}

/// The minimum time of some runs, in seconds.
fn least(runs: usize, mut f: impl FnMut()) -> f64 {
    let once = || {
        let start = Instant::now();
        f();
        start.elapsed().as_secs_f64()
    };
    std::iter::repeat_with(once).take(runs).fold(f64::INFINITY, f64::min)
}

/// Bytes per second, read and written, when the engine's threads copy `n` values.
fn copy(n: usize) -> f64 {
    let (from, mut to) = (Tensor::<f32>::ones(&[n]), Tensor::<f32>::zeros(&[n]));
    let runs = ((1 << 26) / n).clamp(10, 2000);
    8.0 * n as f64 / least(runs, || update(black_box(&mut to), [], &from, |to, [], from| *to = from))
}

/// Operations per second of multiply-adds in registers, on all threads.
fn multiply_adds() -> f64 {
    const ROUNDS: usize = 1 << 20;
    let all = || {
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads()).map(|_| scope.spawn(|| chains(ROUNDS))).collect();
            chains(ROUNDS);
            others.into_iter().for_each(|thread| thread.join().expect("the thread does not panic"));
        });
    };
    (2 * ROUNDS * CHAINS * LANES * threads()) as f64 / least(10, all)
}

/// Independent sums, enough for two units with a latency of four cycles each.
const CHAINS: usize = 12;
/// Elements in the widest register.
const LANES: usize = 16;

fn chains(rounds: usize) {
    /// Computes `sum ← x sum + x` in all chains, repeatedly.
    #[inline(always)]
    fn run(rounds: usize) {
        /// Unrolled by hand: the compiler would vectorize across a loop over the chains.
        macro_rules! step {
            ($sums:ident, $x:ident, $($chain:literal)*) => {$(
                for l in 0..LANES {
                    $sums[$chain][l] = $x[l].mul_add($sums[$chain][l], $x[l]);
                }
            )*};
        }
        let (x, mut sums) = (black_box([0.5f32; LANES]), black_box([[1f32; LANES]; CHAINS]));
        for _ in 0..rounds {
            step!(sums, x, 0 1 2 3 4 5 6 7 8 9 10 11);
        }
        black_box(sums);
    }
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,fma")]
        fn avx512(rounds: usize) {
            run(rounds);
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2(rounds: usize) {
            run(rounds);
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has the features that the function was compiled for.
            return unsafe { avx512(rounds) };
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: likewise.
            return unsafe { avx2(rounds) };
        }
    }
    run(rounds);
}
