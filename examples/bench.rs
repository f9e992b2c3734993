//! Times the engine on fixed workloads and prints one line of JSON for each: `cargo run --release --example bench --
//! [--threads N] [--only M1a,M3] [--record|--replay]`.
//!
//! The workloads are those of `benches/work/`, listed by name in `benches/work/items.rs`. The same workloads in PyTorch
//! and JAX are in `benches/peers/`; `benches/peers/compare.sh` runs all three together.

#[path = "../benches/work/mod.rs"]
mod work;

use autograd::{set_threads, threads};
use std::process::{Command, ExitCode};
use std::time::Instant;
use work::Work;
use work::items::{ITEMS, Item, Measure};

const USAGE: &str = "usage: bench [--threads N] [--only M1a,M3] [--record|--replay]
  --threads N    maximum number of threads (default: number of cores)
  --only A,B     only these workloads or families: M3 selects M3_1000 and the like
  --record       record the work anew in each run
  --replay       replay one recording in each run (default: both)";

/// Environment variable that names the one workload whose memory a child process measures.
const CHILD: &str = "WENGERT_BENCH_CHILD";

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("{message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let most = options.threads.unwrap_or_else(threads);
    let mut complete = true;
    for item in ITEMS.iter().filter(|item| options.wants(item.name)) {
        set_threads(item.threads.unwrap_or(most));
        complete &= options.variants.iter().all(|&variant| measure(item, variant));
    }
    ExitCode::from(u8::from(!complete))
}

/// Whether a workload is recorded in each run, or once.
#[derive(Clone, Copy, PartialEq)]
enum Variant {
    Record,
    Replay,
}

impl Variant {
    /// The command-line flag.
    fn argument(self) -> &'static str {
        match self {
            Variant::Record => "--record",
            Variant::Replay => "--replay",
        }
    }

    fn run(self, work: &mut dyn Work) {
        match self {
            Variant::Record => work.record(),
            Variant::Replay => work.replay(),
        }
    }
}

/// The command-line options.
struct Options {
    threads: Option<usize>,
    only: Vec<String>,
    variants: Vec<Variant>,
}

impl Options {
    /// Parses the arguments; `None` means that help was requested.
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
        let mut options = Options { threads: None, only: Vec::new(), variants: Vec::new() };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--threads" => options.threads = Some(thread_count(&value()?)?),
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--record" => options.variants.push(Variant::Record),
                "--replay" => options.variants.push(Variant::Replay),
                "--help" | "-h" => return Ok(None),
                other => return Err(format!("unknown argument {other}")),
            }
        }
        if options.variants.is_empty() {
            options.variants = vec![Variant::Record, Variant::Replay];
        }
        let unknown = |only: &&String| !ITEMS.iter().any(|item| names(only, item.name));
        match options.only.iter().find(unknown) {
            Some(name) => {
                let all: Vec<_> = ITEMS.iter().map(|item| item.name).collect();
                Err(format!("unknown workload {name:?}: choose from {}", all.join(", ")))
            }
            None => Ok(Some(options)),
        }
    }

    fn wants(&self, name: &str) -> bool {
        match std::env::var(CHILD) {
            Ok(one) => one == name,
            Err(_) => self.only.is_empty() || self.only.iter().any(|only| names(only, name)),
        }
    }
}

fn thread_count(text: &str) -> Result<usize, String> {
    let most = std::thread::available_parallelism().map_or(1, usize::from).max(256);
    match text.parse() {
        Ok(n) if (1..=most).contains(&n) => Ok(n),
        _ => Err(format!("--threads takes a number from 1 to {most}, not {text:?}")),
    }
}

/// Whether an `--only` entry matches a workload, by its name or by its family.
fn names(only: &str, name: &str) -> bool {
    name.strip_prefix(only).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// Measures a workload and prints the result; returns false on failure.
fn measure(item: &Item, variant: Variant) -> bool {
    match item.measure {
        Measure::Time { runs, unit, second } => {
            let mut work = (item.work)();
            print(item.name, variant, time(runs, second, || variant.run(&mut *work)), unit);
            true
        }
        Measure::Peak { runs, small } if std::env::var_os(CHILD).is_some() => {
            variant.run(&mut *small());
            let peak = peak(|| {
                let mut work = (item.work)();
                (0..runs).for_each(|_| variant.run(&mut *work));
            });
            match peak {
                Some(peak) => print(item.name, variant, [peak; 2], "MiB"),
                None => eprintln!("{}: cannot read memory usage from /proc", item.name),
            }
            peak.is_some()
        }
        // In a child process, so that earlier workloads do not affect the memory measurement.
        Measure::Peak { .. } => {
            let threads = threads().to_string();
            let child = std::env::current_exe().and_then(|program| {
                Command::new(program).args(["--threads", &threads, variant.argument()]).env(CHILD, item.name).status()
            });
            child.is_ok_and(|status| status.success())
        }
    }
}

/// Median and minimum time of the runs after a warm-up; `second` is the number of units in a second.
fn time(runs: usize, second: f64, mut work: impl FnMut()) -> [f64; 2] {
    (0..runs / 10 + 2).for_each(|_| work());
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * second
        })
        .collect();
    times.sort_by(f64::total_cmp);
    [times[runs / 2], times[0]]
}

/// Peak resident memory while `work` runs, minus the resident memory before, in MiB.
fn peak(work: impl FnOnce()) -> Option<f64> {
    let before = kibibytes("VmRSS:")?;
    // Resets the kernel's peak counter.
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    work();
    Some((kibibytes("VmHWM:")? - before) / 1024.0)
}

/// An entry of `/proc/self/status`, in KiB.
fn kibibytes(entry: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(entry))?;
    line.split_whitespace().next()?.parse().ok()
}

fn print(name: &str, variant: Variant, [median, min]: [f64; 2], unit: &str) {
    let (variant, threads) = (&variant.argument()[2..], threads());
    println!(
        r#"{{"bench":"{name}","variant":"{variant}","threads":{threads},"median":{median:.4},"min":{min:.4},"unit":"{unit}"}}"#
    );
}
