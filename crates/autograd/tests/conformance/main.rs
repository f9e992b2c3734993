//! The reference cases of the families that are this crate's own. `CONFORMANCE_DIR` names another folder of the same
//! schema.

mod engine;

/// Families whose ops live in this crate.
const FAMILIES: &[&str] = &[
    "binary", "conv", "einsum", "linalg", "matmul", "pool", "reduce", "scan", "select", "shape", "softmax", "special",
    "unary",
];
