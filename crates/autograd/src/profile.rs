//! Profiles of where time is spent: a [`Profile`] sums up calls, seconds, operations and bytes by op and by source
//! line, prints them as a table, and exports them for viewers of traces and flame graphs. `meter` measures a tape; this
//! file does not depend on tapes.

mod meter;
mod replay;

use crate::draw::text::json;
use crate::op::Cost;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter, Write};
use std::panic::Location;
use std::time::Duration;

/// One row of a [`Profile`]: calls with the same phase, op and source line.
///
/// ```
/// let tape = autograd::Tape::<f64>::new();
/// let x = tape.var(autograd::Tensor::ones(&[50, 50]));
/// let profile = x.matmul(x).sum().profile();
/// let row = &profile.rows()[0];
/// assert_eq!((row.phase, row.calls, row.cost.flops), ("forward", 1, 2 * 50 * 50 * 50));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileRow {
    /// The phase: `forward`, `reverse`, or another one named by the creator of the profile.
    pub phase: &'static str,
    /// The op's name.
    pub op: Cow<'static, str>,
    /// The source line that requested it, if known.
    pub line: Option<&'static Location<'static>>,
    /// Number of calls.
    pub calls: u64,
    /// Total time of the calls.
    pub seconds: f64,
    /// The minimal arithmetic and memory traffic.
    pub cost: Cost,
}

/// Time, operations and bytes by op and by source line; see [`Var::profile`](crate::Var::profile).
///
/// ```
/// let tape = autograd::Tape::<f64>::new();
/// let x = tape.var(autograd::Tensor::ones(&[100, 100]));
/// let profile = x.matmul(x).exp().sum().profile();
/// assert_eq!(profile.rows()[0].op, "matmul");
/// assert!(profile.by_op().iter().all(|row| row.line.is_none()) && !profile.by_line().is_empty());
/// assert!(profile.seconds() > 0.0 && profile.cost().flops > 2_000_000);
/// assert!(profile.trace().starts_with("{\"displayTimeUnit\"")); // for Perfetto
/// assert!(profile.folded().contains("matmul")); // for a flame graph
/// ```
#[derive(Clone, Debug, Default)]
pub struct Profile {
    rows: Vec<ProfileRow>,
    places: HashMap<(&'static str, Cow<'static, str>, Option<&'static Location<'static>>), usize>,
    events: Vec<Event>,
}

/// One call, for the trace.
#[derive(Clone, Copy, Debug)]
struct Event {
    row: usize,
    start: Duration,
    time: Duration,
}

/// Maximum number of calls in a trace: more than viewers can display smoothly. Sums include later calls.
const TRACED: usize = 1 << 18;

impl Profile {
    /// Adds a call that began at `start` on the profile's clock.
    pub(crate) fn add(
        &mut self,
        phase: &'static str,
        op: impl Into<Cow<'static, str>>,
        line: Option<&'static Location<'static>>,
        [start, time]: [Duration; 2],
        cost: Cost,
    ) {
        let op = op.into();
        let row = *self.places.entry((phase, op.clone(), line)).or_insert_with(|| {
            self.rows.push(ProfileRow { phase, op, line, calls: 0, seconds: 0.0, cost: Cost::default() });
            self.rows.len() - 1
        });
        self.rows[row].calls += 1;
        self.rows[row].seconds += time.as_secs_f64();
        self.rows[row].cost += cost;
        if self.events.len() < TRACED {
            self.events.push(Event { row, start, time });
        }
    }

    /// One row for each phase, op and line, in order of first occurrence.
    pub fn rows(&self) -> &[ProfileRow] {
        &self.rows
    }

    /// One row for each phase and op, summed over lines, the longest first.
    pub fn by_op(&self) -> Vec<ProfileRow> {
        self.merged(&|row| ProfileRow { line: None, ..row })
    }

    /// One row for each line, summed over ops and phases, the longest first.
    pub fn by_line(&self) -> Vec<ProfileRow> {
        self.merged(&|row| ProfileRow { phase: "", op: "".into(), ..row })
    }

    /// The total time.
    pub fn seconds(&self) -> f64 {
        self.rows.iter().map(|row| row.seconds).sum()
    }

    /// The total cost.
    pub fn cost(&self) -> Cost {
        self.rows.iter().map(|row| row.cost).sum()
    }

    fn merged(&self, key: &dyn Fn(ProfileRow) -> ProfileRow) -> Vec<ProfileRow> {
        let mut all: Vec<ProfileRow> = Vec::new();
        for row in self.rows.iter().cloned().map(key) {
            match all.iter_mut().find(|r| (r.phase, &r.op, r.line) == (row.phase, &row.op, row.line)) {
                Some(sum) => {
                    sum.calls += row.calls;
                    sum.seconds += row.seconds;
                    sum.cost += row.cost;
                }
                None => all.push(row),
            }
        }
        all.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        all
    }

    /// The calls in Chrome's trace-event format: save it as `trace.json` and open it in Perfetto, speedscope or
    /// `chrome://tracing`. Only the first 262,144 calls are included.
    pub fn trace(&self) -> String {
        let mut out = String::from("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
        for (i, Event { row, start, time }) in self.events.iter().enumerate() {
            let ProfileRow { phase, op, line, calls, cost, .. } = &self.rows[*row];
            let (ts, dur) = (start.as_secs_f64() * 1e6, time.as_secs_f64() * 1e6);
            // Calls of a row may differ in size; only their mean is kept.
            let (flops, bytes) = (cost.flops / calls, cost.bytes / calls);
            let comma = if i == 0 { "" } else { "," };
            let (op, line) = (json(op), json(&place(*line)));
            let args = format!("{{\"line\":{line},\"flops\":{flops},\"bytes\":{bytes}}}");
            let head = format!("{{\"name\":{op},\"cat\":\"{phase}\",\"ph\":\"X\",\"pid\":1,\"tid\":1");
            let _ = write!(out, "{comma}\n{head},\"ts\":{ts:.3},\"dur\":{dur:.3},\"args\":{args}}}");
        }
        out + "\n]}\n"
    }

    /// Folded stacks of phase, line and op with their time in nanoseconds, one per line: the input of `flamegraph.pl`,
    /// `inferno` and speedscope.
    pub fn folded(&self) -> String {
        let stack = |row: &ProfileRow| {
            format!("{};{};{} {:.0}\n", row.phase, place(row.line).replace(';', ","), row.op, row.seconds * 1e9)
        };
        self.rows.iter().map(stack).collect()
    }
}

/// Prints a table: the longest rows first, with their share of the total time and the achieved rates.
impl Display for Profile {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let whole = self.seconds();
        writeln!(
            f,
            "{:<8} {:<16} {:>8} {:>11} {:>6} {:>9} {:>9}  line",
            "phase", "op", "calls", "time", "%", "GFLOP/s", "GB/s"
        )?;
        for row in self.merged(&|row| row) {
            let share = 100.0 * row.seconds / whole.max(f64::MIN_POSITIVE);
            let time = format!("{:.1?}", Duration::from_secs_f64(row.seconds));
            let rate = |n: u64| n as f64 / row.seconds.max(1e-12) / 1e9;
            let (flops, bytes) = (rate(row.cost.flops), rate(row.cost.bytes));
            write!(f, "{:<8} {:<16} {:>8} {time:>11} {share:>6.1}", row.phase, row.op, row.calls)?;
            writeln!(f, " {flops:>9.2} {bytes:>9.2}  {}", place(row.line))?;
        }
        let cost = self.cost();
        let time = Duration::from_secs_f64(whole);
        writeln!(f, "{time:.1?} in all, {:.3e} operations, {:.3e} bytes", cost.flops as f64, cost.bytes as f64)
    }
}

fn place(line: Option<&Location>) -> String {
    line.map_or("?".into(), |line| format!("{}:{}", line.file(), line.line()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Profile {
        let mut profile = Profile::default();
        let (here, cost) = (Some(Location::caller()), Cost { flops: 2000, bytes: 500 });
        let at = |start: u64, time: u64| [start, time].map(Duration::from_micros);
        profile.add("forward", "tanh", here, at(0, 3), cost);
        profile.add("forward", "tanh", here, at(3, 5), cost);
        profile.add("forward", "tanh", None, at(8, 1), cost);
        profile.add("reverse", "a \"fused\"\n\\ group", here, at(9, 20), Cost::default());
        profile
    }

    #[test]
    fn calls_add_up_by_op_and_by_line() {
        let profile = sample();
        assert_eq!(profile.rows().iter().map(|r| r.calls).collect::<Vec<_>>(), [2, 1, 1]);
        assert!((profile.seconds() - 29e-6).abs() < 1e-12);
        assert_eq!(profile.cost(), Cost { flops: 6000, bytes: 1500 });
        let ops: Vec<_> = profile.by_op().into_iter().map(|r| (r.phase, r.calls, r.cost.flops)).collect();
        assert_eq!(ops, [("reverse", 1, 0), ("forward", 3, 6000)]);
        assert_eq!(profile.by_line().iter().map(|r| r.calls).collect::<Vec<_>>(), [3, 1]);
    }

    #[test]
    fn the_trace_is_json_that_names_each_call() {
        let trace: serde_json::Value = serde_json::from_str(&sample().trace()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        assert_eq!(events.len(), 4);
        assert_eq!((&events[1]["ts"], &events[1]["dur"]), (&serde_json::json!(3.0), &serde_json::json!(5.0)));
        assert_eq!(events[1]["args"]["flops"], 2000);
        assert_eq!(events[3]["name"], "a \"fused\"\n\\ group");
        assert_eq!(events[2]["args"]["line"], "?");
        assert!(serde_json::from_str::<serde_json::Value>(&Profile::default().trace()).is_ok());
    }

    #[test]
    fn folded_stacks_end_in_nanoseconds() {
        assert!(sample().folded().lines().any(|l| l == "forward;?;tanh 1000"));
    }

    #[test]
    fn the_table_shows_rates_and_the_whole() {
        let table = sample().to_string();
        assert!(table.contains("29.0µs in all, 6.000e3 operations, 1.500e3 bytes"), "{table}");
        let row = table.lines().find(|l| l.contains("tanh") && l.contains("profile.rs")).unwrap();
        assert!(row.contains(" 2 ") && row.contains("0.50") && row.contains("0.12"), "{row}");
    }
}
