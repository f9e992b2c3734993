//! Checks `docs/ops.md`: it contains the table printed from the ops, and names every op and every method.

use autograd::op::Kind;
use std::path::{Path, PathBuf};

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ops.md");
    std::fs::read_to_string(&page).expect("docs/ops.md is part of the repository")
}

#[test]
fn the_page_of_ops_is_true() {
    let text = page();
    let table = autograd::derivative_table();
    assert!(text.contains(&table), "docs/ops.md must contain this table:\n{table}");
    for kind in Kind::ALL {
        assert!(text.contains(&format!("\n| `{kind:?}` |")), "docs/ops.md does not have a row for {kind:?}");
    }
}

/// The name that a line of `methods/*.rs` defines: `pub fn name`, a pair `name, try_name`, or a macro row
/// `name Op = "example";`.
fn method(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let word = |text: &'_ str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let row = line.strip_prefix("pub fn ").unwrap_or(line);
    let (name, rest) = row.split_at(word(row));
    let pair = rest.starts_with(", ") && rest.contains("try_");
    let example = rest.split_once(" = \"").is_some_and(|(op, _)| !op.contains(':')) && line.ends_with("\";");
    let plain = !name.is_empty() && !name.starts_with("try_") && !name.starts_with("let");
    (plain && (row.len() < line.len() || pair || example)).then_some(name)
}

#[test]
fn the_page_names_every_method() {
    let (text, mut files) = (page(), vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/methods")]);
    let mut seen = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        for name in std::fs::read_to_string(&path).unwrap().lines().filter_map(method) {
            let named = |(i, _): (usize, &str)| {
                let (before, after) = (&text[..i], &text[i + name.len()..]);
                let part = |c: char| c.is_alphanumeric() || c == '_';
                !before.ends_with(part) && !after.starts_with(part)
            };
            assert!(text.match_indices(name).any(named), "docs/ops.md does not list `{name}` of {}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 200, "found only {seen} methods");
}
