//! Runs the reference cases of this crate's op families. `CONFORMANCE_DIR` selects another folder with the same schema.

mod engine;

/// Families whose ops live in this crate.
const FAMILIES: &[&str] = &[
    "binary", "conv", "einsum", "linalg", "matmul", "pool", "reduce", "scan", "select", "shape", "softmax", "special",
    "unary",
];

fn main() {
    let mut report = engine::Report::default();
    for file in engine::files(FAMILIES, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")) {
        for case in &file.cases {
            report.note(case, engine::run(case, &engine::ops::apply));
        }
    }
    report.finish();
}
