//! The documentation quotes the programs correctly, and its links resolve.

use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn the_page_of_the_network_quotes_its_program() {
    let (page, program) = (read("docs/mlp.md"), read("examples/mlp.rs"));
    let quoted: Vec<&str> =
        page.split("```rust,ignore\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    assert!(quoted.len() >= 3);
    for line in quoted.iter().flat_map(|block| block.lines()) {
        // A quoted call may omit trailing settings.
        let line = line.trim().trim_end_matches(';');
        assert!(program.contains(line), "examples/mlp.rs does not contain: {line}");
    }
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    for page in [
        "README.md",
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "docs/layers.md",
        "docs/data.md",
        "docs/experiments.md",
        "docs/kinks.md",
        "docs/mlp.md",
        "docs/ops.md",
        "docs/performance.md",
        "docs/tour.md",
        "docs/training.md",
        "docs/worked_example.md",
    ] {
        let folder = Path::new(page).parent().unwrap();
        for link in read(page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            let there = file.starts_with("http")
                || file.is_empty()
                || Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file).exists();
            assert!(there, "{page} links to {link}, which does not exist");
        }
    }
}
