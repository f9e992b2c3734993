//! The reference cases of losses, layers, optimizers, schedules and initializers, and those that need both crates:
//! chains of ops, edge cases and errors. `CONFORMANCE_DIR` selects a different folder with the same schema.

#[path = "../../../autograd/tests/conformance/engine/mod.rs"]
mod engine;
mod init;
mod ops;
mod optim;
mod schedule;
mod transform;

use engine::compare::agrees;
use engine::{Applied, Arg, Array, Attrs, Case, Report};
use serde_json::Value;

/// Families that are run here.
const FAMILIES: &[&str] = &[
    "attention",
    "edge",
    "init",
    "loss",
    "lr_schedule",
    "normlayer",
    "optim",
    "program",
    "recurrent",
    "reject",
    "transform",
];

fn main() {
    // Panics are failures, which the report lists.
    std::panic::set_hook(Box::new(|_| ()));
    let mut report = Report::default();
    for file in engine::files(FAMILIES, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")) {
        file.cases.iter().for_each(|case| report.note(case, check(case)));
    }
    let _ = std::panic::take_hook();
    report.finish();
}

/// Families with a different schema have a separate reader.
fn check(case: &Case) -> Result<(), String> {
    let read: fn(&Value) -> Result<(), String> = match case.json["family"].as_str() {
        Some("optim") => optim::check,
        Some("lr_schedule") => schedule::check,
        Some("init") => init::check,
        Some("transform") => return transform::check(case),
        _ => return engine::run(case, &apply),
    };
    let json = &case.json;
    std::panic::catch_unwind(|| read(json)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(|s| s.to_string()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

/// The ops of this crate, then those of `autograd`.
fn apply<'t>(tape: &'t autograd::Tape<f64>, op: &str, attrs: &Attrs, x: &[Arg<'t>]) -> Applied<'t> {
    ops::apply(tape, op, attrs, x).or_else(|| engine::ops::apply(tape, op, attrs, x))
}

/// Compares numbers with the expected ones by the criterion of the fixtures.
fn close(what: &str, got: &[f64], expected: &[f64], rtol: f64) -> Result<(), String> {
    let array = |data: &[f64]| Array { dtype: "f64".into(), shape: vec![data.len()], data: data.to_vec(), grad: false };
    let same = got.len() == expected.len();
    let (a, e) = (array(got), array(expected));
    match (0..expected.len()).find(|&k| !agrees(&a, &e, k, rtol)) {
        None if same => Ok(()),
        _ => Err(format!("{what}: {got:?}, expected {expected:?}")),
    }
}

fn number(json: &Value) -> f64 {
    json.as_f64().unwrap_or_else(|| panic!("{json} is not a number"))
}

fn text(json: &Value) -> &str {
    json.as_str().unwrap_or_else(|| panic!("{json} is not a string"))
}

fn numbers(json: &Value) -> Vec<f64> {
    json.as_array().unwrap_or_else(|| panic!("{json} is not a list")).iter().map(number).collect()
}

fn sizes(json: &Value) -> Vec<usize> {
    numbers(json).into_iter().map(|x| x as usize).collect()
}
