//! The reference cases of the families that are this crate's own. `CONFORMANCE_DIR` names another folder of the same
//! schema.

mod engine;

/// Families whose ops live in this crate.
const FAMILIES: &[&str] = &[
    "binary", "conv", "einsum", "linalg", "matmul", "pool", "reduce", "scan", "select", "shape", "softmax", "special",
    "unary",
];

#[test]
fn every_reference_case_is_met() {
    let mut report = engine::Report::default();
    for file in engine::files(FAMILIES, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")) {
        for case in &file.cases {
            report.note(case, engine::run(case, &engine::ops::apply));
        }
    }
    report.finish();
}
