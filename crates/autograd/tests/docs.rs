//! The page of all ops is printed from the ops themselves, or names each of them.

use autograd::op::Kind;
use std::path::Path;

#[test]
fn the_page_of_ops_is_true() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ops.md");
    let text = std::fs::read_to_string(&page).expect("docs/ops.md is part of the repository");
    let table = autograd::derivative_table();
    assert!(text.contains(&table), "docs/ops.md must contain this table:\n{table}");
    for kind in Kind::ALL {
        assert!(text.contains(&format!("\n| `{kind:?}` |")), "docs/ops.md lacks a row for {kind:?}");
    }
}
